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
