package imapd

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

var modseqPattern = regexp.MustCompile(`MODSEQ \(?(\d+)\)?`)

// modseq is the first mod-sequence in the lines.
func modseq(t *testing.T, lines []string) string {
	t.Helper()
	for _, l := range lines {
		if m := modseqPattern.FindStringSubmatch(l); m != nil {
			return m[1]
		}
	}
	t.Fatalf("no mod-sequence in %q", lines)
	return ""
}

func addFlag(f mailstore.Flags) mailstore.FlagChange {
	return mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: f}
}

// MODSEQ is sent only to sessions that enabled CONDSTORE (RFC 7162 §3.1).
func TestModSeqOnlyWhenEnabled(t *testing.T) {
	enable := map[string]string{
		"ENABLE":        "ENABLE CONDSTORE",
		"SELECT":        "SELECT INBOX (CONDSTORE)",
		"FETCH MODSEQ":  "FETCH 1 MODSEQ",
		"CHANGEDSINCE":  "FETCH 1 FLAGS (CHANGEDSINCE 1)",
		"SEARCH MODSEQ": "SEARCH MODSEQ 1",
		"STATUS":        "STATUS INBOX (HIGHESTMODSEQ)",
		"STORE":         "STORE 1 (UNCHANGEDSINCE 0) FLAGS.SILENT ()",
	}
	for name, cmd := range enable {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup{})
			w.deliver("INBOX", plainMail)
			l := w.selected("INBOX")
			w.flag("INBOX", imap.UIDSetNum(1), addFlag(mailstore.Flagged))
			l.want("NOOP", "OK", `* 1 FETCH (UID 1 FLAGS (\Flagged))`)
			l.want(`STORE 1 +FLAGS (\Draft)`, "OK", `* 1 FETCH (UID 1 FLAGS (\Flagged \Draft))`)
			l.ok(cmd)
			w.flag("INBOX", imap.UIDSetNum(1), addFlag(mailstore.Seen))
			got := strings.Join(l.ok("NOOP"), "\n")
			if !regexp.MustCompile(`^\* 1 FETCH \(UID 1 MODSEQ \(\d+\) FLAGS \(\\Flagged \\Seen \\Draft\)\)$`).MatchString(got) {
				t.Errorf("after %s: %q", cmd, got)
			}
		})
	}
}

// ENABLE in a selected mailbox tells where it stands, and once.
func TestEnable(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.want("ENABLE CONDSTORE X-UNKNOWN", "OK", "* ENABLED CONDSTORE")
	l.want("ENABLE CONDSTORE", "OK", "* ENABLED")
	l.want("ENABLE", "BAD")
	m := w.selected("INBOX")
	got := m.ok("ENABLE CONDSTORE")
	if len(got) != 2 || !strings.HasPrefix(got[0], "* OK [HIGHESTMODSEQ ") || got[1] != "* ENABLED CONDSTORE" {
		t.Errorf("got %q", got)
	}
}

// UNCHANGEDSINCE 0 fails for every message; absence fails for none.
func TestUnchangedSince(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l := w.selected("INBOX")
	l.want(`STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\Seen)`, "OK [MODIFIED 1:2]",
		fmt.Sprintf("* OK [HIGHESTMODSEQ %d] from here on", w.highest("INBOX")))
	now := w.highest("INBOX")
	w.flag("INBOX", imap.UIDSetNum(2), addFlag(mailstore.Answered))
	got, tagged := l.do(fmt.Sprintf(`STORE 1:3 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\Seen)`, now))
	if !strings.HasPrefix(tagged, "OK [MODIFIED 2]") {
		t.Errorf("answered %q", tagged)
	}
	// MODSEQ in spite of .SILENT (RFC 7162 §3.1.3), and the foreign change.
	text := strings.Join(got, "\n")
	for _, want := range []string{"* 1 FETCH (UID 1 MODSEQ (", "* 3 FETCH (UID 3 MODSEQ (", `* 2 FETCH (UID 2 MODSEQ (`} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q should be there once: %q", want, got)
		}
	}
	l.want(`UID STORE 1 (unchangedsince 1) +FLAGS (\Draft)`, "OK [MODIFIED 1]")
	l.want(`STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) +FLAGS (\Draft)`, "BAD")
}

