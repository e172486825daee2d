package policy

import "slices"

// Check judges a letter by the profile of its type. It is pure: the same
// letter always gets the same decision, with all violations at once.
func (r *Rules) Check(l Letter) Decision {
	p, ok := r.profiles[l.Type]
	if !ok {
		vs := append([]Violation{New(TypeUnknown, l.Type)}, l.Found...)
		order(vs)
		return Decision{Profile: l.Type, Violations: vs}
	}
	j := judge{p: p, l: l, name: title{p.Type, p.Title}}
	j.sender()
	j.recipients()
	j.request()
	if l.Enclosed && p.readsContent() {
		j.subject()
		j.refuse(ContentEnclosed)
	} else {
		j.files()
		j.text()
	}
	j.signature()
	j.out = append(j.out, l.Found...)
	d := Decision{Profile: p.Type, Digest: r.digests[p.Type]}
	d.Violations, d.Advice = j.split()
	return d
}

// judge is one letter before its profile.
type judge struct {
	p      Profile
	l      Letter
	name   title
	out    []Violation
	advice []Violation
}

func (j *judge) refuse(code Code, values ...any) {
	j.out = append(j.out, New(code, values...))
}

// title is a name that differs by language.
type title struct{ en, ru string }

func (j *judge) advise(code Code, values ...any) {
	j.advice = append(j.advice, New(code, values...))
}

// split moves what the profile only advises, and puts both lists in order.
func (j *judge) split() (violations, advice []Violation) {
	advice = j.advice
	for _, v := range j.out {
		if slices.Contains(j.p.Advise, v.Code) {
			advice = append(advice, v)
		} else {
			violations = append(violations, v)
		}
	}
	order(violations)
	order(advice)
	return violations, advice
}
