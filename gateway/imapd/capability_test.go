package imapd

import (
	"strings"
	"testing"
)

// probes use each capability: a command, and what its answer must hold. They
// run in a session of IMAP4rev1 with INBOX selected, which has one message.
var probes = map[string]struct{ cmd, want string }{
	"IMAP4REV1":          {"SEARCH ALL", "* SEARCH 1"},
	"IMAP4REV2":          {"ENABLE IMAP4rev2", "* ENABLED IMAP4rev2"},
	"UTF8=ACCEPT":        {"ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT"},
	"CONDSTORE":          {"FETCH 1 FLAGS (CHANGEDSINCE 1)", "MODSEQ ("},
	"ENABLE":             {"ENABLE X-NONE", "* ENABLED"},
	"LITERAL+":           {"STATUS {5+}\r\nINBOX (MESSAGES)", "(MESSAGES 1)"},
	"ID":                 {"ID NIL", `* ID ("name"`},
	"IDLE":               {"IDLE\r\nDONE", "+ "},
	"NAMESPACE":          {"NAMESPACE", "* NAMESPACE (("},
	"UIDPLUS":            {"UID COPY 1 Trash", "OK [COPYUID "},
	"MOVE":               {"UID MOVE 1 Trash", "* 1 EXPUNGE"},
	"UNSELECT":           {"UNSELECT", "OK"},
	"SPECIAL-USE":        {`LIST (SPECIAL-USE) "" *`, `(\Drafts)`},
	"CREATE-SPECIAL-USE": {`CREATE Spam (USE (\Junk))`, "OK"},
	"CHILDREN":           {`LIST "" INBOX`, `\HasNoChildren`},
	"LIST-EXTENDED":      {`LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX Sent) RETURN (CHILDREN)`, `\Subscribed`},
	"LIST-STATUS":        {`LIST "" INBOX RETURN (STATUS (MESSAGES))`, "(MESSAGES 1)"},
	"STATUS=SIZE":        {"STATUS INBOX (SIZE)", "(SIZE "},
	"MULTIAPPEND":        {"APPEND Trash {1+}\r\nx {1+}\r\ny", "1:2] "},
	"BINARY":             {"FETCH 1 BINARY.SIZE[1]", "BINARY.SIZE[1] "},
	"ESEARCH":            {"SEARCH RETURN (COUNT) ALL", " COUNT 1"},
	"SEARCHRES":          {"SEARCH RETURN (SAVE ALL) $", "* ESEARCH"},
	"APPENDLIMIT=":       {"STATUS INBOX (APPENDLIMIT)", "(APPENDLIMIT "},
}

// Nothing is announced that does not work: each capability has a probe, and
// each probe its capability. AUTH, SASL-IR and what TLS brings are tested with
// the logins.
func TestCapabilitiesWork(t *testing.T) {
	w := newWorld(t, setup{})
	announced := strings.Fields(w.login("u").ok("CAPABILITY")[0])[2:]
	tried := make(map[string]bool)
	for _, name := range announced {
		if name == "SASL-IR" {
			continue
		}
		key := strings.ToUpper(name)
		if i := strings.Index(key, "LIMIT="); i > 0 {
			key = key[:i+len("LIMIT=")]
		}
		probe, known := probes[key]
		if !known || tried[key] {
			t.Errorf("%s is announced, without a probe or twice", name)
			continue
		}
		tried[key] = true
		w := newWorld(t, setup{})
		w.deliver("INBOX", plainMail)
		l := w.selected("INBOX")
		untagged, tagged := l.do(probe.cmd)
		if got := strings.Join(append(untagged, tagged), "\n"); !strings.HasPrefix(tagged, "OK") || !strings.Contains(got, probe.want) {
			t.Errorf("%s: %s: got\n%s", name, probe.cmd, got)
		}
	}
	for name := range probes {
		if !tried[name] {
			t.Errorf("%s has a probe and is not announced", name)
		}
	}
}