// CHANGEDSINCE yields what changed later and implies MODSEQ; VANISHED is
// QRESYNC's and refused.
func TestChangedSince(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 5)
	l := w.selected("INBOX")
	before := w.highest("INBOX")
	w.flag("INBOX", imap.UIDSetNum(2, 4), addFlag(mailstore.Flagged))
	l.ok("NOOP")
	for _, word := range []string{"CHANGEDSINCE", "changedsince"} {
		got := l.ok(fmt.Sprintf("UID FETCH 1:3 FLAGS (%s %d)", word, before))
		var fetched []string
		for _, g := range got {
			if strings.Contains(g, "FETCH") {
				fetched = append(fetched, g)
			}
		}
		if len(fetched) != 1 || !strings.HasPrefix(fetched[0], `* 2 FETCH (MODSEQ (`) || !strings.Contains(fetched[0], "UID 2 FLAGS") {
			t.Errorf("got %q", got)
		}
	}
	l.want(fmt.Sprintf("FETCH 1:* FLAGS (CHANGEDSINCE %d)", w.highest("INBOX")), "OK")
	l.want("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)", "BAD")
	l.want("FETCH 1:* FLAGS (CHANGEDSINCE x)", "BAD")
}

// EXPUNGE is never sent during FETCH, STORE or SEARCH by sequence number (RFC
// 3501 §7.4.1), and numbers stay valid until it is.
func TestExpungeHeldBack(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 4)
	l := w.selected("INBOX")
	l.ok("FETCH 1:4 UID")
	w.expunge("INBOX", 2)
	l.want("FETCH 3 UID", "OK", "* 3 FETCH (UID 3)")
	l.want(`STORE 4 +FLAGS (\Flagged)`, "OK", `* 4 FETCH (UID 4 FLAGS (\Flagged))`)
	l.want("SEARCH ALL", "OK", "* SEARCH 1 3 4")
	l.want("FETCH 2 UID", "NO [EXPUNGEISSUED]")
	l.want(`STORE 2 +FLAGS (\Flagged)`, "NO [EXPUNGEISSUED]")
	l.want("COPY 2:3 Trash", "NO [EXPUNGEISSUED]", "* 2 EXPUNGE")
	l.want("FETCH 2 UID", "OK", "* 2 FETCH (UID 3)")
	w.expunge("INBOX", 1)
	l.want("UID FETCH 3 UID", "OK", "* 2 FETCH (UID 3)", "* 1 EXPUNGE")
	w.expunge("INBOX", 3)
	l.want("CHECK", "OK", "* 1 EXPUNGE")
}

// Nor during a pipelined batch of them.
func TestExpungeHeldBackInPipeline(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l := w.selected("INBOX")
	l.ok("FETCH 1:3 UID")
	w.expunge("INBOX", 1)
	l.send("a UID FETCH 2 UID\r\nb FETCH 2 UID\r\nc FETCH 3 UID\r\n")
	for _, want := range []string{"* 2 FETCH (UID 2)", "a OK", "* 2 FETCH (UID 2)", "b OK", "* 3 FETCH (UID 3)", "c OK"} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	l.want("NOOP", "OK", "* 1 EXPUNGE")
}

// A message created and expunged between two polls is not reported.
func TestCameAndWent(t *testing.T) {
	for _, loaded := range []bool{true, false} {
		w := newWorld(t, setup{})
		w.deliver("INBOX", plainMail)
		l := w.selected("INBOX")
		if loaded {
			l.ok("FETCH 1 UID")
		}
		uid := w.deliver("INBOX", plainMail)
		w.expunge("INBOX", uid)
		l.want("NOOP", "OK")
		w.deliver("INBOX", plainMail)
		l.want("NOOP", "OK", "* 2 EXISTS")
		l.want("FETCH 2 UID", "OK", "* 2 FETCH (UID 3)")
	}
}

// What vanished before the vector was loaded keeps its number until EXPUNGE.
func TestLazyVectorKeepsNumbers(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 4)
	l := w.selected("INBOX")
	w.expunge("INBOX", 1, 3)
	w.deliver("INBOX", plainMail)
	l.want("FETCH 4 UID", "OK", "* 4 FETCH (UID 4)", "* 5 EXISTS")
	l.want("FETCH 5 UID", "OK", "* 5 FETCH (UID 5)")
	l.want("NOOP", "OK", "* 1 EXPUNGE", "* 2 EXPUNGE")
	l.want("UID SEARCH ALL", "OK", "* SEARCH 2 4 5")
}

// An own silent STORE is not echoed; what others did to the same messages is.
func TestSilentStore(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 2)
	l := w.selected("INBOX")
	l.want(`STORE 1 +FLAGS.SILENT (\Seen)`, "OK")
	l.want("NOOP", "OK")
	w.flag("INBOX", imap.UIDSetNum(1), addFlag(mailstore.Flagged))
	l.want(`STORE 1:2 +FLAGS.SILENT (\Draft)`, "OK", `* 1 FETCH (UID 1 FLAGS (\Flagged \Seen \Draft))`)
	l.want("NOOP", "OK")
	l.want(`STORE 2 -FLAGS.SILENT \Draft`, "OK")
	w.flag("INBOX", imap.UIDSetNum(2), addFlag(mailstore.Answered))
	l.want("NOOP", "OK", `* 2 FETCH (UID 2 FLAGS (\Answered))`)
}

