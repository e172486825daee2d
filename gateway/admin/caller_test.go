package admin

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
)

func TestMayOperate(t *testing.T) {
	for _, test := range []struct {
		uid, own int
		ok       bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}} {
		if err := mayOperate(test.uid, test.own); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrForbidden) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Who cannot be told does nothing; a command alone is its own user.
func TestCallerOf(t *testing.T) {
	if got := callerOf(context.Background()); got.uid != strconv.Itoa(os.Geteuid()) || got.err != nil {
		t.Errorf("alone: %+v", got)
	}
	a, b := net.Pipe() // no socket of the system
	defer a.Close()
	defer b.Close()
	if got := callerOf(withCaller(t.Context(), a)); got.uid != "unknown" {
		t.Errorf("of a pipe: %+v", got)
	}
}
