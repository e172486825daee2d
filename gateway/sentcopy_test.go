package gateway_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// fileStep files the mail program's copy of what submitStep sends.
func fileStep(letterType string, to ...string) func(*world) {
	return func(w *world) { w.fileOwn(octets(w.t, letterType, "once", to...)) }
}

// fileOwn appends a message to the mailbox of sent letters, as a session of a
// person does: again, under the same ID, as long as it saw no answer.
func (w *world) fileOwn(content []byte) {
	w.t.Helper()
	who := w.identity(senderAddress)
	summary, err := message.Index(bytes.NewReader(content), message.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	for range 20 {
		ref, err := w.store.Bodies().Put(w.t.Context(), bytes.NewReader(content))
		if err == nil {
			err = w.store.Update(w.t.Context(), who.Account.ID, func(tx mailstore.UpdateTx) error {
				box, err := tx.MailboxByRole(mailstore.RoleSent)
				if err != nil {
					return err
				}
				m := mailstore.NewMessage{
					EmailID: w.ownCopy, Received: time.Now(), Flags: mailstore.Seen, Keywords: []string{"$Forwarded"},
					Summary: summary, Content: mailstore.Content{Body: ref, Length: ref.Size},
				}
				if uid, err := w.mailroom.OnAppend(tx, who, box, &m); uid != 0 || err != nil {
					return err
				}
				_, err = tx.Append(box.ID, m)
				return err
			})
		}
		if err == nil || w.store.Dead() {
			return
		}
		time.Sleep(time.Minute)
	}
	w.t.Error("own copy never filed")
}

// appendSent files a message in Sent and returns the UID that the answer names.
func appendSent(t *testing.T, c *imapclient.Client, content []byte, flags ...imap.Flag) imap.UID {
	t.Helper()
	uid, err := tryAppend(c, content, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func tryAppend(c *imapclient.Client, content []byte, flags ...imap.Flag) (imap.UID, error) {
	cmd := c.Append("Sent", int64(len(content)), &imap.AppendOptions{Flags: flags})
	if _, err := cmd.Write(content); err != nil {
		return 0, err
	}
	if err := cmd.Close(); err != nil {
		return 0, err
	}
	data, err := cmd.Wait()
	if err != nil {
		return 0, err
	}
	return data.UID, nil
}

// sentRow is a message of Sent as a mail program sees it.
type sentRow struct {
	uid    imap.UID
	flags  []string // sorted
	header string
}

func sentRows(t *testing.T, c *imapclient.Client) (list []sentRow) {
	t.Helper()
	sel, err := c.Select("Sent", &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if sel.NumMessages == 0 {
		return nil
	}
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
	all, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1, Stop: 0}}, &imap.FetchOptions{
		UID: true, Flags: true, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		row := sentRow{uid: m.UID, header: string(m.FindBodySection(section))}
		for _, f := range m.Flags {
			row.flags = append(row.flags, string(f))
		}
		slices.Sort(row.flags)
		list = append(list, row)
	}
	return list
}

// A mail program that files its own copy, after sending or before, finds one:
// the sent form with its number, which the gateway signed and whose From has
// lost the suffix that chose the type. A second copy is its own.
func TestSentCopy(t *testing.T) {
	for _, first := range []string{"letter", "copy"} {
		t.Run(first+" first", func(t *testing.T) {
			g := gatewaytest.Start(t)
			from := strings.Replace(gatewaytest.Sender, "@", "+registered@", 1)
			content := compose(t, from, gatewaytest.Body, "Own copy")
			send := func() {
				t.Helper()
				code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), from, []string{gatewaytest.Body}, content)
				if code != 250 {
					t.Fatalf("reply %d %s", code, reply)
				}
			}
			c := dialIMAP(t, g, gatewaytest.Sender, "person")
			watcher := dialIMAP(t, g, gatewaytest.Sender, "person")
			if _, err := watcher.Select("Sent", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			want := imap.UID(1)
			if first == "letter" {
				send()
			}
			if uid := appendSent(t, c, content, imap.FlagSeen, imap.FlagForwarded); uid != 1 {
				t.Errorf("APPENDUID %d", uid)
			}
			if first == "copy" {
				send()
				want = 2 // what UID 1 was can never be other octets
			}
			eventually(t, "delivery", func() bool { return has(flags(t, c, "Sent"), "Letter-Delivered") })
			list := sentRows(t, c)
			if len(list) != 1 || list[0].uid != want || fmt.Sprint(list[0].flags) != `[$Forwarded Letter-Delivered \Seen]` {
				t.Fatalf("Sent has %+v", list)
			}
			for _, part := range []string{"X-Letter-Number: GP-", "From: <" + gatewaytest.Sender + ">", "multipart/signed"} {
				if !strings.Contains(list[0].header, part) {
					t.Errorf("no %q in %s", part, list[0].header)
				}
			}
			// The session that has Sent open sees the same.
			if err := watcher.Noop().Wait(); err != nil {
				t.Fatal(err)
			}
			if n := watcher.Mailbox().NumMessages; n != 1 {
				t.Errorf("the other session counts %d messages", n)
			}
			if uid := appendSent(t, c, content); uid != want+1 {
				t.Errorf("second copy: APPENDUID %d", uid)
			}
			if uid := appendSent(t, dialIMAP(t, g, gatewaytest.Sender, "system"), content); uid != want+2 {
				t.Errorf("a system's copy: APPENDUID %d", uid)
			}
			if n := len(sentRows(t, c)); n != 3 {
				t.Errorf("%d messages in Sent", n)
			}
		})
	}
}

// A simple letter with hidden recipients: the mail program submits it without
// Bcc and files it with; the letter's record keeps who they are.
func TestSentCopyBcc(t *testing.T) {
	g := gatewaytest.Start(t)
	content := compose(t, gatewaytest.Sender, gatewaytest.Body, "Hidden")
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{gatewaytest.Body, gatewaytest.Partner}, content)
	if code != 250 {
		t.Fatalf("reply %d %s", code, reply)
	}
	c := dialIMAP(t, g, gatewaytest.Sender, "person")
	filed := bytes.Replace(content, []byte("Subject:"), []byte("Bcc: Петрова <"+gatewaytest.Partner+">\r\nSubject:"), 1)
	if uid := appendSent(t, c, filed); uid != 1 {
		t.Errorf("APPENDUID %d", uid)
	}
	if list := sentRows(t, c); len(list) != 1 || strings.Contains(list[0].header, "Bcc") {
		t.Errorf("Sent has %+v", list)
	}
	if l := show(t, g, numberPattern.FindString(reply)); len(l.Bcc) != 1 || l.Bcc[0] != gatewaytest.Partner {
		t.Errorf("Bcc of the letter: %q", l.Bcc)
	}
}

