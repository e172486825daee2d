package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"gosbridge/gateway/journal"
)

// errNoPeer says that this system does not tell who is at the other end.
var errNoPeer = errors.New("not told by this system")

// ErrForbidden says that the caller may not operate this gateway.
var ErrForbidden = errors.New("forbidden")

// unknown is the uid of who cannot be told.
const unknown = "unknown"

// caller is who asks for an operation: the uid of their process, as text.
type caller struct {
	uid string
	err error // why they may do nothing
}

type callerKey struct{}

// withCaller notes who is at the other end of a connection.
func withCaller(ctx context.Context, conn net.Conn) context.Context {
	uid, err := peer(conn)
	c := caller{uid: strconv.Itoa(uid)}
	switch {
	case errors.Is(err, errNoPeer):
		c.uid = unknown
	case err != nil:
		c = caller{uid: unknown, err: err}
	default:
		c.err = mayOperate(uid, os.Geteuid())
	}
	return context.WithValue(ctx, callerKey{}, c)
}

// mayOperate lets in who runs the gateway, and root. The modes of socket and
// folder say the same; this holds when they were changed.
func mayOperate(uid, own int) error {
	if uid == own || uid == 0 {
		return nil
	}
	return fmt.Errorf("%w: uid %d may not operate this gateway, only uid %d, which runs it, and root: use sudo -u '#%d'",
		ErrForbidden, uid, own, own)
}

// callerOf is who asks. Without a connection it is this process itself.
func callerOf(ctx context.Context) caller {
	if c, ok := ctx.Value(callerKey{}).(caller); ok {
		return c
	}
	if uid := os.Geteuid(); uid >= 0 {
		return caller{uid: strconv.Itoa(uid)}
	}
	return caller{uid: unknown} // as on Windows
}

// by tells the journal who asks.
func by(ctx context.Context) journal.Details { return journal.Details{"uid": callerOf(ctx).uid} }
