package imapd

import (
	"regexp"
	"strings"
	"testing"

	"gosbridge/mailstore"
)

var uidValidity = regexp.MustCompile(`UIDVALIDITY (\d+)`)

// CREATE, DELETE and CREATE of one name give a larger UIDVALIDITY.
func TestUIDValidityRises(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	validity := func() string {
		l.ok("CREATE box")
		got := strings.Join(l.ok("STATUS box (UIDVALIDITY)"), "")
		l.ok("DELETE box")
		return uidValidity.FindStringSubmatch(got)[1]
	}
	first, second := validity(), validity()
	if len(second) < len(first) || len(second) == len(first) && second <= first {
		t.Errorf("UIDVALIDITY %s, then %s", first, second)
	}
}

// RENAME INBOX moves the messages and leaves INBOX empty (RFC 3501 §6.3.5).
func TestRenameInbox(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 2)
	l := w.selected("INBOX")
	l.ok("FETCH 1 UID")
	l.want("RENAME inbox Old", "OK", "* 1 EXPUNGE", "* 1 EXPUNGE")
	l.want("STATUS Old (MESSAGES)", "OK", `* STATUS "Old" (MESSAGES 2)`)
	l.want("STATUS INBOX (MESSAGES)", "OK", `* STATUS "INBOX" (MESSAGES 0)`)
}

// A deleted mailbox with children stays as a name that cannot be selected.
func TestDeleteParent(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.ok("CREATE a/b/c")
	l.ok("DELETE a/b")
	l.want(`LIST "" a*`, "OK",
		`* LIST (\HasChildren) "/" "a"`, `* LIST (\Noselect \HasChildren) "/" "a/b"`, `* LIST (\HasNoChildren) "/" "a/b/c"`)
	l.want("SELECT a/b", "NO [NONEXISTENT]")
	l.want("DELETE a/b", "NO [HASCHILDREN]")
	l.ok("CREATE a/b")
	l.ok("SELECT a/b")
	l.want("RENAME a/b a/b/c/d", "NO [CANNOT]")
	l.want("RENAME a/b Sent", "NO [ALREADYEXISTS]")
	l.want("RENAME nowhere x", "NO [NONEXISTENT]")
	l.ok("RENAME a z")
	l.want(`LIST "" z/%`, "OK", `* LIST (\HasChildren) "/" "z/b"`)
	l.ok("NOOP") // the selected mailbox has another name and is the same
}

// A destination that could be created is TRYCREATE, also where a name is there
// for its children; one that cannot is not (RFC 9051 §6.3.12, §6.4.7, §6.4.8).
func TestTryCreate(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	l.ok("CREATE a/b")
	l.ok("DELETE a")
	for name, want := range map[string]string{"a": "NO [TRYCREATE]", "new": "NO [TRYCREATE]", `"x//y"`: "NO [NONEXISTENT]"} {
		for _, cmd := range []string{"COPY 1 ", "UID COPY 1 ", "MOVE 1 ", "UID MOVE 1 "} {
			l.want(cmd+name, want)
		}
		l.want("APPEND "+name+" {5}", want)
		l.want("SELECT "+name, "NO [NONEXISTENT]", "* OK [CLOSED] previous mailbox")
		l.ok("SELECT INBOX")
	}
	l.ok("CREATE a")
	l.want("COPY 1 a", "OK [COPYUID")
}

// MOVE within a mailbox gives the messages new UIDs (RFC 9051 §6.4.8).
func TestMoveToSelf(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliverAll("INBOX", plainMail, 3)
	l := w.selected("INBOX")
	got, tagged := l.do("MOVE 1 INBOX")
	if !strings.HasPrefix(tagged, "OK") || len(got) != 3 || !strings.HasSuffix(got[0], " 1 4] moved") || got[1] != "* 4 EXISTS" || got[2] != "* 1 EXPUNGE" {
		t.Errorf("%q %s", got, tagged)
	}
	l.want("UID SEARCH ALL", "OK", "* SEARCH 2 3 4")
	l.want("UID FETCH 4 RFC822.SIZE", "OK", "* 3 FETCH (UID 4 RFC822.SIZE "+decimal(len(plainMail))+")")
}

