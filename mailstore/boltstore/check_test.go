package boltstore

import (
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// fullStore makes a store with a row in every bucket but purge.
func fullStore(t *testing.T, opts Options) mailstore.ID {
	t.Helper()
	s, a := testStore(t, opts)
	d := s.Directory()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.PutCredential(ctx, mailstore.Credential{ID: mailstore.NewID(), Account: a, Data: []byte("x")}))
	must(d.PutSetting(ctx, "name", []byte("x")))
	letter := mailstore.NewID()
	kept, err := s.Bodies().Put(ctx, strings.NewReader("kept"))
	must(err)
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error { // it ends in the vault
		m := mailstore.NewMessage{EmailID: mailstore.NewID(), LetterID: letter, Content: mailstore.Content{Body: kept, Length: 4}}
		if err := tx.Keep(mailstore.Kept{EmailID: m.EmailID, LetterID: letter, Until: time.Now()}); err != nil {
			return err
		}
		if _, err := tx.Append(1, m); err != nil {
			return err
		}
		_, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1}}, false)
		return err
	}))
	for i := range int64(3) {
		ref, err := s.Bodies().Put(ctx, strings.NewReader("text"))
		must(err)
		item := mailstore.Item{ID: mailstore.NewID(), Account: a, Class: "c", Bodies: []body.Ref{ref}}
		must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			m := mailstore.NewMessage{EmailID: mailstore.NewID(), LetterID: letter, Keys: []string{"k"}, Summary: []byte("x"), Content: mailstore.Content{Body: ref, Length: 4}}
			if _, err := tx.Append(1, m); err != nil {
				return err
			}
			if err := tx.Enqueue(item); err != nil {
				return err
			}
			return tx.AppendJournal(mailstore.JournalRecord{Index: i, Details: []byte("x")}, []mailstore.Hash{{}})
		}))
		if i == 0 {
			must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
				if _, err := tx.Expunge(1, mailstore.UIDSet{{Start: 1}}, false); err != nil {
					return err
				}
				return tx.Cancel(item.ID)
			}))
		}
	}
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		if err := tx.PutLetter(mailstore.Letter{ID: letter, Role: 1, At: time.Now(), Keys: []string{"k"}}); err != nil {
			return err
		}
		return tx.PutEvidence(mailstore.Evidence{ID: mailstore.NewID(), Letter: letter})
	}))
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		for range doomedFrom {
			if _, err := tx.Append(2, mailstore.NewMessage{EmailID: mailstore.NewID()}); err != nil {
				return err
			}
		}
		_, err := tx.Expunge(2, mailstore.UIDSet{{Start: 1}}, false)
		return err
	}))
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Append(2, mailstore.NewMessage{EmailID: mailstore.NewID()})
		return err
	}))
	must(s.Check(ctx))
	must(s.Close())
	return a
}

