package submission

import (
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// neverSaid are texts of go-smtp for what a server of ours does not do: its own
// TLS, BDAT, LMTP and limits, none of which is turned on, extensions that are off
// or always on, and errors that every session of ours words itself; and the
// answers to a connection and to HELO, of which conn.edit makes its own.
var neverSaid = []string{
	"This is a LMTP server, use LHLO", "Too busy. Try again later.",
	"MAIL not allowed during message transfer", "RCPT not allowed during message transfer", "DATA not allowed during message transfer",
	"DATA not allowed for BINARYMIME messages", "Max message size exceeded", "Maximum limit of %v recipients reached",
	"SMTPUTF8 is not implemented", "RET is not implemented", "ENVID is not implemented", "NOTIFY is not implemented", "ORCPT is not implemented",
	"Malformed RRVS parameter value", "Malformed BY parameter value", "BY parameter is below server minimum",
	"Malformed MT-PRIORITY parameter value", "MT-PRIORITY is outside valid range",
	"%v %s Service Ready", "Hello %s",
	"TLS is required", "Already running in TLS", "Ready to start TLS", "Handshake error",
	"Missing chunk size argument", "Too many arguments", "Unknown BDAT argument", "Malformed size argument", "Continue",
	"Too long line, closing connection", "Idle timeout, bye bye", "Connection error, sorry", // conn ends a connection itself
}

// Each text that go-smtp can say is reworded, or cannot be said here. A new
// version of it with other texts fails this test.
func TestLibraryIsReworded(t *testing.T) {
	pkg, err := build.Import("github.com/emersion/go-smtp", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?:writeResponse|protocolError)\((\d+), (NoEnhancedCode|EnhancedCode\{(\d+), (\d+), (\d+)\}), (?:fmt\.Sprintf\()?("(?:[^"\\]|\\.)*"|\w+)`)
	used := map[string]bool{}
	find := func(line, text string) bool {
		for _, w := range wordings {
			begin, varies := strings.CutSuffix(w.theirs, "*")
			if line == w.theirs || varies && strings.HasPrefix(line, begin) {
				used[w.theirs] = true
				return true
			}
		}
		for _, never := range neverSaid {
			if text == never {
				used[never] = true
				return true
			}
		}
		return false
	}
	for _, file := range []string{"conn.go", "server.go"} {
		source, err := os.ReadFile(filepath.Join(pkg.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllStringSubmatch(string(source), -1) {
			text, err := strconv.Unquote(m[6])
			switch {
			case m[6] == "msg": // of the default branch of all commands
				text = "Syntax errors, %v command unrecognized"
			case err != nil:
				continue // a reply of the session, or a challenge
			}
			line := m[1] + " " + text
			if m[3] != "" {
				line = fmt.Sprintf("%s %s.%s.%s %s", m[1], m[3], m[4], m[5], text)
			}
			lines := []string{line}
			if strings.Contains(text, "%v command not implemented") {
				lines = nil
				for _, word := range []string{"SEND", "SOML", "SAML", "EXPN", "HELP", "TURN"} {
					lines = append(lines, strings.Replace(line, "%v", word, 1))
				}
			}
			for _, line := range lines {
				if !find(line, text) {
					t.Errorf("%s says %q, and a client would hear it", file, line)
				}
			}
		}
	}
	for _, w := range wordings {
		if !used[w.theirs] {
			t.Errorf("nobody says %q", w.theirs)
		}
	}
	for _, never := range neverSaid {
		if !used[never] {
			t.Errorf("nobody says %q", never)
		}
	}
}
