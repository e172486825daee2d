package boltstore

import (
	"slices"
	"sync"

	"gosbridge/mailstore"
)

// maxVectors bounds the shared UIDs, in number of UIDs (4 octets each).
const maxVectors = 4 << 20

// vectors shares the UIDs of mailboxes between all who look at the same state
// of them. Correctness never rests on it: an entry is used only where the
// mailbox record of the snapshot names the same modseq.
type vectors struct {
	mu    sync.Mutex
	of    map[vectorKey]vector
	total int
}

type vectorKey struct {
	account uint32
	box     mailstore.MailboxID
}

type vector struct {
	mod  mailstore.ModSeq // uidMod of the mailbox
	uids []mailstore.UID
}

// get returns the UIDs of a mailbox as the snapshot sees them.
func (c *vectors) get(v *view, b *boxRecord) ([]mailstore.UID, error) {
	k := vectorKey{v.keys.num, b.ID}
	c.mu.Lock()
	old, ok := c.of[k]
	c.mu.Unlock()
	if ok && old.mod == b.uidMod {
		return old.uids, nil
	}
	uids, err := c.next(v, b, old, ok)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.of[k]; ok && now.mod >= b.uidMod {
		if now.mod == b.uidMod {
			return now.uids, nil // somebody was faster: share his
		}
		return uids, nil // an old snapshot
	}
	c.put(k, vector{b.uidMod, uids})
	return uids, nil
}

// next makes the UIDs, out of an older vector where the change log reaches
// back to it.
func (c *vectors) next(v *view, b *boxRecord, old vector, ok bool) ([]mailstore.UID, error) {
	if !ok || old.mod > b.uidMod || old.mod < b.floor || len(old.uids) < chunkUIDs {
		return v.loadUIDs(b)
	}
	sum, err := v.since(b.ID, old.mod)
	if err != nil {
		return nil, err
	}
	vanished, created := mergeRanges(sum.vanished), mergeRanges(sum.created)
	room := len(old.uids) // not up to UIDNEXT: a restore leaves many out
	for _, r := range created {
		room += int(r.Stop-r.Start) + 1
	}
	uids := make([]mailstore.UID, 0, room)
	uids = append(uids, old.uids...)
	for _, r := range created {
		for uid := r.Start; uid <= r.Stop && uid >= r.Start; uid++ {
			uids = append(uids, uid)
		}
	}
	if len(vanished) > 0 {
		uids = slices.DeleteFunc(uids, func(uid mailstore.UID) bool {
			for len(vanished) > 0 && vanished[0].Stop < uid {
				vanished = vanished[1:]
			}
			return len(vanished) > 0 && vanished[0].Start <= uid
		})
	}
	return slices.Clip(uids), nil
}

// put keeps a vector and drops others when there are too many.
func (c *vectors) put(k vectorKey, v vector) {
	if c.of == nil {
		c.of = map[vectorKey]vector{}
	}
	c.total += len(v.uids) - len(c.of[k].uids)
	c.of[k] = v
	for other := range c.of {
		if c.total <= maxVectors {
			return
		}
		if other != k {
			c.total -= len(c.of[other].uids)
			delete(c.of, other)
		}
	}
}
