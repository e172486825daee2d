package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// outcome is how a world with one letter must end.
type outcome struct {
	states   []letter.State
	keywords []string // of the Sent copy
	evidence []receipt.Event
	// boxes counts the messages of mailboxes: "address name" -> n. Those not
	// named are empty.
	boxes map[string]int
	// journal counts the kinds of entries by account. Of what is not named
	// there is none, but for refusals and requests for a recall.
	journal map[string]map[string]int
}

// shownRow is what a mail program has seen of a message.
type shownRow struct {
	id   mailstore.ID
	size int64
}

// glimpse is what mail programs may have cached.
type glimpse struct {
	boxes map[string]mailstore.Mailbox
	rows  map[string]shownRow // "address name uid"
}

// look takes a glimpse of everything.
func (w *world) look() glimpse {
	w.t.Helper()
	g := glimpse{boxes: map[string]mailstore.Mailbox{}, rows: map[string]shownRow{}}
	for address, a := range w.accounts {
		err := w.inner.View(w.t.Context(), a.ID, func(tx mailstore.Tx) error {
			boxes, err := tx.Mailboxes()
			if err != nil {
				return err
			}
			for _, box := range boxes {
				g.boxes[address+" "+box.Name] = box
				all := mailstore.UIDSet{}
				all.AddRange(1, 0)
				for m, err := range tx.Messages(box.ID, all, mailstore.FieldMeta) {
					if err != nil {
						return err
					}
					g.rows[fmt.Sprintf("%s %s %d", address, box.Name, m.UID)] = shownRow{m.EmailID, m.Size}
				}
			}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return g
}

// monotonic compares what mail programs saw before a crash with what is there
// now.
func (before glimpse) monotonic(now glimpse) (errs []error) {
	for name, old := range before.boxes {
		b := now.boxes[name]
		if b.UIDValidity != old.UIDValidity || b.UIDNext < old.UIDNext || b.HighestMod < old.HighestMod {
			errs = append(errs, fmt.Errorf("%s went back: %d/%d/%d, was %d/%d/%d", name,
				b.UIDValidity, b.UIDNext, b.HighestMod, old.UIDValidity, old.UIDNext, old.HighestMod))
		}
	}
	for uid, old := range before.rows {
		if row, ok := now.rows[uid]; ok && row != old {
			errs = append(errs, fmt.Errorf("%s is another message", uid))
		}
	}
	return errs
}

// check compares the world with how it must have ended.
func (w *world) check(want outcome) error {
	w.t.Helper()
	rec, out := w.outgoing()
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, n := range w.others {
		if n != rec.Number {
			wrong("a 250 said %s, the letter is %s", n, rec.Number)
		}
	}
	errs = append(errs, w.checkStates(out, want)...)
	errs = append(errs, w.checkEvidence(rec, out, want)...)
	now := w.look()
	for name, box := range now.boxes {
		if int(box.Messages) != want.boxes[name] {
			wrong("%s has %d messages, want %d", name, box.Messages, want.boxes[name])
		}
	}
	errs = append(errs, w.seen.monotonic(now)...)
	for address := range w.accounts {
		if err := w.checkJournal(address, want.journal[address]); err != nil {
			wrong("journal of %s: %w", address, err)
		}
	}
	for _, class := range []string{letter.Class, letter.DispatchClass} {
		if items, err := w.inner.Queue().Items(w.t.Context(), class, 0); err != nil || len(items) > 0 {
			wrong("queue %s: %d items, %v", class, len(items), err)
		}
	}
	errs = append(errs, w.checkKeywords(rec, want), w.checkBodies())
	return errors.Join(errs...)
}

func (w *world) checkStates(out letter.Outgoing, want outcome) (errs []error) {
	for i, r := range out.Recipients {
		if r.State != want.states[i] {
			errs = append(errs, fmt.Errorf("recipient %d is %s, want %s", i, r.State, want.states[i]))
		}
		var reached []letter.State
		var last time.Time
		for _, s := range r.Steps {
			if s.Inferred {
				errs = append(errs, fmt.Errorf("recipient %d: step %s stayed inferred", i, s.State))
			}
			if slices.Contains(reached, s.State) {
				errs = append(errs, fmt.Errorf("recipient %d: %s twice", i, s.State))
			}
			reached = append(reached, s.State)
			if s.At.Before(last) {
				errs = append(errs, fmt.Errorf("recipient %d: %s before the state before it", i, s.State))
			}
			last = s.At
		}
		errs = append(errs, w.checkSides(r))
	}
	return errs
}

// checkSides compares what the two accounts say of a letter.
func (w *world) checkSides(r letter.Recipient) error {
	a, ok := w.accounts[r.Party.Address]
	if !ok || a.ID != r.Account {
		return nil // nobody
	}
	return w.inner.View(w.t.Context(), a.ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Letters(mailstore.LetterFilter{Role: mailstore.Recipient}) {
			if err != nil {
				return err
			}
			in, err := letter.DecodeIncoming(rec)
			if err != nil {
				return err
			}
			if in.State != r.State {
				return fmt.Errorf("%s has the letter %s, the sender %s", r.Party.Address, in.State, r.State)
			}
			return sameTimes(in.Steps, r.Steps)
		}
		return nil
	})
}

// sameTimes wants what both sides recorded to have happened at one time.
func sameTimes(received, sent []letter.Step) error {
	for _, s := range received {
		i := slices.IndexFunc(sent, func(o letter.Step) bool { return o.State == s.State })
		if i < 0 || !sent[i].At.Truncate(time.Millisecond).Equal(s.At.Truncate(time.Millisecond)) {
			return fmt.Errorf("%s at %s in the recipient's account, sender's steps %v", s.State, s.At, sent)
		}
	}
	return nil
}

// checkEvidence compares the letter's evidence with what is wanted.
func (w *world) checkEvidence(rec mailstore.Letter, out letter.Outgoing, want outcome) []error {
	errs := w.checkChain(sent{rec, out})
	var events []receipt.Event
	err := w.inner.View(w.t.Context(), w.accounts[senderAddress].ID, func(tx mailstore.Tx) error {
		for ev, err := range tx.Evidence(rec.ID) {
			if err != nil {
				return err
			}
			events = append(events, receipt.Event(ev.Event))
		}
		return nil
	})
	slices.Sort(events)
	expected := slices.Sorted(slices.Values(want.evidence))
	if !slices.Equal(events, expected) {
		errs = append(errs, fmt.Errorf("evidence %v, want %v", events, expected))
	}
	return append(errs, err)
}

// checkChain walks the chain of a letter's evidence.
func (w *world) checkChain(l sent) (errs []error) {
	var previous mailstore.Hash
	err := w.inner.View(w.t.Context(), w.accounts[senderAddress].ID, func(tx mailstore.Tx) error {
		for ev, err := range tx.Evidence(l.record.ID) {
			if err != nil {
				return err
			}
			stored, err := parseEvidence(ev)
			if err != nil {
				return err
			}
			if stored.Hash != ev.Hash || stored.Evidence.Previous != receipt.Digest(previous) || string(stored.Evidence.Event) != ev.Event {
				errs = append(errs, fmt.Errorf("evidence %s breaks the chain", ev.Event))
			}
			previous = ev.Hash
		}
		return nil
	})
	if l.out.Last != previous {
		errs = append(errs, errors.New("the letter does not name its last evidence"))
	}
	return append(errs, err)
}

// parseEvidence reads both encodings of a stored evidence, which must agree.
func parseEvidence(ev mailstore.Evidence) (receipt.Sealed, error) {
	var stored letter.StoredEvidence
	if err := json.Unmarshal(ev.Data, &stored); err != nil {
		return receipt.Sealed{}, err
	}
	sealed, err := receipt.ParseJSON(stored.JSON)
	if err != nil {
		return sealed, err
	}
	same, err := receipt.ParseXML(stored.XML)
	if err == nil && same.Hash != sealed.Hash {
		err = fmt.Errorf("evidence %s: XML says something else than JSON", ev.ID)
	}
	return sealed, err
}

// verifyJournal verifies an account's journal.
func (w *world) verifyJournal(account mailstore.ID) error {
	return w.inner.View(w.t.Context(), account, func(tx mailstore.Tx) error {
		_, err := journal.Verify(tx)
		return err
	})
}

// checkJournal verifies an account's journal and counts its entries.
func (w *world) checkJournal(address string, want map[string]int) error {
	got := map[string]int{}
	err := w.inner.View(w.t.Context(), w.accounts[address].ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			details, err := journal.ParseDetails(rec.Details)
			if err != nil {
				return err
			}
			// What was inferred is written down again when it is confirmed.
			if details["inferred"] == "" {
				got[rec.Kind]++
			}
		}
		return nil
	})
	if err := errors.Join(err, w.verifyJournal(w.accounts[address].ID)); err != nil {
		return err
	}
	delete(got, journal.Rejected)
	delete(got, journal.RecallAsked)
	if got[journal.Created]--; got[journal.Created] != 0 {
		return fmt.Errorf("entries %v: made %d times", got, got[journal.Created]+1)
	}
	delete(got, journal.Created)
	if !maps.Equal(got, want) {
		return fmt.Errorf("entries %v, want %v", got, want)
	}
	return nil
}

