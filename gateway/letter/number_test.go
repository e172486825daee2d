package letter

import (
	"strings"
	"testing"
	"time"
)

func TestFormatNumber(t *testing.T) {
	// 22:30 UTC on the last of the month is the next month in Moscow.
	at := time.Date(2026, 10, 31, 22, 30, 0, 0, time.UTC)
	if got := FormatNumber(at, 1); got != "GP-202611-00000001-8" {
		t.Errorf("got %s", got)
	}
	// The worked example of ISO/IEC 7812-1 annex B.
	if got := luhn("7992739871"); got != '3' {
		t.Errorf("luhn = %c, want 3", got)
	}
}

func TestValidNumber(t *testing.T) {
	good := FormatNumber(time.Now(), 48151623)
	if !ValidNumber(good) || !ValidNumber(FormatNumber(time.Now(), 1234567890)) {
		t.Fatalf("%s is refused", good)
	}
	// Every single wrong digit is noticed.
	for i, c := range good {
		if c < '0' || c > '9' {
			continue
		}
		for d := '0'; d <= '9'; d++ {
			if bad := good[:i] + string(d) + good[i+1:]; d != c && ValidNumber(bad) {
				t.Errorf("%s is accepted", bad)
			}
		}
	}
	for _, bad := range []string{"", "GP-", "GP-202611-0000001-7", strings.ToLower(good), good + "0", good[:len(good)-1]} {
		if ValidNumber(bad) {
			t.Errorf("%q is accepted", bad)
		}
	}
}
