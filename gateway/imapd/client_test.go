package imapd

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// The whole of it with a client that no one here wrote.
func TestImapclient(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: StartTLS}, tls: certificate(t)})
	c := connect(t, w, nil)
	for _, capability := range []imap.Cap{imap.CapIMAP4rev1, imap.CapUIDPlus, imap.CapMove, imap.CapIdle, imap.CapSpecialUse, imap.CapCondStore, imap.CapLiteralPlus, imap.CapESearch, imap.CapSearchRes,
		imap.CapListExtended, imap.CapListStatus, imap.CapStatusSize, imap.CapCreateSpecialUse} {
		if !c.Caps().Has(capability) {
			t.Errorf("no %s", capability)
		}
	}
	appendTo(t, c, "INBOX", multiMail)
	data, err := c.Select("INBOX", &imap.SelectOptions{CondStore: true}).Wait()
	must(t, err)
	if data.NumMessages != 1 || data.HighestModSeq == 0 {
		t.Errorf("select: %+v", data)
	}
	section := &imap.FetchItemBodySection{Part: []int{2}, Specifier: imap.PartSpecifierText, Peek: true}
	msgs, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
		Envelope: true, Flags: true, UID: true, RFC822Size: true, InternalDate: true, ModSeq: true,
		BodyStructure: &imap.FetchItemBodyStructure{Extended: true}, BodySection: []*imap.FetchItemBodySection{section},
	}).Collect()
	must(t, err)
	m := msgs[0]
	if m.Envelope.Subject != "parts" || m.UID != 1 || m.RFC822Size != int64(len(multiMail)) || m.ModSeq == 0 {
		t.Errorf("fetched %+v", m)
	}
	if got := string(m.FindBodySection(section)); got != "inner text" {
		t.Errorf("section %q", got)
	}
	parts := 0
	m.BodyStructure.Walk(func([]int, imap.BodyStructure) bool { parts++; return true })
	if parts != 4 { // Walk does not look into attached messages
		t.Errorf("%d parts", parts)
	}
	copied, err := c.Copy(imap.UIDSetNum(1), "Sent").Wait()
	must(t, err)
	if copied.DestUIDs.String() != "1" {
		t.Errorf("copied %+v", copied)
	}
	_, err = c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagSeen}}, nil).Collect()
	must(t, err)
	found, err := c.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagSeen}, Text: []string{"INNER"}}, nil).Wait()
	must(t, err)
	if found.All.String() != "1" {
		t.Errorf("found %+v", found)
	}
	_, err = c.Move(imap.UIDSetNum(1), "Trash").Wait()
	must(t, err)
	boxes, err := c.List("", "*", nil).Collect()
	must(t, err)
	if len(boxes) != 5 {
		t.Errorf("%d mailboxes", len(boxes))
	}
	status, err := c.Status("Trash", &imap.StatusOptions{NumMessages: true, HighestModSeq: true}).Wait()
	must(t, err)
	if *status.NumMessages != 1 {
		t.Errorf("status %+v", status)
	}
	must(t, c.Create("Письма & Co", nil).Wait())
	_, err = c.Select("Письма & Co", nil).Wait()
	must(t, err)
	must(t, c.UnselectAndExpunge().Wait())
	must(t, c.Logout().Wait())
}

// A client in IDLE hears of another's APPEND.
func TestImapclientIdle(t *testing.T) {
	w := newWorld(t, setup{mode: Mode{TLS: StartTLS}, tls: certificate(t)})
	exists := make(chan uint32, 10)
	c := connect(t, w, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Mailbox: func(data *imapclient.UnilateralDataMailbox) {
			if data.NumMessages != nil {
				exists <- *data.NumMessages
			}
		},
	}})
	_, err := c.Select("INBOX", nil).Wait()
	must(t, err)
	idle, err := c.Idle()
	must(t, err)
	appendTo(t, connect(t, w, nil), "INBOX", plainMail)
	select {
	case got := <-exists:
		if got != 1 {
			t.Errorf("%d messages", got)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no push")
	}
	must(t, idle.Close())
	must(t, idle.Wait())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, w *world, options *imapclient.Options) *imapclient.Client {
	t.Helper()
	if options == nil {
		options = &imapclient.Options{}
	}
	options.TLSConfig = insecure
	c, err := imapclient.DialStartTLS(w.addr, options)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.Login("u", "secret").Wait())
	return c
}

func appendTo(t *testing.T, c *imapclient.Client, box, msg string) {
	t.Helper()
	cmd := c.Append(box, int64(len(msg)), nil)
	_, err := io.Copy(cmd, strings.NewReader(msg))
	must(t, err)
	must(t, cmd.Close())
	data, err := cmd.Wait()
	must(t, err)
	if data.UID == 0 {
		t.Errorf("append: %+v", data)
	}
}
