package intake_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gosbridge/policy"
)

// Every defect of form on which readers could disagree, or behind which nobody
// looks, refuses the letter, whatever its type.
func TestDefectsRefuse(t *testing.T) {
	head := func(fields ...string) string {
		return "From: " + sender + "\r\nTo: " + first + "\r\nSubject: Test\r\nMIME-Version: 1.0\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
	}
	mixed := head("Content-Type: multipart/mixed; boundary=b")
	part := "--b\r\nContent-Type: text/plain\r\n\r\nText\r\n"
	deep := head("Content-Type: multipart/mixed; boundary=b0")
	for i := range 25 {
		deep += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	for i := 25; i >= 0; i-- {
		deep += fmt.Sprintf("--b%d\r\n\r\nText\r\n--b%d--\r\n", i, i)
	}
	for name, test := range map[string]struct {
		octets   string
		code     policy.Code
		enhanced [3]int
		says     string // in the text, where several defects have one code
	}{
		"bare LF":            {mail() + "a\nb\r\n", policy.BareLineEnding, [3]int{5, 6, 0}, ""},
		"bare CR":            {mail() + "a\rb\r\n", policy.BareLineEnding, [3]int{5, 6, 0}, ""},
		"bare LF in header":  {strings.Replace(mail(), "\r\nTo:", "\nTo:", 1), policy.BareLineEnding, [3]int{5, 6, 0}, ""},
		"NUL":                {mail() + "a\x00b\r\n", policy.NulOctet, [3]int{5, 6, 0}, ""},
		"truncated":          {mixed + part, policy.Truncated, [3]int{5, 6, 0}, ""},
		"deep":               {deep, policy.TooDeep, [3]int{5, 6, 0}, ""},
		"many parts":         {mixed + strings.Repeat(part, 101) + "--b--\r\n", policy.TooManyParts, [3]int{5, 6, 0}, ""},
		"long header":        {mail(strings.Repeat("X-Filler: "+strings.Repeat("x", 900)+"\r\n", 300) + "X-Last: x"), policy.HeaderTooLong, [3]int{5, 6, 0}, ""},
		"missing boundary":   {head("Content-Type: multipart/mixed") + part, policy.Malformed, [3]int{5, 6, 0}, "missing-boundary"},
		"empty multipart":    {mixed + "--b--\r\n", policy.Malformed, [3]int{5, 6, 0}, "empty-multipart"},
		"ambiguous boundary": {mixed + part + "--bc\r\n\r\nText\r\n--b--\r\n", policy.Malformed, [3]int{5, 6, 0}, "ambiguous-boundary"},
		"no field":           {head("this is no field"), policy.Malformed, [3]int{5, 6, 0}, "malformed-header"},
		"twice":              {head("Content-Type: text/plain", "Content-Type: text/html"), policy.Malformed, [3]int{5, 6, 0}, "duplicate-field"},
		"damaged encoding":   {head("Content-Type: text/plain", "Content-Transfer-Encoding: base64") + "!!!!\r\n", policy.Malformed, [3]int{5, 6, 0}, "malformed-encoding"},
		"unknown encoding":   {head("Content-Type: text/plain", "Content-Transfer-Encoding: x-zip") + "Text\r\n", policy.Malformed, [3]int{5, 6, 0}, "unknown-encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, err := r.Accept(t.Context(), r.envelope(first), strings.NewReader(test.octets))
			var refusal *policy.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("not refused: %v", err)
			}
			if !slices.ContainsFunc(refusal.Violations, func(v policy.Violation) bool {
				return v.Code == test.code && v.SMTP == 550 && v.Enhanced == test.enhanced && strings.Contains(v.En, test.says)
			}) {
				t.Errorf("refused for %s", refusal)
			}
		})
	}
	// What such defects are not: long lines, unknown charsets and types.
	r := newRig(t)
	for _, octets := range []string{
		mail() + strings.Repeat("x", 5000) + "\r\n",
		head("Content-Type: text/plain; charset=x-unknown") + "Text\r\n",
		head("Content-Type: nonsense") + "Text\r\n",
	} {
		if got := r.codes(octets, first); len(got) > 0 {
			t.Errorf("%.200q: %v", octets, got)
		}
	}
}
