package boltstore

import (
	"fmt"
	"iter"
	"time"

	"gosbridge/mailstore"
)

// vaultEntry is a row of bucket vault: a row of bucket row as it was, with what
// else its mailbox knew of the message. What the row has sealed stays sealed
// under its old key, which names no other row ever: so going into the vault
// costs no decryption. It also takes over the row's use of the body.
type vaultEntry struct {
	email  mailstore.ID
	box    mailstore.MailboxID // where the row stood
	uid    mailstore.UID
	flags  mailstore.Flags
	at     time.Time
	hidden []byte // name, role and keywords, sealed
	row    row
}

func (e *vaultEntry) encode() []byte {
	raw := e.row.encode()
	out := encoder{b: make([]byte, 0, 32+len(e.hidden)+len(raw))}
	out.fixed32(uint32(e.box))
	out.fixed32(uint32(e.uid))
	out.byte(byte(e.flags))
	out.time(e.at)
	out.bytes(e.hidden)
	out.raw(raw)
	return out.b
}

func decodeVaultEntry(email mailstore.ID, raw []byte) (*vaultEntry, error) {
	d := decoder{b: raw}
	e := &vaultEntry{
		email: email, box: mailstore.MailboxID(d.fixed32()), uid: mailstore.UID(d.fixed32()),
		flags: mailstore.Flags(d.byte()), at: d.time(), hidden: d.bytes(),
	}
	if d.bad {
		return nil, fmt.Errorf("vault: %w", mailstore.ErrDamaged)
	}
	if err := e.row.decode(d.b); err != nil {
		return nil, err
	}
	if e.row.email != email {
		return nil, fmt.Errorf("vault: message %s under %s: %w", e.row.email, email, mailstore.ErrDamaged)
	}
	return e, nil
}

// vaultEntry reads what the vault has of a message; nil when that is nothing.
func (v *view) vaultEntry(email mailstore.ID) (*vaultEntry, error) {
	raw := v.get(bVault, keepKey(v.keys.num, email))
	if raw == nil {
		return nil, nil
	}
	return decodeVaultEntry(email, raw)
}

// intoVault puts a message whose last row goes into the vault, if it is kept,
// and reports whether the vault has the row's use of the body now. rec names
// the other rows; those that are left to be dropped do not count.
func (w *work) intoVault(v *view, b *boxRecord, f flagRow, r *row, rec *emailRecord) (bool, error) {
	k := keepKey(v.keys.num, r.email)
	// What is there already came in before and is the same message.
	if w.get(bKeep, k) == nil || w.get(bVault, k) != nil {
		return false, nil
	}
	for _, l := range rec.at {
		if v.stands(l.Mailbox, l.UID) {
			return false, nil
		}
	}
	var words []string
	if b.Name != "" {
		var err error
		if words, err = b.words(f.keywords); err != nil {
			return false, err
		}
	}
	var hidden encoder
	hidden.string(b.Name)
	hidden.string(string(b.Role))
	hidden.strings(words)
	e := vaultEntry{
		email: r.email, box: b.ID, uid: f.uid, flags: f.flags, at: w.s.now(),
		hidden: seal(v.keys.seal, bVault, k, hidden.b), row: *r,
	}
	return true, w.put(bVault, k, e.encode())
}

// rowKey is the key that the row had, under which its parts are sealed.
func (e *vaultEntry) rowKey(an uint32) []byte { return rowKey(an, e.box, e.uid) }

// Vaulted implements mailstore.Tx.
func (v *view) Vaulted(email mailstore.ID, fields mailstore.Fields) (mailstore.Vaulted, error) {
	e, err := v.vaultEntry(email)
	if err != nil {
		return mailstore.Vaulted{}, err
	}
	if e == nil {
		return mailstore.Vaulted{}, fmt.Errorf("vault: %w", mailstore.ErrNoMessage)
	}
	return v.vaulted(e, fields)
}

// Vault implements mailstore.Tx.
func (v *view) Vault(fields mailstore.Fields) iter.Seq2[mailstore.Vaulted, error] {
	return func(yield func(mailstore.Vaulted, error) bool) {
		prefix := key(v.keys.num)
		v.scan(bVault, prefix, nil, func(k, raw []byte) bool {
			e, err := decodeVaultEntry(mailstore.ID(k[len(prefix):]), raw)
			var m mailstore.Vaulted
			if err == nil {
				m, err = v.vaulted(e, fields)
			}
			return yield(m, err) && err == nil
		})
	}
}

