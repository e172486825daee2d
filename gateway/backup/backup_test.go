package backup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// open opens a new store with one account and some messages.
func open(t *testing.T) *boltstore.Store {
	t.Helper()
	s, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"a@example.org"}}
	if err := s.Directory().CreateAccount(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// names are the paths of all that is in a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
const public = "-----BEGIN CERTIFICATE-----\ncHVibGlj\n-----END CERTIFICATE-----\n"

// sources are files of a configuration: of the same name, named twice, and with
// a private key beside the certificate.
func sources(t *testing.T) []Source {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := put("both.pem", secret+"text\n"+public)
	return []Source{
		{Path: put("config.toml", "data = 1\n")},
		{Path: both, Certificates: true},
		{Path: put("other/both.pem", public), Certificates: true},
		{Path: both, Certificates: true},
	}
}

// TestMake: a backup is what its manifest says, for its owner only, without
// private keys.
func TestMake(t *testing.T) {
	s := open(t)
	dir := filepath.Join(t.TempDir(), "backup")
	if err := os.Mkdir(dir, 0o755); err != nil { // an empty one gives way
		t.Fatal(err)
	}
	var stages []string
	before := time.Now()
	m, err := Make(t.Context(), Options{Store: s, Dir: dir, Sources: sources(t), Release: "v1", Progress: func(stage string, done, total int64) {
		if done > total {
			t.Errorf("%s: %d of %d", stage, done, total)
		}
		if len(stages) == 0 || stages[len(stages)-1] != stage {
			stages = append(stages, stage)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"bodies-0.db", "files", "files/2-both.pem", "files/both.pem", "files/config.toml", "manifest.json", "meta.db"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %v", got)
	}
	if !slices.Equal(stages, []string{Copying, Comparing}) || m.Made.Before(before) || m.Generation != 1 || m.Release != "v1" {
		t.Errorf("stages %v, manifest %+v", stages, m)
	}
	for name, text := range map[string]string{"files/both.pem": public, "files/2-both.pem": public, "files/config.toml": "data = 1\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range append(want, ".") {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if again, err := Verify(t.Context(), dir, nil); err != nil || again.Octets() != m.Octets() || again.Octets() == 0 {
		t.Errorf("verify: %+v, %v", again, err)
	}
	if left := names(t, filepath.Dir(dir)); len(left) != len(want)+1 {
		t.Errorf("beside it: %v", left)
	}
	if _, err := Make(t.Context(), Options{Store: s, Dir: dir}); !errors.Is(err, ErrTaken) {
		t.Errorf("over another one: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir); err == nil {
		t.Error("a folder with a file of somebody else's was removed")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"mine.txt"}) {
		t.Errorf("after the removal: %v", got)
	}
	if err := Remove(dir); !errors.Is(err, ErrNone) {
		t.Errorf("what is no backup: %v", err)
	}
}

// broken is a store whose backup fails, or that lies about what it wrote.
type broken struct {
	Store
	spoil func(dir string, snap *boltstore.Snapshot) error
	size  int64
}

func (b broken) BackupSize(ctx context.Context) (int64, error) {
	if b.size > 0 {
		return b.size, nil
	}
	return b.Store.BackupSize(ctx)
}

func (b broken) Backup(ctx context.Context, dir string, o boltstore.BackupOptions) (boltstore.Snapshot, error) {
	snap, err := b.Store.Backup(ctx, dir, o)
	if err == nil && b.spoil != nil {
		err = b.spoil(dir, &snap)
	}
	return snap, err
}

// TestMakeFails: whatever goes wrong, nothing is left, and nothing that looks
// like a backup.
func TestMakeFails(t *testing.T) {
	s := open(t)
	fire := errors.New("disk on fire")
	for name, c := range map[string]struct {
		store   Store
		sources []Source
		want    error
	}{
		"store":    {broken{Store: s, spoil: func(string, *boltstore.Snapshot) error { return fire }}, nil, fire},
		"space":    {broken{Store: s, size: 1 << 60}, nil, ErrSpace},
		"no file":  {s, []Source{{Path: "/nowhere/config.toml"}}, fs.ErrNotExist},
		"bit lost": {broken{Store: s, spoil: func(_ string, snap *boltstore.Snapshot) error { snap.Files[0].SHA256[0]++; return nil }}, nil, ErrDamaged},
	} {
		parent := t.TempDir()
		if _, err := Make(t.Context(), Options{Store: c.store, Dir: filepath.Join(parent, "b"), Sources: c.sources}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left := names(t, parent); len(left) > 0 {
			t.Errorf("%s left %v", name, left)
		}
	}
}

// TestCutShort: what a crash leaves at any step is no backup; the next run of a
// schedule clears it away.
func TestCutShort(t *testing.T) {
	s := open(t)
	folder := t.TempDir()
	made, err := Make(t.Context(), Options{Store: s, Dir: filepath.Join(folder, prefix("one")+"old")})
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(folder, "."+prefix("one")+"new.part-1")
	if err := os.CopyFS(part, os.DirFS(filepath.Join(folder, prefix("one")+"old"))); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(folder, prefix("one")+"cut")
	if err := os.CopyFS(cut, os.DirFS(part)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(cut, manifestName)); err != nil {
		t.Fatal(err)
	}
	all, err := List(folder, prefix("one"))
	if err != nil || len(all) != 1 || !all[0].Manifest.Made.Equal(made.Made) {
		t.Errorf("found %v, %v", all, err)
	}
	if _, err := Read(cut); !errors.Is(err, ErrNone) {
		t.Errorf("without manifest: %v", err)
	}
	other := filepath.Join(folder, ".other.part-1")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := removeParts(folder, prefix("one")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{part: false, cut: true, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestVerify says what is wrong with a backup.
func TestVerify(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		what string
		do   func(dir string) error
		want string
	}{
		{"bit", func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, "meta.db"))
			text[len(text)/2] ^= 4
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "meta.db"), text, 0o600))
		}, "meta.db has another SHA-256"},
		{"short", func(dir string) error { return os.Truncate(filepath.Join(dir, "bodies-0.db"), 100) }, "bodies-0.db has 100 octets"},
		{"missing", func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "files/config.toml")), os.Remove(filepath.Join(dir, "meta.db")))
		}, "meta.db is missing\nbackup damaged: files/config.toml is missing"},
		{"manifest", func(dir string) error { return os.Truncate(filepath.Join(dir, manifestName), 100) }, "unexpected EOF"},
	} {
		dir := filepath.Join(t.TempDir(), "b")
		if _, err := Make(t.Context(), Options{Store: s, Dir: dir, Sources: sources(t)}); err != nil {
			t.Fatal(err)
		}
		if err := c.do(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), dir, nil); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// FuzzManifest: what is read as a manifest names files in its folder only, and
