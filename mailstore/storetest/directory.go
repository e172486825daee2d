package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"gosbridge/mailstore"
)

var directoryTests = []test{
	{"account", func(e *env) {
		d := e.s.Directory()
		a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"Ivanov@Example.org", "info@example.org"},
			Name: "Иванов", Created: e.clock.Now().Add(-time.Hour), Quota: 5, Data: []byte("settings")}
		e.no(d.CreateAccount(e.ctx, a, []mailstore.NewMailbox{{Name: "Sent", Role: mailstore.RoleSent}}), "create")
		e.reopen()
		for _, name := range []string{"INBOX", "Sent"} {
			e.eq(e.box(a.ID, name).Subscribed, true, name+" subscribed")
		}
		d = e.s.Directory()
		for _, address := range []string{"ivanov@example.org", "INFO@example.org"} {
			got, err := d.AccountByAddress(e.ctx, address)
			e.no(err, "by address")
			e.eq([]any{got.ID, got.Holder, got.Addresses, got.Name, got.Quota, string(got.Data), got.Disabled, got.Created.Equal(a.Created)},
				[]any{a.ID, a.Holder, "[ivanov@example.org info@example.org]", "Иванов", 5, "settings", false, true}, "account")
		}
		_, err := d.AccountByAddress(e.ctx, "nobody@example.org")
		e.is(err, mailstore.ErrNoAccount, "by unknown address")
		_, err = d.Account(e.ctx, mailstore.NewID())
		e.is(err, mailstore.ErrNoAccount, "unknown")
		e.update(a.ID, func(tx mailstore.UpdateTx) error {
			a, err := tx.Account()
			if err != nil {
				return err
			}
			a.Name, a.Disabled, a.Quota, a.Data = "Новое имя", true, 9, []byte("other")
			a.Addresses, a.Holder, a.ID = []string{"stolen@example.org"}, mailstore.NewID(), mailstore.NewID()
			return tx.PutAccount(a)
		})
		got, err := d.Account(e.ctx, a.ID)
		e.no(err, "account")
		e.eq([]any{got.ID, got.Holder, got.Addresses, got.Name, got.Disabled, got.Quota, string(got.Data)},
			[]any{a.ID, a.Holder, "[ivanov@example.org info@example.org]", "Новое имя", true, 9, "other"}, "changed account")
	}},
	{"duplicates", func(e *env) {
		d := e.s.Directory()
		a := mailstore.Account{ID: mailstore.NewID(), Addresses: []string{"a@example.org"}}
		e.no(d.CreateAccount(e.ctx, a, nil), "create")
		e.is(d.CreateAccount(e.ctx, a, nil), mailstore.ErrExists, "same ID")
		b := mailstore.Account{ID: mailstore.NewID(), Addresses: []string{"b@example.org", "A@example.org"}}
		e.is(d.CreateAccount(e.ctx, b, nil), mailstore.ErrExists, "address in use")
		_, err := d.AccountByAddress(e.ctx, "b@example.org")
		e.is(err, mailstore.ErrNoAccount, "nothing is kept of a refused account")
		b.Addresses = b.Addresses[:1]
		e.no(d.CreateAccount(e.ctx, b, nil), "create")
		e.is(d.PutAddresses(e.ctx, b.ID, []string{"a@example.org"}), mailstore.ErrExists, "address of another")
		e.no(d.PutAddresses(e.ctx, b.ID, []string{"C@example.org", "b@example.org"}), "put addresses")
		got, err := d.AccountByAddress(e.ctx, "c@example.org")
		e.no(err, "by new address")
		e.eq(got.Addresses, "[c@example.org b@example.org]", "addresses")
		e.no(d.PutAddresses(e.ctx, a.ID, []string{"new@example.org"}), "give an address up")
		e.no(d.PutAddresses(e.ctx, b.ID, []string{"a@example.org"}), "take it over")
		e.is(d.PutAddresses(e.ctx, mailstore.NewID(), nil), mailstore.ErrNoAccount, "no account")
	}},
	{"accounts at once", func(e *env) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for i := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for j := range 10 { // every address is wanted twice
					a := mailstore.Account{ID: mailstore.NewID(), Addresses: []string{fmt.Sprintf("u%d-%d@example.org", i/2, j)}}
					if e.s.Directory().CreateAccount(e.ctx, a, nil) == nil {
						mu.Lock()
						made++
						mu.Unlock()
					}
				}
			}()
		}
		wg.Wait()
		e.eq(made, 40, "accounts made")
		n := 0
		last := ""
		for a, err := range e.s.Directory().Accounts(e.ctx) {
			e.no(err, "accounts")
			if id := a.ID.String(); id <= last {
				e.Errorf("account %s after %s", id, last)
			} else {
				last = id
			}
			n++
			// No transaction is held: the store may be changed meanwhile.
			e.no(e.s.Directory().PutCredential(e.ctx, mailstore.Credential{ID: mailstore.NewID(), Account: a.ID}), "put while iterating")
		}
		e.eq(n, 40, "accounts listed")
	}},
	{"many accounts", func(e *env) {
		var wg sync.WaitGroup
		for i := range 450 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				a := mailstore.Account{ID: mailstore.NewID(), Addresses: []string{fmt.Sprintf("u%d@example.org", i)}}
				if err := e.s.Directory().CreateAccount(e.ctx, a, nil); err != nil {
					e.Errorf("create: %v", err)
				}
			}()
		}
		wg.Wait()
		seen := map[mailstore.ID]bool{}
		for a, err := range e.s.Directory().Accounts(e.ctx) {
			e.no(err, "accounts")
			seen[a.ID] = true
		}
		e.eq(len(seen), 450, "accounts listed")
		for range e.s.Directory().Accounts(e.ctx) {
			break // stopping early is allowed
		}
	}},
	{"credentials", func(e *env) {
		a, b := e.account(), e.account()
		d := e.s.Directory()
		c := mailstore.Credential{ID: mailstore.NewID(), Account: a, Name: "laptop", Class: "person", Created: e.clock.Now(), Data: []byte("verifier")}
		e.no(d.PutCredential(e.ctx, c), "put")
		c.Revoked, c.Name = true, "phone"
		e.no(d.PutCredential(e.ctx, c), "replace")
		e.no(d.PutCredential(e.ctx, mailstore.Credential{ID: mailstore.NewID(), Account: a, Class: "archive"}), "put another")
		e.reopen()
		list, err := e.s.Directory().Credentials(e.ctx, a)
		e.no(err, "credentials")
		e.eq(len(list), 2, "credentials")
		got := e.credential(a, c.ID)
		e.eq([]any{got.Account, got.Name, got.Class, got.Revoked, string(got.Data), got.Created.Equal(c.Created)},
			[]any{a, "phone", "person", true, "verifier", true}, "credential")
		e.eq(got.Used.IsZero(), true, "never used")
		e.view(a, func(tx mailstore.Tx) error {
			same, err := tx.Credential(c.ID)
			e.eq(same, got, "credential of the snapshot")
			return err
		})
		e.view(b, func(tx mailstore.Tx) error {
			_, err := tx.Credential(c.ID)
			e.is(err, mailstore.ErrNoCredential, "credential of another account")
			return nil
		})
		at := e.clock.Now().Add(time.Hour)
		e.no(e.s.Directory().CredentialUsed(e.ctx, a, c.ID, at), "use")
		e.no(e.s.Directory().CredentialUsed(e.ctx, a, c.ID, at.Add(-time.Minute)), "use told late")
		e.no(e.s.Directory().CredentialUsed(e.ctx, b, c.ID, at), "use by another account")
		e.is(e.s.Directory().CredentialUsed(e.ctx, mailstore.NewID(), c.ID, at), mailstore.ErrNoAccount, "use of no account")
		e.reopen()
		used := e.credential(a, c.ID)
		e.eq([]any{used.Name, used.Class, used.Revoked, string(used.Data), used.Created.Equal(c.Created), used.Used.Equal(at)},
			[]any{"phone", "person", true, "verifier", true, true}, "credential used")
		list, err = e.s.Directory().Credentials(e.ctx, b)
		e.eq([]any{len(list), err}, []any{0, nil}, "of another account")
		e.is(e.s.Directory().PutCredential(e.ctx, mailstore.Credential{ID: mailstore.NewID(), Account: mailstore.NewID()}), mailstore.ErrNoAccount, "of no account")
	}},
	{"what belongs to a change", func(e *env) {
		d := e.s.Directory()
		refused := errors.New("refused")
		note := func(text string, then error) func(mailstore.UpdateTx) error {
			return func(tx mailstore.UpdateTx) error {
				if _, err := tx.CreateMailbox(text, ""); err != nil {
					return err
				}
				return then
			}
		}
		names := func(a mailstore.ID) (list []string) {
			e.view(a, func(tx mailstore.Tx) error {
				boxes, err := tx.Mailboxes()
				for _, b := range boxes {
					list = append(list, b.Name)
				}
				return err
			})
			return list
		}
		a := mailstore.Account{ID: mailstore.NewID(), Addresses: []string{"a@example.org"}}
		e.is(d.CreateAccount(e.ctx, a, nil, note("one", refused)), refused, "create, refused")
		_, err := d.Account(e.ctx, a.ID)
		e.is(err, mailstore.ErrNoAccount, "nothing is kept of it")
		e.no(d.CreateAccount(e.ctx, a, nil, note("one", nil), note("two", nil)), "create")
		c := mailstore.Credential{ID: mailstore.NewID(), Account: a.ID, Name: "laptop"}
		e.is(d.PutCredential(e.ctx, c, note("three", refused)), refused, "put, refused")
		list, err := d.Credentials(e.ctx, a.ID)
		e.eq([]any{len(list), err}, []any{0, nil}, "credentials after a refusal")
		e.no(d.PutCredential(e.ctx, c, note("four", nil)), "put")
		e.reopen()
		e.eq(e.credential(a.ID, c.ID).Name, "laptop", "credential")
		e.eq(names(a.ID), "[INBOX four one two]", "mailboxes")
	}},
	{"numbers", func(e *env) {
		var mu sync.Mutex
		taken := map[uint64]bool{}
		take := func(n uint64) {
			first, err := e.s2.Directory().ReserveNumbers(e.ctx, n)
			if err != nil || first == 0 {
				e.Errorf("reserve: %d, %v", first, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range n {
				if taken[first+i] {
					e.Errorf("number %d given twice", first+i)
				}
				taken[first+i] = true
			}
		}
		for round := range 3 {
			var wg sync.WaitGroup
			for i := range 10 {
				wg.Add(1)
				go func() { defer wg.Done(); take(uint64(i + 1)) }()
			}
			wg.Wait()
			if round == 0 {
				e.reopen()
			} else {
				e.crash()
			}
		}
	}},
	{"settings and generation", func(e *env) {
		d := e.s.Directory()
		v, err := d.Setting(e.ctx, "mark")
		e.eq([]any{v == nil, err}, []any{true, nil}, "absent")
		e.no(d.PutSetting(e.ctx, "mark", []byte("value")), "put")
		e.no(d.PutSetting(e.ctx, "mark", []byte("other")), "replace")
		g, err := d.Generation(e.ctx)
		e.no(err, "generation")
		e.crash()
		v, err = e.s.Directory().Setting(e.ctx, "mark")
		e.eq([]any{string(v), err}, []any{"other", nil}, "setting")
		again, err := e.s.Directory().Generation(e.ctx)
		e.eq([]any{again, err}, []any{g, nil}, "generation")
	}},
}

var quotaTests = []test{
	{"append and copy", func(e *env) {
		a := e.accountOf(mailstore.NewID(), 100)
		box := e.inbox(a)
		msg := func(n int) mailstore.NewMessage {
			return mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Prefix: []byte(strings.Repeat("x", n))}}
		}
		e.append(a, box, msg(60))
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { _, err := tx.Append(box, msg(41)); return err })
		e.is(err, mailstore.ErrQuota, "append")
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { _, err := tx.Copy(box, all(), box); return err })
		e.is(err, mailstore.ErrQuota, "copy")
		e.update(a, func(tx mailstore.UpdateTx) error { _, err := tx.Move(box, all(), box); return err })
		e.append(a, box, msg(40))
		e.usage(a, 100, 2, 100)
		e.expunge(a, box, set(2), false, "2")
		e.usage(a, 40, 1, 100)
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { // within one Update too
			for range 3 {
				if _, err := tx.Append(box, msg(25)); err != nil {
					return err
				}
			}
			return nil
		})
		e.is(err, mailstore.ErrQuota, "several in one Update")
		e.usage(a, 40, 1, 100)
		must := msg(70) // what the account must get
		must.OverQuota = true
		e.append(a, box, must)
		e.usage(a, 110, 2, 100)
		err = e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { _, err := tx.Append(box, msg(1)); return err })
		e.is(err, mailstore.ErrQuota, "append beyond what had to be taken")
		e.expunge(a, box, set(4), false, "4")
		e.update(a, func(tx mailstore.UpdateTx) error {
			acc, err := tx.Account()
			if err != nil {
				return err
			}
			acc.Quota = 0
			return tx.PutAccount(acc)
		})
		e.append(a, box, msg(5000))
		e.usage(a, 5040, 2, 0)
	}},
	{"reserve", func(e *env) {
		a := e.accountOf(mailstore.NewID(), 100)
		release, err := e.s.Reserve(e.ctx, a, 70)
		e.no(err, "reserve")
		_, err = e.s.Reserve(e.ctx, a, 31)
		e.is(err, mailstore.ErrQuota, "reserve beyond")
		second, err := e.s.Reserve(e.ctx, a, 30)
		e.no(err, "reserve the rest")
		release()
		release() // twice is once
		_, err = e.s.Reserve(e.ctx, a, 71)
		e.is(err, mailstore.ErrQuota, "reserve beyond")
		// A message that was announced fits, though its octets are set aside.
		e.append(a, e.inbox(a), mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Prefix: make([]byte, 30)}})
		second()
		_, err = e.s.Reserve(e.ctx, a, 71)
		e.is(err, mailstore.ErrQuota, "reserve beside what is there")
		release, err = e.s.Reserve(e.ctx, a, 70)
		e.no(err, "reserve beside what is there")
		e.reopen() // a reservation does not outlive the process
		last, err := e.s.Reserve(e.ctx, a, 70)
		e.no(err, "reserve after a restart")
		last()
		release()
		_, err = e.s.Reserve(e.ctx, mailstore.NewID(), 1)
		e.is(err, mailstore.ErrNoAccount, "no account")
	}},
}

func (e *env) usage(a mailstore.ID, octets, messages, quota int64) {
	e.Helper()
	e.view(a, func(tx mailstore.Tx) error {
		u, err := tx.Usage()
		e.eq([]any{u.Octets, u.Messages, u.Quota}, []any{octets, messages, quota}, "usage")
		return err
	})
}

// credential is one credential of an account.
func (e *env) credential(account, id mailstore.ID) mailstore.Credential {
	e.Helper()
	list, err := e.s.Directory().Credentials(e.ctx, account)
	e.no(err, "credentials")
	for _, c := range list {
		if c.ID == id {
			return c
		}
	}
	e.Fatalf("no credential %s", id)
	return mailstore.Credential{}
}
