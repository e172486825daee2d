package boltstore

import (
	"reflect"
	"testing"
	"time"

	"gosbridge/mailstore"
)

// FuzzDecode feeds the decoders of all records with octets: they must answer,
// and what they understood they must write again as it was understood.
func FuzzDecode(f *testing.F) {
	st := state{modseq: 5, nextBox: 2, octets: 99}
	f.Add(st.encode())
	f.Add(encodeChunk([]flagRow{{uid: 3, flags: 1, mod: 70, keywords: []byte{1, 2}}, {uid: 9, mod: 71}}))
	f.Add((&logEntry{created: mailstore.UIDSet{{Start: 1, Stop: 5}}, vanished: mailstore.UIDSet{{Start: 7, Stop: 7}}}).encode())
	f.Add((&row{size: 5, letter: mailstore.ID{1}, received: time.Now(), summary: []byte("s")}).encode())
	f.Add((&itemRecord{Item: mailstore.Item{Class: "c"}, bodies: []bodyRef{{size: 5}}}).encode())
	f.Add(encodeKept(mailstore.Kept{LetterID: mailstore.ID{1}, Until: time.Now(), Held: true}))
	f.Add((&vaultEntry{box: 1, uid: 2, flags: 1, at: time.Now(), row: row{size: 5}}).encode())
	f.Add((&emailRecord{uid: 1, mod: 2, at: []mailstore.Location{{Mailbox: 1, UID: 2}}}).encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if st, err := decodeState(raw); err == nil {
			same(t, st, decodeState, st.encode())
		}
		if r, err := decodeEmail(raw); err == nil {
			same(t, r, decodeEmail, r.encode())
		}
		if rows, err := decodeChunk(nil, 0, raw); err == nil && ascending(rows) {
			same(t, rows, func(raw []byte) ([]flagRow, error) { return decodeChunk(nil, 0, raw) }, encodeChunk(rows))
		}
		_ = decodeLog(&logEntry{}, raw)
		_ = (&row{}).decode(raw)
		_, _ = decodeItem(mailstore.ID{}, raw)
		_, _ = decodeWrapping(raw)
		_, _, _, _ = decodeDoomed(raw, raw)
		if len(raw) >= keySizes[bDoomed] {
			_, _, _ = doomedUIDs(raw[:keySizes[bDoomed]], raw)
		}
		_, _, _ = decodeAccountHead(mailstore.ID{}, raw)
		_, _, _ = decodeLetterHead(raw, raw)
		if k, err := decodeKept(mailstore.ID{}, raw); err == nil {
			k, err = decodeKept(mailstore.ID{}, encodeKept(k)) // times are clamped once
			if err != nil {
				t.Fatal(err)
			}
			same(t, k, func(raw []byte) (mailstore.Kept, error) { return decodeKept(mailstore.ID{}, raw) }, encodeKept(k))
		}
		if len(raw) > 40 { // any id that the row may have
			_, _ = decodeVaultEntry(mailstore.ID(raw[18:34]), raw)
		}
	})
}

func ascending(rows []flagRow) bool {
	for i, r := range rows {
		if r.uid >= chunkUIDs || i > 0 && rows[i-1].uid >= r.uid {
			return false
		}
	}
	return true
}

// same decodes a record again.
func same[T any](t *testing.T, want T, decode func([]byte) (T, error), raw []byte) {
	t.Helper()
	got, err := decode(raw)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v became %+v, %v", want, got, err)
	}
}
