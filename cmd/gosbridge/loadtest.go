package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/installation"
	"gosbridge/mailstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// A folder for load generators has accounts whose password everybody knows, a
// letter type that checks nothing, and logins without TLS. It is marked, and
// never served to another machine.
const (
	loadTestMark     = "load-test"
	loadTestType     = "bench"
	loadTestDomain   = "bench.example"
	loadTestPassword = "secret"
	loadTestMost     = 10_000
)

// errLoadTest says that a marked folder would be reachable from elsewhere.
var errLoadTest = errors.New("this data folder is for load tests, with known passwords: it is served on loopback addresses only")

// addLoadTest adds accounts u1..uN to a plan, and marks it.
func addLoadTest(plan *installation.Plan, n int) error {
	plan.Settings = map[string]string{loadTestMark: "yes"}
	plan.Profiles = append(plan.Profiles, policy.Unlimited(loadTestType))
	plan.Limits = func(l *config.Limits) {
		// All clients of a load generator have one address, most one account.
		l.Connections, l.ConnectionsPerAddress, l.ConnectionsPerAccount = policy.AnyCount, policy.AnyCount, policy.AnyCount
	}
	for i := range plan.Listeners {
		plan.Listeners[i].Plaintext = plan.Listeners[i].TLS == config.StartTLS
	}
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("u%d", i)
		party, err := newParty("bench-"+name, registry.Organisation, "Bench "+name,
			fmt.Sprintf("99%07d", i), fmt.Sprintf("10299%07d", i), name+"@"+loadTestDomain, name, []auth.Class{auth.Person})
		if err != nil {
			return err
		}
		party.Key = false
		party.Accounts[0].Settings = auth.Settings{Type: loadTestType}
		party.Accounts[0].Credentials[0].Password = loadTestPassword
		plan.Parties = append(plan.Parties, party)
	}
	return nil
}

// refuseLoadTest refuses to serve a marked folder on other than loopback
// addresses.
func refuseLoadTest(ctx context.Context, dir mailstore.Directory, at []net.Addr) error {
	mark, err := dir.Setting(ctx, loadTestMark)
	if err != nil || mark == nil {
		return err
	}
	for _, a := range at {
		if tcp, ok := a.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
			return fmt.Errorf("%w (not on %s)", errLoadTest, a)
		}
	}
	return nil
}
