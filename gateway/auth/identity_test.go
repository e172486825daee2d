package auth

import (
	"testing"

	"gosbridge/mailstore"
)

// An account owns its addresses in any case and in both forms of the domain,
// and nothing that only looks alike.
func TestOwns(t *testing.T) {
	id := Identity{Account: mailstore.Account{Addresses: []string{"smith@romashka.example", "smith@xn--80aa3agjl3d.example"}}}
	for address, want := range map[string]bool{
		"smith@romashka.example":        true,
		"Smith@ROMASHKA.example":        true,
		"smith@ромашка.example":         true,
		"smith@XN--80AA3AGJL3D.example": true,
		"smith@romashka.example.net":    false,
		"ſmith@romashka.example":        false, // long s folds to s
		"smith@romaſhka.example":        false,
		"smith@xn--romashka-.example":   false, // no A-label: another name in DNS
		"smith@xn--romashka.example":    false,
		"jones@romashka.example":        false,
		"":                              false,
	} {
		if got := id.Owns(address); got != want {
			t.Errorf("Owns(%q) = %v", address, got)
		}
	}
}