// vaulted opens an entry.
func (v *view) vaulted(e *vaultEntry, fields mailstore.Fields) (mailstore.Vaulted, error) {
	m := mailstore.Vaulted{
		EmailID: e.email, LetterID: e.row.letter, At: e.at, Flags: e.flags, Received: e.row.received, Size: e.row.size,
	}
	clear, err := unseal(v.keys.seal, bVault, keepKey(v.keys.num, e.email), e.hidden)
	if err != nil {
		return m, err
	}
	d := decoder{b: clear}
	m.Mailbox, m.Role, m.Keywords = d.string(), mailstore.Role(d.string()), d.strings()
	if err := d.err(); err != nil {
		return m, err
	}
	if fields&mailstore.FieldSummary != 0 {
		if m.Summary, err = e.row.openSummary(v.keys, e.rowKey(v.keys.num)); err != nil {
			return m, err
		}
	}
	if fields&mailstore.FieldContent != 0 {
		m.Content, err = v.content(&e.row, e.rowKey(v.keys.num))
	}
	return m, err
}

// Restore implements mailstore.UpdateTx.
func (u *update) Restore(email mailstore.ID, box mailstore.MailboxID) (a mailstore.Appended, err error) {
	defer u.w.guard(u.w.writes, &err)
	e, err := u.vaultEntry(email)
	if err != nil {
		return a, err
	}
	if e == nil {
		return a, fmt.Errorf("vault: %w", mailstore.ErrNoMessage)
	}
	kept, err := u.Kept(email)
	if err == nil {
		err = u.free(kept)
	}
	if err != nil {
		return a, err
	}
	b, err := u.target(box)
	if err != nil {
		return a, err
	}
	m, err := u.vaulted(e, mailstore.FieldSummary)
	if err != nil {
		return a, err
	}
	prefix, suffix, err := e.row.openContent(u.keys, e.rowKey(u.keys.num))
	if err != nil {
		return a, err
	}
	if err := u.fitsOne(b, m.Keywords); err != nil {
		return a, err
	}
	mod, err := u.modseq()
	if err != nil {
		return a, err
	}
	learnWords(b, m.Keywords)
	uid := b.UIDNext
	k := rowKey(u.keys.num, b.ID, uid)
	r := e.row
	r.seal(u.keys, k, m.Summary, prefix, suffix)
	r.saved = u.s.now()
	f := flagRow{uid: uid, flags: m.Flags &^ mailstore.Deleted, mod: mod, keywords: b.wordIndexes(m.Keywords)}
	err = u.addRow(b, &r, k, f) // it takes over the use of the body
	if err == nil {
		err = u.addFlags(b.ID, []flagRow{f})
	}
	if err != nil {
		return a, err
	}
	return mailstore.Appended{UID: uid, ModSeq: mod}, u.w.del(bVault, keepKey(u.keys.num, email))
}

// fitsOne checks that a mailbox takes one more message with these keywords.
func (u *update) fitsOne(b *boxRecord, words []string) error {
	if err := u.checkWords(b, words); err != nil {
		return err
	}
	if b.UIDNext == ^mailstore.UID(0) {
		return fmt.Errorf("UIDs used up: %w", mailstore.ErrLimit)
	}
	return u.count(1)
}

// flagReader reads the flags of messages of one mailbox, in the order of their
// UIDs, chunk by chunk.
type flagReader struct {
	v     *view
	box   mailstore.MailboxID
	chunk uint32
	rows  []flagRow // of that chunk; nil before the first
}

// read returns the flags of a message; none where they are lost, which must not
// keep its row from being removed.
func (r *flagReader) read(uid mailstore.UID) (flagRow, error) {
	if n := chunkOf(uid); r.rows == nil || n != r.chunk {
		rows, err := decodeChunk(nil, n, r.v.get(bFlag, chunkKey(r.v.keys.num, r.box, n)))
		if err != nil {
			return flagRow{}, err
		}
		r.chunk, r.rows = n, rows
	}
	for _, f := range r.rows {
		if f.uid == uid {
			return f, nil
		}
	}
	return flagRow{uid: uid}, nil
}
