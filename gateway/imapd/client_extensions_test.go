package imapd

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// The extensions with a client that no one here wrote.
func TestImapclientExtensions(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: StartTLS}, tls: certificate(t)})
	w.deliver("INBOX", binaryMail)
	w.deliver("INBOX", plainMail)
	c := connect(t, w, nil)
	boxes, err := c.List("", "*", &imap.ListOptions{
		SelectSubscribed: true, ReturnChildren: true, ReturnSpecialUse: true,
		ReturnStatus: &imap.StatusOptions{NumMessages: true, Size: true},
	}).Collect()
	must(t, err)
	if len(boxes) != 5 || boxes[0].Status == nil || *boxes[0].Status.NumMessages != 2 || *boxes[0].Status.Size != int64(len(binaryMail)+len(plainMail)) {
		t.Errorf("list: %+v", boxes)
	}
	must(t, c.Create("Spam", &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttrJunk}}).Wait())
	appendTo(t, c, "Spam", strings.Repeat(plainMail, 100)) // LITERAL+
	_, err = c.Select("INBOX", nil).Wait()
	must(t, err)
	found, err := c.UIDSearch(&imap.SearchCriteria{Text: []string{"caf"}}, &imap.SearchOptions{ReturnMin: true, ReturnMax: true, ReturnCount: true, ReturnAll: true, ReturnSave: true}).Wait()
	must(t, err)
	if found.Min != 1 || found.Max != 1 || found.Count != 1 || found.All.String() != "1" {
		t.Errorf("found %+v", found)
	}
	part := &imap.FetchItemBinarySection{Part: []int{2}, Peek: true}
	msgs, err := c.Fetch(imap.UIDSetNum(1), &imap.FetchOptions{
		UID: true, BinarySection: []*imap.FetchItemBinarySection{part}, BinarySectionSize: []*imap.FetchItemBinarySectionSize{{Part: []int{2}}},
	}).Collect()
	must(t, err)
	if len(msgs) != 1 || string(msgs[0].FindBinarySection(part)) != "\x00\x01\x02\x03\x04\x05" || msgs[0].BinarySectionSize[0].Size != 6 {
		t.Errorf("binary: %+v", msgs)
	}
	must(t, c.Logout().Wait())
}

