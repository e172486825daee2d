package gateway_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/gatewaytest"
)

// A registered letter goes the whole way: held, delivered, opened, with
// receipts in the sender's mailbox.
func TestLetterGoesThrough(t *testing.T) {
	g := gatewaytest.Start(t)
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Complaint", "X-Letter-Type: registered")
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body}, letter)
	if code != 250 || !strings.Contains(reply, "accepted as GP-") || !strings.Contains(reply, "recall until") {
		t.Fatalf("reply %d %s", code, reply)
	}
	sender := dialIMAP(t, g, gatewaytest.Sender, "person")
	if f := flags(t, sender, "Sent"); !has(f, "Letter-Held") && !has(f, "Letter-Delivered") {
		t.Errorf("flags of the sent letter: %v", f)
	}
	eventually(t, "delivered", func() bool { return has(flags(t, sender, "Sent"), "Letter-Delivered") })

	reader := dialIMAP(t, g, gatewaytest.Body, "person")
	sel, err := reader.Select("INBOX", nil).Wait()
	if err != nil || sel.NumMessages != 1 {
		t.Fatalf("INBOX: %v, %v", sel, err)
	}
	section := &imap.FetchItemBodySection{}
	msgs, err := reader.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	body := msgs[0].FindBodySection(section)
	if !bytes.Contains(body, []byte("X-Letter-Number: GP-")) || !bytes.Contains(body, []byte("multipart/signed")) {
		t.Errorf("delivered letter:\n%.2000s", body)
	}
	eventually(t, "opened", func() bool { return has(flags(t, sender, "Sent"), "Letter-Opened") })
	if sel, err := sender.Select("Receipts", nil).Wait(); err != nil || sel.NumMessages != 3 {
		t.Errorf("Receipts: %v, %v", sel, err)
	}
}
