package imapd

import (
	"strings"
	"testing"

	"gosbridge/gateway/auth"
	"gosbridge/mailstore"
)

// A tree: INBOX Drafts Receipts Sent Trash (all subscribed) and a, a/b, a/b/c,
// d, of which a/b is only a name, and a/b/c and d are subscribed.
func treeWorld(t *testing.T) *line {
	w := newWorld(t, setup{})
	l := w.login("u")
	for _, cmd := range []string{"CREATE a/b/c", "CREATE d", "DELETE a/b", "SUBSCRIBE a/b/c", "SUBSCRIBE d"} {
		l.ok(cmd)
	}
	w.deliverAll("d", plainMail, 3)
	return l
}

// LIST-EXTENDED (RFC 5258): attributes only as asked, every mailbox once.
func TestListExtended(t *testing.T) {
	l := treeWorld(t)
	for _, c := range []struct {
		cmd  string
		want []string
	}{
		{`LIST "" ("INBOX" a%)`, []string{`() "/" "INBOX"`, `() "/" "a"`}},
		{`LIST "" (* % "inbox") RETURN ()`, []string{`() "/" "INBOX"`, `() "/" "Drafts"`, `() "/" "Receipts"`, `() "/" "Sent"`, `() "/" "Trash"`,
			`() "/" "a"`, `(\NonExistent \HasChildren) "/" "a/b"`, `() "/" "a/b/c"`, `() "/" "d"`}},
		{`LIST a/ (b b/%) RETURN (CHILDREN SUBSCRIBED)`, []string{`(\NonExistent \HasChildren) "/" "a/b"`, `(\Subscribed \HasNoChildren) "/" "a/b/c"`}},
		{`LIST "" % RETURN (SPECIAL-USE)`, []string{`() "/" "INBOX"`, `(\Drafts) "/" "Drafts"`, `() "/" "Receipts"`, `(\Sent) "/" "Sent"`, `(\Trash) "/" "Trash"`,
			`() "/" "a"`, `() "/" "d"`}},
		{`LIST (SPECIAL-USE) "" *`, []string{`(\Drafts) "/" "Drafts"`, `(\Sent) "/" "Sent"`, `(\Trash) "/" "Trash"`}},
		{`LIST (SUBSCRIBED SPECIAL-USE REMOTE) "" (S* d)`, []string{`(\Subscribed \Sent) "/" "Sent"`}},
		{`LIST (SUBSCRIBED) "" (a* d)`, []string{`(\Subscribed) "/" "a/b/c"`, `(\Subscribed) "/" "d"`}},
		{`LIST () "" d`, []string{`() "/" "d"`}},
		// A parent that is not subscribed is listed for what no pattern shows.
		{`LIST (SUBSCRIBED RECURSIVEMATCH) "" (a d)`, []string{`() "/" "a" ("CHILDINFO" ("SUBSCRIBED"))`, `(\Subscribed) "/" "d"`}},
		{`LIST (RECURSIVEMATCH SUBSCRIBED) "" a*`, []string{`(\Subscribed) "/" "a/b/c"`}},
		{`LIST (RECURSIVEMATCH SUBSCRIBED) "" a/%`, []string{`(\NonExistent \HasChildren) "/" "a/b" ("CHILDINFO" ("SUBSCRIBED"))`}},
		{`LIST (RECURSIVEMATCH SPECIAL-USE) "" (a d)`, nil},
		// An empty name asks for the delimiter in the basic form only.
		{`LIST "" "" RETURN (CHILDREN)`, nil},
		{`LIST "" ("")`, nil},
		{`LIST "d" ("")`, nil},
		{`LIST () "a/" ""`, nil},
		{`LIST "" ("" d)`, []string{`() "/" "d"`}},
	} {
		want := make([]string, len(c.want))
		for i, line := range c.want {
			want[i] = "* LIST " + line
		}
		l.want(c.cmd, "OK", want...)
	}
	for _, cmd := range []string{
		`LIST "" ()`, `LIST (BOGUS) "" *`, `LIST (RECURSIVEMATCH) "" *`, `LIST (RECURSIVEMATCH REMOTE) "" *`, `LIST "" * RETURN`,
		`LIST "" * RETURN (BOGUS)`, `LIST "" * BOGUS (CHILDREN)`, `LIST "" * RETURN (STATUS)`, `LIST "" * RETURN (STATUS ())`, `LIST "" (*`,
		`LSUB "" (* %)`, `LSUB (SUBSCRIBED) "" *`, `LSUB "" * RETURN (CHILDREN)`,
	} {
		l.want(cmd, "BAD")
	}
	l.want(`LIST "" (`+strings.Repeat("a ", maxPatterns)+"a)", "NO [LIMIT]")
}

