package letter_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// At the end of its term each copy goes for itself, after one notice; record,
// evidence and journal stay.
func TestTermEnds(t *testing.T) {
	r := newRig(t, 1)
	first, second := r.deliverKept(1), r.deliverKept(2)
	evidence := r.events(first)
	ref := r.contentOf(first)

	r.retainAt(sentEnds.Add(-30*day - time.Hour))
	if n := r.notices(r.sender); len(n) > 0 {
		t.Fatalf("told too early: %s", n)
	}
	r.retainAt(sentEnds.Add(-30 * day))
	r.retainAt(sentEnds.Add(-29 * day))
	told := r.notices(r.sender)
	if len(told) != 1 {
		t.Fatalf("%d notices", len(told))
	}
	for _, want := range []string{
		"Заканчивается срок хранения писем: 2\n", letter.FormatNumber(noon, 1) + ", для r0@b.example", letter.FormatNumber(noon, 2) + ", to r0@b.example",
		"Тема: Test", "хранится до 24:00 22 ноября 2027 г. (МСК)", "kept until 24:00 on 22 November 2027", "+1 г.", "флажком", "flag it",
	} {
		if !strings.Contains(told[0], want) {
			t.Errorf("the notice lacks %q:\n%s", want, told[0])
		}
	}
	r.wantLast(r.sender, journal.Warned)
	r.retainAt(sentEnds.Add(-time.Second))
	r.wantPlace(first, mailstore.Sender, "mailbox", "a second before the end")

	r.retainAt(sentEnds)
	r.wantPlace(first, mailstore.Sender, "gone", "at the end")
	r.wantPlace(second, mailstore.Sender, "gone", "at the end")
	r.wantPlace(first, mailstore.Recipient, "mailbox", "at the end of the sender's term")
	r.wantLast(r.sender, journal.Warned, journal.Destroyed, journal.Destroyed)
	if got := r.events(first); !slices.Equal(got, evidence) || len(got) < 2 {
		t.Errorf("evidence %v, was %v", got, evidence)
	}
	out := r.outgoing(first)
	if !out.Destroyed.Equal(sentEnds) || out.Header != nil || out.State() != letter.Delivered || out.Subject != "Test" {
		t.Errorf("record: destroyed %s, header %q, %s", out.Destroyed, out.Header, out.State())
	}
	r.retainAt(sentEnds.Add(day))
	r.wantLast(r.sender, journal.Destroyed, journal.Destroyed)
	r.readable(ref, true)

	r.retainAt(receivedEnds.Add(-30 * day))
	r.retainAt(receivedEnds)
	r.wantPlace(first, mailstore.Recipient, "gone", "at the end")
	r.wantLast(r.accounts[0], journal.Warned, journal.Destroyed, journal.Destroyed)
	if told := r.notices(r.accounts[0]); len(told) != 1 || !strings.Contains(told[0], "от sender@a.example") {
		t.Errorf("the recipient was told %q", told)
	}
	r.readable(ref, false)
}

// A flag keeps a letter one term more each time; without it the owner is told
// anew, and it goes.
func TestExtension(t *testing.T) {
	r := newRig(t, 1)
	id := r.deliverKept(1)
	r.retainAt(sentEnds.Add(-30 * day))
	r.flagAll(r.sender, mailstore.RoleSent, mailstore.FlagsAdd)
	for i := range 3 { // twice are one: the second walk finds nothing to do
		end := sentEnds.AddDate(i, 0, 0)
		r.retainAt(end.Add(-time.Second))
		r.retainAt(end)
		r.retainAt(end.Add(time.Second))
		r.wantPlace(id, mailstore.Sender, "mailbox", end.String())
	}
	r.wantLast(r.sender, journal.Warned, journal.Extended, journal.Extended, journal.Extended)
	if n := r.notices(r.sender); len(n) != 1 {
		t.Errorf("%d notices, one of them before it was flagged", len(n))
	}
	r.flagAll(r.sender, mailstore.RoleSent, mailstore.FlagsRemove)
	end := sentEnds.AddDate(3, 0, 0)
	r.retainAt(end.Add(-30 * day))
	if n := r.notices(r.sender); len(n) != 2 {
		t.Errorf("%d notices", len(n))
	}
	r.retainAt(end)
	r.wantPlace(id, mailstore.Sender, "gone", "without the flag")
}

