package body_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"gosbridge/mailstore/body"
)

var ctx = context.Background()

// openStore opens an engine and closes and checks its files after the test.
func openStore(t testing.TB, dir string, opts body.Options) *body.Bolt {
	t.Helper()
	s, err := body.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, bench := t.(*testing.B); !bench {
			checkFiles(t, dir)
		}
	})
	return s
}

// checkFiles runs bbolt's own check over every body file.
func checkFiles(t testing.TB, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "bodies-*.db"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no body files in %s: %v", dir, err)
	}
	for _, path := range paths {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				t.Errorf("%s: %v", path, err)
			}
			return nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Error(err)
		}
	}
}

func random(n int) []byte {
	var seed [32]byte
	seed[0] = byte(n)
	p := make([]byte, n)
	if _, err := rand.NewChaCha8(seed).Read(p); err != nil {
		panic(err) // never fails
	}
	return p
}

func put(t testing.TB, s body.Store, clear []byte) body.Ref {
	t.Helper()
	ref, err := s.Put(ctx, bytes.NewReader(clear))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// read returns what Open yields from offset, and the error that ended it.
func read(s body.Store, ref body.Ref, offset int64) ([]byte, error) {
	r, err := s.Open(ctx, ref, offset)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(onlyReader{r})
	return got, errors.Join(err, r.Close())
}

// onlyReader hides WriteTo, so that Read is what is tested.
type onlyReader struct{ io.Reader }

// octets is the size of all body files.
func octets(t testing.TB, dir string) (n int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "bodies-*.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}
