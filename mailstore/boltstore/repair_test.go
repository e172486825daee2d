package boltstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// opened opens a store that is closed at the end of the test, without a check.
func opened(t *testing.T, opts Options) *Store {
	t.Helper()
	s, err := Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rawBodies changes a body file behind the store's back.
func rawBodies(t *testing.T, dir string, fn func(index, chunks *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(dir, "bodies-0.db"), 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error { return fn(tx.Bucket([]byte("index")), tx.Bucket([]byte("chunks"))) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// chunk is the first chunk of segments in a body file.
func chunk(chunks *bolt.Bucket) (k []byte, b *bolt.Bucket) {
	k, _ = chunks.Cursor().First()
	return copied(k), chunks.Bucket(k)
}

// TestLargeBodies damages the file of large bodies: the check tells of the file
// and of the message, and a repair takes the message out, for mail programs too.
func TestLargeBodies(t *testing.T) {
	seg0, seg1 := []byte{0, 0, 0, 0}, []byte{0, 0, 0, 1}
	for _, c := range []struct {
		name   string
		damage func(index, chunks *bolt.Bucket) error
		found  string
		left   string
	}{
		{"segment flipped", func(_, chunks *bolt.Bucket) error {
			_, b := chunk(chunks)
			v := copied(b.Get(seg1))
			v[99] ^= 1
			return b.Put(seg1, v)
		}, "body row", ""},
		{"segment cut", func(_, chunks *bolt.Bucket) error {
			_, b := chunk(chunks)
			v := b.Get(seg1)
			return b.Put(seg1, copied(v[:len(v)-1]))
		}, "body chunks, body row", "body chunks"},
		{"segment removed", func(_, chunks *bolt.Bucket) error {
			_, b := chunk(chunks)
			return b.Delete(seg0)
		}, "body chunks, body row", "body chunks"},
		{"segments swapped", func(_, chunks *bolt.Bucket) error {
			_, b := chunk(chunks)
			v0, v1 := copied(b.Get(seg0)), copied(b.Get(seg1))
			return errors.Join(b.Put(seg0, v1), b.Put(seg1, v0))
		}, "body row", ""},
		{"chunk removed", func(_, chunks *bolt.Bucket) error {
			k, _ := chunk(chunks)
			return chunks.DeleteBucket(k)
		}, "body chunks, body row", "body chunks"},
		{"row removed", func(index, _ *bolt.Bucket) error {
			k, _ := index.Cursor().First()
			return index.Delete(copied(k))
		}, "body row", ""},
		{"name flipped", func(index, _ *bolt.Bucket) error {
			k, v := index.Cursor().First()
			v = copied(v)
			v[0] ^= 1
			return index.Put(copied(k), v)
		}, "body row", ""},
		{"row cut", func(index, _ *bolt.Bucket) error {
			k, v := index.Cursor().First()
			return index.Put(copied(k), copied(v[:20]))
		}, "body index, body row", "body index"},
		{"place of another file", func(index, _ *bolt.Bucket) error {
			k, v := index.Cursor().First()
			k, v = copied(k), copied(v)
			k[0] = 9
			return index.Put(k, v)
		}, "body chunks, body index", "body chunks, body index"},
		{"chunk without sense", func(_, chunks *bolt.Bucket) error { return chunks.Put([]byte("x"), []byte("y")) },
			"body chunks", "body chunks"},
		{"unfinished", func(_, chunks *bolt.Bucket) error {
			_, err := chunks.CreateBucket(binary.BigEndian.AppendUint64(nil, 99<<32))
			if err == nil {
				_, err = chunks.CreateBucket(append(binary.BigEndian.AppendUint64(nil, 99), 0, 0, 0, 0))
			}
			return errors.Join(err, chunks.DeleteBucket(binary.BigEndian.AppendUint64(nil, 99<<32)))
		}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := Options{Dir: t.TempDir()}
			a := fullStore(t, opts)
			rawBodies(t, opts.Dir, c.damage)
			s := opened(t, opts)
			findings, found := inspect(t, s)
			if strings.Join(found, ", ") != c.found {
				t.Errorf("found %q, want %q", found, c.found)
			}
			vanishes := strings.Contains(c.found, "body row")
			for _, f := range findings {
				if f.Bucket == "row" && (f.File != "bodies-0.db" || f.Account != a || f.Mailbox != 2 || f.UID != 1 || f.Body == "") {
					t.Errorf("place %+v", f)
				}
			}
			before := changesOf(t, s, a, 0).HighestMod
			mends := mend(t, s)
			if vanishes != (len(mends) > 0) {
				t.Errorf("mends %q", mends)
			}
			if _, left := inspect(t, s); strings.Join(left, ", ") != c.left {
				t.Errorf("left %q, want %q", left, c.left)
			}
			if !vanishes {
				return
			}
			if ch := changesOf(t, s, a, before); !ch.Complete || !ch.Vanished.Contains(1) {
				t.Errorf("a mail program is told %+v", ch)
			}
		})
	}
}

// changesOf is what a mail program is told of mailbox 2.
func changesOf(t *testing.T, s *Store, a mailstore.ID, since mailstore.ModSeq) (c mailstore.Changes) {
	t.Helper()
	err := s.View(ctx, a, func(tx mailstore.Tx) (err error) {
		c, err = tx.Changes(2, since)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLostFile takes the file of large bodies away, or puts an empty one in its
// place. The messages stay: the file may come back.
func TestLostFile(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	a := fullStore(t, opts)
	path := filepath.Join(opts.Dir, "bodies-0.db")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, opts) // makes a new one
	if err != nil {
		t.Fatal(err)
	}
	findings, found := inspect(t, s)
	if strings.Join(found, ", ") != "body row" || !strings.Contains(findings[0].Text, "given out") {
		t.Errorf("found %+v", findings)
	}
	if mends := mend(t, s); len(mends) > 0 {
		t.Errorf("mends %q", mends)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	s = opened(t, opts)
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	if ch := changesOf(t, s, a, 0); !ch.Changed.Contains(1) {
		t.Errorf("%+v", ch)
	}
}

// TestRemovedHold takes a holder's hold on a body away: whatever names the body
// goes, and the record of what was set aside says what is known of it.
func TestRemovedHold(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	a := fullStore(t, opts)
	var name []byte
	raw(t, opts.Dir, func(tx *bolt.Tx) error {
		_, v := tx.Bucket([]byte("row")).Cursor().First()
		var r row
		if err := r.decode(v); err != nil {
			return err
		}
		name = copied(r.body.name[:])
		return tx.Bucket([]byte("wrap")).Delete(key(name, uint32(1)))
	})
	s := opened(t, opts)
	if _, found := inspect(t, s); strings.Join(found, ", ") != "body item, body row, orphan inline" {
		t.Errorf("found %q", found)
	}
	mend(t, s)
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	lost, err := os.ReadFile(filepath.Join(opts.Dir, "lost+found-20260301T120000Z", "records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var uids []mailstore.UID
	items := 0
	for line := range bytes.Lines(lost) {
		var rec lostRecord
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		switch rec.Bucket {
		case "row":
			if rec.Account != a || rec.Clear == nil || rec.Clear.Size != 5 || rec.Clear.Body != body.Name(name).String() || len(rec.Record) < 100 {
				t.Errorf("record %s", line)
			}
			uids = append(uids, rec.UID)
		case "item":
			items++
			if rec.Item == nil || rec.Item.Account != a || rec.Item.Class != "c" {
				t.Errorf("record %s", line)
			}
		}
	}
	if len(uids) != 2 || items != 1 {
		t.Errorf("set aside: messages %v, %d items", uids, items)
	}
	info, err := os.Stat(filepath.Join(opts.Dir, "lost+found-20260301T120000Z", "records.jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestPurgeDamage plants what the purge of deleted mailboxes cannot come by.
func TestPurgeDamage(t *testing.T) {
	stop := errors.New("not now")
	opts := Options{Dir: t.TempDir(), Hook: func(step string) error {
		if step == "purge" {
			return stop
		}
		return nil
	}}
	a := fullStore(t, opts)
	s := opened(t, opts)
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return tx.DeleteMailbox(2) })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	other := mailstore.NewID()
	err = s.submit(ctx, func(w *work) error {
		return errors.Join(
			w.put(bPurge, boxKey(1, 2), copied(other[:])), // names another account
			w.put(bPurge, boxKey(1, 1), copied(a[:])))     // INBOX, which is there
	})
	if err != nil {
		t.Fatal(err)
	}
	if findings, _ := inspect(t, s); len(findings) != 2 || findings[0].Bucket != "purge" || findings[1].Bucket != "purge" {
		t.Errorf("found %+v", findings)
	}
	mend(t, s)
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	if n := messages(t, s, a); n != 2 {
		t.Errorf("%d messages in INBOX", n)
	}
}

// TestDamagedPages overwrites pages of the metadata file, and cuts it: the check
// tells, and neither it nor the start breaks down.
func TestDamagedPages(t *testing.T) {
	page := os.Getpagesize()
	for _, name := range []string{"row", "wrap", "journal"} {
		opts := Options{Dir: t.TempDir()}
		fullStore(t, opts)
		path := filepath.Join(opts.Dir, metaFile)
		var at int
		raw(t, opts.Dir, func(tx *bolt.Tx) error {
			// So many rows that the bucket has pages of its own.
			for i := range uint64(2000) {
				if err := tx.Bucket([]byte(name)).Put(key(^uint32(0), i, make([]byte, 8)), make([]byte, 100)); err != nil {
					return err
				}
			}
			return nil
		})
		s := opened(t, opts) // and closed again, with the list of free pages
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		raw(t, opts.Dir, func(tx *bolt.Tx) error {
			at = int(tx.Bucket([]byte(name)).RootPage())
			return errUndo
		})
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteAt(bytes.Repeat([]byte{0x5a}, page), int64(at*page))
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		s, err = Open(ctx, opts)
		if err != nil {
			if !errors.Is(err, mailstore.ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if _, found := inspect(t, s); !strings.Contains(strings.Join(found, ", "), "page "+name) {
			t.Errorf("%s: found %q", name, found)
		}
		_ = s.Close()
	}
	opts := Options{Dir: t.TempDir()}
	fullStore(t, opts)
	if err := os.Truncate(filepath.Join(opts.Dir, metaFile), int64(4*page)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, opts); !errors.Is(err, mailstore.ErrDamaged) {
		t.Errorf("cut short: %v", err)
	}
}

// TestRepairCrash ends a repair at each of its commits: the next one finds the
// rest, and the outcome is the same.
func TestRepairCrash(t *testing.T) {
	spoil := func(tx *bolt.Tx) error {
		for _, n := range []bucket{bEmail, bShows, bFlag, bBoxName, bDue, bLetTime, bState} {
			if !damage(tx, n, "removed") {
				return errors.New("nothing to damage")
			}
		}
		if !damage(tx, bInline, "flipped") || !damage(tx, bBox, "flipped") {
			return errors.New("nothing to damage")
		}
		return nil
	}
	crash := errors.New("crash")
	for after := 0; ; after++ {
		left := after
		opts := Options{Dir: t.TempDir()}
		a := fullStore(t, opts)
		raw(t, opts.Dir, spoil)
		armed := opts
		armed.Hook = func(step string) error {
			if step == "commit" {
				if left--; left < 0 {
					return crash
				}
			}
			return nil
		}
		s, err := Open(ctx, armed)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Repair(ctx, time.Now(), mailstore.CheckOptions{Bodies: true}, func(mailstore.Mend) {})
		if err != nil && !errors.Is(err, crash) {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = opened(t, opts)
		mend(t, s)
		if err := s.Check(ctx); err != nil {
			t.Fatalf("after %d commits: %v", after, err)
		}
		if n := messages(t, s, a); n != 1 {
			t.Errorf("after %d commits: %d messages in INBOX", after, n)
		}
		if left >= 0 {
			if after < 5 {
				t.Errorf("a repair of %d commits", after)
			}
			return
		}
	}
}
