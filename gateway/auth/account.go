package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"gosbridge/gateway/journal"
	"gosbridge/mailstore"
	"gosbridge/policy/registry"
)

// NewAccount is an account to make.
type NewAccount struct {
	Addresses []string // any case; the first is the main one
	Name      string   // as people see it
	Settings  Settings // zero fields take their defaults
	// Holder is the organisation under whose key the account's data is
	// wrapped; default HolderOf(Settings.Registry).
	Holder mailstore.ID
	Quota  int64     // octets; 0 without limit
	Now    time.Time // of creation
	// By tells in the journal who made it.
	By journal.Details
}

// StandardMailboxes are those that a new account gets beside INBOX.
func StandardMailboxes() []mailstore.NewMailbox {
	return []mailstore.NewMailbox{
		{Name: "Drafts", Role: mailstore.RoleDrafts},
		{Name: "Sent", Role: mailstore.RoleSent},
		{Name: "Receipts", Role: mailstore.RoleReceipts},
		{Name: "Archive", Role: mailstore.RoleArchive},
		{Name: "Junk", Role: mailstore.RoleJunk},
		{Name: "Trash", Role: mailstore.RoleTrash},
		{Name: Templates},
	}
}

// Templates is the mailbox of templates. It is known by its name alone: no
// special use is registered for it (RFC 6154 and its registry), and it has no
// role, so that who does not want it can delete it.
const Templates = "Templates"

// holderSpace is the name space of HolderOf (RFC 9562 §5.5).
var holderSpace = uuid.MustParse("7d1f2c52-6a1e-5f0b-9c59-0f3a8b6d4e21")

// HolderOf gives the holder of all accounts of one entry of the recipient
// registry.
func HolderOf(registryID string) mailstore.ID {
	return uuid.NewSHA1(holderSpace, []byte(registryID))
}

// AddAccount makes an account with its standard mailboxes and returns it.
// Errors wrap ErrInvalid, or mailstore.ErrExists when an address is taken.
func AddAccount(ctx context.Context, dir mailstore.Directory, n NewAccount) (mailstore.Account, error) {
	addresses, err := cleanAddresses(n.Addresses)
	if err != nil {
		return mailstore.Account{}, err
	}
	if n.Settings.Registry == "" {
		return mailstore.Account{}, fmt.Errorf("%w: an account needs the id of its registry entry", ErrInvalid)
	}
	settings, err := n.Settings.complete()
	if err != nil {
		return mailstore.Account{}, err
	}
	switch {
	case n.Quota < 0:
		return mailstore.Account{}, fmt.Errorf("%w: quota %d is below zero", ErrInvalid, n.Quota)
	case n.Now.IsZero():
		return mailstore.Account{}, fmt.Errorf("%w: an account needs its time of creation", ErrInvalid)
	case !oneLine(n.Name):
		return mailstore.Account{}, fmt.Errorf("%w: name %q has control characters", ErrInvalid, n.Name)
	}
	if n.Holder == (mailstore.ID{}) {
		n.Holder = HolderOf(settings.Registry)
	}
	a := mailstore.Account{
		ID: mailstore.NewID(), Holder: n.Holder, Addresses: addresses, Name: n.Name,
		Created: n.Now.UTC(), Quota: n.Quota, Data: settings.Encode(),
	}
	made := entryBy(n.Now, journal.Created, n.By, journal.Details{
		"addresses": strings.Join(addresses, "\n"), "name": n.Name, "registry": settings.Registry,
	})
	if err := dir.CreateAccount(ctx, a, StandardMailboxes(), noted(made)); err != nil {
		return mailstore.Account{}, fmt.Errorf("add account %s: %w", addresses[0], err)
	}
	return a, nil
}

// oneLine reports whether a name can be shown in a table and a log: it has no
// controls, line ends among them.
func oneLine(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) })
}

// complete fills the defaults and refuses unknown words.
func (s Settings) complete() (Settings, error) {
	d := DefaultSettings()
	if s.Sign == "" {
		s.Sign = d.Sign
	}
	if s.Language == "" {
		s.Language = d.Language
	}
	if s.Receipts == "" {
		s.Receipts = d.Receipts
	}
	phone, ok := registry.NormalPhone(s.Phone)
	switch {
	case s.Phone != "" && !ok:
		return s, fmt.Errorf("%w: phone %q is no number like +7 999 123-45-67", ErrInvalid, s.Phone)
	case s.SNILS != "" && !registry.ValidSNILS(s.SNILS):
		return s, fmt.Errorf("%w: SNILS %q has not 11 digits with the right check number", ErrInvalid, s.SNILS)
	case s.Sign != SignGateway && s.Sign != SignClient:
		return s, fmt.Errorf("%w: sign %q is none of gateway, client", ErrInvalid, s.Sign)
	case s.Language != "ru" && s.Language != "en":
		return s, fmt.Errorf("%w: language %q is none of ru, en", ErrInvalid, s.Language)
	case !slices.Contains([]string{"full", "brief", "short"}, s.Receipts):
		return s, fmt.Errorf("%w: receipts %q is none of full, brief, short", ErrInvalid, s.Receipts)
	}
	s.Phone = phone
	s.SNILS = strings.NewReplacer(" ", "", "-", "").Replace(s.SNILS)
	return s, nil
}

// cleanAddresses brings addresses into the form in which they are kept.
func cleanAddresses(given []string) ([]string, error) {
	if len(given) == 0 {
		return nil, fmt.Errorf("%w: an account needs an address", ErrInvalid)
	}
	var out []string
	for _, address := range given {
		a := strings.ToLower(strings.TrimSpace(address))
		if err := checkAddress(a); err != nil {
			return nil, fmt.Errorf("%w: address %q: %s", ErrInvalid, address, err)
		}
		if slices.Contains(out, a) {
			return nil, fmt.Errorf("%w: address %q twice", ErrInvalid, address)
		}
		out = append(out, a)
	}
	return out, nil
}

type addressError string

func (e addressError) Error() string { return string(e) }

// checkAddress accepts dot-atom@domain in ASCII (RFC 5321 §4.1.2) without a
// suffix: what follows a + in the local part chooses the letter type.
func checkAddress(a string) error {
	local, domain, ok := strings.Cut(a, "@")
	switch {
	case !ok || local == "" || domain == "" || strings.Contains(domain, "@"):
		return addressError("not of the form name@domain")
	case len(local) > 64 || len(domain) > 255: // RFC 5321 §4.5.3.1
		return addressError("too long")
	case strings.Contains(local, "+"):
		return addressError("the part after + chooses the letter type and belongs to no account")
	}
	if strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(a, "..") {
		return addressError("misplaced dot")
	}
	for _, r := range local {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(".!#$%&'*-/=?^_`{|}~", r)) {
			return addressError(fmt.Sprintf("character %q", r))
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return addressError("malformed domain")
		}
	}
	return nil
}
