package imapd

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"gosbridge/mailstore"
)

// Until it is enabled a session is one of IMAP4rev1, also after
// UTF8=ACCEPT (RFC 9051 §7.2.2, appendix A); the capabilities stay the same
// (§6.3.1).
func TestRev2OnlyWhenEnabled(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.enabling("UTF8=ACCEPT")
	for range 2 {
		got := strings.Join(l.ok("SELECT inbox"), "\n")
		if strings.Contains(got, "* LIST") || !strings.Contains(got, "\n* 0 RECENT\n") {
			t.Errorf("select: %s", got)
		}
		l.want("SEARCH ALL", "OK", "* SEARCH 1")
		l.ok("UNSELECT")
	}
	l.want("CREATE \"и\u0306\"", "OK")
	l.want("RENAME \"й\" b", "OK")
	l.want("DELETE b", "OK")
	before := l.ok("CAPABILITY")
	l.want("ENABLE imap4REV2 IMAP4rev2 IMAP4rev1 ESEARCH", "OK", "* ENABLED IMAP4rev2")
	l.want("ENABLE IMAP4rev2", "OK", "* ENABLED")
	l.want("CAPABILITY", "OK", before...)
	for _, name := range []string{"IMAP4rev1", "IMAP4rev2", "UTF8=ACCEPT"} {
		if !strings.Contains(before[0]+" ", " "+name+" ") {
			t.Errorf("no %s in %s", name, before[0])
		}
	}
}

// SELECT and EXAMINE of IMAP4rev2: LIST with true attributes and no RECENT, and
// CLOSED before what is of another mailbox (RFC 9051 §6.3.2, §7.1).
func TestRev2Select(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.enabling("IMAP4rev2")
	l.ok("CREATE box")
	want := func(box, list, closed string) *regexp.Regexp {
		return regexp.MustCompile(`^` + closed + `\* FLAGS \(.*\)
\* OK \[PERMANENTFLAGS \(.*\)\] kept
\* \d EXISTS
` + regexp.QuoteMeta(list) + `
\* OK \[UIDVALIDITY \d+\] as ever
\* OK \[UIDNEXT \d\] next
\* OK \[HIGHESTMODSEQ \d+\] so far$`)
	}
	closed := ""
	for _, c := range []struct{ cmd, list string }{
		{"SELECT INBOX", `* LIST (\Subscribed) "/" "INBOX"`},
		{"EXAMINE Sent", `* LIST (\Sent \Subscribed) "/" "Sent"`},
		{"SELECT inbox", `* LIST (\Subscribed) "/" "INBOX" ("OLDNAME" ("inbox"))`},
		{"SELECT box", `* LIST () "/" "box"`},
		{"SELECT box/", `* LIST () "/" "box"`},
	} {
		if got := strings.Join(l.ok(c.cmd), "\n"); !want(c.cmd, c.list, closed).MatchString(got) {
			t.Errorf("%s: got\n%s", c.cmd, got)
		}
		closed = `\* OK \[CLOSED\] previous mailbox` + "\n"
	}
	w.deliver("box", plainMail)
	l.want("NOOP", "OK", "* 1 EXISTS") // never RECENT
	l.want("SELECT nowhere", "NO [NONEXISTENT]", "* OK [CLOSED] previous mailbox")
	l.want("SELECT nowhere", "NO [NONEXISTENT]")
	l.ok("SELECT box")
	l.want("UNSELECT", "OK") // says itself that it closes
}

// A search of IMAP4rev2 answers ESEARCH, whatever it asked for (RFC 9051
// §6.4.4); a charset is allowed.
func TestRev2Search(t *testing.T) {
	_, l := flaggedWorld(t)
	l.ok("ENABLE IMAP4rev2")
	for _, c := range []struct{ cmd, want string }{
		{"SEARCH FLAGGED", " ALL 2,4:5"},
		{"UID SEARCH FLAGGED", " UID ALL 3,5:6"},
		{"SEARCH CHARSET UTF-8 FLAGGED", " ALL 2,4:5"},
		{`SEARCH SUBJECT "Привет" 1`, " ALL 1"},
		{"SEARCH SEEN", ""},
		{"UID SEARCH SEEN", " UID"},
		{"SEARCH RETURN () FLAGGED", " ALL 2,4:5"},
		{"SEARCH RETURN (COUNT) FLAGGED", " COUNT 3"},
		{"SEARCH RETURN (SAVE MIN) FLAGGED", " MIN 2"},
		{"SEARCH $", " ALL 2"},
		{"SEARCH OLD 1", " ALL 1"}, // of IMAP4rev1, still understood
		{"SEARCH LARGER 9223372036854775807", ""},
		{"SEARCH SMALLER 9223372036854775807 1", " ALL 1"},
	} {
		l.want(c.cmd, "OK", `* ESEARCH (TAG "t`+next(l)+`")`+c.want)
	}
	got := l.ok("SEARCH 1 MODSEQ 1")
	if last := got[len(got)-1]; !regexp.MustCompile(`^\* ESEARCH \(TAG "t\d+"\) ALL 1 MODSEQ \d+$`).MatchString(last) {
		t.Errorf("%q", last)
	}
	l.want("SEARCH RETURN (SAVE) FLAGGED", "OK")
	l.want("SEARCH LARGER 9223372036854775808", "BAD")
}

