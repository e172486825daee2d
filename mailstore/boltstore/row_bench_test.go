package boltstore

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosbridge/mailstore"
)

// meter adds up wall clock and processor time of the parts of a benchmark that
// count. Processor time says more where the disk or other work is in the way.
type meter struct {
	b    *testing.B
	wall time.Duration
	cpu  time.Duration
}

func (m *meter) run(fn func()) {
	cpu, start := cpuTime(m.b), time.Now()
	m.b.StartTimer()
	fn()
	m.b.StopTimer()
	m.wall += time.Since(start)
	m.cpu += cpuTime(m.b) - cpu
}

// report says what one of n took.
func (m *meter) report(n int) {
	m.b.ReportMetric(float64(n)/m.wall.Seconds(), "messages/s")
	m.b.ReportMetric(float64(m.cpu.Microseconds())/float64(n), "cpu-µs/message")
}

// cpuTime is what the process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}

// fillLetters puts n small letters with bodies of their own into INBOX.
func fillLetters(b *testing.B, s *Store, a mailstore.ID, n int) {
	b.Helper()
	for n > 0 {
		part := make([]mailstore.NewMessage, min(n, 1000))
		for i := range part {
			part[i] = benchMail(b, s)
		}
		change(b, s, a, func(tx mailstore.UpdateTx) error {
			for _, m := range part {
				if _, err := tx.Append(1, m); err != nil {
					return err
				}
			}
			return nil
		})
		n -= len(part)
	}
}

func change(b *testing.B, s *Store, a mailstore.ID, fn func(mailstore.UpdateTx) error) {
	b.Helper()
	if err := s.Update(ctx, a, fn); err != nil {
		b.Fatal(err)
	}
}

// slice is the number of messages that IMAP expunges in one Update.
const slice = 1000

// span is the nth slice of a mailbox whose first UID is first.
func span(first mailstore.UID, n int) mailstore.UIDSet {
	first += mailstore.UID(n * slice)
	return mailstore.UIDSet{{Start: first, Stop: first + slice - 1}}
}

// mailboxes are the sizes of the mailbox beside which something is done; with
// -large ten times as many messages too. fill makes them.
func mailboxes(b *testing.B, fill func(*testing.B, *Store, mailstore.ID, int), run func(b *testing.B, s *Store, a mailstore.ID, messages int)) {
	for _, n := range []int{10 * slice, 100 * slice} {
		if n > 10*slice && !*large {
			continue
		}
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			s, a := testStore(b, Options{})
			fill(b, s, a, n)
			b.ReportAllocs()
			b.ResetTimer()
			run(b, s, a, n)
		})
	}
}

// BenchmarkAppendBeside appends a letter to a mailbox of many.
func BenchmarkAppendBeside(b *testing.B) {
	mailboxes(b, fillLetters, func(b *testing.B, s *Store, a mailstore.ID, _ int) {
		m := meter{b: b}
		m.run(func() {
			for range b.N {
				letter := benchMail(b, s)
				change(b, s, a, func(tx mailstore.UpdateTx) error { _, err := tx.Append(1, letter); return err })
			}
		})
		m.report(b.N)
	})
}

// BenchmarkStoreBeside changes a flag of one letter of many.
func BenchmarkStoreBeside(b *testing.B) {
	mailboxes(b, fillBox, func(b *testing.B, s *Store, a mailstore.ID, n int) {
		m := meter{b: b}
		m.run(func() {
			for i := range b.N {
				uid, op := mailstore.UID(i*977%n+1), mailstore.FlagsAdd+mailstore.FlagOp(i/n%2)
				change(b, s, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.SetFlags(1, mailstore.UIDSet{{Start: uid, Stop: uid}}, mailstore.FlagChange{Op: op, Flags: mailstore.Seen})
					return err
				})
			}
		})
		m.report(b.N)
	})
}

// BenchmarkExpunge takes 2,000 letters away, copies of letters that stay or
// letters that nobody else holds; and the time until their rows are dropped too.
func BenchmarkExpunge(b *testing.B) {
	const n = 2 * slice
	for name, box := range map[string]mailstore.MailboxID{"last": 1, "copies": 2} {
		b.Run(name, func(b *testing.B) {
			mailboxes(b, fillLetters, func(b *testing.B, s *Store, a mailstore.ID, others int) {
				m, behind := meter{b: b}, meter{b: b}
				for i := range b.N {
					b.StopTimer()
					first := mailstore.UID(i*n + 1)
					if box == 1 {
						fillLetters(b, s, a, n)
					} else {
						copyFirst(b, s, a, n)
					}
					m.run(func() { expungeSlices(b, s, a, box, first, n) })
					behind.run(func() { dropNow(b, s) })
				}
				m.report(b.N * n)
				b.ReportMetric(float64(behind.cpu.Microseconds())/float64(b.N*n), "cpu-µs-behind/message")
			})
		})
	}
}

// copyFirst copies the first n letters to mailbox 2.
func copyFirst(b *testing.B, s *Store, a mailstore.ID, n mailstore.UID) {
	b.Helper()
	change(b, s, a, func(tx mailstore.UpdateTx) error {
		_, err := tx.Copy(1, mailstore.UIDSet{{Start: 1, Stop: n}}, 2)
		return err
	})
}

// expungeSlices expunges n messages as IMAP does.
func expungeSlices(b *testing.B, s *Store, a mailstore.ID, box mailstore.MailboxID, first mailstore.UID, n int) {
	b.Helper()
	for i := range n / slice {
		change(b, s, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Expunge(box, span(first, i), false)
			return err
		})
	}
}

// BenchmarkCopy copies 2,000 letters of many.
func BenchmarkCopy(b *testing.B) {
	const n = 2 * slice
	mailboxes(b, fillLetters, func(b *testing.B, s *Store, a mailstore.ID, _ int) {
		m := meter{b: b}
		for i := range b.N {
			m.run(func() { copyFirst(b, s, a, n) })
			expungeSlices(b, s, a, 2, mailstore.UID(i*n+1), n)
			dropNow(b, s)
		}
		m.report(b.N * n)
	})
}

// BenchmarkMove moves 2,000 letters to and fro, beside many that stay.
func BenchmarkMove(b *testing.B) {
	const n = 2 * slice
	mailboxes(b, fillLetters, func(b *testing.B, s *Store, a mailstore.ID, others int) {
		from, to, first := mailstore.MailboxID(1), mailstore.MailboxID(2), mailstore.UID(others-n+1)
		m := meter{b: b}
		for range b.N {
			m.run(func() {
				change(b, s, a, func(tx mailstore.UpdateTx) error {
					moved, err := tx.Move(from, mailstore.UIDSet{{Start: first, Stop: first + n - 1}}, to)
					if err == nil {
						first = moved.Dest[0]
					}
					return err
				})
			})
			from, to = to, from
			dropNow(b, s)
		}
		m.report(b.N * n)
	})
}
