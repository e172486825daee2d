package imapd

import (
	"strings"
	"testing"

	"gosbridge/mailstore/boltstore"
)

// Keywords are limited in a command, in length, and in a mailbox, each with
// its response; a mailbox that takes no more says so (RFC 9051 §7.1,
// PERMANENTFLAGS) to everybody who has it open.
func TestKeywordLimits(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.Keywords = 3 }, store: func(o *boltstore.Options) { o.MaxKeywords = 4 }})
	w.deliver("INBOX", plainMail)
	l, m := w.selected("INBOX"), w.selected("INBOX")
	long := strings.Repeat("k", maxKeyword)
	l.want("STORE 1 +FLAGS (a b c d)", "NO [LIMIT]")
	l.want("APPEND INBOX (a b c d) {5}", "NO [LIMIT]")
	l.want("STORE 1 +FLAGS (k"+long+")", "NO [LIMIT]")
	flags := func(words string) string { return `* FLAGS (\Answered \Flagged \Deleted \Seen \Draft ` + words + ")" }
	permanent := func(words string) string {
		return `* OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft ` + words + ")] kept"
	}
	l.want("STORE 1 +FLAGS.SILENT ("+long+" b c)", "OK", flags(long+" b c"), permanent(long+` b c \*`))
	m.ok("NOOP")
	l.want("STORE 1 +FLAGS.SILENT (B d)", "OK", flags(long+" b c d"), permanent(long+" b c d"))
	m.want("NOOP", "OK", flags(long+" b c d"), permanent(long+" b c d"), "* 1 FETCH (UID 1 FLAGS ("+long+" b c d))")
	l.want("STORE 1 +FLAGS (e)", "NO [LIMIT]")
	l.want("APPEND INBOX (e) {1+}\r\nx", "NO [LIMIT]")
	l.want("STORE 1 FLAGS.SILENT (C D)", "OK")
	if got := strings.Join(w.selected("INBOX").ok("NOOP"), ""); got != "" {
		t.Errorf("%q", got)
	}
	if got := strings.Join(l.ok("EXAMINE INBOX"), "\n"); !strings.Contains(got, "[PERMANENTFLAGS ()]") {
		t.Errorf("%s", got)
	}
	if got := strings.Join(l.ok("SELECT INBOX"), "\n"); !strings.Contains(got, permanent(long+" b c d")) {
		t.Errorf("%s", got)
	}
}
