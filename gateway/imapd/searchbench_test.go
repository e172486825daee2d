package imapd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosbridge/mailstore/boltstore"
)

// letterOf is a letter of about 4 KiB, one of many that differ.
func letterOf(rnd *rand.Rand, i int) string {
	words := strings.Fields("Направляем Вам сведения о выполнении поручения согласно приложению просим рассмотреть и сообщить the report of this quarter is attached for consideration by your department")
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from a.example by b.example; Mon, 2 Mar 2026 10:30:00 +0300\r\nFrom: Sender %d <sender%d@a.example>\r\nTo: Recipient <r@b.example>\r\n"+
		"Subject: Letter number %d\r\nDate: Mon, 2 Mar 2026 10:30:00 +0300\r\nMessage-ID: <%d@a.example>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", i%50, i%50, i, i)
	for line := 0; b.Len() < 4096; {
		w := words[rnd.IntN(len(words))]
		if line += len(w) + 1; line > 72 {
			b.WriteString("\r\n")
			line = len(w)
		}
		b.WriteString(w + " ")
	}
	return b.String() + "\r\n"
}

// BenchmarkSearch searches 10,000 letters of 4 KiB, with the texts that are kept
// and without.
func BenchmarkSearch(b *testing.B) {
	var dir string
	w := newWorld(b, setup{store: func(o *boltstore.Options) { dir = o.Dir }})
	rnd := rand.New(rand.NewPCG(1, 1))
	const kinds = 100
	for i := range kinds {
		w.deliverAll("INBOX", letterOf(rnd, i), benchMessages/kinds)
	}
	l := w.selected("INBOX")
	l.conn.SetDeadline(time.Time{})
	var made map[string]float64 // what a text costs
	for _, kept := range []bool{false, true} {
		if kept {
			before := cpuTime(b)
			w.index()
			info, err := os.Stat(filepath.Join(dir, "search.db"))
			if err != nil {
				b.Fatal(err)
			}
			made = map[string]float64{
				"file-B/text": float64(info.Size()) / benchMessages, "cpu-us/text": float64((cpuTime(b) - before).Microseconds()) / benchMessages,
			}
		}
		for _, keys := range []string{
			"BODY nothing", "BODY \"несуществует\"", "TEXT nothing", "FROM nothing", "FROM sender7@", "SUBJECT nothing",
			"HEADER X-None nothing", "SINCE 3-Mar-2026", "FLAGGED", "UNSEEN SUBJECT nothing",
		} {
			b.Run(fmt.Sprintf("%s/texts=%v", strings.ReplaceAll(keys, " ", "_"), kept), func(b *testing.B) {
				if strings.Contains(keys, "несуществует") {
					l.drain("ENABLE UTF8=ACCEPT")
				}
				b.ReportAllocs()
				before := cpuTime(b)
				for b.Loop() {
					l.drain("SEARCH " + keys)
				}
				for unit, n := range made {
					b.ReportMetric(n, unit)
				}
				made = nil
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/search")
				b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/search")
			})
		}
	}
}

// cpuTime is what the process has used: other work on the machine does not
// count.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
