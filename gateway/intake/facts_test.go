package intake

import (
	"testing"

	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// A recipient is hidden unless the header shows an address of theirs; the
// address of another account of the same organisation is not theirs.
func TestBlind(t *testing.T) {
	entry := registry.Entry{Addresses: []string{"office@x.example", "director@x.example"}, Aliases: []string{"7707083893@inn.example"}}
	office := Recipient{Address: "office@x.example", Entry: entry, Account: mailstore.NewID()}
	director := Recipient{Address: "director@x.example", Entry: entry, Account: mailstore.NewID()}
	byNumber := Recipient{Address: "7707083893@inn.example", Entry: entry, Account: office.Account}
	for _, c := range []struct {
		header string
		to     []Recipient
		want   int
	}{
		{"To: <Office@X.example>", []Recipient{office}, 0},
		{"Cc: Office <office@x.example>", []Recipient{office}, 0},
		{"To: <7707083893@inn.example>", []Recipient{office}, 0},
		{"To: <office@x.example>", []Recipient{byNumber}, 0},
		{"To: <office@x.example>", []Recipient{office, director}, 1},
		{"To: <office@x.example>, <director@x.example>", []Recipient{office, director}, 0},
		{"To: <office@x.example>", []Recipient{director}, 0}, // on behalf of the office
		{"Bcc: <office@x.example>", []Recipient{office}, 1},
		{"Subject: none", []Recipient{office, director}, 2},
	} {
		s := submission{book: &Book{Registry: new(registry.Registry)}, msg: parse(t, c.header), env: Envelope{Recipients: c.to}}
		if got := s.blind(); got != c.want {
			t.Errorf("%s: %d hidden, want %d", c.header, got, c.want)
		}
	}
}