// Deleting the selected mailbox: the own session goes on without it, another
// one is told and ends.
func TestDeleteSelected(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.ok("CREATE box")
	m := w.selected("box")
	idler := w.selected("box")
	idler.send("i IDLE\r\n")
	idler.read()
	l.ok("SELECT box")
	l.want("DELETE box", "OK", "* OK [CLOSED] the selected mailbox was deleted")
	l.want("FETCH 1 UID", "BAD")
	m.send("n NOOP\r\n")
	m.closed("* BYE")
	idler.closed("* BYE")
}

func TestCreateNames(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	for name, want := range map[string]string{
		"INBOX":                              "NO [ALREADYEXISTS]",
		"inbox":                              "NO [ALREADYEXISTS]",
		"Sent":                               "NO [ALREADYEXISTS]",
		`""`:                                 "NO [CANNOT]",
		`"a//b"`:                             "NO [CANNOT]",
		`"/a"`:                               "NO [CANNOT]",
		`"a/../b"`:                           "NO [CANNOT]",
		`"a*b"`:                              "NO [CANNOT]",
		`"a%b"`:                              "NO [CANNOT]",
		`"` + strings.Repeat("x", 501) + `"`: "NO [CANNOT]",
		strings.Repeat("x/", 20) + "x":       "NO [CANNOT]",
		"&AGE-":                              "BAD", // "a" must stand for itself
		"&":                                  "BAD",
		"&2D0-":                              "BAD", // half a surrogate pair
		"dir/":                               "OK",
		"inbox/sub":                          "OK",
	} {
		_, tagged := l.do("CREATE " + name)
		if !strings.HasPrefix(tagged, want) {
			t.Errorf("CREATE %s: %s, want %s", name, tagged, want)
		}
	}
	l.want(`LIST "" INBOX/%`, "OK", `* LIST (\HasNoChildren) "/" "INBOX/sub"`)
	l.want("DELETE INBOX", "NO [CANNOT]")
	l.want("DELETE Sent", "NO [CANNOT]")
}

// Names travel in modified UTF-7 (RFC 3501 §5.1.3); "&" is "&-".
func TestMailboxNamesEncoded(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.ok(`CREATE "&BB8EOARBBEwEPAQw- &- Co"`)
	l.want(`LIST "" "&BB8-*"`, "OK", `* LIST (\HasNoChildren) "/" "&BB8EOARBBEwEPAQw- &- Co"`)
	l.want(`STATUS "Письма & Co" (MESSAGES)`, "OK", `* STATUS "&BB8EOARBBEwEPAQw- &- Co" (MESSAGES 0)`)
	// NFD is the same mailbox as NFC.
	l.ok("CREATE \"\u0439\"")
	l.want("CREATE \"\u0438\u0306\"", "NO [ALREADYEXISTS]")
	l.want("LIST \"\" \"\u0438\u0306%\"", "OK", `* LIST (\HasNoChildren) "/" "&BDk-"`)
	l.want("LSUB \"\" \"\u0438\u0306%\"", "OK")
	l.ok("SUBSCRIBE \"\u0438\u0306\"")
	l.want("LSUB \"\" \"\u0438\u0306%\"", "OK", `* LSUB () "/" "&BDk-"`)
}

