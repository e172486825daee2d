package imapd

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// Five messages, 2 and 4 and 5 flagged; UIDs are not sequence numbers.
func flaggedWorld(t *testing.T) (*world, *line) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 6)
	w.expunge("INBOX", 1)
	w.flag("INBOX", imap.UIDSetNum(3, 5, 6), addFlag(mailstore.Flagged))
	return w, w.selected("INBOX")
}

// ESEARCH (RFC 4731 §3.1): the correlator is a quoted string, MIN, MAX and ALL
// stay away when nothing was found, COUNT never.
func TestExtendedSearch(t *testing.T) {
	_, l := flaggedWorld(t)
	for _, c := range []struct{ cmd, want string }{
		{"SEARCH RETURN (MIN) FLAGGED", "MIN 2"},
		{"SEARCH RETURN (MAX) FLAGGED", "MAX 5"},
		{"SEARCH RETURN (MIN MAX) FLAGGED", "MIN 2 MAX 5"},
		{"SEARCH RETURN (COUNT) FLAGGED", "COUNT 3"},
		{"SEARCH RETURN () FLAGGED", "ALL 2,4:5"},
		{"SEARCH RETURN (ALL) CHARSET UTF-8 FLAGGED", "ALL 2,4:5"},
		{"search return (count all max min) 1:*", "MIN 1 MAX 5 ALL 1:5 COUNT 5"},
		{"UID SEARCH RETURN (MIN COUNT ALL) FLAGGED", "UID MIN 3 ALL 3,5:6 COUNT 3"},
		{"SEARCH RETURN (MIN MAX ALL COUNT) SEEN", "COUNT 0"},
		{"UID SEARCH RETURN (MIN) SEEN", "UID"},
		{"SEARCH RETURN () SEEN", ""},
	} {
		got, tagged := l.do(c.cmd)
		want := strings.TrimSpace(`* ESEARCH (TAG "t` + lastTag(l) + `") ` + c.want)
		if !strings.HasPrefix(tagged, "OK") || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q %s, want %q", c.cmd, got, tagged, want)
		}
	}
	for _, cmd := range []string{
		"SEARCH RETURN ALL", "SEARCH RETURN (", "SEARCH RETURN (BOGUS) ALL", "SEARCH RETURN (ALL)", "SEARCH RETURN (ALL) RETURN (ALL) ALL",
		"SEARCH CHARSET UTF-8 RETURN (ALL) ALL", "SEARCH RETURN(ALL) ALL", "SEARCH ALL RETURN (ALL)",
	} {
		l.want(cmd, "BAD")
	}
}

// MODSEQ in the ESEARCH form is of what is told: of MIN and MAX alone, or of
// all (RFC 4731 §3.2). It stands without parentheses.
func TestExtendedSearchModSeq(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 4)
	l := w.selected("INBOX")
	l.ok("ENABLE CONDSTORE")
	mods := make([]string, 5)
	for _, uid := range []mailstore.UID{2, 3, 1, 4} {
		w.flag("INBOX", imap.UIDSetNum(uid), addFlag(mailstore.Flagged))
		l.ok("NOOP")
	}
	for i := 1; i <= 4; i++ {
		mods[i] = modseq(t, l.ok("FETCH "+string(rune('0'+i))+" MODSEQ"))
	}
	for options, want := range map[string]string{
		"MIN":       "MIN 1 MODSEQ " + mods[1],
		"MAX":       "MAX 3 MODSEQ " + mods[3],
		"MIN MAX":   "MIN 1 MAX 3 MODSEQ " + mods[1],
		"MAX COUNT": "MAX 3 COUNT 3 MODSEQ " + mods[1],
		"ALL":       "ALL 1:3 MODSEQ " + mods[1],
	} {
		got := l.ok("SEARCH RETURN (" + options + ") 1:3 MODSEQ 1")
		if _, rest, _ := strings.Cut(got[0], ") "); rest != want {
			t.Errorf("%s: %q, want %q", options, rest, want)
		}
	}
	got := l.ok("SEARCH RETURN (COUNT) MODSEQ " + mods[4] + "0")
	if !strings.HasSuffix(got[0], `") COUNT 0`) {
		t.Errorf("nothing found: %q", got[0])
	}
	if mods[1] <= mods[3] || len(mods[1]) != len(mods[3]) {
		t.Fatalf("mod-sequences %v prove nothing", mods)
	}
}