// IMAP4rev2 with the same client. It writes "&" as "&-" in every session and
// reads names so (its issue, see docs/imap.md), so no name here has one.
func TestImapclientRev2(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: StartTLS}, tls: certificate(t)})
	c := connect(t, w, nil)
	enabled, err := c.Enable(imap.CapIMAP4rev2, imap.CapUTF8Accept).Wait()
	must(t, err)
	if !enabled.Caps.Has(imap.CapIMAP4rev2) || !enabled.Caps.Has(imap.CapUTF8Accept) {
		t.Errorf("enabled %v", enabled.Caps)
	}
	must(t, c.Create("Письма/й", nil).Wait())
	must(t, c.Rename("Письма/й", "Дело №5", nil).Wait())
	boxes, err := c.List("", "Д*", &imap.ListOptions{ReturnStatus: &imap.StatusOptions{NumDeleted: true, Size: true}}).Collect()
	must(t, err)
	if len(boxes) != 1 || boxes[0].Mailbox != "Дело №5" || boxes[0].Status == nil || *boxes[0].Status.NumDeleted != 0 {
		t.Errorf("list: %+v", boxes)
	}
	appendTo(t, c, "Дело №5", "Content-Type: message/global\r\n\r\n"+rawMail)
	appendTo(t, c, "Дело №5", rawMail)
	data, err := c.Select("Дело №5", nil).Wait()
	must(t, err)
	if data.List == nil || data.List.Mailbox != "Дело №5" || data.NumMessages != 2 || data.UIDValidity == 0 {
		t.Errorf("select: %+v", data)
	}
	msgs, err := c.Fetch(imap.SeqSetNum(1, 2), &imap.FetchOptions{Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}}).Collect()
	must(t, err)
	if from := msgs[1].Envelope.From; len(from) != 1 || from[0].Name != "Иван" || from[0].Addr() != "иван@почта.example" || msgs[1].Envelope.Subject != `Привет, "мир" \` {
		t.Errorf("envelope: %+v", msgs[1].Envelope)
	}
	if part, is := msgs[0].BodyStructure.(*imap.BodyStructureSinglePart); !is || part.MessageRFC822 == nil || part.MessageRFC822.Envelope.From[0].Name != "Иван" {
		t.Errorf("structure: %+v", msgs[0].BodyStructure)
	}
	found, err := c.Search(&imap.SearchCriteria{Body: []string{"ТЕКСТ"}, Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "привет"}}}, nil).Wait()
	must(t, err)
	if found.All.String() != "2" {
		t.Errorf("found %+v", found)
	}
	must(t, c.UnselectAndExpunge().Wait())
	must(t, c.Delete("Дело №5").Wait())
	must(t, c.Logout().Wait())
}

const pythonClient = `
import imaplib, sys
host, port = sys.argv[1].rsplit(":", 1)
m = imaplib.IMAP4(host, int(port))
m.login("u", "secret")
typ, data = m.append("INBOX", r"(\Seen)", None, b"Subject: py\r\n\r\nhello\r\n"); assert typ == "OK", data
m.select("INBOX")
typ, data = m._simple_command("SEARCH", "RETURN", "(COUNT MIN SAVE)", "SUBJECT", "py"); assert typ == "OK", data
assert m.untagged_responses["ESEARCH"][-1].endswith(b"MIN 1 COUNT 1"), m.untagged_responses
typ, data = m.fetch("$", "(UID BINARY.SIZE[1])"); assert typ == "OK" and b"BINARY.SIZE[1] 7" in data[0], data
typ, data = m.list('""', '(INBOX Sent) RETURN (STATUS (MESSAGES))'); assert typ == "OK" and len(data) == 2, data
typ, data = m.status("INBOX", "(SIZE)"); assert data[-1].endswith(b"(SIZE 22)"), data
m.logout()

m = imaplib.IMAP4(host, int(port))
m.login("u", "secret")
typ, data = m.enable("UTF8=ACCEPT IMAP4rev2"); assert typ == "OK" and b"UTF8=ACCEPT" in m.untagged_responses["ENABLED"][0], m.untagged_responses
name = '"Письма & Ко"'
typ, data = m.create(name); assert typ == "OK", data
typ, data = m.list('""', '"П*"'); assert typ == "OK" and data[0].endswith(name.encode()), data
msg = "Subject: Привет\r\nFrom: иван@почта.example\r\n\r\nтекст\r\n".encode()
# Not m.append: this version sends "UTF8 (" as part of the message (gh-78319).
m.send(m._new_tag() + b' APPEND ' + name.encode() + b' UTF8 (~{%d+}\r\n' % len(msg) + msg + b")\r\n")
line = m.readline(); assert b" OK [APPENDUID " in line, line
typ, data = m.select(name); assert typ == "OK", data
typ, data = m.fetch("1", "(BODY.PEEK[])"); assert data[0][1] == msg, data
typ, data = m._simple_command("SEARCH", "SUBJECT", '"ПРИВЕТ"'); assert typ == "OK", data
assert m.untagged_responses["ESEARCH"][-1].endswith(b"ALL 1"), m.untagged_responses
typ, data = m._simple_command("NOOP"); assert typ == "OK", data
m.close()
typ, data = m.delete(name); assert typ == "OK", data
m.logout()
`

// The same with Python's imaplib, and a mailbox listed and read by curl, where
// they are installed.
func TestOtherClients(t *testing.T) {
	w := newWorld(t, setup{})
	for name, args := range map[string][]string{
		"python3": {"-c", pythonClient, w.addr},
		"curl":    {"-sS", "-u", "u:secret", "imap://" + w.addr + "/", "-X", `LIST (SUBSCRIBED) "" ("INBOX" S%) RETURN (CHILDREN)`},
	} {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skip(name + " is not installed")
			}
			out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if name == "curl" && !strings.Contains(string(out), `* LIST (\Subscribed \HasNoChildren) "/" "Sent"`) {
				t.Errorf("%s", out)
			}
		})
	}
}
