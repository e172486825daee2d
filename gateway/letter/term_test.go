package letter

import (
	"testing"
	"time"

	"gosbridge/policy"
)

// A term ends at 24:00 in Moscow of its last day, whatever the zone of the
// time that it is counted from.
func TestTermEnd(t *testing.T) {
	vladivostok := time.FixedZone("VLAT", 10*60*60)
	for _, c := range []struct {
		from time.Time
		term policy.Period
		want time.Time
	}{
		{time.Date(2026, 11, 22, 20, 59, 59, 0, time.UTC), policy.Days(30), time.Date(2026, 12, 22, 21, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC), policy.Days(30), time.Date(2026, 12, 23, 21, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 23, 6, 59, 0, 0, vladivostok), policy.Days(30), time.Date(2026, 12, 22, 21, 0, 0, 0, time.UTC)},
		{time.Date(2028, 2, 28, 12, 0, 0, 0, time.UTC), policy.Days(1), time.Date(2028, 2, 29, 21, 0, 0, 0, time.UTC)},
		{time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC), policy.Days(0), time.Date(2026, 12, 31, 21, 0, 0, 0, time.UTC)},
		{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), policy.Period{Unlimited: true}, time.Time{}},
	} {
		if got := TermEnd(c.from, c.term); !got.Equal(c.want) {
			t.Errorf("%s and %s: %s, want %s", c.from, c.term, got, c.want)
		}
	}
}
