package boltstore

import "gosbridge/mailstore"

// checkKept checks what an account keeps: both ways between the terms and
// their order, and every message of the vault, which must be one of them.
func (a *accountChecker) checkKept() {
	num := a.v.keys.num
	ends := 0
	a.scan(bKeep, key(num), nil, func(k, raw []byte) bool {
		kept, err := decodeKept(mailstore.ID(k[4:]), raw)
		if !a.must(err, "kept") {
			return true
		}
		if end := keepEndKey(num, kept); end != nil {
			ends++
			if a.get(bKeepEnd, end) == nil {
				a.add("kept %s: not in the order of the ends", kept.EmailID)
			}
		}
		return true
	})
	if n := a.size(bKeepEnd, key(num)); n != ends {
		a.add("%d kept with an end, %d in order", ends, n)
	}
	a.scan(bVault, key(num), nil, func(k, raw []byte) bool {
		e, err := decodeVaultEntry(mailstore.ID(k[4:]), raw)
		if !a.must(err, "vault %x", k) {
			return true
		}
		if !e.row.body.name.IsZero() {
			a.uses[string(wrapKey(e.row.body.name, a.v.keys.holder))]++
		}
		if a.get(bKeep, k) == nil {
			a.add("vault %s: not kept", e.email)
		}
		if a.get(bRow, e.rowKey(num)) != nil {
			a.add("vault %s: its row is there", e.email)
		}
		m, err := a.v.vaulted(e, mailstore.FieldSummary|mailstore.FieldContent)
		if a.must(err, "vault %s", e.email) && m.Content.Size() != m.Size {
			a.add("vault %s: %d octets, says %d", e.email, m.Content.Size(), m.Size)
		}
		if !m.Content.Body.IsZero() {
			a.refs[m.Content.Body.Name] = m.Content.Body
		}
		return true
	})
}
