package journal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

var (
	ctx   = context.Background()
	start = time.Date(2026, 3, 1, 9, 30, 0, 123456789, time.FixedZone("MSK", 3*3600))
)

// openStore returns a store with one account.
func openStore(t testing.TB) (mailstore.Store, mailstore.ID) {
	t.Helper()
	s, err := boltstore.Open(ctx, boltstore.Options{Dir: t.TempDir(), MasterKey: [32]byte{1}, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, newAccount(t, s, "one@org.example")
}

func newAccount(t testing.TB, s mailstore.Store, address string) mailstore.ID {
	t.Helper()
	id := mailstore.NewID()
	err := s.Directory().CreateAccount(ctx, mailstore.Account{ID: id, Holder: mailstore.NewID(), Addresses: []string{address}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// entry is the i-th entry of a test, always the same.
func entry(i int) journal.Entry {
	kinds := []string{journal.Accepted, journal.Delivered, journal.Login}
	e := journal.Entry{
		At: start.Add(time.Duration(i) * time.Second), Kind: kinds[i%len(kinds)],
		Details: journal.Details{"number": fmt.Sprintf("GP-202603-%08d-0", i), "to": "Иванов <ivanov@org>"},
	}
	sum := sha256.Sum256(fmt.Append(nil, i))
	e.Salt = [journal.SaltSize]byte(sum[:])
	return e
}

// fill appends n entries, some to an Update, and returns the heads after
// each size.
func fill(t testing.TB, s mailstore.Store, account mailstore.ID, n, perUpdate int) []journal.Tree {
	t.Helper()
	heads := []journal.Tree{head(t, s, account)}
	for from := 0; from < n; from += perUpdate {
		var now []journal.Tree
		err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
			now = now[:0]
			for i := from; i < min(from+perUpdate, n); i++ {
				index, err := journal.Append(tx, entry(i))
				if err != nil {
					return err
				}
				if index != int64(i) {
					return fmt.Errorf("index %d, want %d", index, i)
				}
				tree, err := journal.Head(tx)
				if err != nil {
					return err
				}
				now = append(now, tree)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, now...)
	}
	return heads
}

func head(t testing.TB, s mailstore.Store, account mailstore.ID) (tree journal.Tree) {
	t.Helper()
	view(t, s, account, func(tx mailstore.Tx) (err error) {
		tree, err = journal.Head(tx)
		return err
	})
	return tree
}

func view(t testing.TB, s mailstore.Store, account mailstore.ID, fn func(mailstore.Tx) error) {
	t.Helper()
	if err := s.View(ctx, account, fn); err != nil {
		t.Fatal(err)
	}
}

// stranger recomputes a head from the records alone, with nothing but the
// package's documentation and RFC 6962 §2.1.
func stranger(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		sum := sha256.Sum256(nil)
		return sum[:]
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	sum := sha256.Sum256(slices.Concat([]byte{1}, stranger(leaves[:k]), stranger(leaves[k:])))
	return sum[:]
}

func strangersLeaf(rec mailstore.JournalRecord) []byte {
	commit := sha256.Sum256(slices.Concat([]byte("gosbridge journal details 1\x00"), rec.Salt, rec.Details))
	be := func(n int64) []byte {
		return []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	}
	leaf := sha256.Sum256(slices.Concat([]byte{0}, []byte("gosbridge journal record 1\x00"),
		be(rec.Index), be(rec.At.UnixMilli()), []byte{byte(len(rec.Kind))}, []byte(rec.Kind), commit[:]))
	return leaf[:]
}

func TestAppend(t *testing.T) {
	s, account := openStore(t)
	const n = 70
	heads := fill(t, s, account, n, 3)
	view(t, s, account, func(tx mailstore.Tx) error {
		var leaves [][]byte
		var i int
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			if want := stranger(leaves); heads[i].Size != int64(i) || !bytes.Equal(heads[i].Root[:], want) {
				t.Errorf("head of %d: %d %x, want %x", i, heads[i].Size, heads[i].Root, want)
			}
			want := entry(i)
			details, err := journal.ParseDetails(rec.Details)
			if err != nil {
				return err
			}
			if !rec.At.Equal(want.At.Truncate(time.Millisecond)) || rec.Kind != want.Kind || !bytes.Equal(rec.Salt, want.Salt[:]) ||
				details["number"] != want.Details["number"] || details["to"] != want.Details["to"] {
				t.Errorf("record %d is %+v", i, rec)
			}
			leaves = append(leaves, strangersLeaf(rec))
			i++
		}
		if want := stranger(leaves); i != n || heads[n].Size != n || !bytes.Equal(heads[n].Root[:], want) {
			t.Errorf("head of %d: %x, want %x", i, heads[n].Root, want)
		}
		tree, err := journal.Verify(tx)
		if err != nil || tree != heads[n] {
			t.Errorf("verify: %+v, %v, want %+v", tree, err, heads[n])
		}
		return nil
	})
}

// The octets that are hashed never change: records live ten years.
func TestLeafGolden(t *testing.T) {
	details, err := journal.Details{"number": "GP-202603-00000001-8"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	salt := bytes.Repeat([]byte{7}, journal.SaltSize)
	rec := mailstore.JournalRecord{Index: 5, At: time.UnixMilli(1772346600123), Kind: journal.Accepted, Commit: journal.Commit(salt, details)}
	leaf := journal.Leaf(rec)
	const wantCommit = "deadbb18a0f32aa755128e6eea94644803350d26dfee06d0724d7a6ef12be47f"
	const wantLeaf = "388b3d4aeb48db2a41a232566658441c0727439d4321f671371518a2c74a6164"
	if got := hex.EncodeToString(rec.Commit[:]); got != wantCommit {
		t.Errorf("commit %s", got)
	}
	if got := hex.EncodeToString(leaf[:]); got != wantLeaf {
		t.Errorf("leaf %s", got)
	}
}

// An Update's function may run twice: the same entry gives the same record,
// and what failed has left nothing.
func TestAppendTwice(t *testing.T) {
	s, account := openStore(t)
	fill(t, s, account, 5, 5)
	other := newAccount(t, s, "two@org.example")
	fill(t, s, other, 5, 1)
	if head(t, s, account) != head(t, s, other) {
		t.Error("the same entries have two heads")
	}
	stop := errors.New("thought better of it")
	err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
		if _, err := journal.Append(tx, entry(5)); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) || head(t, s, account) != head(t, s, other) {
		t.Errorf("a failed Update left an entry: %v", err)
	}
	e := journal.NewEntry(start, journal.Login, nil)
	if again := journal.NewEntry(start, journal.Login, nil); e.Salt == again.Salt {
		t.Error("two entries have one salt")
	}
}

func TestAppendRefuses(t *testing.T) {
	s, account := openStore(t)
	good := entry(0)
	for name, spoil := range map[string]func(*journal.Entry){
		"no kind":         func(e *journal.Entry) { e.Kind = "" },
		"kind with space": func(e *journal.Entry) { e.Kind = "log in" },
		"kind too long":   func(e *journal.Entry) { e.Kind = strings.Repeat("a", 33) },
		"upper case kind": func(e *journal.Entry) { e.Kind = "Login" },
		"no salt":         func(e *journal.Entry) { e.Salt = [journal.SaltSize]byte{} },
		"no time":         func(e *journal.Entry) { e.At = time.Time{} },
		"detail name":     func(e *journal.Entry) { e.Details = journal.Details{"a b": ""} },
		"empty name":      func(e *journal.Entry) { e.Details = journal.Details{"": ""} },
		"long details":    func(e *journal.Entry) { e.Details = journal.Details{"a": strings.Repeat("x", journal.MaxDetails)} },
	} {
		e := good
		spoil(&e)
		err := s.Update(ctx, account, func(tx mailstore.UpdateTx) error {
			// Refused before anything is written, so the Update may go on.
			if _, err := journal.Append(tx, e); !errors.Is(err, journal.ErrEntry) {
				t.Errorf("%s: %v, want ErrEntry", name, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := head(t, s, account); got.Size != 0 {
		t.Errorf("%d entries were written", got.Size)
	}
}

func TestDetails(t *testing.T) {
	for _, c := range []struct {
		details journal.Details
		want    string
	}{
		{nil, `{}`},
		{journal.Details{"b": "2", "a": "1", "a-b": ""}, `{"a":"1","a-b":"","b":"2"}`},
		{journal.Details{"x": "\"\\\b\t\n\f\r\x00\x1f\x7f/<>&\u2028"}, "{\"x\":\"\\\"\\\\\\b\\t\\n\\f\\r\\u0000\\u001f\x7f/<>&\u2028\"}"},
		{journal.Details{"x": "Жалоба 😀"}, `{"x":"Жалоба 😀"}`},
		{journal.Details{"x": "a\xffb"}, "{\"x\":\"a\uFFFDb\"}"},
	} {
		got, err := c.details.Encode()
		if err != nil || string(got) != c.want {
			t.Errorf("%q encoded to %s, %v, want %s", c.details, got, err, c.want)
		}
		back, err := journal.ParseDetails(got)
		if err != nil || len(back) != len(c.details) {
			t.Errorf("%s parsed to %q, %v", got, back, err)
		}
	}
	for _, bad := range []string{
		``, `null`, `[]`, `{"a":1}`, `{"a":"1","a":"1"}`, `{"b":"","a":""}`, `{ "a":""}`, `{"a":""} `,
		`{"A":""}`, `{"a":"\u0041"}`, `{"a":"\/"}`, "{\"a\":\"\xff\"}", `{"a":{}}`, `{"a":null}`,
	} {
		if d, err := journal.ParseDetails([]byte(bad)); !errors.Is(err, journal.ErrEntry) {
			t.Errorf("%s parsed to %q, %v", bad, d, err)
		}
	}
}

func FuzzParseDetails(f *testing.F) {
	f.Add([]byte(`{"a":"1","b":"\u0001"}`), "value")
	f.Add([]byte(`{"b":"","a":""}`), "\xff\n\"")
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		if d, err := journal.ParseDetails(data); err == nil {
			if again, err := d.Encode(); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%q became %q, %v", data, again, err)
			}
		}
		if out, err := (journal.Details{"a": value}).Encode(); err == nil {
			d, err := journal.ParseDetails(out)
			if err != nil || d["a"] != strings.ToValidUTF8(value, "\uFFFD") {
				t.Fatalf("%q came back as %q, %v", value, d["a"], err)
			}
		}
	})
}

func TestKinds(t *testing.T) {
	for _, kind := range []string{journal.Accepted, journal.State, journal.Opened, journal.LoginFailed, journal.Destroyed} {
		if text, ok := journal.Describe(kind); !ok || text == "" {
			t.Errorf("kind %s has no description", kind)
		}
	}
	if _, ok := journal.Describe("unheard-of"); ok {
		t.Error("an unknown kind has a description")
	}
}