// Names are Net-Unicode without what RFC 6855 §3 takes out of it. Names of
// letters, signs and pictures are all right.
func TestNetUnicodeNames(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	for name, want := range map[string]string{
		"a\u2028b":      "NO [CANNOT]", // line separator
		"a\u2029b":      "NO [CANNOT]", // paragraph separator
		"a\u0085b":      "NO [CANNOT]", // C1 control
		"a\u009fb":      "NO [CANNOT]",
		"\ufeffa":       "NO [CANNOT]", // byte order mark
		"a\u202eb":      "NO [CANNOT]", // right to left from here on
		"a\u0378b":      "NO [CANNOT]", // not assigned
		"a\U000e0080b":  "NO [CANNOT]",
		"a\ufffdb":      "NO [CANNOT]",
		"a\xc3b":        "BAD", // no UTF-8
		"a\xed\xa0\x80": "BAD", // a surrogate
		"a\xc1\x81":     "BAD", // overlong
		"a\x7fb":        "BAD",
		"a\tb":          "BAD",
		"№ 5 – «Ё»":     "OK",
		"😀 日本":          "OK",
	} {
		_, tagged := l.do(`CREATE "` + name + `"`)
		if !strings.HasPrefix(tagged, want) {
			t.Errorf("CREATE %q: %s, want %s", name, tagged, want)
		}
	}
}

func TestListPatterns(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.ok("CREATE a/b/c")
	l.ok("CREATE ab")
	names := func(cmd string) string {
		var all []string
		for _, g := range l.ok(cmd) {
			all = append(all, strings.Trim(g[strings.LastIndex(g, " ")+1:], `"`))
		}
		return strings.Join(all, " ")
	}
	for cmd, want := range map[string]string{
		`LIST "" %`:      "INBOX Drafts Receipts Sent Trash a ab",
		`LIST "" a%`:     "a ab",
		`LIST "" a*`:     "a a/b a/b/c ab",
		`LIST "" a/%`:    "a/b",
		`LIST "" %/%`:    "a/b",
		`LIST "" *c`:     "a/b/c",
		`LIST a/ %`:      "a/b",
		`LIST "" inbox`:  "INBOX",
		`LIST "" nobody`: "",
		`LIST "" ""`:     "",
	} {
		if got := names(cmd); got != want {
			t.Errorf("%s: %q, want %q", cmd, got, want)
		}
	}
	l.want(`LIST "" ""`, "OK", `* LIST (\Noselect) "/" ""`)
	// Special uses of RFC 6154 only: our own role is nobody's business.
	l.want(`LIST "" Receipts`, "OK", `* LIST (\HasNoChildren) "/" "Receipts"`)
	l.want(`LIST "" Sent`, "OK", `* LIST (\HasNoChildren \Sent) "/" "Sent"`)
}

// LSUB shows a parent of something subscribed as \Noselect where "%" stops
// (RFC 3501 §6.3.9).
func TestSubscriptions(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.ok("CREATE a/b")
	for _, name := range []string{"INBOX", "Drafts", "Sent", "Receipts", "Trash", "a"} {
		l.ok("UNSUBSCRIBE " + name)
	}
	l.ok("SUBSCRIBE a/b")
	l.want(`LSUB "" *`, "OK", `* LSUB () "/" "a/b"`)
	l.want(`LSUB "" %`, "OK", `* LSUB (\Noselect) "/" "a"`)
	l.ok("UNSUBSCRIBE a/b")
	l.want(`LSUB "" *`, "OK")
	l.want("SUBSCRIBE nowhere", "NO [NONEXISTENT]")
	l.want("UNSUBSCRIBE nowhere", "OK")
}

// SELECT leaves the mailbox before it, even when it fails, and has no UNSEEN.
func TestSelect(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.selected("INBOX")
	got := strings.Join(l.ok("SELECT Sent"), "\n")
	want := regexp.MustCompile(`^\* OK \[CLOSED\] previous mailbox
\* FLAGS \(.*\)
\* OK \[PERMANENTFLAGS \(.* \\\*\)\] kept
\* 0 EXISTS
\* 0 RECENT
\* OK \[UIDVALIDITY \d+\] as ever
\* OK \[UIDNEXT 1\] next
\* OK \[HIGHESTMODSEQ \d+\] so far$`)
	if !want.MatchString(got) {
		t.Errorf("got\n%s", got)
	}
	l.want("SELECT nowhere", "NO [NONEXISTENT]", "* OK [CLOSED] previous mailbox")
	l.want("CHECK", "BAD")
	l.want("SELECT INBOX (UNKNOWN)", "BAD")
	l.ok("SELECT INBOX")
	l.want("UNSELECT", "OK")
	l.want("CLOSE", "BAD")
}

