package gateway_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
	"gosbridge/policy"
)

var numberPattern = regexp.MustCompile(`GP-\d{6}-\d{8,}-\d`)

// window sets the recall time of a letter type.
func window(letterType string, d time.Duration) func(*installation.Plan) {
	return func(p *installation.Plan) {
		for i := range p.Profiles {
			if p.Profiles[i].Type == letterType {
				p.Profiles[i].RecallWindow = policy.Duration(d)
			}
		}
	}
}

// send submits a letter with a PDF that must be accepted, and returns its
// number.
func send(t *testing.T, g *gatewaytest.Gateway, to string, header ...string) string {
	t.Helper()
	letter := compose(t, gatewaytest.Sender, to, "Test", header...)
	code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "person"), gatewaytest.Sender, []string{to}, letter)
	if code != 250 {
		t.Fatalf("reply %d %s", code, reply)
	}
	return numberPattern.FindString(reply)
}

func recall(t *testing.T, g *gatewaytest.Gateway, number string) (admin.Recalled, error) {
	t.Helper()
	var r admin.Recalled
	err := g.Admin().Call(t.Context(), admin.OpLetterRecall, admin.LetterName{Number: number}, &r)
	return r, err
}

func show(t *testing.T, g *gatewaytest.Gateway, number string) admin.Letter {
	t.Helper()
	var l admin.Letter
	if err := g.Admin().Call(t.Context(), admin.OpLetterShow, admin.LetterName{Number: number}, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// count is the number of messages in a mailbox.
func count(t *testing.T, g *gatewaytest.Gateway, user, box string) uint32 {
	t.Helper()
	c := dialIMAP(t, g, user, "archive")
	st, err := c.Status(box, &imap.StatusOptions{NumMessages: true}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	return *st.NumMessages
}

// A letter that is held does not go out once it is recalled.
func TestRecallHeld(t *testing.T) {
	g := gatewaytest.Start(t, window("registered", time.Minute))
	number := send(t, g, gatewaytest.Body, "X-Letter-Type: registered")
	if r, err := recall(t, g, number); err != nil || r.Pending {
		t.Fatalf("recall: %+v, %v", r, err)
	}
	l := show(t, g, number)
	if l.State != "recalled" || len(l.Evidence) != 2 || l.Evidence[1].Event != "Recall" {
		t.Errorf("letter %+v", l)
	}
	if f := flags(t, dialIMAP(t, g, gatewaytest.Sender, "person"), "Sent"); !has(f, "Letter-Recalled") || has(f, "Letter-Held") {
		t.Errorf("flags %v", f)
	}
	if items, err := g.Store().Queue().Items(t.Context(), "deliver", 0); err != nil || len(items) != 0 {
		t.Errorf("queue: %v, %v", items, err)
	}
	if _, err := recall(t, g, number); !errors.Is(err, admin.ErrTooLate) {
		t.Errorf("second recall: %v", err)
	}
	if n := count(t, g, gatewaytest.Body, "INBOX"); n != 0 {
		t.Errorf("%d letters in INBOX", n)
	}
}

// After the recall time, or when it is waived, a letter stays sent.
func TestRecallTooLate(t *testing.T) {
	g := gatewaytest.Start(t, window("registered", 20*time.Millisecond))
	number := send(t, g, gatewaytest.Body, "X-Letter-Type: registered")
	time.Sleep(30 * time.Millisecond)
	if _, err := recall(t, g, number); !errors.Is(err, admin.ErrTooLate) {
		t.Errorf("after the time: %v", err)
	}
	waived := send(t, g, gatewaytest.Body, "X-Letter-Recall: none")
	if _, err := recall(t, g, waived); !errors.Is(err, admin.ErrTooLate) {
		t.Errorf("waived: %v", err)
	}
	for _, bad := range []string{"GP-202611-00000001-0", "", "'; drop"} {
		if _, err := recall(t, g, bad); !errors.Is(err, admin.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := recall(t, g, "GP-202611-99999999-9"); !errors.Is(err, admin.ErrNotFound) && !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("unknown number: %v", err)
	}
}

// A simple letter goes out at once and is taken back while it is unopened,
// with evidence to both sides.
func TestRecallWithdraws(t *testing.T) {
	g := gatewaytest.Start(t)
	number := send(t, g, gatewaytest.Body)
	eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
	if r, err := recall(t, g, number); err != nil || !r.Pending {
		t.Fatalf("recall: %+v, %v", r, err)
	}
	eventually(t, "withdrawal", func() bool { return show(t, g, number).State == "recalled" })
	if n := count(t, g, gatewaytest.Body, "INBOX"); n != 0 {
		t.Errorf("%d letters in INBOX", n)
	}
	// Consignment and recall, each as a copy.
	eventually(t, "copies of the receipts", func() bool { return count(t, g, gatewaytest.Body, "Receipts") == 2 })
}

// A letter that was opened stays where it is.
func TestRecallAfterOpening(t *testing.T) {
	g := gatewaytest.Start(t)
	number := send(t, g, gatewaytest.Body)
	eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
	reader := dialIMAP(t, g, gatewaytest.Body, "person")
	if _, err := reader.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	seen := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen}}
	if err := reader.Store(imap.SeqSetNum(1), seen, nil).Close(); err != nil {
		t.Fatal(err)
	}
	// The sender may not know yet; the recipient's account decides.
	if r, err := recall(t, g, number); err == nil && !r.Pending || err != nil && !errors.Is(err, admin.ErrTooLate) {
		t.Fatalf("recall: %+v, %v", r, err)
	}
	eventually(t, "opening", func() bool { return show(t, g, number).State == "opened" })
	eventually(t, "end of the notices", func() bool {
		items, err := g.Store().Queue().Items(t.Context(), "letter", 0)
		return err == nil && len(items) == 0
	})
	if n := count(t, g, gatewaytest.Body, "INBOX"); n != 1 {
		t.Errorf("%d letters in INBOX", n)
	}
}

// Only a person opens a letter.
func TestSystemAndArchiveOpenNothing(t *testing.T) {
	g := gatewaytest.Start(t)
	number := send(t, g, gatewaytest.Body)
	eventually(t, "delivery", func() bool { return show(t, g, number).State == "delivered" })
	for _, class := range []string{"archive", "system"} {
		c := dialIMAP(t, g, gatewaytest.Body, class)
		if _, err := c.Select("INBOX", nil).Wait(); err != nil {
			t.Fatal(err)
		}
		whole := &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{}}}
		if _, err := c.Fetch(imap.SeqSetNum(1), whole).Collect(); err != nil {
			t.Fatal(err)
		}
	}
	items, err := g.Store().Queue().Items(t.Context(), "letter", 0)
	if err != nil || len(items) > 1 { // a copy of a receipt may be on its way
		t.Errorf("queue %v, %v", items, err)
	}
	time.Sleep(100 * time.Millisecond)
	if l := show(t, g, number); l.State != "delivered" {
		t.Errorf("state %s", l.State)
	}
}

// Who sends a letter again that was taken back learns that it does not go out,
// and how it would.
func TestRepeatOfRecalled(t *testing.T) {
	g := gatewaytest.Start(t, window("registered", time.Minute))
	letter := compose(t, gatewaytest.Sender, gatewaytest.Body, "Again", "X-Letter-Type: registered")
	again := func() string {
		t.Helper()
		code, reply := submit(t, dialSMTP(t, g, gatewaytest.Sender, "system"), gatewaytest.Sender, []string{gatewaytest.Body}, letter)
		if code != 250 {
			t.Fatalf("reply %d %s", code, reply)
		}
		return reply
	}
	number := numberPattern.FindString(again())
	if reply := again(); strings.Contains(reply, "X-Letter-Repeat") || !strings.Contains(reply, "recall until") {
		t.Errorf("reply %s", reply)
	}
	if _, err := recall(t, g, number); err != nil {
		t.Fatal(err)
	}
	if reply := again(); numberPattern.FindString(reply) != number || !strings.Contains(reply, "recalled") ||
		!strings.Contains(reply, "X-Letter-Repeat: yes") || strings.Contains(reply, "recall until") {
		t.Errorf("reply %s", reply)
	}
}
