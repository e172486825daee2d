package admin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
)

const (
	// traceRecipients is up to how many recipients their journals are read too.
	traceRecipients = 20
	// tracePage is how many journal records one View reads.
	tracePage = 10_000
	// traceSlack is how far the times of neighbouring journal records may be out
	// of order: an entry has the time of its event, not that of its writing.
	traceSlack = time.Hour
)

// Step is one thing that happened to a letter.
type Step struct {
	At   time.Time `json:"at"`
	Step string    `json:"step"` // a state of the letter, a journal kind, or received, checked, signed, held
	// Account is the main address of the account whose journal has it.
	Account   string            `json:"account"`
	Recipient string            `json:"recipient,omitempty"` // of a step with one recipient
	Inferred  bool              `json:"inferred,omitempty"`
	Details   map[string]string `json:"details,omitempty"`
	Event     receipt.Event     `json:"event,omitempty"`    // of the evidence
	Evidence  string            `json:"evidence,omitempty"` // id
	Journal   *int64            `json:"journal,omitempty"`  // index of the record; nil when it follows from another
}

// trace is all that happened to a letter, in order.
func (s *Service) trace(ctx context.Context, a mailstore.Account, rec mailstore.Letter, evidence []Evidence) ([]Step, error) {
	out, err := letter.DecodeOutgoing(rec)
	if err != nil {
		return nil, err
	}
	steps, err := s.journalled(ctx, a, rec)
	if err != nil {
		return nil, err
	}
	steps = append(before(a, out, steps), steps...)
	if len(out.Recipients) <= traceRecipients {
		for _, r := range out.Recipients {
			theirs, err := s.withRecipient(ctx, a, rec, r)
			if err != nil {
				return nil, err
			}
			steps = append(steps, theirs...)
		}
	}
	steps = append(steps, forgotten(a, out, steps)...)
	events := map[string]string{}
	for _, e := range evidence {
		events[e.ID.String()] = e.Event
	}
	for i := range steps {
		steps[i].Event = receipt.Event(events[steps[i].Evidence])
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return steps, nil
}

// before is what came before the acceptance, and what it decided. It has no
// journal entry of its own.
func before(a mailstore.Account, out letter.Outgoing, steps []Step) []Step {
	step := func(name string, details map[string]string) Step {
		for k, v := range details {
			if v == "" {
				delete(details, k)
			}
		}
		return Step{At: out.Accepted, Step: name, Account: a.Addresses[0], Details: details}
	}
	f := out.Facts
	came := map[string]string{"octets": fmt.Sprint(f.Submitted.Size), "sha256": f.Submitted.SHA256.String()}
	if i := slices.IndexFunc(steps, func(s Step) bool { return s.Step == string(letter.Accepted) }); i >= 0 {
		came["credential"], came["address"] = steps[i].Details["credential"], steps[i].Details["address"]
	}
	all := []Step{
		step("received", came),
		step("checked", map[string]string{
			"decision": "accepted", "type": f.Letter.Type, "chosen-by": string(out.Chosen), "kind": out.Kind,
			"profile": f.Profile.Name, "profile-sha256": f.Profile.SHA256.String(), "advice": strings.Join(out.Advice, " "),
		}),
		step("signed", map[string]string{
			"signature": f.Signature.Result, "by": f.Signature.By, "subject": f.Signature.Subject,
			"certificate-sha256": f.Signature.Certificate.String(),
		}),
	}
	if !out.Hold.IsZero() {
		all = append(all, step("held", map[string]string{"until": out.Hold.UTC().Format(time.RFC3339)}))
	}
	return all
}

// told are the details that have a field of their own in Step, or are those of
// the letter.
var told = []string{"letter", "number", "type", "counterpart", "state", "inferred", "evidence", "evidence-sha256"}

// journalled is what an account's journal says of a letter.
func (s *Service) journalled(ctx context.Context, a mailstore.Account, rec mailstore.Letter) ([]Step, error) {
	var steps []Step
	id := []byte(rec.ID.String())
	from, size, err := s.journalFrom(ctx, a.ID, rec.At.Add(-traceSlack))
	for ; err == nil && from < size; from += tracePage {
		err = s.o.Store.View(ctx, a.ID, func(tx mailstore.Tx) error {
			for entry, err := range tx.Journal(from, tracePage) {
				if err != nil {
					return err
				}
				if !bytes.Contains(entry.Details, id) {
					continue
				}
				d, err := journal.ParseDetails(entry.Details)
				if err != nil {
					return err
				}
				if d["letter"] == rec.ID.String() {
					steps = append(steps, stepOf(a, entry, d))
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("journal of %s: %w", a.ID, err)
	}
	return steps, nil
}

// stepOf is a journal entry as a step.
func stepOf(a mailstore.Account, entry mailstore.JournalRecord, d journal.Details) Step {
	st := Step{
		At: entry.At, Step: cmp.Or(d["state"], entry.Kind), Account: a.Addresses[0], Inferred: d["inferred"] != "",
		Evidence: d["evidence"], Journal: &entry.Index, Details: d,
	}
	if d["state"] != "" {
		st.Recipient = d["counterpart"]
	}
	for _, name := range told {
		delete(d, name)
	}
	return st
}

// journalFrom finds the first record of an account's journal that may be as late
// as a time, and how many there are.
func (s *Service) journalFrom(ctx context.Context, account mailstore.ID, at time.Time) (from, size int64, err error) {
	err = s.o.Store.View(ctx, account, func(tx mailstore.Tx) error {
		var err, failed error
		if size, err = tx.JournalSize(); err != nil {
			return err
		}
		from = int64(sort.Search(int(size), func(i int) bool {
			for entry, err := range tx.Journal(int64(i), 1) {
				failed = cmp.Or(failed, err)
				return !entry.At.Before(at)
			}
			return true
		}))
		return failed
	})
	return from, size, err
}

// withRecipient is what a recipient's journal says of the letter.
func (s *Service) withRecipient(ctx context.Context, sender mailstore.Account, rec mailstore.Letter, r letter.Recipient) ([]Step, error) {
	if r.Account == sender.ID {
		return nil, nil // its journal was read
	}
	a, err := s.o.Store.Directory().Account(ctx, r.Account)
	if err != nil {
		return nil, err
	}
	steps, err := s.journalled(ctx, a, rec)
	for i := range steps {
		steps[i].Recipient = r.Party.Address
	}
	return steps, err
}

// forgotten are the steps that the letter's record has and no journal tells of:
// the details of journals are destroyed earlier.
func forgotten(a mailstore.Account, out letter.Outgoing, steps []Step) []Step {
	var rest []Step
	for _, r := range out.Recipients {
		for _, st := range r.Steps {
			known := slices.ContainsFunc(steps, func(s Step) bool {
				return s.Step == string(st.State) && (s.Recipient == r.Party.Address || s.Recipient == "") && s.Account == a.Addresses[0]
			})
			if !known {
				rest = append(rest, Step{At: st.At, Step: string(st.State), Account: a.Addresses[0], Recipient: r.Party.Address, Inferred: st.Inferred})
			}
		}
	}
	return rest
}
