package imapd

import (
	"errors"
	"fmt"
	"time"
)

// Config are the limits of the server, each with its response. All must be
// set: package config has the shipped values.
type Config struct {
	Name string // of the product, as ID tells it

	CommandOctets    int   // of one command with its literals, but for APPEND's message
	LiteralOctets    int64 // of one literal kept in memory
	AppendOctets     int64 // of one message; APPENDLIMIT (RFC 7889)
	SequenceElements int   // comma-separated elements of one sequence set
	SearchDepth      int   // nesting of SEARCH keys
	SearchKeys       int   // keys of one SEARCH
	FetchItems       int   // items of one FETCH
	Keywords         int   // in one STORE or APPEND
	HeaderOctets     int64 // of a header that is read from a body to pick fields

	Connections           int // in all
	ConnectionsPerAddress int
	ConnectionsPerAccount int
	FailedLogins          int // per connection, before it ends

	HandshakeTimeout time.Duration // TLS
	LoginTimeout     time.Duration // from the greeting to the login
	IdleTimeout      time.Duration // between commands, and in IDLE; RFC 3501 §5.4 wants 30 min
	ReadTimeout      time.Duration // for the next octets inside a command
	WriteTimeout     time.Duration // for the next octets of a response
	DrainTimeout     time.Duration // for running commands once the context ended
}

// Validate names every value that is not positive.
func (c Config) Validate() error {
	values := []struct {
		name  string
		value int64
	}{
		{"command octets", int64(c.CommandOctets)},
		{"literal octets", c.LiteralOctets},
		{"append octets", c.AppendOctets},
		{"sequence elements", int64(c.SequenceElements)},
		{"search depth", int64(c.SearchDepth)},
		{"search keys", int64(c.SearchKeys)},
		{"fetch items", int64(c.FetchItems)},
		{"keywords", int64(c.Keywords)},
		{"header octets", c.HeaderOctets},
		{"connections", int64(c.Connections)},
		{"connections per address", int64(c.ConnectionsPerAddress)},
		{"connections per account", int64(c.ConnectionsPerAccount)},
		{"failed logins", int64(c.FailedLogins)},
		{"handshake timeout", int64(c.HandshakeTimeout)},
		{"login timeout", int64(c.LoginTimeout)},
		{"idle timeout", int64(c.IdleTimeout)},
		{"read timeout", int64(c.ReadTimeout)},
		{"write timeout", int64(c.WriteTimeout)},
		{"drain timeout", int64(c.DrainTimeout)},
	}
	var errs []error
	for _, v := range values {
		if v.value <= 0 {
			errs = append(errs, fmt.Errorf("imap config: %s must be positive", v.name))
		}
	}
	return errors.Join(errs...)
}
