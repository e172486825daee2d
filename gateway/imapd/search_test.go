package imapd

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/encoding/charmap"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

var authClient = auth.Client{Protocol: auth.IMAP}

const htmlMail = "From: =?windows-1251?B?yOLg7eg=?= <x@x.example>\r\nCc: c@c.example\r\nDate: Sun, 1 Mar 2026 23:30:00 -0500\r\n" +
	"Subject: two\r\n folded\r\nContent-Type: text/html; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	"PHA+z/Do4uXyLCDs6PAhPC9wPg==\r\n" // <p>Привет, мир!</p>

func TestSearch(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	w.deliver("INBOX", htmlMail)
	w.deliver("INBOX", multiMail)
	w.deliver("INBOX", "no header at all")
	w.flag("INBOX", imap.UIDSetNum(1, 3), mailstore.FlagChange{Op: mailstore.FlagsSet, Flags: mailstore.Seen | mailstore.Flagged, Keywords: []string{"Later"}})
	w.flag("INBOX", imap.UIDSetNum(2), addFlag(mailstore.Answered|mailstore.Draft|mailstore.Deleted))
	l := w.selected("INBOX")
	for keys, want := range map[string]string{
		"ALL": "1 2 3 4", "SEEN": "1 3", "UNSEEN": "2 4", "FLAGGED": "1 3", "UNFLAGGED": "2 4",
		"ANSWERED": "2", "UNANSWERED": "1 3 4", "DRAFT": "2", "UNDRAFT": "1 3 4", "DELETED": "2", "UNDELETED": "1 3 4",
		"NEW": "", "RECENT": "", "OLD": "1 2 3 4", "KEYWORD later": "1 3", "UNKEYWORD LATER": "2 4",
		"1:2": "1 2", "*": "4", "2:* SEEN": "3", "UID 3:*": "3 4", "UID 99": "", "NOT 1": "2 3 4", "1,3 FLAGGED": "1 3",
		"OR 1 OR 2 3": "1 2 3", "(1:3 (NOT 2))": "1 3", "NOT (SEEN FLAGGED)": "2 4", "OR (SEEN 1) UNSEEN": "1 2 4",
		"LARGER 330": "3", "SMALLER 20": "4",
		"ON 2-Mar-2026": "1 2 3 4", "BEFORE 2-Mar-2026": "", "SINCE 2-Mar-2026": "1 2 3 4", "SINCE 3-Mar-2026": "",
		"SENTON 2-Mar-2026": "1", "SENTON 1-Mar-2026": "2", "SENTBEFORE 2-Mar-2026": "2", "SENTSINCE 1-Mar-2026": "1 2",
		"FROM ivan": "1", "TO B.EXAMPLE": "1 3", "CC c@c": "2", "BCC x": "",
		"SUBJECT parts": "3", `SUBJECT "two folded"`: "2", `HEADER X-Odd ""`: "1", "HEADER X-Odd YES": "1", "HEADER X-Odd no": "", `HEADER X-None ""`: "",
		"SUBJECT \"ПРИВЕТ\"": "1", "FROM \"иванИ\"": "2", "FROM \"Иван\"": "1 2",
		"BODY \"привет, МИР\"": "2", "BODY \"ТЕКСТ\"": "1", "BODY second": "1", "BODY inner": "3", "BODY AAEC": "",
		"TEXT x@x": "2", "TEXT \"иван\"": "1 2", "TEXT inner": "3", "TEXT \"no header\"": "4",
		"NOT BODY second": "2 3 4", "OR BODY second SUBJECT parts": "1 3", "BODY second SUBJECT parts": "",
		`BODY ""`: "1 2 3 4", "BODY <p>": "",
		"MODSEQ 1": "1 2 3 4", "CHARSET UTF-8 SUBJECT \"привет\"": "1", "CHARSET us-ascii SUBJECT two": "2",
	} {
		got, tagged := l.do("SEARCH " + keys)
		line := strings.TrimSuffix("* SEARCH "+want, " ")
		if !strings.HasPrefix(tagged, "OK") || len(got) == 0 {
			t.Errorf("SEARCH %s: %s", keys, tagged)
			continue
		}
		result := got[len(got)-1]
		if i := strings.Index(result, " (MODSEQ"); i > 0 {
			result = result[:i]
		}
		if result != line {
			t.Errorf("SEARCH %s: %q, want %q", keys, result, line)
		}
	}
	for _, keys := range []string{"", "(", "()", "(ALL", "NOT", "OR ALL", "ALL ALL ", "BOGUS", "SINCE yesterday", "KEYWORD", "9", "SUBJECT", "MODSEQ \"x\" all 1", "CHARSET UTF-8"} {
		if _, tagged := l.do("SEARCH " + keys); !strings.HasPrefix(tagged, "BAD") {
			t.Errorf("SEARCH %s: %s", keys, tagged)
		}
	}
}

