package mailstore

import (
	"context"
	"time"

	"gosbridge/mailstore/body"
)

// Item is work that waits: a delivery, a term, an action. It belongs to the
// account that it will change.
type Item struct {
	ID      ID // chosen by the caller
	Account ID
	Class   string // which worker takes it, in the clear
	Due     time.Time
	Letter  ID     // zero when it concerns none
	Payload []byte // sealed
	// Bodies are what the item holds until it is completed or cancelled, so
	// that the account of the item can open and append them.
	Bodies []body.Ref

	// Set by the queue.
	Attempts int       // leases so far
	Owner    string    // of the lease; "" when not leased
	Until    time.Time // end of the lease
	Token    uint64    // fencing token of the lease; rises with every lease
}

// Outbox changes the queue inside an Update.
type Outbox interface {
	// Enqueue adds an item, for this or any other account. It is the only
	// write that may name another account. An ID that was enqueued within
	// RepeatWindow is not added again, even when it was completed since.
	// ErrNoAccount when the item's account does not exist.
	Enqueue(Item) error
	// Complete removes a leased item of this account. ErrLeased when the
	// token is not the current one, ErrNoItem when the item is gone.
	Complete(Item) error
	// Retry gives a leased item of this account back, with a new payload and
	// due time. Errors as Complete.
	Retry(it Item, due time.Time) error
	// Cancel removes an item of this account that is not leased: ErrLeased
	// when it is, ErrNoItem when it is gone.
	Cancel(id ID) error
}

// Queue hands out items. All methods are safe for concurrent use.
type Queue interface {
	// Lease takes up to n due items of a class, the earliest first, for ttl.
	// Items whose lease ran out are due again. The lease is durable.
	Lease(ctx context.Context, class, owner string, n int, ttl time.Duration) ([]Item, error)
	// Renew prolongs leases; ErrLeased when one of them is lost.
	Renew(ctx context.Context, items []Item, ttl time.Duration) error
	// Next is when the class's next item is due or its lease ends; ok is
	// false when there is none.
	Next(ctx context.Context, class string) (at time.Time, ok bool, err error)
	// Wake returns a channel that hints at new or earlier work of the class.
	// It has a buffer of one and is shared by all callers of the class.
	Wake(class string) <-chan struct{}
	// Items lists what waits, by due time; for commands. limit 0: all.
	Items(ctx context.Context, class string, limit int) ([]Item, error)
	// Waiting counts the items by class, the leased ones included.
	Waiting(ctx context.Context) (map[string]int, error)
}
