package gateway_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

var makeGolden = flag.Bool("make-golden", false, "make the golden data folder of the present format anew")

// The golden data folders, one for each format of a release. A folder is made
// once, with -make-golden, and never again: it stands for those out there.
const goldenFolder = "testdata/golden"

// facts are what a golden folder must still say when it is opened.
type facts struct {
	Number string
	State  string
	// Mailboxes has, by account and mailbox, the SHA-256 of each message with
	// its UID, flags and keywords.
	Mailboxes map[string][]string
	Evidence  []string
	Journal   string // head of the sender's
}

// Every released format is opened, and nothing in it has changed.
func TestGoldenFolders(t *testing.T) {
	if *makeGolden {
		makeGoldenFolder(t, "format-2")
	}
	archives, err := filepath.Glob(filepath.Join(goldenFolder, "*.tar.gz"))
	if err != nil || len(archives) == 0 {
		t.Fatalf("no golden folder: %v", err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, archive, dir)
			text, err := os.ReadFile(filepath.Join(goldenFolder, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var want facts
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if got := readFacts(t, dir); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("the folder says\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

// readFacts opens a folder with today's code.
func readFacts(t *testing.T, dir string) (f facts) {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := cfg.MasterKey.Read()
	if err != nil {
		t.Fatal(err)
	}
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: cfg.Data, MasterKey: key})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(store.Check(t.Context()), store.Close()); err != nil {
			t.Error(err)
		}
	}()
	f.Mailboxes = map[string][]string{}
	for _, address := range []string{gatewaytest.Sender, gatewaytest.Body} {
		account, err := store.Directory().AccountByAddress(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		var bodies []mailstore.Content
		err = store.View(t.Context(), account.ID, func(tx mailstore.Tx) error {
			found, err := readAccount(tx, address, &f)
			bodies = found
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		digests := f.Mailboxes[address]
		for i, c := range bodies {
			r, err := c.Open(t.Context(), store.Bodies(), 0)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil {
				t.Fatal(err)
			}
			digests[i] += fmt.Sprintf(" %x", h.Sum(nil))
			r.Close()
		}
	}
	return f
}

// readAccount notes what one account holds.
func readAccount(tx mailstore.Tx, address string, f *facts) (bodies []mailstore.Content, err error) {
	boxes, err := tx.Mailboxes()
	if err != nil {
		return nil, err
	}
	for _, box := range boxes {
		var all mailstore.UIDSet
		all.AddRange(1, box.UIDNext)
		for m, err := range tx.Messages(box.ID, all, mailstore.FieldMeta|mailstore.FieldContent) {
			if err != nil {
				return nil, err
			}
			f.Mailboxes[address] = append(f.Mailboxes[address], fmt.Sprintf("%s %d/%d %d %v", box.Name, box.UIDValidity, m.UID, m.Flags, m.Keywords))
			bodies = append(bodies, m.Content)
		}
	}
	for rec, err := range tx.Letters(mailstore.LetterFilter{Role: mailstore.Sender}) {
		if err != nil {
			return nil, err
		}
		f.Number, f.State = rec.Number, rec.State
		for ev, err := range tx.Evidence(rec.ID) {
			if err != nil {
				return nil, err
			}
			f.Evidence = append(f.Evidence, fmt.Sprintf("%s %x %x", ev.Event, ev.Hash, sha256.Sum256(ev.Data)))
		}
	}
	if address == gatewaytest.Sender {
		tree, err := journal.Verify(tx)
		f.Journal = fmt.Sprintf("%d %x", tree.Size, tree.Root)
		return bodies, err
	}
	return bodies, nil
}

// makeGoldenFolder makes a folder with a letter that went all the way, and
// one that waits.
func makeGoldenFolder(t *testing.T, name string) {
	t.Helper()
	archive := filepath.Join(goldenFolder, name+".tar.gz")
	if _, err := os.Stat(archive); err == nil {
		t.Fatalf("%s is there: a format that was released never changes", archive)
	}
	g := gatewaytest.Start(t)
	number := send(t, g, gatewaytest.Body, "X-Letter-Type: registered")
	eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
	reader := dialIMAP(t, g, gatewaytest.Body, "person")
	if _, err := reader.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	flags := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen, "important"}}
	if err := reader.Store(imap.SeqSetNum(1), flags, nil).Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "opening", func() bool { return show(t, g, number).State == "opened" })
	time.Sleep(time.Second) // copies of receipts
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	dir := g.Installed.Dir
	pack(t, dir, archive)
	text, err := json.MarshalIndent(readFacts(t, dir), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(goldenFolder, name+".json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pack archives the regular files of a folder.
func pack(t *testing.T, dir, archive string) {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		err = w.WriteHeader(&tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Size: int64(len(content))})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	})
	if err = errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unpack restores a folder.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		err = os.MkdirAll(filepath.Dir(path), 0o700)
		if err = errors.Join(err, os.WriteFile(path, content, fs.FileMode(h.Mode))); err != nil {
			t.Fatal(err)
		}
	}
}
