package gateway_test

import (
	"testing"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/mailstore"
)

// TestSearchTexts: letters, and the receipts about them, get the texts that
// searches look through behind their commits, and searches find them before and
// after.
func TestSearchTexts(t *testing.T) {
	g := gatewaytest.Start(t)
	smtp := dialSMTP(t, g, gatewaytest.Sender, "person")
	letter := compose(t, gatewaytest.Sender, gatewaytest.Partner, "once", "X-Letter-Type: simple")
	if code, reply := submit(t, smtp, gatewaytest.Sender, []string{gatewaytest.Partner}, letter); code != 250 {
		t.Fatalf("%d %s", code, reply)
	}
	c := dialIMAP(t, g, gatewaytest.Partner, "person")
	search := func() int {
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		found, err := c.Search(&imap.SearchCriteria{Text: []string{gatewaytest.Sender}}, nil).Wait()
		if err != nil {
			t.Fatal(err)
		}
		return len(found.AllSeqNums())
	}
	eventually(t, "the letter is found", func() bool { return search() == 1 })
	owner, err := g.Store().Directory().AccountByAddress(t.Context(), gatewaytest.Partner)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the letter has its text", func() bool {
		for _, err := range g.Store().Texts().Scan(t.Context(), owner.ID, 1, imap.UIDSetNum(1), mailstore.TextHead) {
			if err != nil {
				t.Fatal(err)
			}
			return true
		}
		return false
	})
	if n := search(); n != 1 {
		t.Errorf("found %d letters by their texts", n)
	}
}
