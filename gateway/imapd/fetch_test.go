package imapd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// parts of multiMail.
const multiHeader = "From: a@a.example\r\nTo: b@b.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n"

func TestFetchSections(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", multiMail)
	l := w.selected("INBOX")
	tests := map[string]string{
		"BODY.PEEK[]":                                  multiMail,
		"BODY.PEEK[HEADER]":                            multiHeader,
		"RFC822.HEADER":                                multiHeader,
		"BODY.PEEK[TEXT]":                              multiMail[len(multiHeader):],
		"BODY.PEEK[1]":                                 "hello",
		"BODY.PEEK[1.MIME]":                            "Content-Type: text/plain\r\n\r\n",
		"BODY.PEEK[2]":                                 "Subject: inner\r\nFrom: c@c.example\r\n\r\ninner text",
		"BODY.PEEK[2.HEADER]":                          "Subject: inner\r\nFrom: c@c.example\r\n\r\n",
		"BODY.PEEK[2.TEXT]":                            "inner text",
		"BODY.PEEK[2.1]":                               "inner text",
		"BODY.PEEK[2.MIME]":                            "Content-Type: message/rfc822\r\n\r\n",
		"BODY.PEEK[3]":                                 "AAEC",
		"BODY.PEEK[3.MIME]":                            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
		"BODY.PEEK[]<0.5>":                             "From:",
		"BODY.PEEK[3]<1.2>":                            "AE",
		"BODY.PEEK[3]<2.99>":                           "EC",
		"BODY.PEEK[HEADER]<6.9>":                       "a@a.examp",
		"BODY.PEEK[HEADER.FIELDS (TO)]":                "To: b@b.example\r\n\r\n",
		"BODY.PEEK[HEADER.FIELDS (Subject Nothing)]":   "Subject: parts\r\n\r\n",
		"BODY.PEEK[HEADER.FIELDS (MIME-VERSION)]<1.4>": "IME-",
		"BODY.PEEK[2.HEADER.FIELDS (From)]":            "From: c@c.example\r\n\r\n",
		"BODY.PEEK[2.HEADER.FIELDS.NOT (From)]":        "Subject: inner\r\n\r\n",
		"BODY.PEEK[HEADER.FIELDS.NOT (From To Content-Type)]": "Subject: parts\r\nMIME-Version: 1.0\r\n\r\n",
		`BODY.PEEK[HEADER.FIELDS ("To" {7}` + "\r\nSubject)]": "To: b@b.example\r\nSubject: parts\r\n\r\n",
		"BODY.PEEK[HEADER.FIELDS (X-None)]":                   "\r\n",
	}
	for item, want := range tests {
		if i := strings.Index(item, "{7}\r\n"); i >= 0 {
			l.send("z FETCH 1 " + item[:i+5])
			l.read() // continuation
			l.send(item[i+5:] + "\r\n")
		} else {
			l.send("z FETCH 1 " + item + "\r\n")
		}
		got, tagged := l.until("z")
		if !strings.HasPrefix(tagged, "OK") || len(got) != 1 {
			t.Errorf("%s: %s %q", item, tagged, got)
			continue
		}
		if literal := fmt.Sprintf("{%d}\r\n%s)", len(want), want); !strings.HasSuffix(got[0], literal) {
			t.Errorf("%s: got %q, want %q", item, got[0], literal)
		}
	}
	l.want("FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ())") // nothing of this set \Seen
}

// Sections that are not there are NIL, empty ones are empty, and a partial
// answer carries its origin.
func TestFetchEdges(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", multiMail)
	l := w.selected("INBOX")
	for item, want := range map[string]string{
		"BODY.PEEK[9]":        "BODY[9] NIL",
		"BODY.PEEK[1.HEADER]": "BODY[1.HEADER] NIL",
		"BODY.PEEK[1.TEXT]":   "BODY[1.TEXT] NIL",
		"BODY.PEEK[9.MIME]":   "BODY[9.MIME] NIL",
		"BODY.PEEK[]<9999.5>": `BODY[]<9999> ""`,
		"BODY.PEEK[3]<0.1>":   "BODY[3]<0> {1}\r\nA",
		// Numbers of IMAP4rev2 have 63 bits.
		"BODY.PEEK[3]<3.9223372036854775807>":                     "BODY[3]<3> {1}\r\nC",
		"BODY.PEEK[]<9223372036854775807.1>":                      `BODY[]<9223372036854775807> ""`,
		"BINARY.PEEK[3]<2.9223372036854775807>":                   "BINARY[3]<2> {1}\r\n\x02",
		"BODY.PEEK[HEADER.FIELDS (To)]<5000000000.5>":             `BODY[HEADER.FIELDS (To)]<5000000000> ""`,
		"BINARY.PEEK[3]<9223372036854775807.9223372036854775807>": `BINARY[3]<9223372036854775807> ""`,
		"FAST": `FLAGS () INTERNALDATE "02-Mar-2026 10:30:00 +0300" RFC822.SIZE 337`,
	} {
		l.want("FETCH 1 "+item, "OK", "* 1 FETCH ("+want+")")
	}
	for _, item := range []string{
		"", "()", "NOTHING", "BODY[", "BODY[]<1>", "BODY[]<1.0>", "BODY[MIME]", "BODY[0]", "BODY[1.]", "BODY[HEADER.FIELDS]",
		"BODY[HEADER.FIELDS ()]", "BODY[TEXT.1]", "(ALL FLAGS)", "BODY[]<a.b>", "BODY[]<1.9223372036854775808>", "BOGUS[1]",
	} {
		l.want("FETCH 1 "+item, "BAD")
	}
	l.want("FETCH 2 FLAGS", "BAD")
	l.want("FETCH 1:5 UID", "OK", "* 1 FETCH (UID 1)")
	l.want("FETCH *:1 UID", "OK", "* 1 FETCH (UID 1)")
	l.want("UID FETCH 77:* FLAGS", "OK", "* 1 FETCH (UID 1 FLAGS ())") // the last message
	l.want("UID FETCH 77 FLAGS", "OK")
	e := w.selected("Sent")
	e.want("FETCH 1:* FLAGS", "OK")
	e.want("UID FETCH 1:* FLAGS", "OK")
	e.want("FETCH 1 FLAGS", "BAD")
}

