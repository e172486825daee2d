package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"gosbridge/policy"
)

// problems collects what is wrong, by key.
type problems []string

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, key+": "+fmt.Sprintf(format, args...))
}

func (p *problems) need(key, value string) {
	if strings.TrimSpace(value) == "" {
		p.add(key, "must not be empty")
	}
}

func (p *problems) positive(key string, n int64) {
	if n <= 0 {
		p.add(key, "must be above zero")
	}
}

func (p *problems) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add(key, "%q is none of %s", value, strings.Join(allowed, ", "))
	}
}

// Validate checks the values, without opening a file or the network (only where
// folders lie is looked at), and names everything that is wrong in one error that wraps ErrInvalid.
func (c Config) Validate() error {
	var p problems
	p.need("data", c.Data)
	if !validHost(c.Hostname) {
		p.add("hostname", "%q is no host name", c.Hostname)
	}
	c.MasterKey.validate(&p)
	c.Operator.validate(&p)
	for i, anchor := range c.Trust.Anchors {
		p.need(fmt.Sprintf("trust.anchors[%d]", i), anchor)
	}
	p.need("registry.file", c.Registry.File)
	c.validateOrganisations(&p)
	c.validateListeners(&p)
	c.Limits.validate(&p)
	c.IMAP.validate(&p)
	c.Retention.validate(&p)
	c.validateBackup(&p)
	p.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	p.oneOf("log.format", c.Log.Format, "text", "json")
	rules, err := policy.NewRules(c.Profiles)
	if err == nil {
		_, err = policy.NewSuffixes(rules, c.Suffixes)
	}
	if err != nil {
		p = append(p, strings.Split(err.Error(), "\n")...)
	}
	if len(p) > 0 {
		return refused(p...)
	}
	return nil
}

func (r Retention) validate(p *problems) {
	if r.Warning.IsZero() || r.Warning.Unlimited {
		p.add("retention.warning", "must be days, months or years, not %s", r.Warning)
	}
	if r.Extension.IsZero() {
		p.add("retention.extension", "must be above zero")
	}
}

func (o Operator) validate(p *problems) {
	p.need("operator.name", o.Name)
	if a, err := mail.ParseAddress(o.Address); err != nil || a.Address != o.Address {
		p.add("operator.address", "%q is no mail address", o.Address)
	}
	p.need("operator.key", o.Key)
	p.need("operator.certificate", o.Certificate)
}

func (c Config) validateOrganisations(p *problems) {
	seen := make(map[string]bool)
	for i, o := range c.Organisations {
		key := fmt.Sprintf("organisation[%d]", i)
		p.need(key+".registry", o.Registry)
		p.need(key+".key", o.Key)
		p.need(key+".certificate", o.Certificate)
		if seen[o.Registry] {
			p.add(key+".registry", "%q has an [[organisation]] already", o.Registry)
		}
		seen[o.Registry] = true
	}
}

func (c Config) validateListeners(p *problems) {
	if len(c.Listeners) == 0 {
		p.add("listener", "there must be at least one")
	}
	seen := make(map[string]bool)
	for i, l := range c.Listeners {
		key := fmt.Sprintf("listener[%d]", i)
		l.validate(p, key)
		if port := l.Address[strings.LastIndex(l.Address, ":")+1:]; seen[l.Address] && port != "0" {
			p.add(key+".address", "%q is taken by another [[listener]]", l.Address)
		}
		seen[l.Address] = true
	}
}

func (l Listener) validate(p *problems, key string) {
	p.oneOf(key+".protocol", string(l.Protocol), string(Submission), string(IMAP))
	p.oneOf(key+".tls", string(l.TLS), string(ImplicitTLS), string(StartTLS), string(NoTLS))
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		p.add(key+".address", "%q is not of the form host:port", l.Address)
	} else if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		p.add(key+".address", "%q is no port number", port)
	} else if n > 65535 || (host != "" && !validHost(host) && !validIP(host)) {
		p.add(key+".address", "%q is no host", host)
	}
	if l.TLS != NoTLS {
		p.need(key+".certificate", l.Certificate)
		p.need(key+".key", l.Key)
	}
	switch {
	case l.Plaintext && l.TLS == ImplicitTLS:
		p.add(key+".plaintext", "means nothing where TLS is implicit")
	case l.Plaintext && !loopback(host):
		p.add(key+".plaintext", "passwords in the clear are for loopback addresses only, not %q", l.Address)
	case !l.Plaintext && l.TLS == NoTLS:
		p.add(key+".tls", `"none" needs plaintext = true, and a loopback address`)
	}
}

