package receipt

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// maxEncoded bounds what Parse reads, in octets: an evidence with 1,000
// recipients has less than half of it.
const maxEncoded = 4 << 20

// maxInteger is the largest integer that every JSON reader keeps exact
// (RFC 8785 §3.2.2.3, 2^53-1).
const maxInteger = 1<<53 - 1

// ParseJSON reads canonical JSON. It is strict: the bytes must be exactly
// those that Seal makes of the same facts, so there is one form of each
// evidence and one hash. Errors wrap ErrInvalid.
func ParseJSON(data []byte) (Sealed, error) {
	if len(data) > maxEncoded {
		return Sealed{}, fmt.Errorf("%w: JSON of %d octets", ErrInvalid, len(data))
	}
	var ev Evidence
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&ev); err != nil {
		return Sealed{}, fmt.Errorf("%w: JSON: %w", ErrInvalid, err)
	}
	s, err := seal(clean(ev))
	if err != nil {
		return Sealed{}, err
	}
	if !bytes.Equal(s.JSON, data) {
		return Sealed{}, fmt.Errorf("%w: JSON is not in canonical form", ErrInvalid)
	}
	return s, nil
}

// ParseXML reads the XML form, as strictly. Its Sealed is the same as that of
// the JSON.
func ParseXML(data []byte) (Sealed, error) {
	if len(data) > maxEncoded {
		return Sealed{}, fmt.Errorf("%w: XML of %d octets", ErrInvalid, len(data))
	}
	doc := struct {
		XMLName xml.Name `xml:"urn:gosbridge:evidence:1 evidence"`
		Evidence
	}{}
	if err := xml.Unmarshal(data, &doc); err != nil {
		return Sealed{}, fmt.Errorf("%w: XML: %w", ErrInvalid, err)
	}
	s, err := seal(clean(doc.Evidence))
	if err != nil {
		return Sealed{}, err
	}
	if !bytes.Equal(s.XML, data) {
		return Sealed{}, fmt.Errorf("%w: XML is not in canonical form", ErrInvalid)
	}
	return s, nil
}

// validate reports what an evidence lacks, or what cannot be.
func (ev *Evidence) validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
	}
	row, known := events[ev.Event]
	switch {
	case ev.Version != Schema:
		return fail("schema version %d", ev.Version)
	case ev.ID.Version() != 7:
		return fail("id %s is no UUIDv7", ev.ID)
	case !known:
		return fail("unknown event %q", ev.Event)
	case !fits(ev.At) || !fits(ev.Issued):
		return fail("event or issue time missing")
	case !ev.Expected.IsZero() && !fits(ev.Expected):
		return fail("expected time out of range")
	case !row.unaccepted && (ev.Letter.ID == mailstore.ID{} || ev.Letter.Number == ""):
		return fail("%s without letter", ev.Event)
	case !row.unaccepted && len(ev.Recipients) == 0:
		return fail("%s without recipient", ev.Event)
	case !row.whole && len(ev.Recipients) > 1:
		return fail("%s for %d recipients", ev.Event, len(ev.Recipients))
	case ev.Signer.IsZero():
		return fail("signer's certificate missing")
	}
	return ev.validateParts(fail)
}

func (ev *Evidence) validateParts(fail func(string, ...any) error) error {
	for _, r := range ev.Recipients {
		if r.Address == "" && r.RegistryID == "" {
			return fail("recipient without address")
		}
	}
	for _, c := range []Content{ev.Submitted, ev.Sent} {
		if c.Size < 0 || c.Size > maxInteger || c.Size > 0 && c.SHA256.IsZero() {
			return fail("content of %d octets", c.Size)
		}
	}
	for _, f := range ev.Files {
		if f.Size < 0 || f.Size > maxInteger {
			return fail("file of %d octets", f.Size)
		}
	}
	for _, r := range ev.Reasons {
		if r.Code == "" {
			return fail("reason without code")
		}
	}
	return nil
}

// fits reports whether a time is set and has four digits of year.
func fits(t time.Time) bool { return !t.IsZero() && t.Year() >= 1 && t.Year() <= 9999 }
