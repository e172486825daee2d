package submission

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDialogues plays the scripts in testdata. In a script
//
//	mode: starttls    says how the server listens (default: plaintext)
//	C: text           is sent with CRLF; lines that follow each other go out at once
//	Q: "text\n"       the same for a quoted Go string, without CRLF
//	S: text           is the next line of the server; a part ~re~ is a pattern
//	TLS               the client does its part of the handshake
//	END               the server closes the connection
//	kept: n           so many letters were accepted
//	body: "text"      the octets of the last one
//
// and # begins a comment.
func TestDialogues(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.dialogue")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".dialogue"), func(t *testing.T) {
			t.Parallel()
			play(t, string(text))
		})
	}
}

// player is one script being played.
type player struct {
	t    *testing.T
	rig  *rig
	conn net.Conn
	in   *bufio.Reader
	out  strings.Builder // to be sent
}

func play(t *testing.T, script string) {
	modes := map[string]Mode{"implicit": ImplicitTLS, "starttls": StartTLS, "optional": OptionalTLS, "plaintext": Plaintext}
	mode := Plaintext
	lines := strings.Split(strings.TrimSpace(script), "\n")
	if name, ok := strings.CutPrefix(lines[0], "mode: "); ok {
		mode, lines = modes[name], lines[1:]
	}
	p := &player{t: t, rig: newRig(t, mode)}
	p.conn = p.rig.dial()
	if mode == ImplicitTLS {
		p.conn = tls.Client(p.conn, clientTLS())
	}
	p.in = bufio.NewReader(p.conn)
	for i, line := range lines {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.step(line); err != nil {
			t.Fatalf("line %d %q: %v", i+1, line, err)
		}
	}
}

func (p *player) step(line string) error {
	word, rest, _ := strings.Cut(line, ": ")
	switch word {
	case "C":
		p.out.WriteString(rest + "\r\n")
		return nil
	case "Q":
		text, err := strconv.Unquote(rest)
		p.out.WriteString(text)
		return err
	}
	if _, err := io.WriteString(p.conn, p.out.String()); err != nil {
		return err
	}
	p.out.Reset()
	switch word {
	case "S":
		return p.expect(rest)
	case "TLS":
		p.conn = tls.Client(p.conn, clientTLS())
		p.in = bufio.NewReader(p.conn)
	case "END":
		if b, err := p.in.ReadByte(); !closed(err) {
			return fmt.Errorf("no end: %q, %v", b, err)
		}
	case "kept":
		if n := len(p.rig.office.kept()); strconv.Itoa(n) != rest {
			return fmt.Errorf("%d letters were accepted", n)
		}
	case "body":
		want, err := strconv.Unquote(rest)
		if err != nil {
			return err
		}
		kept := p.rig.office.kept()
		if got := string(kept[len(kept)-1].body); got != want {
			return fmt.Errorf("the letter is %q", got)
		}
	default:
		return fmt.Errorf("unknown word %q", word)
	}
	return nil
}

func (p *player) expect(want string) error {
	got, err := p.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%q, %w", got, err)
	}
	got, crlf := strings.CutSuffix(got, "\r\n")
	if !crlf {
		return fmt.Errorf("reply %q without CRLF", got)
	}
	if len(got) > 510 {
		return fmt.Errorf("reply line of %d octets", len(got))
	}
	var pattern strings.Builder
	for i, part := range strings.Split(want, "~") {
		if i%2 == 0 {
			part = regexp.QuoteMeta(part)
		}
		pattern.WriteString(part)
	}
	if !regexp.MustCompile("^" + pattern.String() + "$").MatchString(got) {
		return fmt.Errorf("the server says %q", got)
	}
	return nil
}
