package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gosbridge": main})
}

// The commands as people type them. Each script has four free ports, as
// $SMTPS, $SMTP, $IMAPS and $IMAP, and --ports flags for quickstart in $PORTS.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"SMTPS", "SMTP", "IMAPS", "IMAP"} {
				port, err := freePort()
				if err != nil {
					return err
				}
				env.Setenv(name, fmt.Sprint(port))
			}
			// A unix socket's path must be short; the work folder's is not.
			dir, err := os.MkdirTemp("", "gb")
			if err != nil {
				return err
			}
			env.Defer(func() { _ = os.RemoveAll(dir) })
			env.Setenv("DATA", dir+"/d")
			return nil
		},
	})
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// Every command has a short description, and refuses arguments that it does
// not know.
func TestCommandsAreDescribed(t *testing.T) {
	for _, c := range newRoot().Commands() {
		if c.Short == "" {
			t.Errorf("%s has no description", c.Name())
		}
		for _, sub := range c.Commands() {
			if sub.Short == "" || sub.Args == nil {
				t.Errorf("%s has no description or takes any arguments", sub.CommandPath())
			}
		}
	}
	root := newRoot()
	root.SetArgs([]string{"no-such-command"})
	if err := execute(context.Background(), root); exitStatus(err) != exitUsage {
		t.Errorf("unknown command: %v", err)
	}
}
