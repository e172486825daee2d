package letter_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// line is one step or journal entry in a form that is easy to compare.
func line(name string, at time.Time, inferred bool) string {
	s := fmt.Sprintf("%s %s", name, at.In(letter.Moscow).Format("15:04"))
	if inferred {
		s += " inferred"
	}
	return s
}

func steps(r letter.Recipient) (lines []string) {
	for _, s := range r.Steps {
		lines = append(lines, line(string(s.State), s.At, s.Inferred))
	}
	return lines
}

// entries are the journal of the sender.
func (r *rig) entries() (lines []string) {
	r.t.Helper()
	r.view(r.sender, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(1, 0) { // the first is of the making of the account
			if err != nil {
				return err
			}
			d, err := journal.ParseDetails(rec.Details)
			if err != nil {
				return err
			}
			if d["evidence"] != "" && len(d["evidence-sha256"]) != 64 {
				r.t.Errorf("entry %s names evidence %q by %q", rec.Kind, d["evidence"], d["evidence-sha256"])
			}
			lines = append(lines, line(rec.Kind, rec.At, d["inferred"] == "true"))
		}
		_, err := journal.Verify(tx)
		return err
	})
	return lines
}

// An opening that is told before the delivery infers the delivery without
// evidence; the delivery confirms it later, with its own time and evidence, and
// both once.
func TestConfirm(t *testing.T) {
	r := newRig(t, 2)
	id := r.accept(1, nil)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	r.change(id, letter.Change{Recipient: 1, Event: letter.EventOpen, At: at(9)})
	out := r.outgoing(id)
	inferred := []string{"accepted 12:00", "processing 12:09 inferred", "sent 12:09 inferred", "delivered 12:09 inferred", "opened 12:09"}
	if got := steps(out.Recipients[1]); !slices.Equal(got, inferred) || !out.Recipients[1].Due() {
		t.Errorf("steps %q, due %t", got, out.Recipients[1].Due())
	}
	if got := r.events(id); !slices.Equal(got, []string{"SubmissionAcceptance", "ContentHandover"}) {
		t.Errorf("evidence %v", got)
	}
	delivery := []letter.Change{
		{Recipient: 1, Event: letter.EventDispatch, At: at(4)}, {Recipient: 1, Event: letter.EventRelay, At: at(5)},
		{Recipient: 1, Event: letter.EventDeliver, At: at(6)},
	}
	r.change(id, delivery...)
	out = r.outgoing(id)
	confirmed := []string{"accepted 12:00", "processing 12:04", "sent 12:05", "delivered 12:06", "opened 12:09"}
	if got := steps(out.Recipients[1]); !slices.Equal(got, confirmed) || out.Recipients[1].Due() {
		t.Errorf("steps %q, due %t", got, out.Recipients[1].Due())
	}
	if out.Recipients[1].State != letter.Opened || out.Recipients[0].State != letter.Accepted || out.State() != letter.Accepted {
		t.Errorf("states %s, %s, of the letter %s", out.Recipients[0].State, out.Recipients[1].State, out.State())
	}
	events := []string{"SubmissionAcceptance", "ContentHandover", "ContentConsignment"}
	entries := []string{
		"accepted 12:00", "state 12:09 inferred", "sent 12:09 inferred", "delivered 12:09 inferred", "opened 12:09",
		"state 12:04", "sent 12:05", "delivered 12:06",
	}
	if got := r.entries(); !slices.Equal(got, entries) {
		t.Errorf("journal %q", got)
	}
	// Whatever comes again says nothing new.
	again := append(delivery, letter.Change{Recipient: 1, Event: letter.EventOpen, At: at(20)},
		letter.Change{Recipient: 1, Event: letter.EventFail, At: at(20)}, letter.Change{Recipient: 1, Event: letter.EventRecall, At: at(20)},
		letter.Change{Recipient: 1, Event: letter.EventWithdraw, At: at(20)})
	if tr := r.prepare(id, again...); !tr.Empty() {
		t.Error("a repetition changes something")
	}
	if got := r.events(id); !slices.Equal(got, events) {
		t.Errorf("evidence %v", got)
	}
}

