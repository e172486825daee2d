package gateway_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// attach makes a letter with files of one content.
func attach(names []string, content []byte, header ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nMessage-ID: <%s@x.example>\r\n", gatewaytest.Sender, gatewaytest.Body, strings.Join(names, "-"))
	b.WriteString("Date: Sun, 22 Nov 2026 09:00:00 +0300\r\n")
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText.\r\n")
	for _, n := range names {
		fmt.Fprintf(&b, "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=%q\r\n", n)
		b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n" + lines(content) + "\r\n")
	}
	b.WriteString("--b--\r\n")
	return b.Bytes()
}

// text makes a plain letter.
func text(subject, body string, header ...string) []byte {
	h := strings.Join(append(header, ""), "\r\n")
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n%sMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n",
		gatewaytest.Sender, gatewaytest.Body, subject, h, body)
}

// Every refusal has the reply of its rule; nothing is kept but the journal's
// word that it happened.
func TestRefusals(t *testing.T) {
	g := gatewaytest.Start(t)
	pdf, err := os.ReadFile("../testdata/documents/act.pdf")
	if err != nil {
		t.Fatal(err)
	}
	exe := append([]byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"), make([]byte, 500)...)
	six := []string{"1.pdf", "2.pdf", "3.pdf", "4.pdf", "5.pdf", "6.pdf"}
	registered := "X-Letter-Type: registered"
	deep := "Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
	for i := range 200 {
		deep += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	for _, c := range []struct {
		name, from, to string
		letter         []byte
		code           int
		reply          []string
	}{
		{"unknown recipient", gatewaytest.Sender, "ofice@inspection.example", nil, 550, []string{"5.1.1", "recipient-unknown-near", gatewaytest.Body}},
		{"unknown domain", gatewaytest.Sender, "who@nowhere.invalid", nil, 550, []string{"5.1.1", "recipient-unknown"}},
		{"wrong check digit", gatewaytest.Sender, "inn-7705345671@registry.example", nil, 553, []string{"5.1.3", "recipient-number-invalid"}},
		{"foreign sender", gatewaytest.Body, gatewaytest.Body, nil, 550, []string{"5.7.1", "sender-not-owned"}},
		{"foreign From", gatewaytest.Sender, gatewaytest.Body, bytes.Replace(text("s", "t"), []byte(gatewaytest.Sender), []byte(gatewaytest.Partner), 1), 550, []string{"5.7.1", "from-not-owned"}},
		{"sixth file", gatewaytest.Sender, gatewaytest.Body, attach(six, pdf, "Subject: s"), 550, []string{"5.6.1", "too-many-files"}},
		{"file too large", gatewaytest.Sender, gatewaytest.Body, attach([]string{"1.pdf"}, bytes.Repeat(pdf, 1000), "Subject: s"), 552, []string{"5.3.4", "file-too-large"}},
		{"program named pdf", gatewaytest.Sender, gatewaytest.Body, attach([]string{"bill.pdf"}, exe, "Subject: s"), 550, []string{"5.6.1", "file-"}},
		{"subject of 151", gatewaytest.Sender, gatewaytest.Body, text(strings.Repeat("я", 151), "t"), 550, []string{"5.6.0", "subject-too-long", "151", "150"}},
		{"text of 10001", gatewaytest.Sender, gatewaytest.Body, text("s", strings.Repeat("щ", 10001)), 550, []string{"5.6.0", "text-too-long", "10001"}},
		{"no subject", gatewaytest.Sender, gatewaytest.Body, text("", "t"), 550, []string{"5.6.0", "subject-"}},
		{"registered without file", gatewaytest.Sender, gatewaytest.Body, text("s", "t", registered), 550, []string{"5.6.1", "files-missing"}},
		{"signature forbidden", gatewaytest.Sender, gatewaytest.Body, signedByNobody(), 550, []string{"signature"}},
		{"forged number", gatewaytest.Sender, gatewaytest.Body, text("s", "t", "X-Letter-Number: GP-1"), 550, []string{"5.6.0", "forged-header"}},
		{"forged digest", gatewaytest.Sender, gatewaytest.Body, text("s", "t", "X-Letter-Evidence-SHA256: 00"), 550, []string{"5.6.0", "forged-header"}},
		{"forged authentication", gatewaytest.Sender, gatewaytest.Body, text("s", "t", "Authentication-Results: localhost; spf=pass"), 550, []string{"forged-header"}},
		{"unknown type", gatewaytest.Sender, gatewaytest.Body, text("s", "t", "X-Letter-Type: urgent"), 550, []string{"letter-type-unknown"}},
		{"two types", gatewaytest.Sender, gatewaytest.Body, text("s", "t", registered, "X-Letter-Type: simple"), 550, []string{"letter-type-conflict"}},
		{"truncated", gatewaytest.Sender, gatewaytest.Body, bytes.TrimSuffix(attach([]string{"1.pdf"}, pdf, "Subject: s"), []byte("--b--\r\n")), 550, []string{"truncated"}},
		{"200 levels", gatewaytest.Sender, gatewaytest.Body, fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: s\r\nMIME-Version: 1.0\r\n%s", gatewaytest.Sender, gatewaytest.Body, deep), 550, []string{"nesting-too-deep"}},
		{"many at once", gatewaytest.Sender, gatewaytest.Body, attach(six, exe, registered, "Subject: "+strings.Repeat("x", 200)), 550, []string{"too-many-files", "file-", "subject-too-long"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), c.from, []string{c.to}, c.letter)
			if code != c.code {
				t.Errorf("code %d, want %d: %s", code, c.code, reply)
			}
			for _, want := range c.reply {
				if !strings.Contains(reply, want) {
					t.Errorf("reply lacks %q: %s", want, reply)
				}
			}
		})
	}
	nothingKept(t, g)
}

// signedByNobody is a multipart/signed whose signature is none.
func signedByNobody() []byte {
	return fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: s\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b\r\n\r\n"+
		"--b\r\n\r\nText.\r\n--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n"+
		"Content-Transfer-Encoding: base64\r\n\r\nMIIB\r\n--b--\r\n", gatewaytest.Sender, gatewaytest.Body)
}

