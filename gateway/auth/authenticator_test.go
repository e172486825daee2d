package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"gosbridge/mailstore"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type fixture struct {
	*Authenticator
	dir   *memory
	clock *clock
	log   *bytes.Buffer
	acct  mailstore.Account
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{dir: newMemory(), clock: &clock{now: start}, log: new(bytes.Buffer)}
	var err error
	f.Authenticator, err = New(Options{
		Directory: f.dir, Now: f.clock.Now,
		Logger: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.acct, err = AddAccount(t.Context(), f.dir, NewAccount{
		Addresses: []string{"Ivanov@Romashka.example", "office@romashka.example"},
		Name:      "Иванов", Settings: Settings{Registry: "org-1"}, Now: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) add(t testing.TB, n NewCredential) (mailstore.Credential, string) {
	t.Helper()
	n.Now = f.clock.Now()
	c, secret, err := AddCredential(context.Background(), f.dir, f.acct.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	return c, secret
}

func from(addr string) Client {
	return Client{Remote: netip.MustParseAddr(addr), TLS: true, Protocol: Submission, Session: "s1"}
}

func TestPlain(t *testing.T) {
	f := newFixture(t)
	laptop, laptopSecret := f.add(t, NewCredential{Name: "laptop"})
	archive, archiveSecret := f.add(t, NewCredential{Name: "archive", Class: Archive, Protocols: []Protocol{IMAP}})
	soon, soonSecret := f.add(t, NewCredential{Name: "visitor", Expires: start.Add(time.Hour)})
	gone, goneSecret := f.add(t, NewCredential{Name: "old phone"})
	gone.Revoked = true
	if err := f.dir.PutCredential(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	imap := from("192.0.2.1")
	imap.Protocol = IMAP
	clear := from("192.0.2.1")
	clear.TLS = false
	loop := from("127.0.0.1")
	loop.TLS = false

	for _, tc := range []struct {
		name                string
		client              Client
		authzid, user, pass string
		credential          mailstore.ID
		err                 error
	}{
		{"main address", from("192.0.2.1"), "", "ivanov@romashka.example", laptopSecret, laptop.ID, nil},
		{"any case", from("192.0.2.1"), "", "IVANOV@romashka.EXAMPLE", laptopSecret, laptop.ID, nil},
		{"other address", from("192.0.2.1"), "", "office@romashka.example", laptopSecret, laptop.ID, nil},
		{"acts as itself", from("192.0.2.1"), "office@romashka.example", "ivanov@romashka.example", laptopSecret, laptop.ID, nil},
		{"acts as another", from("192.0.2.2"), "petrov@romashka.example", "ivanov@romashka.example", laptopSecret, mailstore.ID{}, ErrCredentials},
		{"second credential", imap, "", "ivanov@romashka.example", archiveSecret, archive.ID, nil},
		{"wrong protocol", from("192.0.2.3"), "", "ivanov@romashka.example", archiveSecret, mailstore.ID{}, ErrCredentials},
		{"not yet expired", from("192.0.2.1"), "", "ivanov@romashka.example", soonSecret, soon.ID, nil},
		{"revoked", from("192.0.2.4"), "", "ivanov@romashka.example", goneSecret, mailstore.ID{}, ErrCredentials},
		{"wrong password", from("192.0.2.5"), "", "ivanov@romashka.example", "secret", mailstore.ID{}, ErrCredentials},
		{"case of password", from("192.0.2.6"), "", "ivanov@romashka.example", strings.ToUpper(laptopSecret), mailstore.ID{}, ErrCredentials},
		{"empty password", from("192.0.2.7"), "", "ivanov@romashka.example", "", mailstore.ID{}, ErrCredentials},
		{"control characters", from("192.0.2.8"), "", "ivanov@romashka.example", "a\x01b", mailstore.ID{}, ErrCredentials},
		{"nobody", from("192.0.2.9"), "", "nobody@romashka.example", laptopSecret, mailstore.ID{}, ErrCredentials},
		{"empty user", from("192.0.2.9"), "", "", laptopSecret, mailstore.ID{}, ErrCredentials},
		{"in the clear", clear, "", "ivanov@romashka.example", laptopSecret, mailstore.ID{}, ErrInsecure},
		{"in the clear on loopback", loop, "", "ivanov@romashka.example", laptopSecret, laptop.ID, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f.clock.advance(time.Minute) // longer than the delays of so few failures
			id, err := f.Plain(t.Context(), tc.client, tc.authzid, tc.user, tc.pass)
			if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			if id.Credential != tc.credential {
				t.Errorf("credential %s, want %s", id.Credential, tc.credential)
			}
		})
	}
	id, err := f.Plain(t.Context(), imap, "", "office@romashka.example", archiveSecret)
	if err != nil {
		t.Fatal(err)
	}
	if id.Account.ID != f.acct.ID || id.Settings.Registry != "org-1" || id.Class != Archive || id.Name != "archive" ||
		id.Assurance != Password || id.Remote != imap.Remote || id.Session != "s1" {
		t.Errorf("identity %+v", id)
	}
	for _, secret := range []string{laptopSecret, archiveSecret, "secret"} {
		if strings.Contains(f.log.String(), secret) {
			t.Errorf("the log has a password")
		}
	}
	f.clock.advance(2 * time.Hour)
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", "ivanov@romashka.example", soonSecret); !errors.Is(err, ErrCredentials) {
		t.Errorf("expired credential: %v", err)
	}
}

func TestRevokedAtOnce(t *testing.T) {
	f := newFixture(t)
	cred, secret := f.add(t, NewCredential{Name: "laptop"})
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret); err != nil {
		t.Fatal(err)
	}
	cred.Revoked = true
	if err := f.dir.PutCredential(t.Context(), cred); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret); !errors.Is(err, ErrCredentials) {
		t.Errorf("a revoked credential opens from the cache: %v", err)
	}
}

func TestBlocked(t *testing.T) {
	f := newFixture(t)
	_, secret := f.add(t, NewCredential{Name: "laptop"})
	a := f.dir.accounts[f.acct.ID]
	a.Disabled = true
	f.dir.accounts[f.acct.ID] = a
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", a.Addresses[0], secret); !errors.Is(err, ErrBlocked) {
		t.Errorf("right password: %v", err)
	}
	// Who does not know the password does not learn that the account is blocked.
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", a.Addresses[0], "wrong"); !errors.Is(err, ErrCredentials) {
		t.Errorf("wrong password: %v", err)
	}
}

