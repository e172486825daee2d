package boltstore

import (
	"iter"

	"gosbridge/mailstore"
)

// FlagRows implements mailstore.Tx.
func (v *view) FlagRows(box mailstore.MailboxID, set mailstore.UIDSet) iter.Seq2[mailstore.FlagRow, error] {
	return func(yield func(mailstore.FlagRow, error) bool) {
		b, err := v.box(box)
		if err == nil {
			err = v.eachChunk(box, set, func(_ uint32, rows []flagRow, in []int) error {
				for _, i := range in {
					r := &rows[i]
					words, err := b.words(r.keywords)
					if err != nil {
						return err
					}
					if !yield(mailstore.FlagRow{UID: r.uid, ModSeq: r.mod, Flags: r.flags, Keywords: words}, nil) {
						return errStop
					}
				}
				return nil
			})
		}
		if err != nil && err != errStop { //nolint:errorlint // our own value, never wrapped
			yield(mailstore.FlagRow{}, err)
		}
	}
}
