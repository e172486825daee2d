package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/delivery"
	"gosbridge/gateway/gatewaytest/fault"
	"gosbridge/gateway/gatewaytest/transaction"
	"gosbridge/gateway/intake"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// epoch is when time begins in a synctest bubble.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// giveUp is how long the worlds' letters are tried.
const giveUp = 30 * time.Second

// office is what all worlds share: keys, registry and rules.
type office struct {
	book     intake.Book
	operator certs.DetachedSigner
}

var sharedOffice = sync.OnceValues(func() (office, error) {
	authority, err := certs.NewAuthority("Test CA", epoch)
	if err != nil {
		return office{}, err
	}
	signer := func(name string, emails ...string) (certs.DetachedSigner, error) {
		issued, err := authority.Issue(certs.Request{Purpose: certs.Signing, Name: name, Organisation: name, Emails: emails, At: epoch})
		if err != nil {
			return nil, err
		}
		raw, err := issued.Signer(name)
		if err != nil {
			return nil, err
		}
		return cms.NewSigner(raw), nil
	}
	operator, err := signer("operator", "receipts@gosbridge.example")
	if err != nil {
		return office{}, err
	}
	romashka, err := signer("romashka", senderAddress)
	if err != nil {
		return office{}, err
	}
	var entries []registry.Entry
	for i, a := range append([]string{senderAddress, firstAddress, secondAddress}, members(maxMembers)...) {
		inn, err := registry.MakeINN(fmt.Sprintf("77070%04d", i))
		if err != nil {
			return office{}, err
		}
		ogrn, err := registry.MakeOGRN(fmt.Sprintf("10277001%04d", i+1))
		if err != nil {
			return office{}, err
		}
		entries = append(entries, registry.Entry{
			ID: fmt.Sprintf("party%d", i), Kind: registry.Organisation, Name: "Организация " + a, INN: inn, OGRN: ogrn,
			KPP: "770701001", Addresses: []string{a}, Status: registry.Active,
		})
	}
	reg, err := registry.New(entries)
	if err != nil {
		return office{}, err
	}
	profiles := policy.DefaultProfiles()
	for i := range profiles {
		if profiles[i].Recall == policy.RecallWithdraw {
			profiles[i].RecallWindow = policy.Duration(time.Hour)
		}
		profiles[i].DelayWarning, profiles[i].DelayFailure = policy.Duration(giveUp/2), policy.Duration(giveUp)
	}
	many := policy.Unlimited("many")
	many.Recall, many.RecallWindow = policy.RecallHold, policy.Duration(5*time.Minute)
	rules, err := policy.NewRules(append(profiles, many))
	if err != nil {
		return office{}, err
	}
	return office{operator: operator, book: intake.Book{
		Rules: rules, Registry: reg, Signers: map[string]certs.DetachedSigner{"party0": romashka},
		Verifier: cms.NewVerifier(authority.Trust(), certs.Signing),
	}}, nil
})

// The accounts of a world, by their places in the registry.
const (
	senderAddress = "sender@romashka.example"
	firstAddress  = "first@vector.example"
	secondAddress = "second@sever.example"
)

// maxMembers is how many more parties there are in the registry, for letters
// to many.
const maxMembers = 1000

// members are the addresses of n of them.
func members(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("member%d@many.example", i))
	}
	return list
}

// world is a data folder with three accounts and the parts that work on it,
// in a bubble where time is synctest's.
type world struct {
	t        *testing.T
	dir      string
	starts   int
	inner    *boltstore.Store
	store    *fault.Store
	office   *letter.Office
	intake   *intake.Intake
	courier  *delivery.Courier
	mailroom letter.Mailroom
	accounts map[string]mailstore.Account

	signed atomic.Int64 // how often the operator did

	ownCopy mailstore.ID // of the mail program's copy of what it sends

	seen     glimpse // what mail programs saw before a crash
	accepted string  // the number of the first 250
	others   []string
}

