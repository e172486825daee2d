// Package config is the configuration file: its shape, its defaults, and what
// is wrong with it. It owns config.example.toml in the root of the repository,
// which documents every key. It opens none of the files that it names, but for
// the master key when asked to, and it never holds a secret in a Config.
package config

import (
	"gosbridge/policy"
)

// Config is one configuration. It is a plain value; a reload makes a new one.
type Config struct {
	Data      string     `toml:"data"`     // folder of the store
	Hostname  string     `toml:"hostname"` // as the gateway calls itself to clients
	MasterKey MasterKey  `toml:"master_key"`
	Operator  Operator   `toml:"operator"`
	Trust     Trust      `toml:"trust"`
	Registry  Registry   `toml:"registry"`
	Limits    Limits     `toml:"limits"`
	IMAP      IMAPLimits `toml:"imap"`
	Retention Retention  `toml:"retention"`
	Backup    Backup     `toml:"backup"`
	Log       Log        `toml:"log"`

	Organisations []Organisation `toml:"organisation"`
	Listeners     []Listener     `toml:"listener"`
	// Suffixes are the words behind the + of an address that choose a letter
	// type beside the types' own names; see policy.NewSuffixes.
	Suffixes map[string]string `toml:"suffixes"`
	// Profiles are the letter types: the shipped ones with the changes of the
	// file, and those that the file adds; sorted by name.
	Profiles []policy.Profile `toml:"-"`
}

// MasterKey says where the key is that wraps all others. Exactly one is set.
type MasterKey struct {
	File        string   `toml:"file"`        // holds 64 hex digits
	Credential  string   `toml:"credential"`  // name of a systemd credential that holds them
	Environment string   `toml:"environment"` // name of a variable that holds them
	Command     []string `toml:"command"`     // program that prints them, and its arguments
}

// Operator is who runs the gateway and signs its receipts.
type Operator struct {
	Name        string `toml:"name"`
	Address     string `toml:"address"`     // From of receipts
	Key         string `toml:"key"`         // PEM file
	Certificate string `toml:"certificate"` // PEM file, with the issuers below the root
}

// Trust is whom signatures of clients are checked against.
type Trust struct {
	Anchors []string `toml:"anchors"` // PEM files
}

// Registry is the recipient registry.
type Registry struct {
	File string `toml:"file"` // CSV
}

// Organisation is one whose letters the gateway signs with a key of theirs.
type Organisation struct {
	Registry    string `toml:"registry"`    // id of its registry entry
	Key         string `toml:"key"`         // PEM file
	Certificate string `toml:"certificate"` // PEM file, with the issuers below the root
}

// Protocol is what is spoken on a listener.
type Protocol string

// The protocols.
const (
	Submission Protocol = "submission" // SMTP, RFC 6409
	IMAP       Protocol = "imap"       // RFC 3501
)

// TLS is how a connection gets encrypted.
type TLS string

// The ways.
const (
	ImplicitTLS TLS = "implicit" // from the first octet, RFC 8314
	StartTLS    TLS = "starttls"
	NoTLS       TLS = "none"
)

// Listener is one address on which clients come in.
type Listener struct {
	Protocol Protocol `toml:"protocol"`
	Address  string   `toml:"address"` // host:port
	TLS      TLS      `toml:"tls"`
	// Plaintext lets passwords pass without TLS. Loopback addresses only.
	Plaintext   bool   `toml:"plaintext"`
	Certificate string `toml:"certificate"` // PEM file
	Key         string `toml:"key"`         // PEM file
}

// Limits bound what clients can take. Counts and sizes may be "unlimited".
type Limits struct {
	MessageSize policy.Octets `toml:"message_size"` // as received
	Recipients  policy.Count  `toml:"recipients"`   // of one message
	// Connections are counted per protocol, over all its listeners.
	Connections           policy.Count `toml:"connections"`
	ConnectionsPerAddress policy.Count `toml:"connections_per_address"`
	ConnectionsPerAccount policy.Count `toml:"connections_per_account"` // of IMAP

	LoginAttempts     int             `toml:"login_attempts"`      // failed ones of a connection
	LoginFree         int             `toml:"login_free"`          // failed ones before delays begin
	LoginDelay        policy.Duration `toml:"login_delay"`         // the first; each next is twice as long
	LoginDelayAddress policy.Duration `toml:"login_delay_address"` // the longest, for a client address
	LoginDelayAccount policy.Duration `toml:"login_delay_account"` // the longest, for an account

	HandshakeTimeout policy.Duration `toml:"handshake_timeout"` // of TLS
	CommandTimeout   policy.Duration `toml:"command_timeout"`   // silence between two commands of SMTP
	DataTimeout      policy.Duration `toml:"data_timeout"`      // silence within a message
	IdleTimeout      policy.Duration `toml:"idle_timeout"`      // silence of an IMAP client
	MinimumRate      policy.Octets   `toml:"minimum_rate"`      // of a message on its way, octets per second
	ShutdownTimeout  policy.Duration `toml:"shutdown_timeout"`  // for what is running when the service stops
}

// IMAPLimits bounds what clients of IMAP can take beside Limits. All are above zero.
type IMAPLimits struct {
	LoginTimeout policy.Duration `toml:"login_timeout"` // from the greeting to the login
	ReadTimeout  policy.Duration `toml:"read_timeout"`  // silence within a command
	WriteTimeout policy.Duration `toml:"write_timeout"` // a client that takes nothing of a response

	CommandSize policy.Octets `toml:"command_size"` // of one command with its literals, messages aside
	LiteralSize policy.Octets `toml:"literal_size"` // of one literal that is no message
	HeaderSize  policy.Octets `toml:"header_size"`  // of a header that is read to find fields in it

	SequenceElements int `toml:"sequence_elements"` // of one sequence set, between commas
	SearchDepth      int `toml:"search_depth"`      // of keys within keys
	SearchKeys       int `toml:"search_keys"`       // of one SEARCH
	FetchItems       int `toml:"fetch_items"`       // of one FETCH
	Keywords         int `toml:"keywords"`          // of one STORE or message of APPEND

	// What an account can have in the store.
	Mailboxes       int `toml:"mailboxes"`
	MailboxKeywords int `toml:"mailbox_keywords"` // different ones of a mailbox
}

// Retention says how the ends of letters' terms are told and put off. The terms
// themselves are of the letter types.
type Retention struct {
	Warning   policy.Period `toml:"warning"`   // before the end, when the owner is told
	Extension policy.Period `toml:"extension"` // of the term of a letter that is flagged
}

// Log is how the service logs, to standard error.
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn or error
	Format string `toml:"format"` // text or json
}