func TestDirectoryFails(t *testing.T) {
	f := newFixture(t)
	f.dir.broken = errors.New("disk on fire")
	_, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], "x")
	if !errors.Is(err, f.dir.broken) || errors.Is(err, ErrCredentials) {
		t.Errorf("error %v", err)
	}
	if w := f.throttle.wait(netip.MustParseAddr("192.0.2.1"), f.acct.ID, start); w != 0 {
		t.Errorf("our own failure counts as an attempt")
	}
}

func TestUnusableRecord(t *testing.T) {
	f := newFixture(t)
	cred, secret := f.add(t, NewCredential{Name: "laptop"})
	cred.ID, cred.Data = mailstore.NewID(), []byte("garbage")
	if err := f.dir.PutCredential(t.Context(), cred); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Plain(t.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret); err != nil {
		t.Errorf("a damaged credential closes the account: %v", err)
	}
	if !strings.Contains(f.log.String(), cred.ID.String()) {
		t.Error("the damaged record is not in the log")
	}
}

func TestSecret(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z2-7]{5}(-[a-z2-7]{5}){3}-[a-z2-7]{6}$`)
	seen := make(map[string]bool)
	for range 100 {
		s := newSecret()
		if !shape.MatchString(s) || seen[s] {
			t.Fatalf("secret %q", s)
		}
		seen[s] = true
	}
}

// TestSharedSalt: one derivation per login, and SCRAM can name one salt.
func TestSharedSalt(t *testing.T) {
	f := newFixture(t)
	var salts [][]byte
	for i := range 3 {
		c, _ := f.add(t, NewCredential{Name: fmt.Sprint(i)})
		v, err := decodeVerifier(c.Data)
		if err != nil {
			t.Fatal(err)
		}
		salts = append(salts, v.Salt)
	}
	if !bytes.Equal(salts[0], salts[1]) || !bytes.Equal(salts[1], salts[2]) {
		t.Error("credentials of one account have different salts")
	}
}

// TestKeysAreSCRAM compares our keys with those of a SCRAM library, whose
// client must get in with them.
func TestKeysAreSCRAM(t *testing.T) {
	const user, password = "ivanov@romashka.example", "пароль I\u00adX" // SASLprep drops the soft hyphen
	v, err := newVerifier(password, nil, []Protocol{IMAP}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(v.Salt), Iters: v.Rounds},
			StoredKey:  v.StoredKey, ServerKey: v.ServerKey,
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	c, s := client.NewConversation(), server.NewConversation()
	msg, err := c.Step("")
	for err == nil && !(c.Done() && s.Done()) {
		if msg, err = s.Step(msg); err == nil {
			msg, err = c.Step(msg)
		}
	}
	if err != nil || !s.Valid() || !c.Valid() {
		t.Errorf("SCRAM: %v, server valid %v, client valid %v", err, s.Valid(), c.Valid())
	}
}

func TestAddInvalid(t *testing.T) {
	f := newFixture(t)
	for name, n := range map[string]NewCredential{
		"no name":        {Now: start},
		"unknown class":  {Name: "x", Class: "robot", Now: start},
		"unknown way in": {Name: "x", Protocols: []Protocol{"pop3"}, Now: start},
		"expired":        {Name: "x", Expires: start, Now: start},
		"no time":        {Name: "x"},
		"bad password":   {Name: "x", Password: "\x00", Now: start},
	} {
		if _, _, err := AddCredential(t.Context(), f.dir, f.acct.ID, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := AddCredential(t.Context(), f.dir, mailstore.NewID(), NewCredential{Name: "x", Now: start}); !errors.Is(err, mailstore.ErrNoAccount) {
		t.Errorf("no account: %v", err)
	}
	for _, address := range []string{"", "x", "@x", "x@", "a@b@c", "a+b@c", "a b@c", ".a@c", "a..b@c", "a@-_", "я@c", "a@c..d", strings.Repeat("a", 65) + "@c"} {
		n := NewAccount{Addresses: []string{address}, Settings: Settings{Registry: "r"}, Now: start}
		if _, err := AddAccount(t.Context(), f.dir, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("address %q: %v", address, err)
		}
	}
	for name, s := range map[string]Settings{
		"no registry": {}, "sign": {Registry: "r", Sign: "me"}, "language": {Registry: "r", Language: "de"},
		"receipts": {Registry: "r", Receipts: "long"}, "phone": {Registry: "r", Phone: "02"}, "SNILS": {Registry: "r", SNILS: "112-233-445 96"},
	} {
		n := NewAccount{Addresses: []string{"a@b"}, Settings: s, Now: start}
		if _, err := AddAccount(t.Context(), f.dir, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	taken := NewAccount{Addresses: []string{"OFFICE@romashka.example"}, Settings: Settings{Registry: "r"}, Now: start}
	if _, err := AddAccount(t.Context(), f.dir, taken); !errors.Is(err, mailstore.ErrExists) {
		t.Errorf("taken address: %v", err)
	}
}

func TestAddAccount(t *testing.T) {
	f := newFixture(t)
	if f.acct.Addresses[0] != "ivanov@romashka.example" || f.acct.Holder != HolderOf("org-1") {
		t.Errorf("account %+v", f.acct)
	}
	roles := make(map[mailstore.Role]string)
	for _, b := range f.dir.boxes[f.acct.ID] {
		roles[b.Role] = b.Name
	}
	want := map[mailstore.Role]string{
		mailstore.RoleDrafts: "Drafts", mailstore.RoleSent: "Sent", mailstore.RoleReceipts: "Receipts",
		mailstore.RoleArchive: "Archive", mailstore.RoleJunk: "Junk", mailstore.RoleTrash: "Trash", "": "Templates",
	}
	if fmt.Sprint(roles) != fmt.Sprint(want) {
		t.Errorf("mailboxes %v, want %v", roles, want)
	}
	s, err := DecodeSettings(f.acct.Data)
	if err != nil || s.Sign != SignGateway || s.Language != "ru" || s.Receipts != "full" {
		t.Errorf("settings %+v, %v", s, err)
	}
}

func FuzzDecodeVerifier(f *testing.F) {
	v, err := newVerifier("secret", nil, []Protocol{Submission, IMAP}, start)
	if err != nil {
		f.Fatal(err)
	}
	good, err := v.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"rounds":4096,"limit":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := decodeVerifier(data)
		if err != nil {
			if !errors.Is(err, errVerifier) {
				t.Fatalf("unwrapped error %v", err)
			}
			return
		}
		// What is accepted can be used and survives another round.
		again, err := v.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeVerifier(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		v.holds(make([]byte, keySize))
	})
}

func FuzzDecodeSettings(f *testing.F) {
	f.Add(DefaultSettings().Encode())
	f.Add([]byte(`{"sign":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSettings(data)
		if err != nil {
			return
		}
		if again, err := DecodeSettings(s.Encode()); err != nil || again != s {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
	})
}

func benchmarkPlain(b *testing.B, life time.Duration) {
	f := newFixture(b)
	var secret string
	for i := range 3 {
		_, secret = f.add(b, NewCredential{Name: fmt.Sprint(i)})
	}
	for b.Loop() {
		f.clock.advance(life)
		if _, err := f.Plain(b.Context(), from("192.0.2.1"), "", f.acct.Addresses[0], secret); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlain(b *testing.B)       { benchmarkPlain(b, cacheLife) }
func BenchmarkPlainCached(b *testing.B) { benchmarkPlain(b, 0) }
func BenchmarkPlainNobody(b *testing.B) {
	f := newFixture(b)
	for b.Loop() {
		f.clock.advance(2 * time.Hour)
		if _, err := f.Plain(b.Context(), from("192.0.2.1"), "", "nobody@x", "x"); !errors.Is(err, ErrCredentials) {
			b.Fatal(err)
		}
	}
}
