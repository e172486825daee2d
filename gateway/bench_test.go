package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
	"gosbridge/gateway/letter"
	"gosbridge/policy"
)

// benchType is a letter type that checks nothing, as load generators use it.
const benchType = "bench"

// BenchmarkLetters1 sends letters of 4 KiB over one connection: the whole way
// from DATA over TLS to the receipt of the delivery. accepted/s counts the 250s,
// each with policy, signed receipt, journal and queue durable; delivered/s the
// letters with all that follows.
func BenchmarkLetters1(b *testing.B) { benchmarkLetters(b, 1) }

// BenchmarkLetters16 is the same with sixteen.
func BenchmarkLetters16(b *testing.B) { benchmarkLetters(b, 16) }

func benchmarkLetters(b *testing.B, sessions int) {
	g := gatewaytest.Start(b, func(p *installation.Plan) {
		p.Profiles = append(p.Profiles, policy.Unlimited(benchType))
	})
	text := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 52)
	var sent atomic.Int64
	var running sync.WaitGroup
	start := make(chan struct{})
	for range sessions {
		c := dialSMTP(b, g, gatewaytest.Sender, "person")
		running.Go(func() {
			<-start
			for n := sent.Add(1); n <= int64(b.N); n = sent.Add(1) {
				l := fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: letter %d\r\nDate: Sun, 22 Nov 2026 09:00:00 +0300\r\n"+
					"Message-ID: <%d@bench.example>\r\nX-Letter-Type: %s\r\n\r\n%s",
					gatewaytest.Sender, gatewaytest.Partner, n, n, benchType, text)
				if code, reply := submit(b, c, gatewaytest.Sender, []string{gatewaytest.Partner}, l); code != 250 {
					b.Errorf("%d %s", code, reply)
					return
				}
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	close(start)
	running.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accepted/s")
	for underWay(b, g) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "delivered/s")
}

// underWay reports whether letters wait to be delivered.
func underWay(b *testing.B, g *gatewaytest.Gateway) bool {
	_, more, err := g.Store().Queue().Next(context.Background(), letter.DispatchClass)
	if err != nil {
		b.Fatal(err)
	}
	return more
}
