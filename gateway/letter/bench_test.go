package letter_test

import (
	"testing"

	"gosbridge/gateway/letter"
)

// BenchmarkAccept is the evidence of an acceptance with its signed receipt, sealed
// and ready to be committed: what an accept costs beside reading and judging the
// letter, and the commit.
func BenchmarkAccept(b *testing.B) {
	r := newRig(b, 1)
	d := r.draft(1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.office.Accept(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDelivered is the same of a delivery: the sender's receipt and the
// recipient's copy.
func BenchmarkDelivered(b *testing.B) {
	r := newRig(b, 1)
	id := r.accept(1, nil)
	delivered := letter.Change{Event: letter.EventDeliver, At: noon}
	b.ReportAllocs()
	for b.Loop() {
		r.prepare(id, delivered)
	}
}