// SEARCHRES (RFC 5182): SAVE alone writes nothing, "$" stands for the result
// in every command, and with MIN and MAX alone for these only.
func TestSavedSearch(t *testing.T) {
	_, l := flaggedWorld(t)
	l.want("SEARCH $", "OK", "* SEARCH")
	l.want("FETCH $ UID", "OK")
	l.want("SEARCH RETURN (SAVE) FLAGGED", "OK")
	l.want("FETCH $ UID", "OK", "* 2 FETCH (UID 3)", "* 4 FETCH (UID 5)", "* 5 FETCH (UID 6)")
	l.want("UID SEARCH $ NOT UID 5", "OK", "* SEARCH 3 6")
	l.want("SEARCH NOT UID $", "OK", "* SEARCH 1 3")
	l.want("SEARCH (OR $ 1)", "OK", "* SEARCH 1 2 4 5")
	l.want("SEARCH RETURN (SAVE COUNT) $ 4:*", "OK", `* ESEARCH (TAG "t`+next(l)+`") COUNT 2`)
	l.want("UID FETCH $ FLAGS", "OK", `* 4 FETCH (UID 5 FLAGS (\Flagged))`, `* 5 FETCH (UID 6 FLAGS (\Flagged))`)
	for options, want := range map[string]string{"SAVE MIN": "2", "MAX SAVE": "5", "SAVE MIN MAX": "2 5", "SAVE MIN ALL": "2 4 5", "SAVE MAX COUNT": "2 4 5"} {
		l.ok("SEARCH RETURN (" + options + ") FLAGGED")
		l.want("SEARCH $", "OK", "* SEARCH "+want)
	}
	l.ok("SEARCH RETURN (SAVE) UID 5")
	l.want("COPY $ Trash", "OK [COPYUID")
	l.want(`STORE $ +FLAGS (\Deleted)`, "OK", `* 4 FETCH (UID 5 FLAGS (\Flagged \Deleted))`)
	l.want("UID EXPUNGE $", "OK", "* 4 EXPUNGE")
	l.want("FETCH $ UID", "OK") // what was expunged fell out
	l.want("MOVE $ Trash", "OK")
	for _, cmd := range []string{"FETCH 1,$ UID", "FETCH $:3 UID", "FETCH $,1 UID", "FETCH $$ UID"} {
		l.want(cmd, "BAD")
	}
}

// "$" is empty after a search with SAVE was answered NO and after a mailbox was
// selected; BAD, and searches without SAVE, leave it alone (RFC 5182 §2.1).
func TestSavedSearchReset(t *testing.T) {
	_, l := flaggedWorld(t)
	l.ok("SEARCH RETURN (SAVE) FLAGGED")
	l.want("SEARCH RETURN (SAVE) BOGUS", "BAD")
	l.want("SEARCH RETURN (SAVE) 99", "BAD")
	l.want("SEARCH CHARSET X-NONE ALL", "NO [BADCHARSET")
	l.ok("SEARCH RETURN (COUNT) SEEN")
	l.want("SEARCH $", "OK", "* SEARCH 2 4 5")
	l.want("SEARCH RETURN (SAVE) CHARSET X-NONE ALL", "NO [BADCHARSET")
	l.want("SEARCH $", "OK", "* SEARCH")
	l.ok("SEARCH RETURN (SAVE) FLAGGED")
	l.ok("SELECT INBOX")
	l.want("SEARCH $", "OK", "* SEARCH")
}

// A pipelined "$" sees the search before it (RFC 5182 §2.1).
func TestSavedSearchPipelined(t *testing.T) {
	_, l := flaggedWorld(t)
	l.send("a SEARCH RETURN (SAVE) UID 3\r\nb STORE $ +FLAGS.SILENT (\\Seen)\r\nc STORE $ +FLAGS.SILENT (\\Draft)\r\nd FETCH $ FLAGS\r\n")
	if got, tagged := l.until("d"); !strings.HasPrefix(tagged, "OK") || got[len(got)-1] != `* 2 FETCH (FLAGS (\Flagged \Seen \Draft))` {
		t.Errorf("%q %s", got, tagged)
	}
}
