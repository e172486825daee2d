package receipt

import (
	"fmt"
	"io"
	"strings"
	"time"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// ExpiryNotice tells an owner of letters whose term ends. It is no evidence of
// anything, so it is not signed; it answers no letter, so it threads under none.
type ExpiryNotice struct {
	ID       mailstore.ID // names the notice in its Message-ID
	To       string       // address of the account
	Language string       // "ru" (default) or "en": which comes first
	At       time.Time
	// Extension is how much longer a letter is kept that is flagged.
	Extension policy.Period
	Letters   []Expiring
}

// Expiring is one letter whose term ends.
type Expiring struct {
	Number      string
	Sent        bool   // the owner sent it; else received it
	Counterpart string // address of the sender, or of the first recipient
	More        int    // recipients beside that one
	Subject     string // decoded
	Until       time.Time
}

// What the notice says.
var (
	expirySubject = phrase{"Заканчивается срок хранения писем", "Letters whose term ends"}
	expiryTitle   = phrase{"УВЕДОМЛЕНИЕ ОБ ОКОНЧАНИИ СРОКА ХРАНЕНИЯ ПИСЕМ", "NOTICE: TERM OF KEEPING LETTERS ENDS"}
	expiryLead    = phrase{
		"Заканчивается срок хранения следующих писем вашего ящика. После указанного времени их содержание будет уничтожено. Записи о письмах, квитанции и журнал сохраняются.",
		"The term of keeping the following letters of your mailbox ends. After the time given their content will be destroyed. The records of the letters, receipts and journal stay.",
	}
	expiryNext = phrase{
		"Чтобы продлить хранение письма (%s), отметьте его в почтовой программе флажком (звёздочкой) и не снимайте отметку до конца срока. Чтобы сохранить содержание у себя, сохраните письмо в файл. Если письмо больше не нужно, ничего делать не надо.",
		"To have a letter kept longer (%s), flag it (star it) in your mail program and leave the flag until the end of the term. To have the content yourself, save the letter to a file. If you do not need the letter any more there is nothing to do.",
	}
	expiryFrom = phrase{"от", "from"}
	expiryTo   = phrase{"для", "to"}
	expiryEnd  = phrase{"хранится до", "kept until"}
	expiryFoot = phrase{
		"Сообщение составлено автоматически. Отвечать на него не нужно.",
		"This notice was made automatically. Please do not reply.",
	}
	periodUnits = [3]phrase{{"г.", "y"}, {"мес.", "mo"}, {"дн.", "d"}}
	periodNone  = phrase{"без ограничения срока", "without limit"}
)

// TellExpiry writes a notice in the name of the operator, as a mail with CRLF
// line ends, 7-bit inside. Errors wrap ErrInvalid when there is nothing to tell
// or nobody to tell it to, else they are those of w.
func (m *Maker) TellExpiry(w io.Writer, n ExpiryNotice) error {
	to, err := address("notice to", n.To)
	if err != nil {
		return err
	}
	if len(n.Letters) == 0 {
		return fmt.Errorf("%w: notice of no letter", ErrInvalid)
	}
	first, second := Russian, English
	if n.Language == English {
		first, second = second, first
	}
	var b strings.Builder
	b.WriteString("Return-Path: <>\r\n")
	b.WriteString("Date: " + message.FormatDate(n.At.In(m.zone)) + "\r\n")
	b.WriteString(addressField("From", m.options.Name, m.options.From))
	b.WriteString(addressField("To", "", to))
	b.WriteString(message.FormatText("Subject", fmt.Sprintf("%s: %d", expirySubject.in(n.Language), len(n.Letters))))
	b.WriteString("Message-ID: <" + n.ID.String() + ".term@" + m.domain + ">\r\n")
	b.WriteString("Auto-Submitted: auto-generated\r\n") // RFC 3834 §5
	b.WriteString("MIME-Version: 1.0\r\n")
	text := m.expiryText(n, first) + "\n" + strings.Repeat("-", 60) + "\n\n" + m.expiryText(n, second)
	if _, err := w.Write(plain(text).appendTo([]byte(b.String()))); err != nil {
		return fmt.Errorf("write notice: %w", err)
	}
	return nil
}

// expiryText is the whole text in one language.
func (m *Maker) expiryText(n ExpiryNotice, language string) string {
	w := &writer{language: language, zone: m.zone}
	w.paragraph(expiryTitle.in(language))
	w.paragraph(expiryLead.in(language))
	for _, l := range n.Letters {
		side := expiryFrom
		if l.Sent {
			side = expiryTo
		}
		with := oneLine(l.Counterpart)
		if l.More > 0 {
			with += fmt.Sprintf(" (+%d)", l.More)
		}
		w.WriteString(oneLine(l.Number) + ", " + side.in(language) + " " + with + "\n")
		w.fact(wordSubject, l.Subject)
		w.WriteString(expiryEnd.in(language) + " " + w.due(l.Until) + "\n\n")
	}
	w.paragraph(fmt.Sprintf(expiryNext.in(language), w.period(n.Extension)))
	w.fact(wordOperator, m.options.Name)
	w.WriteString(expiryFoot.in(language) + "\n")
	return w.String()
}

// period is a length of time, as people read it.
func (w *writer) period(p policy.Period) string {
	if p.Unlimited {
		return periodNone.in(w.language)
	}
	var parts []string
	for i, n := range []int{p.Years, p.Months, p.Days} {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, periodUnits[i].in(w.language)))
		}
	}
	return "+" + strings.Join(parts, " ")
}
