package journal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"gosbridge/mailstore"
)

// ErrCheckpoint says that a checkpoint has a wrong form, is signed by nobody
// who is known, or is another installation's.
var ErrCheckpoint = errors.New("checkpoint not valid")

// Checkpoint is the state of all journals at one time. Signed and kept outside
// (by a time-stamp authority, an auditor, another installation) it makes every
// later change to what was written before it visible.
//
// Its file is a signed note (golang.org/x/mod/sumdb/note) whose text has the
// form of c2sp.org/tlog-checkpoint:
//
//	origin
//	number of heads
//	base64 of the root of the tree over the head lines (RFC 6962 §2.1)
//	time 2026-11-22T06:00:00.000Z
//
// then a blank line and the head lines, in ascending order of the account:
//
//	account, 32 hexadecimal digits; size; base64 of the root
//
// separated by one space. The tree over the lines lets one head be proved to
// its owner (ProveHead) without showing those of others.
type Checkpoint struct {
	Origin string // names the installation; one line, never changed
	Time   time.Time
	Heads  map[string]Tree // by OpaqueID
}

// OpaqueID is the name of an account in checkpoints: a MAC of its ID, so that
// a checkpoint can be given away without telling whose accounts there are. key
// must stay secret and the same.
func OpaqueID(key [32]byte, account mailstore.ID) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("gosbridge journal account 1\x00"))
	mac.Write(account[:])
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

const checkpointTime = "2006-01-02T15:04:05.000Z"

// Summary is what the signature of a checkpoint stands for.
type Summary struct {
	Origin string
	Time   time.Time
	Heads  int64          // how many
	Root   mailstore.Hash // of the tree over the head lines
}

