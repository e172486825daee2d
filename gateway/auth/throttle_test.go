package auth

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"gosbridge/mailstore"
)

func TestThrottleAddress(t *testing.T) {
	f := newFixture(t)
	client := from("192.0.2.1")
	// Each failure is at another user, so only the address counts.
	fail := func(i int) error {
		_, err := f.Plain(t.Context(), client, "", fmt.Sprintf("user%d@x", i), "wrong")
		return err
	}
	n := 0
	for ; n < DefaultLimits().Free+1; n++ {
		if err := fail(n); !errors.Is(err, ErrCredentials) {
			t.Fatalf("attempt %d: %v", n, err)
		}
	}
	for _, want := range []time.Duration{1, 2, 4, 8} {
		want *= time.Second
		var many ErrTooMany
		if err := fail(n); !errors.As(err, &many) || many.RetryAfter != want {
			t.Fatalf("after %d failures: %v, want a delay of %s", n, err, want)
		}
		if err := fail(n); !errors.As(err, &many) || many.RetryAfter != want {
			t.Fatalf("an attempt that is not heard changes the delay: %v", err)
		}
		f.clock.advance(want)
		if err := fail(n); !errors.Is(err, ErrCredentials) {
			t.Fatalf("after the delay: %v", err)
		}
		n++
	}
	if _, err := f.Plain(t.Context(), from("192.0.2.2"), "", "user@x", "wrong"); !errors.Is(err, ErrCredentials) {
		t.Errorf("another address has to wait: %v", err)
	}
	f.clock.advance(DefaultLimits().Forget)
	for range DefaultLimits().Free {
		if err := fail(0); !errors.Is(err, ErrCredentials) {
			t.Fatalf("failures are not forgotten: %v", err)
		}
	}
}

func TestThrottleAccount(t *testing.T) {
	f := newFixture(t)
	_, secret := f.add(t, NewCredential{Name: "laptop"})
	user := f.acct.Addresses[0]
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", user, secret); err != nil {
		t.Fatal(err)
	}
	// Guesses from many places.
	var many ErrTooMany
	var err error
	for i := range DefaultLimits().Free + 2 {
		_, err = f.Plain(t.Context(), from(fmt.Sprintf("198.51.100.%d", i)), "", user, "wrong")
	}
	if !errors.As(err, &many) {
		t.Fatalf("guesses from many places: %v", err)
	}
	if _, err := f.Plain(t.Context(), from("203.0.113.9"), "", user, secret); !errors.As(err, &many) {
		t.Errorf("the right password from a new place within the delay: %v", err)
	}
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", user, secret); err != nil {
		t.Errorf("the owner is locked out by strangers: %v", err)
	}
	// However long the attack, the account's delay stays bounded.
	for i := range 50 {
		f.clock.advance(many.RetryAfter)
		_, err = f.Plain(t.Context(), from(fmt.Sprintf("198.51.100.%d", 100+i)), "", user, "wrong")
		if errors.As(err, &many) {
			t.Fatalf("attempt %d: %v", i, err)
		}
		many.RetryAfter = f.throttle.wait(netip.MustParseAddr("203.0.113.9"), f.acct.ID, f.clock.Now())
		if many.RetryAfter > DefaultLimits().MaxAccount {
			t.Fatalf("delay of %s", many.RetryAfter)
		}
	}
	if many.RetryAfter != DefaultLimits().MaxAccount {
		t.Errorf("delay of %s after 50 more guesses", many.RetryAfter)
	}
}

func TestThrottleBounded(t *testing.T) {
	limits := DefaultLimits()
	limits.Entries = 100
	th := newThrottle(limits)
	offender := netip.MustParseAddr("192.0.2.1")
	for range 20 {
		th.failed(offender, mailstore.ID{}, start)
	}
	for i := range 5000 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		th.failed(a, mailstore.NewID(), start)
		th.succeeded(a, mailstore.NewID(), start)
		th.failed(a, mailstore.ID{}, start)
	}
	if n := len(th.address.entries); n > limits.Entries {
		t.Errorf("%d addresses", n)
	}
	if n := len(th.account.entries); n > limits.Entries {
		t.Errorf("%d accounts", n)
	}
	if n := len(th.familiar); n > limits.Entries {
		t.Errorf("%d familiar places", n)
	}
	if th.wait(offender, mailstore.ID{}, start) == 0 {
		t.Error("a flood of new addresses frees the offender")
	}
}

