package config

import (
	"slices"
	"strings"
	"time"

	"gosbridge/policy"
)

// Default is the configuration of a file that says nothing. Its paths are
// relative; Load resolves them.
func Default() Config {
	return Config{
		Data:      "gosbridge-data",
		Hostname:  "localhost",
		MasterKey: MasterKey{File: "master.key", Command: []string{}},
		Operator: Operator{
			Name: "gosbridge", Address: "receipts@localhost",
			Key: "operator.key", Certificate: "operator.pem",
		},
		Trust:     Trust{Anchors: []string{}},
		Registry:  Registry{File: "registry.csv"},
		Limits:    defaultLimits(),
		IMAP:      defaultIMAP(),
		Retention: Retention{Warning: policy.Days(30), Extension: policy.Years(1)},
		Backup: Backup{
			At: "02:30", Keep: 7, Rate: 32 * policy.MiB, Command: []string{}, Timeout: policy.Duration(6 * time.Hour),
		},
		Log:       Log{Level: "info", Format: "text"},
		Listeners: defaultListeners(),
		Suffixes:  policy.DefaultSuffixes(),
		Profiles:  sortProfiles(policy.DefaultProfiles()),
	}
}

func defaultLimits() Limits {
	return Limits{
		// 30 MiB of content in base64, and text.
		MessageSize:           45 * policy.MiB,
		Recipients:            1000,
		Connections:           1000,
		ConnectionsPerAddress: 100,
		ConnectionsPerAccount: 50,
		LoginAttempts:         3,
		LoginFree:             5,
		LoginDelay:            policy.Duration(time.Second),
		LoginDelayAddress:     policy.Duration(15 * time.Minute),
		LoginDelayAccount:     policy.Duration(time.Minute),
		HandshakeTimeout:      policy.Duration(30 * time.Second),
		CommandTimeout:        policy.Duration(5 * time.Minute),  // RFC 5321 §4.5.3.2.7
		DataTimeout:           policy.Duration(3 * time.Minute),  // RFC 5321 §4.5.3.2.5
		IdleTimeout:           policy.Duration(30 * time.Minute), // RFC 3501 §5.4
		MinimumRate:           1 * policy.KiB,
		ShutdownTimeout:       policy.Duration(20 * time.Second),
	}
}

func defaultIMAP() IMAPLimits {
	return IMAPLimits{
		LoginTimeout:     policy.Duration(time.Minute),
		ReadTimeout:      policy.Duration(2 * time.Minute),
		WriteTimeout:     policy.Duration(2 * time.Minute),
		CommandSize:      64 * policy.KiB,
		LiteralSize:      16 * policy.KiB,
		HeaderSize:       1 * policy.MiB,
		SequenceElements: 8192,
		SearchDepth:      16,
		SearchKeys:       256,
		FetchItems:       64,
		Keywords:         64,
		Mailboxes:        2000,
		MailboxKeywords:  500,
	}
}

// defaultListeners are the standard ports (RFC 8314 §3, §7). TLS from the
// first octet comes first because nobody can strip it.
func defaultListeners() []Listener {
	listener := func(p Protocol, address string, tls TLS) Listener {
		return Listener{
			Protocol: p, Address: address, TLS: tls,
			Certificate: "listener.pem", Key: "listener.key",
		}
	}
	return []Listener{
		listener(Submission, "0.0.0.0:465", ImplicitTLS),
		listener(Submission, "0.0.0.0:587", StartTLS),
		listener(IMAP, "0.0.0.0:993", ImplicitTLS),
		listener(IMAP, "0.0.0.0:143", StartTLS),
	}
}

func sortProfiles(ps []policy.Profile) []policy.Profile {
	slices.SortFunc(ps, func(a, b policy.Profile) int { return strings.Compare(a.Type, b.Type) })
	return ps
}
