package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"gosbridge/certs"
	"gosbridge/certs/cms"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/installation"
)

// demoPatience bounds each wait of the demonstration.
const demoPatience = 20 * time.Second

// demonstration sends a registered letter through the running gateway as two
// mail programs would, and tells what they see.
type demonstration struct {
	site   site
	out    io.Writer
	client *tls.Config
	verify *cms.Verifier
	number string
	step   int
	// fetch reads a message whole, which opens it unless peek.
	fetch func(c *imapclient.Client, uid imap.UID, peek bool) ([]byte, error)
}

func newDemonstration(s site, out io.Writer) *demonstration {
	return &demonstration{site: s, out: out, fetch: fetch}
}

// say writes one step as it happened.
func (d *demonstration) say(format string, args ...any) {
	d.step++
	fmt.Fprintf(d.out, "%2d. %s  %s\n", d.step, time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// run goes the whole way; the first step that fails ends it.
func (d *demonstration) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*demoPatience)
	defer cancel()
	if err := d.trust(); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nA registered letter goes through:\n")
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"send", d.send}, {"hold and delivery", d.follow}, {"read", d.read}, {"receipts", d.receipts},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	fmt.Fprintf(d.out, "The letter went through.\n")
	return nil
}

// trust loads the authority, as a mail program that was told to trust it.
func (d *demonstration) trust() error {
	store, err := certs.LoadTrustStore(0, []string{d.site.CA}, nil)
	if err != nil {
		return err
	}
	d.client = &tls.Config{RootCAs: store.Pool(certs.Listener), ServerName: "localhost", MinVersion: tls.VersionTLS12}
	d.verify = cms.NewVerifier(store, certs.Signing)
	return nil
}

// login finds a password that the folder keeps.
func (d *demonstration) login(address string) (installation.Login, error) {
	l, ok := installation.Installation{Logins: d.site.Accounts}.Login(address, auth.Person)
	if !ok {
		return l, fmt.Errorf("no password of %s in this folder", address)
	}
	return l, nil
}

// send submits the letter over SMTP with TLS.
func (d *demonstration) send(context.Context) (err error) {
	who, err := d.login(demoSender)
	if err != nil {
		return err
	}
	dial := smtp.DialTLS
	if d.site.Ports["smtps"] == 0 {
		dial = smtp.DialStartTLS
	}
	c, err := dial(d.site.submission(), d.client)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SubmissionTimeout = demoPatience
	if err := c.Auth(sasl.NewPlainClient("", who.Address, who.Password)); err != nil {
		return err
	}
	d.say("logged in at %s as %s", d.site.submission(), who.Address)
	letter, err := demoLetter(time.Now())
	if err != nil {
		return err
	}
	if err := c.Mail(demoSender, nil); err != nil {
		return err
	}
	if err := c.Rcpt(demoBody, nil); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(letter); err != nil {
		return err
	}
	answer, err := w.CloseWithResponse()
	if err != nil {
		return err
	}
	d.say("sent %d octets with a PDF to %s: 250 %s", len(letter), demoBody, answer.StatusText)
	return d.found(answer.StatusText)
}

// found reads the number out of the reply.
func (d *demonstration) found(reply string) error {
	for _, word := range strings.FieldsFunc(reply, func(r rune) bool { return r == ' ' || r == ';' }) {
		if strings.HasPrefix(word, "GP-") {
			d.number = word
			return nil
		}
	}
	return fmt.Errorf("no letter number in the reply %q", reply)
}

// imap logs a person in.
func (d *demonstration) imap(address string) (*imapclient.Client, error) {
	who, err := d.login(address)
	if err != nil {
		return nil, err
	}
	dial := imapclient.DialTLS
	if d.site.Ports["imaps"] == 0 {
		dial = imapclient.DialStartTLS
	}
	c, err := dial(d.site.imap(), &imapclient.Options{TLSConfig: d.client})
	if err != nil {
		return nil, err
	}
	if err := c.Login(who.Address, who.Password).Wait(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// follow watches the sent letter in the sender's mailbox until it is
// delivered.
func (d *demonstration) follow(ctx context.Context) (err error) {
	c, err := d.imap(demoSender)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	state, err := d.state(ctx, c, "Letter-Held")
	if err != nil {
		return err
	}
	d.say("in Sent it is marked %s: it can be taken back for %s (as shipped: 5m), then it goes out", state, demoHold)
	if state, err = d.state(ctx, c, "Letter-Delivered"); err != nil {
		return err
	}
	d.say("in Sent it is marked %s", state)
	return nil
}

// state waits until the sent letter carries a keyword.
func (d *demonstration) state(ctx context.Context, c *imapclient.Client, keyword imap.Flag) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	if _, err := c.Select("Sent", nil).Wait(); err != nil {
		return "", err
	}
	for {
		uids, err := d.search(c, "X-Letter-Number")
		if err != nil {
			return "", err
		}
		if len(uids) != 1 {
			return "", fmt.Errorf("%d letters %s in Sent", len(uids), d.number)
		}
		msgs, err := c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{Flags: true, UID: true}).Collect()
		if err != nil {
			return "", err
		}
		var shown []string
		for _, m := range msgs {
			for _, f := range m.Flags {
				if strings.HasPrefix(string(f), "Letter-") {
					shown = append(shown, string(f))
				}
				if f == keyword {
					return string(f), nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waited in vain for %s, it is marked %v", keyword, shown)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// search finds messages by the letter's number in a header field.
func (d *demonstration) search(c *imapclient.Client, field string) ([]imap.UID, error) {
	res, err := c.UIDSearch(&imap.SearchCriteria{
		Header: []imap.SearchCriteriaHeaderField{{Key: field, Value: d.number}},
	}, nil).Wait()
	if err != nil {
		return nil, err
	}
	return res.AllUIDs(), nil
}
