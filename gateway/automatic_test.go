package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/gatewaytest"
)

// The keywords of a letter are on every row of the account that shows it: on
// copies made before a change of state, and after it.
func TestKeywordsOnEveryRow(t *testing.T) {
	g := gatewaytest.Start(t)
	number := send(t, g, gatewaytest.Body)
	sender := dialIMAP(t, g, gatewaytest.Sender, "person")
	copyTo := func(from, to string) {
		t.Helper()
		if _, err := sender.Select(from, nil).Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := sender.Copy(imap.SeqSetNum(1), to).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	copyTo("Sent", "Archive")
	eventually(t, "delivery", func() bool { return has(flags(t, sender, "Archive"), "Letter-Delivered") })
	copyTo("Archive", "Drafts")
	if f := flags(t, sender, "Drafts"); !has(f, "Letter-Delivered") {
		t.Errorf("copy made after the delivery: %v", f)
	}
	// Opened by way of a copy of the letter.
	reader := dialIMAP(t, g, gatewaytest.Body, "person")
	if _, err := reader.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Copy(imap.SeqSetNum(1), "Archive").Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Select("Archive", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	seen := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
	if err := reader.Store(imap.SeqSetNum(1), seen, nil).Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "opening", func() bool { return show(t, g, number).State == "opened" })
	for _, box := range []string{"Sent", "Archive", "Drafts"} {
		if f := flags(t, sender, box); !has(f, "Letter-Opened") || has(f, "Letter-Delivered") || has(f, "Letter-Accepted") {
			t.Errorf("%s: %v", box, f)
		}
	}
}

// What was sent automatically is not answered: its evidence is kept, and no
// receipt goes to anybody (RFC 3834 §2); but a failure is told.
func TestAutomaticIsNotAnswered(t *testing.T) {
	g := gatewaytest.Start(t)
	for i, c := range []struct {
		header   string
		receipts uint32
	}{
		{"Auto-Submitted: no", 2},
		{"Auto-Submitted: auto-replied (vacation)", 2},
	} {
		number := send(t, g, gatewaytest.Body, c.header)
		eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
		time.Sleep(50 * time.Millisecond)
		if n := count(t, g, gatewaytest.Sender, "Receipts"); n != c.receipts {
			t.Errorf("%s: %d receipts of the sender", c.header, n)
		}
		if n := count(t, g, gatewaytest.Body, "Receipts"); n != 1 {
			t.Errorf("%s: %d receipts of the recipient", c.header, n)
		}
		if n := len(show(t, g, number).Evidence); n != 2 {
			t.Errorf("letter %d: %d evidence", i, n)
		}
	}
}

// What has no structure, or lacks what others have, is refused or accepted,
// never an error of ours.
func TestBareLetters(t *testing.T) {
	g := gatewaytest.Start(t)
	from := "From: <" + gatewaytest.Sender + ">\r\n"
	for _, c := range []struct {
		name, letter string
		code         int
		reply        string
	}{
		{"nothing", "", 550, "from-missing"},
		{"blank line", "\r\n", 550, "from-missing"},
		{"text only", "Hello\r\n", 550, "from-missing"},
		{"header only", from + "Subject: s\r\n", 550, "text-missing"},
		{"no Message-ID, no Date", from + "Subject: s\r\n\r\nText\r\n", 250, "accepted as"},
		{"cut in the header", from + "Subject: s", 550, "text-missing"},
		{"empty parts", from + "Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b--\r\n", 550, "text-missing"},
		{"signed without parts", from + "Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b\r\n\r\n", 550, "text-missing"},
		{"opaque of nothing", from + "Subject: s\r\nMIME-Version: 1.0\r\nX-Letter-Type: registered\r\nContent-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n", 550, "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, []byte(c.letter))
			if code != c.code || !strings.Contains(reply, c.reply) {
				t.Errorf("reply %d %s", code, reply)
			}
		})
	}
}
