package boltstore

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"gosbridge/mailstore"
)

const (
	inbox = "INBOX"
	// maxName is the longest name of a mailbox, in octets.
	maxName = 1000
	// validityBits of a UIDVALIDITY count the mailboxes that the account ever
	// had; the bits above are the store's generation. So it is never repeated,
	// not even after a backup was restored.
	validityBits = 22
)

// validity is the UIDVALIDITY in the given generation, of a mailbox that has
// this counter part or had this UIDVALIDITY in an earlier one. So raising the
// generation raises the UIDVALIDITY of every mailbox at once: a store that was
// restored may give UIDs that clients know of other messages.
func validity(generation, last uint32) uint32 {
	return generation<<validityBits | last&(1<<validityBits-1)
}

// boxRecord is the row of bucket box.
type boxRecord struct {
	mailstore.Mailbox
	uidMod   mailstore.ModSeq // of the last change to the set of UIDs
	floor    mailstore.ModSeq // entries of the log up to here are pruned
	logCount uint32           // entries of the log
	sealed   []byte           // name, role and keywords as on the disk
	dirty    bool             // counts differ from the disk
	renamed  bool             // so does what is sealed
	gone     bool             // deleted in this Update
}

// encode seals what changed and returns the row.
func (b *boxRecord) encode(keys *accountKeys) []byte {
	if b.renamed || b.sealed == nil {
		var hidden encoder
		hidden.string(b.Name)
		hidden.string(string(b.Role))
		hidden.strings(b.Keywords)
		b.sealed = seal(keys.seal, bBox, boxKey(keys.num, b.ID), hidden.b)
	}
	e := encoder{b: make([]byte, 0, 64+len(b.sealed))}
	e.fixed32(b.UIDValidity)
	e.uint(uint64(b.UIDNext))
	e.uint(uint64(b.HighestMod))
	e.uint(uint64(b.uidMod))
	e.uint(uint64(b.floor))
	e.uint(uint64(b.logCount))
	e.uint(uint64(b.Messages))
	e.uint(uint64(b.Unseen))
	e.uint(uint64(b.Deleted))
	e.int(b.Octets)
	e.bool(b.Subscribed)
	e.bool(b.NoSelect)
	e.raw(b.sealed)
	return e.b
}

func decodeBox(keys *accountKeys, id mailstore.MailboxID, v []byte) (*boxRecord, error) {
	d := decoder{b: v}
	b := &boxRecord{}
	b.ID = id
	b.UIDValidity = d.fixed32()
	b.UIDNext = mailstore.UID(d.uint())
	b.HighestMod = mailstore.ModSeq(d.uint())
	b.uidMod = mailstore.ModSeq(d.uint())
	b.floor = mailstore.ModSeq(d.uint())
	b.logCount = uint32(d.uint())
	b.Messages = uint32(d.uint())
	b.Unseen = uint32(d.uint())
	b.Deleted = uint32(d.uint())
	b.Octets = d.int()
	b.Subscribed = d.bool()
	b.NoSelect = d.bool()
	if d.bad {
		return nil, fmt.Errorf("mailbox %d: %w", id, mailstore.ErrDamaged)
	}
	b.sealed = copied(d.b)
	clear, err := unseal(keys.seal, bBox, boxKey(keys.num, id), b.sealed)
	if err != nil {
		return nil, err
	}
	h := decoder{b: clear}
	b.Name = h.string()
	b.Role = mailstore.Role(h.string())
	b.Keywords = h.strings()
	return b, h.err()
}

// keyword returns the index of a keyword; keywords are compared without case
// (RFC 9051 §2.3.2).
func (b *boxRecord) keyword(word string) (int, bool) {
	for i, k := range b.Keywords {
		if strings.EqualFold(k, word) {
			return i, true
		}
	}
	return 0, false
}

// normalName brings a mailbox name into the form in which it is kept.
func normalName(name string) (string, error) {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("mailbox name with control characters: %w", mailstore.ErrReadOnly)
	}
	name = norm.NFC.String(name)
	if len(name) == 0 || len(name) > maxName {
		return "", fmt.Errorf("mailbox name of %d octets: %w", len(name), mailstore.ErrReadOnly)
	}
	levels := strings.Split(name, string(mailstore.Delimiter))
	for _, level := range levels {
		if level == "" {
			return "", fmt.Errorf("mailbox name with an empty level: %w", mailstore.ErrReadOnly)
		}
	}
	if strings.EqualFold(levels[0], inbox) { // RFC 9051 §5.1
		levels[0] = inbox
	}
	return strings.Join(levels, string(mailstore.Delimiter)), nil
}

// parents yields the names above name, the outermost first.
func parents(name string) []string {
	var list []string
	for i, r := range name {
		if r == mailstore.Delimiter {
			list = append(list, name[:i])
		}
	}
	return list
}

// below reports whether name is a child, at any level, of parent.
func below(name, parent string) bool {
	return len(name) > len(parent) && strings.HasPrefix(name, parent) && name[len(parent)] == mailstore.Delimiter
}
