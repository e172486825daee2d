package boltstore

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosbridge/mailstore"
)

// BenchmarkSelect is what SELECT and STATUS ask for.
func BenchmarkSelect(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			s, a := testStore(b, Options{})
			fillBox(b, s, a, n)
			b.ReportAllocs()
			for b.Loop() {
				err := s.View(ctx, a, func(tx mailstore.Tx) error {
					m, err := tx.MailboxByName("INBOX")
					if int(m.Messages) != n {
						b.Errorf("%d messages", m.Messages)
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

// BenchmarkFirstVector is the first command with sequence numbers after a start.
func BenchmarkFirstVector(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			opts := Options{Dir: b.TempDir()}
			s, a := testStore(b, opts)
			fillBox(b, s, a, n)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				s, err := Open(ctx, opts)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				err = s.View(ctx, a, func(tx mailstore.Tx) error {
					uids, err := tx.UIDs(1)
					if len(uids) != n {
						b.Errorf("%d UIDs", len(uids))
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkSmallBehindLarge is how long a change of a flag takes while bodies
// of 5 MiB come in over two connections.
func BenchmarkSmallBehindLarge(b *testing.B) {
	const size = 5 << 20
	for _, uploads := range []int{0, 2} {
		b.Run(fmt.Sprint("uploads=", uploads), func(b *testing.B) {
			s, a := testStore(b, Options{})
			fillBox(b, s, a, slice)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for range uploads {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						ref, err := s.Bodies().Put(ctx, io.LimitReader(rand.NewChaCha8([32]byte{}), size))
						if err == nil {
							err = s.Bodies().Discard(ctx, ref)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				uid, op := mailstore.UID(i%slice+1), mailstore.FlagsAdd+mailstore.FlagOp(i/slice%2)
				start := time.Now()
				change(b, s, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.SetFlags(1, mailstore.UIDSet{{Start: uid, Stop: uid}}, mailstore.FlagChange{Op: op, Flags: mailstore.Seen})
					return err
				})
				took = append(took, time.Since(start))
			}
			close(stop)
			wg.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkSize reports what messages take on the disk: the metadata of small
// ones without their bodies, and the whole folder beside the payload of
// messages of 100 KiB.
func BenchmarkSize(b *testing.B) {
	b.Run("metadata", func(b *testing.B) {
		const n = 10_000
		for range b.N {
			s, a := testStore(b, Options{})
			fillLetters(b, s, a, n)
			total := 0
			for name, octets := range bucketSizes(b, s) {
				if name == bucketNames[bInline] {
					b.ReportMetric(float64(octets)/n, "body-B/msg")
					continue
				}
				total += octets
				if octets/n >= 10 {
					b.ReportMetric(float64(octets)/n, name+"-B/msg")
				}
			}
			b.ReportMetric(float64(total)/n, "B/msg")
		}
	})
	b.Run("100KiB", func(b *testing.B) {
		const n, size = 1000, 100 << 10
		for range b.N {
			opts := Options{Dir: b.TempDir()}
			s, a := testStore(b, opts)
			for range n {
				ref, err := s.Bodies().Put(ctx, io.LimitReader(rand.NewChaCha8([32]byte{}), size))
				if err != nil {
					b.Fatal(err)
				}
				change(b, s, a, func(tx mailstore.UpdateTx) error {
					_, err := tx.Append(1, mailstore.NewMessage{
						EmailID: mailstore.NewID(), LetterID: mailstore.NewID(), Summary: benchSummary,
						Content: mailstore.Content{Prefix: benchSummary[:150], Body: ref, Length: size},
					})
					return err
				})
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(folderSize(b, opts.Dir))/(n*size), "x-payload")
		}
	})
}

// bucketSizes is what the pages of each bucket take, in octets.
func bucketSizes(b *testing.B, s *Store) map[string]int {
	sizes := map[string]int{}
	err := s.read(ctx, func(t *txn) error {
		for n := range bucketCount {
			st := t.b(n).Stats()
			sizes[bucketNames[n]] = (st.BranchPageN + st.BranchOverflowN + st.LeafPageN + st.LeafOverflowN) * os.Getpagesize()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return sizes
}

// folderSize is what a folder takes on the disk, in octets.
func folderSize(b *testing.B, dir string) (octets int64) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var st unix.Stat_t // its blocks: files grow in large steps, as holes
		if err := unix.Stat(path, &st); err != nil {
			return fmt.Errorf("stat %s: %w", path, err)
		}
		octets += st.Blocks * 512
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return octets
}

var large = flag.Bool("large", false, "benchmarks at ten times the messages, and BenchmarkLargeStore: minutes, and 4 GB of disk")

// BenchmarkLargeStore opens a store of 1,000 accounts with 1,000 messages each,
// and a tenth of it, and looks into one mailbox, as the first login does.
func BenchmarkLargeStore(b *testing.B) {
	if !*large {
		b.Skip("needs -large")
	}
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint("accounts=", n), func(b *testing.B) {
			opts := Options{Dir: b.TempDir()}
			ids := largeStore(b, opts, n)
			var opened time.Duration
			heap, rss := 0.0, 0.0
			for i := 0; b.Loop(); i++ {
				before := heapInUse()
				start := time.Now()
				s, err := Open(ctx, opts)
				if err != nil {
					b.Fatal(err)
				}
				opened += time.Since(start)
				err = s.View(ctx, ids[i%n], func(tx mailstore.Tx) error {
					if _, err := tx.Mailboxes(); err != nil {
						return err
					}
					uids, err := tx.UIDs(1)
					if len(uids) != slice {
						b.Errorf("%d UIDs", len(uids))
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				for _, id := range ids { // keys of all accounts come into memory
					if err := s.View(ctx, id, func(tx mailstore.Tx) error { _, err := tx.Account(); return err }); err != nil {
						b.Fatal(err)
					}
				}
				heap, rss = float64(heapInUse()-before)/(1<<20), anonymous(b)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(opened.Seconds()*1000/float64(b.N), "open-ms")
			b.ReportMetric(heap, "heap-MiB")
			b.ReportMetric(rss, "rss-anon-MiB")
		})
	}
}

// largeStore makes accounts with 1,000 messages each.
func largeStore(b *testing.B, opts Options, accounts int) (ids []mailstore.ID) {
	b.Helper()
	s, err := Open(ctx, Options{Dir: opts.Dir, Create: true})
	if err != nil {
		b.Fatal(err)
	}
	for i := range accounts {
		a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{fmt.Sprint("a", i, "@example.org")}}
		if err := s.Directory().CreateAccount(ctx, a, nil); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, a.ID)
		err := s.Import(ctx, a.ID, 1, func(yield func(mailstore.NewMessage, error) bool) {
			for range slice {
				if !yield(mailstore.NewMessage{EmailID: mailstore.NewID(), Summary: benchSummary}, nil) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return ids
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// anonymous is the resident memory of the process without mapped files, in
// MiB; 0 where the system does not tell.
func anonymous(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Log(err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	return 0
}
