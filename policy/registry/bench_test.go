package registry

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const benchEntries = 200_000

var big = sync.OnceValues(func() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("id,kind,name,inn,kpp,ogrn,addresses\n")
	for i := range benchEntries {
		inn, err := MakeINN(fmt.Sprintf("%09d", 500_000_000+i))
		if err != nil {
			return nil, err
		}
		ogrn, err := MakeOGRN(fmt.Sprintf("%012d", 102_700_000_000+i))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "org%d,organisation,ООО «Предприятие %d»,%s,%d,%s,%s@post.example\n", i, i, inn, 770_100_000+i%1000, ogrn, benchLocal(i))
	}
	return b.Bytes(), nil
})

// benchLocal gives names of three kinds: numbers in a row are the worst case,
// for they are all near each other.
func benchLocal(i int) string {
	switch i % 3 {
	case 0:
		return fmt.Sprintf("org%06d", i)
	case 1:
		return fmt.Sprintf("inn%d", 5_000_000_000+i*37)
	}
	const letters = "bcdfghklmnprstvz"
	name := make([]byte, 0, 12)
	for n := uint32(i) * 2654435761; n > 0; n /= 16 {
		name = append(name, letters[n%16], "aeiou"[n%5])
	}
	return string(name) + fmt.Sprint(i%7)
}

func bigRegistry(tb testing.TB) *Registry {
	table, err := big()
	if err != nil {
		tb.Fatal(err)
	}
	r, err := Load(bytes.NewReader(table))
	if err != nil {
		tb.Fatalf("%.500s", err)
	}
	return r
}

func BenchmarkLoad200k(b *testing.B) {
	for b.Loop() {
		bigRegistry(b)
	}
}

func BenchmarkLookup(b *testing.B) {
	r := bigRegistry(b)
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		if _, ok := r.Lookup(benchLocal(i%benchEntries) + "@Post.example"); !ok {
			b.Fatal("not found")
		}
	}
}

// BenchmarkSuggest reports the time that 99 of 100 misspelt addresses keep to.
func BenchmarkSuggest(b *testing.B) {
	r := bigRegistry(b)
	random := rand.New(rand.NewPCG(3, 4))
	var times []time.Duration
	b.ResetTimer()
	for b.Loop() {
		local := []byte(benchLocal(random.IntN(benchEntries)))
		local[random.IntN(len(local))] = 'x'
		address := string(local) + "@post.example"
		start := time.Now()
		r.Suggest(address)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(times[len(times)-1].Microseconds()), "max-µs")
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("\xef\xbb\xbf" + strings.ReplaceAll(sample, ",", ";")))
	f.Add([]byte("id,kind,name,addresses\na,person,x,a@xn--p1ai\n"))
	f.Fuzz(func(t *testing.T, table []byte) {
		r, err := Load(bytes.NewReader(table))
		if err != nil {
			return
		}
		// Whatever was loaded is found, and comes back from its own form.
		for e := range r.All() {
			for _, a := range e.Addresses {
				if found, ok := r.Lookup(a); !ok || found.ID != e.ID {
					t.Errorf("Lookup(%q) = %q, %v; want %q", a, found.ID, ok, e.ID)
				}
				r.Suggest(a + "x")
			}
		}
		var form bytes.Buffer
		if err := r.WriteCSV(&form); err != nil {
			t.Fatal(err)
		}
		again, err := Load(bytes.NewReader(form.Bytes()))
		if err != nil {
			t.Fatalf("canonical form refused: %v\n%s", err, &form)
		}
		if again.Hash() != r.Hash() {
			t.Errorf("another hash after a round trip:\n%s", &form)
		}
	})
}
