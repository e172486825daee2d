package gateway_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/journal"
	"gosbridge/policy"
)

// movedClock is the time of day, moved forward by a test.
type movedClock struct{ ahead atomic.Int64 }

func (c *movedClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// to moves the clock to a time that is to come.
func (c *movedClock) to(t time.Time) { c.ahead.Store(int64(time.Until(t))) }

// openKeeping runs a gateway with a clock, on a fresh installation whose simple
// letters are kept for 40 days, 5 more with a flag; their owners are told 10
// days before.
func openKeeping(t *testing.T) (*gatewaytest.Gateway, *movedClock) {
	t.Helper()
	made := gatewaytest.Install(t)
	rewriteOf(t, made, func(c *config.Config) {
		c.Retention = config.Retention{Warning: policy.Days(10), Extension: policy.Days(5)}
		profile(c, "simple", func(p *policy.Profile) { p.KeepSent, p.KeepReceived = policy.Days(40), policy.Days(90) })
	})
	clock := new(movedClock)
	return gatewaytest.OpenAt(t, made, clock.now), clock
}

// sentCopy is the sender's copy of a letter, as letter show has it.
func sentCopy(t *testing.T, g *gatewaytest.Gateway, number string) admin.Copy {
	t.Helper()
	all := do[admin.Letter](t, g.Admin(), admin.OpLetterShow, admin.LetterName{Number: number}).Copies
	i := slices.IndexFunc(all, func(c admin.Copy) bool { return c.Copy == "sent" })
	if i < 0 {
		t.Fatalf("no sent copy of %s in %+v", number, all)
	}
	return all[i]
}

// told waits until the owner was told that the term of a letter ends: it is noted, and a
// notice lies in Receipts.
func told(t *testing.T, g *gatewaytest.Gateway, number string) {
	t.Helper()
	eventually(t, "the notice of "+number, func() bool {
		return !sentCopy(t, g, number).Warned.IsZero() && slices.ContainsFunc(rows(t, g, gatewaytest.Sender, "Receipts"), func(r stored) bool {
			return bytes.Contains(r.octets, []byte(".term@"))
		})
	})
}

// A running gateway looks after the terms of letters: it tells the owner, keeps
// what is flagged as long as its configuration says, the one of a reload from
// then on, and ends the rest.
func TestRetention(t *testing.T) {
	g, clock := openKeeping(t)
	plain, wanted := delivered(t, g, "simple", "not wanted"), delivered(t, g, "simple", "wanted")
	end := sentCopy(t, g, plain).Until
	if left := end.Sub(clock.now()); left < 39*24*time.Hour || left > 42*24*time.Hour {
		t.Fatalf("kept for %s", left)
	}
	clock.to(end.AddDate(0, 0, -10).Add(time.Minute))
	told(t, g, plain)
	d := imapLoginAs(t, g, gatewaytest.Sender)
	d.say("b SELECT Sent", "b OK")
	d.say(`c UID STORE 2 +FLAGS (\Flagged)`, "c OK")

	clock.to(end.Add(time.Minute))
	eventually(t, "the end of the term", func() bool { return sentCopy(t, g, plain).Place == "gone" })
	first := end.AddDate(0, 0, 5)
	eventually(t, "the extension", func() bool { return sentCopy(t, g, wanted).Until.Equal(first) })
	if c := sentCopy(t, g, wanted); c.Place != "mailbox" {
		t.Errorf("the flagged letter is %+v", c)
	}
	if n := journalHas(t, g, gatewaytest.Sender, journal.Destroyed); n != 1 {
		t.Errorf("%d letters destroyed", n)
	}

	rewrite(t, g, func(c *config.Config) { c.Retention.Extension = policy.Days(20) })
	out := reload(t, g)
	same(t, "changed", out.Changed, "retention.extension")
	same(t, "restart", out.Restart)
	clock.to(first.Add(time.Minute))
	eventually(t, "the extension of the reload", func() bool { return !sentCopy(t, g, wanted).Until.Equal(first) })
	if c := sentCopy(t, g, wanted); !c.Until.Equal(first.AddDate(0, 0, 20)) || c.Place != "mailbox" {
		t.Errorf("after the reload the flagged letter is %+v, it was kept until %s", c, first)
	}
}

// A store that was restored tells of nothing and destroys nothing before it is
// resumed, also what is over for long and was told of before the backup. Then
// owners are told anew, and have their days.
func TestRetentionAfterRestore(t *testing.T) {
	g, clock := openKeeping(t)
	number := delivered(t, g, "simple", "restored")
	end := sentCopy(t, g, number).Until
	clock.to(end.AddDate(0, 0, -10).Add(time.Minute))
	told(t, g, number)
	dir := filepath.Join(t.TempDir(), "backup")
	do[admin.BackedUp](t, g.Admin(), admin.OpStoreBackup, admin.StoreBackup{Dir: dir})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(g.Config.Data); err != nil {
		t.Fatal(err)
	}
	clock.to(end.AddDate(0, 0, 5))
	o := gateway.Options{Logger: slog.New(slog.DiscardHandler), Now: clock.now}
	if _, err := gateway.Restore(t.Context(), g.Config, gateway.RestoreOptions{Backup: dir}, o); err != nil {
		t.Fatal(err)
	}

	g = gatewaytest.OpenAt(t, g.Installed, clock.now)
	for i := range 3 { // its workers are at work
		delivered(t, g, "simple", fmt.Sprint("after the restore ", i))
	}
	if c := sentCopy(t, g, number); c.Place != "mailbox" || !c.Warned.IsZero() {
		t.Fatalf("before it is resumed the letter is %+v", c)
	}
	do[admin.StoreResumed](t, g.Admin(), admin.OpStoreResume, admin.StoreResume{})
	told(t, g, number)
	clock.to(clock.now().AddDate(0, 0, 12))
	eventually(t, "the end of the term", func() bool { return sentCopy(t, g, number).Place == "gone" })
}
