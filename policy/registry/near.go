package registry

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

const (
	suggestions  = 3
	sameLocalMax = 16 // entries of one local part that are looked at
)

// nearIndex finds addresses within a small edit distance. It scans: a set of
// characters per address rules nearly all out in a nanosecond, and the scan
// touches only addresses of nearly the same length.
type nearIndex struct {
	byLength map[int]*nearBucket
	byLocal  map[string][]int32 // entries by local part, for a wrong domain
	entries  []Entry
}

// nearBucket are the addresses of one length.
type nearBucket struct {
	sets      []uint64
	addresses []string
	entries   []int32
}

func newNearIndex(entries []Entry) nearIndex {
	n := nearIndex{byLength: make(map[int]*nearBucket), byLocal: make(map[string][]int32), entries: entries}
	for i := range entries {
		e := &entries[i]
		if e.Kind == Person || e.Status != Active {
			continue
		}
		for _, a := range e.Addresses {
			n.add(a, int32(i))
		}
		for _, a := range e.Aliases {
			n.add(a, int32(i))
		}
	}
	return n
}

func (n *nearIndex) add(address string, entry int32) {
	b := n.byLength[len(address)]
	if b == nil {
		b = &nearBucket{}
		n.byLength[len(address)] = b
	}
	b.sets = append(b.sets, characters(address))
	b.addresses = append(b.addresses, address)
	b.entries = append(b.entries, entry)
	if local, _, ok := cutLast(address); ok && len(n.byLocal[local]) < sameLocalMax {
		n.byLocal[local] = append(n.byLocal[local], entry)
	}
}

// nearMatch is one suggestion.
type nearMatch struct {
	distance int
	address  string // main address of the entry
}

// Suggest gives up to three main addresses that are near the address, nearest
// first: a few letters wrong, or the same name in another domain. Persons are
// never suggested, nor who does not receive letters.
func (r *Registry) Suggest(address string) []string {
	query := Normalise(address)
	if len(query) > addressMax {
		return nil
	}
	local, _, _ := cutLast(query)
	best := r.near.scan(query, tolerance(len(local)))
	for _, entry := range r.near.byLocal[local] {
		best = insert(best, nearMatch{sameLocal, r.entries[entry].Addresses[0]})
	}
	out := make([]string, len(best))
	for i, m := range best {
		out[i] = m.address
	}
	return out
}

// scan finds the nearest addresses within the limit, those of like length
// first: what is found narrows the search.
func (n *nearIndex) scan(query string, limit int) []nearMatch {
	var best []nearMatch
	p, set := newPattern(query), characters(query)
	for d := 0; d <= limit; d++ {
		for _, length := range slices.Compact([]int{len(query) - d, len(query) + d}) {
			b := n.byLength[length]
			if b == nil {
				continue
			}
			for i, s := range b.sets {
				if bits.OnesCount64(s&^set) > limit || bits.OnesCount64(set&^s) > limit {
					continue
				}
				distance := p.distance(b.addresses[i], limit)
				if distance > limit {
					continue
				}
				best = insert(best, nearMatch{distance, n.entries[b.entries[i]].Addresses[0]})
				if len(best) == suggestions {
					limit = best[suggestions-1].distance
				}
			}
		}
	}
	return best
}

// sameLocal ranks the same name in another domain behind every misspelling.
const sameLocal = 100

// tolerance is how many edits a name of n octets may be away.
func tolerance(n int) int {
	switch {
	case n < 4:
		return 1
	case n < 10:
		return 2
	}
	return 3
}

// insert keeps the best suggestions, each address once, by distance and then
// by name.
func insert(best []nearMatch, m nearMatch) []nearMatch {
	for i, old := range best {
		if old.address == m.address {
			if old.distance <= m.distance {
				return best
			}
			best = slices.Delete(best, i, i+1)
			break
		}
	}
	at, _ := slices.BinarySearchFunc(best, m, func(a, b nearMatch) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.address, b.address))
	})
	best = slices.Insert(best, at, m)
	return best[:min(len(best), suggestions)]
}

// characters is the set of octets of a text, folded into 64 classes: one edit
// changes at most one member in each direction.
func characters(s string) uint64 {
	var set uint64
	for i := range len(s) {
		set |= 1 << characterClass[s[i]]
	}
	return set
}

var characterClass = func() (class [256]uint8) {
	for i := range class {
		class[i] = uint8(40 + i%24)
	}
	for i, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789.-_@") {
		class[c] = uint8(i)
	}
	return class
}()

// pattern computes edit distances to one text by bit vectors (Myers 1999, in
// the form of Hyyrö 2001), 64 octets of it; addresses beyond are compared by
// their first 64.
type pattern struct {
	text  string
	masks [256]uint64
}

func newPattern(text string) *pattern {
	p := &pattern{text: text[:min(len(text), 64)]}
	for i := range len(p.text) {
		p.masks[p.text[i]] |= 1 << i
	}
	return p
}

// distance gives the edit distance, or any number above the limit.
func (p *pattern) distance(s string, limit int) int {
	s = s[:min(len(s), 64)]
	m := len(p.text)
	// What both end with costs nothing; mostly it is the domain.
	for m > 0 && len(s) > 0 && p.text[m-1] == s[len(s)-1] {
		m, s = m-1, s[:len(s)-1]
	}
	if m == 0 {
		return len(s)
	}
	last := uint64(1) << (m - 1)
	plus, minus, score := ^uint64(0), uint64(0), m
	for i := range len(s) {
		eq := p.masks[s[i]]
		x := eq | minus
		d := (((eq & plus) + plus) ^ plus) | x
		up := minus | ^(d | plus)
		down := plus & d
		if up&last != 0 {
			score++
		} else if down&last != 0 {
			score--
		}
		// Each octet that is left can lower the score by one at most.
		if score-(len(s)-1-i) > limit {
			return limit + 1
		}
		up = up<<1 | 1
		plus = down<<1 | ^(x | up)
		minus = up & x
	}
	return score
}
