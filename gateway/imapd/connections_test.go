package imapd

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// The limit of all connections counts every address.
func TestConnectionsInAll(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.Connections = 1 }})
	first := w.dial()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	(&line{t: t, conn: conn, r: bufio.NewReader(conn)}).closed("* BYE [LIMIT]")
	first.ok("LOGOUT")
	first.closed()
	// The place is given back a moment after the client sees the end.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		again, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		greeting, err := bufio.NewReader(again).ReadString('\n')
		again.Close()
		if strings.HasPrefix(greeting, "* OK") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still refused: %q, %v", greeting, err)
		}
	}
}

// Other limits are for connections that come after: one that is open keeps the
// size that it was told of, and its place.
func TestReconfigure(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.AppendOctets = 1000 }})
	old := w.login("u")
	cfg := Defaults()
	cfg.AppendOctets, cfg.ConnectionsPerAddress, cfg.ConnectionsPerAccount = 10, 2, 1
	if err := w.server.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	fresh := w.dial()
	if got := fresh.ok("CAPABILITY"); len(got) != 1 || !strings.Contains(got[0], "APPENDLIMIT=10 ") {
		t.Errorf("the new connection is told %q", got)
	}
	fresh.want("LOGIN u secret", "NO [LIMIT]")
	if got := old.ok("CAPABILITY"); len(got) != 1 || !strings.Contains(got[0], "APPENDLIMIT=1000") {
		t.Errorf("the old connection is told %q", got)
	}
	old.ok("APPEND INBOX {20+}\r\n" + strings.Repeat("x", 20))
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	(&line{t: t, conn: conn, r: bufio.NewReader(conn)}).closed("* BYE [LIMIT]")
	cfg.FetchItems = 0
	if err := w.server.Reconfigure(cfg); err == nil {
		t.Error("a limit of 0 was taken")
	}
}
