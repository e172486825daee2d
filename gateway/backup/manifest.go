package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gosbridge/mailstore/boltstore"
)

const (
	manifestName   = "manifest.json"
	manifestFormat = 1
	// maxManifest bounds what is read as one, in octets.
	maxManifest = 1 << 20
)

// Manifest says what a backup holds. There are no secrets in it.
type Manifest struct {
	Format  int    `json:"format"`
	Release string `json:"release"` // that made it
	// Made is the time of the snapshot: what was committed before is in it.
	Made       time.Time `json:"made"`
	Store      string    `json:"store"`      // its name, which tells it from others
	Generation uint32    `json:"generation"` // of the store
	// NextNumber is the first serial that no letter of the store has; 0 in
	// backups of before it was written down.
	NextNumber uint64 `json:"next_number,omitempty"`
	Files      []File `json:"files"`
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"`           // within the folder, with slashes
	From   string `json:"from,omitempty"` // where it lay, for a file of the configuration
	Size   int64  `json:"size"`           // octets
	SHA256 sum    `json:"sha256"`
}

// sum is a SHA-256, in hex.
type sum [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (s sum) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *sum) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(s) {
		return errors.New("want a SHA-256 in hex")
	}
	copy(s[:], b)
	return nil
}

func newManifest(snap boltstore.Snapshot, release string) Manifest {
	m := Manifest{
		Format: manifestFormat, Release: release, Made: snap.At.UTC(), Store: snap.Store,
		Generation: snap.Generation, NextNumber: snap.NextNumber,
	}
	for _, f := range snap.Files {
		m.Files = append(m.Files, File{Name: f.Name, Size: f.Size, SHA256: f.SHA256})
	}
	return m
}

// Octets is the size of all files.
func (m Manifest) Octets() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// StoreFiles are those of the store.
func (m Manifest) StoreFiles() (files []boltstore.BackupFile) {
	for _, f := range m.Files {
		if f.From == "" {
			files = append(files, boltstore.BackupFile{Name: f.Name, Size: f.Size, SHA256: f.SHA256})
		}
	}
	return files
}

// names are those of the files.
func (m Manifest) names() (all []string) {
	for _, f := range m.Files {
		all = append(all, f.Name)
	}
	return all
}

func (m Manifest) encode() []byte {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil { // a struct of texts and numbers always marshals
		panic(err)
	}
	return append(text, '\n')
}

// Read reads the manifest of a backup: ErrNone when there is none, ErrDamaged
// when it has no sense.
func Read(dir string) (m Manifest, err error) {
	f, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err == nil {
		m, err = parse(text)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return m, nil
}

// parse reads a manifest. A field that is not known is an error: it may have
// meant something.
func parse(text []byte) (m Manifest, err error) {
	if len(text) > maxManifest {
		return m, fmt.Errorf("%w: larger than %d octets", ErrDamaged, maxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: more than one value", ErrDamaged)
	}
	if m.Format != manifestFormat {
		return m, fmt.Errorf("%w: format %d, this release knows %d", ErrDamaged, m.Format, manifestFormat)
	}
	if m.Made.IsZero() || m.Store == "" || len(m.Files) == 0 {
		return m, fmt.Errorf("%w: no time, store or file", ErrDamaged)
	}
	seen := map[string]bool{}
	for _, f := range m.Files {
		if !f.wellNamed() || seen[f.Name] || f.Size < 0 {
			return m, fmt.Errorf("%w: file %q", ErrDamaged, f.Name)
		}
		seen[f.Name] = true
	}
	return m, nil
}

// wellNamed reports whether a file lies where one of its kind does: in the
// folder of the backup, never outside.
func (f File) wellNamed() bool {
	name := f.Name
	if f.From != "" {
		var ok bool
		if name, ok = strings.CutPrefix(name, filesFolder+"/"); !ok {
			return false
		}
	}
	// os.Root would keep a path inside too; this refuses it.
	return name != "" && name != "." && name != ".." && name != manifestName && name != notesName && name != filesFolder &&
		!strings.ContainsAny(name, "/\\\x00")
}

// Verify reads a backup whole and compares it with its manifest. ErrDamaged
// names each file that is not as it was written, or is missing.
func Verify(ctx context.Context, dir string, progress func(done, total int64)) (Manifest, error) {
	return verify(ctx, dir, 0, progress)
}

// verify is Verify at so many octets per second, 0 for no limit.
func verify(ctx context.Context, dir string, rate int64, progress func(done, total int64)) (m Manifest, err error) {
	if m, err = Read(dir); err != nil {
		return m, err
	}
	v := &verifier{ctx: ctx, total: m.Octets(), progress: progress, pace: boltstore.Pace{Rate: rate}}
	var errs []error
	for _, f := range m.Files {
		if err := v.file(filepath.Join(dir, filepath.FromSlash(f.Name)), f); err != nil {
			errs = append(errs, err)
		}
		if err := ctx.Err(); err != nil {
			return m, err
		}
	}
	return m, errors.Join(errs...)
}

// verifier reads files.
type verifier struct {
	ctx         context.Context
	done, total int64
	progress    func(done, total int64)
	pace        boltstore.Pace
}

// Write implements io.Writer: it counts what was read, and waits.
func (v *verifier) Write(p []byte) (int, error) {
	v.done += int64(len(p))
	if v.progress != nil {
		v.progress(min(v.done, v.total), v.total)
	}
	return len(p), v.pace.Took(v.ctx, len(p))
}

func (v *verifier) file(path string, want File) (err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, want.Name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(h, v), struct{ io.Reader }{f}, make([]byte, 256<<10))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", want.Name, err)
	case n != want.Size:
		return fmt.Errorf("%w: %s has %d octets, %d were written", ErrDamaged, want.Name, n, want.Size)
	case sum(h.Sum(nil)) != want.SHA256:
		return fmt.Errorf("%w: %s has another SHA-256 than when it was written", ErrDamaged, want.Name)
	}
	return nil
}

// Found is a backup in a folder of backups.
type Found struct {
	Dir      string
	Manifest Manifest
}

// List finds the backups in a folder whose names begin with a prefix, the
// newest first. What is no backup is passed over.
func List(folder, prefix string) (all []Found, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		dir := filepath.Join(folder, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if m, err := Read(dir); err == nil {
			all = append(all, Found{dir, m})
		}
	}
	slices.SortFunc(all, func(a, b Found) int { return b.Manifest.Made.Compare(a.Manifest.Made) })
	return all, nil
}
