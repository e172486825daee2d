package gateway

import (
	"fmt"
	"math"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/imapd"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/submission"
	"gosbridge/policy"
)

// atMost is a limit as a number; one that is not set is out of reach.
func atMost(c policy.Count) int {
	if c < 0 {
		return math.MaxInt
	}
	return int(c)
}

// maxLiteral is the largest message that APPEND can announce, in octets: the
// number of a literal has 32 bits (RFC 3501 §9).
const maxLiteral = math.MaxUint32

// appendLimit is the limit of messages for IMAP.
func appendLimit(size policy.Octets) int64 {
	if size < 0 {
		return maxLiteral
	}
	return min(int64(size), maxLiteral)
}

// product is how the service calls itself over IMAP (RFC 2971).
const product = "gosbridge"

// servers makes the protocol servers.
func (g *Gateway) servers() error {
	l := g.cfg.Limits
	var err error
	g.login, err = auth.New(auth.Options{
		Directory: g.store.Directory(), Now: g.now, Logger: g.log, Limits: loginLimits(l),
	})
	if err != nil {
		return fmt.Errorf("logins: %w", err)
	}
	g.submit, err = submission.New(submissionConfig(g.cfg.Hostname, l), g.login, g.intake, g.log)
	if err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	g.imap, err = imapd.New(imapConfig(g.cfg), g.store, g.login, letter.NewMailroom(g.now), g.log)
	if err != nil {
		return fmt.Errorf("imap: %w", err)
	}
	return nil
}

// setLimits puts other limits into the servers.
func (g *Gateway) setLimits(c config.Config) error {
	l := c.Limits
	g.login.SetLimits(loginLimits(l))
	g.submit.Reconfigure(submissionConfig(g.cfg.Hostname, l))
	return g.imap.Reconfigure(imapConfig(c))
}

func retention(c config.Config) letter.Retention {
	return letter.Retention{Warning: c.Retention.Warning, Extension: c.Retention.Extension}
}

func loginLimits(l config.Limits) auth.Limits {
	return auth.Limits{
		Free: l.LoginFree, Delay: l.LoginDelay.Std(),
		MaxAddress: l.LoginDelayAddress.Std(), MaxAccount: l.LoginDelayAccount.Std(),
	}
}

func submissionConfig(hostname string, l config.Limits) submission.Config {
	return submission.Config{
		Hostname: hostname, MaxSize: int64(l.MessageSize), MaxRecipients: int(l.Recipients),
		MaxConnections: int(l.Connections), MaxConnectionsPerAddr: int(l.ConnectionsPerAddress), LoginAttempts: l.LoginAttempts,
		HandshakeTimeout: l.HandshakeTimeout.Std(), CommandTimeout: l.CommandTimeout.Std(), DataTimeout: l.DataTimeout.Std(),
		MinRate: int64(l.MinimumRate), ShutdownTimeout: l.ShutdownTimeout.Std(),
	}
}

func imapConfig(c config.Config) imapd.Config {
	l, i := c.Limits, c.IMAP
	return imapd.Config{
		Name:          product,
		CommandOctets: int(i.CommandSize), LiteralOctets: int64(i.LiteralSize), HeaderOctets: int64(i.HeaderSize),
		AppendOctets: appendLimit(l.MessageSize), SequenceElements: i.SequenceElements,
		SearchDepth: i.SearchDepth, SearchKeys: i.SearchKeys, FetchItems: i.FetchItems, Keywords: i.Keywords,
		Connections: atMost(l.Connections), ConnectionsPerAddress: atMost(l.ConnectionsPerAddress),
		ConnectionsPerAccount: atMost(l.ConnectionsPerAccount), FailedLogins: l.LoginAttempts,
		HandshakeTimeout: l.HandshakeTimeout.Std(), LoginTimeout: i.LoginTimeout.Std(), IdleTimeout: l.IdleTimeout.Std(),
		ReadTimeout: i.ReadTimeout.Std(), WriteTimeout: i.WriteTimeout.Std(), DrainTimeout: l.ShutdownTimeout.Std(),
	}
}
