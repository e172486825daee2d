package boltstore

import (
	"fmt"
	"testing"

	"gosbridge/mailstore"
)

// BenchmarkSignal is what a commit pays for the idlers of other mailboxes.
func BenchmarkSignal(b *testing.B) {
	for _, idlers := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint("idlers=", idlers), func(b *testing.B) {
			var h hub
			a := mailstore.NewID()
			for range idlers {
				defer h.add(a, []mailstore.MailboxID{2}).Close()
			}
			touched := map[mailstore.ID]*touch{a: {boxes: map[mailstore.MailboxID]bool{1: true}}}
			for b.Loop() {
				h.signal(touched)
			}
		})
	}
}

// BenchmarkRole is what an Update pays for finding a mailbox by its role.
func BenchmarkRole(b *testing.B) {
	for _, boxes := range []int{10, 100, 1900} {
		b.Run(fmt.Sprint("mailboxes=", boxes), func(b *testing.B) {
			s, a := testStore(b, Options{})
			err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
				for i := range boxes {
					if _, err := tx.CreateMailbox(fmt.Sprint("box ", i), ""); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				err := s.View(ctx, a, func(tx mailstore.Tx) error {
					_, err := tx.MailboxByRole(mailstore.RoleArchive)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