// nothingKept checks that refusals left no message, letter, item or body, and
// are journalled.
func nothingKept(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	if n := count(t, g, gatewaytest.Sender, "Sent") + count(t, g, gatewaytest.Body, "INBOX"); n != 0 {
		t.Errorf("%d messages", n)
	}
	account, err := g.Store().Directory().AccountByAddress(t.Context(), gatewaytest.Sender)
	if err != nil {
		t.Fatal(err)
	}
	rejected := 0
	err = g.Store().View(t.Context(), account.ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Letters(mailstore.LetterFilter{}) {
			t.Errorf("letter %v, %v", rec.Number, err)
		}
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			if rec.Kind == journal.Rejected {
				rejected++
			}
		}
		_, err := journal.Verify(tx)
		return err
	})
	if err != nil || rejected == 0 {
		t.Errorf("journal: %d refusals, %v", rejected, err)
	}
	report, err := g.Store().Sweep(t.Context(), 0)
	if err != nil || report.Kept+report.Removed != 0 {
		t.Errorf("bodies left behind: %+v, %v", report, err)
	}
}

// An account whose mail program must sign gets no signature from the gateway.
func TestClientMustSign(t *testing.T) {
	g := gatewaytest.Start(t)
	letter := compose(t, gatewaytest.Partner, gatewaytest.Body, "Unsigned", "X-Letter-Type: registered")
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Partner, "person"), gatewaytest.Partner, []string{gatewaytest.Body}, letter)
	if code != 550 || !strings.Contains(reply, "5.7.1") || !strings.Contains(reply, "signature-missing") {
		t.Errorf("reply %d %s", code, reply)
	}
}
