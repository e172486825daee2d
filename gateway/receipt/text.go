package receipt

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// shown is how many recipients or files a text lists; the rest is counted.
// The evidence always has all of them.
const shown = 50

// zoneName is the zone of every time that people read, besides UTC.
const zoneName = "Europe/Moscow"

// writer puts the text of one language together.
type writer struct {
	strings.Builder
	language string
	zone     *time.Location
}

// fact writes one line of the table; an empty value none.
func (w *writer) fact(label phrase, value string) {
	if value != "" {
		w.WriteString(label.in(w.language) + ": " + oneLine(value) + "\n")
	}
}

func (w *writer) paragraph(text string) { w.WriteString(text + "\n\n") }

// text is what people read: the account's language first, then the other.
func (m *Maker) text(s Sealed, to Mailing) string {
	first, second := Russian, English
	if to.Language == English {
		first, second = second, first
	}
	w := &writer{language: first, zone: m.zone}
	w.Grow(textSize)
	w.version(s, to)
	w.WriteString("\n" + strings.Repeat("-", 60) + "\n\n")
	w.language = second
	w.version(s, to)
	return w.String()
}

// textSize is room for the text of a receipt without many recipients or files.
const textSize = 4 << 10

// version is the whole text in one language.
func (w *writer) version(s Sealed, to Mailing) {
	language := w.language
	ev, says := &s.Evidence, catalogue[s.Evidence.Event]
	w.paragraph(says.title.in(language))
	w.paragraph(says.lead.in(language))
	w.letterFacts(ev, to)
	w.parties(ev)
	w.fact(wordTime, w.moment(ev.At))
	if ev.Inferred {
		w.WriteString("(" + wordInferred.in(language) + ")\n")
	}
	if !ev.Expected.IsZero() {
		w.fact(wordExpected, w.due(ev.Expected))
	}
	w.fact(wordNextHop, ev.NextHop)
	w.reasons(ev)
	w.contents(ev)
	w.WriteByte('\n')
	if ev.Expected.IsZero() || says.due == (phrase{}) {
		w.paragraph(says.next.in(language))
	} else {
		w.paragraph(fmt.Sprintf(says.due.in(language), w.due(ev.Expected)))
	}
	if !to.RecallUntil.IsZero() && ev.Event == SubmissionAcceptance {
		w.paragraph(fmt.Sprintf(wordRecall.in(language), w.moment(to.RecallUntil)))
	}
	w.fact(wordOperator, ev.Authority)
	w.fact(wordEvidence, fmt.Sprintf("%s, SHA-256 %s", s.ID, Digest(s.Hash)))
	w.WriteString(wordFoot.in(language) + "\n")
}

func (w *writer) letterFacts(ev *Evidence, to Mailing) {
	w.fact(wordNumber, ev.Letter.Number)
	if state := Label(ev.Letter.Type, stateAfter(ev, to), w.language); state != "" {
		// A signed letter shows it beside its state.
		if ev.Signature.Result == "valid" {
			state += ", " + wordSigned.in(w.language)
		}
		w.fact(wordState, state)
	}
	w.fact(wordType, TypeLabel(ev.Letter.Type, w.language))
	w.fact(wordSubject, to.Subject)
	w.fact(wordCase, ev.Letter.Case)
}

// stateAfter is where the letter stands after the event.
func stateAfter(ev *Evidence, to Mailing) string {
	if to.State != "" {
		return to.State
	}
	return events[ev.Event].state
}

func (w *writer) parties(ev *Evidence) {
	s := ev.Sender
	w.fact(wordSender, w.party(s.Name, s.Address, s.INN, s.OGRN))
	for i, r := range ev.Recipients {
		if i == shown {
			w.more(len(ev.Recipients) - shown)
			break
		}
		w.fact(wordRecipient, w.party(r.Name, r.Address, r.INN, r.OGRN))
	}
}

func (w *writer) party(name, address, inn, ogrn string) string {
	var ids []string
	if inn != "" {
		ids = append(ids, wordINN.in(w.language)+" "+inn)
	}
	if ogrn != "" {
		ids = append(ids, wordOGRN.in(w.language)+" "+ogrn)
	}
	var parts []string
	if name != "" {
		parts = append(parts, name)
	}
	if len(ids) > 0 {
		parts = append(parts, "("+strings.Join(ids, ", ")+")")
	}
	if address != "" {
		parts = append(parts, "<"+address+">")
	}
	return strings.Join(parts, " ")
}

func (w *writer) more(n int) {
	w.WriteString("... +" + strconv.Itoa(n) + "\n")
}

func (w *writer) reasons(ev *Evidence) {
	for _, r := range ev.Reasons {
		text := phrase{r.Ru, r.En}.in(w.language)
		if text == "" {
			text = r.En
		}
		if text == "" {
			w.fact(wordReason, r.Code)
			continue
		}
		w.fact(wordReason, text+" ["+r.Code+"]")
	}
}

func (w *writer) contents(ev *Evidence) {
	if p, ok := signatureResults[ev.Signature.Result]; ok {
		text := p.in(w.language)
		if ev.Signature.Subject != "" {
			text += " (" + ev.Signature.Subject + ")"
		}
		w.fact(wordSignature, text)
	}
	for i, f := range ev.Files {
		if i == shown {
			w.more(len(ev.Files) - shown)
			break
		}
		w.fact(wordFile, fmt.Sprintf("%s, %s, SHA-256 %s", f.Name, w.octets(f.Size), f.SHA256))
	}
	w.content(wordSubmitted, ev.Submitted)
	w.content(wordSent, ev.Sent)
}

func (w *writer) content(label phrase, c Content) {
	if !c.SHA256.IsZero() {
		w.fact(label, fmt.Sprintf("%s, SHA-256 %s", w.octets(c.Size), c.SHA256))
	}
}

func (w *writer) octets(n int64) string {
	return strconv.FormatInt(n, 10) + " " + wordOctets.in(w.language)
}

// moment is a time to the second in Moscow, and as the evidence has it.
func (w *writer) moment(t time.Time) string {
	local := t.In(w.zone)
	return fmt.Sprintf("%s %s (UTC%s), %s", local.Format("02.01.2006 15:04:05"),
		wordMoscow.in(w.language), local.Format("-07:00"), t.UTC().Format(timeForm))
}

// due is the end of a term. Midnight is the end of the day before, as terms
// are counted in days.
func (w *writer) due(t time.Time) string {
	local := t.In(w.zone)
	if local.Hour() != 0 || local.Minute() != 0 || local.Second() != 0 {
		return w.moment(t)
	}
	day := local.AddDate(0, 0, -1)
	date := day.Format("2 January 2006")
	if w.language != English {
		date = fmt.Sprintf("%d %s %d", day.Day(), months[day.Month()-1], day.Year())
	}
	return fmt.Sprintf("%s %s%s (%s)", wordDay.in(w.language), date, wordYear.in(w.language), wordMoscow.in(w.language))
}

// oneLine keeps a value that others chose from looking like more than it is:
// control characters and those that turn the direction of writing are shown
// as U+FFFD or a space.
func oneLine(s string) string {
	if !strings.ContainsFunc(s, devious) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case !devious(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		default:
			return '\uFFFD'
		}
	}, s)
}

func devious(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == 0x2028 || r == 0x2029
}
