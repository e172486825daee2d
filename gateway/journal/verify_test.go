package journal_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

// forged is a snapshot of a real journal that somebody with access to the
// disk and its keys has worked on.
type forged struct {
	mailstore.Tx
	records []mailstore.JournalRecord
	hashes  []mailstore.Hash
}

func (f *forged) JournalSize() (int64, error) { return int64(len(f.records)), nil }

func (f *forged) Journal(from int64, limit int) iter.Seq2[mailstore.JournalRecord, error] {
	return func(yield func(mailstore.JournalRecord, error) bool) {
		for i := from; i < int64(len(f.records)) && (limit == 0 || i < from+int64(limit)); i++ {
			if !yield(f.records[i], nil) {
				return
			}
		}
	}
}

func (f *forged) JournalHashes(indexes []int64) ([]mailstore.Hash, error) {
	out := make([]mailstore.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(f.hashes)) {
			return nil, errors.New("no such hash")
		}
		out[i] = f.hashes[x]
	}
	return out, nil
}

// rebuild makes hashes and indexes fit the records again.
func (f *forged) rebuild() {
	for i := range f.records {
		f.records[i].Index = int64(i)
		if f.records[i].Details != nil {
			f.records[i].Commit = journal.Commit(f.records[i].Salt, f.records[i].Details)
		}
	}
	f.hashes = nil
	var v journal.Rebuilder
	for _, rec := range f.records {
		f.hashes = append(f.hashes, v.Add(rec)...)
	}
}

// unreadable is a journal with a record that does not open.
type unreadable struct{ *forged }

