package gateway_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/mailstore/disktest"
)

// diskFaults are what a client hears when the disk fails under a gateway.
var diskFaults = []struct {
	name    string
	kind    disktest.Kind
	err     syscall.Errno
	reply   string // of SMTP to DATA
	restart bool   // what helps, besides a disk that is well again
}{
	{"full", disktest.Write, syscall.ENOSPC, "452 4.3.1 store-full", false},
	{"bad sectors", disktest.Write, syscall.EIO, "451 4.3.0 store-unavailable", false},
	{"no sync", disktest.Sync, syscall.EIO, "451 4.3.0 ", true},
}

// TestDiskFails lets the writes or the syncs of a running gateway fail: letters
// and changes are refused for now, nothing is acknowledged, reading goes on
// while the disk is only full, and when it is well again the same letter, sent
// again, goes its way once.
func TestDiskFails(t *testing.T) {
	disktest.Run(t, func(d *disktest.Disk) {
		for _, f := range diskFaults {
			t.Run(f.name, func(t *testing.T) {
				g := gatewaytest.Start(t)
				smtps := dialSMTP(t, g, gatewaytest.Sender, "person")
				first := compose(t, gatewaytest.Sender, gatewaytest.Body, "first", "X-Letter-Type: simple")
				if code, reply := submit(t, smtps, gatewaytest.Sender, []string{gatewaytest.Body}, first); code != 250 {
					t.Fatalf("first letter: %d %s", code, reply)
				}
				imaps := dialIMAP(t, g, gatewaytest.Body, "person")
				eventually(t, "delivery", func() bool { return messagesIn(t, imaps, "INBOX") == 1 })

				d.Decide(func(op disktest.Op) disktest.Answer {
					if op.Kind == f.kind && strings.HasSuffix(op.Path, ".db") {
						return disktest.Answer{Err: f.err}
					}
					return disktest.Answer{}
				})
				letters := twoLetters(t)
				for range 2 {
					for _, letter := range letters {
						code, reply := submit(t, smtps, gatewaytest.Sender, []string{gatewaytest.Body}, letter)
						if got := replyLine(code, reply); !strings.HasPrefix(got, f.reply) {
							t.Errorf("letter of %d octets: %q, want %q", len(letter), got, f.reply)
						}
						if err := smtps.Reset(); err != nil {
							t.Fatal(err)
						}
					}
				}
				expectUnavailable(t, imaps, f.restart)
				if n := messagesOrNot(imaps, "INBOX"); !f.restart && n != 1 {
					t.Errorf("%d messages while the disk failed", n)
				}

				d.Decide(nil)
				if f.restart {
					if code, _ := submit(t, smtps, gatewaytest.Sender, []string{gatewaytest.Body}, letters[0]); code/100 != 4 {
						t.Errorf("letter before the restart: %d", code)
					}
					if err := g.Stop(); err != nil {
						t.Fatal(err)
					}
					g = gatewaytest.Open(t, g.Installed)
					smtps, imaps = dialSMTP(t, g, gatewaytest.Sender, "person"), dialIMAP(t, g, gatewaytest.Body, "person")
				}
				for range 2 { // the second time it is the same letter
					for _, letter := range letters {
						if code, reply := submit(t, smtps, gatewaytest.Sender, []string{gatewaytest.Body}, letter); code != 250 {
							t.Errorf("letter when the disk was well: %d %s", code, reply)
						}
					}
				}
				eventually(t, "delivery of all", func() bool { return messagesIn(t, imaps, "INBOX") >= 3 })
				own := dialIMAP(t, g, gatewaytest.Sender, "person")
				if inbox, sent := messagesIn(t, imaps, "INBOX"), messagesIn(t, own, "Sent"); inbox != 3 || sent != 3 {
					t.Errorf("%d letters delivered, %d sent, want 3", inbox, sent)
				}
			})
		}
	})
}

// twoLetters are one whose octets travel in the metadata and a larger one.
func twoLetters(t *testing.T) [][]byte {
	small := compose(t, gatewaytest.Sender, gatewaytest.Body, "small", "X-Letter-Type: simple")
	large := compose(t, gatewaytest.Sender, gatewaytest.Body, "large", "X-Letter-Type: simple")
	first := []byte("--frontier\r\n")
	return [][]byte{small, bytes.Replace(large, first, append(bytes.Repeat([]byte("not shown to anybody\r\n"), 5000), first...), 1)}
}

// replyLine is a reply as it came.
func replyLine(code int, reply string) string {
	return strings.TrimSpace(strings.Join([]string{strconv.Itoa(code), reply}, " "))
}

// expectUnavailable tries to change a mailbox in several ways. Where it may also
// not be read the session may end.
func expectUnavailable(t *testing.T, c *imapclient.Client, mayEnd bool) {
	t.Helper()
	answers := map[string]error{}
	text := "Subject: draft\r\n\r\ntext\r\n"
	for what, size := range map[string]int{"small": 0, "large": 200000} {
		draft := text + strings.Repeat("x", size)
		a := c.Append("INBOX", int64(len(draft)), nil)
		_, err := a.Write([]byte(draft))
		if err = errors.Join(err, a.Close()); err == nil {
			_, err = a.Wait()
		}
		answers["APPEND, "+what] = err
	}
	answers["CREATE"] = c.Create("New", nil).Wait()
	for what, err := range answers {
		var no *imap.Error
		if mayEnd && c.State() == imap.ConnStateLogout && err != nil && !errors.As(err, &no) {
			continue
		}
		if !errors.As(err, &no) || no.Type != imap.StatusResponseTypeNo || no.Code != imap.ResponseCodeUnavailable {
			t.Errorf("%s: %v, want NO [UNAVAILABLE]", what, err)
		}
	}
}

// messagesIn is how many messages a mailbox holds.
func messagesIn(t *testing.T, c *imapclient.Client, box string) int {
	t.Helper()
	data, err := c.Status(box, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return int(*data.NumMessages)
}

// messagesOrNot is the same where it may not work: -1 then.
func messagesOrNot(c *imapclient.Client, box string) int {
	data, err := c.Status(box, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		return -1
	}
	return int(*data.NumMessages)
}
