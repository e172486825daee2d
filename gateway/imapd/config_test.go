package imapd

import "time"

// Defaults are the limits of the tests.
func Defaults() Config {
	return Config{
		Name:                  "gosbridge",
		CommandOctets:         64 << 10,
		LiteralOctets:         16 << 10,
		AppendOctets:          45 << 20,
		SequenceElements:      8192,
		SearchDepth:           16,
		SearchKeys:            256,
		FetchItems:            64,
		Keywords:              64,
		HeaderOctets:          1 << 20,
		Connections:           1000,
		ConnectionsPerAddress: 100,
		ConnectionsPerAccount: 50,
		FailedLogins:          3,
		HandshakeTimeout:      15 * time.Second,
		LoginTimeout:          time.Minute,
		IdleTimeout:           30 * time.Minute,
		ReadTimeout:           2 * time.Minute,
		WriteTimeout:          2 * time.Minute,
		DrainTimeout:          10 * time.Second,
	}
}