// Sign returns the checkpoint's file, signed by each of the signers.
// ErrCheckpoint when the checkpoint has a form that could not be read back.
func (c Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	sum, lines, err := c.encode()
	if err != nil {
		return nil, err
	}
	out, err := note.Sign(&note.Note{Text: sum.text()}, signers...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	out = append(out, '\n')
	return append(out, strings.Join(lines, "")...), nil
}

// OpenCheckpoint reads a checkpoint's file. Its origin must be the given one
// and one of the known verifiers must have signed it, else ErrCheckpoint.
func OpenCheckpoint(file []byte, origin string, known note.Verifiers) (Checkpoint, error) {
	signed, heads, err := splitCheckpoint(file)
	if err != nil {
		return Checkpoint{}, err
	}
	n, err := note.Open(signed, known)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	sum, err := ParseSummary(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if sum.Origin != origin {
		return Checkpoint{}, fmt.Errorf("origin %q, not %q: %w", sum.Origin, origin, ErrCheckpoint)
	}
	c := Checkpoint{Origin: sum.Origin, Time: sum.Time}
	if c.Heads, err = parseHeads(heads); err != nil {
		return Checkpoint{}, err
	}
	// What was signed is a digest of the heads: they are true when they have
	// that digest again.
	again, lines, err := c.encode()
	if err != nil {
		return Checkpoint{}, err
	}
	if again != sum || strings.Join(lines, "") != string(heads) {
		return Checkpoint{}, fmt.Errorf("heads are not those that were signed: %w", ErrCheckpoint)
	}
	return c, nil
}

// splitCheckpoint parts the signed note from the head lines.
func splitCheckpoint(file []byte) (signed, heads []byte, err error) {
	blank := []byte("\n\n")
	if i := bytes.Index(file, blank); i >= 0 {
		if j := bytes.Index(file[i+2:], blank); j >= 0 {
			end := i + 2 + j
			return file[:end+1], file[end+2:], nil
		}
	}
	return nil, nil, fmt.Errorf("no signed note: %w", ErrCheckpoint)
}

// ProveHead returns the place of the account's head among the head lines and
// the proof that it stands there. CheckHead checks it.
func (c Checkpoint) ProveHead(account string) (index int64, proof tlog.RecordProof, err error) {
	ids := slices.Sorted(maps.Keys(c.Heads))
	i, ok := slices.BinarySearch(ids, account)
	if !ok {
		return 0, nil, fmt.Errorf("no head of account %q: %w", account, ErrCheckpoint)
	}
	_, lines, err := c.encode()
	if err != nil {
		return 0, nil, err
	}
	hashes, err := lineHashes(lines)
	if err != nil {
		return 0, nil, err
	}
	proof, err = tlog.ProveRecord(int64(len(lines)), int64(i), hashes)
	if err != nil {
		return 0, nil, fmt.Errorf("prove head: %w", err)
	}
	return int64(i), proof, nil
}

// CheckHead checks that the checkpoint with this summary holds tree as the
// head of the account. ErrProof when not.
func (s Summary) CheckHead(account string, tree Tree, index int64, proof tlog.RecordProof) error {
	leaf := tlog.RecordHash([]byte(headLine(account, tree)))
	if index < 0 || index >= s.Heads {
		return fmt.Errorf("head %d of %d: %w", index, s.Heads, ErrProof)
	}
	if err := tlog.CheckRecord(proof, s.Heads, tlog.Hash(s.Root), index, leaf); err != nil {
		return fmt.Errorf("head of account %s: %w: %w", account, err, ErrProof)
	}
	return nil
}

// Continues checks that every journal of the earlier checkpoint has only
// grown: prove returns the proof for one account, as ProveLater gives it. All
// that is wrong is in the error, ErrProof among it.
func (c Checkpoint) Continues(earlier Checkpoint, prove func(account string, earlier, later Tree) (tlog.TreeProof, error)) error {
	var errs []error
	if c.Origin != earlier.Origin || c.Time.Before(earlier.Time) {
		errs = append(errs, fmt.Errorf("checkpoint %s %s does not follow %s %s: %w", c.Origin,
			c.Time.Format(checkpointTime), earlier.Origin, earlier.Time.Format(checkpointTime), ErrProof))
	}
	for _, id := range slices.Sorted(maps.Keys(earlier.Heads)) {
		old := earlier.Heads[id]
		now, ok := c.Heads[id]
		if !ok {
			errs = append(errs, fmt.Errorf("account %s is gone: %w", id, ErrProof))
			continue
		}
		proof, err := prove(id, old, now)
		if err == nil {
			err = CheckLater(old, now, proof)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("account %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

// encode returns summary and head lines; ErrCheckpoint for what cannot be
// written.
func (c Checkpoint) encode() (Summary, []string, error) {
	if !validOrigin(c.Origin) {
		return Summary{}, nil, fmt.Errorf("origin %q: %w", c.Origin, ErrCheckpoint)
	}
	lines := make([]string, 0, len(c.Heads))
	for _, id := range slices.Sorted(maps.Keys(c.Heads)) {
		if !validID(id) || c.Heads[id].Size < 0 {
			return Summary{}, nil, fmt.Errorf("head of account %q: %w", id, ErrCheckpoint)
		}
		lines = append(lines, headLine(id, c.Heads[id]))
	}
	hashes, err := lineHashes(lines)
	if err != nil {
		return Summary{}, nil, err
	}
	root, err := tlog.TreeHash(int64(len(lines)), hashes)
	if err != nil {
		return Summary{}, nil, fmt.Errorf("tree of heads: %w", err)
	}
	at := c.Time.UTC().Truncate(time.Millisecond)
	if y := at.Year(); y < 0 || y > 9999 {
		return Summary{}, nil, fmt.Errorf("year %d: %w", y, ErrCheckpoint)
	}
	return Summary{Origin: c.Origin, Time: at, Heads: int64(len(lines)), Root: mailstore.Hash(root)}, lines, nil
}

// lineHashes builds the tree over the head lines in memory.
func lineHashes(lines []string) (tlog.HashReader, error) {
	var stored []tlog.Hash
	r := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i, line := range lines {
		hashes, err := tlog.StoredHashes(int64(i), []byte(line), r)
		if err != nil {
			return nil, fmt.Errorf("tree of heads: %w", err)
		}
		stored = append(stored, hashes...)
	}
	return r, nil
}

func (s Summary) text() string {
	return fmt.Sprintf("%s\n%d\n%s\ntime %s\n", s.Origin, s.Heads, tlog.Hash(s.Root), s.Time.Format(checkpointTime))
}

// ParseSummary reads the text of a checkpoint's note, whose signatures the
// caller has verified. ErrCheckpoint when it is not of that form.
func ParseSummary(text string) (Summary, error) {
	lines := strings.SplitAfter(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return Summary{}, fmt.Errorf("text of %d lines: %w", len(lines)-1, ErrCheckpoint)
	}
	var s Summary
	s.Origin = strings.TrimSuffix(lines[0], "\n")
	heads, err1 := strconv.ParseInt(strings.TrimSuffix(lines[1], "\n"), 10, 64)
	root, err2 := tlog.ParseHash(strings.TrimSuffix(lines[2], "\n"))
	at, err3 := time.Parse("time "+checkpointTime+"\n", lines[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return Summary{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	s.Heads, s.Root, s.Time = heads, mailstore.Hash(root), at.UTC()
	// One form only, so that one state has one text.
	if s.Heads < 0 || !validOrigin(s.Origin) || s.text() != text {
		return Summary{}, fmt.Errorf("text not in canonical form: %w", ErrCheckpoint)
	}
	return s, nil
}

func headLine(id string, t Tree) string {
	return id + " " + strconv.FormatInt(t.Size, 10) + " " + tlog.Hash(t.Root).String() + "\n"
}

func parseHeads(data []byte) (map[string]Tree, error) {
	heads := make(map[string]Tree)
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(fields) != 3 {
			return nil, fmt.Errorf("head line of %d fields: %w", len(fields), ErrCheckpoint)
		}
		size, err1 := strconv.ParseInt(fields[1], 10, 64)
		root, err2 := tlog.ParseHash(fields[2])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("head line: %w: %w", ErrCheckpoint, err)
		}
		heads[fields[0]] = Tree{Size: size, Root: mailstore.Hash(root)}
	}
	return heads, nil
}

// validID is the form of OpaqueID.
func validID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func validOrigin(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
