package boltstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"gosbridge/mailstore"
)

// durable keeps readers from what may not outlive a loss of power. To bbolt a
// commit is visible as soon as its last page is written, while the sync of that
// page is still under way. Who saw a UID then could see it name another message
// after the power came back: (mailbox, UIDVALIDITY, UID) would not name the
// same octets for ever. So a reader that meets such a commit waits for its end.
type durable struct {
	id atomic.Int64 // last transaction whose commit has come to its good end

	mu   sync.Mutex
	over chan struct{} // closed when the running commit is over; nil: none runs
	lost error         // of a commit that is visible and will never be durable
}

// open makes durable what an opened file holds: a process that was killed may
// have left a commit that was never synced.
func (d *durable) open(db *bolt.DB) error {
	if err := db.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return db.View(func(tx *bolt.Tx) error {
		d.id.Store(int64(tx.ID()))
		return nil
	})
}

// begin says that a commit is under way.
func (d *durable) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = make(chan struct{})
}

// end says that the commit of a transaction is over. With an error the
// transaction may be visible all the same.
func (d *durable) end(id int, err error) {
	if err == nil {
		d.id.Store(int64(id))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.lost = err
	}
	close(d.over)
	d.over = nil
}

// wait returns when what a reader sees is durable.
func (d *durable) wait(ctx context.Context, tx *bolt.Tx) error {
	for int64(tx.ID()) > d.id.Load() {
		d.mu.Lock()
		over, lost := d.over, d.lost
		d.mu.Unlock()
		if over == nil {
			if int64(tx.ID()) <= d.id.Load() {
				return nil // it ended meanwhile
			}
			// The cause is told and not wrapped: who reads has nothing in doubt.
			return fmt.Errorf("%w: store must be opened anew after: %v", mailstore.ErrDisk, lost) //nolint:errorlint // see above
		}
		select {
		case <-over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
