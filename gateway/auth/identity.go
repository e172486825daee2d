// Package auth is who may come in: accounts, their settings and credentials,
// SASL, and the limits on failed attempts. It never sees a letter.
package auth

import (
	"context"
	"net/netip"
	"slices"

	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// Class is the kind of program a credential is for.
type Class string

// The classes. Only a person opens letters: \Seen set by a system or an
// archive never counts.
const (
	Person  Class = "person"
	System  Class = "system"
	Archive Class = "archive"
)

// Assurance is how sure the login is.
type Assurance string

// The assurances, weakest first.
const (
	Password          Assurance = "password"
	ClientCertificate Assurance = "client-certificate"
	Signature         Assurance = "signature"
)

// Identity is who is logged in, as of the login.
type Identity struct {
	Account    mailstore.Account
	Settings   Settings // of the account; Type is the credential's where it has one
	Credential mailstore.ID
	Name       string // of the credential
	Class      Class
	Assurance  Assurance
	Remote     netip.Addr
	Session    string // id in the logs

	live context.Context // ends when the login is taken back; see OnEnd
}

// Owns reports whether the account may send under the address.
func (id Identity) Owns(address string) bool {
	_, ok := id.Own(address)
	return ok
}

// Own gives an address of the account as the account has it. An
// internationalised domain is the same in both its forms (RFC 5890 §2.3.2.1);
// letters that only fold alike, as s and the long s, are not the same.
func (id Identity) Own(address string) (string, bool) {
	same := registry.Normalise(address)
	i := slices.IndexFunc(id.Account.Addresses, func(own string) bool { return registry.Normalise(own) == same })
	if i < 0 {
		return "", false
	}
	return id.Account.Addresses[i], true
}
