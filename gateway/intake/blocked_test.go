package intake_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/intake"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// block blocks the account of an address.
func (r *rig) block(address string) {
	r.t.Helper()
	a, err := r.store.Directory().AccountByAddress(r.t.Context(), address)
	if err == nil {
		_, err = auth.SetDisabled(r.t.Context(), r.store, a.ID, true, nil, now)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// Letters to a blocked account are refused at RCPT, whichever of its addresses
// is used.
func TestRecipientBlocked(t *testing.T) {
	r := newRig(t)
	r.block(second)
	for _, address := range []string{second, other, alias, strings.ToUpper(second)} {
		_, err := r.Recipient(t.Context(), r.who, intake.Recipient{Address: address})
		var refusal *policy.Refusal
		if !errors.As(err, &refusal) || len(refusal.Violations) != 1 {
			t.Fatalf("%s: %v", address, err)
		}
		if v := refusal.Worst(); v.Code != policy.RecipientBlocked || v.SMTP != 550 || v.Enhanced != [3]int{5, 2, 1} {
			t.Errorf("%s: %+v", address, v)
		}
	}
	if _, err := r.Recipient(t.Context(), r.who, intake.Recipient{Address: first}); err != nil {
		t.Errorf("another one: %v", err)
	}
}

// An account that is blocked, or whose credential is revoked, while its letter
// is on the way sends nothing, but a line in the journal.
func TestSenderTurnedAwayMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(*rig) error
		code      policy.Code
		journal   []string
	}{
		"blocked": {
			func(r *rig) error { r.block(sender); return nil },
			policy.AccountBlocked, []string{journal.Created, journal.Disabled, journal.Rejected},
		},
		"revoked": {
			func(r *rig) error { return r.putCredential(true) },
			policy.CredentialsInvalid, []string{journal.Created, journal.Rejected},
		},
		"gone": {
			func(r *rig) error { r.who.Credential = mailstore.NewID(); return nil },
			policy.CredentialsInvalid, []string{journal.Created, journal.Rejected},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			before := r.envelope(first)
			if err := test.meanwhile(r); err != nil {
				t.Fatal(err)
			}
			before.Who.Credential = r.who.Credential
			r.turnedAway(before, test.code, test.journal)
		})
	}
}

// turnedAway submits a letter that must leave nothing but lines in the journal.
func (r *rig) turnedAway(env intake.Envelope, code policy.Code, lines []string) {
	t := r.t
	t.Helper()
	_, err := r.Accept(t.Context(), env, strings.NewReader(mail()))
	var refusal *policy.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v", err)
	}
	if v := refusal.Worst(); v.Code != code || v.SMTP != 550 || v.Enhanced != [3]int{5, 7, 1} {
		t.Errorf("%+v", v)
	}
	report, err := r.store.Sweep(t.Context(), 0)
	if err != nil || report.Kept+report.Removed != 0 {
		t.Errorf("bodies %+v, %v", report, err)
	}
	var kinds []string
	r.view(func(tx mailstore.Tx) error {
		for rec := range tx.Letters(mailstore.LetterFilter{}) {
			t.Errorf("letter %s", rec.Number)
		}
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			kinds = append(kinds, rec.Kind)
		}
		return nil
	})
	if !slices.Equal(kinds, lines) {
		t.Errorf("journal %v", kinds)
	}
}
