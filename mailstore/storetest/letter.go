package storetest

import (
	"fmt"
	"strings"
	"time"

	"gosbridge/mailstore"
)

var letterTests = []test{
	{"put and get", func(e *env) {
		a := e.account()
		l := mailstore.Letter{ID: mailstore.NewID(), Role: mailstore.Sender, Number: "GP-1", Type: "simple",
			State: "accepted", At: e.clock.Now(), Data: []byte("data"), Keys: []string{"<id@x>"}}
		e.view(a, func(tx mailstore.Tx) error {
			_, err := tx.Letter(l.ID, mailstore.Sender)
			e.is(err, mailstore.ErrNoLetter, "absent letter")
			return nil
		})
		e.putLetter(a, l)
		got := e.letter(a, l.ID, mailstore.Sender)
		e.eq([]any{got.Number, got.Type, got.State, got.At.Equal(l.At), string(got.Data), got.Version, len(got.Keys)},
			[]any{"GP-1", "simple", "accepted", true, "data", 1, 0}, "letter")
		e.view(a, func(tx mailstore.Tx) error {
			_, err := tx.Letter(l.ID, mailstore.Recipient)
			e.is(err, mailstore.ErrNoLetter, "other role")
			return nil
		})
		l.Role, l.State = mailstore.Recipient, "delivered"
		e.putLetter(a, l)
		e.eq(e.letter(a, l.ID, mailstore.Sender).State, "accepted", "sender's side")
		e.eq(e.letter(a, l.ID, mailstore.Recipient).State, "delivered", "recipient's side")
		b := e.account()
		e.is(e.s.View(e.ctx, b, func(tx mailstore.Tx) error {
			_, err := tx.Letter(l.ID, mailstore.Sender)
			return err
		}), mailstore.ErrNoLetter, "in another account")
	}},
	{"conflict", func(e *env) {
		a := e.account()
		l := mailstore.Letter{ID: mailstore.NewID(), Role: mailstore.Sender, State: "one", At: e.clock.Now()}
		e.putLetter(a, l)
		conflict := func(l mailstore.Letter, what string) {
			e.Helper()
			e.is(e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { return tx.PutLetter(l) }), mailstore.ErrConflict, what)
		}
		conflict(l, "new letter that is there")
		l.Version, l.State = 1, "two"
		e.putLetter(a, l)
		conflict(l, "version that is over")
		l.ID = mailstore.NewID()
		conflict(l, "version of a letter that is not there")
		e.update(a, func(tx mailstore.UpdateTx) error {
			for v := range uint64(3) {
				l.Version = v
				if err := tx.PutLetter(l); err != nil {
					return err
				}
			}
			return nil
		})
		e.eq(e.letter(a, l.ID, mailstore.Sender).Version, 3, "version after three in one Update")
	}},
	{"filter", testLetterFilter},
	{"evidence", func(e *env) {
		a := e.account()
		letter := mailstore.NewID()
		var want []mailstore.ID
		for i := range 5 {
			ev := mailstore.Evidence{ID: mailstore.NewID(), Letter: letter, Event: fmt.Sprint("Event", i),
				At: e.clock.Now().Add(-time.Duration(i) * time.Hour), Hash: mailstore.Hash{byte(i)}, Data: []byte(fmt.Sprint("data", i))}
			want = append(want, ev.ID)
			e.update(a, func(tx mailstore.UpdateTx) error {
				if err := tx.PutEvidence(ev); err != nil {
					return err
				}
				ev.Data = []byte("changed")
				return tx.PutEvidence(ev)
			})
		}
		e.update(a, func(tx mailstore.UpdateTx) error {
			return tx.PutEvidence(mailstore.Evidence{ID: mailstore.NewID(), Letter: mailstore.NewID()})
		})
		e.reopen()
		e.view(a, func(tx mailstore.Tx) error {
			var got []mailstore.ID
			for ev, err := range tx.Evidence(letter) {
				if err != nil {
					return err
				}
				i := len(got)
				e.eq([]any{ev.Letter, ev.Event, string(ev.Data), ev.Hash[0], ev.At.Equal(e.clock.Now().Add(-time.Duration(i) * time.Hour))},
					[]any{letter, fmt.Sprint("Event", i), fmt.Sprint("data", i), i, true}, "evidence")
				got = append(got, ev.ID)
			}
			e.eq(got, want, "order")
			return nil
		})
	}},
}

