package letter

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gosbridge/mailstore"
)

// numberBlock is how many numbers are reserved at once. What is left of a
// block when the process ends is never used.
const numberBlock = 1000

// LastSerial is the greatest serial that a number is made for: GP-YYYYMM has
// eight digits behind it.
const LastSerial = 99_999_999

// Moscow is the time zone of terms, of the month in numbers and of the times
// that people read.
var Moscow = mustZone("Europe/Moscow")

func mustZone(name string) *time.Location {
	if z, err := time.LoadLocation(name); err == nil {
		return z
	}
	return time.FixedZone("MSK", 3*60*60) // without a zone database: since 2014
}

// Numbers hands out the human numbers of letters. Safe for concurrent use.
type Numbers struct {
	dir  mailstore.Directory
	mu   sync.Mutex
	next uint64
	left uint64
}

// NewNumbers returns a source of numbers over the directory's blocks.
func NewNumbers(dir mailstore.Directory) *Numbers { return &Numbers{dir: dir} }

// Take returns the next number, for a letter accepted at the given time.
func (n *Numbers) Take(ctx context.Context, at time.Time) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.left == 0 {
		first, err := n.dir.ReserveNumbers(ctx, numberBlock)
		if err != nil {
			return "", fmt.Errorf("reserve letter numbers: %w", err)
		}
		n.next, n.left = first, numberBlock
	}
	serial := n.next
	n.next++
	n.left--
	return FormatNumber(at, serial), nil
}

// FormatNumber gives GP-YYYYMM-NNNNNNNN-C: the month in Moscow, the serial,
// and the Luhn check digit over both.
func FormatNumber(at time.Time, serial uint64) string {
	month := at.In(Moscow).Format("200601")
	digits := fmt.Sprintf("%08d", serial)
	return fmt.Sprintf("GP-%s-%s-%c", month, digits, luhn(month+digits))
}

// ValidNumber reports whether s has the form and check digit of a number.
func ValidNumber(s string) bool {
	var month, serial string
	var check byte
	if len(s) < 20 || s[:3] != "GP-" || s[9] != '-' || s[len(s)-2] != '-' {
		return false
	}
	month, serial, check = s[3:9], s[10:len(s)-2], s[len(s)-1]
	for _, c := range month + serial {
		if c < '0' || c > '9' {
			return false
		}
	}
	return check == luhn(month+serial)
}

// luhn is the check digit of ISO/IEC 7812-1 annex B.
func luhn(digits string) byte {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}
