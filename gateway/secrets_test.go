package gateway_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/gatewaytest"
)

// What only the clients of this test know. Each word is long and stands
// nowhere else.
const (
	rightSecret   = gatewaytest.Password + "-person"
	wrongSecret   = "wrongpassword"
	subjectSecret = "subjectsecret"
	bodySecret    = "bodysecret"
	fileSecret    = "filesecret"
	boxSecret     = "mailboxsecret"
	searchSecret  = "searchsecret"
	keywordSecret = "keywordsecret"
	commandSecret = "commandsecret"
)

// secretForms are all forms in which a secret could be repeated.
func secretForms() []string {
	forms := []string{rightSecret, wrongSecret, subjectSecret, bodySecret, fileSecret, boxSecret, searchSecret, keywordSecret, commandSecret}
	for _, pass := range []string{rightSecret, wrongSecret} {
		forms = append(forms, encode(pass), plainResponse(pass))
	}
	return append(forms, encode(bodySecret))
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// plainResponse is that of SASL PLAIN (RFC 4616 §2).
func plainResponse(pass string) string { return encode("\x00" + gatewaytest.Sender + "\x00" + pass) }

// client sends what it is told, right or wrong.
type client struct {
	t       *testing.T
	conn    *tls.Conn
	in      *bufio.Reader
	refused []string // the answers that are no success
}

func newClient(t *testing.T, g *gatewaytest.Gateway, address string) *client {
	t.Helper()
	conn, err := tls.Dial("tcp", address, g.TLS(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// say sends a line and reads up to the answer's last line, which must match.
func (c *client) say(text string, last *regexp.Regexp, want string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
	var all strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("%q: after %q: %v", text, all.String(), err)
		}
		all.WriteString(line)
		if !last.MatchString(line) {
			continue
		}
		if !strings.HasPrefix(line, want) {
			c.t.Fatalf("%q: %s, want %s", text, line, want)
		}
		if !strings.HasPrefix(line, "a OK") && !strings.HasPrefix(line, "2") && !strings.HasPrefix(line, "+") {
			c.refused = append(c.refused, all.String())
		}
		return
	}
}

var (
	lastReply  = regexp.MustCompile(`^\d{3} `)
	lastTagged = regexp.MustCompile(`^(a |\+|\* BYE|\* OK \[CAPABILITY)`)
)

func (c *client) smtp(command, want string) {
	c.t.Helper()
	c.say(command+"\r\n", lastReply, want)
}

func (c *client) imap(command, want string) {
	c.t.Helper()
	c.say("a "+command+"\r\n", lastTagged, want)
}

// secretSubmission submits letters, right and wrong ones, and returns the
// refusals.
func secretSubmission(t *testing.T, g *gatewaytest.Gateway) (refused []string) {
	c := newClient(t, g, g.SMTPS)
	c.say("", lastReply, "220")
	for _, line := range [][2]string{
		{"EHLO client.example", "250"},
		{commandSecret, "5"}, {"AUTH " + commandSecret, "504"},
		{"AUTH PLAIN " + plainResponse(wrongSecret), "535"},
		{"AUTH LOGIN", "334"}, {encode(gatewaytest.Sender), "334"}, {encode(wrongSecret), "535"},
		{"AUTH PLAIN", "334"}, {plainResponse(rightSecret), "235"},
		{"MAIL FROM:<" + gatewaytest.Sender + "> " + commandSecret, "5"},
	} {
		c.smtp(line[0], line[1])
	}
	file := []string{fileSecret + ".exe"}
	for _, letter := range []struct {
		octets []byte
		want   string
	}{
		{text(subjectSecret, bodySecret), "250"},
		{text(subjectSecret, ""), "550"}, // no text
		{text(subjectSecret+strings.Repeat("x", 150), bodySecret), "550"},
		{text(subjectSecret, bodySecret, "X-Letter-Type: "+commandSecret), "550"},
		{text(subjectSecret, bodySecret, "X-Letter-Number: "+commandSecret), "550"},
		{attach(file, []byte(bodySecret), "Subject: "+subjectSecret), "550"},
		{[]byte("Subject: " + subjectSecret + "\r\n\r\n" + bodySecret + "\n\r\n"), "550"},
		{[]byte(bodySecret), "550"},
	} {
		c.smtp("MAIL FROM:<"+gatewaytest.Sender+">", "250")
		c.smtp("RCPT TO:<"+gatewaytest.Body+">", "250")
		c.smtp("DATA", "354")
		c.smtp(string(letter.octets)+"\r\n.", letter.want)
	}
	c.smtp("QUIT", "221")
	return c.refused
}

// secretLogins are the ways to log in over IMAP, wrong ones first.
var secretLogins = [][][2]string{
	{
		{"a LOGIN " + gatewaytest.Sender + " " + wrongSecret, "a NO"},
		{"a AUTHENTICATE PLAIN " + plainResponse(wrongSecret), "a NO"},
		{"a LOGIN " + gatewaytest.Sender + " " + rightSecret, "a OK"},
	},
	{
		{"a AUTHENTICATE PLAIN", "+"}, {plainResponse(wrongSecret), "a NO"},
		{"a AUTHENTICATE PLAIN " + plainResponse(rightSecret), "a OK"},
	},
	{
		{"a AUTHENTICATE " + commandSecret + " " + plainResponse(rightSecret), "a NO"},
		{"a LOGIN " + gatewaytest.Sender + " " + rightSecret + " " + rightSecret, "a BAD"},
		{"a AUTHENTICATE PLAIN", "+"}, {plainResponse(rightSecret), "a OK"},
	},
	{
		{fmt.Sprintf("a LOGIN %s {%d}", gatewaytest.Sender, len(rightSecret)), "+"}, {rightSecret, "a OK"},
	},
}

// secretCommands are what a client may say then.
func secretCommands() [][2]string {
	letter := string(attach([]string{fileSecret + ".pdf"}, []byte(bodySecret), "Subject: "+subjectSecret))
	return [][2]string{
		{commandSecret, "a BAD"}, {"UID " + commandSecret, "a BAD"}, {"ID (\"name\" " + commandSecret, "a BAD"},
		{"CREATE " + boxSecret, "a OK"}, {"CREATE " + boxSecret, "a NO"}, {"SUBSCRIBE " + boxSecret, "a OK"},
		{"STATUS " + boxSecret + "2 (MESSAGES)", "a NO"}, {"SELECT " + boxSecret + "2", "a NO"}, {"LIST \"\" " + boxSecret, "a OK"},
		{fmt.Sprintf("APPEND %s (%s) {%d+}\r\n%s", boxSecret, keywordSecret, len(letter), letter), "a OK"},
		{fmt.Sprintf("APPEND %s2 (%s) {%d+}\r\n%s", boxSecret, keywordSecret, len(letter), letter), "a NO"},
		{"SELECT " + boxSecret, "a OK"}, {"SEARCH SUBJECT " + searchSecret, "a OK"}, {"SEARCH BODY " + searchSecret, "a OK"},
		{"SEARCH CHARSET " + commandSecret + " TEXT " + searchSecret, "a NO"}, {"SEARCH " + searchSecret, "a BAD"},
		{"FETCH 1 (ENVELOPE BODYSTRUCTURE BODY[])", "a OK"}, {"FETCH 1 " + commandSecret, "a BAD"},
		{"FETCH 1 BODY.PEEK[HEADER.FIELDS (" + commandSecret + ")]", "a OK"},
		{"STORE 1 +FLAGS (" + keywordSecret + "2)", "a OK"}, {"STORE 1 +FLAGS (\\" + keywordSecret + ")", "a BAD"},
		{"COPY 1 " + boxSecret + "2", "a NO"}, {"RENAME " + boxSecret + "2 " + boxSecret + "3", "a NO"},
		{"RENAME " + boxSecret + " " + boxSecret + "3", "a OK"}, {"DELETE " + boxSecret + "2", "a NO"},
		{"SELECT INBOX", "a OK"}, {"DELETE " + boxSecret + "3", "a OK"},
	}
}

// The same over IMAP.
func secretSession(t *testing.T, g *gatewaytest.Gateway) (refused []string) {
	for _, login := range secretLogins {
		c := newClient(t, g, g.IMAPS)
		c.say("", lastTagged, "* OK")
		for _, line := range login {
			c.say(line[0]+"\r\n", lastTagged, line[1])
		}
		for _, command := range secretCommands() {
			c.imap(command[0], command[1])
		}
		c.imap("LOGOUT", "* BYE")
		refused = append(refused, c.refused...)
	}
	return refused
}

// Whatever a client sends, right or wrong, the log at level debug and the
// refusals tell nothing of what only the client knows: invariant 10.
func TestNothingSecretInLog(t *testing.T) {
	g := gatewaytest.Start(t)
	refused := append(secretSubmission(t, g), secretSession(t, g)...)
	eventually(t, "delivery", func() bool { return len(rows(t, g, gatewaytest.Body, "INBOX")) == 1 })
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	log := g.Log()
	// The log is that of these sessions.
	for _, want := range []string{"imap command refused", "smtp command refused", "imap session ends", "account=", "letter="} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log", want)
		}
	}
	for line := range strings.Lines(log) {
		for _, secret := range secretForms() {
			if strings.Contains(strings.ToLower(line), strings.ToLower(secret)) {
				t.Errorf("%s in the log: %s", secret, line)
			}
		}
	}
	if len(refused) < 30 {
		t.Errorf("%d refusals", len(refused))
	}
	for _, reply := range refused {
		for _, secret := range secretForms() {
			// The refusal of a letter names to its sender what is wrong with it.
			if lastReply.MatchString(reply) && (secret == fileSecret || secret == commandSecret) {
				continue
			}
			if strings.Contains(strings.ToLower(reply), strings.ToLower(secret)) {
				t.Errorf("%s in a reply: %s", secret, reply)
			}
		}
	}
}
