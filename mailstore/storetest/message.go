package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"gosbridge/mailstore"
)

var messageTests = []test{
	{"append and read", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		m := e.mail("Тело письма\r\n")
		m.LetterID = mailstore.NewID()
		m.Received = time.Date(2020, 5, 6, 7, 8, 9, 0, time.FixedZone("", 3*3600))
		m.Flags = mailstore.Seen | mailstore.Flagged
		m.Keywords = []string{"Letter-Sent", "$Forwarded"}
		m.Summary = bytes.Repeat([]byte("summary"), 100)
		m.Content.Suffix = []byte("--end\r\n")
		got := e.append(a, box, m)
		e.eq(got.UID, 1, "UID")
		list := e.messages(a, box, mailstore.FieldMeta|mailstore.FieldSummary|mailstore.FieldContent)
		e.eq(len(list), 1, "messages")
		r := list[0]
		e.eq(r.ModSeq, got.ModSeq, "modseq")
		e.eq(r.CreateMod, got.ModSeq, "modseq of creation")
		e.eq(r.Flags, m.Flags, "flags")
		e.eq(sorted(r.Keywords), sorted(m.Keywords), "keywords")
		e.eq(r.EmailID, m.EmailID, "EmailID")
		e.eq(r.LetterID, m.LetterID, "letter")
		e.eq(r.Received.Format(time.RFC3339), "2020-05-06T07:08:09+03:00", "received")
		e.eq(r.Saved.Equal(e.clock.Now()), true, "saved")
		e.eq(r.Size, m.Content.Size(), "size")
		e.eq(r.Summary, m.Summary, "summary")
		want := string(m.Content.Prefix) + "Тело письма\r\n--end\r\n"
		for offset := range int64(len(want) + 1) {
			text, err := e.read(r.Content, offset)
			e.no(err, "read")
			e.eq(text, want[offset:], fmt.Sprintf("octets from %d", offset))
		}
	}},
	{"fields as asked", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.append(a, box, e.mail("text"))
		r := e.messages(a, box, 0)[0]
		if r.UID != 1 || r.ModSeq == 0 || r.EmailID != (mailstore.ID{}) || r.Summary != nil || r.Content.Size() != 0 {
			e.Errorf("without fields: %+v", r)
		}
		r = e.messages(a, box, mailstore.FieldSummary)[0]
		e.eq(string(r.Summary), "summary", "summary alone")
		r = e.messages(a, box, mailstore.FieldContent)[0]
		e.eq(r.Content.Length, 4, "content alone")
	}},
	{"sets", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.view(a, func(tx mailstore.Tx) error {
			for _, err := range tx.Messages(box, all(), mailstore.FieldMeta) {
				e.Errorf("message in an empty mailbox: %v", err)
			}
			for _, err := range tx.Messages(99, all(), 0) {
				e.is(err, mailstore.ErrNoMailbox, "messages of no mailbox")
			}
			return nil
		})
		e.fill(a, box, 300)
		e.update(a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(box, mailstore.UIDSet{{Start: 100, Stop: 199}, {Start: 300, Stop: 300}}, false)
			return err
		})
		for _, tc := range []struct {
			set  mailstore.UIDSet
			want string
		}{
			{nil, ""},
			{set(1), "1"},
			{set(99, 100, 200), "99,200"},
			{mailstore.UIDSet{{Start: 98, Stop: 201}}, "98:99,200:201"},
			{mailstore.UIDSet{{Start: 298, Stop: 0}}, "298:299"},
			{mailstore.UIDSet{{Start: 0, Stop: 0}}, "299"},
			{mailstore.UIDSet{{Start: 1000, Stop: 0}}, "299"}, // RFC 9051 §9: n:* holds the last
			{mailstore.UIDSet{{Start: 1, Stop: 4294967295}}, "1:99,200:299"},
			{mailstore.UIDSet{{Start: 120, Stop: 130}}, ""},
		} {
			e.view(a, func(tx mailstore.Tx) error {
				var got mailstore.UIDSet
				for m, err := range tx.Messages(box, tc.set, mailstore.FieldMeta) {
					if err != nil {
						return err
					}
					if m.Size == 0 {
						e.Errorf("message %d without size", m.UID)
					}
					got.AddNum(m.UID)
				}
				e.eq(got, tc.want, fmt.Sprintf("messages of %v", tc.set))
				return nil
			})
		}
	}},
	{"messages are the caller's", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		m := e.mail("text")
		m.Keywords = []string{"one"}
		e.append(a, box, m)
		r := e.messages(a, box, 7)[0]
		copy(r.Summary, "XXXXXXX")
		copy(r.Content.Prefix, "XXXXXXX")
		r.Keywords[0] = "X"
		again := e.messages(a, box, 7)[0]
		e.eq(string(again.Summary), "summary", "summary")
		e.eq(string(again.Content.Prefix), string(m.Content.Prefix), "prefix")
		e.eq(again.Keywords, "[one]", "keywords")
	}},
	{"stop in the middle", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 5)
		e.view(a, func(tx mailstore.Tx) error {
			n := 0
			for _, err := range tx.Messages(box, all(), mailstore.FieldMeta) {
				if err != nil {
					return err
				}
				if n++; n == 2 {
					break
				}
			}
			e.eq(n, 2, "messages seen")
			return nil
		})
	}},
	{"append is idempotent", testAppendRepeat},
	{"UIDs and modseqs ascend", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		var last mailstore.Appended
		for range 20 {
			got := e.append(a, box, e.mail(""))
			if got.UID <= last.UID || got.ModSeq <= last.ModSeq {
				e.Fatalf("%+v after %+v", got, last)
			}
			last = got
			if got.UID%7 == 0 {
				e.reopen()
			}
		}
		e.update(a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(box, all(), false)
			return err
		})
		e.reopen()
		e.eq(e.append(a, box, e.mail("")).UID, last.UID+1, "UID after all were expunged")
	}},
	{"expunge", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 10)
		e.flag(a, box, set(2, 4, 6), mailstore.FlagsAdd, mailstore.Deleted)
		e.expunge(a, box, mailstore.UIDSet{{Start: 1, Stop: 4}}, true, "2,4")
		e.expunge(a, box, set(6, 7, 99), false, "6:7")
		e.expunge(a, box, all(), true, "")
		m := e.box(a, "INBOX")
		e.eq([]any{m.Messages, m.Deleted, m.Unseen}, []any{6, 0, 6}, "counts")
		e.view(a, func(tx mailstore.Tx) error {
			uids, err := tx.UIDs(box)
			e.eq(uids, []int{1, 3, 5, 8, 9, 10}, "UIDs")
			return err
		})
	}},
	{"by EmailID and by letter", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		m := e.mail("text")
		m.LetterID = mailstore.NewID()
		e.append(a, box, m)
		e.update(a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Copy(box, set(1), other)
			return err
		})
		e.view(a, func(tx mailstore.Tx) error {
			byID, err := tx.ByEmailID(m.EmailID)
			if err != nil {
				return err
			}
			byLetter, err := tx.ByLetter(m.LetterID)
			if err != nil {
				return err
			}
			e.eq(len(byID), 2, "places by EmailID")
			e.eq(len(byLetter), 2, "places by letter")
			none, err := tx.ByLetter(mailstore.NewID())
			e.eq(len(none), 0, "places of no letter")
			return err
		})
	}},
	{"by key", testByKey},
	{"vectors are right after every change", testVectors},
	{"large summaries", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		m := e.mail("")
		m.Summary = []byte(strings.Repeat("s", 200000))
		m.Content.Prefix = []byte(strings.Repeat("p", 100000))
		e.append(a, box, m)
		r := e.messages(a, box, 7)[0]
		e.eq(len(r.Summary)+len(r.Content.Prefix), 300000, "octets")
	}},
}

