package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gosbridge/mailstore/boltfile"
)

// notesName is the file in a backup that remembers when it was restored.
const notesName = "restores.json"

// Note remembers that a backup was restored. The store that came of it has used
// a generation, and numbers from Number on; a later restore must not use them
// again.
type Note struct {
	At         time.Time `json:"at"`
	Generation uint32    `json:"generation"`
	Number     uint64    `json:"number"`
}

// used is what a backup itself tells of the store that it was made of.
func (m Manifest) used() Note {
	return Note{At: m.Made, Generation: m.Generation, Number: m.NextNumber}
}

// Used is what is known, from a backup and from those of the same store that lie
// beside it, of generations and numbers that were in use: their restores, and
// the stores that they were made of. A backup may have been made after another
// one was restored, and that one, with its note, be gone.
func Used(dir string) (all []Note, err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	m, err := Read(abs)
	if err != nil {
		return nil, err
	}
	beside, err := List(filepath.Dir(abs), "")
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	found := []Found{{abs, m}}
	for _, f := range beside {
		if f.Dir != abs && f.Manifest.Store == m.Store {
			found = append(found, f)
		}
	}
	for _, f := range found {
		notes, err := readNotes(f.Dir)
		if err != nil {
			return nil, err
		}
		all = append(append(all, f.Manifest.used()), notes...)
	}
	return all, nil
}

func readNotes(dir string) (notes []Note, err error) {
	text, err := os.ReadFile(filepath.Join(dir, notesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &notes)
	}
	if err != nil {
		return nil, fmt.Errorf("restores of %s: %w", dir, err)
	}
	return notes, nil
}

// AddNote writes a note into a backup, durably.
func AddNote(dir string, n Note) error { return addNotes(dir, []Note{n}) }

// carry writes into a backup what another one, which is to be removed, knows of
// restores, and what it was made of.
func carry(from Found, into string) error {
	notes, err := readNotes(from.Dir)
	if err != nil {
		return err
	}
	return addNotes(into, append(notes, from.Manifest.used()))
}

// addNotes writes those notes into a backup, durably, that tell more than the
// others do: so they do not become more and more where they are carried on.
func addNotes(dir string, added []Note) error {
	m, err := Read(dir)
	if err != nil {
		return err
	}
	notes, err := readNotes(dir)
	if err != nil {
		return err
	}
	had := len(notes)
	for _, n := range added {
		if !slices.ContainsFunc(append(notes, m.used()), n.within) {
			notes = append(notes, n)
		}
	}
	if len(notes) == had {
		return nil
	}
	text, err := json.MarshalIndent(notes, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+notesName+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, notesName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return boltfile.SyncDir(dir)
}

// within reports whether another note tells all that this one does.
func (n Note) within(other Note) bool {
	return n.Generation <= other.Generation && n.Number <= other.Number
}
