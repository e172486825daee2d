package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Signing says who signs an account's letters where the profile requires it.
type Signing string

// Who signs.
const (
	SignGateway Signing = "gateway" // the organisation's key, held here
	SignClient  Signing = "client"  // the mail program; unsigned letters are refused
)

// Settings are what the gateway keeps of an account beside its addresses. They
// are the Data of mailstore.Account, as JSON; unknown fields of a newer
// release are refused rather than lost.
type Settings struct {
	Registry string  `json:"registry"`       // id of the account's entry in the recipient registry
	Sign     Signing `json:"sign"`           // default SignGateway
	Type     string  `json:"type,omitempty"` // default letter type of the account
	Language string  `json:"language"`       // "ru" (default) or "en", of receipts and texts
	Receipts string  `json:"receipts"`       // full (default), brief or short: depth of receipts
	// What appeals need of their sender beside what the registry has.
	Phone string `json:"phone,omitempty"` // international, + and digits
	SNILS string `json:"snils,omitempty"` // 11 digits
	// Templates says that the account was given its templates, whatever became
	// of them.
	Templates bool `json:"templates,omitempty"`
	// Password is the hash of the account's own password; see Passwords.
	Password string `json:"password,omitempty"`
}

// DefaultSettings are those of a new account.
func DefaultSettings() Settings {
	return Settings{Sign: SignGateway, Language: "ru", Receipts: "full"}
}

// Encode gives the form that is stored.
func (s Settings) Encode() []byte {
	b, err := json.Marshal(s)
	if err != nil { // a struct of strings always marshals
		panic(err)
	}
	return b
}

// DecodeSettings reads what Encode wrote; empty data are the defaults.
func DecodeSettings(data []byte) (Settings, error) {
	s := DefaultSettings()
	if len(data) == 0 {
		return s, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("account settings: %w", err)
	}
	return s, nil
}
