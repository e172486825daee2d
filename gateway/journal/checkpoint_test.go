package journal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
)

const origin = "gosbridge.example/journal"

// keys are made by note.GenerateKey from a fixed source, so that files of a
// test are always the same.
func keys(t testing.TB, seed byte) (note.Signer, note.Verifier) {
	t.Helper()
	secret, public, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), "gosbridge.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func opaque(i int) string {
	return journal.OpaqueID([32]byte{9}, mailstore.ID{byte(i), byte(i >> 8)})
}

func checkpoint(n int) journal.Checkpoint {
	c := journal.Checkpoint{Origin: origin, Time: start.UTC().Truncate(time.Millisecond), Heads: make(map[string]journal.Tree)}
	for i := range n {
		c.Heads[opaque(i)] = journal.Tree{Size: int64(i), Root: mailstore.Hash{byte(i)}}
	}
	return c
}

func sign(t testing.TB, c journal.Checkpoint, signers ...note.Signer) []byte {
	t.Helper()
	file, err := c.Sign(signers...)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCheckpointFile(t *testing.T) {
	signer, verifier := keys(t, 1)
	second, secondVerifier := keys(t, 2)
	for _, n := range []int{0, 1, 2, 3, 1000, 20_000} {
		c := checkpoint(n)
		file := sign(t, c, signer, second)
		for _, v := range []note.Verifier{verifier, secondVerifier} {
			got, err := journal.OpenCheckpoint(file, origin, note.VerifierList(v))
			if err != nil || got.Origin != c.Origin || !got.Time.Equal(c.Time) || len(got.Heads) != n {
				t.Fatalf("%d heads: %s %s %d, %v", n, got.Origin, got.Time, len(got.Heads), err)
			}
			for id, tree := range c.Heads {
				if got.Heads[id] != tree {
					t.Fatalf("head %s: %+v, want %+v", id, got.Heads[id], tree)
				}
			}
		}
	}
	text, rest, _ := strings.Cut(string(sign(t, checkpoint(5), signer)), "\n\n")
	_, heads, _ := strings.Cut(rest, "\n\n")
	var leaves [][]byte
	for line := range strings.Lines(heads) {
		leaf := sha256.Sum256([]byte("\x00" + line))
		leaves = append(leaves, leaf[:])
	}
	want := origin + "\n5\n" + base64.StdEncoding.EncodeToString(stranger(leaves)) + "\ntime 2026-03-01T06:30:00.123Z"
	if text != want {
		t.Errorf("text is\n%s\nwant\n%s", text, want)
	}
}

func TestCheckpointRefused(t *testing.T) {
	signer, verifier := keys(t, 1)
	_, stranger := keys(t, 3)
	known := note.VerifierList(verifier)
	file := sign(t, checkpoint(3), signer)
	_, others, _ := strings.Cut(string(sign(t, checkpoint(2), signer)), "\n\n")
	replace := func(old, new string) []byte { return []byte(strings.Replace(string(file), old, new, 1)) }
	text, rest, _ := strings.Cut(string(file), "\n\n")
	signature, heads, _ := strings.Cut(rest, "\n\n")
	line := strings.SplitAfter(heads, "\n")
	for _, c := range []struct {
		name  string
		file  []byte
		known note.Verifiers
	}{
		{"unknown signer", file, note.VerifierList(stranger)},
		{"empty", nil, known},
		{"no heads part", []byte(text + "\n\n" + signature + "\n"), known},
		{"no signature", []byte(text + "\n\n" + heads), known},
		{"signature of another", []byte(text + "\n\n" + others), known},
		{"time", replace("time 2026", "time 2027"), known},
		{"count", replace("\n3\n", "\n4\n"), known},
		{"root", replace(string(text[len(origin)+3]), "_"), known},
		{"head", []byte(strings.Replace(string(file), " 2 ", " 3 ", 1)), known},
		{"head left out", []byte(text + "\n\n" + signature + "\n\n" + line[0] + line[1]), known},
		{"head twice", append(bytes.Clone(file), line[2]...), known},
		{"heads out of order", []byte(text + "\n\n" + signature + "\n\n" + line[1] + line[0] + line[2]), known},
		{"last line cut", file[:len(file)-1], known},
		{"head cut", file[:len(file)-9], known},
	} {
		if got, err := journal.OpenCheckpoint(c.file, origin, c.known); !errors.Is(err, journal.ErrCheckpoint) {
			t.Errorf("%s: %d heads, %v", c.name, len(got.Heads), err)
		}
	}
	if _, err := journal.OpenCheckpoint(file, "elsewhere", known); !errors.Is(err, journal.ErrCheckpoint) {
		t.Errorf("another's checkpoint: %v", err)
	}
	for name, spoil := range map[string]func(c *journal.Checkpoint){
		"no origin":        func(c *journal.Checkpoint) { c.Origin = "" },
		"origin of 2":      func(c *journal.Checkpoint) { c.Origin = "a\nb" },
		"account by name":  func(c *journal.Checkpoint) { c.Heads["ivanov@org"] = journal.Tree{} },
		"year":             func(c *journal.Checkpoint) { c.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"size below zero":  func(c *journal.Checkpoint) { c.Heads[opaque(1)] = journal.Tree{Size: -1} },
		"upper case digit": func(c *journal.Checkpoint) { c.Heads[strings.Repeat("A", 32)] = journal.Tree{} },
	} {
		c := checkpoint(2)
		spoil(&c)
		if _, err := c.Sign(signer); !errors.Is(err, journal.ErrCheckpoint) {
			t.Errorf("%s: signed, %v", name, err)
		}
	}
}

// One head is proved to its owner without those of others.
func TestProveHead(t *testing.T) {
	signer, _ := keys(t, 1)
	c := checkpoint(37)
	signed, _, _ := strings.Cut(string(sign(t, c, signer)), "\n\n")
	sum, err := journal.ParseSummary(signed + "\n")
	if err != nil {
		t.Fatal(err)
	}
	for id, tree := range c.Heads {
		index, proof, err := c.ProveHead(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := sum.CheckHead(id, tree, index, proof); err != nil {
			t.Error(err)
		}
		wrong := tree
		wrong.Size++
		for what, err := range map[string]error{
			"tree":    sum.CheckHead(id, wrong, index, proof),
			"account": sum.CheckHead(opaque(99), tree, index, proof),
			"index":   sum.CheckHead(id, tree, (index+1)%37, proof),
			"beyond":  sum.CheckHead(id, tree, 37, proof),
			"below":   sum.CheckHead(id, tree, -1, proof),
		} {
			if !errors.Is(err, journal.ErrProof) {
				t.Errorf("another %s: %v", what, err)
			}
		}
	}
	if _, _, err := c.ProveHead(opaque(99)); !errors.Is(err, journal.ErrCheckpoint) {
		t.Errorf("head of nobody: %v", err)
	}
}

// Journals in a real store are compared with a checkpoint taken before.
func TestContinues(t *testing.T) {
	s, one := openStore(t)
	two := newAccount(t, s, "two@org.example")
	fill(t, s, one, 20, 7)
	accounts := map[string]mailstore.ID{opaque(1): one, opaque(2): two}
	take := func(at time.Time) journal.Checkpoint {
		c := journal.Checkpoint{Origin: origin, Time: at, Heads: make(map[string]journal.Tree)}
		for id, account := range accounts {
			c.Heads[id] = head(t, s, account)
		}
		return c
	}
	prove := func(id string, earlier, _ journal.Tree) (proof tlog.TreeProof, err error) {
		err = s.View(ctx, accounts[id], func(tx mailstore.Tx) error {
			proof, _, err = journal.ProveLater(tx, earlier)
			return err
		})
		return proof, err
	}
	before := take(start)
	err := s.Update(ctx, one, func(tx mailstore.UpdateTx) error {
		for i := range 13 {
			if _, err := journal.Append(tx, entry(100+i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, two, 3, 3)
	accounts[opaque(3)] = newAccount(t, s, "three@org.example")
	after := take(start.Add(time.Hour))
	if err := after.Continues(before, prove); err != nil {
		t.Errorf("journals that grew: %v", err)
	}
	if err := after.Continues(after, prove); err != nil {
		t.Errorf("the same: %v", err)
	}
	for name, forge := range map[string]func(earlier *journal.Checkpoint){
		"history changed": func(c *journal.Checkpoint) { c.Heads[opaque(1)] = journal.Tree{Size: 20, Root: mailstore.Hash{1}} },
		"records lost":    func(c *journal.Checkpoint) { c.Heads[opaque(2)] = journal.Tree{Size: 4, Root: mailstore.Hash{1}} },
		"false empty one": func(c *journal.Checkpoint) { c.Heads[opaque(2)] = journal.Tree{} },
		"account lost":    func(c *journal.Checkpoint) { c.Heads[opaque(5)] = journal.Tree{Size: 1} },
		"another origin":  func(c *journal.Checkpoint) { c.Origin = "elsewhere" },
		"from the future": func(c *journal.Checkpoint) { c.Time = start.Add(2 * time.Hour) },
	} {
		earlier := take(start)
		earlier.Heads[opaque(1)], earlier.Heads[opaque(2)] = before.Heads[opaque(1)], before.Heads[opaque(2)]
		forge(&earlier)
		if err := after.Continues(earlier, prove); !errors.Is(err, journal.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	signer, verifier := keys(f, 1)
	known := note.VerifierList(verifier)
	for _, n := range []int{0, 1, 3} {
		file := sign(f, checkpoint(n), signer)
		f.Add(file, string(file))
		text, _, _ := strings.Cut(string(file), "\n\n")
		f.Add([]byte("\n\n\n\n"), text+"\n")
	}
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		if c, err := journal.OpenCheckpoint(file, origin, known); err == nil {
			// Only what was signed opens; signing it again gives the same.
			again, err := c.Sign(signer)
			if err != nil || !bytes.HasSuffix(file, again[bytes.LastIndex(again, []byte("\n\n")):]) {
				t.Fatalf("%q opened, signed again %q, %v", file, again, err)
			}
		}
		sum, err := journal.ParseSummary(text)
		if err == nil && !strings.HasPrefix(text, fmt.Sprintf("%s\n%d\n", sum.Origin, sum.Heads)) {
			t.Fatalf("%q parsed to %+v", text, sum)
		}
	})
}