// TestCheckFinds damages one row of each bucket: the check must notice, or the
// store not even open.
func TestCheckFinds(t *testing.T) {
	for n, name := range bucketNames {
		if bucket(n) == bPurge {
			continue
		}
		for what, damage := range map[string]func(b *bolt.Bucket, k, v []byte) error{
			"removed": func(b *bolt.Bucket, k, _ []byte) error { return b.Delete(k) },
			"flipped": func(b *bolt.Bucket, k, v []byte) error {
				if len(v) == 0 {
					return b.Delete(k)
				}
				v[len(v)-1] ^= 1
				return b.Put(k, v)
			},
		} {
			if unnoticed[name+" "+what] {
				continue
			}
			t.Run(name+" "+what, func(t *testing.T) {
				var held atomic.Bool
				held.Store(true)
				opts := Options{Dir: t.TempDir(), Hook: hold(&held)}
				fullStore(t, opts)
				raw(t, opts.Dir, func(tx *bolt.Tx) error {
					b := tx.Bucket([]byte(name))
					k, v := b.Cursor().Last()
					if k == nil {
						t.Fatal("nothing in the bucket")
					}
					return damage(b, copied(k), copied(v))
				})
				s, err := Open(ctx, opts)
				if err != nil {
					return
				}
				if err := s.Check(ctx); err == nil {
					t.Error("not noticed")
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// unnoticed are rows that nothing else speaks of: no check can miss them. The
// last hash is the tree's business, which package journal verifies, and the
// time in past is kept for people.
var unnoticed = map[string]bool{
	"cred removed": true, "setting removed": true, "evidence removed": true, "letkey removed": true, "letkey flipped": true,
	"meta flipped": true, "meta removed": true, "hash flipped": true, "past flipped": true,
}

// FuzzDecode feeds the decoders of all records with octets: they must answer,
// and what they understood they must write again as it was understood.
func FuzzDecode(f *testing.F) {
	st := state{modseq: 5, nextBox: 2, octets: 99}
	f.Add(st.encode())
	f.Add(encodeChunk([]flagRow{{uid: 3, flags: 1, mod: 70, keywords: []byte{1, 2}}, {uid: 9, mod: 71}}))
	f.Add((&logEntry{created: mailstore.UIDSet{{Start: 1, Stop: 5}}, vanished: mailstore.UIDSet{{Start: 7, Stop: 7}}}).encode())
	f.Add((&row{size: 5, letter: mailstore.ID{1}, received: time.Now(), summary: []byte("s")}).encode())
	f.Add((&itemRecord{Item: mailstore.Item{Class: "c"}, bodies: []bodyRef{{size: 5}}}).encode())
	f.Add(encodeKept(mailstore.Kept{LetterID: mailstore.ID{1}, Until: time.Now(), Held: true}))
	f.Add((&vaultEntry{box: 1, uid: 2, flags: 1, at: time.Now(), row: row{size: 5}}).encode())
	f.Add((&emailRecord{uid: 1, mod: 2, at: []mailstore.Location{{Mailbox: 1, UID: 2}}}).encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if st, err := decodeState(raw); err == nil {
			same(t, st, decodeState, st.encode())
		}
		if r, err := decodeEmail(raw); err == nil {
			same(t, r, decodeEmail, r.encode())
		}
		if rows, err := decodeChunk(nil, 0, raw); err == nil && ascending(rows) {
			same(t, rows, func(raw []byte) ([]flagRow, error) { return decodeChunk(nil, 0, raw) }, encodeChunk(rows))
		}
		_ = decodeLog(&logEntry{}, raw)
		_ = (&row{}).decode(raw)
		_, _ = decodeItem(mailstore.ID{}, raw)
		_, _ = decodeWrapping(raw)
		_, _, _, _ = decodeDoomed(raw, raw)
		_, _, _ = decodeAccountHead(mailstore.ID{}, raw)
		_, _, _ = decodeLetterHead(raw, raw)
		if k, err := decodeKept(mailstore.ID{}, raw); err == nil {
			k, err = decodeKept(mailstore.ID{}, encodeKept(k)) // times are clamped once
			if err != nil {
				t.Fatal(err)
			}
			same(t, k, func(raw []byte) (mailstore.Kept, error) { return decodeKept(mailstore.ID{}, raw) }, encodeKept(k))
		}
		if len(raw) > 40 { // any id that the row may have
			_, _ = decodeVaultEntry(mailstore.ID(raw[18:34]), raw)
		}
	})
}

func ascending(rows []flagRow) bool {
	for i, r := range rows {
		if r.uid >= chunkUIDs || i > 0 && rows[i-1].uid >= r.uid {
			return false
		}
	}
	return true
}

// same decodes a record again.
func same[T any](t *testing.T, want T, decode func([]byte) (T, error), raw []byte) {
	t.Helper()
	got, err := decode(raw)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v became %+v, %v", want, got, err)
	}
}
