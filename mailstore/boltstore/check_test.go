package boltstore

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// fullStore makes a closed store with a row in every bucket but purge: two
// messages with small bodies and one with a large one, a copy, a message that is
// gone, one in the vault, some that are doomed unless the options let them be
// dropped, a letter with evidence, a journal, and items that wait or are past.
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
	if _, err := d.ReserveNumbers(ctx, 1000); err != nil {
		t.Fatal(err)
	}
	letter := mailstore.NewID()
	kept, err := s.Bodies().Put(ctx, strings.NewReader("kept"))
	must(err)
	first := mailstore.Item{ID: mailstore.NewID(), Account: a, Class: "c", Bodies: []body.Ref{kept}}
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return tx.Enqueue(first) }))
	for i := range int64(3) {
		ref, err := s.Bodies().Put(ctx, strings.NewReader("text"))
		must(err)
		item := mailstore.Item{ID: mailstore.NewID(), Account: a, Class: "c", Bodies: []body.Ref{ref}}
		must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			m := mailstore.NewMessage{EmailID: mailstore.NewID(), LetterID: letter, Keys: []string{"k"}, Summary: []byte("x"), Content: mailstore.Content{Prefix: []byte("p"), Body: ref, Length: 4}}
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
	ref, err := s.Bodies().Put(ctx, strings.NewReader(strings.Repeat("large", 30000)))
	must(err)
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		m := mailstore.NewMessage{EmailID: mailstore.NewID(), Summary: []byte("x"), Keywords: []string{"Word"}, Content: mailstore.Content{Body: ref, Length: ref.Size}}
		_, err := tx.Append(2, m)
		return err
	}))
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		if err := tx.PutLetter(mailstore.Letter{ID: letter, Role: 1, At: time.Now(), Keys: []string{"k"}}); err != nil {
			return err
		}
		for range 2 {
			if err := tx.PutEvidence(mailstore.Evidence{ID: mailstore.NewID(), Letter: letter}); err != nil {
				return err
			}
		}
		if _, err := tx.SetFlags(1, mailstore.UIDSet{{Start: 2, Stop: 2}}, mailstore.FlagChange{Flags: mailstore.Seen}); err != nil {
			return err
		}
		_, err := tx.Copy(1, mailstore.UIDSet{{Start: 2, Stop: 2}}, 2)
		return err
	}))
	must(leave(s, a, letter, kept))
	must(s.Update(ctx, a, func(tx mailstore.UpdateTx) error { return tx.Cancel(first.ID) }))
	must(s.Check(ctx))
	must(s.Close())
	return a
}

// leave leaves a message in the vault and more than enough of them to be dropped
// behind. Their ids come before all others.
func leave(s *Store, a, letter mailstore.ID, kept body.Ref) error {
	m := mailstore.NewMessage{EmailID: mailstore.ID{15: 1}, LetterID: letter, Content: mailstore.Content{Prefix: []byte("p"), Body: kept, Length: 4}}
	var vault, crowd mailstore.UIDSet
	err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		vault = nil
		if err := tx.Keep(mailstore.Kept{EmailID: m.EmailID, LetterID: letter, Until: time.Now()}); err != nil {
			return err
		}
		got, err := tx.Append(1, m)
		if err != nil {
			return err
		}
		vault = appendUID(vault, got.UID)
		return nil
	})
	err = errors.Join(err, s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
		crowd = nil
		for i := range byte(doomedFrom) {
			got, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.ID{15: 2 + i}})
			if err != nil {
				return err
			}
			crowd = appendUID(crowd, got.UID)
		}
		return nil
	}))
	for _, gone := range []mailstore.UIDSet{vault, crowd} {
		err = errors.Join(err, s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(1, gone, false)
			return err
		}))
	}
	return err
}

// heldDrops are options under which what is doomed stays.
func heldDrops(dir string) Options {
	var held atomic.Bool
	held.Store(true)
	return Options{Dir: dir, Hook: hold(&held)}
}