func testAppendRepeat(e *env) {
	a, b := e.account(), e.account()
	box, other := e.inbox(a), e.box(a, "Archive").ID
	m := e.mail("text")
	first := e.append(a, box, m)
	repeat := func(when string) {
		e.Helper()
		got := e.append(a, box, m)
		if got.UID != first.UID || !got.Repeat {
			e.Fatalf("%s: %+v, first %+v", when, got, first)
		}
	}
	repeat("at once")
	e.update(a, func(tx mailstore.UpdateTx) error {
		for range 2 {
			got, err := tx.Append(other, m)
			if err != nil {
				return err
			}
			e.eq(got.Repeat, true, "in another mailbox")
		}
		_, err := tx.Move(box, set(first.UID), other)
		return err
	})
	repeat("after a move")
	e.expunge(a, other, all(), false, "1")
	repeat("after it was expunged")
	e.clock.advance(mailstore.RepeatWindow - time.Minute)
	_, err := e.s.Sweep(e.ctx, 0)
	e.no(err, "sweep")
	e.crash()
	repeat("within the window")
	e.eq(e.append(b, e.inbox(b), mailstore.NewMessage{EmailID: m.EmailID}).Repeat, false, "in another account")
	e.clock.advance(2 * mailstore.RepeatWindow)
	_, err = e.s.Sweep(e.ctx, 0)
	e.no(err, "sweep")
	m.Content = mailstore.Content{Prefix: []byte("new")}
	e.append(a, box, m) // may be a repetition or not: the window is a lower bound
}

