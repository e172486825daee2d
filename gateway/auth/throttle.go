package auth

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gosbridge/mailstore"
)

// Limits bound guessing. After Free failures the next attempt from the same
// place is heard only after a delay that doubles with each further failure.
type Limits struct {
	Free       int           // failures without delay
	Delay      time.Duration // first delay
	MaxAddress time.Duration // longest delay of a client address
	// MaxAccount is the longest delay of an account. Short, because anybody
	// can cause it; clients at addresses that logged in to the account before
	// are not delayed by it.
	MaxAccount time.Duration
	Forget     time.Duration // quiet time after which failures are forgotten
	Entries    int           // addresses and accounts remembered, at most, each
}

// DefaultLimits are the limits of the shipped configuration.
func DefaultLimits() Limits {
	return Limits{
		Free: 5, Delay: time.Second, MaxAddress: 15 * time.Minute, MaxAccount: time.Minute,
		Forget: time.Hour, Entries: 10_000,
	}
}

// orDefault replaces zero fields.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.Free <= 0 {
		l.Free = d.Free
	}
	if l.Delay <= 0 {
		l.Delay = d.Delay
	}
	if l.MaxAddress <= 0 {
		l.MaxAddress = d.MaxAddress
	}
	if l.MaxAccount <= 0 {
		l.MaxAccount = d.MaxAccount
	}
	if l.Forget <= 0 {
		l.Forget = d.Forget
	}
	if l.Entries <= 0 {
		l.Entries = d.Entries
	}
	return l
}

// throttle counts failed attempts by client address and by account. It lives
// in memory and is bounded. Safe for concurrent use.
type throttle struct {
	limits atomic.Pointer[Limits] // in force; swapped as a whole

	mu       sync.Mutex
	address  ledger[netip.Prefix]
	account  ledger[mailstore.ID]
	familiar map[familiar]time.Time // last login
}

// familiar is a client address that logged in to an account.
type familiar struct {
	address netip.Prefix
	account mailstore.ID
}

func newThrottle(l Limits) *throttle {
	t := &throttle{
		address:  ledger[netip.Prefix]{entries: make(map[netip.Prefix]failures)},
		account:  ledger[mailstore.ID]{entries: make(map[mailstore.ID]failures)},
		familiar: make(map[familiar]time.Time),
	}
	t.limits.Store(&l)
	return t
}

// bounds are the limits of both ledgers.
func (t *throttle) bounds() (address, account bounds) {
	l := t.limits.Load()
	return bounds{*l, l.MaxAddress}, bounds{*l, l.MaxAccount}
}

// place is what counts as one client: an IPv4 address, or a /64, which is what
// one IPv6 customer has at least.
func place(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil { // the zero Addr: all unknown clients are one
		return netip.Prefix{}
	}
	return p
}

// wait tells how long the next attempt has to wait; 0 when it is heard.
func (t *throttle) wait(remote netip.Addr, account mailstore.ID, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := place(remote)
	ofAddress, ofAccount := t.bounds()
	wait := t.address.wait(ofAddress, from, now)
	if account == (mailstore.ID{}) {
		return wait
	}
	if last, ok := t.familiar[familiar{from, account}]; ok && now.Sub(last) < familiarFor {
		return wait
	}
	return max(wait, t.account.wait(ofAccount, account, now))
}

// familiarFor is how long a successful login keeps its address apart from the
// delays that strangers cause.
const familiarFor = 24 * time.Hour

// failed counts a failure. A user who is nobody has no account to count for.
func (t *throttle) failed(remote netip.Addr, account mailstore.ID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ofAddress, ofAccount := t.bounds()
	t.address.failed(ofAddress, place(remote), now)
	if account != (mailstore.ID{}) {
		t.account.failed(ofAccount, account, now)
	}
}

// succeeded remembers the address and takes back its last failure only: one
// good login must not pay for a thousand guesses at other accounts.
func (t *throttle) succeeded(remote netip.Addr, account mailstore.ID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.address.forgive(place(remote))
	if most := t.limits.Load().Entries; len(t.familiar) >= most {
		for k, last := range t.familiar {
			if now.Sub(last) >= familiarFor || len(t.familiar) >= most {
				delete(t.familiar, k)
			}
		}
	}
	t.familiar[familiar{place(remote), account}] = now
}

// failures are those of one key.
type failures struct {
	count int
	last  time.Time
	until time.Time // when the next attempt is heard
}

// bounds are the limits of one ledger.
type bounds struct {
	Limits
	longest time.Duration
}

// delay is that after so many failures beyond the free ones: each twice as long
// as the one before.
func (b bounds) delay(over int) time.Duration {
	delay := b.Delay
	for ; over > 1 && delay < b.longest; over-- {
		if delay > b.longest/2 { // so that doubling cannot overflow
			return b.longest
		}
		delay *= 2
	}
	return min(delay, b.longest)
}

// ledger counts failures by key.
type ledger[K comparable] struct {
	entries map[K]failures
}

// wait is never longer than what the limits in force allow: those under which
// the failure was counted may have been others.
func (l *ledger[K]) wait(b bounds, k K, now time.Time) time.Duration {
	f := l.entries[k]
	return max(0, min(f.until.Sub(now), f.last.Add(b.longest).Sub(now)))
}

func (l *ledger[K]) failed(b bounds, k K, now time.Time) {
	f, ok := l.entries[k]
	if !ok {
		l.makeRoom(b, now)
	}
	if now.Sub(f.last) >= b.Forget {
		f = failures{}
	}
	f.count++
	f.last = now
	if over := f.count - b.Free; over > 0 {
		f.until = now.Add(b.delay(over))
	}
	l.entries[k] = f
}

// forgive takes back one failure.
func (l *ledger[K]) forgive(k K) {
	f, ok := l.entries[k]
	if !ok {
		return
	}
	if f.count--; f.count <= 0 {
		delete(l.entries, k)
		return
	}
	l.entries[k] = f
}

// makeRoom drops what is forgotten anyway and, if that is not enough, the key
// with the fewest failures among a few: a flood of new addresses does not wash
// out the ones that are being delayed.
func (l *ledger[K]) makeRoom(b bounds, now time.Time) {
	if len(l.entries) < b.Entries {
		return
	}
	for k, f := range l.entries {
		if now.Sub(f.last) >= b.Forget {
			delete(l.entries, k)
		}
	}
	for len(l.entries) >= b.Entries {
		var victim K
		fewest, looked := -1, 0
		for k, f := range l.entries {
			if fewest < 0 || f.count < fewest {
				victim, fewest = k, f.count
			}
			if looked++; looked == 16 {
				break
			}
		}
		delete(l.entries, victim)
	}
}
