package fault

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

// Store is a store that fails by plan. It implements mailstore.Store.
type Store struct {
	inner  mailstore.Store
	script *script
}

var _ mailstore.Store = (*Store)(nil)

// Wrap returns a store over inner, which stays the caller's: Close of the
// wrapper does not close it.
func Wrap(inner mailstore.Store, plan Plan) *Store {
	return &Store{inner: inner, script: &script{plan: plan}}
}

// do runs an operation as its verdict says.
func do(v verdict, op func() error) error {
	if !v.perform {
		return v.err
	}
	err := op()
	if v.err != nil && err == nil {
		return v.err
	}
	if errors.Is(v.err, ErrDead) {
		return v.err
	}
	return err
}

// View implements mailstore.Store.
func (s *Store) View(ctx context.Context, account mailstore.ID, fn func(mailstore.Tx) error) error {
	return do(s.script.next(reads, "View"), func() error { return s.inner.View(ctx, account, fn) })
}

// Update implements mailstore.Store.
func (s *Store) Update(ctx context.Context, account mailstore.ID, fn func(mailstore.UpdateTx) error) error {
	return do(s.script.next(commits, "Update"), func() error { return s.inner.Update(ctx, account, fn) })
}

// Watch implements mailstore.Store.
func (s *Store) Watch(account mailstore.ID, boxes ...mailstore.MailboxID) mailstore.Watcher {
	return s.inner.Watch(account, boxes...)
}

// Import implements mailstore.Store.
func (s *Store) Import(ctx context.Context, account mailstore.ID, box mailstore.MailboxID, messages iter.Seq2[mailstore.NewMessage, error]) error {
	return do(s.script.next(commits, "Import"), func() error { return s.inner.Import(ctx, account, box, messages) })
}

// Reserve implements mailstore.Store.
func (s *Store) Reserve(ctx context.Context, account mailstore.ID, octets int64) (release func(), err error) {
	if err := s.script.alive(); err != nil {
		return nil, err
	}
	return s.inner.Reserve(ctx, account, octets)
}

// Queue implements mailstore.Store.
func (s *Store) Queue() mailstore.Queue { return queue{s.inner.Queue(), s.script} }

// Directory implements mailstore.Store.
func (s *Store) Directory() mailstore.Directory { return directory{s.inner.Directory(), s.script} }

// Bodies implements mailstore.Store.
func (s *Store) Bodies() body.Store { return bodies{s.inner.Bodies(), s.script} }

// Texts implements mailstore.Store. What they fail with loses nothing, so it is
// not in the plan.
func (s *Store) Texts() mailstore.Texts { return s.inner.Texts() }

// Sweep implements mailstore.Store.
func (s *Store) Sweep(ctx context.Context, grace time.Duration) (body.SweepReport, error) {
	if err := s.script.alive(); err != nil {
		return body.SweepReport{}, err
	}
	return s.inner.Sweep(ctx, grace)
}

// Close implements mailstore.Store. The wrapped store stays open.
func (s *Store) Close() error { return nil }

// queue numbers leases; looking at the queue is not numbered, for how often
// that happens is the workers' affair.
type queue struct {
	mailstore.Queue
	script *script
}

func (q queue) Lease(ctx context.Context, class, owner string, n int, ttl time.Duration) (items []mailstore.Item, err error) {
	err = do(q.script.next(commits, "Lease %s", class), func() (err error) {
		items, err = q.Queue.Lease(ctx, class, owner, n, ttl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

func (q queue) Renew(ctx context.Context, items []mailstore.Item, ttl time.Duration) error {
	return do(q.script.next(commits, "Renew"), func() error { return q.Queue.Renew(ctx, items, ttl) })
}

func (q queue) Next(ctx context.Context, class string) (at time.Time, ok bool, err error) {
	if err := q.script.alive(); err != nil {
		return at, false, err
	}
	return q.Queue.Next(ctx, class)
}

// directory numbers what the way of a letter asks of it.
type directory struct {
	mailstore.Directory
	script *script
}

func (d directory) AccountByAddress(ctx context.Context, address string) (a mailstore.Account, err error) {
	err = do(d.script.next(reads, "AccountByAddress"), func() (err error) {
		a, err = d.Directory.AccountByAddress(ctx, address)
		return err
	})
	return a, err
}

func (d directory) ReserveNumbers(ctx context.Context, n uint64) (first uint64, err error) {
	err = do(d.script.next(commits, "ReserveNumbers"), func() (err error) {
		first, err = d.Directory.ReserveNumbers(ctx, n)
		return err
	})
	return first, err
}

// bodies numbers whole operations and lets open readers die with the process.
type bodies struct {
	body.Store
	script *script
}

func (b bodies) Put(ctx context.Context, r io.Reader) (ref body.Ref, err error) {
	v := b.script.next(stores, "Put")
	if !v.perform {
		// The stream ends in its midst, as for a process that dies or a disk
		// that fills up while it writes.
		_, err := b.Store.Put(ctx, io.MultiReader(io.LimitReader(r, body.InlineLimit+1), failing{v.err}))
		return body.Ref{}, err
	}
	err = do(v, func() (err error) {
		ref, err = b.Store.Put(ctx, r)
		return err
	})
	if err != nil {
		return body.Ref{}, err
	}
	return ref, nil
}

func (b bodies) Open(ctx context.Context, ref body.Ref, offset int64) (io.ReadCloser, error) {
	var inner io.ReadCloser
	err := do(b.script.next(reads, "Open"), func() (err error) {
		inner, err = b.Store.Open(ctx, ref, offset)
		return err
	})
	if err != nil {
		if inner != nil {
			err = errors.Join(err, inner.Close())
		}
		return nil, err
	}
	return &reader{inner, b.script}, nil
}

func (b bodies) Discard(ctx context.Context, ref body.Ref) error {
	return do(b.script.next(commits, "Discard"), func() error { return b.Store.Discard(ctx, ref) })
}

// reader is an open body.
type reader struct {
	io.ReadCloser
	script *script
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.script.alive(); err != nil {
		return 0, err
	}
	return r.ReadCloser.Read(p)
}

// failing is a stream that breaks at once.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
