package receipt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"gosbridge/certs/smime"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// Header is what Mail begins with: the mail's header up to where the MIME fields
// begin. It alone names whom the mail is for: under the Header for another
// address the rest of a mail is the same receipt for them, signature included.
func (m *Maker) Header(s Sealed, to Mailing) ([]byte, error) {
	recipient, err := address("receipt to", to.To)
	if err != nil {
		return nil, err
	}
	return []byte(m.header(s, to, recipient)), nil
}

// Mail builds and signs a receipt mail. The bytes have CRLF line ends and are
// 7-bit but for addresses of RFC 6532. All of it but the signature and the
// delimiter before it follows from s, to and the Maker's options. Errors wrap certs.ErrSigner when the signer
// failed, and ErrInvalid when s or to cannot be mailed.
func (m *Maker) Mail(ctx context.Context, s Sealed, to Mailing) ([]byte, error) {
	header, err := m.Header(s, to)
	if err != nil {
		return nil, err
	}
	if !s.Evidence.Event.Known() || len(s.JSON) == 0 {
		return nil, fmt.Errorf("%w: not sealed", ErrInvalid)
	}
	entity := m.entity(s, to).bytes()
	form, err := smime.Compose(ctx, m.options.Signer, bytes.NewReader(entity), m.options.Now())
	if err != nil {
		return nil, fmt.Errorf("receipt %s: %w", s.ID, err)
	}
	b := make([]byte, 0, int64(len(header))+form.Size())
	b = append(b, header...)
	b = append(b, form.Prefix...)
	b = append(b, entity...)
	return append(b, form.Suffix...), nil
}

// entity is what is signed: the report, and the evidence beside it. A report
// has two or three parts (RFC 6522 §3), so the rest stands outside.
func (m *Maker) entity(s Sealed, to Mailing) part {
	kind := reportType(s.Evidence.Event)
	parts := []part{
		plain(m.text(s, to)),
		{contentType: "message/" + kind, body: []byte(m.report(s, to))},
	}
	if len(to.OriginalHeader) > 0 {
		parts = append(parts, headers(to.OriginalHeader))
	}
	report := compound("report; report-type="+kind, boundary("report", s.ID), parts...)
	if to.Depth == Short {
		return report
	}
	attached := []part{report}
	if to.Depth != Brief {
		attached = append(attached, attachment("application/xml", "evidence.xml", s.XML))
	}
	attached = append(attached, attachment("application/json", "evidence.json", s.JSON))
	return compound("mixed", boundary("mixed", s.ID), attached...)
}

func attachment(contentType, name string, data []byte) part {
	return encoded(contentType+"; name=\""+name+"\"", data,
		"Content-Disposition: attachment; filename=\""+name+"\"")
}

func boundary(kind string, id mailstore.ID) string {
	return "=_" + kind + "_" + hex.EncodeToString(id[:])
}

// header is the mail's header up to where the MIME fields begin.
func (m *Maker) header(s Sealed, to Mailing, recipient string) string {
	ev := &s.Evidence
	var b strings.Builder
	b.WriteString("Return-Path: <>\r\n") // nobody answers a report (RFC 3464 §2)
	b.WriteString("Date: " + message.FormatDate(ev.Issued.In(m.zone)) + "\r\n")
	b.WriteString(addressField("From", m.options.Name, m.options.From))
	b.WriteString(addressField("To", "", recipient))
	b.WriteString(message.FormatText("Subject", subject(ev, to)))
	b.WriteString("Message-ID: " + m.messageID(s.ID, recipient) + "\r\n")
	b.WriteString(thread(to.MessageID, to.References))
	b.WriteString("Auto-Submitted: auto-replied\r\n") // RFC 3834 §5
	f := &fields{}
	f.add("X-Letter-Number", ev.Letter.Number)
	f.add("X-Letter-Receipt", string(ev.Event))
	f.add("X-Letter-State", stateAfter(ev, to))
	f.add("X-Letter-Evidence", s.ID.String())
	b.WriteString(f.String())
	b.WriteString("MIME-Version: 1.0\r\n")
	return b.String()
}

// messageID follows from the evidence and whom the receipt is for: the two
// parties of a letter get different mails about one evidence.
func (m *Maker) messageID(id mailstore.ID, recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return fmt.Sprintf("<%s.%s@%s>", id, hex.EncodeToString(sum[:4]), m.domain)
}

func addressField(name, display, addr string) string {
	local, host := addr, ""
	if at := strings.LastIndexByte(addr, '@'); at >= 0 {
		local, host = addr[:at], addr[at+1:]
	}
	return message.FormatAddresses(name, []message.Address{{Name: oneLine(display), Mailbox: local, Host: host}})
}

// subject names event, number and the letter's own subject.
func subject(ev *Evidence, to Mailing) string {
	text := catalogue[ev.Event].subject.in(to.Language)
	if ev.Letter.Number != "" {
		text += ": " + ev.Letter.Number
	}
	if to.Subject != "" {
		text += " — " + to.Subject
	}
	return oneLine(text)
}
