package policy

import (
	"encoding"
	"testing"
	"time"
)

// roundTrip reads the text and writes it again; "" when it is refused.
func roundTrip(v interface {
	encoding.TextUnmarshaler
	encoding.TextMarshaler
}, text string) string {
	if v.UnmarshalText([]byte(text)) != nil {
		return ""
	}
	b, err := v.MarshalText()
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestTexts(t *testing.T) {
	for _, test := range []struct{ kind, text, want string }{
		{"octets", "10MiB", "10MiB"}, {"octets", "1024", "1KiB"}, {"octets", "1500 B", "1500B"}, {"octets", "0", "0B"},
		{"octets", "2048MiB", "2GiB"}, {"octets", "unlimited", "unlimited"},
		{"octets", "10MB", ""}, {"octets", "10 Mi", ""}, {"octets", "-1", ""}, {"octets", "", ""}, {"octets", "9223372036854775807GiB", ""}, {"octets", "1.5MiB", ""},
		{"count", "5", "5"}, {"count", "unlimited", "unlimited"}, {"count", "-1", ""}, {"count", "x", ""}, {"count", "99999999999", ""},
		{"duration", "5m", "5m"}, {"duration", "300s", "5m"}, {"duration", "12h", "12h"}, {"duration", "30d", "30d"}, {"duration", "24h", "1d"},
		{"duration", "1d12h", "36h"}, {"duration", "2s", "2s"}, {"duration", "1h30m", "1h30m"}, {"duration", "0s", "0s"}, {"duration", "10m", "10m"}, {"duration", "20h", "20h"},
		{"duration", "5", ""}, {"duration", "-5m", ""}, {"duration", "d", ""}, {"duration", "1.5d", ""}, {"duration", "", ""}, {"duration", "99999999d", ""},
		{"period", "30d", "30d"}, {"period", "5y", "5y"}, {"period", "1y6m3d", "1y6m3d"}, {"period", "unlimited", "unlimited"}, {"period", "0d", "0d"},
		{"period", "5", ""}, {"period", "6m1y", ""}, {"period", "-1d", ""}, {"period", "", ""}, {"period", "5h", ""},
	} {
		var got string
		switch test.kind {
		case "octets":
			got = roundTrip(new(Octets), test.text)
		case "count":
			got = roundTrip(new(Count), test.text)
		case "duration":
			got = roundTrip(new(Duration), test.text)
		case "period":
			got = roundTrip(new(Period), test.text)
		}
		if got != test.want {
			t.Errorf("%s %q: %q, want %q", test.kind, test.text, got, test.want)
		}
	}
}

func TestPeriodAfter(t *testing.T) {
	from := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"30d":       time.Date(2024, 3, 30, 12, 0, 0, 0, time.UTC),
		"5y":        time.Date(2029, 3, 1, 12, 0, 0, 0, time.UTC),
		"unlimited": {},
		"0d":        from,
	} {
		var p Period
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := p.After(from); !got.Equal(want) {
			t.Errorf("%s after: %v, want %v", text, got, want)
		}
	}
}

func TestSizeForPeople(t *testing.T) {
	for o, want := range map[Octets]string{
		0: "0 B", 1023: "1023 B", KiB: "1 KiB", KiB + 1: "1.01 KiB", 10*MiB + 1: "10.01 MiB", 10 * MiB: "10 MiB",
		2*MiB - 1: "2.00 MiB", 3 * GiB: "3 GiB", AnySize: "unlimited", MiB + MiB/2: "1.50 MiB",
	} {
		if got := english(o); got != want {
			t.Errorf("%d: %q, want %q", o, got, want)
		}
	}
}