// EXAMINE is read-only for every command.
func TestExamine(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.login("u")
	got, tagged := l.do("EXAMINE INBOX")
	if !strings.HasPrefix(tagged, "OK [READ-ONLY]") || !strings.Contains(strings.Join(got, ""), "[PERMANENTFLAGS ()]") {
		t.Errorf("got %q, %q", got, tagged)
	}
	readOnly(t, l)
	l.want("CLOSE", "OK")
	w.unchanged()
}

func readOnly(t *testing.T, l *line) {
	t.Helper()
	for _, cmd := range []string{
		`STORE 1 +FLAGS (\Deleted)`, `UID STORE 1 FLAGS.SILENT ()`, `STORE 1 (UNCHANGEDSINCE 99999) +FLAGS (\Seen)`,
		"EXPUNGE", "UID EXPUNGE 1", "UID EXPUNGE 99", "MOVE 1 Trash", "UID MOVE 1 Trash",
	} {
		if _, tagged := l.do(cmd); !strings.HasPrefix(tagged, "NO [NOPERM]") {
			t.Errorf("%s: %s", cmd, tagged)
		}
	}
	got := strings.Join(l.ok("FETCH 1 (BODY[] BODY[TEXT]<0.1> RFC822 RFC822.TEXT BINARY[] BINARY[1]<0.1> FLAGS)"), "\n")
	if strings.Contains(got, `\Seen`) {
		t.Errorf("fetch set a flag: %q", got)
	}
}

// unchanged wants the one message of INBOX to be as it was delivered.
func (w *world) unchanged() {
	w.t.Helper()
	l := w.selected("INBOX")
	l.want("FETCH 1:* FLAGS", "OK", "* 1 FETCH (FLAGS ())")
}

// A login of class archive sees every mailbox and changes nothing.
func TestArchive(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	l := w.login("archive")
	_, tagged := l.do("SELECT INBOX")
	if !strings.HasPrefix(tagged, "OK [READ-ONLY]") {
		t.Errorf("select: %s", tagged)
	}
	readOnly(t, l)
	for _, cmd := range []string{"COPY 1 Trash", "CREATE x", "DELETE Trash", "RENAME Trash x", "SUBSCRIBE Trash", "UNSUBSCRIBE Trash", "APPEND INBOX {5}"} {
		l.want(cmd, "NO [NOPERM]")
	}
	l.want("CLOSE", "OK")
	w.unchanged()
}

// Messages marked here and there are gathered into Updates of full size: each
// is a commit that the client waits for.
func TestExpungeGathers(t *testing.T) {
	w := newWorld(t, setup{})
	const n = 2100
	w.deliverAll("INBOX", plainMail, n)
	var odd mailstore.UIDSet
	for uid := mailstore.UID(1); uid <= n; uid += 2 {
		odd.AddNum(uid)
	}
	for len(odd) > 0 {
		part := odd[:min(len(odd), mailstore.MaxMessagesPerUpdate)]
		w.flag("INBOX", part, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Deleted})
		odd = odd[len(part):]
	}
	l := w.selected("INBOX")
	state := func() (box mailstore.Mailbox) {
		err := w.store.View(t.Context(), w.account.ID, func(tx mailstore.Tx) error {
			var err error
			box, err = tx.MailboxByName("INBOX")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return box
	}
	before := state()
	if got := len(l.ok("EXPUNGE")); got != n/2 {
		t.Errorf("%d EXPUNGE responses", got)
	}
	after := state()
	if after.Messages != n/2 || after.Deleted != 0 {
		t.Errorf("%d messages left, %d of them deleted", after.Messages, after.Deleted)
	}
	if updates := after.HighestMod - before.HighestMod; updates != 2 {
		t.Errorf("%d Updates for %d messages", updates, n/2)
	}
}
