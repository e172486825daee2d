package auth

import (
	"context"
	"errors"
	"sync"
	"testing"

	"gosbridge/mailstore"
)

// login logs in and returns what the session is told when the login ends.
func (f *fixture) login(t *testing.T, secret string) <-chan error {
	t.Helper()
	id, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	stop := id.OnEnd(func(cause error) { ended <- cause })
	t.Cleanup(func() { stop() })
	return ended
}

// Sessions of a revoked credential end, those of another do not; a blocked
// account ends them all.
func TestEnd(t *testing.T) {
	f := newFixture(t)
	phone, phoneSecret := f.add(t, NewCredential{Name: "phone"})
	_, laptopSecret := f.add(t, NewCredential{Name: "laptop"})
	one, two := f.login(t, phoneSecret), f.login(t, phoneSecret)
	other := f.login(t, laptopSecret)
	f.End(f.acct.ID, phone.ID, ErrRevoked)
	for _, ended := range []<-chan error{one, two} {
		if err := <-ended; !errors.Is(err, ErrRevoked) {
			t.Errorf("ended by %v", err)
		}
	}
	f.End(mailstore.NewID(), mailstore.ID{}, ErrBlocked) // of somebody else
	later := f.login(t, phoneSecret)                     // the directory still has it
	select {
	case err := <-other:
		t.Fatalf("session of another credential ended by %v", err)
	case err := <-later:
		t.Fatalf("session after the end ended by %v", err)
	default:
	}
	f.End(f.acct.ID, mailstore.ID{}, ErrBlocked)
	for _, ended := range []<-chan error{other, later} {
		if err := <-ended; !errors.Is(err, ErrBlocked) {
			t.Errorf("ended by %v", err)
		}
	}
	if stop := (Identity{}).OnEnd(func(error) { t.Error("called") }); stop() {
		t.Error("an identity of nobody can be ended")
	}
}

// slow is a directory in which something happens between the reading of the
// account and that of its credentials.
type slow struct {
	*memory
	once sync.Once
	then func()
}

func (s *slow) Credentials(ctx context.Context, account mailstore.ID) ([]mailstore.Credential, error) {
	list, err := s.memory.Credentials(ctx, account)
	s.once.Do(s.then)
	return list, err
}

// A login that read the directory before the account was blocked, and would be
// done after, is turned away.
func TestEndMeetsLogin(t *testing.T) {
	for name, block := range map[string]func(*fixture, mailstore.Credential) error{
		"blocked": func(f *fixture, _ mailstore.Credential) error {
			a := f.dir.accounts[f.acct.ID]
			a.Disabled = true
			f.dir.accounts[a.ID] = a
			f.End(a.ID, mailstore.ID{}, ErrBlocked)
			return ErrBlocked
		},
		"revoked": func(f *fixture, c mailstore.Credential) error {
			c.Revoked = true
			f.dir.creds[c.ID] = c
			f.End(c.Account, c.ID, ErrRevoked)
			return ErrCredentials
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			cred, secret := f.add(t, NewCredential{Name: "phone"})
			var want error
			f.Authenticator.dir = &slow{memory: f.dir, then: func() { want = block(f, cred) }}
			_, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret)
			if want == nil || !errors.Is(err, want) {
				t.Errorf("login: %v, want %v", err, want)
			}
		})
	}
}
