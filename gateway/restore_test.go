package gateway_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/backup"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/recovery"
	"gosbridge/mailstore"
)

// numberOf is the number in a reply to DATA.
func numberOf(t *testing.T, code int, reply string) string {
	t.Helper()
	i := strings.Index(reply, "GP-")
	if code != 250 || i < 0 {
		t.Fatalf("reply %d %s", code, reply)
	}
	return strings.Trim(strings.Fields(reply[i:])[0], ";")
}

// sendSimple sends a simple letter and returns its number.
func sendSimple(t *testing.T, c *smtp.Client, subject string) string {
	letter := compose(t, gatewaytest.Sender, gatewaytest.Partner, subject, "X-Letter-Type: simple")
	code, reply := submit(t, c, gatewaytest.Sender, []string{gatewaytest.Partner}, letter)
	return numberOf(t, code, reply)
}

// validities are the UIDVALIDITYs of the mailboxes that a client of IMAP sees.
func validities(t *testing.T, g *gatewaytest.Gateway, user string) map[string]uint32 {
	t.Helper()
	c := dialIMAP(t, g, user, "archive")
	validity := map[string]uint32{}
	list, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		st, err := c.Status(m.Mailbox, &imap.StatusOptions{UIDValidity: true}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		validity[m.Mailbox] = st.UIDValidity
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
	return validity
}

// numbersIn are the numbers of the letters in a mailbox.
func numbersIn(t *testing.T, g *gatewaytest.Gateway, user, box string) (all []string) {
	t.Helper()
	c := dialIMAP(t, g, user, "archive")
	if _, err := c.Select(box, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"X-Letter-Number"}, Peek: true}
	msgs, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range msgs {
		if _, n, ok := strings.Cut(string(m.FindBodySection(section)), ": "); ok {
			all = append(all, strings.TrimSpace(n))
		}
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
	return all
}

// wait enqueues items of a class that is not the store's own business.
func wait(t *testing.T, g *gatewaytest.Gateway, class string, n int) {
	t.Helper()
	a, err := g.Store().Directory().AccountByAddress(t.Context(), gatewaytest.Sender)
	if err != nil {
		t.Fatal(err)
	}
	err = g.Store().Update(t.Context(), a.ID, func(tx mailstore.UpdateTx) error {
		for range n {
			if err := tx.Enqueue(mailstore.Item{ID: mailstore.NewID(), Account: a.ID, Class: class, Due: time.Now()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRestore is the whole drill: a backup under load, the store lost, a
// restore, and service again.
func TestRestore(t *testing.T) {
	g := gatewaytest.Start(t)
	var before []string
	c := dialSMTP(t, g, gatewaytest.Sender, "system")
	for i := range 10 {
		before = append(before, sendSimple(t, c, fmt.Sprint("before ", i)))
	}
	holds := func(address, box string) func() bool {
		return func() bool {
			got := numbersIn(t, g, address, box)
			return !slices.ContainsFunc(before, func(n string) bool { return !slices.Contains(got, n) })
		}
	}
	eventually(t, "delivered", holds(gatewaytest.Partner, "INBOX"))
	wait(t, g, "term", 2)
	wait(t, g, "relay", 1)
	var last atomic.Value // number acknowledged last
	stop := make(chan struct{})
	var load sync.WaitGroup
	conn := dialSMTP(t, g, gatewaytest.Sender, "system")
	load.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				last.Store(sendSimple(t, conn, fmt.Sprint("during ", i)))
			}
		}
	})
	dir := filepath.Join(t.TempDir(), "backup")
	var made admin.BackedUp
	if err := g.Admin().Call(t.Context(), admin.OpStoreBackup, admin.StoreBackup{Dir: dir}, &made); err != nil {
		t.Fatal(err)
	}
	close(stop)
	load.Wait()
	if made.KeyExported || len(made.Save) < 4 {
		t.Errorf("key exported %v, to be saved %v", made.KeyExported, made.Save)
	}
	for range 3 {
		last.Store(sendSimple(t, c, "lost"))
	}
	validity := validities(t, g, gatewaytest.Partner)
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	noSecrets(t, g, dir)
	if err := os.RemoveAll(g.Config.Data); err != nil {
		t.Fatal(err)
	}
	quiet := gateway.Options{Logger: slog.New(slog.DiscardHandler)}
	out, err := gateway.Restore(t.Context(), g.Config, gateway.RestoreOptions{Backup: dir, Skip: 5000}, quiet)
	if err != nil || out.Generation != 2 || out.Unnoted != "" || !out.Backup.Equal(made.Made) {
		t.Fatalf("restored %+v, %v", out, err)
	}

	g = gatewaytest.Open(t, g.Installed)
	g.Warn(t.Context())
	if log := g.Log(); !strings.Contains(log, "gosbridge store resume") || !strings.Contains(log, "held=3") || !strings.Contains(log, "gosbridge key export") {
		t.Errorf("nobody is warned:\n%s", log)
	}
	for _, address := range []string{gatewaytest.Sender, gatewaytest.Partner, gatewaytest.Body} {
		if n := journalHas(t, g, address, journal.Restored); n != 1 {
			t.Errorf("journal of %s has %d entries of the restore", address, n)
		}
	}
	if !holds(gatewaytest.Sender, "Sent")() || !holds(gatewaytest.Partner, "INBOX")() {
		t.Error("a letter that was acknowledged before the backup is missing")
	}
	now := validities(t, g, gatewaytest.Partner)
	for box, v := range validity {
		if now[box] <= v {
			t.Errorf("%s has UIDVALIDITY %d, before %d", box, now[box], v)
		}
	}
	number := sendSimple(t, dialSMTP(t, g, gatewaytest.Sender, "system"), "after")
	eventually(t, "local mail goes on", func() bool { return slices.Contains(numbersIn(t, g, gatewaytest.Partner, "INBOX"), number) })
	if serial(t, number) < uint64(out.Number) || serial(t, number) <= serial(t, last.Load().(string)) {
		t.Errorf("number %s after the restore, %s before, first %d", number, last.Load(), out.Number)
	}
	resumed(t, g)
}

// serial is the serial in a number.
func serial(t *testing.T, number string) (n uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(strings.Split(number, "-")[2], "%d", &n); err != nil {
		t.Fatalf("number %s: %v", number, err)
	}
	return n
}

func journalHas(t *testing.T, g *gatewaytest.Gateway, address, kind string) (n int) {
	t.Helper()
	a, err := g.Store().Directory().AccountByAddress(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	err = g.Store().View(t.Context(), a.ID, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			if rec.Kind == kind {
				n++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// resumed lets go what waits, once and for all.
func resumed(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	for i, want := range []struct {
		dry   bool
		state string
	}{{true, "true map[relay:1 term:2] false"}, {false, "true map[relay:1 term:2] true"}, {false, "false map[] false"}} {
		var out admin.StoreResumed
		if err := g.Admin().Call(t.Context(), admin.OpStoreResume, admin.StoreResume{DryRun: want.dry}, &out); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(out.Waits(), out.Held, out.Now); got != want.state {
			t.Errorf("resume %d: %s, want %s", i, got, want.state)
		}
	}
	if !strings.Contains(g.Log(), "operation=store/resume uid=") {
		t.Error("who resumed is not in the log")
	}
}

// noSecrets looks for private keys, passwords and the master key in a backup.
func noSecrets(t *testing.T, g *gatewaytest.Gateway, dir string) {
	t.Helper()
	key, err := g.Config.MasterKey.Read()
	if err != nil {
		t.Fatal(err)
	}
	hidden := [][]byte{key[:], []byte(strings.TrimSpace(config.FormatMasterKey(key))), []byte("PRIVATE KEY"), []byte(gatewaytest.Password + "-")}
	checked := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		for _, h := range hidden {
			if bytes.Contains(text, h) {
				t.Errorf("%s holds %q", path, h)
			}
		}
		checked++
		return err
	})
	if err != nil || checked < 6 {
		t.Errorf("%d files, %v", checked, err)
	}
}

// TestRestoreAgain: a backup that is restored twice gives two stores that have
// neither UIDVALIDITY nor numbers in common; what is wrong is refused.
func TestRestoreAgain(t *testing.T) {
	g := gatewaytest.Start(t)
	dir := filepath.Join(t.TempDir(), "backup")
	if err := g.Admin().Call(t.Context(), admin.OpStoreBackup, admin.StoreBackup{Dir: dir}, &admin.BackedUp{}); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	quiet := gateway.Options{Logger: slog.New(slog.DiscardHandler)}
	o := gateway.RestoreOptions{Backup: dir, Skip: 100}
	if _, err := gateway.Restore(t.Context(), g.Config, o, quiet); admin.KindOf(err) != "conflict" {
		t.Errorf("over a store: %v", err)
	}
	number := uint64(0)
	for i := range 3 {
		if err := os.RemoveAll(g.Config.Data); err != nil {
			t.Fatal(err)
		}
		out, err := gateway.Restore(t.Context(), g.Config, o, quiet)
		if err != nil || out.Generation != uint32(i+2) || out.Number < number+100 {
			t.Errorf("restore %d: %+v, %v; the numbers before began with %d", i, out, err, number)
		}
		number = out.Number
	}
	wrong := g.Config
	wrong.MasterKey.File = filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(wrong.MasterKey.File, []byte(config.FormatMasterKey([32]byte{1})), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong.Data = filepath.Join(t.TempDir(), "fresh")
	if _, err := gateway.Restore(t.Context(), wrong, o, quiet); !strings.Contains(fmt.Sprint(err), "wrong master key") {
		t.Errorf("another key: %v", err)
	}
	if _, err := os.Stat(wrong.Data); err == nil {
		t.Error("another key: the data folder was made")
	}
	if _, err := gateway.Restore(t.Context(), wrong, gateway.RestoreOptions{Backup: t.TempDir()}, quiet); err == nil {
		t.Error("a folder that is no backup was restored")
	}
}

// TestBackupSchedule: the configuration's plan makes a backup while the gateway
// serves, and a reload changes it.
func TestBackupSchedule(t *testing.T) {
	g := gatewaytest.Start(t)
	folder := t.TempDir()
	if found, err := backup.List(folder, ""); err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	rewrite(t, g, func(c *config.Config) { c.Backup.Folder, c.Backup.Keep = folder, 2 })
	out := reload(t, g)
	same(t, "changed", out.Changed, "backup.folder", "backup.keep")
	same(t, "restart", out.Restart)
	eventually(t, "a backup", func() bool { found, err := backup.List(folder, "gosbridge-"); return err == nil && len(found) == 1 })
	eventually(t, "the log", func() bool { return strings.Contains(g.Log(), "backup made") })
	if !strings.Contains(g.Log(), "never exported") {
		t.Errorf("nobody is warned of the master key:\n%s", g.Log())
	}
	found, err := backup.List(folder, "gosbridge-")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Verify(t.Context(), found[0].Dir, nil); err != nil {
		t.Error(err)
	}
	last, err := backup.Last(t.Context(), g.Store().Directory())
	if err != nil || !last.Equal(found[0].Manifest.Made) {
		t.Errorf("last %s, %v; made %s", last, err, found[0].Manifest.Made)
	}
}

// TestKeyExported: only the key in use counts as exported.
func TestKeyExported(t *testing.T) {
	g := gatewaytest.Start(t)
	key, err := g.Config.MasterKey.Read()
	if err != nil {
		t.Fatal(err)
	}
	exported := func() bool {
		t.Helper()
		ok, err := backup.KeyExported(t.Context(), g.Store().Directory(), config.Fingerprint(key))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	tell := func(in admin.KeyExported) error {
		return g.Admin().Call(t.Context(), admin.OpKeyExported, in, &admin.KeyNoted{})
	}
	if err := tell(admin.KeyExported{Fingerprint: config.Fingerprint([32]byte{1})}); admin.KindOf(err) != "conflict" {
		t.Errorf("another key: %v", err)
	}
	if err := tell(admin.KeyExported{Fingerprint: config.Fingerprint(key), DryRun: true}); err != nil || exported() {
		t.Errorf("only compared: %v", err)
	}
	if err := tell(admin.KeyExported{Fingerprint: config.Fingerprint(key)}); err != nil || !exported() {
		t.Errorf("exported: %v", err)
	}
	if ok, err := backup.KeyExported(t.Context(), g.Store().Directory(), "another"); ok || err != nil {
		t.Errorf("a key that came after it: %v, %v", ok, err)
	}
	if strings.Contains(g.Log(), strings.TrimSpace(config.FormatMasterKey(key))) {
		t.Error("the key is in the log")
	}
}

// TestRestoreHeld: a letter that was held in the backup does not go out after
// the restore, for it may have been recalled since, until the operator lets it;
// it can be recalled as long, though its time is over. Others go out.
func TestRestoreHeld(t *testing.T) {
	g := gatewaytest.Start(t, window("registered", 3*time.Second))
	numbers := []string{send(t, g, gatewaytest.Body, "X-Letter-Type: registered"), send(t, g, gatewaytest.Body, "X-Letter-Type: registered")}
	dir := filepath.Join(t.TempDir(), "backup")
	if err := g.Admin().Call(t.Context(), admin.OpStoreBackup, admin.StoreBackup{Dir: dir}, &admin.BackedUp{}); err != nil {
		t.Fatal(err)
	}
	if _, err := recall(t, g, numbers[0]); err != nil {
		t.Fatalf("recalled after the backup: %v", err)
	}
	over := show(t, g, numbers[1]).RecallUntil
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(g.Config.Data); err != nil {
		t.Fatal(err)
	}
	quiet := gateway.Options{Logger: slog.New(slog.DiscardHandler)}
	if _, err := gateway.Restore(t.Context(), g.Config, gateway.RestoreOptions{Backup: dir, Skip: 5000}, quiet); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.Open(t, g.Installed)
	eventually(t, "the end of the recall time", func() bool { return time.Now().After(over) })
	later := send(t, g, gatewaytest.Body, "X-Letter-Type: registered", "X-Letter-Recall: none")
	eventually(t, "another letter", func() bool { return show(t, g, later).State == "delivered" })
	for _, n := range numbers {
		if l := show(t, g, n); l.State != "accepted" {
			t.Errorf("%s is %s", n, l.State)
		}
	}
	if _, err := recall(t, g, numbers[0]); err != nil {
		t.Errorf("recalled again: %v", err)
	}
	var out admin.StoreResumed
	if err := g.Admin().Call(t.Context(), admin.OpStoreResume, admin.StoreResume{}, &out); err != nil || fmt.Sprint(out.Held) != "map[deliver-restored:1]" {
		t.Errorf("resumed %+v, %v", out, err)
	}
	eventually(t, "the letter that was let go", func() bool { return show(t, g, numbers[1]).State == "delivered" })
	if l := show(t, g, numbers[0]); l.State != "recalled" {
		t.Errorf("the letter that was recalled is %s", l.State)
	}
}

// TestVaultAfterResume: what is in the vault and over stays when a restored store
// is resumed, though owners are told of other ends at once.
func TestVaultAfterResume(t *testing.T) {
	g := gatewaytest.Start(t)
	c := dialSMTP(t, g, gatewaytest.Sender, "system")
	vaulted, shown := sendSimple(t, c, "in the vault"), sendSimple(t, c, "in the mailbox")
	eventually(t, "delivery", func() bool {
		return show(t, g, vaulted).State == "delivered" && show(t, g, shown).State == "delivered"
	})
	a, rec, err := letter.Find(t.Context(), g.Store(), vaulted)
	if err != nil {
		t.Fatal(err)
	}
	err = g.Store().Update(t.Context(), a.ID, func(tx mailstore.UpdateTx) error {
		out, err := letter.DecodeOutgoing(rec)
		if err != nil {
			return err
		}
		box, err := tx.MailboxByRole(mailstore.RoleSent)
		if err != nil {
			return err
		}
		for m, err := range tx.Messages(box.ID, mailstore.UIDSet{{Start: 1}}, mailstore.FieldMeta) {
			if err != nil {
				return err
			}
			k := mailstore.Kept{EmailID: m.EmailID, LetterID: m.LetterID, Until: time.Now().Add(-time.Hour)}
			if m.EmailID == out.Copy {
				k.Until = k.Until.Add(-time.Hour) // looked after first
			}
			if err := tx.Keep(k); err != nil {
				return err
			}
			if m.EmailID == out.Copy {
				if _, err := tx.Expunge(box.ID, mailstore.UIDSet{{Start: m.UID, Stop: m.UID}}, false); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := recovery.Write(t.Context(), g.Store(), recovery.Mark{Restored: time.Now(), Generation: 2}, "1000"); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	g = gatewaytest.Open(t, g.Installed)
	if err := g.Admin().Call(t.Context(), admin.OpStoreResume, admin.StoreResume{}, &admin.StoreResumed{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the notice", func() bool { return journalHas(t, g, gatewaytest.Sender, journal.Warned) == 1 })
	if n := journalHas(t, g, gatewaytest.Sender, journal.Destroyed); n > 0 {
		t.Errorf("%d copies destroyed", n)
	}
}
