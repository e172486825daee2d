package receipt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"gosbridge/mailstore"
)

// New returns a Maker. Signer, From and Now are required.
func New(o Options) (*Maker, error) {
	if o.Signer == nil || o.Now == nil {
		return nil, errors.New("receipt maker: signer and clock are required")
	}
	if o.Signer.Identity().Certificate == nil {
		return nil, errors.New("receipt maker: the signer has no certificate")
	}
	addr, err := mail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("receipt maker: address %q: %w", o.From, err)
	}
	o.From = addr.Address
	zone, err := time.LoadLocation(zoneName)
	if err != nil { // programs import time/tzdata, so that this cannot be
		return nil, fmt.Errorf("receipt maker: %w", err)
	}
	return &Maker{
		options: o,
		domain:  domainOf(o.From),
		zone:    zone,
		signer:  sha256.Sum256(o.Signer.Identity().Certificate.Raw),
	}, nil
}

// Seal completes an evidence and gives it its final bytes. It sets Version,
// Signer and Authority, and ID and Issued when they are zero; cuts times to
// milliseconds; and replaces what no XML can carry (control characters,
// invalid UTF-8) in texts by U+FFFD. Nothing else is altered: no Unicode
// normalisation takes place. The same evidence, ID and Issued included, gives
// the same bytes. Errors wrap ErrInvalid.
func (m *Maker) Seal(ev Evidence) (Sealed, error) {
	ev.Version = Schema
	ev.Signer = m.signer
	ev.Authority = m.options.Name
	if ev.ID == (mailstore.ID{}) {
		ev.ID = mailstore.NewID()
	}
	if ev.Issued.IsZero() {
		ev.Issued = m.options.Now()
	}
	return seal(clean(ev))
}

// seal encodes what is clean.
func seal(ev Evidence) (Sealed, error) {
	if err := ev.validate(); err != nil {
		return Sealed{}, err
	}
	tree := ev.tree()
	s := Sealed{ID: ev.ID, Evidence: ev, JSON: appendJSON(nil, tree), XML: encodeXML(tree)}
	s.Hash = sha256.Sum256(s.JSON)
	return s, nil
}

// clean returns a copy that both encodings carry exactly.
func clean(ev Evidence) Evidence {
	ev.At, ev.Issued, ev.Expected = cut(ev.At), cut(ev.Issued), cut(ev.Expected)
	tidy(&ev.Authority, &ev.NextHop)
	l := &ev.Letter
	tidy(&l.Number, &l.Case, &l.Type, &l.MessageID, &l.EnvelopeID)
	s := &ev.Sender
	tidy(&ev.Profile.Name, &s.Address, &s.Name, &s.INN, &s.OGRN, &s.Assurance)
	tidy(&ev.Signature.Result, &ev.Signature.By, &ev.Signature.Subject)
	ev.Recipients = copied(ev.Recipients, func(r *Recipient) {
		tidy(&r.Address, &r.Name, &r.RegistryID, &r.INN, &r.OGRN)
	})
	ev.Files = copied(ev.Files, func(f *File) { tidy(&f.Name, &f.Type) })
	ev.Reasons = copied(ev.Reasons, func(r *Reason) { tidy(&r.Code, &r.En, &r.Ru, &r.Status) })
	return ev
}

// copied returns a copy of list, each element edited; nil for an empty one.
func copied[T any](list []T, edit func(*T)) []T {
	if len(list) == 0 {
		return nil
	}
	list = append([]T(nil), list...)
	for i := range list {
		edit(&list[i])
	}
	return list
}

func cut(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func tidy(fields ...*string) {
	for _, f := range fields {
		*f = strings.ToValidUTF8(*f, "\uFFFD")
		if strings.ContainsFunc(*f, unfit) {
			*f = strings.Map(func(r rune) rune {
				if unfit(r) {
					return '\uFFFD'
				}
				return r
			}, *f)
		}
	}
}

// unfit tells the characters that XML 1.0 §2.2 has no place for.
func unfit(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}