// inspect checks a store and returns what it finds, as "kind bucket".
func inspect(t *testing.T, s *Store) (findings []mailstore.Finding, short []string) {
	t.Helper()
	_, err := s.Inspect(ctx, mailstore.CheckOptions{Bodies: true, Pages: true}, func(f mailstore.Finding) {
		findings = append(findings, f)
		if word := strings.TrimSpace(string(f.Kind) + " " + f.Bucket); !slices.Contains(short, word) {
			short = append(short, word)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(short)
	return findings, short
}

// TestCheckFinds plants damage: the check must tell of it, where it is, and the
// repair must mend what follows from the rest, and leave the rest alone.
func TestCheckFinds(t *testing.T) {
	for _, c := range planted {
		t.Run(bucketNames[c.n]+" "+c.what, func(t *testing.T) {
			opts := heldDrops(t.TempDir())
			fullStore(t, opts)
			raw(t, opts.Dir, func(tx *bolt.Tx) error {
				if !damage(tx, c.n, c.what) {
					t.Fatal("nothing to damage")
				}
				return nil
			})
			s, err := Open(ctx, opts)
			if c.found == "open" {
				if !errors.Is(err, mailstore.ErrDamaged) {
					t.Errorf("opened: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			_, found := inspect(t, s)
			if c.found == "?" && len(found) == 0 || c.found != "?" && !slices.Equal(found, words(c.found)) {
				t.Errorf("found %q, want %q", found, c.found)
			}
			mends := mend(t, s)
			if c.found != c.left && len(mends) == 0 {
				t.Error("nothing was mended")
			}
			if findings, left := inspect(t, s); !slices.Equal(left, words(c.left)) {
				t.Errorf("left %q, want %q\n%+v", left, c.left, findings)
			}
			if again := mend(t, s); len(again) > 0 {
				t.Errorf("a second repair did %+v", again)
			}
		})
	}
}

// Every bucket has a rule, a length of its keys, and planted damage of each kind
// or a reason why none is noticed.
func TestEveryBucketIsChecked(t *testing.T) {
	dir := t.TempDir()
	fullStore(t, heldDrops(dir))
	tested := map[string]bool{}
	for _, c := range planted {
		tested[bucketNames[c.n]+" "+c.what] = true
	}
	for n, name := range bucketNames {
		if rules[n] == nil {
			t.Errorf("bucket %s has no rule", name)
		}
		if variable := bucket(n) == bMeta || bucket(n) == bDue || bucket(n) == bGone; (keySizes[n] == 0) != variable {
			t.Errorf("bucket %s: keys of %d octets", name, keySizes[n])
		}
		for _, what := range []string{"removed", "first", "flipped", "added"} {
			possible := false
			raw(t, dir, func(tx *bolt.Tx) error {
				possible = damage(tx, bucket(n), what)
				return errUndo
			})
			test := name + " " + what
			if bucket(n) == bPurge {
				continue // TestPurgeDamage: the purge empties it
			}
			if known := tested[test] || unnoticed[test] != ""; known != possible {
				t.Errorf("%s: planted or excused: %t, possible: %t", test, known, possible)
			}
		}
	}
}

// mend repairs a store and returns what was done, as "action kind bucket".
func mend(t *testing.T, s *Store) (mends []string) {
	t.Helper()
	report, err := s.Repair(ctx, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), mailstore.CheckOptions{Bodies: true}, func(m mailstore.Mend) {
		mends = append(mends, strings.Join([]string{m.Action, string(m.Kind), m.Bucket}, " "))
	})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, k := range report.Mends {
		n += k
	}
	if n != int64(len(mends)) {
		t.Errorf("%d mends reported, %d told", n, len(mends))
	}
	return mends
}

// planted is damage of each bucket: its last row removed, the first or the last
// bit of that row's value flipped, and a row added. found is what the check tells
// of it ("?": something, by what random octets then mean), left what it tells
// after a repair; "open" is a store that does not open.
var planted = []struct {
	n           bucket
	what        string
	found, left string
}{
	{bMeta, "removed", "open", ""}, // the store's key
	{bMeta, "first", "open", ""},
	{bMeta, "flipped", "open", ""},
	{bHolder, "removed", "orphan wrap, unreadable account", "orphan wrap, unreadable account"},
	{bHolder, "first", "count meta, orphan wrap, unreadable account", "orphan wrap, unreadable account"},
	{bHolder, "flipped", "orphan wrap, unreadable account, unreadable holder", "orphan wrap, unreadable account, unreadable holder"},
	{bHolder, "added", "mismatch holder, unreadable holder", "mismatch holder, unreadable holder"},
	{bAccount, "removed", "orphan address, orphan holder, orphan item, " + ownerless, "orphan address, orphan holder, orphan item, " + ownerless},
	{bAccount, "first", "count meta, missing state, " + ownerless, ownerless},
	{bAccount, "flipped", "unreadable account", "unreadable account"},
	{bAccount, "added", "mismatch account", "mismatch account"},
	{bState, "removed", "missing state", ""},
	{bState, "first", "count state", ""},
	{bState, "flipped", "count state, orphan hash", ""},
	{bState, "added", "orphan state", "orphan state"},
	{bAddress, "removed", "missing address", ""},
	{bAddress, "first", "missing address, orphan address", ""},
	{bAddress, "flipped", "missing address, orphan address", ""},
	{bAddress, "added", "orphan address", ""},
	{bCred, "first", "unreadable cred", "unreadable cred"},
	{bCred, "flipped", "unreadable cred", "unreadable cred"},
	{bCred, "added", "unreadable cred", "unreadable cred"},
	{bSetting, "first", "unreadable setting", "unreadable setting"},
	{bSetting, "flipped", "unreadable setting", "unreadable setting"},
	{bSetting, "added", "unreadable setting", "unreadable setting"},
	{bBox, "removed", "count state, orphan boxname, orphan flag, orphan log, orphan row", ""},
	{bBox, "flipped", "unreadable box", ""},
	{bBox, "added", "unreadable box", ""},
	{bBoxName, "removed", "missing boxname", ""},
	{bBoxName, "first", "missing boxname, orphan boxname", ""},
	{bBoxName, "flipped", "missing boxname, orphan boxname", ""},
	{bBoxName, "added", "orphan boxname", ""},
	{bRow, "removed", "count box, count wrap, missing row, orphan email, orphan rowkey, orphan shows", ""},
	{bRow, "first", "?", ""},
	{bRow, "flipped", "unreadable row", ""},
	{bRow, "added", "count box, count wrap, missing email, missing flag, missing rowkey, missing shows, unreadable row", ""},
	{bFlag, "removed", "count box, missing flag", ""},
	{bFlag, "first", "missing flag, missing row", ""},
	{bFlag, "flipped", "missing flag, unreadable flag", ""},
	{bFlag, "added", "count box, missing row", ""},
	{bLog, "removed", "count box, missing log", ""},
	{bLog, "first", "missing log, unreadable log", ""},
	{bLog, "flipped", "missing log, unreadable log", ""},
	{bLog, "added", "count box, mismatch log", ""},
	{bEmail, "removed", "missing email", ""},
	{bEmail, "flipped", "missing email, orphan email", ""},
	{bEmail, "added", "orphan email", ""},
	{bShows, "removed", "missing shows", ""},
	{bShows, "added", "orphan shows", ""},
	{bLetter, "removed", "orphan letkey, orphan lettime", ""},
	{bLetter, "first", "unreadable letter", "unreadable letter"},
	{bLetter, "flipped", "unreadable letter", "unreadable letter"},
	{bLetter, "added", "unreadable letter", "unreadable letter"},
	{bLetTime, "removed", "missing lettime", ""},
	{bLetTime, "added", "orphan lettime", ""},
	{bLetKey, "added", "orphan letkey", ""},
	{bEvidence, "flipped", "unreadable evidence", "unreadable evidence"},
	{bEvidence, "added", "missing evidence, unreadable evidence", "missing evidence, unreadable evidence"},
	{bJournal, "removed", "missing journal", "missing journal"},
	{bJournal, "flipped", "unreadable journal", "unreadable journal"},
	{bJournal, "added", "orphan journal, unreadable journal", "orphan journal, unreadable journal"},
	{bHash, "removed", "missing hash", "missing hash"},
	{bHash, "added", "orphan hash", "orphan hash"},
	{bItem, "removed", "count wrap, orphan due", ""},
	{bItem, "first", "count wrap, orphan item", ""},
	{bItem, "flipped", "unreadable item", ""},
	{bItem, "added", "count wrap, missing due, unreadable item", ""},
	{bDue, "removed", "missing due", ""},
	{bDue, "added", "orphan due", ""},
	{bPast, "removed", "orphan gone", ""},
	{bPast, "first", "missing gone", ""},
	{bPast, "flipped", "missing gone", ""},
	{bPast, "added", "missing gone", ""},
	{bGone, "removed", "missing gone", ""},
	{bGone, "added", "orphan gone", ""},
	{bWrap, "first", "count wrap", ""},
	{bWrap, "flipped", "?", ""},
	{bWrap, "added", "count wrap, orphan wrap", "count wrap, orphan wrap"},
	{bInline, "removed", "body item, body row", ""},
	{bInline, "first", "body item, body row", ""},
	{bInline, "flipped", "body item, body row", ""},
	{bInline, "added", "count meta, orphan inline", ""},
	{bDead, "removed", "orphan inline", ""},
	{bRowKey, "removed", "missing rowkey", ""},
	{bRowKey, "added", "orphan rowkey", ""},
	{bDoomed, "removed", "missing doomed", ""},
	{bDoomed, "first", "mismatch doomed", ""},
	{bDoomed, "flipped", "missing doomed, unreadable doomed", ""},
	{bDoomed, "added", "unreadable doomed", ""},
	{bKeep, "removed", "missing keep", ""},
	{bKeep, "flipped", "orphan keepend", ""},
	{bKeep, "added", "missing keepend", ""},
	{bKeepEnd, "removed", "missing keepend", ""},
	{bKeepEnd, "added", "missing keep", ""},
	{bVault, "removed", "count wrap", ""},
	{bVault, "first", "unreadable vault", ""},
	{bVault, "flipped", "unreadable vault", ""},
	{bVault, "added", "unreadable vault", ""},
}

// ownerless is what is found of an account whose record is not there. All of it
// stays: the record may come back with a backup.
const ownerless = "count wrap, orphan box, orphan boxname, orphan cred, orphan doomed, orphan email, orphan evidence, orphan flag, orphan gone, orphan hash, " +
	"orphan journal, orphan keep, orphan keepend, orphan letkey, orphan letter, orphan lettime, orphan log, orphan row, orphan rowkey, orphan shows, " +
	"orphan state, orphan vault"

// words are the parts of a list, sorted.
func words(list string) []string {
	if list == "" {
		return nil
	}
	w := strings.Split(list, ", ")
	slices.Sort(w)
	return w
}

// unnoticed is what no check can tell, and why.
var unnoticed = map[string]string{
	"cred removed":     "nothing else names a credential",
	"setting removed":  "nothing else names a setting",
	"letkey removed":   "the keys of letters are not kept in the clear; package letter looks for that of the number",
	"evidence removed": "the last of a chain: package letter knows it",
	"evidence first":   "its id: package letter compares it with the evidence itself",
	"journal first":    "its time: package journal hashes it",
	"hash first":       "package journal computes it anew",
	"hash flipped":     "package journal computes it anew",
	"box first":        "bits of UIDVALIDITY that the generation stands for",
	"email first":      "the UID that a repetition is answered with, for a day",
	"meta added":       "a name of a later release",
	"wrap removed":     "which row goes depends on the body's random name: TestRemovedHold",
	"dead added":       "it may have been swept already",
	"keep first":       "which letter it names: nobody else in the store has to",
}

// damage plants one kind of damage in a bucket; false where it has no row, or
// the rows no values, for it.
func damage(tx *bolt.Tx, n bucket, what string) bool {
	b := tx.Bucket([]byte(bucketNames[n]))
	k, v := b.Cursor().Last()
	k, v = copied(k), copied(v)
	if k == nil {
		return false
	}
	switch what {
	case "removed":
		return b.Delete(k) == nil
	case "first", "flipped":
		if len(v) == 0 {
			return false
		}
		at := len(v) - 1
		if what == "first" {
			at = 0
		}
		v[at] ^= 1
		return b.Put(k, v) == nil
	}
	// One more, under a key like the others.
	k[len(k)-1] ^= 0x40
	return b.Put(k, v) == nil
}
