package intake_test

import (
	"encoding/base64"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"
)

// lineReader yields the same line n times.
type lineReader struct {
	line string
	n    int
	rest string
}

func (l *lineReader) Read(p []byte) (int, error) {
	if l.rest == "" {
		if l.n == 0 {
			return 0, io.EOF
		}
		l.n--
		l.rest = l.line
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// peak watches the heap until it is stopped and returns how far it grew, in
// octets.
func peak() (stop func() uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base, highest := m.HeapAlloc, m.HeapAlloc
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
			}
			runtime.ReadMemStats(&m)
			highest = max(highest, m.HeapAlloc)
		}
	})
	return func() uint64 { close(end); group.Wait(); return highest - base }
}

// A letter of 40 MB goes through without ever being in memory, with the
// gateway's signature as well as without.
func TestStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("80 MB through the store")
	}
	const lines = 40_000_000 / 78
	line := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("gosbridge", 7))[:57]) + "\r\n"
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // less garbage on top of what is used
	for _, letterType := range []string{"free", "signed"} {
		t.Run(letterType, func(t *testing.T) {
			r := newRig(t)
			head := "From: " + sender + "\r\nTo: " + first + "\r\nSubject: Large\r\nX-Letter-Type: " + letterType + "\r\nMIME-Version: 1.0\r\n" +
				"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b\r\nContent-Type: application/octet-stream\r\n" +
				"Content-Disposition: attachment; filename=large.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
			stop := peak()
			a := r.stream(io.MultiReader(strings.NewReader(head), &lineReader{line: line, n: lines}, strings.NewReader("--b--\r\n")), first)
			grown := stop()
			t.Logf("heap grew by %.1f MB", float64(grown)/1e6)
			if grown > 16<<20 {
				t.Errorf("heap grew by %d octets", grown)
			}
			if size := r.record(a.Letter).Facts.Submitted.Size; size != int64(len(head)+78*lines+7) {
				t.Errorf("%d octets were accepted", size)
			}
		})
	}
}