// Strings in the charset of the search; an unknown one is answered with those
// that are known (RFC 3501 §6.4.4).
func TestSearchCharset(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	for name, charset := range map[string]*charmap.Charmap{"KOI8-R": charmap.KOI8R, "windows-1251": charmap.Windows1251} {
		word, err := charset.NewEncoder().String("Привет")
		if err != nil {
			t.Fatal(err)
		}
		l.want("SEARCH CHARSET "+name+` SUBJECT "`+word+`"`, "OK", "* SEARCH 1")
	}
	l.want("SEARCH CHARSET SHIFT-JIS ALL", "NO [BADCHARSET (US-ASCII UTF-8 KOI8-R WINDOWS-1251)]")
	l.want("SEARCH CHARSET US-ASCII SUBJECT \"юг\"", "BAD")
	l.want("SEARCH SUBJECT \"\xff\xfe\"", "BAD")
}

// SEARCH MODSEQ tells the highest of those found, and nothing when none is
// (RFC 7162 §3.1.5).
func TestSearchModSeq(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l := w.selected("INBOX")
	l.ok("ENABLE CONDSTORE")
	before := w.highest("INBOX")
	w.flag("INBOX", imap.UIDSetNum(2), addFlag(mailstore.Seen))
	l.ok("NOOP")
	now := modseq(t, l.ok("FETCH 2 MODSEQ"))
	l.want("SEARCH MODSEQ "+now, "OK", "* SEARCH 2 (MODSEQ "+now+")")
	l.want(`UID SEARCH MODSEQ "/flags/\\draft" all `+now, "OK", "* SEARCH 2 (MODSEQ "+now+")")
	l.want("SEARCH MODSEQ "+now+"0", "OK", "* SEARCH")
	if before == 0 {
		t.Error("a mailbox without modseq")
	}
}

func TestSearchLimits(t *testing.T) {
	w := newWorld(t, setup{config: func(c *Config) { c.SearchDepth, c.SearchKeys, c.SequenceElements = 5, 20, 10 }})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	l.ok("SEARCH ((((ALL))))")
	l.want("SEARCH "+strings.Repeat("(", 7)+"ALL"+strings.Repeat(")", 7), "NO [LIMIT]")
	l.want("SEARCH "+strings.Repeat("NOT ", 7)+"ALL", "NO [LIMIT]")
	l.want("SEARCH "+strings.Repeat("ALL ", 20)+"ALL", "NO [LIMIT]")
	l.want("SEARCH "+strings.Repeat("1,", 10)+"1", "NO [LIMIT]")
	l.want("FETCH "+strings.Repeat("1,", 10)+"1 FLAGS", "NO [LIMIT]")
	l.ok("NOOP")
}

// A text whose accents stand apart from their letters, as some systems write
// them, is found like any other.
func TestSearchDecomposed(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", "Subject: И\u0306ошкар-Ола\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nи\u0306од\r\n")
	l := w.selected("INBOX")
	l.want(`SEARCH SUBJECT "Йошкар"`, "OK", "* SEARCH 1")
	l.want(`SEARCH BODY "Йод"`, "OK", "* SEARCH 1")
	l.want(`SEARCH TEXT "Йод"`, "OK", "* SEARCH 1")
}
