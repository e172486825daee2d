package auth

import (
	"testing"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

// TestOverStore logs in to an account that a real store keeps, also after it
// was opened anew.
func TestOverStore(t *testing.T) {
	options := boltstore.Options{Dir: t.TempDir(), MasterKey: [32]byte{1}, Now: time.Now, Create: true}
	store, err := boltstore.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	account, err := AddAccount(t.Context(), store.Directory(), NewAccount{
		Addresses: []string{"Fns@gov.example", "tax@gov.example"}, Name: "ФНС",
		Settings: Settings{Registry: "body-1"}, Now: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	cred, secret, err := AddCredential(t.Context(), store.Directory(), account.ID,
		NewCredential{Name: "system", Class: System, Now: start})
	if err != nil {
		t.Fatal(err)
	}
	err = store.View(t.Context(), account.ID, func(tx mailstore.Tx) error {
		for _, role := range []mailstore.Role{
			mailstore.RoleInbox, mailstore.RoleDrafts, mailstore.RoleSent, mailstore.RoleReceipts,
			mailstore.RoleArchive, mailstore.RoleJunk, mailstore.RoleTrash,
		} {
			if _, err := tx.MailboxByRole(role); err != nil {
				t.Errorf("%s: %v", role, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	options.Create = false
	if store, err = boltstore.Open(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a, err := New(Options{Directory: store.Directory()})
	if err != nil {
		t.Fatal(err)
	}
	id, err := a.Plain(t.Context(), from("192.0.2.1"), "", "TAX@gov.example", secret)
	if err != nil {
		t.Fatal(err)
	}
	if id.Account.ID != account.ID || id.Credential != cred.ID || id.Class != System || id.Settings.Registry != "body-1" {
		t.Errorf("identity %+v", id)
	}
}
