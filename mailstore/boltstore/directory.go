package boltstore

import (
	"context"
	"fmt"
	"iter"
	"time"

	"gosbridge/mailstore"
)

// directory implements mailstore.Directory. Its writes share the commits of
// everybody else.
type directory struct{ s *Store }

// accountsPage is how many accounts one transaction of Accounts reads.
const accountsPage = 200

// CreateAccount implements mailstore.Directory.
func (d directory) CreateAccount(ctx context.Context, a mailstore.Account, boxes []mailstore.NewMailbox, also ...func(mailstore.UpdateTx) error) error {
	return d.s.submit(ctx, func(w *work) error {
		return w.createAccount(a, boxes, d.s.now(), also)
	})
}

// PutAddresses implements mailstore.Directory.
func (d directory) PutAddresses(ctx context.Context, account mailstore.ID, addresses []string) error {
	return d.s.submit(ctx, func(w *work) error {
		keys, err := w.accountKeys(account, !w.created)
		if err != nil {
			return err
		}
		return w.putAddresses(keys, addresses)
	})
}

// Account implements mailstore.Directory.
func (d directory) Account(ctx context.Context, id mailstore.ID) (a mailstore.Account, err error) {
	err = d.s.read(ctx, func(t *txn) error {
		keys, err := t.accountKeys(id, true)
		if err != nil {
			return err
		}
		a, err = t.account(keys)
		return err
	})
	return a, err
}

// AccountByAddress implements mailstore.Directory.
func (d directory) AccountByAddress(ctx context.Context, address string) (a mailstore.Account, err error) {
	err = d.s.read(ctx, func(t *txn) error {
		id, err := t.accountByAddress(address)
		if err != nil {
			return err
		}
		keys, err := t.accountKeys(id, true)
		if err != nil {
			return err
		}
		a, err = t.account(keys)
		return err
	})
	return a, err
}

// Accounts implements mailstore.Directory.
func (d directory) Accounts(ctx context.Context) iter.Seq2[mailstore.Account, error] {
	return func(yield func(mailstore.Account, error) bool) {
		var from []byte
		for {
			page, err := d.accountsFrom(ctx, from)
			if err != nil {
				yield(mailstore.Account{}, err)
				return
			}
			for _, a := range page {
				if !yield(a, nil) {
					return
				}
			}
			if len(page) < accountsPage {
				return
			}
			from = key(page[len(page)-1].ID, byte(0)) // the next key after it
		}
	}
}

// accountsFrom reads one page of accounts.
func (d directory) accountsFrom(ctx context.Context, from []byte) (page []mailstore.Account, err error) {
	err = d.s.read(ctx, func(t *txn) error {
		var failed error
		t.scan(bAccount, nil, from, func(k, _ []byte) bool {
			keys, err := t.accountKeys(mailstore.ID(k), true)
			if err == nil {
				var a mailstore.Account
				a, err = t.account(keys)
				page = append(page, a)
			}
			failed = err
			return err == nil && len(page) < accountsPage
		})
		return failed
	})
	return page, err
}

// PutCredential implements mailstore.Directory.
func (d directory) PutCredential(ctx context.Context, c mailstore.Credential, also ...func(mailstore.UpdateTx) error) error {
	return d.s.submit(ctx, func(w *work) error {
		keys, err := w.accountKeys(c.Account, !w.created)
		if err != nil {
			return err
		}
		if err := w.putCredential(keys, c); err != nil {
			return err
		}
		return w.also(newUpdate(w, keys), also)
	})
}

// CredentialUsed implements mailstore.Directory.
func (d directory) CredentialUsed(ctx context.Context, account, credential mailstore.ID, at time.Time) error {
	return d.s.submit(ctx, func(w *work) error {
		keys, err := w.accountKeys(account, !w.created)
		if err != nil {
			return err
		}
		k := key(keys.num, credential)
		v := w.get(bCred, k)
		if v == nil {
			return nil
		}
		c, err := decodeCredential(keys, k, v)
		if err != nil || !at.After(c.Used) {
			return err
		}
		c.Used = at
		return w.putCredential(keys, c)
	})
}