// Sessions that submit and sessions that file at the same time leave one
// message for each letter, whoever is first.
func TestSentCopyAtOnce(t *testing.T) {
	g := gatewaytest.Start(t)
	const sessions, letters = 4, 6
	var contents [sessions][letters][]byte
	for s := range sessions {
		for i := range letters {
			contents[s][i] = compose(t, gatewaytest.Sender, gatewaytest.Body, fmt.Sprintf("Letter %d of %d", i, s))
		}
	}
	var group sync.WaitGroup
	for s := range sessions {
		smtp, files := dialSMTP(t, g, gatewaytest.Sender, "person"), dialIMAP(t, g, gatewaytest.Sender, "person")
		var together [letters]chan struct{}
		for i := range together {
			together[i] = make(chan struct{})
		}
		group.Go(func() {
			for i, content := range contents[s] {
				close(together[i])
				if code, reply := submit(t, smtp, gatewaytest.Sender, []string{gatewaytest.Body}, content); code != 250 {
					t.Errorf("reply %d %s", code, reply)
				}
			}
		})
		group.Go(func() {
			for i, content := range contents[s] {
				<-together[i]
				if _, err := tryAppend(files, content, imap.FlagSeen, "filed"); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]int{}
	for _, row := range sentRows(t, dialIMAP(t, g, gatewaytest.Sender, "person")) {
		if !strings.HasPrefix(row.header, "X-Letter-Number: ") || !slices.Contains(row.flags, "filed") {
			t.Errorf("message %d has flags %q and begins %.40q", row.uid, row.flags, row.header)
		}
		seen[message.ParseHeader([]byte(row.header), 0).Get("Subject")]++
	}
	if len(seen) != sessions*letters {
		t.Errorf("%d letters in Sent", len(seen))
	}
	for subject, n := range seen {
		if n != 1 {
			t.Errorf("%q stands %d times in Sent", subject, n)
		}
	}
}