// testVectors compares UIDs with the messages after each of many changes.
func testVectors(e *env) {
	a := e.account()
	box := e.inbox(a)
	e.fill(a, box, 200)
	for i := range 40 {
		switch i % 4 {
		case 0:
			e.fill(a, box, 3)
		case 1:
			e.update(a, func(tx mailstore.UpdateTx) error {
				_, err := tx.Expunge(box, set(mailstore.UID(i*3+1), mailstore.UID(180+i)), false)
				return err
			})
		case 2:
			e.flag(a, box, set(mailstore.UID(150+i)), mailstore.FlagsAdd, mailstore.Seen)
		}
		if i%5 == 4 {
			continue // let several changes pile up
		}
		e.view(a, func(tx mailstore.Tx) error {
			got, err := tx.UIDs(box)
			if err != nil {
				return err
			}
			var want []mailstore.UID
			for m, err := range tx.Messages(box, all(), 0) {
				if err != nil {
					return err
				}
				want = append(want, m.UID)
			}
			if !slices.Equal(got, want) {
				e.Fatalf("round %d: UIDs %v, messages %v", i, got, want)
			}
			return nil
		})
	}
}

// flag changes system flags.
func (e *env) flag(a mailstore.ID, box mailstore.MailboxID, uids mailstore.UIDSet, op mailstore.FlagOp, flags mailstore.Flags, words ...string) (r mailstore.FlagResult) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) (err error) {
		r, err = tx.SetFlags(box, uids, mailstore.FlagChange{Op: op, Flags: flags, Keywords: words})
		return err
	})
	return r
}

// expunge removes messages and expects which go.
func (e *env) expunge(a mailstore.ID, box mailstore.MailboxID, uids mailstore.UIDSet, onlyDeleted bool, want string) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) error {
		gone, err := tx.Expunge(box, uids, onlyDeleted)
		e.eq(gone, want, "expunged")
		return err
	})
}

// testByKey follows a message with keys through everything that moves rows.
func testByKey(e *env) {
	a, b := e.account(), e.account()
	inbox, archive := e.inbox(a), e.box(a, "Archive").ID
	find := func(account mailstore.ID, key, want string) {
		e.Helper()
		e.view(account, func(tx mailstore.Tx) error {
			list, err := tx.ByKey(key)
			e.eq(list, want, fmt.Sprintf("messages with key %q", key))
			return err
		})
	}
	at := func(places ...mailstore.Location) string { return fmt.Sprint(places) }
	place := func(box mailstore.MailboxID, uid mailstore.UID) mailstore.Location {
		return mailstore.Location{Mailbox: box, UID: uid}
	}
	m := e.mail("text")
	m.Keys = []string{"<a@x>", "<b@x>", "<a@x>"}
	e.append(a, inbox, m)
	repeat := m
	repeat.Keys = []string{"late"}
	e.append(a, inbox, repeat) // adds nothing, so no key either
	other := e.mail("")
	other.Keys = []string{"<b@x>"}
	e.append(a, archive, other)
	e.append(a, inbox, e.mail(""))
	find(a, "<a@x>", at(place(inbox, 1)))
	find(a, "<b@x>", at(place(inbox, 1), place(archive, 1)))
	for _, absent := range []string{"late", "<A@x>", "<a@x", ""} {
		find(a, absent, "[]")
	}
	find(b, "<a@x>", "[]")
	e.copy(a, inbox, set(1), archive)
	find(a, "<a@x>", at(place(inbox, 1), place(archive, 2)))
	e.update(a, func(tx mailstore.UpdateTx) error {
		if _, err := tx.Expunge(inbox, set(1), false); err != nil {
			return err
		}
		list, err := tx.ByKey("<a@x>")
		e.eq(list, at(place(archive, 2)), "messages with a key inside the Update")
		return err
	})
	e.update(a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Move(archive, set(2), inbox)
		return err
	})
	find(a, "<a@x>", at(place(inbox, 3)))
	var old mailstore.MailboxID
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.RenameMailbox(inbox, "Old") })
	old = e.box(a, "Old").ID
	find(a, "<a@x>", at(place(old, 2)))
	e.crash()
	find(a, "<a@x>", at(place(old, 2)))
	e.remove(a, old)
	find(a, "<a@x>", "[]")
	find(a, "<b@x>", at(place(archive, 1)))
	imported := e.mail("")
	imported.UID, imported.Keys = 70, []string{"<c@x>"}
	e.no(e.s.Import(e.ctx, a, inbox, func(yield func(mailstore.NewMessage, error) bool) { yield(imported, nil) }), "import")
	find(a, "<c@x>", at(place(inbox, 70)))
}
