package boltstore

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// inChild runs the test in a process of its own and reports whether it did. A
// limit of the whole process would also hit what the test binary writes.
func inChild(t *testing.T) bool {
	t.Helper()
	const alone = "GOSBRIDGE_TEST_ALONE"
	if os.Getenv(alone) == t.Name() {
		return false
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), alone+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}