// A body fetched without PEEK sets \Seen, in one Update for the batch, and
// tells so; no other item does.
func TestFetchSetsSeen(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l, m := w.selected("INBOX"), w.selected("INBOX")
	l.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY RFC822.HEADER RFC822.SIZE BODY.PEEK[] BODY.PEEK[TEXT])")
	m.want("NOOP", "OK")
	before := w.highest("INBOX")
	got := l.ok("FETCH 1:2 BODY[TEXT]")
	if len(got) != 4 || got[2] != `* 1 FETCH (UID 1 FLAGS (\Seen))` || got[3] != `* 2 FETCH (UID 2 FLAGS (\Seen))` {
		t.Errorf("got %q", got)
	}
	if after := w.highest("INBOX"); after != before+1 {
		t.Errorf("%d updates for one batch", after-before)
	}
	l.want("NOOP", "OK") // not told twice
	m.want("NOOP", "OK", `* 1 FETCH (UID 1 FLAGS (\Seen))`, `* 2 FETCH (UID 2 FLAGS (\Seen))`)
	if got := l.ok("FETCH 3 RFC822"); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	if got := l.ok("FETCH 3 RFC822"); len(got) != 1 {
		t.Errorf("seen again: %q", got)
	}
}

// counted counts the bodies that are opened and the octets read of them.
type counted struct {
	body.Store
	opened, octets atomic.Int64
}

type countedReader struct {
	io.ReadCloser
	octets *atomic.Int64
}

func (c *counted) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	c.opened.Add(1)
	r, err := c.Store.Open(ctx, ref, offset)
	return countedReader{r, &c.octets}, err
}

func (c countedReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.octets.Add(int64(n))
	return n, err
}

// countingStore shows the counted bodies.
type countingStore struct {
	mailstore.Store
	bodies *counted
}

func (c countingStore) Bodies() body.Store { return c.bodies }

// Lists never open a body, and a partial fetch reads only its range.
func TestFetchOpensNoBody(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	w.deliver("INBOX", multiMail)
	w.deliver("INBOX", plainMail+strings.Repeat("0123456789abcde\n", 100_000))
	bodies := &counted{Store: w.store.Bodies()}
	w.server.store = countingStore{w.store, bodies}
	l := w.selected("INBOX")
	for _, cmd := range []string{
		"FETCH 1:* ALL", "FETCH 1:* FULL", "FETCH 1:* (UID BODYSTRUCTURE MODSEQ)",
		"FETCH 1:* BODY.PEEK[HEADER.FIELDS (From To Cc Subject Date Message-ID References Content-Type X-Priority)]",
		"SEARCH SUBJECT one FROM ivan SENTSINCE 1-Jan-2026 LARGER 5", `STORE 1:* +FLAGS (\Flagged)`, "COPY 1:* Trash",
	} {
		l.ok(cmd)
		if n := bodies.opened.Load(); n != 0 {
			t.Errorf("%s opened %d bodies", cmd, n)
		}
	}
	l.ok("FETCH 3 BODY.PEEK[]<1000000.100>")
	l.ok("FETCH 3 BODY.PEEK[HEADER]")
	l.ok("FETCH 3 BODY.PEEK[TEXT]<5.10>")
	if n, octets := bodies.opened.Load(), bodies.octets.Load(); n != 3 || octets > 1000 {
		t.Errorf("three small ranges: %d opened, %d octets read", n, octets)
	}
	l.ok("FETCH 3 BINARY.PEEK[1]<1000000.100>") // of 8bit, twice
	if n, octets := bodies.opened.Load(), bodies.octets.Load(); n != 5 || octets > 1500 {
		t.Errorf("and one of BINARY: %d opened, %d octets read", n, octets)
	}
	l.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-Odd)]")
}

