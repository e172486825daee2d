package intake_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"gosbridge/gateway/intake"
	"gosbridge/gateway/receipt"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// swap puts a book in force that differs from the one before.
func (r *rig) swap(change func(b *intake.Book)) intake.Book {
	r.t.Helper()
	b, err := book()
	if err != nil {
		r.t.Fatal(err)
	}
	change(&b)
	r.SetBook(b)
	return b
}

// entries is the registry of a book with its entries changed.
func entries(t *testing.T, b *intake.Book, change func(e *registry.Entry) (keep bool)) {
	t.Helper()
	var all []registry.Entry
	for e := range b.Registry.All() {
		e.Addresses = slices.Clone(e.Addresses)
		if change(&e) {
			all = append(all, e)
		}
	}
	reg, err := registry.New(all)
	if err != nil {
		t.Fatal(err)
	}
	b.Registry = reg
}

// A letter whose recipients were looked up before a swap is judged by one book:
// its evidence names the registry that the recipients' names and numbers are
// of, and the profile that was asked.
func TestSwapBetweenRecipientAndLetter(t *testing.T) {
	r := newRig(t)
	env := r.envelope(first)
	fresh := r.swap(func(b *intake.Book) {
		entries(t, b, func(e *registry.Entry) bool {
			if e.ID == "party1" {
				e.Name = "Renamed"
			}
			return true
		})
		free := policy.Unlimited("free")
		free.SubjectMax = 99
		rules, err := policy.NewRules(append(policy.DefaultProfiles(), free))
		if err != nil {
			t.Fatal(err)
		}
		b.Rules = rules
	})
	a, err := r.Accept(t.Context(), env, strings.NewReader(mail()))
	if err != nil {
		t.Fatal(err)
	}
	out := r.record(a.Letter)
	party := out.Recipients[0].Party
	if party.Registry != receipt.Digest(fresh.Registry.Hash()) || party.Name != "Renamed" {
		t.Errorf("recipient %q by registry %s, want those of the book that judged", party.Name, party.Registry)
	}
	profile, _ := fresh.Rules.Profile("free")
	if out.Facts.Profile.SHA256 != receipt.Digest(profile.Digest()) {
		t.Errorf("evidence names profile %s", out.Facts.Profile.SHA256)
	}
}

// A recipient who left the registry after RCPT refuses the letter, with all
// else that is wrong with it.
func TestSwapTakesRecipient(t *testing.T) {
	r := newRig(t)
	env := r.envelope(first, second)
	r.swap(func(b *intake.Book) {
		entries(t, b, func(e *registry.Entry) bool { return e.ID != "party1" })
	})
	_, err := r.Accept(t.Context(), env, bytes.NewReader([]byte(mail("X-Letter-Depth: deep"))))
	var refusal *policy.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("accepted: %v", err)
	}
	var codes []policy.Code
	for _, v := range refusal.Violations {
		codes = append(codes, v.Code)
	}
	slices.Sort(codes)
	if want := []policy.Code{policy.OptionInvalid, policy.RecipientUnknown}; !slices.Equal(codes, want) {
		t.Errorf("reasons %v, want %v", codes, want)
	}
}

// What a suffix chooses is asked of the book that judges.
func TestSwapChangesSuffix(t *testing.T) {
	r := newRig(t)
	env := r.envelope("first+reg@b.example")
	r.swap(func(b *intake.Book) {
		words := policy.DefaultSuffixes()
		words["reg"] = "free"
		suffixes, err := policy.NewSuffixes(b.Rules, words)
		if err != nil {
			t.Fatal(err)
		}
		b.Suffixes = suffixes
	})
	a, err := r.Accept(t.Context(), env, strings.NewReader(mail()))
	if err != nil {
		t.Fatal(err)
	}
	if a.Type != "free" {
		t.Errorf("type %s, want what the suffix chooses now", a.Type)
	}
}
