package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gosbridge/gateway/admin"
)

// quietFor is how long a command that speaks to no terminal is silent between
// two lines of progress.
const quietFor = 10 * time.Second

// watched makes the operations called with the context show their progress on
// standard error: on a terminal in one line that is written over, else in a
// line every ten seconds, and not at all for scripts that read JSON. The
// function that comes with it ends the line.
func watched(cmd *cobra.Command) (context.Context, func()) {
	if wantsJSON(cmd) {
		return cmd.Context(), func() {}
	}
	w := cmd.ErrOrStderr()
	f, ok := w.(*os.File)
	s := &progressShow{w: w, over: ok && term.IsTerminal(int(f.Fd())), now: time.Now, since: time.Now()}
	return admin.WithProgress(cmd.Context(), s.show), s.end
}

// progressShow shows progress.
type progressShow struct {
	w     io.Writer
	over  bool // the line is written over
	now   func() time.Time
	since time.Time // the last line that was written
	open  bool      // a line waits for its end
}

func (s *progressShow) show(p admin.Progress) {
	if s.over {
		s.open = true
		fmt.Fprintf(s.w, "\r\x1b[K%s", progressText(p))
		return
	}
	if now := s.now(); now.Sub(s.since) >= quietFor {
		s.since = now
		fmt.Fprintln(s.w, progressText(p))
	}
}

func (s *progressShow) end() {
	if s.open {
		s.open = false
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

// progressText is progress for people.
func progressText(p admin.Progress) string {
	amount := func(n int64) string {
		if p.Unit != "octets" {
			return fmt.Sprintf("%d", n)
		}
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	text := p.Stage + ": " + amount(p.Done)
	if p.Total > 0 {
		text += " of " + amount(p.Total)
	}
	if p.Unit != "octets" {
		text += " " + p.Unit
	}
	if p.Total > 0 {
		text += fmt.Sprintf(" (%d %%)", p.Done*100/p.Total)
	}
	return text
}