// A transition that was prepared on an older state is refused before it writes
// anything.
func TestStale(t *testing.T) {
	r := newRig(t, 1)
	id := r.accept(1, nil)
	stale := r.prepare(id, letter.Change{Event: letter.EventRecall, At: noon})
	r.change(id, letter.Change{Event: letter.EventDeliver, At: noon})
	events, entries := r.events(id), r.entries()
	err := r.store.Update(t.Context(), r.sender.ID, func(tx mailstore.UpdateTx) error {
		// The caller may go on: the Update is not spoiled.
		if err := letter.Apply(tx, stale); !errors.Is(err, letter.ErrStale) {
			t.Errorf("apply: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := stale.Discard(t.Context(), r.store.Bodies()); err != nil {
		t.Error(err)
	}
	if out := r.outgoing(id); out.State() != letter.Delivered {
		t.Errorf("state %s", out.State())
	}
	if !slices.Equal(r.events(id), events) || !slices.Equal(r.entries(), entries) {
		t.Error("a stale transition wrote something")
	}
}

// Changes of nobody are an error, of no letter too.
func TestPrepareErrors(t *testing.T) {
	r := newRig(t, 1)
	id := r.accept(1, nil)
	for _, index := range []int{-1, 1} {
		if _, err := r.office.Prepare(t.Context(), r.sender.ID, id, []letter.Change{{Recipient: index, Event: letter.EventOpen, At: noon}}); err == nil {
			t.Errorf("recipient %d: no error", index)
		}
	}
	if _, err := r.office.Prepare(t.Context(), r.sender.ID, mailstore.NewID(), nil); !errors.Is(err, mailstore.ErrNoLetter) {
		t.Errorf("no letter: %v", err)
	}
	if _, err := r.office.Prepare(t.Context(), r.accounts[0].ID, id, nil); !errors.Is(err, mailstore.ErrNoLetter) {
		t.Errorf("other account: %v", err)
	}
}

// keywordsOf are the keywords of the letter's rows, by mailbox name.
func (r *rig) keywordsOf(id mailstore.ID) map[string]string {
	r.t.Helper()
	out := map[string]string{}
	r.view(r.sender, func(tx mailstore.Tx) error {
		rows, err := tx.ByLetter(id)
		if err != nil {
			return err
		}
		for _, row := range rows {
			box, err := tx.Mailbox(row.Mailbox)
			if err != nil {
				return err
			}
			one := mailstore.UIDSet{}
			one.AddNum(row.UID)
			for m, err := range tx.Messages(row.Mailbox, one, 0) {
				if err != nil {
					return err
				}
				slices.Sort(m.Keywords)
				out[box.Name] = strings.Join(m.Keywords, " ")
			}
		}
		return nil
	})
	return out
}

// Every copy of a letter shows its present state, beside keywords of its
// owner, which stay.
func TestStatusKeywords(t *testing.T) {
	r := newRig(t, 2)
	id := r.accept(1, func(d *letter.Draft) {
		d.Outgoing.Hold = noon.Add(5 * time.Minute)
		d.Outgoing.Recall = d.Outgoing.Hold
	})
	if got := r.keywordsOf(id)["Sent"]; got != "Letter-Accepted Letter-Held" {
		t.Errorf("accepted: %q", got)
	}
	r.update(r.sender, func(tx mailstore.UpdateTx) error {
		sent, err := tx.MailboxByRole(mailstore.RoleSent)
		if err != nil {
			return err
		}
		archive, err := tx.MailboxByRole(mailstore.RoleArchive)
		if err != nil {
			return err
		}
		one := mailstore.UIDSet{}
		one.AddNum(1)
		if _, err := tx.SetFlags(sent.ID, one, mailstore.FlagChange{Op: mailstore.FlagsAdd, Keywords: []string{"Urgent"}}); err != nil {
			return err
		}
		_, err = tx.Copy(sent.ID, one, archive.ID)
		return err
	})
	for _, step := range []struct {
		change letter.Change
		want   string
	}{
		{letter.Change{Recipient: 0, Event: letter.EventDeliver}, "Letter-Accepted Letter-Held Urgent"}, // the other waits
		{letter.Change{Recipient: 1, Event: letter.EventDispatch}, "Letter-Accepted Urgent"},
		{letter.Change{Recipient: 1, Event: letter.EventRelay}, "Letter-Sent Urgent"},
		{letter.Change{Recipient: 1, Event: letter.EventDeliver}, "Letter-Delivered Urgent"},
		{letter.Change{Recipient: 0, Event: letter.EventOpen}, "Letter-Delivered Urgent"},
		{letter.Change{Recipient: 1, Event: letter.EventWithdraw}, "Letter-Recalled Urgent"},
	} {
		step.change.At = noon
		r.change(id, step.change)
		got := r.keywordsOf(id)
		if len(got) != 2 || got["Sent"] != step.want || got["Archive"] != step.want {
			t.Errorf("after %s of %d: %q, want %q", step.change.Event, step.change.Recipient, got, step.want)
		}
	}
}

// Owns tells the keywords of letters from those of people.
func TestOwns(t *testing.T) {
	for keyword, want := range map[string]bool{
		"Letter-Opened": true, "letter-opened": true, "LETTER-X": true, letter.KeywordAwaiting: true,
		"Letter-": false, "Letter": false, "Letters-Opened": false, "$Letter-Opened": false, "": false, "XLetter-Opened": false,
	} {
		if got := letter.Owns(keyword); got != want {
			t.Errorf("%q: %t", keyword, got)
		}
	}
}

// A term ends with its last day in Moscow, whatever the time or the zone it
// began in.
func TestTermEnd(t *testing.T) {
	utc := func(s string) time.Time {
		at, err := time.Parse("2006-01-02 15:04:05.000", s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, test := range []struct {
		from string // UTC
		term policy.Period
		want string
	}{
		{"2026-11-22 12:00:00.000", policy.Days(30), "2026-12-22 21:00:00.000"},
		{"2026-11-22 20:59:59.999", policy.Days(30), "2026-12-22 21:00:00.000"}, // 23:59:59 in Moscow
		{"2026-11-22 21:00:00.000", policy.Days(30), "2026-12-23 21:00:00.000"}, // already the 23rd there
		{"2026-11-22 23:59:59.999", policy.Days(30), "2026-12-23 21:00:00.000"},
		{"2026-11-23 00:00:00.000", policy.Days(30), "2026-12-23 21:00:00.000"},
		{"2026-12-31 21:30:00.000", policy.Days(1), "2027-01-02 21:00:00.000"},
		{"2028-02-28 21:30:00.000", policy.Years(1), "2029-03-01 21:00:00.000"}, // 29 February in Moscow
		{"2026-01-31 09:00:00.000", policy.Period{Months: 1}, "2026-03-03 21:00:00.000"},
		{"2026-11-22 12:00:00.000", policy.Days(0), "2026-11-22 21:00:00.000"},
	} {
		from := utc(test.from)
		for _, zone := range []*time.Location{time.UTC, letter.Moscow, time.FixedZone("far", 12*3600)} {
			got := letter.TermEnd(from.In(zone), test.term)
			if !got.Equal(utc(test.want)) || got.Location() != time.UTC {
				t.Errorf("%s from %s (%s): %s, want %s", test.term, test.from, zone, got, test.want)
			}
		}
	}
	if end := letter.TermEnd(noon, policy.Period{Unlimited: true}); !end.IsZero() {
		t.Errorf("without end: %s", end)
	}
}

// A letter is found by its number, in the account that sent it and in no other.
func TestFind(t *testing.T) {
	r := newRig(t, 1)
	first := r.accept(1, nil)
	second := r.accept(2, nil)
	for serial, want := range map[uint64]mailstore.ID{1: first, 2: second} {
		number := letter.FormatNumber(noon, serial)
		a, rec, err := letter.Find(t.Context(), r.store, number)
		if err != nil || a.ID != r.sender.ID || rec.ID != want || rec.Number != number {
			t.Errorf("%s: %s of %s, %v", number, rec.ID, a.ID, err)
		}
	}
	for _, number := range []string{letter.FormatNumber(noon, 3), "", "1"} {
		if _, _, err := letter.Find(t.Context(), r.store, number); !errors.Is(err, mailstore.ErrNoLetter) {
			t.Errorf("%q: %v", number, err)
		}
	}
	// What the recipient has under the same number is not what was sent.
	r.receive(first)
	if a, _, err := letter.Find(t.Context(), r.store, letter.FormatNumber(noon, 1)); err != nil || a.ID != r.sender.ID {
		t.Errorf("after delivery: %s, %v", a.ID, err)
	}
}
