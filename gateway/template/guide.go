package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gosbridge/policy"
)

// title is the subject of the template.
func (d draft) title() string {
	own, ok := catalogue[d.choice.Type]
	title := own.title.in(d.language)
	if !ok {
		title = wordLetter.in(d.language) + ": " + phrase{d.profile.Title, d.profile.TitleEn}.in(d.language)
	}
	if d.choice.Kind == "" {
		return title
	}
	kind := d.choice.Kind // one of the configuration's own has no other name
	if word, ok := kinds[kind]; ok {
		kind = word.in(d.language)
	}
	return title + ": " + kind
}

// text is the guidance: what the type is for, how it is chosen and what its
// profile allows at this time.
func (d draft) text() string {
	w := &guide{language: d.language}
	w.paragraph(wordReplace)
	if own, ok := catalogue[d.choice.Type]; ok {
		w.paragraph(own.purpose)
	}
	switch {
	case d.suffixed:
		w.paragraph(wordFrom, d.from.String())
	case d.usual:
		w.paragraph(wordUsual)
	default:
		w.paragraph(wordHeader, d.choice.String())
	}
	p := d.profile
	w.fact(wordRecipients, w.recipients(p))
	if !p.Bcc {
		w.fact(wordHidden, wordNo.in(d.language))
	}
	w.fact(wordSubject, w.between(p.SubjectMin, p.SubjectMax))
	w.fact(wordText, w.between(p.TextMin, p.TextMax))
	w.fact(wordFiles, w.between(p.FilesMin, p.FilesMax))
	if p.FilesMax != 0 {
		w.fact(wordFile, w.size(p.FileMax))
		w.fact(wordSum, w.size(p.SumMax))
		w.fact(wordFormats, strings.Join(p.Formats, ", "))
	}
	w.fact(wordSignature, w.signature(p.Signature, d.signs))
	if p.Acknowledged() {
		w.fact(wordTerm, w.period(p.Term))
	}
	if _, window := p.RecallFor(false, false); window > 0 {
		w.fact(wordRecall, w.duration(window))
	}
	w.fact(wordFields, w.fields(p.RequiredField))
	return w.String()
}

// guide puts the text of one language together.
type guide struct {
	strings.Builder
	language string
}

func (w *guide) paragraph(p phrase, args ...any) {
	text := p.in(w.language)
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	w.WriteString(text + "\n\n")
}

// fact writes one line; an empty value none.
func (w *guide) fact(label phrase, value string) {
	if value != "" {
		w.WriteString(label.in(w.language) + ": " + value + "\n")
	}
}

// recipients says who may receive the type, and how many.
func (w *guide) recipients(p policy.Profile) string {
	var who []string
	for _, kind := range p.Recipients {
		who = append(who, parties[kind].in(w.language))
	}
	if len(who) == 0 {
		who = append(who, wordAnyone.in(w.language))
	}
	if p.Scope == policy.ScopePost {
		who = append(who, wordPostal.in(w.language))
	}
	text := strings.Join(who, ", ")
	if p.MaxRecipients >= 0 {
		text += "; " + fmt.Sprintf(wordAtMost.in(w.language), p.MaxRecipients)
	}
	return text
}

// between is a range of counts; "" where there is no bound.
func (w *guide) between(least, most policy.Count) string {
	switch {
	case most < 0 && least <= 0:
		return ""
	case most < 0:
		return fmt.Sprintf("≥ %s", least)
	case least == most:
		return most.String()
	}
	return fmt.Sprintf("%s–%s", least, most)
}

// size is a limit of octets; "" where there is none.
func (w *guide) size(o policy.Octets) string {
	if o < 0 {
		return ""
	}
	text := o.String()
	digits := strings.TrimRight(text, "BKMGi")
	return fmt.Sprintf(wordAtMost.in(w.language), digits+" "+sizeUnits[text[len(digits):]].in(w.language))
}

func (w *guide) signature(need policy.Need, signs bool) string {
	switch {
	case need == policy.Forbidden:
		return wordUnsigned.in(w.language)
	case need == policy.Optional:
		return wordOptional.in(w.language)
	case signs:
		return wordByGateway.in(w.language)
	}
	return wordByYourself.in(w.language)
}

// amount joins the parts of a length of time that are not zero.
func (w *guide) amount(parts ...amount) string {
	var out []string
	for _, p := range parts {
		if p.n != 0 {
			out = append(out, strconv.Itoa(p.n)+" "+p.unit.in(w.language))
		}
	}
	return strings.Join(out, " ")
}

type amount struct {
	n    int
	unit phrase
}

// period is a term; "" for none and for one without end.
func (w *guide) period(p policy.Period) string {
	if p.Unlimited {
		return ""
	}
	return w.amount(amount{p.Years, wordYears}, amount{p.Months, wordMonths}, amount{p.Days, wordDays})
}

func (w *guide) duration(d time.Duration) string {
	return w.amount(
		amount{int(d / time.Hour), wordHours}, amount{int(d % time.Hour / time.Minute), wordMinutes},
		amount{int(d % time.Minute / time.Second), wordSeconds},
	)
}

func (w *guide) fields(names []string) string {
	var out []string
	for _, name := range names {
		out = append(out, fieldWords[name].in(w.language))
	}
	return strings.Join(out, ", ")
}
