package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"gosbridge/certs"
	"gosbridge/certs/smime"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
)

//go:embed demo/appeal.pdf
var demoPDF []byte

// demoLetter is a letter as a mail program writes it.
func demoLetter(at time.Time) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(message.FormatAddresses("From", []message.Address{{Name: "Иванов Иван Иванович", Mailbox: "ivanov", Host: "romashka.example"}}))
	b.WriteString(message.FormatAddresses("To", []message.Address{{Name: "Учебная инспекция № 1", Mailbox: "office", Host: "inspection.example"}}))
	b.WriteString(message.FormatText("Subject", "Обращение о выдаче разрешения"))
	fmt.Fprintf(&b, "Date: %s\r\nMessage-ID: %s\r\n", message.FormatDate(at), message.NewMessageID("romashka.example"))
	b.WriteString("MIME-Version: 1.0\r\nX-Letter-Type: registered\r\n")
	const boundary = "quickstart-boundary"
	b.WriteString("Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n")
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	encode(&b, []byte("Прошу рассмотреть приложенное обращение.\r\n"))
	b.WriteString("\r\n--" + boundary + "\r\n")
	b.WriteString(message.FormatParams("Content-Type", "application/pdf"))
	b.WriteString(message.FormatParams("Content-Disposition", "attachment", "filename", "Обращение.pdf"))
	b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	encode(&b, demoPDF)
	b.WriteString("\r\n--" + boundary + "--\r\n")
	return b.Bytes(), nil
}

// encode writes base64 in lines (RFC 2045 §6.8).
func encode(b *bytes.Buffer, data []byte) {
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
}

// fetch reads one message whole, which opens it unless peek.
func fetch(c *imapclient.Client, uid imap.UID, peek bool) ([]byte, error) {
	section := &imap.FetchItemBodySection{Peek: peek}
	msgs, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		return nil, err
	}
	if len(msgs) != 1 {
		return nil, fmt.Errorf("message %d is gone", uid)
	}
	return msgs[0].FindBodySection(section), nil
}

// read opens the letter as the recipient and checks its signature.
func (d *demonstration) read(ctx context.Context) (err error) {
	c, err := d.imap(demoBody)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		return err
	}
	uids, err := d.search(c, "X-Letter-Number")
	if err != nil {
		return err
	}
	if len(uids) != 1 {
		return fmt.Errorf("%d letters %s in INBOX of %s", len(uids), d.number, demoBody)
	}
	letter, err := d.fetch(c, uids[0], false)
	if err != nil {
		return err
	}
	d.say("%s opened it in INBOX: %d octets", demoBody, len(letter))
	report, err := d.signature(ctx, letter)
	if err != nil {
		return err
	}
	if !report.Valid() {
		return fmt.Errorf("signature of the letter: %s %s", report.Reason, report.Detail)
	}
	d.say("its signature is %s: %s", report.Reason, report.Certificate.Subject.CommonName)
	return nil
}

// signature verifies the multipart/signed of a letter.
func (d *demonstration) signature(ctx context.Context, letter []byte) (certs.Report, error) {
	p := message.NewParser(message.Limits{})
	if _, err := p.Write(letter); err != nil {
		return certs.Report{}, err
	}
	root := p.Close().Root
	if smime.KindOf(root.MediaType, root.Params) != smime.Multipart || len(root.Children) != 2 {
		return certs.Report{}, errors.New("the letter is not signed")
	}
	signed, sig := root.Children[0], root.Children[1]
	der, err := smime.Decode(io.NewSectionReader(bytes.NewReader(letter), sig.BodyOffset, sig.BodySize), sig.Encoding)
	if err != nil {
		return certs.Report{}, err
	}
	first := smime.Range{Offset: signed.HeaderOffset, Size: signed.BodyOffset - signed.HeaderOffset + signed.BodySize}
	return smime.Verify(ctx, d.verify, bytes.NewReader(letter), first, der, time.Now())
}

// demoReceipts are those that the sender of the demonstration's letter gets.
var demoReceipts = []receipt.Event{receipt.SubmissionAcceptance, receipt.ContentConsignment, receipt.ContentHandover}

// receipts waits for the receipts in the sender's mailbox and checks each.
func (d *demonstration) receipts(ctx context.Context) (err error) {
	c, err := d.imap(demoSender)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := d.state(ctx, c, "Letter-Opened"); err != nil {
		return err
	}
	d.say("in Sent it is marked Letter-Opened")
	if _, err := c.Select("Receipts", nil).Wait(); err != nil {
		return err
	}
	uids, err := d.search(c, "X-Letter-Number")
	if err != nil {
		return err
	}
	seen := map[receipt.Event]bool{}
	for _, uid := range uids {
		event, err := d.receipt(ctx, c, uid)
		if err != nil {
			return err
		}
		seen[event] = true
	}
	for _, want := range demoReceipts {
		if !seen[want] {
			return fmt.Errorf("no receipt %s", want)
		}
	}
	return nil
}

// receipt checks one receipt: its signature, and that it is of this letter.
func (d *demonstration) receipt(ctx context.Context, c *imapclient.Client, uid imap.UID) (receipt.Event, error) {
	mail, err := d.fetch(c, uid, true)
	if err != nil {
		return "", err
	}
	opened, err := receipt.Open(bytes.NewReader(mail))
	if err != nil {
		return "", err
	}
	report, err := d.verify.Verify(ctx, opened.Signature, bytes.NewReader(opened.Entity), time.Now())
	if err != nil {
		return "", err
	}
	ev := opened.Evidence.Evidence
	if !report.Valid() || ev.Letter.Number != d.number {
		return "", fmt.Errorf("receipt %s of letter %q: signature %s %s", ev.Event, ev.Letter.Number, report.Reason, report.Detail)
	}
	d.say("receipt %s of %s: signature %s (%s)", ev.Event, ev.At.Local().Format("15:04:05.000"), report.Reason, report.Certificate.Subject.CommonName)
	return ev.Event, nil
}
