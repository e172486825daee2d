package auth

import (
	"testing"

	"gosbridge/mailstore"
)

func TestOwns(t *testing.T) {
	id := Identity{Account: mailstore.Account{Addresses: []string{"ivanov@xn--80aa3agjl3d.example", "a@x.example"}}}
	for address, want := range map[string]bool{
		"Ivanov@xn--80aa3agjl3d.example": true,
		"ivanov@ромашка.example":         true,
		"ivanov@РОМАШКА.example":         true,
		"A@x.example":                    true,
		"ivanov@ромашкa.example":         false, // its last letter is a Latin one
		"иванов@ромашка.example":         false,
		"a@y.example":                    false,
		"":                               false,
	} {
		if got := id.Owns(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}
