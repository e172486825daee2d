package storetest

import (
	"fmt"
	"slices"
	"strings"

	"gosbridge/mailstore"
)

var journalTests = []test{
	{"append and read", func(e *env) {
		a := e.account()
		var hashes []mailstore.Hash
		for i := range 40 {
			rec := mailstore.JournalRecord{Index: int64(i), At: e.clock.Now(), Kind: fmt.Sprint("kind", i),
				Commit: mailstore.Hash{byte(i)}, Salt: []byte(strings.Repeat("s", 16)), Details: []byte(fmt.Sprint("details", i))}
			if i == 7 {
				rec.Salt, rec.Details = nil, nil
			}
			var part []mailstore.Hash
			for j := range i%3 + 1 {
				part = append(part, mailstore.Hash{byte(i), byte(j), 1})
			}
			hashes = append(hashes, part...)
			e.update(a, func(tx mailstore.UpdateTx) error { return tx.AppendJournal(rec, part) })
		}
		e.reopen()
		e.view(a, func(tx mailstore.Tx) error {
			n, err := tx.JournalSize()
			e.eq(n, 40, "size")
			if err != nil {
				return err
			}
			indexes := make([]int64, len(hashes))
			for i := range indexes {
				indexes[i] = int64(len(hashes) - 1 - i)
			}
			got, err := tx.JournalHashes(indexes)
			slices.Reverse(got)
			e.eq(got, hashes, "hashes")
			if err != nil {
				return err
			}
			if _, err := tx.JournalHashes([]int64{int64(len(hashes))}); err == nil {
				e.Error("hash that was never put")
			}
			return nil
		})
		for _, tc := range []struct {
			from  int64
			limit int
			want  []int64
		}{{0, 2, []int64{0, 1}}, {38, 0, []int64{38, 39}}, {39, 9, []int64{39}}, {40, 0, nil}, {99, 1, nil}} {
			e.view(a, func(tx mailstore.Tx) error {
				var got []int64
				for rec, err := range tx.Journal(tc.from, tc.limit) {
					if err != nil {
						return err
					}
					got = append(got, rec.Index)
					e.eq([]any{rec.Kind, string(rec.Details), rec.Commit[0], len(rec.Salt), rec.At.Equal(e.clock.Now())},
						[]any{fmt.Sprint("kind", rec.Index), fmt.Sprint("details", rec.Index), rec.Index, 16, true}, "record")
				}
				e.eq(got, tc.want, fmt.Sprintf("journal from %d", tc.from))
				return nil
			})
		}
		e.view(a, func(tx mailstore.Tx) error {
			for rec, err := range tx.Journal(7, 1) {
				if err != nil || rec.Details != nil || rec.Salt != nil || rec.Commit[0] != 7 {
					e.Errorf("destroyed record: %+v, %v", rec, err)
				}
			}
			return nil
		})
	}},
	{"conflict", func(e *env) {
		a := e.account()
		for _, index := range []int64{1, -1} {
			err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
				return tx.AppendJournal(mailstore.JournalRecord{Index: index}, nil)
			})
			e.is(err, mailstore.ErrConflict, "wrong index")
		}
		e.update(a, func(tx mailstore.UpdateTx) error {
			for i := range int64(3) {
				if err := tx.AppendJournal(mailstore.JournalRecord{Index: i}, []mailstore.Hash{{byte(i)}}); err != nil {
					return err
				}
			}
			n, err := tx.JournalSize()
			e.eq(n, 3, "size in the same Update")
			return err
		})
	}},
}