// Flags that do not change are still answered, and keep their modseq.
func TestStoreAnswersUnchanged(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	l.ok(`STORE 1 FLAGS (\Seen)`)
	before := w.highest("INBOX")
	l.want(`STORE 1 FLAGS \Seen`, "OK", `* 1 FETCH (UID 1 FLAGS (\Seen))`)
	if after := w.highest("INBOX"); after != before {
		t.Errorf("modseq went from %d to %d", before, after)
	}
	for _, flags := range []string{`(\Recent)`, `(\Unknown)`, `(a b`, `("a")`} {
		l.want("STORE 1 FLAGS "+flags, "BAD")
	}
}

// A new keyword is told in FLAGS before a FETCH names it.
func TestNewKeyword(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l, m := w.selected("INBOX"), w.selected("INBOX")
	lists := []string{`* FLAGS (\Answered \Flagged \Deleted \Seen \Draft later)`,
		`* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft later \*)] kept`}
	fetch := "* 1 FETCH (UID 1 FLAGS (later))"
	l.want("STORE 1 +FLAGS (later)", "OK", append(lists, fetch)...)
	m.want("NOOP", "OK", append(lists, fetch)...)
}

// highest is the mailbox's modseq.
func (w *world) highest(box string) mailstore.ModSeq {
	w.t.Helper()
	var m mailstore.ModSeq
	err := w.store.View(w.t.Context(), w.account.ID, func(tx mailstore.Tx) error {
		b, err := tx.MailboxByName(box)
		m = b.HighestMod
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// IDLE pushes at once: there is no interval between a commit and the response.
func TestIdlePush(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	l.send("i IDLE\r\n")
	if got := l.read(); !strings.HasPrefix(got, "+ ") {
		t.Fatalf("got %q", got)
	}
	var slowest time.Duration
	for i := range 20 {
		w.deliver("INBOX", plainMail)
		begin := time.Now()
		if got, want := l.read(), fmt.Sprintf("* %d EXISTS", i+2); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		slowest = max(slowest, time.Since(begin))
	}
	t.Logf("slowest push %s", slowest)
	if slowest > 2*time.Second {
		t.Errorf("slowest push took %s: something polls", slowest)
	}
	w.flag("INBOX", imap.UIDSetNum(3), addFlag(mailstore.Seen))
	if got, want := l.read(), `* 3 FETCH (UID 3 FLAGS (\Seen))`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	w.expunge("INBOX", 1)
	if got, want := l.read(), "* 1 EXPUNGE"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	l.send("done\r\n")
	if got := l.read(); !strings.HasPrefix(got, "i OK") {
		t.Errorf("got %q", got)
	}
	l.want("FETCH 1 UID", "OK", "* 1 FETCH (UID 2)")
	l.send("j IDLE\r\nNOT DONE\r\n")
	l.read()
	if got := l.read(); !strings.HasPrefix(got, "j BAD") {
		t.Errorf("got %q", got)
	}
}

// An EXISTS that came with the answer to another command is said again, once,
// to who begins to idle: there are clients that overlooked the first.
func TestIdleRepeatsExists(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	tag := 0
	idle := func(name string, want ...string) {
		t.Helper()
		tag++
		l.send(fmt.Sprintf("i%d IDLE\r\nDONE\r\n", tag))
		got, _ := l.until(fmt.Sprintf("i%d", tag))
		if want = append([]string{"+ idling"}, want...); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	idle("nothing new")
	for _, cmd := range []string{"UID FETCH 1 UID", "STORE 1 +FLAGS.SILENT (\\Seen)", "UID SEARCH UID 77", "LIST \"\" nothing", "COPY 1 Trash"} {
		w.deliver("INBOX", plainMail)
		now := fmt.Sprintf("* %d EXISTS", w.messages("INBOX"))
		if got := l.ok(cmd); !slices.Contains(got, now) {
			t.Fatalf("%s: got %q without %q", cmd, got, now)
		}
		idle("after "+cmd, now)
		idle("once more after " + cmd)
	}
	w.deliver("INBOX", plainMail)
	l.ok("UID FETCH 1 UID")
	w.deliver("INBOX", plainMail)
	idle("with news", fmt.Sprintf("* %d EXISTS", w.messages("INBOX")))
	l.send("p IDLE\r\n")
	l.read()
	w.deliver("INBOX", plainMail)
	now := fmt.Sprintf("* %d EXISTS", w.messages("INBOX"))
	if got := l.read(); got != now {
		t.Errorf("got %q, want %q", got, now)
	}
	l.send("DONE\r\n")
	l.until("p")
	idle("after a push")
	for _, cmd := range []string{"NOOP", "CHECK", "SELECT INBOX"} {
		w.deliver("INBOX", plainMail)
		l.ok("UID FETCH 1 UID")
		l.ok(cmd)
		idle("after " + cmd)
		w.deliver("INBOX", plainMail)
		if got, now := l.ok(cmd), fmt.Sprintf("* %d EXISTS", w.messages("INBOX")); !slices.Contains(got, now) {
			t.Errorf("%s: got %q without %q", cmd, got, now)
		}
		idle("after news by " + cmd)
	}
}

// IDLE without a mailbox waits and answers.
func TestIdleUnselected(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.send("i IDLE\r\nDONE\r\n")
	l.read()
	if got := l.read(); !strings.HasPrefix(got, "i OK") {
		t.Errorf("got %q", got)
	}
}

// Two sessions on one mailbox see the same in the end, whatever they do at once.
func TestTwoSessionsAgree(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 50)
	a, b := w.selected("INBOX"), w.selected("INBOX")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40 {
			a.do(fmt.Sprintf(`UID STORE %d:%d +FLAGS (\Seen k%d)`, i+1, i+5, i%3))
			a.do(fmt.Sprintf(`UID STORE %d +FLAGS.SILENT (\Deleted)`, 2*i))
			a.do("EXPUNGE")
		}
	}()
	for i := range 40 {
		b.do(fmt.Sprintf(`UID STORE %d:%d -FLAGS (\Seen)`, i+3, i+4))
		b.do(fmt.Sprintf("UID COPY %d INBOX", 2*i+1))
		b.do("NOOP")
	}
	<-done
	a.ok("NOOP")
	b.ok("NOOP")
	inA, inB := a.ok("FETCH 1:* (UID FLAGS)"), b.ok("FETCH 1:* (UID FLAGS)")
	if strings.Join(inA, "\n") != strings.Join(inB, "\n") {
		t.Errorf("sessions differ:\n%s\n\n%s", strings.Join(inA, "\n"), strings.Join(inB, "\n"))
	}
	if len(inA) != int(w.messages("INBOX")) {
		t.Errorf("%d messages told, %d there", len(inA), w.messages("INBOX"))
	}
}

func (w *world) messages(box string) (n uint32) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), w.account.ID, func(tx mailstore.Tx) error {
		b, err := tx.MailboxByName(box)
		n = b.Messages
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// STOREs that the client has sent already share one Update and are answered in
// order; one that fails takes none of the others with it.
func TestPipelinedStores(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l := w.selected("INBOX")
	l.ok("FETCH 1 UID")
	before := w.highest("INBOX")
	l.send("a STORE 1 +FLAGS (\\Seen)\r\nb store 1 +FLAGS (\\Draft)\r\nc STORE 2:3 FLAGS.SILENT (\\Draft)\r\nd STORE 9 +FLAGS (x)\r\ne STORE 3 FLAGS (\\Flagged)\r\nf NOOP\r\n")
	for _, want := range []string{
		`* 1 FETCH (UID 1 FLAGS (\Seen))`, "a OK", `* 1 FETCH (UID 1 FLAGS (\Seen \Draft))`, "b OK", "c OK", "d BAD",
		`* 3 FETCH (UID 3 FLAGS (\Flagged))`, "e OK", "f OK",
	} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if updates := w.highest("INBOX") - before; updates != 2 {
		t.Errorf("%d updates", updates)
	}
	l.want("FETCH 1:* FLAGS", "OK", `* 1 FETCH (FLAGS (\Seen \Draft))`, `* 2 FETCH (FLAGS (\Draft))`, `* 3 FETCH (FLAGS (\Flagged))`)
	// A conditional one sees what the one before it did.
	now := w.highest("INBOX")
	l.send(fmt.Sprintf("a STORE 1 -FLAGS.SILENT (\\Seen)\r\nb STORE 1 (UNCHANGEDSINCE %d) +FLAGS (x)\r\nc STORE 1 BOGUS\r\nd NOOP\r\n", now))
	for _, want := range []string{"a OK", "b OK [MODIFIED 1]", "c BAD", "d OK"} {
		if _, tagged := l.until(want[:1]); !strings.HasPrefix(tagged, want[2:]) {
			t.Errorf("got %q, want %q", tagged, want)
		}
	}
}
