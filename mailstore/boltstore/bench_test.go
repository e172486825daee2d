package boltstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"gosbridge/mailstore"
)

var (
	benchSummary = []byte(strings.Repeat("s", 600))
	benchBody    = strings.Repeat("b", 4096)
)

// benchMail is a small letter with its body.
func benchMail(b *testing.B, s *Store) mailstore.NewMessage {
	ref, err := s.Bodies().Put(ctx, strings.NewReader(benchBody))
	if err != nil {
		b.Fatal(err)
	}
	return mailstore.NewMessage{
		EmailID: mailstore.NewID(), LetterID: mailstore.NewID(), Summary: benchSummary,
		Content: mailstore.Content{Prefix: benchSummary[:150], Body: ref, Length: ref.Size},
	}
}

// fillBox puts n messages without bodies into INBOX.
func fillBox(b *testing.B, s *Store, a mailstore.ID, n int) {
	b.Helper()
	for n > 0 {
		part := min(n, 1000)
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			for range part {
				if _, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Summary: benchSummary}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		n -= part
	}
}

// each runs fn b.N times, shared by some goroutines.
func each(b *testing.B, writers int, fn func() error) {
	b.Helper()
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ResetTimer()
	var wg sync.WaitGroup
	for range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range work {
				if err := fn(); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s, a := testStore(b, Options{})
			each(b, writers, func() error {
				m := benchMail(b, s)
				return s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.Append(1, m)
					return err
				})
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "letters/s")
		})
	}
}

func BenchmarkUpdateSmall(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s, a := testStore(b, Options{})
			fillBox(b, s, a, 1000)
			var mu sync.Mutex
			n := 0
			each(b, writers, func() error {
				mu.Lock()
				n++
				uid, op := mailstore.UID(n%1000+1), mailstore.FlagsAdd+mailstore.FlagOp(n/1000%2)
				mu.Unlock()
				return s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.SetFlags(1, mailstore.UIDSet{{Start: uid, Stop: uid}}, mailstore.FlagChange{Op: op, Flags: mailstore.Seen})
					return err
				})
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

func BenchmarkSetFlagsAll(b *testing.B) {
	const n = 10000
	s, a := testStore(b, Options{})
	fillBox(b, s, a, n)
	b.ResetTimer()
	for i := range b.N {
		for start := mailstore.UID(1); start <= n; start += mailstore.MaxMessagesPerUpdate {
			err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
				set := mailstore.UIDSet{{Start: start, Stop: start + mailstore.MaxMessagesPerUpdate - 1}}
				_, err := tx.SetFlags(1, set, mailstore.FlagChange{Op: mailstore.FlagsAdd + mailstore.FlagOp(i%2), Flags: mailstore.Flagged})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkChanges asks for ten changes in mailboxes of different sizes: the
// time must not depend on the size.
func BenchmarkChanges(b *testing.B) {
	for _, n := range []int{24_000, 240_000} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			s, a := testStore(b, Options{})
			fillBox(b, s, a, n)
			var since mailstore.ModSeq
			for i := range mailstore.UID(10) {
				err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
					m, err := tx.Mailbox(1)
					if err != nil {
						return err
					}
					if i == 0 {
						since = m.HighestMod
					}
					_, err = tx.SetFlags(1, mailstore.UIDSet{{Start: i*2400 + 1, Stop: i*2400 + 1}}, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Seen})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			for range b.N {
				err := s.View(ctx, a, func(tx mailstore.Tx) error {
					c, err := tx.Changes(1, since)
					if len(c.Changed) != 10 {
						b.Errorf("changed %v", c.Changed)
					}
					for _, err := range tx.Messages(1, c.Changed, 0) {
						if err != nil {
							return err
						}
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSummaries(b *testing.B) {
	const n = 10000
	s, a := testStore(b, Options{})
	fillBox(b, s, a, n)
	for name, fields := range map[string]mailstore.Fields{"flags": 0, "meta": mailstore.FieldMeta, "summary": mailstore.FieldMeta | mailstore.FieldSummary} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				err := s.View(ctx, a, func(tx mailstore.Tx) error {
					for _, err := range tx.Messages(1, mailstore.UIDSet{{Start: 1}}, fields) {
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

func BenchmarkUIDs(b *testing.B) {
	const n = 100000
	s, a := testStore(b, Options{})
	fillBox(b, s, a, n)
	for name, cold := range map[string]bool{"first": true, "shared": false} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if cold {
					s.vectors = vectors{}
				}
				err := s.View(ctx, a, func(tx mailstore.Tx) error {
					uids, err := tx.UIDs(1)
					if len(uids) != n {
						b.Errorf("%d UIDs", len(uids))
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLeaseComplete(b *testing.B) {
	const batch = 64
	s, a := testStore(b, Options{})
	q := s.Queue()
	b.ResetTimer()
	for range b.N {
		err := s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			for range batch {
				if err := tx.Enqueue(mailstore.Item{ID: mailstore.NewID(), Account: a, Class: "delivery", Due: s.now(), Payload: benchSummary[:200]}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		items, err := q.Lease(ctx, "delivery", "w", batch, time.Minute)
		if err != nil || len(items) != batch {
			b.Fatalf("%d items, %v", len(items), err)
		}
		err = s.Update(ctx, a, func(tx mailstore.UpdateTx) error {
			for _, it := range items {
				if err := tx.Complete(it); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "items/s")
}

// BenchmarkGuard tells what it costs a reader that damaged pages are errors.
func BenchmarkGuard(b *testing.B) {
	s, _ := testStore(b, Options{})
	nothing := func(*txn) error { return nil }
	for name, read := range map[string]func(context.Context, func(*txn) error) error{"with": s.read, "without": s.readOpen} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(ctx, nothing); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
