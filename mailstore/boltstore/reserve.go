package boltstore

import (
	"context"
	"fmt"
	"sync"

	"gosbridge/mailstore"
)

// reservations are octets set aside for messages on their way.
type reservations struct {
	mu sync.Mutex
	of map[mailstore.ID]int64
}

// Reserve implements mailstore.Store.
func (s *Store) Reserve(ctx context.Context, account mailstore.ID, octets int64) (release func(), err error) {
	var usage mailstore.Usage
	err = s.View(ctx, account, func(tx mailstore.Tx) error {
		var err error
		usage, err = tx.Usage()
		return err
	})
	if err != nil {
		return nil, err
	}
	s.quota.mu.Lock()
	defer s.quota.mu.Unlock()
	if usage.Quota > 0 && usage.Octets+s.quota.of[account]+octets > usage.Quota {
		return nil, fmt.Errorf("reserve %d octets: %w", octets, mailstore.ErrQuota)
	}
	if s.quota.of == nil {
		s.quota.of = map[mailstore.ID]int64{}
	}
	s.quota.of[account] += octets
	var once sync.Once
	return func() {
		once.Do(func() {
			s.quota.mu.Lock()
			defer s.quota.mu.Unlock()
			if s.quota.of[account] -= octets; s.quota.of[account] <= 0 {
				delete(s.quota.of, account)
			}
		})
	}, nil
}
