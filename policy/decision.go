package policy

import (
	"cmp"
	"slices"
	"strings"
)

// Decision is the outcome of Check.
type Decision struct {
	Profile string   // name of the profile in force
	Digest  [32]byte // its SHA-256; goes into every evidence
	// Violations refuse the letter: all of them, worst first. Advice is told
	// in the acceptance.
	Violations []Violation
	Advice     []Violation
}

// Err is nil, or a *Refusal with all violations.
func (d Decision) Err() error {
	if len(d.Violations) == 0 {
		return nil
	}
	return &Refusal{Violations: d.Violations}
}

// Violation is one reason against a letter. The zero Violation is not usable:
// New makes them.
type Violation struct {
	Code     Code
	SMTP     int    // reply code, RFC 5321
	Enhanced [3]int // RFC 3463
	En       string // printable ASCII, at most 400 octets
	Ru       string // UTF-8 without control characters
}

// Temporary reports whether the same letter may pass later.
func (v Violation) Temporary() bool { return v.SMTP < 500 }

// Line is "reason-code: text", as it stands in replies.
func (v Violation) Line() string { return string(v.Code) + ": " + v.En }

// Error makes a single violation usable as an error.
func (v Violation) Error() string { return v.Line() }

// Refusal is the error of a letter that may not go. Its violations are ordered
// worst first and never empty.
type Refusal struct {
	Violations []Violation
}

// NewRefusal is the refusal for the violations, put in order; nil when there
// are none.
func NewRefusal(vs ...Violation) *Refusal {
	if len(vs) == 0 {
		return nil
	}
	vs = slices.Clone(vs)
	order(vs)
	return &Refusal{Violations: vs}
}

// Worst is the violation that decides the reply.
func (r *Refusal) Worst() Violation { return r.Violations[0] }

// Error names all reasons in English.
func (r *Refusal) Error() string { return strings.Join(r.Lines(), "; ") }

// maxLines bounds a reply: clients read whole multi-line replies into memory,
// and nobody reads more than this.
const maxLines = 40

// Lines are the lines of a multi-line reply, worst first, each "reason-code:
// text" in printable ASCII and short enough for one reply line (RFC 5321
// §4.5.3.1.5). Beyond 40 the last line gives the number of those left out.
func (r *Refusal) Lines() []string {
	lines := make([]string, 0, min(len(r.Violations), maxLines))
	for i, v := range r.Violations {
		if i == maxLines-1 && len(r.Violations) > maxLines {
			return append(lines, New(MoreReasons, len(r.Violations)-i).Line())
		}
		lines = append(lines, v.Line())
	}
	return lines
}

// Russian is the text for the mailbox copy: every violation, and below each
// what the sender can do. Lines end with LF.
func (r *Refusal) Russian() string {
	return r.text(func(v Violation, re Reason) (string, string) { return v.Ru, re.RemedyRu })
}

// English is the same in English.
func (r *Refusal) English() string {
	return r.text(func(v Violation, re Reason) (string, string) { return v.En, re.RemedyEn })
}

func (r *Refusal) text(pick func(Violation, Reason) (text, remedy string)) string {
	var b strings.Builder
	for _, v := range r.Violations {
		reason, _ := v.Code.Reason()
		text, remedy := pick(v, reason)
		b.WriteString("- " + text + " [" + string(v.Code) + "]\n")
		if remedy != "" {
			b.WriteString("  " + remedy + "\n")
		}
	}
	return b.String()
}

// order sorts worst first: permanent before temporary, then by the place in
// the catalogue; what is equal stays in the order of the letter.
func order(vs []Violation) {
	slices.SortStableFunc(vs, func(a, b Violation) int {
		if a.Temporary() != b.Temporary() {
			if a.Temporary() {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.Code.place(), b.Code.place())
	})
}
