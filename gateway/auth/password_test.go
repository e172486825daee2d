package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// stored is an account of a real store.
func stored(t *testing.T) (mailstore.Store, mailstore.ID) {
	t.Helper()
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), MasterKey: [32]byte{1}, Now: time.Now, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	a, err := AddAccount(t.Context(), store.Directory(), NewAccount{
		Addresses: []string{"a@romashka.example"}, Settings: Settings{Registry: "org-1", Phone: "+79991234567"}, Now: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return store, a.ID
}

// settings are those that the store has.
func settings(t *testing.T, store mailstore.Store, account mailstore.ID) Settings {
	t.Helper()
	a, err := store.Directory().Account(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	s, err := DecodeSettings(a.Data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kinds are those of an account's journal.
func kinds(t *testing.T, store mailstore.Store, account mailstore.ID) (list []string) {
	t.Helper()
	err := store.View(t.Context(), account, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			list = append(list, rec.Kind)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The account's own password is kept as argon2id, and opens neither SMTP nor
// IMAP.
func TestOwnPassword(t *testing.T) {
	store, account := stored(t)
	p := NewPasswords()
	const first, second = "Пароль-2026", "Passw0rd!"
	for _, password := range []string{first, second} {
		if err := p.Set(t.Context(), store, account, password, journal.Details{"uid": "0"}, start); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Set(t.Context(), store, account, second, nil, start); !errors.Is(err, ErrInvalid) {
		t.Errorf("the same again: %v", err)
	}
	kept := settings(t, store, account)
	if kept.Phone != "+79991234567" || !strings.HasPrefix(kept.Password, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("settings %+v", kept)
	}
	h, err := parsePasswordHash(kept.Password)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{second: true, first: false, "": false, "\x00": false} {
		if ok, err := p.holds(t.Context(), h, password); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
	if got := strings.Join(kinds(t, store, account), " "); got != "created password password" {
		t.Errorf("journal: %s", got)
	}
	_, secret, err := AddCredential(t.Context(), store.Directory(), account, NewCredential{Name: "laptop", Now: start})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Directory: store.Directory()})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []Protocol{Submission, IMAP} {
		client := from("192.0.2.1")
		client.Protocol = protocol
		if _, err := a.Plain(t.Context(), client, "", "a@romashka.example", second); !errors.Is(err, ErrCredentials) {
			t.Errorf("%s: %v", protocol, err)
		}
		if id, err := a.Plain(t.Context(), client, "", "a@romashka.example", secret); err != nil || id.Settings.Password != "" {
			t.Errorf("%s: a session has the hash of the password, or %v", protocol, err)
		}
	}
}

func TestWeakPasswords(t *testing.T) {
	store, account := stored(t)
	for _, password := range []string{
		"", "Aa1!", "Aa1!aaa", "password", "passw0rd!", "PASSW0RD!", "Password!", "Passw0rdd", "Пароль20", "Aa1!\x00aaaa",
		"Aa1!" + strings.Repeat("x", 1021),
	} {
		if err := NewPasswords().Set(t.Context(), store, account, password, nil, start); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", password, err)
		}
	}
	if kept := settings(t, store, account); kept.Password != "" {
		t.Errorf("settings %+v", kept)
	}
}

// No more than two derivations run at once: a third waits, as long as it may.
func TestPasswordsWait(t *testing.T) {
	p := NewPasswords()
	cheap := passwordHash{time: 1, memory: 8, threads: 1, salt: make([]byte, argonSalt)}
	p.slots <- struct{}{}
	if _, err := p.derive(t.Context(), "x", cheap); err != nil || len(p.slots) != 1 {
		t.Errorf("the second: %v, %d at once", err, len(p.slots))
	}
	p.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.derive(ctx, "x", cheap); !errors.Is(err, context.Canceled) {
		t.Errorf("the third: %v", err)
	}
}

func TestSetDisabled(t *testing.T) {
	store, account := stored(t)
	for _, step := range []struct{ disabled, changed bool }{{false, false}, {true, true}, {true, false}, {false, true}} {
		changed, err := SetDisabled(t.Context(), store, account, step.disabled, journal.Details{"uid": "0"}, start)
		if err != nil || changed != step.changed {
			t.Errorf("%+v: %v, %v", step, changed, err)
		}
		if a, err := store.Directory().Account(t.Context(), account); err != nil || a.Disabled != step.disabled {
			t.Errorf("%+v: %+v, %v", step, a, err)
		}
	}
	if got := strings.Join(kinds(t, store, account), " "); got != "created disabled enabled" {
		t.Errorf("journal: %s", got)
	}
	if _, err := SetDisabled(t.Context(), store, mailstore.NewID(), true, nil, start); !errors.Is(err, mailstore.ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
}

func FuzzParsePasswordHash(f *testing.F) {
	h := passwordHash{time: 3, memory: 65536, threads: 4, salt: make([]byte, 16), key: make([]byte, 32)}
	good := h.String()
	f.Add(good)
	f.Add(strings.Replace(good, "p=4", "p=4 ", 1))
	f.Add(strings.Replace(good, "m=65536", "m=4294967295", 1))
	f.Add(strings.Replace(good, "t=3", "t=0", 1))
	f.Add(strings.Replace(good, "p=4", "p=260", 1))
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parsePasswordHash(text)
		if err != nil {
			if !errors.Is(err, errPasswordHash) {
				t.Fatalf("unwrapped error %v", err)
			}
			return
		}
		if h.String() != text || h.memory > argonMost || h.time > 16 || h.threads == 0 {
			t.Fatalf("%q became %+v", text, h)
		}
	})
}
