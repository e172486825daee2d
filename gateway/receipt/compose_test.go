package receipt

import (
	"bytes"
	"errors"
	"testing"
)

// Under the Header for somebody else a mail is the receipt for them.
func TestReaddressed(t *testing.T) {
	o := newOffice(t)
	s := o.seal(t, full())
	to := mailing()
	raw := o.mail(t, s, to)
	header := func(to Mailing) []byte {
		h, err := o.Header(s, to)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	rest, ok := bytes.CutPrefix(raw, header(to))
	if !ok {
		t.Fatalf("the mail begins otherwise: %.300s", raw)
	}
	other := to
	other.To = "petrova@vector.example"
	if !bytes.Equal(o.entity(s, to).bytes(), o.entity(s, other).bytes()) {
		t.Error("what is signed depends on whom the mail is for")
	}
	r, err := Open(bytes.NewReader(append(header(other), rest...)))
	if err != nil || !o.verify(t, r).Valid() {
		t.Fatalf("readdressed: %v", err)
	}
	first, err := Open(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("To") != other.To || r.Header.Get("Message-Id") == first.Header.Get("Message-Id") {
		t.Errorf("To %q, Message-ID %q", r.Header.Get("To"), r.Header.Get("Message-Id"))
	}
	other.To = "nobody"
	if _, err := o.Header(s, other); !errors.Is(err, ErrInvalid) {
		t.Errorf("header for nobody: %v", err)
	}
}

// The size of an entity is told before it is written.
func TestEntitySize(t *testing.T) {
	o := newOffice(t)
	for _, depth := range []Depth{Full, Brief, Short} {
		to := mailing()
		to.Depth = depth
		if p := o.entity(o.seal(t, full()), to); p.size() != len(p.bytes()) {
			t.Errorf("%s: %d octets, told %d", depth, len(p.bytes()), p.size())
		}
	}
	for _, n := range []int{0, 1, 2, 3, 56, 57, 58, 114, 1000} {
		if p := encoded("text/plain", make([]byte, n)); p.size() != len(p.bytes()) {
			t.Errorf("%d octets in base64: %d, told %d", n, len(p.bytes()), p.size())
		}
	}
}
