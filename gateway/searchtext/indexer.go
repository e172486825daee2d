package searchtext

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

const (
	// every is the least time between two rounds, so that the messages of a
	// busy account share the commits of their texts.
	every = time.Second
	// again is how long what failed is left alone.
	again = 30 * time.Second
	// share is the part of one processor's time that the work may take: it is
	// never urgent, and letters that come in are.
	share = 4

	// stepMessages is how many texts one step holds in memory.
	stepMessages = 64
	// settleRows is how many rows without text are asked for at once.
	settleRows = 4096
)

// Indexer keeps the texts of messages behind the commits. One of them runs for
// a store; what it does may be repeated, interrupted and lost.
type Indexer struct {
	store mailstore.Store
	log   *slog.Logger
	pause func(ctx context.Context, d time.Duration)
	now   func() time.Time
	again time.Duration
}

// NewIndexer makes one. A nil logger discards.
func NewIndexer(store mailstore.Store, logger *slog.Logger) *Indexer {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Indexer{store: store, log: logger, pause: pause, now: time.Now, again: again}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Run works until ctx ends. It catches up with what was left behind first.
func (x *Indexer) Run(ctx context.Context) error {
	failed := map[mailstore.ID]bool{}
	for ctx.Err() == nil {
		accounts, err := x.behind(ctx, failed)
		if err != nil {
			if errors.Is(err, mailstore.ErrClosed) {
				return nil
			}
			if ctx.Err() == nil {
				x.log.Error("texts for searching: who is behind is not known", "err", err)
				x.pause(ctx, x.again)
			}
			continue
		}
		for _, account := range accounts {
			err := x.catchUp(ctx, account, x.rest)
			delete(failed, account)
			if err != nil && ctx.Err() == nil {
				x.log.Error("texts for searching not kept", "account", account, "err", err)
				failed[account] = true
			}
		}
		x.pause(ctx, every)
	}
	return nil
}

// behind waits for accounts to work on: those that are behind, or that failed a
// while ago.
func (x *Indexer) behind(ctx context.Context, failed map[mailstore.ID]bool) ([]mailstore.ID, error) {
	if len(failed) == 0 {
		return x.store.Texts().Behind(ctx)
	}
	wait, cancel := context.WithTimeout(ctx, x.again)
	defer cancel()
	accounts, err := x.store.Texts().Behind(wait)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		for account := range failed {
			accounts = append(accounts, account)
		}
		return accounts, nil
	}
	return accounts, err
}

// rest leaves the processor to others after work that took d.
func (x *Indexer) rest(ctx context.Context, d time.Duration) { x.pause(ctx, (share-1)*d) }

// Rebuild makes all texts of an account anew, and returns when they are there.
// Searches are right meanwhile, only slower.
func (x *Indexer) Rebuild(ctx context.Context, account mailstore.ID) error {
	if err := x.store.Texts().Drop(ctx, account); err != nil {
		return fmt.Errorf("drop texts: %w", err)
	}
	return x.catchUp(ctx, account, func(context.Context, time.Duration) {})
}

// catchUp settles an account and makes the texts that it lacks, step by step;
// rest is called after each step.
func (x *Indexer) catchUp(ctx context.Context, account mailstore.ID, rest func(context.Context, time.Duration)) error {
	for {
		began := x.now()
		lacking, err := x.store.Texts().Settle(ctx, account, settleRows)
		if errors.Is(err, mailstore.ErrNoAccount) {
			return nil
		}
		if err != nil || len(lacking) == 0 {
			return err
		}
		for len(lacking) > 0 {
			n, err := x.step(ctx, account, lacking)
			if err != nil {
				return err
			}
			lacking = lacking[n:]
			rest(ctx, x.now().Sub(began))
			if err := ctx.Err(); err != nil {
				return err
			}
			began = x.now()
		}
	}
}

// step makes the texts of the first rows, and returns of how many.
func (x *Indexer) step(ctx context.Context, account mailstore.ID, rows []mailstore.Lacking) (n int, err error) {
	for n < len(rows) && n < stepMessages && rows[n].Mailbox == rows[0].Mailbox {
		n++
	}
	texts, err := x.texts(ctx, account, rows[:n])
	if err != nil {
		return 0, err
	}
	if err := x.store.Texts().Put(ctx, texts); err != nil {
		return 0, fmt.Errorf("put texts: %w", err)
	}
	return n, nil
}

// texts makes the texts of rows of one mailbox. The messages are read outside
// of any transaction. One that cannot be read gets a text that settles nothing,
// so that it is not tried again and again.
func (x *Indexer) texts(ctx context.Context, account mailstore.ID, rows []mailstore.Lacking) ([]mailstore.Text, error) {
	messages, err := x.load(ctx, account, rows)
	switch {
	case isUnreadable(err) && len(rows) > 1:
		half := len(rows) / 2
		texts, err := x.texts(ctx, account, rows[:half])
		if err != nil {
			return nil, err
		}
		rest, err := x.texts(ctx, account, rows[half:])
		return append(texts, rest...), err
	case isUnreadable(err):
		text := mailstore.Text{Account: account, EmailID: rows[0].EmailID}
		text.Head, text.Body = unreadable()
		return []mailstore.Text{text}, nil
	case err != nil:
		return nil, fmt.Errorf("read messages: %w", err)
	}
	texts := make([]mailstore.Text, 0, len(messages))
	for _, m := range messages {
		text := mailstore.Text{Account: account, EmailID: m.EmailID}
		text.Head, text.Body, err = read(ctx, x.store.Bodies(), m)
		if isUnreadable(err) {
			text.Head, text.Body = unreadable()
		} else if err != nil {
			return nil, fmt.Errorf("text of message %s: %w", m.EmailID, err)
		}
		texts = append(texts, text)
	}
	return texts, nil
}

// isUnreadable reports whether an error is the message's own and will stay.
func isUnreadable(err error) bool {
	return errors.Is(err, body.ErrNotFound) || errors.Is(err, body.ErrDamaged) || errors.Is(err, mailstore.ErrDamaged)
}

// load reads rows of one mailbox with all their fields. Those that went
// meanwhile are left out.
func (x *Indexer) load(ctx context.Context, account mailstore.ID, rows []mailstore.Lacking) (list []*mailstore.Message, err error) {
	var set mailstore.UIDSet
	for _, r := range rows {
		set.AddNum(r.UID)
	}
	err = x.store.View(ctx, account, func(tx mailstore.Tx) error {
		list = list[:0]
		for m, err := range tx.Messages(rows[0].Mailbox, set, mailstore.FieldMeta|mailstore.FieldSummary|mailstore.FieldContent) {
			if errors.Is(err, mailstore.ErrNoMailbox) {
				return nil
			}
			if err != nil {
				return err
			}
			list = append(list, m)
		}
		return nil
	})
	return list, err
}