// checkKeywords looks at the status keywords of every copy that the sender has.
func (w *world) checkKeywords(rec mailstore.Letter, want outcome) error {
	return w.inner.View(w.t.Context(), w.accounts[senderAddress].ID, func(tx mailstore.Tx) error {
		rows, err := tx.ByLetter(rec.ID)
		if err != nil || len(rows) == 0 {
			return fmt.Errorf("rows of the letter: %v, %w", rows, err)
		}
		for _, row := range rows {
			set := mailstore.UIDSet{}
			set.AddNum(row.UID)
			for m, err := range tx.Messages(row.Mailbox, set, 0) {
				if err != nil {
					return err
				}
				slices.Sort(m.Keywords)
				if !slices.Equal(m.Keywords, want.keywords) {
					return fmt.Errorf("keywords %v, want %v", m.Keywords, want.keywords)
				}
			}
		}
		return nil
	})
}

// checkBodies sweeps and checks the whole store: what is named is there, and
// nothing else.
func (w *world) checkBodies() error {
	ctx := w.t.Context()
	time.Sleep(25 * time.Hour) // what died is kept a while for open sessions
	if _, err := w.inner.Sweep(ctx, 0); err != nil {
		return err
	}
	if err := w.inner.Check(ctx); err != nil {
		return err
	}
	large := map[body.Name]bool{}
	for _, a := range w.accounts {
		err := w.inner.View(ctx, a.ID, func(tx mailstore.Tx) error {
			boxes, err := tx.Mailboxes()
			if err != nil {
				return err
			}
			for _, box := range boxes {
				all := mailstore.UIDSet{}
				all.AddRange(1, 0)
				for m, err := range tx.Messages(box.ID, all, mailstore.FieldContent) {
					if err != nil {
						return err
					}
					if m.Content.Body.Size > body.InlineLimit {
						large[m.Content.Body.Name] = true
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	report, err := w.inner.Sweep(ctx, 0)
	if err != nil {
		return err
	}
	if report.Removed != 0 || report.Kept != len(large) {
		return fmt.Errorf("second sweep %+v, %d bodies named", report, len(large))
	}
	return nil
}
