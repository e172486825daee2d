// Package transfer moves accounts out of the store into folders of mail that
// other programs read, and such folders into accounts.
//
// It owns what becomes of mailboxes, flags, dates and roles on the way, and that
// an import can be repeated. It never changes what it exports, and an import
// only adds: what is in the account stays as it is. A letter that comes in this
// way is a message like any other.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// Format is how mail lies in a folder of the disk.
type Format string

// The formats.
const (
	Maildir Format = "maildir"
	Mbox    Format = "mbox"
)

// ErrFormat says that a format is none of them.
var ErrFormat = errors.New("format is neither maildir nor mbox")

// Valid reports whether f is a format.
func (f Format) Valid() bool { return f == Maildir || f == Mbox }

// ErrFolder says that a folder cannot be read or written as it is.
var ErrFolder = errors.New("folder")

// Options are what a Mover works on.
type Options struct {
	Store mailstore.Store
	// Owns reports whether a keyword belongs to letters, so that no import may
	// set it.
	Owns func(keyword string) bool
	Now  func() time.Time
}

// Mover moves accounts. Safe for concurrent use.
type Mover struct{ o Options }

// New returns a Mover.
func New(o Options) *Mover { return &Mover{o: o} }

// Progress is told how many messages have been moved; total is 0 where that is
// not known.
type Progress func(done, total int64)

// Counts are what was moved, and what not.
type Counts struct {
	Mailboxes int   `json:"mailboxes"`
	Messages  int64 `json:"messages"`
	Octets    int64 `json:"octets"`
	// Keywords is how many keywords of messages were left out.
	Keywords int64 `json:"keywords_left_out,omitempty"`
}

// selectable are the mailboxes that can hold messages.
func selectable(tx mailstore.Tx) (boxes []mailstore.Mailbox, err error) {
	all, err := tx.Mailboxes()
	for _, b := range all {
		if !b.NoSelect {
			boxes = append(boxes, b)
		}
	}
	return boxes, err
}

// located adds a place to an error.
func located(name string, err error) error { return fmt.Errorf("mailbox %s: %w", name, err) }

// each calls fn with the rows of a mailbox, in slices, outside of transactions.
func (m *Mover) each(ctx context.Context, account mailstore.ID, box mailstore.MailboxID, fn func(*mailstore.Message) error) error {
	var uids []mailstore.UID
	err := m.o.Store.View(ctx, account, func(tx mailstore.Tx) (err error) {
		uids, err = tx.UIDs(box)
		return err
	})
	for len(uids) > 0 && err == nil {
		n := min(len(uids), sliceRows)
		var set mailstore.UIDSet
		set.AddNum(uids[:n]...)
		uids = uids[n:]
		var rows []*mailstore.Message
		err = m.o.Store.View(ctx, account, func(tx mailstore.Tx) error {
			for row, err := range tx.Messages(box, set, mailstore.FieldMeta|mailstore.FieldContent) {
				if err != nil {
					return err
				}
				rows = append(rows, row)
			}
			return nil
		})
		for _, row := range rows {
			if err == nil {
				err = fn(row)
			}
		}
	}
	return err
}

// sliceRows is how many rows with their small bodies are in memory at once.
const sliceRows = 100