// CHILDINFO stands at every parent that is listed and holds something
// selected; one that is not selected itself is listed only for what no pattern
// shows (RFC 5258 §3.5, its example 9 and RFC 9051 §6.3.9.8, example 8).
func TestListChildInfo(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	for _, box := range []string{"INBOX", "Drafts", "Receipts", "Sent", "Trash"} {
		l.ok("UNSUBSCRIBE " + box)
	}
	for _, box := range []string{"foo2/bar1", "foo2/bar2", "baz2/bar2", "eps2", "eps2/mamba"} {
		if box != "eps2" {
			l.ok("CREATE " + box)
		}
	}
	for _, box := range []string{"foo2/bar1", "foo2/bar2", "baz2/bar2", "eps2", "eps2/mamba"} {
		l.ok("SUBSCRIBE " + box)
	}
	child := ` ("CHILDINFO" ("SUBSCRIBED"))`
	l.want(`LIST (RECURSIVEMATCH SUBSCRIBED) "" "*2"`, "OK", `* LIST (\Subscribed) "/" "baz2/bar2"`, `* LIST (\Subscribed) "/" "eps2"`+child,
		`* LIST () "/" "foo2"`+child, `* LIST (\Subscribed) "/" "foo2/bar2"`)
	l.want(`LIST (RECURSIVEMATCH SUBSCRIBED) "" "e*"`, "OK", `* LIST (\Subscribed) "/" "eps2"`+child, `* LIST (\Subscribed) "/" "eps2/mamba"`)
	l.want(`LIST (SUBSCRIBED) "" "e*"`, "OK", `* LIST (\Subscribed) "/" "eps2"`, `* LIST (\Subscribed) "/" "eps2/mamba"`)
}

// LIST-STATUS (RFC 5819): STATUS behind each LIST, none for what cannot be
// selected or is there for its children only.
func TestListStatus(t *testing.T) {
	l := treeWorld(t)
	l.want(`LIST "" (a/b d) RETURN (STATUS (MESSAGES SIZE))`, "OK",
		`* LIST (\NonExistent \HasChildren) "/" "a/b"`, `* LIST () "/" "d"`, `* STATUS "d" (MESSAGES 3 SIZE `+decimal(3*len(plainMail))+`)`)
	l.want(`LIST (SUBSCRIBED RECURSIVEMATCH) "" (a d) RETURN (STATUS (UNSEEN) CHILDREN)`, "OK",
		`* LIST (\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))`, `* LIST (\Subscribed \HasNoChildren) "/" "d"`, `* STATUS "d" (UNSEEN 3)`)
	// HIGHESTMODSEQ tells the server that the client knows mod-sequences.
	l.ok("SELECT d")
	if got := l.ok(`LIST "" d RETURN (STATUS (HIGHESTMODSEQ))`); len(got) != 3 || !strings.HasPrefix(got[2], "* OK [HIGHESTMODSEQ ") {
		t.Errorf("%q", got)
	}
}

// STATUS=SIZE (RFC 8438): the sum of the RFC822.SIZEs.
func TestStatusSize(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	l.want("STATUS INBOX (SIZE)", "OK", `* STATUS "INBOX" (SIZE 0)`)
	w.deliver("INBOX", plainMail)
	w.deliver("INBOX", multiMail)
	l.want("STATUS INBOX (SIZE MESSAGES SIZE)", "OK", `* STATUS "INBOX" (SIZE `+decimal(len(plainMail)+len(multiMail))+` MESSAGES 2)`)
	w.expunge("INBOX", 1)
	l.want("STATUS INBOX (SIZE)", "OK", `* STATUS "INBOX" (SIZE `+decimal(len(multiMail))+`)`)
}

