package imapd

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a client does not get stands in the log at level debug, each command
// once, and nothing there that only the client knew.
func TestRefusedInLog(t *testing.T) {
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	taken := 0
	take := func() string { // what was written since the last call
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		text, taken = text[taken:], len(text)
		return string(text)
	}
	w := newWorld(t, setup{log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	l := w.dial()
	for _, tt := range []struct{ command, want string }{
		{"LOGIN u hunter2", `command=LOGIN answer=NO code=AUTHENTICATIONFAILED`},
		{"LOGIN u hunter2 hunter3", `command=LOGIN answer=BAD code="" text="expected`},
		{"hunter2", `command=unknown answer=BAD`},
		{"UID hunter2", `command=unknown answer=BAD`},
		{"{hunter2", `command=unknown answer=BAD code="" text="no command"`},
		{`ID "hunter2"`, `command=ID answer=BAD`},
		{"SELECT INBOX", `command=SELECT answer=BAD code="" text="log in first"`},
		{"LOGIN u secret", ""},
		{"SELECT hunter2", `command=SELECT answer=NO code=NONEXISTENT`},
		{"SELECT INBOX", ""},
		{"UID STORE 1 +FLAGS hunter2 hunter3 (", `command="UID STORE" answer=BAD`},
		{"NOOP", ""},
	} {
		take()
		l.do(tt.command)
		got := take()
		refused := strings.Count(got, "imap command refused")
		if tt.want == "" && refused != 0 || tt.want != "" && (refused != 1 || !strings.Contains(got, tt.want)) {
			t.Errorf("%s: log %q, want one %q", tt.command, got, tt.want)
		}
		if strings.Contains(got, "hunter") || strings.Contains(got, "secret") {
			t.Errorf("%s: log repeats it: %q", tt.command, got)
		}
	}

	// Pipelined commands that share an Update are noted one by one.
	w.deliver("INBOX", plainMail)
	l.ok("NOOP")
	take()
	l.send("a STORE 1 +FLAGS (\\Seen)\r\nb STORE 7 +FLAGS (\\Seen)\r\nc STORE 8 +FLAGS (\\Seen)\r\n")
	l.until("c")
	if got := take(); strings.Count(got, "command=STORE answer=BAD") != 2 || strings.Count(got, "refused") != 2 {
		t.Errorf("pipelined: log %q", got)
	}
}
