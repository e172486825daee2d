package imapd

import (
	"fmt"
	"strings"
	"testing"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// knowsFirst is a room in which the first message of Sent is what every
// message with the word "again" is.
func knowsFirst() *letters {
	room := &letters{}
	room.known = func(tx mailstore.UpdateTx, _ auth.Identity, box mailstore.Mailbox, m *mailstore.NewMessage) (mailstore.UID, error) {
		m.Keys = append(m.Keys, "key")
		if !strings.Contains(string(m.Summary), "again") {
			return 0, nil
		}
		change := mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: m.Flags, Keywords: m.Keywords}
		_, err := tx.SetFlags(box.ID, mailstore.UIDSet{{Start: 1, Stop: 1}}, change)
		return 1, err
	}
	return room
}

// again is a message that such a room knows; large ones are no body of the
// metadata.
func again(octets int) string {
	return "Subject: again\r\n\r\n" + strings.Repeat("0123456789abcdef\r\n", octets/18)
}

// onlyFirst wants one message in Sent and no body but its own.
func (w *world) onlyFirst(flags string) {
	w.t.Helper()
	l := w.login("u")
	l.want("STATUS Sent (MESSAGES UIDNEXT)", "OK", `* STATUS "Sent" (MESSAGES 1 UIDNEXT 2)`)
	l.ok("SELECT Sent")
	l.want("FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ("+flags+"))")
	report, err := w.store.Sweep(w.t.Context(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	if report.Kept+report.Removed != 0 {
		w.t.Errorf("bodies left behind: %+v", report)
	}
	if err := w.store.Check(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// A message that is there already is answered with its UID, whatever way the
// new one comes; its octets are read and dropped, and nobody is told of an
// arrival.
func TestAppendKnown(t *testing.T) {
	large := again(100_000)
	for name, send := range map[string]func(*line) string{
		"literal": func(l *line) string { return l.append(`Sent (\Seen $Forwarded)`, again(100)) },
		"large":   func(l *line) string { return l.append(`Sent (\Seen $Forwarded)`, large) },
		"literal8": func(l *line) string {
			_, tagged := l.do(fmt.Sprintf("APPEND Sent (\\Seen $Forwarded) ~{%d+}\r\n%s", len(large), large))
			return tagged
		},
		"LITERAL+": func(l *line) string {
			_, tagged := l.do(fmt.Sprintf("APPEND Sent (\\Seen $Forwarded) {%d+}\r\n%s", len(large), large))
			return tagged
		},
		"MULTIAPPEND": func(l *line) string {
			_, tagged := l.do(fmt.Sprintf("APPEND Sent (\\Seen) {%d+}\r\n%s ($Forwarded) {%[1]d+}\r\n%[2]s", len(large), large))
			return strings.Replace(tagged, "1,1]", "1]", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			room := knowsFirst()
			w := newWorld(t, setup{room: room, quota: 250_000})
			w.deliver("Sent", plainMail)
			l := w.login("u")
			validity := w.validity("Sent")
			if tagged := send(l); !strings.HasPrefix(tagged, "OK [APPENDUID "+decimal(int(validity))+" 1]") {
				t.Error(tagged)
			}
			if len(room.notes) > 0 {
				t.Errorf("letters heard %q", room.notes)
			}
			w.onlyFirst(`\Seen $Forwarded`)
		})
	}
}

// validity is the UIDVALIDITY of a mailbox.
func (w *world) validity(name string) (v uint32) {
	w.t.Helper()
	w.update(func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(name)
		v = box.UIDValidity
		return err
	})
	return v
}

// Among others, in one command or in several that share an Update, each
// message has its own answer, in order; those that are added can be found.
func TestAppendKnownAmongOthers(t *testing.T) {
	w := newWorld(t, setup{room: knowsFirst()})
	w.deliver("Sent", plainMail)
	l := w.selected("Sent")
	m, k := plainMail, again(30_000)
	l.send(fmt.Sprintf("a APPEND Sent {%d+}\r\n%s {%d+}\r\n%s {%[1]d+}\r\n%[2]s\r\n", len(m), m, len(k), k) +
		fmt.Sprintf("b APPEND Sent (\\Seen) {%d+}\r\n%s\r\n", len(k), k) +
		fmt.Sprintf("c APPEND Sent {%d+}\r\n%s\r\n", len(m), m))
	var got []string
	for _, tag := range []string{"a", "b", "c"} {
		_, tagged := l.until(tag)
		got = append(got, strings.TrimSuffix(strings.Fields(tagged)[3], "]"))
	}
	if fmt.Sprint(got) != "[2,1,3 1 4]" {
		t.Errorf("UIDs %q", got)
	}
	l.ok("NOOP")
	if lists := l.ok("UID FETCH 1:* FLAGS"); len(lists) != 4 || !strings.Contains(lists[0], `\Seen`) {
		t.Errorf("got %q", lists)
	}
	w.update(func(tx mailstore.UpdateTx) error {
		if rows, err := tx.ByKey("key"); err != nil || len(rows) != 3 {
			t.Errorf("by key: %v, %v", rows, err)
		}
		return nil
	})
}

// When the commands of a batch are tried one by one after all, what the first
// try thought superfluous is judged anew: its body is there when it is needed.
func TestAppendKnownRetried(t *testing.T) {
	room := knowsFirst()
	known := room.known
	calls := 0
	room.known = func(tx mailstore.UpdateTx, who auth.Identity, box mailstore.Mailbox, m *mailstore.NewMessage) (mailstore.UID, error) {
		switch calls++; calls {
		case 1: // the first of the batch
			return known(tx, who, box, m)
		case 2: // the second fails it
			return 0, mailstore.ErrReadOnly
		}
		return 0, nil // one by one: nothing is known any more
	}
	w := newWorld(t, setup{room: room})
	w.deliver("Sent", plainMail)
	l := w.selected("Sent")
	k := again(30_000)
	l.send(fmt.Sprintf("a APPEND Sent {%d+}\r\n%s\r\nb APPEND Sent {%d+}\r\n%s\r\n", len(k), k, len(plainMail), plainMail))
	for i, tag := range []string{"a", "b"} {
		if _, tagged := l.until(tag); !strings.Contains(tagged, fmt.Sprintf(" %d]", i+2)) {
			t.Error(tagged)
		}
	}
	if calls != 4 {
		t.Errorf("letters were asked %d times: not one batch", calls)
	}
	if got := l.ok("UID FETCH 2 BODY.PEEK[]"); len(got) != 1 || !strings.Contains(got[0], k) {
		t.Errorf("bodies of %d messages", len(got))
	}
}
