package gateway

import (
	"fmt"

	"gosbridge/certs/servertls"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
)

// match is what a reload makes of one open listener.
type match struct {
	listener config.Listener   // as it stays, with the certificate that it takes
	pair     *servertls.Holder // to adopt; nil for none
}

// matchDoors finds, for each open listener, the one of a fresh configuration
// that it is, and says what differs. Sockets stay as they are; certificates
// can change.
func (g *Gateway) matchDoors(fresh set, out *admin.Reloaded) []match {
	open, wanted := g.set.config.Listeners, fresh.config.Listeners
	found := matchListeners(open, wanted)
	doors := make([]match, len(open))
	taken := make([]bool, len(wanted))
	for i, old := range open {
		doors[i].listener = old
		key := fmt.Sprintf("listener[%d]", i)
		if found[i] < 0 {
			out.Restart = append(out.Restart, admin.Change{Key: key, Old: socket(old)})
			continue
		}
		taken[found[i]] = true
		now, pair := wanted[found[i]], fresh.pairs[found[i]]
		if socket(old) != socket(now) {
			out.Restart = append(out.Restart, admin.Change{Key: key, Old: socket(old), New: socket(now)})
		}
		held := g.doors[i].tls
		if held == nil || pair == nil {
			continue
		}
		doors[i].listener.Certificate, doors[i].listener.Key, doors[i].pair = now.Certificate, now.Key, pair
		add := func(what, was, is string) {
			if was != is {
				out.Changed = append(out.Changed, admin.Change{Key: key + what, Old: was, New: is, NewConnections: true})
			}
		}
		add(".certificate", old.Certificate, now.Certificate)
		add(".key", old.Key, now.Key)
		add(".certificate"+content, certificate(held.Certificate()), certificate(pair.Certificate()))
	}
	for i, l := range wanted {
		if !taken[i] {
			out.Restart = append(out.Restart, admin.Change{Key: fmt.Sprintf("listener[%d]", i), New: socket(l)})
		}
	}
	return doors
}

// socket is what cannot change of a listener while it is open.
func socket(l config.Listener) string {
	text := fmt.Sprintf("%s %s tls=%s", l.Protocol, l.Address, l.TLS)
	if l.Plaintext {
		text += " plaintext"
	}
	return text
}

// matchListeners gives, for each old listener, the index of the fresh one that
// it became; -1 when it is gone. Listeners have no names: the same stay the
// same, then those on the same address, then those that speak the same.
func matchListeners(old, fresh []config.Listener) []int {
	found := make([]int, len(old))
	for i := range found {
		found[i] = -1
	}
	taken := make([]bool, len(fresh))
	for _, same := range []func(a, b config.Listener) bool{
		func(a, b config.Listener) bool { return socket(a) == socket(b) },
		func(a, b config.Listener) bool { return a.Address == b.Address },
		func(a, b config.Listener) bool { return a.Protocol == b.Protocol && a.TLS == b.TLS },
	} {
		for i, a := range old {
			for j, b := range fresh {
				if found[i] < 0 && !taken[j] && same(a, b) {
					found[i], taken[j] = j, true
				}
			}
		}
	}
	return found
}