// newWorld makes the folder and its accounts, with some members; change may
// alter an account.
func newWorld(t *testing.T, change func(*auth.NewAccount), some ...string) *world {
	w := &world{t: t, dir: dataFolder(t), accounts: map[string]mailstore.Account{}, ownCopy: mailstore.NewID()}
	w.inner = w.openStore(true)
	for i, address := range append([]string{senderAddress, firstAddress, secondAddress}, some...) {
		n := auth.NewAccount{
			Addresses: []string{address}, Name: address, Now: time.Now(),
			Settings: auth.Settings{Registry: fmt.Sprintf("party%d", i), Language: "en"},
		}
		if change != nil {
			change(&n)
		}
		a, err := auth.AddAccount(t.Context(), w.inner.Directory(), n)
		if err != nil {
			t.Fatal(err)
		}
		w.accounts[address] = a
		// The credential of identity.
		c := mailstore.Credential{ID: a.ID, Account: a.ID, Name: "laptop", Class: string(auth.Person), Created: time.Now()}
		if err := w.inner.Directory().PutCredential(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	w.close()
	return w
}

// dataFolder is in memory where the system has room there: what a crash of a
// process leaves does not depend on the disk.
func dataFolder(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "gosbridge"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

func (w *world) openStore(create bool) *boltstore.Store {
	w.t.Helper()
	s, err := boltstore.Open(w.t.Context(), boltstore.Options{Dir: w.dir, Create: create, BodyFiles: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// start opens the folder with fresh parts, as a new process would.
func (w *world) start(plan fault.Plan) {
	w.t.Helper()
	w.inner = w.openStore(false)
	w.equip(plan)
}

// guard fails the test where a client is waited for, evidence made or signed
// inside a transaction.
func (w *world) guard() transaction.Guard { return transaction.Guard{Report: w.t.Errorf} }

// equip makes fresh parts over the open store.
func (w *world) equip(plan fault.Plan) {
	w.t.Helper()
	shared, err := sharedOffice()
	if err != nil {
		w.t.Fatal(err)
	}
	w.starts++
	guard := w.guard()
	w.store = fault.Wrap(guard.Store(w.inner), plan)
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(w.t.Output(), nil))
	}
	maker, err := receipt.New(receipt.Options{
		Signer: guard.Signer(counter{shared.operator, &w.signed}), From: "receipts@gosbridge.example", Name: "Operator",
		Now: guard.Clock("making of evidence or a receipt", time.Now),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	book := shared.book
	book.Signers = map[string]certs.DetachedSigner{}
	for id, signer := range shared.book.Signers {
		book.Signers[id] = guard.Signer(signer)
	}
	w.office = letter.NewOffice(letter.Options{Store: w.store, Maker: maker, Gate: worker.NewGate(), Now: time.Now, Logger: log})
	w.intake = intake.New(intake.Options{
		Store: w.store, Office: w.office, Numbers: letter.NewNumbers(w.store.Directory()), Hostname: "gosbridge.example",
		Default: "simple", Book: book, Now: time.Now, Logger: log,
	})
	w.courier = delivery.New(delivery.Options{Store: w.store, Office: w.office, Hostname: "gosbridge.example", Gate: worker.NewGate(), Now: time.Now, Logger: log})
	w.mailroom = letter.NewMailroom(time.Now)
}

func (w *world) close() {
	w.t.Helper()
	if err := w.inner.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// identity is who logs in to an account.
func (w *world) identity(address string) auth.Identity {
	w.t.Helper()
	a := w.accounts[address]
	settings, err := auth.DecodeSettings(a.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	return auth.Identity{
		Account: a, Settings: settings, Credential: a.ID, Name: "laptop", Class: auth.Person, Assurance: auth.Password,
		Remote: netip.MustParseAddr("192.0.2.1"), Session: "s",
	}
}

// envelope addresses a letter as a session would after its RCPT commands.
func (w *world) envelope(to ...string) (intake.Envelope, error) {
	env := intake.Envelope{Who: w.identity(senderAddress), From: senderAddress}
	for _, address := range to {
		r, err := w.intake.Recipient(w.t.Context(), env.Who, intake.Recipient{Address: address})
		if err != nil {
			return env, err
		}
		if _, ok := w.accounts[address]; !ok {
			r.Account = nobody // removed between RCPT and delivery
		}
		env.Recipients = append(env.Recipients, r)
	}
	return env, nil
}

// octets is a letter with a PDF, larger than what travels in the metadata.
func octets(t testing.TB, letterType, subject string, to ...string) []byte {
	t.Helper()
	pdf, err := os.ReadFile("../testdata/documents/appeal.pdf")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n", senderAddress, strings.Join(to, ">, <"), subject)
	b.WriteString("Date: Sat, 01 Jan 2000 03:00:00 +0300\r\nMessage-ID: <" + subject + "@client.example>\r\nMIME-Version: 1.0\r\n")
	b.WriteString("X-Letter-Type: " + letterType + "\r\nContent-Type: multipart/mixed; boundary=frontier\r\n\r\n--frontier\r\n")
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nПрошу принять документ.\r\n--frontier\r\n")
	b.WriteString("Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"appeal.pdf\"\r\n")
	b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	for text := base64.StdEncoding.EncodeToString(pdf); ; text = text[76:] {
		if len(text) <= 76 {
			b.WriteString(text + "\r\n--frontier--\r\n")
			return b.Bytes()
		}
		b.WriteString(text[:76] + "\r\n")
	}
}

// submit sends a letter as a mail program does: again, some time after a
// temporary refusal, until it reads a 250. When the process dies it returns.
func (w *world) submit(content []byte, to ...string) {
	w.t.Helper()
	for range 20 {
		var answer intake.Accepted
		env, err := w.envelope(to...)
		if err == nil {
			answer, err = w.intake.Accept(w.t.Context(), env, w.guard().Reader(bytes.NewReader(content)))
		}
		if err == nil {
			w.note(answer.Number)
			return
		}
		if w.store.Dead() {
			return
		}
		var refusal *policy.Refusal
		if errors.As(err, &refusal) && refusal.Worst().SMTP/100 != 4 {
			w.t.Fatalf("refused for good: %v", err)
		}
		time.Sleep(time.Minute)
	}
	w.t.Fatal("never accepted")
}

// note keeps the number of a 250.
func (w *world) note(number string) {
	if w.accepted == "" {
		w.accepted = number
	}
	w.others = append(w.others, number)
}

// settle lets the workers work until the queue is empty or the process dies,
// one class at a time, so that the order of their operations is the same in
// every run.
func (w *world) settle() {
	w.t.Helper()
	for range 2000 {
		if w.store.Dead() {
			return
		}
		var next time.Time
		for class, run := range w.workers() {
			at, ok, err := w.inner.Queue().Next(w.t.Context(), class)
			if err != nil {
				w.t.Fatal(err)
			}
			if !ok {
				continue
			}
			if !at.After(time.Now()) {
				w.work(run)
				at = time.Now()
			}
			if next.IsZero() || at.Before(next) {
				next = at
			}
		}
		if next.IsZero() {
			return
		}
		// Never without passage of time: a failing worker has to rest.
		time.Sleep(max(time.Until(next), time.Second))
	}
	w.t.Fatalf("queue never empty:\n%s", strings.Join(w.store.Trace(), "\n"))
}

type runner func(ctx context.Context, owner string) error

// workers yields the classes of the queue with their workers, in order.
func (w *world) workers() func(func(string, runner) bool) {
	return func(yield func(string, runner) bool) {
		_ = yield(letter.DispatchClass, w.courier.Run) && yield(letter.Class, w.office.Run)
	}
}

// work runs a worker until it has nothing to do now.
func (w *world) work(run runner) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, fmt.Sprintf("owner-%d", w.starts)) }()
	time.Sleep(100 * time.Millisecond) // for what the worker lets gather
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

// open reads all letters in a recipient's INBOX, as a mail program of a person
// does, which repeats what it saw no answer to.
func (w *world) open(address string) {
	w.t.Helper()
	all := mailstore.UIDSet{}
	all.AddRange(1, 0)
	w.openSet(address, all)
}

func (w *world) openOne(address string, uid mailstore.UID) {
	w.t.Helper()
	one := mailstore.UIDSet{}
	one.AddNum(uid)
	w.openSet(address, one)
}

func (w *world) openSet(address string, set mailstore.UIDSet) {
	w.t.Helper()
	who := w.identity(address)
	for range 20 {
		err := w.store.Update(w.t.Context(), who.Account.ID, func(tx mailstore.UpdateTx) error {
			box, err := tx.MailboxByName("INBOX")
			if err != nil {
				return err
			}
			res, err := tx.SetFlags(box.ID, set, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen})
			if err != nil {
				return err
			}
			return w.mailroom.OnFlags(tx, who, box, res.NewSeen)
		})
		if err == nil || w.store.Dead() {
			return
		}
		time.Sleep(time.Minute)
	}
	w.t.Error("never opened")
}

// recall takes the sender's letter back, as an operator does: again, as long
// as there is no answer, and at least once more than once.
func (w *world) recall() error {
	w.t.Helper()
	rec, _ := w.outgoing()
	for range 20 {
		_, err := w.office.Recall(w.t.Context(), w.accounts[senderAddress].ID, rec.ID, nil)
		if err == nil || w.store.Dead() || errors.Is(err, letter.ErrTooLate) {
			return err
		}
		time.Sleep(time.Second)
	}
	w.t.Fatal("never recalled")
	return nil
}

// outgoing is the one letter of the sender.
func (w *world) outgoing() (rec mailstore.Letter, out letter.Outgoing) {
	w.t.Helper()
	err := w.inner.View(w.t.Context(), w.accounts[senderAddress].ID, func(tx mailstore.Tx) (err error) {
		n := 0
		for r, err := range tx.Letters(mailstore.LetterFilter{Role: mailstore.Sender}) {
			if err != nil {
				return err
			}
			n++
			rec = r
		}
		if n != 1 {
			return fmt.Errorf("%d letters sent, want 1", n)
		}
		out, err = letter.DecodeOutgoing(rec)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return rec, out
}