// also runs what belongs to a change of the directory, and writes what it
// changed.
func (w *work) also(u *update, also []func(mailstore.UpdateTx) error) error {
	for _, fn := range also {
		if err := fn(u); err != nil {
			return err
		}
	}
	return u.flush()
}

// putCredential writes a credential's row.
func (w *work) putCredential(keys *accountKeys, c mailstore.Credential) error {
	k := key(keys.num, c.ID)
	var hidden encoder
	hidden.string(c.Name)
	hidden.bytes(c.Data)
	if !c.Used.IsZero() { // a row of an older release ends before it
		hidden.time(c.Used)
	}
	var e encoder
	e.string(c.Class)
	e.time(c.Created)
	e.bool(c.Revoked)
	e.raw(seal(keys.seal, bCred, k, hidden.b))
	return w.put(bCred, k, e.b)
}

// Credentials implements mailstore.Directory.
func (d directory) Credentials(ctx context.Context, account mailstore.ID) (list []mailstore.Credential, err error) {
	err = d.s.read(ctx, func(t *txn) error {
		keys, err := t.accountKeys(account, true)
		if err != nil {
			return err
		}
		var failed error
		t.scan(bCred, key(keys.num), nil, func(k, v []byte) bool {
			var c mailstore.Credential
			c, failed = decodeCredential(keys, k, v)
			list = append(list, c)
			return failed == nil
		})
		return failed
	})
	return list, err
}

func decodeCredential(keys *accountKeys, k, v []byte) (mailstore.Credential, error) {
	d := decoder{b: v}
	c := mailstore.Credential{ID: mailstore.ID(k[4:]), Account: keys.id, Class: d.string(), Created: d.time(), Revoked: d.bool()}
	if d.bad {
		return c, fmt.Errorf("credential %s: %w", c.ID, mailstore.ErrDamaged)
	}
	clear, err := unseal(keys.seal, bCred, k, d.b)
	if err != nil {
		return c, err
	}
	h := decoder{b: clear}
	c.Name, c.Data = h.string(), copied(h.bytes())
	if len(h.b) > 0 {
		c.Used = h.time()
	}
	return c, h.err()
}

// ReserveNumbers implements mailstore.Directory.
func (d directory) ReserveNumbers(ctx context.Context, n uint64) (first uint64, err error) {
	err = d.s.submit(ctx, func(w *work) error {
		var err error
		first, err = w.counter(counterNumber, n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return first, nil
}

// Generation implements mailstore.Directory.
func (d directory) Generation(ctx context.Context) (g uint32, err error) {
	err = d.s.read(ctx, func(t *txn) error {
		g, err = t.generation()
		return err
	})
	return g, err
}

// settingKey is where a setting stands.
func (t *txn) settingKey(name string) []byte {
	mac := t.s.keys.macSum("setting", 0, name)
	return mac[:]
}

// Setting implements mailstore.Directory.
func (d directory) Setting(ctx context.Context, name string) (value []byte, err error) {
	err = d.s.read(ctx, func(t *txn) error {
		k := t.settingKey(name)
		v := t.get(bSetting, k)
		if v == nil {
			return nil
		}
		value, err = unseal(d.s.keys.setting, bSetting, k, v)
		if value == nil && err == nil {
			value = []byte{} // there, and empty
		}
		return err
	})
	return value, err
}

// PutSetting implements mailstore.Directory.
func (d directory) PutSetting(ctx context.Context, name string, value []byte) error {
	return d.s.submit(ctx, func(w *work) error {
		k := w.settingKey(name)
		return w.put(bSetting, k, seal(d.s.keys.setting, bSetting, k, value))
	})
}
