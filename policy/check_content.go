package policy

import (
	"slices"
	"strings"
	"unicode/utf8"
)

func (j *judge) text() {
	j.subject()
	n := j.l.TextRunes
	switch {
	case j.p.TextMin > 0 && (n == 0 || j.l.TextBlank):
		j.refuse(TextMissing)
	case n < int(j.p.TextMin):
		j.refuse(TextTooShort, n, j.p.TextMin)
	case !j.p.TextMax.Allows(n):
		j.refuse(TextTooLong, n, j.p.TextMax)
	}
	if j.l.HTML && !j.p.HTML {
		j.refuse(HTMLForbidden, j.name)
	}
}

// request judges what the sender asks for, and what is known of them.
func (j *judge) request() {
	if _, ok := j.p.TermFor(j.l.Term, j.l.At); !ok {
		longest := j.p.TermMax
		if longest.IsZero() {
			longest = j.p.Term
		}
		j.refuse(TermInvalid, j.l.Term, longest)
	}
	switch {
	case len(j.p.Kinds) == 0 && j.l.Kind != "":
		j.refuse(KindUnwanted, j.name)
	case len(j.p.Kinds) > 0 && j.l.Kind == "":
		j.refuse(KindMissing, j.p.Kinds)
	case len(j.p.Kinds) > 0 && !slices.Contains(j.p.Kinds, j.l.Kind):
		j.refuse(KindUnknown, j.l.Kind, j.p.Kinds)
	}
	for _, name := range j.p.RequiredField {
		if strings.TrimSpace(j.l.Fields[name]) == "" {
			j.refuse(FieldMissing, fieldTitle(name))
		}
	}
}

func (j *judge) subject() {
	if j.l.SubjectCount > 1 {
		j.refuse(SubjectRepeated, j.l.SubjectCount)
	}
	s := strings.TrimSpace(j.l.Subject)
	if j.l.Reply {
		s = withoutReply(s)
	}
	n := utf8.RuneCountInString(s)
	switch {
	case j.p.SubjectMin > 0 && n == 0:
		j.refuse(SubjectMissing)
	case n < int(j.p.SubjectMin):
		j.refuse(SubjectTooShort, n, j.p.SubjectMin)
	case !j.p.SubjectMax.Allows(n):
		j.refuse(SubjectTooLong, n, j.p.SubjectMax)
	}
}

// withoutReply drops the "Re: " that mail programs put before the subject of a
// reply, however often they did.
func withoutReply(s string) string {
	for len(s) >= 3 && strings.EqualFold(s[:3], "re:") {
		s = strings.TrimSpace(s[3:])
	}
	return s
}

// signature applies the profile's need. What the client signed badly is
// refused even where no signature is asked for: it would go out as broken.
func (j *judge) signature() {
	s := j.l.Signature
	if j.p.Signature == Forbidden {
		if s != SignatureNone {
			j.refuse(SignatureUnwanted, j.name)
		}
		return
	}
	switch s {
	case SignatureNone:
		if j.p.Signature == Required && !j.l.GatewaySigns {
			j.refuse(SignatureMissing, j.name)
		}
	case SignatureValid:
	case SignatureForeign:
		j.refuse(SignatureOfOther)
	case SignatureUnknown:
		// Refused only where a signature is required: we cannot say that it
		// is wrong, and the gateway's own does not replace it.
		if j.p.Signature == Required {
			j.refuse(SignatureNoAlgo)
		}
	default:
		j.refuse(SignatureBroken)
	}
}
