package gateway

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gosbridge/certs"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
)

// fixed are the keys that stay as they are while the gateway runs; listeners
// apart. The host name is in the greetings and in what forged headers are told
// by; the others are of things that are open.
var fixed = []string{
	"data", "hostname", "imap.mailbox_keywords", "imap.mailboxes", "log.format", "master_key.command", "master_key.credential", "master_key.environment", "master_key.file",
}

// perConnection are the keys that a connection takes when it begins.
var perConnection = []string{
	"imap.command_size", "imap.fetch_items", "imap.header_size", "imap.keywords", "imap.literal_size", "imap.login_timeout",
	"imap.read_timeout", "imap.search_depth", "imap.search_keys", "imap.sequence_elements", "imap.write_timeout",
	"limits.command_timeout", "limits.connections", "limits.connections_per_account", "limits.connections_per_address",
	"limits.data_timeout", "limits.handshake_timeout", "limits.idle_timeout", "limits.login_attempts", "limits.message_size",
	"limits.minimum_rate", "limits.recipients",
}

// errStopping says that there is nothing more to reload.
var errStopping = errors.New("the gateway is stopping")

// Reload reads the configuration and the files that it names again, and puts
// in force what can be changed while the gateway runs, all of it or, where
// anything is wrong, nothing. Sessions go on. A letter is judged by the set of
// rules, registry and keys of the moment when its last octet was read, and its
// evidence names that set. Reloads and imports of a registry come one after
// the other. The outcome is logged too.
func (g *Gateway) Reload() admin.Reloaded {
	g.changing.Lock()
	defer g.changing.Unlock()
	out, err := g.reload()
	if err != nil {
		out = admin.Reloaded{Faults: g.faults(err)}
	}
	// What scripts read has lists, also empty ones.
	if out.Changed == nil {
		out.Changed = []admin.Change{}
	}
	if out.Restart == nil {
		out.Restart = []admin.Change{}
	}
	for _, f := range out.Faults {
		g.log.Error("reload refused, nothing is changed", "fault", f)
	}
	return out
}

// reload does it, and logs what it did. An error means that nothing is changed.
func (g *Gateway) reload() (out admin.Reloaded, err error) {
	switch {
	case g.closed:
		return out, errStopping
	case g.load == nil:
		return out, errors.New("this gateway was not started from a file")
	}
	cfg, err := g.load()
	if err != nil {
		return out, err
	}
	key, noKey := cfg.MasterKey.Read()
	fresh, err := assemble(cfg, g.now)
	if err = errors.Join(noKey, err); err != nil {
		return out, err
	}
	differences, err := config.Differences(g.set.config, cfg)
	if err != nil {
		return out, err
	}
	for _, d := range differences {
		c := admin.Change{Key: d.Key, Old: d.Old, New: d.New, NewConnections: slices.Contains(perConnection, d.Key)}
		if slices.Contains(fixed, d.Key) || d.Key == "log.level" && g.level == nil {
			out.Restart = append(out.Restart, c)
			continue
		}
		out.Changed = append(out.Changed, c)
	}
	if sha256.Sum256(key[:]) != g.key {
		out.Restart = append(out.Restart, admin.Change{Key: "master_key" + content, Old: "the key in use", New: "another key"})
	}
	out.Changed = append(out.Changed, g.set.contents(fresh)...)
	doors := g.matchDoors(fresh, &out)
	if err := g.setLimits(cfg); err != nil {
		return admin.Reloaded{}, err
	}
	g.swap(fresh, doors, out)
	return out, nil
}

