package admin

import (
	"context"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// StoreCompact asks to make the files of the store as small as what they hold.
type StoreCompact struct {
	// Rate is how many octets a second are copied at most; 0 without limit.
	Rate int64 `json:"rate,omitempty"`
}

// StoreCompacted tells what became of the files.
type StoreCompacted struct {
	Files []CompactedFile `json:"files"`
}

// CompactedFile is a file that was made smaller.
type CompactedFile struct {
	File   string `json:"file"`
	Before int64  `json:"before"` // octets
	After  int64  `json:"after"`
	// Pause is how long changes had to wait, in milliseconds.
	Pause float64 `json:"pause_ms"`
}

func (s *Service) storeCompact(ctx context.Context, in StoreCompact) (StoreCompacted, error) {
	if in.Rate < 0 {
		return StoreCompacted{}, fmt.Errorf("%w: a rate of %d octets a second", ErrInvalid, in.Rate)
	}
	c, ok := s.o.Store.(mailstore.Compacter)
	if !ok {
		return StoreCompacted{}, fmt.Errorf("%w: this store needs no compaction", ErrInvalid)
	}
	report(ctx, Progress{Stage: "waiting for other work on the files", Unit: "octets"})
	done, err := c.Compact(ctx, mailstore.CompactOptions{Rate: in.Rate, Progress: func(file string, n, total int64) {
		report(ctx, Progress{Stage: file, Done: n, Total: total, Unit: "octets"})
	}})
	out := StoreCompacted{Files: []CompactedFile{}}
	for _, d := range done {
		out.Files = append(out.Files, CompactedFile{
			File: d.File, Before: d.Before, After: d.After, Pause: float64(d.Pause) / float64(time.Millisecond),
		})
		s.o.Logger.Info("file compacted", "file", d.File, "before", d.Before, "after", d.After, "pause", d.Pause)
	}
	if err != nil && len(done) > 0 {
		err = fmt.Errorf("%w (done before it: %d files)", err, len(done))
	}
	return out, err
}