// OLDNAME tells what a name became: of CREATE, DELETE and APPEND where it was
// normalised, of RENAME always, but for INBOX, which stays (RFC 9051 §6.3.4,
// §6.3.5, §6.3.6, §6.3.9.7, §6.3.12).
func TestOldName(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.enabling("IMAP4rev2")
	nfd, nfc := "и\u0306", "й"
	l.want("CREATE plain", "OK")
	l.want("CREATE dir/", "OK")
	l.want(`CREATE "`+nfd+`"`, "OK", `* LIST () "/" "`+nfc+`" ("OLDNAME" ("`+nfd+`"))`)
	l.want("CREATE inbox/sub", "OK", `* LIST () "/" "INBOX/sub" ("OLDNAME" ("inbox/sub"))`)
	l.want(`CREATE "`+nfd+`"`, "NO [ALREADYEXISTS]")
	l.want(fmt.Sprintf(`APPEND "%s" {5+}`+"\r\n12345", nfd), "OK [APPENDUID", `* LIST () "/" "`+nfc+`" ("OLDNAME" ("`+nfd+`"))`)
	l.want("APPEND plain {5+}\r\n12345", "OK [APPENDUID")
	l.want(`STATUS "`+nfd+`" (MESSAGES)`, "OK", `* STATUS "`+nfc+`" (MESSAGES 1)`)
	l.ok("SUBSCRIBE plain")
	l.want("RENAME plain other", "OK", `* LIST (\Subscribed) "/" "other" ("OLDNAME" ("plain"))`)
	l.want(`RENAME "`+nfd+`" INBOX/x`, "OK", `* LIST () "/" "INBOX/x" ("OLDNAME" ("`+nfd+`"))`)
	l.want(`RENAME inbox/X "`+nfd+`"`, "NO [NONEXISTENT]")
	l.want("RENAME Inbox/x y/z", "OK", `* LIST () "/" "y/z" ("OLDNAME" ("Inbox/x"))`)
	l.want("RENAME Sent Отправленные", "BAD")
	l.want(`RENAME Sent "Отправленные"`, "OK", `* LIST (\Sent \Subscribed) "/" "Отправленные" ("OLDNAME" ("Sent"))`)
	l.want("RENAME INBOX old", "OK")
	l.want(`RENAME INBOX "`+nfd+`"`, "OK", `* LIST () "/" "`+nfc+`" ("OLDNAME" ("INBOX"))`)
	l.want("DELETE other", "OK")
	l.want(`DELETE "`+nfd+`"`, "OK", `* LIST (\NonExistent) "/" "`+nfc+`" ("OLDNAME" ("`+nfd+`"))`)
	l.want("DELETE inbox/sub", "OK", `* LIST (\NonExistent) "/" "INBOX/sub" ("OLDNAME" ("inbox/sub"))`)
	l.want(`LIST "" *`, "OK", `* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST (\HasNoChildren \Drafts) "/" "Drafts"`, `* LIST (\HasNoChildren) "/" "Receipts"`,
		`* LIST (\HasNoChildren \Trash) "/" "Trash"`, `* LIST (\HasNoChildren) "/" "dir"`, `* LIST (\HasNoChildren) "/" "old"`,
		`* LIST (\HasChildren) "/" "y"`, `* LIST (\HasNoChildren) "/" "y/z"`, `* LIST (\HasNoChildren \Sent) "/" "Отправленные"`)
	// Pipelined APPENDs are answered one by one, each with its names.
	l.ok(`CREATE "` + nfc + `"`)
	one := "%s APPEND \"" + nfd + "\" {5+}\r\n12345\r\n"
	l.send(fmt.Sprintf(one, "a") + fmt.Sprintf(one, "b"))
	for _, want := range []string{"* LIST ()", "a OK", "* LIST ()", "b OK"} {
		if got := l.read(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// STATUS of IMAP4rev2 has DELETED and SIZE (RFC 9051 §6.3.11), also in LIST.
func TestStatusDeleted(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l := w.enabling("IMAP4rev2")
	l.want("STATUS INBOX (DELETED)", "OK", `* STATUS "INBOX" (DELETED 0)`)
	w.flag("INBOX", imap.UIDSetNum(1, 3), addFlag(mailstore.Deleted))
	l.want("STATUS inbox (DELETED SIZE UNSEEN)", "OK", `* STATUS "INBOX" (DELETED 2 SIZE `+decimal(3*len(plainMail))+` UNSEEN 3)`)
	l.want(`LIST "" INBOX RETURN (STATUS (DELETED))`, "OK", `* LIST () "/" "INBOX"`, `* STATUS "INBOX" (DELETED 2)`)
	w.expunge("INBOX", 1)
	l.want("STATUS INBOX (DELETED)", "OK", `* STATUS "INBOX" (DELETED 1)`)
}

// The keywords that RFC 9051 §2.3.2 names are kept by STORE, APPEND, COPY and
// MOVE, found by SEARCH, and the same in any case of letters.
func TestRev2Keywords(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.enabling("IMAP4rev2")
	all := "$Forwarded $MDNSent $Junk $NotJunk $Phishing"
	l.ok("APPEND INBOX (" + all + ") {5+}\r\n12345")
	l.ok("SELECT INBOX")
	l.want("FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ("+all+"))")
	l.ok("COPY 1 Trash")
	l.ok("MOVE 1 Drafts")
	for _, box := range []string{"Trash", "Drafts"} {
		l.ok("SELECT " + box)
		l.want("FETCH 1 FLAGS", "OK", "* 1 FETCH (FLAGS ("+all+"))")
	}
	for _, k := range strings.Fields(all) {
		l.want("SEARCH KEYWORD "+strings.ToUpper(k), "OK", `* ESEARCH (TAG "t`+next(l)+`") ALL 1`)
		l.want("SEARCH UNKEYWORD "+k, "OK", `* ESEARCH (TAG "t`+next(l)+`")`)
		l.ok("STORE 1 -FLAGS.SILENT (" + strings.ToLower(k) + ")")
		l.want("SEARCH KEYWORD "+k, "OK", `* ESEARCH (TAG "t`+next(l)+`")`)
	}
	l.want("STORE 1 +FLAGS ($JUNK $junk)", "OK", "* 1 FETCH (UID 1 FLAGS ($Junk))")
}

// What IMAP4rev2 dropped is answered to who still asks, as appendix A allows;
// and every unsolicited FETCH has the UID (RFC 9051 §7.5.2).
func TestRev2Leftovers(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.enabling("IMAP4rev2")
	l.ok("SELECT INBOX")
	l.want(`LSUB "" INBOX`, "OK", `* LSUB () "/" "INBOX"`)
	l.want("CHECK", "OK")
	l.want("STATUS INBOX (RECENT)", "OK", `* STATUS "INBOX" (RECENT 0)`)
	if got := l.ok("FETCH 1 RFC822.HEADER"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	w.flag("INBOX", imap.UIDSetNum(1), addFlag(mailstore.Flagged))
	l.want("NOOP", "OK", `* 1 FETCH (UID 1 FLAGS (\Flagged))`)
	l.want(`STORE 1 +FLAGS (\Draft)`, "OK", `* 1 FETCH (UID 1 FLAGS (\Flagged \Draft))`)
	got := l.ok("FETCH 1 BINARY[1]<0.1>")
	if len(got) != 2 || got[1] != `* 1 FETCH (UID 1 FLAGS (\Flagged \Seen \Draft))` {
		t.Errorf("%q", got)
	}
	l.send("i IDLE\r\n")
	l.read()
	w.flag("INBOX", imap.UIDSetNum(1), addFlag(mailstore.Answered))
	if got := l.read(); got != `* 1 FETCH (UID 1 FLAGS (\Answered \Flagged \Seen \Draft))` {
		t.Errorf("%q", got)
	}
}

// The structure of message/global is that of the session's protocol; its parts
// are there in both (RFC 9051 §6.4.5.1).
func TestRev2Global(t *testing.T) {
	w := newWorld(t, setup{})
	msg := "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/global\r\n\r\n" + rawMail + "\r\n--x--\r\n"
	w.deliver("INBOX", msg)
	old, l := w.selected("INBOX"), w.enabling("IMAP4rev2")
	l.ok("SELECT INBOX")
	size := len(rawMail)
	old.want("FETCH 1 BODY", "OK", fmt.Sprintf(`* 1 FETCH (BODY (("MESSAGE" "GLOBAL" NIL NIL NIL "7BIT" %d) "MIXED"))`, size))
	got := l.ok("FETCH 1 BODY")[0]
	if !strings.HasPrefix(got, fmt.Sprintf(`* 1 FETCH (BODY (("MESSAGE" "GLOBAL" NIL NIL NIL "7BIT" %d ("Mon, 2 Mar 2026 10:00:00 +0300" {24}`, size)) || eightBitQuoted(got) {
		t.Errorf("IMAP4rev2: %q", got)
	}
	if got := l.ok("FETCH 1 BODYSTRUCTURE")[0]; !strings.Contains(got, "{12}\r\nфайл.txt") || !strings.HasSuffix(got, ` 7 NIL NIL NIL NIL) "MIXED" ("boundary" "x") NIL NIL NIL))`) {
		t.Errorf("IMAP4rev2: %q", got)
	}
	for _, s := range []*line{old, l} {
		s.want("FETCH 1 BODY.PEEK[1.1]", "OK", "* 1 FETCH (BODY[1.1] {12}\r\nтекст\r\n)")
		s.want("FETCH 1 BODY.PEEK[1.HEADER.FIELDS (To)]", "OK", "* 1 FETCH (BODY[1.HEADER.FIELDS (To)] {19}\r\nTo: b@b.example\r\n\r\n)")
	}
}