func TestPlace(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
	} {
		if got := place(netip.MustParseAddr(tc.a)) == place(netip.MustParseAddr(tc.b)); got != tc.same {
			t.Errorf("%s and %s: same %v, want %v", tc.a, tc.b, got, tc.same)
		}
	}
	if p := place(netip.Addr{}); p != (netip.Prefix{}) {
		t.Errorf("an unknown address is at %s", p)
	}
}

func TestCacheBounded(t *testing.T) {
	c := newCache()
	v, err := newVerifier("secret", nil, nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * cacheSize {
		c.learn(v, fmt.Sprint(i), start)
	}
	if len(c.entries) > cacheSize {
		t.Errorf("%d entries", len(c.entries))
	}
	c.learn(v, "secret", start)
	if !c.knows(v, "secret", start) || c.knows(v, "secret", start.Add(cacheLife)) || c.knows(v, "Secret", start) {
		t.Error("the cache knows the wrong things")
	}
	changed := v
	changed.StoredKey = make([]byte, keySize)
	if c.knows(changed, "secret", start) {
		t.Error("a changed credential is known")
	}
}

// Other limits hold at once: for delays that run, which get no longer, and for
// failures that were counted before; a password that was verified stays known.
func TestSetLimits(t *testing.T) {
	f := newFixture(t)
	_, secret := f.add(t, NewCredential{Name: "laptop"})
	client, user := from("192.0.2.1"), f.acct.Addresses[0]
	if _, err := f.Plain(t.Context(), client, "", user, secret); err != nil {
		t.Fatal(err)
	}
	wait := func() time.Duration { return f.throttle.wait(client.Remote, f.acct.ID, f.clock.Now()) }
	for wait() < time.Minute {
		f.clock.advance(wait())
		_, _ = f.Plain(t.Context(), client, "", "nobody@x", "wrong")
	}
	short := DefaultLimits()
	short.MaxAddress = 3 * time.Second
	f.SetLimits(short)
	if wait() != 3*time.Second {
		t.Errorf("delay of %s, want the new longest", wait())
	}
	f.clock.advance(3 * time.Second)
	if wait() != 0 {
		t.Errorf("delay of %s after the new longest", wait())
	}
	_, _ = f.Plain(t.Context(), client, "", "nobody@x", "wrong")
	if wait() != 3*time.Second {
		t.Errorf("delay of %s, though the failures were counted", wait())
	}
	f.clock.advance(3 * time.Second)
	generous := DefaultLimits()
	generous.Free = 1000
	f.SetLimits(generous)
	for range 10 {
		if _, err := f.Plain(t.Context(), client, "", "nobody@x", "wrong"); !errors.Is(err, ErrCredentials) {
			t.Fatalf("not heard: %v", err)
		}
	}
	if _, err := f.Plain(t.Context(), client, "", user, secret); err != nil {
		t.Errorf("the right password: %v", err)
	}
}

// However long the first delay, doubling it never overflows into none.
func TestThrottleDoubles(t *testing.T) {
	limits := DefaultLimits()
	limits.Delay, limits.MaxAddress = time.Minute, 10*time.Minute
	th, from, now := newThrottle(limits), netip.MustParseAddr("192.0.2.1"), start
	for i := range 200 {
		th.failed(from, mailstore.ID{}, now)
		wait := th.wait(from, mailstore.ID{}, now)
		if over := i + 1 - limits.Free; over > 4 && wait != limits.MaxAddress {
			t.Fatalf("delay of %s after %d failures", wait, i+1)
		}
		now = now.Add(wait)
	}
}
