package wire

import "testing"

// Only a command with its whole literal and line end counts as read ahead.
func TestAheadLiteral(t *testing.T) {
	for input, want := range map[string]bool{
		"a APPEND x {3+}\r\nabc\r\n":                       true,
		"a append x ~{3+}\r\nabc\r\n":                      true,
		"a APPEND x {3+}\nabc\n":                           true,
		"a APPEND x {3+}\r\nabc":                           false,
		"a APPEND x {3+}\r\nabc\r":                         false,
		"a APPEND x {3+}\r\nab":                            false,
		"a APPEND x {3+}\r\nabc {1+}\r":                    false,
		"a APPEND x {3}\r\nabc\r\n":                        false, // waits to be asked
		"a APPEND {3+}x\r\nabc\r\n":                        false,
		"a APPEND x\r\nabc\r\n":                            false,
		"a APPENDX x {3+}\r\nabc\r\n":                      false,
		"a NOOP {3+}\r\nabc\r\n":                           false,
		"APPEND {3+}\r\nabc\r\n":                           false,
		"a APPEND x {99999999999999999999999+}\r\nabc\r\n": false,
		"": false,
	} {
		r, _ := reader("first\r\n" + input)
		if err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if got := r.AheadLiteral("APPEND"); got != want {
			t.Errorf("%q: %v", input, got)
		}
	}
}
