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
