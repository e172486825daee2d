package gateway_test

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gosbridge/gateway/gatewaytest"
)

// Who asked by NOTIFY gets a plain notification of the delivery, in INBOX and
// beside the signed receipts; who did not, or asked never, gets none.
func TestNotify(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, c := range []struct {
		notify []smtp.DSNNotify
		want   int
	}{
		{nil, 0}, {[]smtp.DSNNotify{smtp.DSNNotifyNever}, 0}, {[]smtp.DSNNotify{smtp.DSNNotifyFailure}, 0},
		{[]smtp.DSNNotify{smtp.DSNNotifySuccess, smtp.DSNNotifyFailure}, 1},
	} {
		before := len(rows(t, g, gatewaytest.Sender, "INBOX"))
		number := sendNotify(t, g, c.notify)
		eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
		inbox := rows(t, g, gatewaytest.Sender, "INBOX")[before:]
		if len(inbox) != c.want {
			t.Errorf("NOTIFY %v: %d notifications", c.notify, len(inbox))
			continue
		}
		for _, n := range inbox {
			checkNotification(t, n.octets)
		}
	}
}

// sendNotify sends a letter with DSN parameters and returns its number.
func sendNotify(t *testing.T, g *gatewaytest.Gateway, notify []smtp.DSNNotify) string {
	t.Helper()
	c, err := smtp.DialTLS(g.SMTPS, g.TLS(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", gatewaytest.Sender, gatewaytest.Password+"-system")); err != nil {
		t.Fatal(err)
	}
	if err := c.Mail(gatewaytest.Sender, &smtp.MailOptions{EnvelopeID: "env-42"}); err != nil {
		t.Fatal(err)
	}
	options := &smtp.RcptOptions{Notify: notify, OriginalRecipientType: smtp.DSNAddressTypeRFC822, OriginalRecipient: "Office@inspection.example"}
	if err := c.Rcpt(gatewaytest.Body, options); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(compose(t, gatewaytest.Sender, gatewaytest.Body, "Notify", "X-Letter-Repeat: yes")); err != nil {
		t.Fatal(err)
	}
	answer, err := w.CloseWithResponse()
	if err != nil {
		t.Fatal(err)
	}
	return numberPattern.FindString(answer.StatusText)
}

// checkNotification checks what RFC 3464 §2 asks for.
func checkNotification(t *testing.T, octets []byte) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	if kind := m.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/report; report-type=delivery-status") {
		t.Errorf("Content-Type %s", kind)
	}
	for _, field := range []string{
		"Original-Envelope-Id: env-42\r\n", "Original-Recipient: rfc822; Office@inspection.example\r\n", "Action: delivered\r\n",
		"Final-Recipient: rfc822; " + gatewaytest.Body + "\r\n", "Status: 2.1.5\r\n",
	} {
		if !bytes.Contains(octets, []byte(field)) {
			t.Errorf("no %q in\n%s", field, octets)
		}
	}
	if bytes.Contains(octets, []byte("application/pdf")) {
		t.Errorf("the letter's body is returned")
	}
}