// A copy that was expunged waits in the vault for its end, and its owner is not
// told of it. What has no end stays; what is of before there were terms is its
// owner's.
func TestVaultToItsEnd(t *testing.T) {
	r := newRig(t, 1)
	kept := r.deliverKept(1)
	ever := r.accept(2, func(d *letter.Draft) { d.Outgoing.KeepSent = policy.Period{Unlimited: true} })
	old := r.accept(3, nil)
	r.expunge(r.sender, mailstore.RoleSent)
	r.wantPlace(kept, mailstore.Sender, "vault", "expunged")
	r.wantPlace(ever, mailstore.Sender, "vault", "expunged")
	if got := r.placeOf(old, mailstore.Sender); !strings.Contains(got, "Rows:0 Vaulted:false Gone:false") {
		t.Errorf("a letter without terms is %s", got)
	}
	list, err := r.office.Vault(t.Context(), r.sender.ID)
	if err != nil || len(list) != 2 {
		t.Errorf("vault: %+v, %v", list, err)
	}
	r.retainAt(sentEnds.Add(-30 * day))
	r.retainAt(sentEnds.Add(-time.Second))
	r.wantPlace(kept, mailstore.Sender, "vault", "before its end")
	r.retainAt(sentEnds)
	r.wantPlace(kept, mailstore.Sender, "gone", "at its end")
	r.wantLast(r.sender, journal.Destroyed)
	if n := r.notices(r.sender); len(n) > 0 {
		t.Errorf("told of %q", n)
	}
	r.retainAt(sentEnds.AddDate(90, 0, 0))
	r.wantPlace(ever, mailstore.Sender, "vault", "without an end")
}

// After an outage the owner has a week from the notice on; while the account is
// blocked nothing is told and nothing goes.
func TestLateNotice(t *testing.T) {
	r := newRig(t, 1)
	id := r.deliverKept(1)
	block := func(on bool) {
		if _, err := auth.SetDisabled(t.Context(), r.store, r.sender.ID, on, nil, r.now); err != nil {
			t.Fatal(err)
		}
	}
	block(true)
	r.retainAt(sentEnds.Add(50 * day))
	if n := r.notices(r.sender); len(n) > 0 {
		t.Errorf("told while blocked: %q", n)
	}
	block(false)
	late := sentEnds.Add(90 * day)
	r.retainAt(late)
	r.retainAt(late.Add(7*day - time.Second))
	r.wantPlace(id, mailstore.Sender, "mailbox", "within the week")
	if n := r.notices(r.sender); len(n) != 1 || !strings.Contains(n[0], "хранится до 24:00 27 февраля 2028 г.") {
		t.Errorf("notices %q", n)
	}
	r.retainAt(late.Add(7 * day))
	r.wantPlace(id, mailstore.Sender, "gone", "after the week")
}

// A notice of before a hold or a block does not count after it.
func TestNoticeBeforeHold(t *testing.T) {
	block := func(r *rig, on bool) error {
		_, err := auth.SetDisabled(r.t.Context(), r.store, r.sender.ID, on, nil, r.now)
		return err
	}
	holdAccount := func(r *rig, on bool) error {
		_, err := auth.SetHeld(r.t.Context(), r.store, r.sender.ID, on, nil, r.now)
		return err
	}
	for name, tc := range map[string]struct {
		first, last func(r *rig, id mailstore.ID) error
	}{
		"account blocked": {
			func(r *rig, _ mailstore.ID) error { return block(r, true) }, func(r *rig, _ mailstore.ID) error { return block(r, false) },
		},
		"account held": {
			func(r *rig, _ mailstore.ID) error { return holdAccount(r, true) }, func(r *rig, _ mailstore.ID) error { return holdAccount(r, false) },
		},
		"letter held": {
			func(r *rig, id mailstore.ID) error {
				_, err := r.office.Hold(r.t.Context(), r.sender.ID, id, true, nil)
				return err
			},
			func(r *rig, id mailstore.ID) error {
				_, err := r.office.Hold(r.t.Context(), r.sender.ID, id, false, nil)
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			id := r.deliverKept(1)
			r.retainAt(sentEnds.Add(-30 * day))
			if err := tc.first(r, id); err != nil {
				t.Fatal(err)
			}
			r.retainAt(sentEnds.Add(day))
			if err := tc.last(r, id); err != nil {
				t.Fatal(err)
			}
			r.retainAt(sentEnds.Add(2 * day))
			r.retainAt(sentEnds.Add(9*day - time.Second))
			r.wantPlace(id, mailstore.Sender, "mailbox", "told again")
			if n := r.notices(r.sender); len(n) != 2 {
				t.Errorf("%d notices", len(n))
			}
			r.retainAt(sentEnds.Add(9 * day))
			r.wantPlace(id, mailstore.Sender, "gone", "at last")
		})
	}
}

