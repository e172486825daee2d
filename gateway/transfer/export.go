package transfer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"gosbridge/gateway/journal"
	"gosbridge/gateway/mailfolder"
	"gosbridge/mailstore"
)

// Exported is an export that was made.
type Exported struct {
	Counts
	// Renamed are mailboxes whose names no file can have.
	Renamed []string `json:"renamed,omitempty"`
}

// Export writes all mailboxes of an account into a folder, which is made, or is
// there and empty. It appears whole or not at all. The journal of the account has
// it, with the details given, before the first message is read.
func (m *Mover) Export(ctx context.Context, account mailstore.ID, dir string, format Format, details journal.Details, progress Progress) (out Exported, err error) {
	if !format.Valid() {
		return out, ErrFormat
	}
	if err := free(dir); err != nil {
		return out, err
	}
	boxes, total, err := m.journalExport(ctx, account, format, details)
	if err != nil {
		return out, err
	}
	part, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".part-*") // mode 0700
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part))
		}
	}()
	root, err := os.OpenRoot(part)
	if err != nil {
		return out, err
	}
	e := exporter{m: m, account: account, told: func(done int64) { progress(done, total) }}
	if e.w = mailfolder.NewMboxWriter(root); format == Maildir {
		e.w = mailfolder.NewMaildirWriter(root, m.o.Now())
	}
	if err := errors.Join(e.boxes(ctx, boxes), root.Close()); err != nil {
		return out, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, fmt.Errorf("%w: %w", ErrFolder, err) // no longer empty
	}
	return e.out, os.Rename(part, dir)
}

// free wants a folder that is not there, or empty.
func free(dir string) error {
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", ErrFolder, err)
	case len(list) > 0:
		return fmt.Errorf("%w: %s is there and not empty", ErrFolder, dir)
	}
	return nil
}

// journalExport writes down what will be exported: what is not in the journal
// was not exported.
func (m *Mover) journalExport(ctx context.Context, account mailstore.ID, format Format, details journal.Details) (boxes []mailstore.Mailbox, total int64, err error) {
	at := m.o.Now()
	err = m.o.Store.Update(ctx, account, func(tx mailstore.UpdateTx) (err error) {
		if boxes, err = selectable(tx); err != nil {
			return err
		}
		total = 0
		for _, b := range boxes {
			total += int64(b.Messages)
		}
		d := with(details, map[string]string{
			"format": string(format), "mailboxes": strconv.Itoa(len(boxes)), "messages": strconv.FormatInt(total, 10),
		})
		_, err = journal.Append(tx, journal.NewEntry(at, journal.Exported, d))
		return err
	})
	return boxes, total, err
}

// exporter is one export on its way.
type exporter struct {
	m       *Mover
	account mailstore.ID
	w       mailfolder.Writer
	told    func(done int64)
	out     Exported
}

func (e *exporter) boxes(ctx context.Context, boxes []mailstore.Mailbox) error {
	for _, b := range boxes {
		renamed, err := e.w.Begin(b.Name, b.Subscribed)
		if err != nil {
			return located(b.Name, err)
		}
		if renamed {
			e.out.Renamed = append(e.out.Renamed, b.Name)
		}
		err = e.m.each(ctx, e.account, b.ID, func(row *mailstore.Message) error { return e.add(ctx, row) })
		if errors.Is(err, mailstore.ErrNoMailbox) {
			err = nil // deleted meanwhile
		}
		if err != nil {
			return located(b.Name, err)
		}
		e.out.Mailboxes++
	}
	return e.w.Close()
}

// add writes one message. What was expunged since its row was read can still be
// read for a day.
func (e *exporter) add(ctx context.Context, row *mailstore.Message) error {
	r, err := row.Content.Open(ctx, e.m.o.Store.Bodies(), 0)
	if err != nil {
		return fmt.Errorf("message %d: %w", row.UID, err)
	}
	size := row.Content.Size()
	dropped, err := e.w.Add(mailfolder.Message{Flags: row.Flags, Keywords: row.Keywords, Received: row.Received}, size, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("message %d: %w", row.UID, err)
	}
	e.out.Messages++
	e.out.Octets += size
	e.out.Keywords += int64(dropped)
	e.told(e.out.Messages)
	return nil
}
