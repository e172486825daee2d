package imapd

import (
	"net"
	"net/netip"
	"sync"

	"gosbridge/mailstore"
)

// registry counts connections, in all and per address and account, and finds
// those of a listener when it stops.
type registry struct {
	most, perAddress, perAccount int

	mu        sync.Mutex
	addresses map[netip.Addr]int
	accounts  map[mailstore.ID]int
	streams   map[*stream]net.Listener
	stopped   map[net.Listener]bool
}

func newRegistry(cfg Config) *registry {
	return &registry{
		most:       cfg.Connections,
		perAddress: cfg.ConnectionsPerAddress,
		perAccount: cfg.ConnectionsPerAccount,
		addresses:  make(map[netip.Addr]int),
		accounts:   make(map[mailstore.ID]int),
		streams:    make(map[*stream]net.Listener),
		stopped:    make(map[net.Listener]bool),
	}
}

// add takes a connection in; false when there are too many, or of its address.
func (r *registry) add(ln net.Listener, addr netip.Addr, st *stream) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.streams) >= r.most || r.addresses[addr] >= r.perAddress {
		return false
	}
	r.addresses[addr]++
	r.streams[st] = ln
	if r.stopped[ln] {
		st.stop()
	}
	return true
}

// remove gives the connection's places back.
func (r *registry) remove(addr netip.Addr, st *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.streams, st)
	release(r.addresses, addr)
}

// login takes a place of the account; false when it has none left.
func (r *registry) login(account mailstore.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accounts[account] >= r.perAccount {
		return false
	}
	r.accounts[account]++
	return true
}

func (r *registry) logout(account mailstore.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	release(r.accounts, account)
}

func release[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// stop lets the sessions of a listener end before their next command.
func (r *registry) stop(ln net.Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped[ln] = true
	for st, of := range r.streams {
		if of == ln {
			st.stop()
		}
	}
}

// abort cuts the connections of a listener.
func (r *registry) abort(ln net.Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for st, of := range r.streams {
		if of == ln {
			st.abort()
		}
	}
}

// forget drops what is known of a listener that is done.
func (r *registry) forget(ln net.Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stopped, ln)
}
