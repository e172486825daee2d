package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"gosbridge/gateway/gatewaytest"
)

// Octets that other servers would mend, or take for the end of a message, are
// refused as they came, by DATA and by BDAT; nothing after them is a command.
func TestOctetsAreNotMended(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, c := range []struct{ name, octets, reason string }{
		{"bare LF", "a\nb", "bare-line-ending: "},
		{"bare CR", "a\rb", "bare-line-ending: "},
		{"LF dot LF", "a\n.\nMAIL FROM:<x@y.example>", "bare-line-ending: "},
		{"CR dot CR", "a\r.\rb", "bare-line-ending: "},
		{"NUL", "a\x00b", "nul-octet: "},
	} {
		letter := string(text("Octets", c.octets))
		for how, send := range map[string]string{
			"DATA": "DATA\r\n" + letter + ".\r\n",
			"BDAT": fmt.Sprintf("BDAT %d LAST\r\n%s", len(letter), letter),
		} {
			client := dialSMTP(t, g, gatewaytest.Sender, "person")
			if err := client.Mail(gatewaytest.Sender); err != nil {
				t.Fatal(err)
			}
			if err := client.Rcpt(gatewaytest.Body); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Text.W.WriteString(send + "NOOP\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := client.Text.W.Flush(); err != nil {
				t.Fatal(err)
			}
			if how == "DATA" {
				if _, _, err := client.Text.ReadResponse(354); err != nil {
					t.Fatal(err)
				}
			}
			_, reply, err := client.Text.ReadResponse(550)
			if err != nil || !strings.HasPrefix(reply, "5.6.0 "+c.reason) {
				t.Errorf("%s by %s: %q, %v", c.name, how, reply, err)
			}
			if _, _, err := client.Text.ReadResponse(250); err != nil {
				t.Errorf("%s by %s: NOOP %v", c.name, how, err)
			}
		}
	}
	nothingKept(t, g)
}
