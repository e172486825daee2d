package admin

import (
	"context"
	"fmt"

	"gosbridge/mailstore"
)

// StoreRepair asks for a repair of the whole store.
type StoreRepair struct{}

// StoreRepaired is what was done, and what a check finds after it.
type StoreRepaired struct {
	Mends  []mailstore.Mend `json:"mends"`
	Counts map[string]int64 `json:"counts"` // of all, by action
	Folder string           `json:"folder,omitempty"`
	Left   StoreChecked     `json:"left"`
}

// storeRepair repairs a store that nobody else uses, and checks it.
func (s *Service) storeRepair(ctx context.Context, _ StoreRepair) (StoreRepaired, error) {
	if s.o.Reload != nil {
		return StoreRepaired{}, fmt.Errorf("%w: a gateway serves this data folder: stop it, copy the folder, and repair then", ErrConflict)
	}
	out := StoreRepaired{Mends: []mailstore.Mend{}}
	done, err := s.o.Checker.Repair(ctx, s.o.Now(), mailstore.CheckOptions{Bodies: true, Progress: progressOf(ctx)}, func(m mailstore.Mend) {
		if len(out.Mends) < maxShown {
			out.Mends = append(out.Mends, m)
		}
	})
	out.Counts, out.Folder = done.Mends, done.Folder
	if err != nil {
		return out, err
	}
	if out.Left, err = s.storeCheck(ctx, StoreCheck{}); err != nil {
		return out, err
	}
	if err := s.raiseNumbers(ctx, &out); err != nil {
		return out, err
	}
	for action, n := range out.Counts {
		s.o.Logger.Warn("store repaired", "action", action, "records", n)
	}
	return out, nil
}

// numberMargin is how many numbers are left out above the greatest that a letter
// has, when the counter was lost: more of its block may have been given.
const numberMargin = 1000

// raiseNumbers reserves the numbers that letters have and that are not reserved.
func (s *Service) raiseNumbers(ctx context.Context, out *StoreRepaired) error {
	next := out.Left.Store.NextNumber
	if out.Left.serial < next {
		return nil
	}
	if _, err := s.o.Store.Directory().ReserveNumbers(ctx, out.Left.serial+numberMargin-next); err != nil {
		return fmt.Errorf("raise the counter of letters' numbers: %w", err)
	}
	var left []mailstore.Finding
	for _, f := range out.Left.Findings {
		if f.Bucket != "meta" || f.Key != numberKey {
			left = append(left, f)
			continue
		}
		out.Mends = append(out.Mends, mailstore.Mend{Action: mailstore.MendRebuilt, Finding: f})
		out.Counts[mailstore.MendRebuilt]++
	}
	out.Left.Findings = append([]mailstore.Finding{}, left...)
	return nil
}
