package receipt

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// Action is what became of a message for one recipient (RFC 3464 §2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
)

// maxHeader bounds the header of an original that a notice returns, in octets.
const maxHeader = 256 << 10

// Notice is a plain delivery status notification, unsigned: what NOTIFY asked
// for (RFC 3461 §6).
type Notice struct {
	ID         mailstore.ID // names the notice in its Message-ID
	From       string       // address of the postmaster; its domain is the reporting MTA
	Name       string       // the operator's name
	To         string       // MAIL FROM of the original
	Language   string       // "ru" (default) or "en": which text comes first
	At         time.Time
	EnvelopeID string    // ENVID, decoded; "" when absent
	Arrival    time.Time // of the original; zero when unknown
	MessageID  string    // of the original
	References []string  // of the original
	Number     string    // of the letter; "" when it has none
	Subject    string    // of the original, decoded
	Recipients []Outcome
	// Original is the message, read once; only its header is returned unless
	// ReturnFull is set and a recipient failed (RFC 3461 §6.2). nil returns
	// nothing of it.
	Original   io.Reader
	ReturnFull bool
}

// Outcome is what became of the message for one recipient.
type Outcome struct {
	Address    string // as in RCPT TO
	Original   string // ORCPT as given, "rfc822;..."; "" when absent
	Action     Action
	Status     string // enhanced status code, as "5.1.1"
	RemoteMTA  string // host name of who answered; "" for this gateway
	Diagnostic string // SMTP reply of it; "" when there is none
	LastTry    time.Time
	RetryUntil time.Time
}

// WriteDSN writes the notice as a mail of multipart/report with CRLF line
// ends. Errors wrap ErrInvalid when there is nothing to notify of or nobody to
// notify, else they are those of w and n.Original.
func WriteDSN(w io.Writer, n Notice) error {
	to, err := address("notice to", n.To)
	if err != nil {
		return err
	}
	from, err := address("notice from", n.From)
	if err != nil {
		return err
	}
	if err := n.check(); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	delimiter := boundary("dsn", n.ID)
	out.WriteString(n.header(from, to) +
		"MIME-Version: 1.0\r\n" +
		"Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"" + delimiter + "\"\r\n\r\n" +
		"--" + delimiter + "\r\n")
	out.Write(plain(n.text()).bytes())
	out.WriteString("\r\n--" + delimiter + "\r\n")
	status := part{contentType: "message/delivery-status", body: []byte(n.status(domainOf(from)))}
	out.Write(status.bytes())
	if n.Original != nil {
		out.WriteString("\r\n--" + delimiter + "\r\n")
		if err := n.returned(out); err != nil {
			return err
		}
	}
	out.WriteString("\r\n--" + delimiter + "--\r\n")
	if err := out.Flush(); err != nil { // the first error of all writes
		return fmt.Errorf("write notice: %w", err)
	}
	return nil
}

// Notify writes a notice in the name of the operator.
func (m *Maker) Notify(w io.Writer, n Notice) error {
	n.From, n.Name = m.options.From, m.options.Name
	return WriteDSN(w, n)
}

func (n Notice) check() error {
	if len(n.Recipients) == 0 {
		return fmt.Errorf("%w: notice of nobody", ErrInvalid)
	}
	for _, r := range n.Recipients {
		if _, ok := notices[r.Action]; !ok || !enhanced.MatchString(r.Status) || r.Address == "" {
			return fmt.Errorf("%w: notice for %q: action %q, status %q", ErrInvalid, r.Address, r.Action, r.Status)
		}
	}
	return nil
}

func (n Notice) header(from, to string) string {
	var b strings.Builder
	b.WriteString("Return-Path: <>\r\n")
	b.WriteString("Date: " + message.FormatDate(n.At) + "\r\n")
	b.WriteString(addressField("From", n.Name, from))
	b.WriteString(addressField("To", "", to))
	subject := notices[n.worst()].subject.in(n.Language)
	if n.Subject != "" {
		subject += ": " + n.Subject
	}
	b.WriteString(message.FormatText("Subject", oneLine(subject)))
	b.WriteString("Message-ID: <" + n.ID.String() + ".dsn@" + domainOf(from) + ">\r\n")
	b.WriteString(thread(n.MessageID, n.References))
	b.WriteString("Auto-Submitted: auto-replied\r\n")
	f := &fields{}
	f.add("X-Letter-Number", n.Number)
	b.WriteString(f.String())
	return b.String()
}

// worst is the action that the subject speaks of.
func (n Notice) worst() Action {
	worst := n.Recipients[0].Action
	for _, r := range n.Recipients {
		if notices[r.Action].rank > notices[worst].rank {
			worst = r.Action
		}
	}
	return worst
}

// text is what people read, in both languages.
func (n Notice) text() string {
	languages := []string{Russian, English}
	if n.Language == English {
		languages = []string{English, Russian}
	}
	var b strings.Builder
	for i, language := range languages {
		if i > 0 {
			b.WriteString("\n" + strings.Repeat("-", 60) + "\n\n")
		}
		for _, r := range n.Recipients {
			b.WriteString(notices[r.Action].lead.in(language) + "\n    " + oneLine(r.Address) + "\n")
			if r.Diagnostic != "" {
				b.WriteString("    " + oneLine(r.Diagnostic) + "\n")
			}
		}
	}
	return b.String()
}

// status is message/delivery-status (RFC 3464 §2).
func (n Notice) status(domain string) string {
	f := &fields{}
	f.add("Original-Envelope-Id", n.EnvelopeID)
	f.add("Reporting-MTA", "dns; "+domain)
	f.time("Arrival-Date", n.Arrival)
	for _, r := range n.Recipients {
		f.end()
		f.add("Original-Recipient", typedOriginal(r.Original))
		f.add("Final-Recipient", typedAddress(r.Address))
		f.add("Action", string(r.Action))
		f.add("Status", r.Status)
		if r.RemoteMTA != "" {
			f.add("Remote-MTA", "dns; "+r.RemoteMTA)
		}
		if r.Diagnostic != "" {
			f.add("Diagnostic-Code", "smtp; "+r.Diagnostic)
		}
		f.time("Last-Attempt-Date", r.LastTry)
		if r.Action == Delayed {
			f.time("Will-Retry-Until", r.RetryUntil)
		}
	}
	return f.String()
}

func (f *fields) time(name string, t time.Time) {
	if !t.IsZero() {
		f.add(name, t.Format(time.RFC1123Z))
	}
}

// returned writes the third part: the message, or its header.
func (n Notice) returned(out *bufio.Writer) error {
	if n.ReturnFull && n.worst() == Failed {
		// The message may hold 8-bit text, which no encoding may hide
		// inside message/rfc822 (RFC 2046 §5.2.1).
		out.WriteString("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
		if _, err := io.Copy(out, n.Original); err != nil {
			return fmt.Errorf("return original: %w", err)
		}
		return nil
	}
	// headers takes what stands before the blank line.
	header, err := io.ReadAll(io.LimitReader(n.Original, maxHeader))
	if err != nil {
		return fmt.Errorf("return header of original: %w", err)
	}
	out.Write(headers(header).bytes())
	return nil
}