// CREATE-SPECIAL-USE (RFC 6154 §3).
func TestCreateSpecialUse(t *testing.T) {
	w := newWorld(t, setup{})
	l := w.login("u")
	for cmd, want := range map[string]string{
		`CREATE x (USE (\Sent))`:             "NO [USEATTR]", // Sent has it
		`CREATE x (USE (\Flagged))`:          "NO [USEATTR]",
		`CREATE x (USE (\Receipts))`:         "NO [USEATTR]", // ours, not announced
		`CREATE x (USE (\Inbox))`:            "NO [USEATTR]",
		`CREATE x (USE (\Junk \Archive))`:    "NO [USEATTR]",
		`CREATE Sent (USE (\Junk))`:          "NO [ALREADYEXISTS]",
		`CREATE Sent (USE (\Sent))`:          "NO [ALREADYEXISTS]",
		`CREATE Trash (USE (\Sent))`:         "NO [ALREADYEXISTS]",
		`CREATE x ()`:                        "BAD",
		`CREATE x (USE \Junk)`:               "BAD",
		`CREATE x (BOGUS (\Junk))`:           "BAD",
		`CREATE x (USE (\Junk) USE (\Junk))`: "BAD",
		`CREATE x USE (\Junk)`:               "BAD",
	} {
		l.want(cmd, want)
	}
	l.want(`LIST "" x`, "OK")
	l.want(`CREATE Spam/All (USE (\junk))`, "OK")
	l.want(`CREATE Plain (USE ())`, "OK")
	l.want(`LIST (SPECIAL-USE) "" (Spam* Plain)`, "OK", `* LIST (\Junk) "/" "Spam/All"`)
	w.update(func(tx mailstore.UpdateTx) error {
		_, err := tx.MailboxByRole(mailstore.RoleJunk)
		return err
	})
	w.login("archive").want(`CREATE y (USE (\Archive))`, "NO [NOPERM]")
}

// With the mailboxes that accounts really have a special use is given to another
// mailbox when its own is deleted, which only some can be.
func TestSpecialUseMoves(t *testing.T) {
	w := newWorld(t, setup{boxes: auth.StandardMailboxes()})
	l := w.login("u")
	for _, name := range []string{"INBOX", "Drafts", "Sent", "Receipts", "Trash"} {
		l.want("DELETE "+name, "NO [CANNOT]")
	}
	l.want(`CREATE Old (USE (\Archive))`, "NO [USEATTR]")
	l.ok("SELECT Archive")
	l.want("DELETE Archive", "OK", "* OK [CLOSED] the selected mailbox was deleted")
	l.ok(`CREATE Old (USE (\Archive))`)
	l.ok("DELETE Junk")
	l.ok(`CREATE Spam (USE (\Junk))`)
	l.ok("RENAME Spam Spam2")
	l.want(`LIST (SPECIAL-USE) "" (Old Archive Junk Spam*)`, "OK", `* LIST (\Archive) "/" "Old"`, `* LIST (\Junk) "/" "Spam2"`)
	l.want(`CREATE Junk (USE (\Junk))`, "NO [USEATTR]")
}

// FuzzList: whatever is read has patterns within the limit, and asks for what
// can be answered.
func FuzzList(f *testing.F) {
	for _, s := range []string{`"" *`, `(SUBSCRIBED RECURSIVEMATCH) "a/" (% "b*") RETURN (CHILDREN STATUS (MESSAGES SIZE))`, `() {1+}` + "\r\nx y"} {
		f.Add(s)
	}
	box := mailstore.Mailbox{Name: "a/b", Role: mailstore.RoleSent}
	f.Fuzz(func(t *testing.T, text string) {
		s := parserSession(text)
		if s.r.Next() != nil {
			return
		}
		q := listQuery{basic: true}
		s.readList(&q)
		s.r.EOL()
		if s.r.Err() != nil {
			return
		}
		if n := len(q.patterns); n > maxPatterns || q.root && (n > 0 || !q.basic) {
			t.Fatalf("%q: %d patterns, root %v", text, n, q.root)
		}
		if q.basic && (q.subscribed || q.recursive || q.status != nil || len(q.patterns) > 1) {
			t.Errorf("%q: basic with options", text)
		}
		q.matches(box.Name)
		q.attributes(box, q.selects(box))
	})
}
