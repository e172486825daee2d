package boltstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

// lostFolder is where a repair moves what cannot be read: lines of JSON in
// records.jsonl, each with the record as it was and what is known of it in the
// clear; and where it keeps what it did, in mends.jsonl. It is made when it is
// needed. Both are written, and synced, before the commit that they tell of; a
// line may stand there for nothing after a crash.
type lostFolder struct {
	dir, name string
	made      bool
	records   *os.File
	mends     *os.File
}

func newLostFolder(dir string, at time.Time) *lostFolder {
	return &lostFolder{dir: dir, name: "lost+found-" + at.UTC().Format("20060102T150405Z")}
}

// lostRecord is one record that was set aside.
type lostRecord struct {
	mailstore.Finding
	Record []byte    `json:"record"`         // as it stood in the bucket
	Hold   []byte    `json:"hold,omitempty"` // that of its holder on its body
	Clear  *lostRow  `json:"clear,omitempty"`
	Item   *lostItem `json:"item,omitempty"`
}

// lostRow is what a message's row says in the clear.
type lostRow struct {
	EmailID  mailstore.ID `json:"email_id"`
	LetterID mailstore.ID `json:"letter_id,omitzero"`
	Received time.Time    `json:"received"`
	Saved    time.Time    `json:"saved"`
	Size     int64        `json:"size"`
	Body     string       `json:"body,omitempty"`
	Place    uint64       `json:"place,omitempty"`
	Offset   int64        `json:"offset,omitempty"`
	Length   int64        `json:"length,omitempty"`
}

// lostItem is what a queue item says in the clear.
type lostItem struct {
	Account mailstore.ID `json:"account"`
	Class   string       `json:"class"`
	Due     time.Time    `json:"due"`
	Letter  mailstore.ID `json:"letter,omitzero"`
}

// setAside writes a record into the folder of what was found.
func (m *mender) setAside(d damageAt, raw []byte) error {
	rec := lostRecord{Finding: d.Finding, Record: raw}
	switch d.n {
	case bRow:
		var r row
		if r.decode(raw) != nil {
			break
		}
		m.describe(&rec, d.k, &r)
	case bVault:
		if e, err := decodeVaultEntry(mailstore.ID(d.k[4:]), raw); err == nil {
			m.describe(&rec, d.k, &e.row)
		}
	case bItem:
		if it, err := decodeItem(mailstore.ID(d.k), raw); err == nil {
			rec.Item = &lostItem{Account: it.Account, Class: it.Class, Due: it.Due, Letter: it.Letter}
		}
	}
	return m.lost.add(&m.lost.records, "records.jsonl", rec)
}

// describe adds what a row of an account says in the clear.
func (m *mender) describe(rec *lostRecord, k []byte, r *row) {
	rec.Clear = &lostRow{EmailID: r.email, LetterID: r.letter, Received: r.received.UTC(), Saved: r.saved, Size: r.size}
	if r.body.name.IsZero() {
		return
	}
	rec.Clear.Body, rec.Clear.Place = r.body.name.String(), r.body.place
	rec.Clear.Offset, rec.Clear.Length = r.offset, r.length
	if u, err := m.update(k); err == nil {
		rec.Hold = m.get(bWrap, wrapKey(r.body.name, u.keys.holder))
	}
}

// log notes what is done.
func (l *lostFolder) log(mends []mailstore.Mend) error {
	for _, m := range mends {
		if err := l.add(&l.mends, "mends.jsonl", m); err != nil {
			return err
		}
	}
	return nil
}

// add appends a line to a file, which it opens the first time.
func (l *lostFolder) add(file **os.File, name string, v any) error {
	line, err := json.Marshal(v)
	if err == nil && *file == nil {
		*file, err = l.open(name)
	}
	if err == nil {
		_, err = (*file).Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note what is repaired in %s: %w", l.name, err)
	}
	return nil
}

func (l *lostFolder) open(name string) (*os.File, error) {
	path := filepath.Join(l.dir, l.name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	l.made = true
	file, err := os.OpenFile(filepath.Join(path, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return file, errors.Join(boltfile.SyncDir(path), boltfile.SyncDir(l.dir))
}

// sync makes durable what was added.
func (l *lostFolder) sync() error { return l.each((*os.File).Sync) }

func (l *lostFolder) close() error { return l.each((*os.File).Close) }

func (l *lostFolder) each(fn func(*os.File) error) (err error) {
	for _, f := range []*os.File{l.records, l.mends} {
		if f != nil {
			err = errors.Join(err, fn(f))
		}
	}
	return err
}
