package storetest

import (
	"fmt"
	"strings"

	"gosbridge/mailstore"
)

var flagTests = []test{
	{"rows of flags", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.eq(len(e.flagRows(a, box, all())), 0, "rows of an empty mailbox")
		e.fill(a, box, 300)
		e.update(a, func(tx mailstore.UpdateTx) error {
			if _, err := tx.SetFlags(box, set(3, 200), mailstore.FlagChange{Flags: mailstore.Seen | mailstore.Draft, Keywords: []string{"Later"}}); err != nil {
				return err
			}
			_, err := tx.Expunge(box, set(4, 130), false)
			return err
		})
		e.eq(len(e.flagRows(a, box, all())), 298, "rows")
		list := e.flagRows(a, box, set(3, 4, 5))
		e.eq(len(list), 2, "rows of a set")
		e.eq(strings.Contains(list[0], "Later"), true, "a row with a keyword")
		e.view(a, func(tx mailstore.Tx) error {
			for range tx.FlagRows(box, all()) {
				break
			}
			for _, err := range tx.FlagRows(99, all()) {
				e.is(err, mailstore.ErrNoMailbox, "rows of no mailbox")
			}
			return nil
		})
	}},
	{"operations", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 1)
		const s, f, d = mailstore.Seen, mailstore.Flagged, mailstore.Draft
		for _, tc := range []struct {
			op    mailstore.FlagOp
			flags mailstore.Flags
			words string
			want  mailstore.Flags
			left  string
		}{
			{mailstore.FlagsSet, s | d, "a b", s | d, "[a b]"},
			{mailstore.FlagsAdd, f, "c A", s | d | f, "[a b c]"},
			{mailstore.FlagsRemove, s, "B unknown", d | f, "[a c]"},
			{mailstore.FlagsAdd, 0, "", d | f, "[a c]"},
			{mailstore.FlagsSet, s, "", s, "[]"},
			{mailstore.FlagsRemove, s | f, "", 0, "[]"},
		} {
			e.flag(a, box, set(1), tc.op, tc.flags, strings.Fields(tc.words)...)
			m := e.messages(a, box, 0)[0]
			e.eq(m.Flags, tc.want, "flags")
			e.eq(sorted(m.Keywords), tc.left, "keywords")
		}
		e.eq(e.box(a, "INBOX").Keywords, "[a b c]", "keywords of the mailbox, in order of first use")
	}},
	{"result", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 300)
		before := e.box(a, "INBOX")
		r := e.flag(a, box, set(1, 2, 200, 999), mailstore.FlagsAdd, mailstore.Seen)
		e.eq([]any{r.Changed, r.Modified, r.NewSeen}, []any{"1:2,200", "", "1:2,200"}, "result")
		if r.ModSeq <= before.HighestMod {
			e.Errorf("modseq %d after %d", r.ModSeq, before.HighestMod)
		}
		e.eq(e.box(a, "INBOX").HighestMod, r.ModSeq, "HIGHESTMODSEQ")
		e.eq(e.box(a, "INBOX").Unseen, 297, "unseen")
		again := e.flag(a, box, set(1, 2, 200), mailstore.FlagsAdd, mailstore.Seen)
		e.eq([]any{again.Changed, again.NewSeen, again.ModSeq}, []any{"", "", 0}, "nothing to change")
		e.eq(e.box(a, "INBOX").HighestMod, r.ModSeq, "HIGHESTMODSEQ of an unchanged mailbox")
		for _, m := range e.messages(a, box, 0) {
			if (m.ModSeq == r.ModSeq) != (m.UID == 1 || m.UID == 2 || m.UID == 200) {
				e.Errorf("message %d has modseq %d", m.UID, m.ModSeq)
			}
		}
		r = e.flag(a, box, set(2, 3), mailstore.FlagsSet, mailstore.Seen|mailstore.Answered)
		e.eq([]any{r.Changed, r.NewSeen}, []any{"2:3", "3"}, "\\Seen that was set is not new")
	}},
	{"UNCHANGEDSINCE", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		for range 3 {
			e.append(a, box, e.mail(""))
		}
		mods := map[mailstore.UID]mailstore.ModSeq{}
		for _, m := range e.messages(a, box, 0) {
			mods[m.UID] = m.ModSeq
		}
		change := func(since *mailstore.ModSeq, flags mailstore.Flags) (r mailstore.FlagResult) {
			e.update(a, func(tx mailstore.UpdateTx) (err error) {
				r, err = tx.SetFlags(box, all(), mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: flags, UnchangedSince: since})
				return err
			})
			return r
		}
		zero, second := mailstore.ModSeq(0), mods[2]
		r := change(&zero, mailstore.Seen)
		e.eq([]any{r.Changed, r.Modified}, []any{"", "1:3"}, "since 0")
		r = change(&second, mailstore.Seen)
		e.eq([]any{r.Changed, r.Modified}, []any{"1:2", "3"}, "since the second")
		r = change(&second, mailstore.Answered)
		e.eq([]any{r.Changed, r.Modified}, []any{"", "1:3"}, "again")
		r = change(nil, mailstore.Answered)
		e.eq([]any{r.Changed, r.Modified}, []any{"1:3", ""}, "without")
	}},
	{"protected keywords", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		m := e.mail("")
		m.Keywords = []string{"Letter-Sent", "mine"}
		e.append(a, box, m)
		protect := func(word string) bool { return strings.HasPrefix(word, "Letter-") }
		for _, tc := range []struct {
			op    mailstore.FlagOp
			words []string
			want  string
		}{
			{mailstore.FlagsSet, []string{"other"}, "[Letter-Sent other]"},
			{mailstore.FlagsAdd, []string{"Letter-Opened", "third"}, "[Letter-Sent other third]"},
			{mailstore.FlagsRemove, []string{"Letter-Sent", "third"}, "[Letter-Sent other]"},
			{mailstore.FlagsSet, []string{"Letter-Opened"}, "[Letter-Sent]"},
		} {
			e.update(a, func(tx mailstore.UpdateTx) error {
				_, err := tx.SetFlags(box, set(1), mailstore.FlagChange{Op: tc.op, Keywords: tc.words, Protect: protect})
				return err
			})
			e.eq(sorted(e.messages(a, box, 0)[0].Keywords), tc.want, fmt.Sprintf("after %d %v", tc.op, tc.words))
		}
	}},
	{"no mailbox", func(e *env) {
		a := e.account()
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.SetFlags(99, all(), mailstore.FlagChange{})
			return err
		})
		e.is(err, mailstore.ErrNoMailbox, "set flags")
	}},
	{"keyword limit", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		e.fill(a, box, 1)
		var err error
		for i := 0; err == nil && i < 10000; i++ {
			err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
				words := make([]string, 50)
				for j := range words {
					words[j] = fmt.Sprintf("k%d-%d", i, j)
				}
				_, err := tx.SetFlags(box, set(1), mailstore.FlagChange{Op: mailstore.FlagsSet, Keywords: words})
				return err
			})
		}
		e.is(err, mailstore.ErrLimit, "ever more keywords")
	}},
	{"one modseq for an Update", func(e *env) {
		a := e.account()
		box, other := e.inbox(a), e.box(a, "Archive").ID
		e.fill(a, box, 5)
		var r mailstore.FlagResult
		var n mailstore.Appended
		m := e.mail("")
		e.update(a, func(tx mailstore.UpdateTx) (err error) {
			if r, err = tx.SetFlags(box, set(1), mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen}); err != nil {
				return err
			}
			n, err = tx.Append(other, m)
			return err
		})
		e.eq(n.ModSeq, r.ModSeq, "modseq")
		e.eq(e.box(a, "Archive").HighestMod, e.box(a, "INBOX").HighestMod, "HIGHESTMODSEQ")
	}},
}