// swap puts a set in force and logs what it changes.
func (g *Gateway) swap(fresh set, doors []match, out admin.Reloaded) {
	old := g.set.config
	for i, d := range doors {
		if d.pair != nil {
			g.doors[i].tls.Adopt(d.pair)
		}
	}
	g.office.SetMaker(fresh.maker)
	g.office.SetRetention(retention(fresh.config))
	g.intake.SetBook(fresh.book)
	g.schedule.Set(backupPlan(fresh.config.Backup))
	// From here on the configuration in force is what the file says, but for
	// what stays.
	c := &fresh.config
	c.Data, c.Hostname, c.MasterKey, c.Log.Format = old.Data, old.Hostname, old.MasterKey, old.Log.Format
	c.IMAP.Mailboxes, c.IMAP.MailboxKeywords = old.IMAP.Mailboxes, old.IMAP.MailboxKeywords
	if g.level == nil {
		c.Log.Level = old.Log.Level
	}
	c.Listeners = nil
	for _, d := range doors {
		c.Listeners = append(c.Listeners, d.listener)
	}
	g.set = fresh
	// Whichever of the two levels says more.
	if g.level != nil {
		g.level.Set(min(g.level.Level(), c.Log.Threshold()))
		defer g.level.Set(c.Log.Threshold())
	}
	g.log.Info("reloaded", "changed", len(out.Changed), "restart", len(out.Restart))
	for _, c := range out.Changed {
		g.log.Info("changed by reload", "key", c.Key, "old", c.Old, "new", c.New, "new_connections", c.NewConnections)
	}
	for _, c := range out.Restart {
		g.log.Warn("not changed by reload, needs a restart", "key", c.Key, "old", c.Old, "new", c.New)
	}
}

// faults are all that is wrong where a reload failed. It stops at the first
// thing that makes the rest of no use to it; a check of the file goes on.
func (g *Gateway) faults(err error) []string {
	if g.file == "" || errors.Is(err, errStopping) {
		return faults(err)
	}
	found, unread := CheckFile(g.file)
	if unread != nil || len(found) == 0 { // it is not the file, or was mended meanwhile
		return faults(err)
	}
	out := make([]string, len(found))
	for i, f := range found {
		out[i] = f.String()
	}
	return out
}

// faults are the sentences of an error that says everything that is wrong.
func faults(err error) []string {
	var invalid *config.Invalid
	if errors.As(err, &invalid) {
		return invalid.Problems
	}
	var out []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// content marks what stands in a file, beside the key that names the file.
const content = " (content)"

// contents says what differs in the files that two sets were made of.
func (s set) contents(fresh set) (out []admin.Change) {
	add := func(key, old, now string) {
		if old != now {
			out = append(out, admin.Change{Key: key, Old: old, New: now})
		}
	}
	add("profile (all)", digest(s.book.Rules.Digest()), digest(fresh.book.Rules.Digest()))
	add("registry.file"+content, fmt.Sprintf("%d entries, %s", s.book.Registry.Len(), digest(s.book.Registry.Hash())),
		fmt.Sprintf("%d entries, %s", fresh.book.Registry.Len(), digest(fresh.book.Registry.Hash())))
	add("operator.certificate"+content, certificate(s.operator), certificate(fresh.operator))
	for i, o := range fresh.config.Organisations {
		if old, ok := s.book.Signers[o.Registry]; ok {
			add(fmt.Sprintf("organisation[%d].certificate"+content, i), certificate(old.Identity().Certificate),
				certificate(fresh.book.Signers[o.Registry].Identity().Certificate))
		}
	}
	if !s.trust.Pool(certs.Signing).Equal(fresh.trust.Pool(certs.Signing)) {
		out = append(out, admin.Change{
			Key: "trust.anchors" + content, Old: fmt.Sprintf("%d certificates", s.trust.Anchors(certs.Signing)),
			New: fmt.Sprintf("%d certificates", fresh.trust.Anchors(certs.Signing)),
		})
	}
	return out
}

// digest shows the begin of a SHA-256, enough to compare.
func digest(d [sha256.Size]byte) string { return fmt.Sprintf("sha256 %x", d[:8]) }

// certificate tells one certificate from another.
func certificate(c *x509.Certificate) string {
	return digest(sha256.Sum256(c.Raw)) + ", until " + c.NotAfter.UTC().Format("2006-01-02")
}