// Copies of a copy in many mailboxes and slices go together; the flag of one
// keeps them all.
func TestTermOfManyRows(t *testing.T) {
	r := newRig(t, 1)
	id := r.deliverKept(1)
	r.copies(r.sender, mailstore.RoleSent, 700)
	r.retainAt(sentEnds.Add(-30 * day))
	r.retainAt(sentEnds)
	r.wantPlace(id, mailstore.Sender, "gone", "at the end")
	if usage := r.usage(); usage.Messages > 10 { // the receipts and the notice
		t.Errorf("%d messages left", usage.Messages)
	}
	r.wantLast(r.sender, journal.Warned, journal.Destroyed)
}

// Hundreds of letters end on one day: notices of many each, and all go.
func TestTermsOfManyLetters(t *testing.T) {
	r := newRig(t, 1)
	const n = 300
	var ids []mailstore.ID
	for i := range n {
		ids = append(ids, r.accept(uint64(i+1), func(d *letter.Draft) {
			d.Outgoing.KeepSent, d.Outgoing.Automatic = policy.Years(1), true
		}))
	}
	r.retainAt(sentEnds.Add(-30 * day))
	if told := r.notices(r.sender); len(told) != 2 || !strings.Contains(told[0], ": 250\n") || !strings.Contains(told[1], ": 50\n") {
		t.Errorf("%d notices", len(told))
	}
	r.retainAt(sentEnds)
	for _, id := range ids {
		r.wantPlace(id, mailstore.Sender, "gone", "at the end")
	}
}

// What is held outlives every way by which a copy can go.
func TestLegalHold(t *testing.T) {
	hold := map[string]func(r *rig, id mailstore.ID, on bool){
		"letter": func(r *rig, id mailstore.ID, on bool) {
			if _, err := r.office.Hold(r.t.Context(), r.sender.ID, id, on, journal.Details{"reason": "case 1"}); err != nil {
				r.t.Fatal(err)
			}
		},
		"accounts": func(r *rig, _ mailstore.ID, on bool) {
			for _, a := range []mailstore.Account{r.sender, r.accounts[0]} {
				if _, err := auth.SetHeld(r.t.Context(), r.store, a.ID, on, journal.Details{"reason": "case 1"}, r.now); err != nil {
					r.t.Fatal(err)
				}
			}
		},
	}
	ways := map[string]struct {
		do    func(r *rig, id mailstore.ID)
		role  mailstore.LetterRole
		place string // while held
	}{
		"the end of the term": {func(*rig, mailstore.ID) {}, mailstore.Sender, "mailbox"},
		"the owner expunges": {func(r *rig, _ mailstore.ID) { r.expunge(r.sender, mailstore.RoleSent) },
			mailstore.Sender, "vault"},
		"the owner deletes the mailbox": {func(r *rig, id mailstore.ID) {
			r.update(r.accounts[0], func(tx mailstore.UpdateTx) error {
				box, err := tx.CreateMailbox("Case", "")
				if err != nil {
					return err
				}
				in, err := tx.MailboxByName("INBOX")
				if err != nil {
					return err
				}
				if _, err := tx.Move(in.ID, mailstore.UIDSet{{Start: 1}}, box.ID); err != nil {
					return err
				}
				return tx.DeleteMailbox(box.ID)
			})
			for range 1000 {
				if r.placeOf(id, mailstore.Recipient) == "vault" {
					return
				}
				time.Sleep(time.Millisecond) // the rows go behind the commit, without a word
			}
		}, mailstore.Recipient, "vault"},
		"the sender takes it back": {func(r *rig, id mailstore.ID) {
			if res, err := r.office.Recall(r.t.Context(), r.sender.ID, id, nil); err != nil || !res.Pending {
				r.t.Fatal(res, err)
			}
			r.work()
			if s := r.outgoing(id).State(); s != letter.Recalled {
				r.t.Errorf("the letter is %s", s)
			}
		}, mailstore.Recipient, "vault"},
	}
	for by, set := range hold {
		for name, way := range ways {
			inBubble(t, 1, func(t *testing.T, r *rig) {
				t.Log(by + ", " + name)
				id := r.deliverKept(1)
				set(r, id, true)
				set(r, id, true) // again changes nothing
				for _, a := range []mailstore.Account{r.sender, r.accounts[0]} {
					r.wantLast(a, journal.LegalHold)
					if n := strings.Count(strings.Join(r.record(a), " "), journal.LegalHold); n != 1 {
						t.Errorf("held %d times", n)
					}
				}
				way.do(r, id)
				later := receivedEnds.AddDate(50, 0, 0)
				r.retainAt(sentEnds.Add(-30 * day))
				r.retainAt(sentEnds)
				r.retainAt(later)
				r.wantPlace(id, way.role, way.place, "held")
				set(r, id, false)
				r.wantLast(r.sender, journal.Released)
				r.retainAt(later)
				r.retainAt(later.Add(7 * day))
				r.wantPlace(id, way.role, "gone", "released")
			})
		}
	}
}

