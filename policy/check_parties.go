package policy

import (
	"slices"
	"strings"
	"time"

	"gosbridge/policy/registry"
)

func (j *judge) sender() {
	if len(j.p.Senders) > 0 && !slices.Contains(j.p.Senders, j.l.Sender.Kind) {
		j.refuse(SenderKind, j.l.Sender.Kind, j.name)
	}
	order := Assurances()
	// A login of unknown assurance is weaker than any.
	if slices.Index(order, j.l.Assurance) < slices.Index(order, j.p.Assurance) {
		j.refuse(AssuranceTooLow, assuranceTitle(j.l.Assurance), assuranceTitle(j.p.Assurance))
	}
	if j.p.Consent != ConsentNone && !j.l.Consented {
		j.refuse(ConsentMissing)
	}
}

func assuranceTitle(a string) title {
	switch a {
	case "password":
		return title{"password", "пароль"}
	case "client-certificate":
		return title{"client certificate", "сертификат клиента"}
	case "signature":
		return title{"signature", "электронная подпись"}
	}
	return title{"unknown means", "неизвестно"}
}

func (j *judge) recipients() {
	n := len(j.l.Recipients)
	if n == 0 {
		j.refuse(NoRecipients)
	}
	if !j.p.MaxRecipients.Allows(n) {
		j.refuse(TooManyRecipients, n, j.p.MaxRecipients, j.name)
	}
	for _, r := range j.l.Recipients {
		if v, bad := Unreachable(r.Address, r.Entry, j.l.At); bad {
			j.out = append(j.out, v)
		}
		if len(j.p.Recipients) > 0 && !slices.Contains(j.p.Recipients, r.Entry.Kind) {
			j.refuse(RecipientKind, r.Address, r.Entry.Kind, j.name)
		}
		switch {
		case j.p.Scope == ScopeCorrespondent && (j.l.Correspondent == "" || r.Entry.ID != j.l.Correspondent):
			j.refuse(RecipientScope, r.Address, j.name)
		case j.p.Scope == ScopePost && !r.Entry.Post:
			j.refuse(RecipientNoPost, r.Address)
		}
	}
	if j.l.Bcc > 0 && !j.p.Bcc {
		j.refuse(BccForbidden, j.l.Bcc, j.name)
	}
}

// Unreachable gives the violation when letters do not reach the entry at the
// time; it is what RCPT asks, and the end of DATA once more.
func Unreachable(address string, e registry.Entry, at time.Time) (Violation, bool) {
	switch e.StatusAt(at) {
	case registry.Archived:
		return New(RecipientArchived, address), true
	case registry.Left:
		return New(RecipientLeft, address), true
	}
	return Violation{}, false
}

// Unknown is the violation for an address that is not in the registry, with
// the near ones that the registry suggests. A local part of digits in the
// length of an INN or OGRN, alone or behind "inn-" or "ogrn-", is judged by its
// check digit.
func Unknown(address string, near []string) Violation {
	local, _, ok := strings.Cut(address, "@")
	if !ok || local == "" {
		return New(RecipientAddress, address)
	}
	number := strings.ToLower(local)
	for _, prefix := range []string{"inn-", "ogrn-", "ogrnip-"} {
		number = strings.TrimPrefix(number, prefix)
	}
	if wrongNumber(number) {
		return New(RecipientNumber, number)
	}
	if len(near) > 0 {
		return New(RecipientNear, address, near)
	}
	return New(RecipientUnknown, address)
}

func wrongNumber(s string) bool {
	if strings.Trim(s, "0123456789") != "" {
		return false
	}
	switch len(s) {
	case 10, 12:
		return !registry.ValidINN(s)
	case 13:
		return !registry.ValidOGRN(s)
	case 15:
		return !registry.ValidOGRNIP(s)
	}
	return false
}