// filterLetters writes twelve letters, an hour apart.
func (e *env) filterLetters(a mailstore.ID, start time.Time) {
	for i := range 12 {
		l := mailstore.Letter{ID: mailstore.NewID(), Role: mailstore.Sender, Number: fmt.Sprint(i), Type: "simple",
			State: []string{"sent", "opened", "delivered"}[i%3], At: start.Add(time.Duration(i) * time.Hour),
			Keys: []string{fmt.Sprint("key", i%4), fmt.Sprint("number", i)}}
		if i%2 == 1 {
			l.Role, l.Type = mailstore.Recipient, "registered"
		}
		e.putLetter(a, l)
		if i == 3 { // a letter whose time changes stands once, at its new place
			l.Version, l.At = 1, start.Add(100*time.Hour)
			e.putLetter(a, l)
		}
		if i == 5 { // more keys are added to those there
			l.Version, l.Keys = 1, []string{"late"}
			e.putLetter(a, l)
		}
	}
}

func testLetterFilter(e *env) {
	a := e.account()
	start := e.clock.Now()
	e.filterLetters(a, start)
	for _, tc := range []struct {
		f    mailstore.LetterFilter
		want string
	}{
		{mailstore.LetterFilter{}, "3 11 10 9 8 7 6 5 4 2 1 0"},
		{mailstore.LetterFilter{Limit: 2}, "3 11"},
		{mailstore.LetterFilter{Role: mailstore.Sender}, "10 8 6 4 2 0"},
		{mailstore.LetterFilter{States: []string{"sent"}}, "3 9 6 0"},
		{mailstore.LetterFilter{States: []string{"sent", "opened"}, Type: "registered"}, "3 9 7 1"},
		{mailstore.LetterFilter{Since: start.Add(10 * time.Hour)}, "3 11 10"},
		{mailstore.LetterFilter{Until: start.Add(2 * time.Hour)}, "1 0"},
		{mailstore.LetterFilter{Since: start.Add(4 * time.Hour), Until: start.Add(7 * time.Hour), Limit: 2}, "6 5"},
		{mailstore.LetterFilter{Key: "key1"}, "9 5 1"},
		{mailstore.LetterFilter{Key: "key3"}, "3 11 7"},
		{mailstore.LetterFilter{Key: "key1", Limit: 1, Role: mailstore.Recipient}, "9"},
		{mailstore.LetterFilter{Key: "key1", States: []string{"opened"}}, "1"},
		{mailstore.LetterFilter{Key: "number5"}, "5"},
		{mailstore.LetterFilter{Key: "late"}, "5"},
		{mailstore.LetterFilter{Key: "KEY1"}, ""},
		{mailstore.LetterFilter{Key: "absent"}, ""},
	} {
		e.view(a, func(tx mailstore.Tx) error {
			var got []string
			for l, err := range tx.Letters(tc.f) {
				if err != nil {
					return err
				}
				got = append(got, l.Number)
			}
			e.eq(strings.Join(got, " "), tc.want, fmt.Sprintf("%+v", tc.f))
			return nil
		})
	}
	b := e.account()
	e.view(b, func(tx mailstore.Tx) error {
		for range tx.Letters(mailstore.LetterFilter{}) {
			e.Error("letter of another account")
		}
		for range tx.Letters(mailstore.LetterFilter{Key: "key1"}) {
			e.Error("letter of another account by key")
		}
		return nil
	})
}

func (e *env) putLetter(a mailstore.ID, l mailstore.Letter) {
	e.Helper()
	e.update(a, func(tx mailstore.UpdateTx) error { return tx.PutLetter(l) })
}

func (e *env) letter(a, id mailstore.ID, role mailstore.LetterRole) (l mailstore.Letter) {
	e.Helper()
	e.view(a, func(tx mailstore.Tx) (err error) {
		l, err = tx.Letter(id, role)
		return err
	})
	return l
}
