package boltstore

import (
	"context"

	"gosbridge/mailstore"
)

// maintain waits until nobody else works on the files as a whole: a sweep
// would take bodies that the metadata of a backup still names. What holds it
// may take hours.
func (s *Store) maintain(ctx context.Context) (release func(), err error) {
	select {
	case s.maintenance <- struct{}{}:
		return func() { <-s.maintenance }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.closing:
		return nil, mailstore.ErrClosed
	}
}
