package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"gosbridge/gateway/letter"
	"gosbridge/gateway/receipt"
	"gosbridge/gateway/worker"
	"gosbridge/mailstore"
)

// parcel is one letter for one account.
type parcel struct {
	con     *consignment
	arrival letter.Arrival
}

// carry brings letters into the mailboxes of this gateway: one Update for an
// account and batch.
func (c *Courier) carry(ctx context.Context, load []*consignment) {
	parcels := map[mailstore.ID][]parcel{}
	var order []mailstore.ID
	for _, con := range load {
		for i, r := range con.out.Recipients {
			if !r.Due() {
				continue
			}
			a, err := letter.Arrive(con.record, c.host, con.item.Account, con.out, con.sent, i, c.now().UTC())
			if err != nil {
				c.log.Error("letter not prepared", "letter", con.item.Letter, "err", err)
				con.failed(i, c.now().UTC(), false, reasonGateway)
				continue
			}
			if parcels[r.Account] == nil {
				order = append(order, r.Account)
			}
			parcels[r.Account] = append(parcels[r.Account], parcel{con, a})
		}
	}
	var mu sync.Mutex
	worker.Parallel(order, func(to mailstore.ID) {
		errs := c.receive(ctx, to, parcels[to])
		mu.Lock()
		defer mu.Unlock()
		for i, p := range parcels[to] {
			c.note(p, to, errs[i])
		}
	})
}

// receive writes parcels into one account, together; if that fails each
// alone, so that one does not hold up the others. One error for each; a parcel
// that was there already gets the time at which it came.
func (c *Courier) receive(ctx context.Context, to mailstore.ID, load []parcel) []error {
	errs := make([]error, len(load))
	err := c.put(ctx, to, load)
	if err == nil {
		return errs
	}
	for i := range load {
		errs[i] = err
		if len(load) > 1 {
			errs[i] = c.put(ctx, to, load[i:i+1])
		}
	}
	return errs
}

// put writes parcels into one account in one Update.
func (c *Courier) put(ctx context.Context, to mailstore.ID, load []parcel) error {
	came := make([]time.Time, len(load))
	err := c.store.Update(ctx, to, func(tx mailstore.UpdateTx) (err error) {
		for i, p := range load {
			if came[i], err = letter.Receive(tx, p.arrival); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range load {
		load[i].arrival.At = came[i]
	}
	return nil
}

var (
	reasonGone    = receipt.Reason{Code: "recipient-gone", En: "the recipient has no mailbox any more", Ru: "ящика получателя больше нет"}
	reasonQuota   = receipt.Reason{Code: "recipient-full", En: "the recipient's mailbox is full", Ru: "ящик получателя переполнен"}
	reasonBlocked = receipt.Reason{Code: "recipient-blocked", En: "the recipient's mailbox is blocked", Ru: "ящик получателя заблокирован"}
	reasonGateway = receipt.Reason{Code: "gateway-failure", En: "the gateway could not deliver the letter", Ru: "шлюз не смог доставить письмо"}
)

// note records what became of a parcel.
func (c *Courier) note(p parcel, to mailstore.ID, err error) {
	at := c.now().UTC()
	switch {
	case err == nil:
		p.con.delivered(p.arrival.Index, p.arrival.At)
	case errors.Is(err, mailstore.ErrNoAccount):
		p.con.failed(p.arrival.Index, at, true, reasonGone)
	case errors.Is(err, mailstore.ErrQuota):
		p.con.failed(p.arrival.Index, at, false, reasonQuota)
	case errors.Is(err, letter.ErrBlocked):
		p.con.failed(p.arrival.Index, at, false, reasonBlocked)
	default:
		c.log.Error("letter not delivered", "account", to, "letter", p.con.item.Letter, "err", err)
		p.con.failed(p.arrival.Index, at, false, reasonGateway)
	}
}
