package gateway_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"gosbridge/gateway/gatewaytest"
)

// dialSMTP logs in over implicit TLS.
func dialSMTP(t testing.TB, g *gatewaytest.Gateway, user, class string) *smtp.Client {
	t.Helper()
	conn, err := tls.Dial("tcp", g.SMTPS, g.TLS(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Auth(smtp.PlainAuth("", user, gatewaytest.Password+"-"+class, "localhost")); err != nil {
		t.Fatal(err)
	}
	return c
}

// submit sends a letter and returns the last reply.
func submit(t testing.TB, c *smtp.Client, from string, to []string, letter []byte) (code int, reply string) {
	t.Helper()
	if err := c.Mail(from); err != nil {
		return failed(t, err)
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return failed(t, err)
		}
	}
	id, err := c.Text.Cmd("DATA")
	if err != nil {
		t.Fatal(err)
	}
	c.Text.StartResponse(id)
	_, _, err = c.Text.ReadResponse(354)
	c.Text.EndResponse(id)
	if err != nil {
		return failed(t, err)
	}
	w := c.Text.DotWriter()
	if _, err := w.Write(letter); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	code, reply, err = c.Text.ReadResponse(250)
	if err != nil {
		return failed(t, err)
	}
	return code, reply
}

func failed(t testing.TB, err error) (int, string) {
	t.Helper()
	if e, ok := err.(*textproto.Error); ok {
		return e.Code, e.Msg
	}
	t.Fatal(err)
	return 0, ""
}

// dialIMAP logs in over implicit TLS.
func dialIMAP(t *testing.T, g *gatewaytest.Gateway, user, class string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(g.IMAPS, &imapclient.Options{TLSConfig: g.TLS(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login(user, gatewaytest.Password+"-"+class).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// compose makes a letter with a PDF.
func compose(t *testing.T, from, to, subject string, header ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 09:00:00 +0300\r\n", from, to, subject)
	fmt.Fprintf(&b, "Message-ID: <%d@client.example>\r\nMIME-Version: 1.0\r\n", time.Now().UnixNano())
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("Content-Type: multipart/mixed; boundary=frontier\r\n\r\n--frontier\r\n")
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nПрошу принять документ.\r\n--frontier\r\n")
	b.WriteString("Content-Type: application/pdf\r\nContent-Disposition: attachment; filename*=utf-8''%D0%98%D1%81%D0%BA.pdf\r\n")
	b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
	b.WriteString(document(t) + "\r\n--frontier--\r\n")
	return b.Bytes()
}

// document is a PDF in base64.
func document(t *testing.T) string {
	t.Helper()
	pdf, err := os.ReadFile("../testdata/documents/act.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return lines(pdf)
}

// lines is base64 in lines of 76.
func lines(content []byte) string {
	var b strings.Builder
	text := base64.StdEncoding.EncodeToString(content)
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text
}

// eventually waits for a condition that another part of the gateway brings
// about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

// flags are those of the newest message of a mailbox; nil when it is empty.
func flags(t *testing.T, c *imapclient.Client, box string) []imap.Flag {
	t.Helper()
	sel, err := c.Select(box, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	if sel.NumMessages == 0 {
		return nil
	}
	msgs, err := c.Fetch(imap.SeqSetNum(sel.NumMessages), &imap.FetchOptions{Flags: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	return msgs[0].Flags
}

func has(list []imap.Flag, f imap.Flag) bool {
	for _, have := range list {
		if have == f {
			return true
		}
	}
	return false
}
