package submission

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

// What a client does not get stands in the log at level debug, each command
// once by its codes, and nothing there that only the client knew.
func TestRefusedInLog(t *testing.T) {
	r := newRig(t, Plaintext)
	conn := r.dial()
	in := bufio.NewReader(conn)
	read := func() string {
		t.Helper()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) < 4 || line[3] != '-' {
				return line
			}
		}
	}
	read()
	seen := 0
	for _, tt := range []struct{ command, want string }{
		{"EHLO client.example", ""},
		{"hunter2 hunter3", "reply=500 enhanced=5.5.2"},
		{"AUTH hunter2", "reply=504 enhanced=5.5.4"},
		{"MAIL FROM:<hunter2@a.example>", "reply=530 enhanced=5.7.0"},
		{"BDAT hunter2", "reply=501 enhanced=5.5.4"},
	} {
		fmt.Fprintf(conn, "%s\r\n", tt.command)
		reply := read()
		got := r.log.String()[seen:]
		seen += len(got)
		refused := strings.Count(got, "smtp command refused")
		if tt.want == "" && refused != 0 || tt.want != "" && (refused != 1 || !strings.Contains(got, tt.want)) {
			t.Errorf("%s answered %s: log %q, want one %q", tt.command, reply, got, tt.want)
		}
		if strings.Contains(got, "hunter") {
			t.Errorf("%s: log repeats it: %q", tt.command, got)
		}
	}
}