// A hold that comes before the letter holds it when it has come. Without a hold
// what its sender takes back is gone, also from the vault.
func TestHoldBeforeArrival(t *testing.T) { inBubble(t, 1, testHoldBeforeArrival) }

func testHoldBeforeArrival(t *testing.T, r *rig) {
	id := r.accept(1, func(d *letter.Draft) {
		d.Outgoing.KeepSent, d.Outgoing.KeepReceived = policy.Years(1), policy.Years(2)
		d.Outgoing.Recall = noon.Add(time.Hour)
	})
	if n, err := r.office.Hold(t.Context(), r.sender.ID, id, true, nil); n != 2 || err != nil {
		t.Fatalf("held %d copies, %v", n, err)
	}
	r.receive(id)
	r.expunge(r.accounts[0], mailstore.RoleInbox)
	r.retainAt(receivedEnds.AddDate(50, 0, 0))
	r.wantPlace(id, mailstore.Recipient, "vault", "held")

	r = newRig(t, 1)
	id = r.deliverKept(1)
	r.expunge(r.accounts[0], mailstore.RoleInbox)
	r.wantPlace(id, mailstore.Recipient, "vault", "expunged unread")
	if _, err := r.office.Recall(t.Context(), r.sender.ID, id, nil); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantPlace(id, mailstore.Recipient, "gone", "taken back")
	r.wantPlace(id, mailstore.Sender, "mailbox", "taken back")
}

// A letter whose record cannot be read keeps no other from its end.
func TestTermOfBadRecord(t *testing.T) {
	r := newRig(t, 1)
	bad, good := r.deliverKept(1), r.deliverKept(2)
	r.update(r.sender, func(tx mailstore.UpdateTx) error {
		rec, err := tx.Letter(bad, mailstore.Sender)
		rec.Data, rec.Keys = []byte("{"), nil
		return errors.Join(err, tx.PutLetter(rec))
	})
	r.retainAt(sentEnds.Add(-30 * day))
	if n := r.notices(r.sender); len(n) != 1 || !strings.Contains(n[0], ": 1\n") {
		t.Errorf("notices %q", n)
	}
	r.expunge(r.sender, mailstore.RoleSent)
	r.retainAt(sentEnds)
	r.wantPlace(good, mailstore.Sender, "gone", "at the end")
	list, err := r.office.Vault(t.Context(), r.sender.ID)
	if err != nil || len(list) != 1 {
		t.Errorf("vault %v, %v", list, err)
	}
}

// A process that dies at any step of the walk leaves what the next goes on
// with, and in the end nothing is told or destroyed twice.
func TestRetainGoesOn(t *testing.T) {
	const operations = 12 // more than there are in a walk
	for _, mode := range []fault.Mode{fault.DieBefore, fault.DieAfter, fault.Undone, fault.Lost, fault.Full} {
		failed := 0
		for at := 1; at <= operations; at++ {
			r := newRig(t, 1)
			first, second := r.deliverKept(1), r.deliverKept(2)
			walk := func(now time.Time) {
				r.now = now
				broken := fault.Wrap(r.store, fault.Plan{Mode: mode, At: at, For: 1})
				var log strings.Builder
				err := r.newOffice(broken, slog.New(slog.NewTextHandler(&log, nil))).Retain(context.Background())
				if err != nil || log.Len() > 0 {
					failed++
				}
				r.retainAt(now)
			}
			walk(sentEnds.Add(-30 * day))
			walk(sentEnds)
			r.wantPlace(first, mailstore.Sender, "gone", string(mode))
			r.wantPlace(second, mailstore.Sender, "gone", string(mode))
			r.wantLast(r.sender, journal.Warned, journal.Destroyed, journal.Destroyed)
			if n := r.notices(r.sender); len(n) != 1 {
				t.Errorf("%s at %d: %d notices", mode, at, len(n))
			}
		}
		if failed < 4 || failed > 2*operations-6 {
			t.Errorf("%s: %d walks failed of %d", mode, failed, 2*operations)
		}
	}
}
