package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// The demonstration believes nothing that it has not checked: with --once, the
// command ends in an error when a letter or receipt is not what it has to be.
func TestDemonstrationChecks(t *testing.T) {
	// Another header of the first signed part: nothing of its structure changes.
	tamper := func(mail []byte) []byte {
		i := bytes.Index(mail, []byte("\r\n--"))
		inside := bytes.Replace(mail[i:], []byte("\r\nContent-Transfer-Encoding: "), []byte("\r\nContent-Transfer-Encoding:  "), 1)
		return append(bytes.Clone(mail[:i]), inside...)
	}
	asIs := func(mail []byte) []byte { return mail }
	for name, test := range map[string]struct {
		letter, receipt func([]byte) []byte
		one             bool   // the first receipt stands for all
		want            string // in the error; "" for success
	}{
		"good":            {letter: asIs, receipt: asIs},
		"letter changed":  {letter: tamper, receipt: asIs, want: "read: signature of the letter: "},
		"letter unsigned": {letter: func([]byte) []byte { return []byte("Subject: x\r\n\r\nText\r\n") }, receipt: asIs, want: "read: the letter is not signed"},
		"receipt changed": {letter: asIs, receipt: tamper, want: "receipts: receipt SubmissionAcceptance of letter"},
		"receipt missing": {letter: asIs, receipt: asIs, one: true, want: "receipts: no receipt ContentConsignment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := &quickstart{data: filepath.Join(t.TempDir(), "d"), once: true, ports: map[string]int{}}
			for _, p := range []string{"smtps", "imaps"} {
				port, err := freePort()
				if err != nil {
					t.Fatal(err)
				}
				q.ports[p] = port
			}
			q.demonstrate = func(s site, out io.Writer) *demonstration {
				d := newDemonstration(s, out)
				var first imap.UID
				d.fetch = func(c *imapclient.Client, uid imap.UID, peek bool) ([]byte, error) {
					if peek && first == 0 {
						first = uid
					}
					if peek && test.one {
						uid = first
					}
					mail, err := fetch(c, uid, peek)
					if err == nil && peek {
						return test.receipt(mail), nil
					}
					return test.letter(mail), err
				}
				return d
			}
			var out bytes.Buffer
			err := q.run(t.Context(), &out, io.Discard)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%v\n%s", err, &out)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || exitStatus(err) == 0):
				t.Errorf("%v, want %q\n%s", err, test.want, &out)
			}
		})
	}
}