func (l Limits) validate(p *problems) {
	const smallest = 64 * policy.KiB // RFC 5321 §4.5.3.1.7
	if !l.MessageSize.Allows(int64(smallest)) {
		p.add("limits.message_size", "must be at least %s", smallest)
	}
	if !l.Recipients.Allows(1) {
		p.add("limits.recipients", "must be above zero")
	}
	if !l.Connections.Allows(1) {
		p.add("limits.connections", "must be above zero")
	}
	if !l.ConnectionsPerAddress.Allows(1) {
		p.add("limits.connections_per_address", "must be above zero")
	}
	if !l.ConnectionsPerAccount.Allows(1) {
		p.add("limits.connections_per_account", "must be above zero")
	}
	p.positive("limits.login_attempts", int64(l.LoginAttempts))
	p.positive("limits.login_free", int64(l.LoginFree))
	for _, d := range []struct {
		key   string
		value policy.Duration
	}{
		{"login_delay", l.LoginDelay},
		{"login_delay_address", l.LoginDelayAddress},
		{"login_delay_account", l.LoginDelayAccount},
		{"handshake_timeout", l.HandshakeTimeout},
		{"command_timeout", l.CommandTimeout},
		{"data_timeout", l.DataTimeout},
		{"idle_timeout", l.IdleTimeout},
		{"shutdown_timeout", l.ShutdownTimeout},
	} {
		p.positive("limits."+d.key, int64(d.value))
	}
	p.positive("limits.minimum_rate", int64(l.MinimumRate))
}

// smallestCommand is how long a command of IMAP a server takes at least (RFC
// 7162 §4).
const smallestCommand = 8 * policy.KiB

// FewestMailboxes is how many mailboxes an account is made with: fewer cannot
// be the limit.
const FewestMailboxes = 8

func (i IMAPLimits) validate(p *problems) {
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"login_timeout", int64(i.LoginTimeout)},
		{"read_timeout", int64(i.ReadTimeout)},
		{"write_timeout", int64(i.WriteTimeout)},
		{"literal_size", int64(i.LiteralSize)},
		{"header_size", int64(i.HeaderSize)},
		{"sequence_elements", int64(i.SequenceElements)},
		{"search_depth", int64(i.SearchDepth)},
		{"search_keys", int64(i.SearchKeys)},
		{"fetch_items", int64(i.FetchItems)},
		{"keywords", int64(i.Keywords)},
		{"mailbox_keywords", int64(i.MailboxKeywords)},
	} {
		p.positive("imap."+n.key, n.value)
	}
	if i.CommandSize < smallestCommand {
		p.add("imap.command_size", "must be at least %s", smallestCommand)
	}
	if i.Mailboxes < FewestMailboxes {
		p.add("imap.mailboxes", "must be at least %d, with which an account is made", FewestMailboxes)
	}
	if i.LiteralSize > i.CommandSize {
		p.add("imap.literal_size", "is above command_size, which counts literals too")
	}
}

// loopback reports whether the host of an address to listen on is reached
// from this machine only. A name is not looked up: it could change.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func validIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// validHost accepts host names in ASCII (RFC 1123 §2.1).
func validHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-') {
				return false
			}
		}
	}
	return true
}

// CheckFiles looks whether the files that the configuration names are there
// and can be read, and names all that are not in one error that wraps
// ErrInvalid. The data folder may be missing: the store makes it. So may that of
// the backups, whose disk comes and goes.
func (c Config) CheckFiles() error {
	var p problems
	for _, named := range c.paths() {
		if named.folder || *named.path == "" {
			continue
		}
		f, err := os.Open(*named.path)
		if err != nil {
			p.add(named.key, "%v", err)
			continue
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			p.add(named.key, "%s is a folder", *named.path)
		}
		f.Close()
	}
	if len(p) > 0 {
		return refused(p...)
	}
	return nil
}
