package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// unlimited is how a configuration spells the absence of a limit.
const unlimited = "unlimited"

// Octets is a size in octets. In texts it is a whole number with an optional
// unit B, KiB, MiB or GiB ("10MiB"), or "unlimited".
type Octets int64

// The units, and the absence of a limit.
const (
	KiB Octets = 1 << 10
	MiB Octets = 1 << 20
	GiB Octets = 1 << 30

	AnySize Octets = -1
)

// Allows reports whether a size in octets keeps within the limit.
func (o Octets) Allows(size int64) bool { return o < 0 || size <= int64(o) }

// String is the form that UnmarshalText reads: exact, in the largest unit that
// divides it.
func (o Octets) String() string {
	switch {
	case o < 0:
		return unlimited
	case o > 0 && o%GiB == 0:
		return strconv.FormatInt(int64(o/GiB), 10) + "GiB"
	case o > 0 && o%MiB == 0:
		return strconv.FormatInt(int64(o/MiB), 10) + "MiB"
	case o > 0 && o%KiB == 0:
		return strconv.FormatInt(int64(o/KiB), 10) + "KiB"
	}
	return strconv.FormatInt(int64(o), 10) + "B"
}

// MarshalText implements encoding.TextMarshaler.
func (o Octets) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Octets) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == unlimited {
		*o = AnySize
		return nil
	}
	digits := strings.TrimRight(s, "BKMGibkmg ")
	unit := Octets(1)
	switch strings.TrimSpace(s[len(digits):]) {
	case "", "B":
	case "KiB":
		unit = KiB
	case "MiB":
		unit = MiB
	case "GiB":
		unit = GiB
	default:
		return fmt.Errorf("size %q: the units are B, KiB, MiB and GiB", s)
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return fmt.Errorf("size %q: want a whole number with a unit, like 10MiB, or %q", s, unlimited)
	}
	*o = Octets(n) * unit
	return nil
}

// Count is a number of things or of code points. In texts it is a whole number
// or "unlimited".
type Count int

// AnyCount is the absence of a limit.
const AnyCount Count = -1

// Allows reports whether n keeps within the limit.
func (c Count) Allows(n int) bool { return c < 0 || n <= int(c) }

// String is the form that UnmarshalText reads.
func (c Count) String() string {
	if c < 0 {
		return unlimited
	}
	return strconv.Itoa(int(c))
}

// MarshalText implements encoding.TextMarshaler.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalTOML writes a number as one, for the configuration.
func (c Count) MarshalTOML() ([]byte, error) {
	if c == AnyCount {
		return []byte(strconv.Quote(unlimited)), nil
	}
	return []byte(c.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Count) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == unlimited {
		*c = AnyCount
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("count %q: want a whole number or %q", s, unlimited)
	}
	*c = Count(n)
	return nil
}

// Duration is a length of time on the clock: Go's units and d for 24 hours
// ("5m", "12h", "1d12h").
type Duration time.Duration

// Std gives the duration as the standard library's.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the form that UnmarshalText reads.
func (d Duration) String() string {
	const day = Duration(24 * time.Hour)
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := time.Duration(d).String()
	// 5m0s and 12h0m0s are exact, but nobody writes them.
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("duration %q: want something like 5m, 12h or 30d", s)
	var days time.Duration
	rest := s
	if head, tail, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return 0, bad
		}
		days, rest = time.Duration(n)*24*time.Hour, tail
		if rest == "" {
			return days, nil
		}
	}
	v, err := time.ParseDuration(rest)
	if err != nil || v < 0 {
		return 0, bad
	}
	if v > math.MaxInt64-days {
		return 0, bad
	}
	return days + v, nil
}

// Period is a length of time in the calendar: "30d", "6m", "5y", or
// "unlimited". The zero Period is no time at all.
type Period struct {
	Years, Months, Days int
	Unlimited           bool
}

// Days is a period of n days.
func Days(n int) Period { return Period{Days: n} }

// Years is a period of n years.
func Years(n int) Period { return Period{Years: n} }

// IsZero reports whether the period is no time at all.
func (p Period) IsZero() bool { return p == Period{} }

// After gives the time that is the period later than t; the zero time when the
// period has no end.
func (p Period) After(t time.Time) time.Time {
	if p.Unlimited {
		return time.Time{}
	}
	return t.AddDate(p.Years, p.Months, p.Days)
}

// String is the form that UnmarshalText reads.
func (p Period) String() string {
	if p.Unlimited {
		return unlimited
	}
	var b strings.Builder
	for _, part := range []struct {
		n    int
		unit string
	}{{p.Years, "y"}, {p.Months, "m"}, {p.Days, "d"}} {
		if part.n != 0 {
			b.WriteString(strconv.Itoa(part.n) + part.unit)
		}
	}
	if b.Len() == 0 {
		return "0d"
	}
	return b.String()
}

// MarshalText implements encoding.TextMarshaler.
func (p Period) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Period) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == unlimited {
		*p = Period{Unlimited: true}
		return nil
	}
	v, err := parsePeriod(s)
	if err != nil {
		return fmt.Errorf("period %q: want days, months or years, like 30d, 6m or 5y, or %q", s, unlimited)
	}
	*p = v
	return nil
}

var errPeriod = errors.New("not a period")

// parsePeriod reads [NNy][NNm][NNd] with at least one part.
func parsePeriod(s string) (Period, error) {
	var p Period
	if s == "" {
		return p, errPeriod
	}
	for _, part := range []struct {
		n    *int
		unit string
	}{{&p.Years, "y"}, {&p.Months, "m"}, {&p.Days, "d"}} {
		head, tail, ok := strings.Cut(s, part.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return Period{}, errPeriod
		}
		*part.n, s = int(n), tail
	}
	if s != "" {
		return Period{}, errPeriod
	}
	return p, nil
}
