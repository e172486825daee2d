package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gosbridge": main})
}

// The commands as people type them.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// runScripts runs the scripts of a folder. Each has four free ports, as
// $SMTPS, $SMTP, $IMAPS and $IMAP, and in $DATA the name of a folder that is
// not there, in an empty one. Beside the usual commands they have "await FILE
// PATTERN", for what a program in the background writes, "hangup", which
// sends SIGHUP to the programs in the background, "status N COMMAND", for a
// command that ends with that exit status, and "spoil FILE BUCKET remove|flip",
// which damages the last row of a bucket.
func runScripts(t *testing.T, folder string) {
	testscript.Run(t, testscript.Params{
		Dir:  folder,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await, "hangup": hangup, "status": status, "spoil": spoil},
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

// await waits until a file has a line that matches.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		switch {
		case err == nil && pattern.Match(text):
			return
		case time.Now().After(end):
			ts.Fatalf("waited in vain for %s in:\n%s", args[1], text)
		}
	}
}

// hangup sends SIGHUP.
func hangup(ts *testscript.TestScript, _ bool, args []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

// status runs a command that must end with an exit status.
func status(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("ended with %v, want status %s", err, args[0])
	}
}

// spoil damages the last row of a bucket: it goes, or its last bit changes.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: spoil FILE BUCKET remove|flip")
	}
	db, err := bbolt.Open(ts.MkAbs(args[0]), 0o600, &bbolt.Options{Timeout: 5 * time.Second, NoFreelistSync: true})
	ts.Check(err)
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(args[1]))
		k, v := b.Cursor().Last()
		k, v = bytes.Clone(k), bytes.Clone(v)
		if args[2] == "remove" {
			return b.Delete(k)
		}
		v[len(v)-1] ^= 1
		return b.Put(k, v)
	})
	ts.Check(errors.Join(err, db.Close()))
}

// freePort finds a port below those that the system gives to connections, so
// that none takes it before the gateway does.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, ln.Close()
		}
	}
	return 0, errors.New("no free port")
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
	if _, err := execute(context.Background(), root); exitStatus(err) != exitUsage {
		t.Errorf("unknown command: %v", err)
	}
}

// A mistyped command below another is an error that names the right one; the
// other alone shows its help.
func TestMistypedCommand(t *testing.T) {
	for line, want := range map[string]string{
		"account lst": `unknown command "lst" for "gosbridge account": did you mean list?`, "session kik x": "did you mean kick?",
		"config chek": "did you mean check?", "registry frobnicate": "did you mean list, search, show, import?", "letter lst --limit 3": "did you mean list?",
		"account --json": "unknown flag: --json",
	} {
		root := newRoot()
		root.SetArgs(strings.Fields(line))
		if _, err := execute(t.Context(), root); exitStatus(err) != exitUsage || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, c := range newRoot().Commands() {
		if !c.HasSubCommands() {
			continue
		}
		var out strings.Builder
		root := newRoot()
		root.SetArgs([]string{c.Name()})
		root.SetOut(&out)
		if _, err := execute(t.Context(), root); err != nil || !strings.Contains(out.String(), "Available Commands:") {
			t.Errorf("%s: %v, %s", c.Name(), err, out.String())
		}
	}
}