func (u unreadable) Journal(from int64, limit int) iter.Seq2[mailstore.JournalRecord, error] {
	return func(yield func(mailstore.JournalRecord, error) bool) {
		for rec, err := range u.forged.Journal(from, limit) {
			if rec.Index == 11 {
				yield(mailstore.JournalRecord{}, fmt.Errorf("open record: %w", mailstore.ErrDamaged))
				return
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

const forgedSize = 41

// snapshot copies a journal of forgedSize records out of a real store.
func snapshot(t *testing.T) (*forged, []journal.Tree) {
	t.Helper()
	s, account := openStore(t)
	heads := fill(t, s, account, forgedSize, 10)
	f := new(forged)
	view(t, s, account, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			f.records = append(f.records, rec)
		}
		for i := int64(0); ; i++ {
			h, err := tx.JournalHashes([]int64{i})
			if err != nil {
				return nil // no more
			}
			f.hashes = append(f.hashes, h...)
		}
	})
	if len(f.records) != forgedSize || len(f.hashes) != 79 {
		t.Fatalf("%d records and %d hashes", len(f.records), len(f.hashes))
	}
	return f, heads
}

// Every change that does not bring the hashes along is found, and the record
// is named.
func TestVerifyNames(t *testing.T) {
	f, heads := snapshot(t)
	if tree, err := journal.Verify(f); err != nil || tree != heads[forgedSize] {
		t.Fatalf("untouched: %+v, %v", tree, err)
	}
	for _, c := range []struct {
		name   string
		forge  func(f *forged)
		record int64
	}{
		{"details changed", func(f *forged) { f.records[7].Details = []byte(`{"number":"GP-0"}`) }, 7},
		{"salt changed", func(f *forged) { f.records[7].Salt = make([]byte, journal.SaltSize) }, 7},
		{"salt gone, details not", func(f *forged) { f.records[7].Salt = nil }, 7},
		{"details and commit changed", func(f *forged) {
			f.records[7].Details = []byte(`{}`)
			f.records[7].Commit = journal.Commit(f.records[7].Salt, []byte(`{}`))
		}, 7},
		{"commit of a destroyed one changed", func(f *forged) {
			f.records[7].Details, f.records[7].Salt = nil, nil
			f.records[7].Commit[0] ^= 1
		}, 7},
		{"time changed", func(f *forged) { f.records[0].At = f.records[0].At.Add(time.Millisecond) }, 0},
		{"kind changed", func(f *forged) { f.records[40].Kind = journal.Read }, 40},
		{"kind malformed", func(f *forged) { f.records[40].Kind = "" }, 40},
		{"index changed", func(f *forged) { f.records[12].Index = 13 }, 12},
		{"removed", func(f *forged) { f.records = slices.Delete(f.records, 20, 21) }, 20},
		{"removed and renumbered", func(f *forged) {
			f.records = slices.Delete(f.records, 20, 21)
			for i := range f.records {
				f.records[i].Index = int64(i)
			}
		}, 20},
		{"inserted", func(f *forged) { f.records = slices.Insert(f.records, 9, f.records[9]) }, 10},
		{"reordered", func(f *forged) { f.records[3], f.records[4] = f.records[4], f.records[3] }, 3},
		{"reordered and renumbered", func(f *forged) {
			f.records[3], f.records[4] = f.records[4], f.records[3]
			f.records[3].Index, f.records[4].Index = 3, 4
		}, 3},
		{"leaf hash changed", func(f *forged) { f.hashes[0][0] ^= 1 }, 0},
		{"inner hash changed", func(f *forged) { f.hashes[2][0] ^= 1 }, 1},
	} {
		f := &forged{records: slices.Clone(f.records), hashes: slices.Clone(f.hashes)}
		c.forge(f)
		_, err := journal.Verify(f)
		var wrong *journal.TamperedError
		if !errors.As(err, &wrong) || !errors.Is(err, journal.ErrTampered) || wrong.Index != c.record {
			t.Errorf("%s: %v, want record %d", c.name, err, c.record)
		}
	}
}

func TestVerifyUnreadable(t *testing.T) {
	f, _ := snapshot(t)
	_, err := journal.Verify(unreadable{f})
	var wrong *journal.TamperedError
	if !errors.As(err, &wrong) || wrong.Index != 11 || !errors.Is(err, mailstore.ErrDamaged) || !errors.Is(err, journal.ErrTampered) {
		t.Errorf("%v, want record 11 and the store's error", err)
	}
}

// Whoever also brings the hashes along is found by an earlier head.
func TestVerifyAgainstEarlier(t *testing.T) {
	f, heads := snapshot(t)
	for size, earlier := range heads {
		proof, now, err := journal.ProveLater(f, earlier)
		if err != nil || now != heads[forgedSize] {
			t.Errorf("untouched since %d: %v", size, err)
		}
		if err := journal.CheckLater(earlier, now, proof); err != nil {
			t.Errorf("proof from %d: %v", size, err)
		}
		if size > 0 && size < forgedSize {
			wrong := earlier
			wrong.Root[5] ^= 1
			if err := journal.CheckLater(wrong, now, proof); !errors.Is(err, journal.ErrProof) {
				t.Errorf("proof from %d to another root: %v", size, err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		forge func(f *forged)
		from  int // earlier heads from this size on show it
	}{
		{"changed", func(f *forged) { f.records[7].Details = []byte(`{}`) }, 8},
		{"time changed", func(f *forged) { f.records[0].At = start.Add(time.Hour) }, 1},
		{"removed", func(f *forged) { f.records = slices.Delete(f.records, 20, 21) }, 21},
		{"inserted", func(f *forged) { f.records = slices.Insert(f.records, 9, f.records[9]) }, 11},
		{"reordered", func(f *forged) { f.records[3], f.records[4] = f.records[4], f.records[3] }, 4},
		{"cut off", func(f *forged) { f.records = f.records[:30] }, 31},
		{"all removed", func(f *forged) { f.records = nil }, 1},
	} {
		f := &forged{records: slices.Clone(f.records)}
		c.forge(f)
		f.rebuild()
		if _, err := journal.Verify(f); err != nil {
			t.Fatalf("%s: the forgery is not clean: %v", c.name, err)
		}
		for size, earlier := range heads {
			_, _, err := journal.ProveLater(f, earlier)
			if found := errors.Is(err, journal.ErrProof); found != (size >= c.from) {
				t.Errorf("%s, against the head of %d: %v", c.name, size, err)
			}
		}
	}
}

// Destroyed details leave every proof valid.
func TestDestroyed(t *testing.T) {
	f, heads := snapshot(t)
	for _, i := range []int{0, 7, 40} {
		f.records[i].Details, f.records[i].Salt = nil, nil
	}
	if tree, err := journal.Verify(f); err != nil || tree != heads[forgedSize] {
		t.Errorf("%+v, %v", tree, err)
	}
	proof, tree, err := journal.Prove(f, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := journal.CheckRecord(f.records[7], proof, tree); err != nil {
		t.Error(err)
	}
}

func TestProve(t *testing.T) {
	f, heads := snapshot(t)
	for i := range f.records {
		proof, tree, err := journal.Prove(f, int64(i))
		if err != nil || tree != heads[forgedSize] {
			t.Fatalf("record %d: %+v, %v", i, tree, err)
		}
		if err := journal.CheckRecord(f.records[i], proof, tree); err != nil {
			t.Error(err)
		}
		for name, forge := range map[string]func(rec *mailstore.JournalRecord, tree *journal.Tree){
			"kind":    func(rec *mailstore.JournalRecord, _ *journal.Tree) { rec.Kind = journal.Read },
			"time":    func(rec *mailstore.JournalRecord, _ *journal.Tree) { rec.At = rec.At.Add(time.Second) },
			"index":   func(rec *mailstore.JournalRecord, _ *journal.Tree) { rec.Index = (rec.Index + 1) % forgedSize },
			"details": func(rec *mailstore.JournalRecord, _ *journal.Tree) { rec.Details = []byte(`{}`) },
			"root":    func(_ *mailstore.JournalRecord, tree *journal.Tree) { tree.Root[0] ^= 1 },
			"size":    func(_ *mailstore.JournalRecord, tree *journal.Tree) { tree.Size = 1 << 20 },
		} {
			rec, tree := f.records[i], tree
			forge(&rec, &tree)
			if err := journal.CheckRecord(rec, proof, tree); !errors.Is(err, journal.ErrProof) {
				t.Errorf("record %d with another %s: %v", i, name, err)
			}
		}
	}
	for _, index := range []int64{-1, forgedSize} {
		if _, _, err := journal.Prove(f, index); err == nil {
			t.Errorf("record %d was proved", index)
		}
	}
}

// A long journal is verified in slices, in Views of their own, while it grows.
func TestVerifierSteps(t *testing.T) {
	s, account := openStore(t)
	var v journal.Verifier
	total := 0
	for round := range 5 {
		err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
			for i := range 10 {
				if _, err := journal.Append(tx, entry(round*10+i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		total += 10
		for more := true; more; {
			view(t, s, account, func(tx mailstore.Tx) (err error) {
				more, err = v.Step(tx, 3)
				return err
			})
		}
		tree, err := v.Tree()
		if err != nil || tree != head(t, s, account) || tree.Size != int64(total) {
			t.Errorf("after %d: %+v, %v", total, tree, err)
		}
	}
	if _, err := v.Step(&forged{}, 10); !errors.Is(err, journal.ErrTampered) {
		t.Errorf("the journal vanished: %v", err)
	}
}

func benchmarkSizes() []int { return []int{1000, 100_000} }

func BenchmarkAppend(b *testing.B) {
	for _, perUpdate := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d", perUpdate), func(b *testing.B) {
			s, account := openStore(b)
			b.ResetTimer()
			for from := 0; from < b.N; from += perUpdate {
				err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
					for i := from; i < min(from+perUpdate, b.N); i++ {
						if _, err := journal.Append(tx, entry(i)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, n := range benchmarkSizes() {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			s, account := openStore(b)
			fill(b, s, account, n, 500)
			b.ResetTimer()
			for range b.N {
				view(b, s, account, func(tx mailstore.Tx) error {
					tree, err := journal.Verify(tx)
					if err == nil && tree.Size != int64(n) {
						err = fmt.Errorf("%d records", tree.Size)
					}
					return err
				})
			}
		})
	}
}
