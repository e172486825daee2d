package imapd

import (
	"os"
	"path/filepath"
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

// The mailboxes of an account are limited, levels above a name included.
func TestMailboxLimit(t *testing.T) {
	w := newWorld(t, setup{store: func(o *boltstore.Options) { o.MaxMailboxes = 7 }})
	l := w.login("u") // has five
	l.want("CREATE a/b/c", "NO [LIMIT]")
	l.want(`LIST "" a*`, "OK")
	l.ok("CREATE a/b")
	l.want("CREATE d", "NO [LIMIT]")
	l.want("RENAME INBOX d", "NO [LIMIT]")
	l.want("RENAME a d/e", "NO [LIMIT]")
	l.ok("RENAME a d")
	l.ok("DELETE d/b")
	l.ok("CREATE e")
}

// What one FETCH asks for is limited.
func TestFetchItemsLimit(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.FetchItems = 3 }})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	l.ok("FETCH 1 (UID FLAGS BODY.PEEK[1])")
	l.want("FETCH 1 (UID FLAGS BODY.PEEK[1] BODY[])", "NO [LIMIT]")
	l.want("FETCH 1 FULL", "NO [LIMIT]")
	l.want("FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ())") // nothing was read
}

// Letters of every odd make are answered to sessions of both protocols: no
// octet above 127 outside of literals, and the whole as it came, but for NUL.
func TestFetchHardLetters(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/letters/*.eml")
	if err != nil || len(paths) < 30 {
		t.Fatalf("%d letters, %v", len(paths), err)
	}
	w := newWorld(t, setup{})
	old, l := w.login("u"), w.enabling("IMAP4rev2")
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		w.deliver("INBOX", string(raw))
		for _, s := range []*line{old, l} {
			s.ok("SELECT INBOX")
			whole := "BODY[] {" + decimal(len(raw)) + "}\r\n" + strings.ReplaceAll(string(raw), "\x00", "\x80") + ")"
			if len(raw) == 0 {
				whole = `BODY[] "")`
			}
			if got := s.ok("FETCH * BODY.PEEK[]"); len(got) != 1 || !strings.HasSuffix(got[0], whole) {
				t.Errorf("%s: the octets changed", name)
			}
			got := s.ok("FETCH * (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)")
			if len(got) != 1 || eightBitQuoted(got[0]) || !balanced(got[0]) || !strings.Contains(got[0], "(RFC822.SIZE "+decimal(len(raw))+" ") {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// balanced reports whether the parentheses of a response outside of strings
// are.
func balanced(response string) bool {
	depth := 0
	for response != "" {
		switch c := response[0]; c {
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return false
			}
		case '"':
			for response = response[1:]; response != "" && response[0] != '"'; response = response[1:] {
				if response[0] == '\\' {
					response = response[1:]
				}
			}
		case '{':
			response = afterLiteral(response)
			continue
		}
		if response != "" {
			response = response[1:]
		}
	}
	return depth == 0
}
