package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"

	"gosbridge/gateway/gatewaytest"
)

// readable is all that a reader can find in a mail: header fields and decoded
// parts.
func readable(t *testing.T, octets []byte) string {
	t.Helper()
	e, err := gomessage.Read(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	err = e.Walk(func(_ []int, part *gomessage.Entity, err error) error {
		if err != nil {
			return err
		}
		for f := part.Header.Fields(); f.Next(); {
			text, _ := f.Text()
			b.WriteString(f.Key() + ": " + text + "\n")
		}
		if part.MultipartReader() != nil {
			return nil
		}
		_, err = io.Copy(&b, part.Body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(octets)
	return b.String()
}

// hiddenField finds a field for hidden recipients; random names of bodies and
// boundaries may hold its letters.
var hiddenField = regexp.MustCompile(`(?im)^[a-z-]*bcc[ \t]*:`)

// A hidden recipient appears in nothing that another recipient gets: neither
// in the letter nor in the receipts; however the field is written.
func TestHiddenRecipients(t *testing.T) {
	g := gatewaytest.Start(t)
	for i, field := range []string{
		"Bcc: <%s>", "bCC: Anna <%s>", "Bcc : <%s>", "BCC:\r\n\t<%s>", "Bcc: nobody@x.example,\r\n <%s>\r\nBcc: <%[1]s>",
		"Resent-Bcc: <%s>", "X-Other: 1",
	} {
		t.Run(field, func(t *testing.T) {
			if strings.Contains(field, "%") {
				field = fmt.Sprintf(field, gatewaytest.Partner)
			}
			letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Hidden", field)
			to := []string{gatewaytest.Body, gatewaytest.Partner}
			if code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, to, letter); code != 250 {
				t.Fatalf("reply %d %s", code, reply)
			}
			for _, user := range to {
				eventually(t, "receipt", func() bool { return len(rows(t, g, user, "Receipts")) == i+1 })
			}
			for _, box := range []string{"INBOX", "Receipts"} {
				if mail := readable(t, rows(t, g, gatewaytest.Body, box)[i].octets); strings.Contains(mail, gatewaytest.Partner) {
					t.Errorf("%s of the recipient names the hidden one:\n%s", box, mail)
				}
			}
			// Who is hidden learns of the letter's recipients what it says.
			if mail := readable(t, rows(t, g, gatewaytest.Partner, "INBOX")[i].octets); hiddenField.MatchString(mail) {
				t.Errorf("INBOX of the hidden recipient:\n%s", mail)
			}
			if mail := readable(t, rows(t, g, gatewaytest.Sender, "Sent")[i].octets); strings.Contains(mail, gatewaytest.Partner) {
				t.Errorf("Sent names the hidden one:\n%s", mail)
			}
		})
	}
}
