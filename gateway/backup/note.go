package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gosbridge/mailstore/body"
)

// notesName is the file in a backup that remembers when it was restored.
const notesName = "restores.json"

// Note remembers that a backup was restored. The store that came of it has used
// a generation, and numbers from Number on; a second restore must not use them
// again.
type Note struct {
	At         time.Time `json:"at"`
	Generation uint32    `json:"generation"`
	Number     uint64    `json:"number"`
}

// Notes are the restores of a backup, and of those of the same store that lie
// beside it.
func Notes(dir string) (all []Note, err error) {
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
	dirs := []string{abs}
	for _, f := range beside {
		if f.Dir != abs && f.Manifest.Store == m.Store {
			dirs = append(dirs, f.Dir)
		}
	}
	for _, d := range dirs {
		notes, err := readNotes(d)
		if err != nil {
			return nil, err
		}
		all = append(all, notes...)
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
func AddNote(dir string, n Note) error {
	notes, err := readNotes(dir)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(append(notes, n), "", "  ")
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
	return body.SyncDir(dir)
}