// is written the same again.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"release":"v1","made":"2026-11-28T00:00:00Z","store":"one","generation":1,"files":[{"name":"meta.db","size":1,"sha256":"` + strings.Repeat("0", 64) + `"}]}`))
	f.Add([]byte(`{"format":1,"made":"2026-11-28T00:00:00Z","store":"one","files":[{"name":"../../etc/passwd","from":"x","size":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parse(text)
		if err != nil {
			return
		}
		for _, name := range m.names() {
			if !filepath.IsLocal(filepath.FromSlash(name)) || strings.Count(name, "/") > 1 {
				t.Errorf("name %q", name)
			}
		}
		again, err := parse(m.encode())
		if err != nil || !bytes.Equal(again.encode(), m.encode()) {
			t.Errorf("read back: %v", err)
		}
	})
}

// TestUsed: a backup remembers its restores; those of the ones beside it are
// found, and what stores these were made of.
func TestUsed(t *testing.T) {
	s := open(t)
	if _, err := s.Directory().ReserveNumbers(t.Context(), 500); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	one, two := filepath.Join(folder, "one"), filepath.Join(folder, "two")
	for _, dir := range []string{one, two} {
		if _, err := Make(t.Context(), Options{Store: s, Dir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	// One of another store lies there too.
	foreign := filepath.Join(folder, "foreign")
	if _, err := Make(t.Context(), Options{Store: open(t), Dir: foreign}); err != nil {
		t.Fatal(err)
	}
	if err := AddNote(foreign, Note{Generation: 77}); err != nil {
		t.Fatal(err)
	}
	for i, dir := range []string{one, one, two} {
		if err := AddNote(dir, Note{At: time.Now(), Generation: uint32(i + 2), Number: uint64(1000 * i)}); err != nil {
			t.Fatal(err)
		}
	}
	used, err := Used(one)
	var generations []uint32
	for _, n := range used {
		generations = append(generations, n.Generation)
	}
	if err != nil || !slices.Equal(generations, []uint32{1, 2, 3, 1, 4}) || used[0].Number != 501 {
		t.Errorf("used %v, %v", used, err)
	}
	if _, err := Verify(t.Context(), one, nil); err != nil {
		t.Errorf("with notes: %v", err)
	}
	if err := Remove(one); err != nil {
		t.Error(err)
	}
	if left := names(t, folder); slices.Contains(left, "one") {
		t.Errorf("left %v", left)
	}
}
