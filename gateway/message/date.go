package message

import (
	"strconv"
	"strings"
	"time"
)

// maxDate is the length from which a value is no date.
const maxDate = 500

// ParseDate reads a Date value, tolerant of what programs wrote since RFC 822:
// no weekday, no seconds, years of two digits, named, missing or odd zones,
// comments, ANSI C order. A missing zone is UTC.
func ParseDate(value string) (time.Time, bool) {
	if len(value) > maxDate {
		return time.Time{}, false
	}
	var d dateParts
	for _, token := range strings.FieldsFunc(stripComments(value), func(r rune) bool {
		return r == ' ' || r == '\t' || r == ',' || r == '\r' || r == '\n'
	}) {
		d.take(token)
	}
	return d.time()
}

// dateParts collects what the tokens of a date say. The first two numbers are
// day and year unless a token has more to say.
type dateParts struct {
	day, year, hour, min, sec int
	month                     time.Month
	zone                      *time.Location
	haveDay, haveYear, haveT  bool
	bad                       bool
}

func (d *dateParts) take(token string) {
	switch {
	case strings.Count(token, "-") == 2 && token[0] != '-': // 12-Jan-2026
		for _, part := range strings.Split(token, "-") {
			if part != "" {
				d.take(part)
			}
		}
	case strings.Contains(token, ":"):
		d.clock(token)
	case (token[0] == '+' || token[0] == '-') && d.haveT:
		d.offset(token)
	case token[0] >= '0' && token[0] <= '9':
		d.number(token)
	default:
		d.name(token)
	}
}

func (d *dateParts) clock(token string) {
	if i := strings.IndexAny(token, "+-"); i > 0 { // 12:00:00+0300
		d.haveT = true
		d.offset(token[i:])
		token = token[:i]
	}
	parts := strings.SplitN(token, ":", 3)
	dst := [3]*int{&d.hour, &d.min, &d.sec}
	for i, part := range parts {
		part, _, _ = strings.Cut(part, ".")
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			d.bad = true
			return
		}
		*dst[i] = int(n)
	}
	d.haveT = true
}

func (d *dateParts) offset(token string) {
	digits := strings.ReplaceAll(token[1:], ":", "")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || d.zone != nil {
		return
	}
	seconds := int(n/100)*3600 + int(n%100)*60
	if seconds > 24*3600 {
		return // no zone of this world: UTC (RFC 5322 §4.3)
	}
	if token[0] == '-' {
		seconds = -seconds
	}
	d.zone = time.FixedZone("", seconds)
}

func (d *dateParts) number(token string) {
	n, err := strconv.ParseUint(token, 10, 16)
	switch {
	case err != nil:
		d.bad = true
	case !d.haveDay && len(token) <= 2:
		d.day, d.haveDay = int(n), true
	case !d.haveYear:
		d.year, d.haveYear = int(n), true
		// RFC 5322 §4.3.
		if len(token) == 2 && n < 50 {
			d.year += 2000
		} else if len(token) <= 3 {
			d.year += 1900
		}
	}
}

// zones of RFC 5322 §4.3 and the ones of Russia that programs name.
var zones = map[string]int{
	"UT": 0, "GMT": 0, "UTC": 0, "Z": 0, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6,
	"MST": -7, "PDT": -7, "PST": -8, "MSK": 3, "MSD": 4, "SAMT": 4, "YEKT": 5, "OMST": 6, "NOVT": 7,
	"KRAT": 7, "IRKT": 8, "YAKT": 9, "VLAT": 10, "MAGT": 11, "PETT": 12, "CET": 1, "CEST": 2,
	"EET": 2, "EEST": 3,
}

func (d *dateParts) name(token string) {
	if len(token) >= 3 {
		for m := time.January; m <= time.December; m++ {
			if strings.EqualFold(token[:3], m.String()[:3]) && d.month == 0 {
				d.month = m
				return
			}
		}
	}
	if hours, ok := zones[strings.ToUpper(token)]; ok && d.zone == nil && d.haveT {
		d.zone = time.FixedZone("", hours*3600)
	}
}

func (d *dateParts) time() (time.Time, bool) {
	if d.bad || !d.haveDay || !d.haveYear || d.month == 0 || d.hour > 23 || d.min > 59 || d.sec > 60 {
		return time.Time{}, false
	}
	if d.zone == nil {
		d.zone = time.UTC
	}
	t := time.Date(d.year, d.month, d.day, d.hour, d.min, d.sec, 0, d.zone)
	if _, m, _ := t.Date(); m != d.month && d.sec < 60 {
		return time.Time{}, false // 31 February
	}
	return t, true
}

func stripComments(s string) string {
	var out strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '(')
		if i < 0 {
			break
		}
		out.WriteString(s[:i])
		out.WriteByte(' ')
		s = s[i+commentEnd(s[i:]):]
	}
	return out.String() + s
}
