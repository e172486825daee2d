package disktest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childTest names the test that a process was started for.
const childTest = "GOSBRIDGE_DISK_TEST"

// noSupport is how a process tells that the system has no supervision.
const noSupport = "the system does not let a process supervise itself"

// Run runs the rest of the test, fn, in a process whose disk is d. Within that
// process t is the same test. It skips where the system cannot do it. fn must
// be all that the test does besides; flags of the test are handed on.
func Run(t *testing.T, fn func(d *Disk)) {
	t.Helper()
	if os.Getenv(childTest) == t.Name() {
		d, err := supervise()
		if err != nil && unsupported(err) {
			t.Skipf("%s: %v", noSupport, err)
		}
		if err != nil {
			t.Fatal(err)
		}
		fn(d)
		return
	}
	out, err := child(t).CombinedOutput()
	switch {
	case err != nil:
		t.Fatalf("supervised process: %v\n%s", err, out)
	case strings.Contains(string(out), noSupport):
		t.Skip(noSupport)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Fatalf("the test did not run in the supervised process:\n%s", out)
	default:
		t.Logf("%s", out)
	}
}

// child is the command that runs this test alone in another process.
func child(t *testing.T) *exec.Cmd {
	var args []string
	flag.Visit(func(f *flag.Flag) {
		for _, own := range []string{"run", "skip", "v", "count", "parallel", "list", "bench", "fuzz", "coverprofile", "gocoverdir", "cpuprofile", "memprofile", "trace", "testlogfile", "paniconexit0"} {
			if f.Name == "test."+own {
				return
			}
		}
		args = append(args, fmt.Sprintf("-%s=%s", f.Name, f.Value))
	})
	parts := strings.Split(t.Name(), "/")
	args = append(args, "-test.run=^"+strings.Join(parts, "$/^")+"$", "-test.v", "-test.count=1")
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childTest+"="+t.Name())
	cmd.Cancel = func() error {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	return cmd
}
