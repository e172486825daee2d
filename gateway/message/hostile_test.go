package message

import (
	"strings"
	"testing"
	"time"
)

// TestHostileHeadersAreLinear gives headers made to be slow. Each takes some
// milliseconds; anything quadratic takes minutes.
func TestHostileHeadersAreLinear(t *testing.T) {
	const size = 128 << 10
	for _, piece := range []string{
		"=?", "=?a?B?", "=?a?B?x ", "(", "()", "<", "<,", "\"", "\"a\"", "a:", ";", "a@", ",", "\\", "x*0*=", ";x*=", ";x=\"",
		";a*1=b", ";a*0=b", ";a*0*=b''", "%", "=?utf-8?B?0J8=?= ", "a\x00", "<\"", "(\\", "&", "-", "1-1-1 ",
	} {
		value := strings.Repeat(piece, size/len(piece))
		raw := []byte("X: y\r\nTo: " + value + "\r\nDate: " + value + "\r\nContent-Type: a/b; " + value + "\r\n\r\n")
		start := time.Now()
		m := parse(raw, Limits{HeaderOctets: 2 << 20})
		m.Summary()
		m.Header.Text("To")
		m.Header.Addresses("To")
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q: %v", piece, took)
		} else if took > 300*time.Millisecond {
			t.Logf("%q: %v", piece, took)
		}
	}
	for _, piece := range []string{"--", "\r\n--", "\r\n--b", "\r\n--b\r\n", "\r\n--b\r\n\r\n", "=", "= ", " ", "<", "&a", "\r", "\n"} {
		body := strings.Repeat(piece, 256<<10/len(piece))
		for _, head := range []string{
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
			"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
			"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		} {
			start := time.Now()
			chunked([]byte(head+body), Limits{}, func() int { return 4096 })
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("%q after %q: %v", piece, head, took)
			} else if took > 500*time.Millisecond {
				t.Logf("%q after %q: %v", piece, head, took)
			}
		}
	}
}