// A row without a summary is answered from its body.
func TestFetchWithoutSummary(t *testing.T) {
	w := newWorld(t, setup{})
	ref, err := w.store.Bodies().Put(t.Context(), strings.NewReader(multiMail))
	if err != nil {
		t.Fatal(err)
	}
	id := mailstore.NewID()
	w.update(func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName("INBOX")
		if err == nil {
			_, err = tx.Append(box.ID, mailstore.NewMessage{EmailID: id, Received: time.Now(), Content: mailstore.Content{Body: ref, Length: int64(len(multiMail))}})
		}
		return err
	})
	w.deliver("INBOX", multiMail)
	l := w.selected("INBOX")
	got := l.ok("FETCH 1:2 (ENVELOPE BODYSTRUCTURE BODY.PEEK[2.TEXT])")
	if len(got) != 2 || got[0][len("* 1"):] != got[1][len("* 2"):] {
		t.Errorf("got %q", got)
	}
	l.want("SEARCH SUBJECT parts", "OK", "* SEARCH 1 2")
}

// Prefix and suffix around a body are part of the message.
func TestFetchComposed(t *testing.T) {
	w := newWorld(t, setup{})
	prefix, suffix := "X-Letter-Number: GP-1\r\n", "trailer\r\n"
	whole := prefix + plainMail + suffix
	ref, err := w.store.Bodies().Put(t.Context(), strings.NewReader("junk"+plainMail+"junk"))
	if err != nil {
		t.Fatal(err)
	}
	summary, err := message.Index(strings.NewReader(whole), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	id := mailstore.NewID()
	w.update(func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName("INBOX")
		if err == nil {
			_, err = tx.Append(box.ID, mailstore.NewMessage{EmailID: id, Received: time.Now(), Summary: summary, Content: mailstore.Content{
				Prefix: []byte(prefix), Body: ref, Offset: 4, Length: int64(len(plainMail)), Suffix: []byte(suffix)}})
		}
		return err
	})
	l := w.selected("INBOX")
	l.want("FETCH 1 (RFC822.SIZE BODY.PEEK[])", "OK",
		fmt.Sprintf("* 1 FETCH (RFC822.SIZE %d BODY[] {%d}\r\n%s)", len(whole), len(whole), whole))
	l.want("FETCH 1 BODY.PEEK[]<18.10>", "OK", "* 1 FETCH (BODY[]<18> {10}\r\n"+whole[18:28]+")")
	l.want("SEARCH HEADER X-Letter-Number gp-1", "OK", "* SEARCH 1")
}

// A message that is expunged while a FETCH runs is left out or served, never
// replaced by another.
func TestFetchWhileExpunged(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 600)
	l := w.selected("INBOX")
	l.ok("FETCH 1 UID")
	l.send("f FETCH 1:* (UID BODY.PEEK[HEADER])\r\n")
	w.expunge("INBOX", 500, 550, 600)
	got, tagged := l.until("f")
	if !strings.HasPrefix(tagged, "OK") && !strings.HasPrefix(tagged, "NO [EXPUNGEISSUED]") {
		t.Errorf("tagged %s", tagged)
	}
	for _, g := range got {
		var seq, uid int
		if n, _ := fmt.Sscanf(g, "* %d FETCH (UID %d ", &seq, &uid); n != 2 || seq != uid {
			t.Fatalf("got %q", g)
		}
	}
	l.ok("NOOP")
	if last := l.ok("FETCH * UID"); last[0] != "* 597 FETCH (UID 599)" {
		t.Errorf("last is %q", last)
	}
}

// Memory: what one View gathers is bounded.
func TestSlicesBounded(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3000)
	s := &session{srv: w.server, cfg: w.server.cfg.Load(), ctx: t.Context(), view: &view{}}
	identity, err := gate{w.account}.Plain(t.Context(), authClient, "", "u", "secret")
	if err != nil {
		t.Fatal(err)
	}
	s.who = &identity
	w.update(func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName("INBOX")
		s.view.box = box.ID
		return err
	})
	for fields, limit := range map[mailstore.Fields]int{0: 4 * sliceRows, mailstore.FieldSummary: sliceRows} {
		total, last := 0, imap.UID(0)
		err := s.slices(mailstore.UIDSet{{Start: 1, Stop: 1000}, {Start: 1500, Stop: 1<<32 - 1}}, fields, func(batch []*mailstore.Message) error {
			if len(batch) > limit {
				t.Errorf("a batch of %d", len(batch))
			}
			for _, m := range batch {
				if m.UID <= last {
					t.Errorf("%d after %d", m.UID, last)
				}
				last = m.UID
			}
			total += len(batch)
			return nil
		})
		if err != nil || total != 2501 {
			t.Errorf("%d messages, %v", total, err)
		}
	}
}
