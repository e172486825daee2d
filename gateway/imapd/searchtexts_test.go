package imapd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime"
	"mime/quotedprintable"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/text/encoding/charmap"

	"gosbridge/gateway/message"
	"gosbridge/gateway/searchtext"
	"gosbridge/mailstore"
)

// searchWords are what odd messages are made of, and what is searched for.
var searchWords = []string{
	"приказ", "ПРИКАЗ", "Йошкар-Ола", "И\u0306ошкар", "ёлка", "café", "cafe\u0301", "İstanbul", "straße", "ΣΊΣΥΦΟΣ", "report", "REPORT",
	"a", "п", "x: y", "from: x", "=?utf-8?q?from:?=", "два слова", "\u00a0", "100%", "<b>", "&amp;", "--", "\u200b", "日本語", "\U0001F4E7",
}

// mailMaker makes odd messages.
type mailMaker struct{ *rand.Rand }

func (r mailMaker) word() string { return searchWords[r.IntN(len(searchWords))] }

func (r mailMaker) words(n int) string {
	var list []string
	for range n {
		list = append(list, r.word())
	}
	return strings.Join(list, [...]string{" ", "  ", "\r\n", "", ", "}[r.IntN(5)])
}

// header is one header line or what is none.
func (r mailMaker) header() string {
	names := []string{"From", "from", "To", "Cc", "Subject", "SUBJECT", "Subject ", "X-Odd", "Received", "X-=?utf-8?q?a?=", "From:", "Bcc", "References"}
	text := strings.ReplaceAll(r.words(1+r.IntN(3)), "\r\n", "\r\n ")
	switch r.IntN(8) {
	case 0:
		text = mime.QEncoding.Encode("utf-8", strings.ReplaceAll(text, "\r\n", ""))
	case 1:
		text = mime.BEncoding.Encode("utf-8", strings.ReplaceAll(text, "\r\n", ""))
	case 2:
		if raw, err := charmap.Windows1251.NewEncoder().String("приказ 7"); err == nil {
			text = raw
		}
	case 3:
		text = ""
	case 4:
		return text + "\r\n" // no field
	}
	return names[r.IntN(len(names))] + ": " + text + "\r\n"
}

// entity is a MIME entity with its header.
func (r mailMaker) entity(depth int) string {
	if depth < 3 && r.IntN(4) == 0 {
		return r.multipart(depth)
	}
	kind := [...]string{"text/plain", "text/html", "text/csv", "application/octet-stream", "TEXT/Plain", "message/rfc822", "text"}[r.IntN(7)]
	text := r.words(r.IntN(12))
	if r.IntN(24) == 0 {
		text = strings.Repeat(text+" filling\r\n", 66_000/(len(text)+8)) + r.word() // more than is kept
	}
	if kind == "message/rfc822" {
		text = r.header() + "\r\n" + text
	}
	charset := "utf-8"
	if r.IntN(4) == 0 {
		if raw, err := charmap.KOI8R.NewEncoder().String("Приказ, ёлка и отчёт"); err == nil {
			text, charset = raw, "koi8-r"
		}
	}
	encoding := "8bit"
	switch r.IntN(4) {
	case 0:
		encoding = "base64"
		coded := base64.StdEncoding.EncodeToString([]byte(text))
		for text = ""; len(coded) > 76; coded = coded[76:] {
			text += coded[:76] + "\r\n"
		}
		text += coded
	case 1:
		encoding = "quoted-printable"
		var b strings.Builder
		w := quotedprintable.NewWriter(&b)
		fmt.Fprint(w, text)
		w.Close()
		text = b.String()
	}
	return "Content-Type: " + kind + "; charset=" + charset + "\r\nContent-Transfer-Encoding: " + encoding + "\r\n\r\n" + text
}

func (r mailMaker) multipart(depth int) string {
	boundary := fmt.Sprintf("b%d", depth)
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%s\r\n\r\npreamble %s\r\n", boundary, r.word())
	for range r.IntN(4) {
		b.WriteString("--" + boundary + "\r\n" + r.entity(depth+1) + "\r\n")
	}
	if r.IntN(5) > 0 {
		b.WriteString("--" + boundary + "--\r\nepilogue " + r.word())
	}
	return b.String()
}

func (r mailMaker) message() string {
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(r.header())
	}
	switch r.IntN(15) {
	case 0:
		return b.String() // no body
	case 1:
		b.WriteString("X-Long: " + strings.Repeat("long \r\n ", 6000) + r.word() + "\r\n") // more than is kept
	case 2:
		return r.words(5) // no header
	}
	return b.String() + r.entity(0)
}

// keys are search keys that look into messages.
func (r mailMaker) keys(depth int) string {
	quote := func(s string) string { return fmt.Sprintf("{%d+}\r\n%s", len(s), s) }
	if depth < 2 {
		switch r.IntN(8) {
		case 0:
			return "NOT " + r.keys(depth+1)
		case 1:
			return "OR " + r.keys(depth+1) + " " + r.keys(depth+1)
		case 2:
			return "(" + r.keys(depth+1) + " " + r.keys(depth+1) + ")"
		}
	}
	needle := r.word()
	switch r.IntN(6) {
	case 0: // a part of a word
		runes := []rune(needle)
		needle = string(runes[r.IntN(len(runes)):])
	case 1:
		needle = r.words(2)
	case 2:
		needle = [...]string{"", "7", "filling", "отчёт", "from: ", "subject", "\n", "x"}[r.IntN(8)]
	}
	switch r.IntN(9) {
	case 0, 1, 2:
		return "BODY " + quote(needle)
	case 3, 4:
		return "TEXT " + quote(needle)
	case 5:
		return [...]string{"SEEN", "FLAGGED", "1:14", "LARGER 500", "SENTSINCE 1-Jan-2020"}[r.IntN(5)]
	case 6:
		name := [...]string{"x-odd", "Received", "from", "X-None", "x-=?utf-8?q?a?=", "\"\"", "x-long", "\"From: x\"", "cc", "\"\u017fubject\""}[r.IntN(10)]
		return "HEADER " + name + " " + quote(needle)
	}
	return [...]string{"FROM", "TO", "CC", "BCC", "SUBJECT"}[r.IntN(5)] + " " + quote(needle)
}

// TestSearchTextsSame: a search gives the same hits by the texts that are kept
// as by reading the messages, whatever the messages and the keys. Half of the
// messages have their text, then all.
func TestSearchTextsSame(t *testing.T) {
	for seed := range uint64(3) {
		r := mailMaker{rand.New(rand.NewPCG(seed, 7))}
		w := newWorld(t, setup{config: func(c *Config) { c.HeaderOctets = 45_000 }})
		for range 24 {
			w.deliver("INBOX", strings.ReplaceAll(r.message(), "%d", "d"))
		}
		w.flag("INBOX", imap.UIDSetNum(2, 5, 7, 11, 20), addFlag(mailstore.Seen|mailstore.Flagged))
		l := w.selected("INBOX")
		var keys []string
		for range 50 {
			keys = append(keys, r.keys(0))
		}
		answers := func() (list []string) {
			for _, k := range keys {
				got, tagged := l.do("SEARCH " + k)
				if !strings.HasPrefix(tagged, "OK") {
					t.Fatalf("SEARCH %q: %s", k, tagged)
				}
				list = append(list, strings.Join(got, "|"))
			}
			return list
		}
		want := answers()
		w.indexSome(12)
		half := answers()
		w.index()
		all := answers()
		hits := 0
		for i, k := range keys {
			if want[i] != half[i] || want[i] != all[i] {
				t.Errorf("SEARCH %q\nread: %s\nhalf kept: %s\nall kept: %s", k, want[i], half[i], all[i])
			}
			if want[i] != "* SEARCH" {
				hits++
			}
		}
		if hits < len(keys)/4 {
			t.Errorf("only %d of %d searches found anything", hits, len(keys))
		}
	}
}

// indexSome makes the texts of the first n messages that have none.
func (w *world) indexSome(n int) {
	w.t.Helper()
	ctx := context.Background()
	lacking, err := w.store.Texts().Settle(ctx, w.account.ID, n)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, row := range lacking {
		var m mailstore.Message
		err := w.store.View(ctx, w.account.ID, func(tx mailstore.Tx) error {
			for found, err := range tx.Messages(row.Mailbox, imap.UIDSetNum(row.UID), mailstore.FieldSummary|mailstore.FieldContent) {
				if err != nil {
					return err
				}
				m = *found
			}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		sum, err := message.DecodeSummary(m.Summary)
		if err != nil {
			w.t.Fatal(err)
		}
		r, err := m.Content.Open(ctx, w.store.Bodies(), 0)
		if err != nil {
			w.t.Fatal(err)
		}
		text := mailstore.Text{Account: w.account.ID, EmailID: row.EmailID}
		text.Head, text.Body, err = searchtext.Extract(r, sum.HeaderSize())
		r.Close()
		if err != nil {
			w.t.Fatal(err)
		}
		if err := w.store.Texts().Put(ctx, []mailstore.Text{text}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestSearchTextsUsed: by the texts a search opens no body, so it is answered
// when there is none to open. What the text does not tell is read.
func TestSearchTextsUsed(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	w.deliver("INBOX", "Subject: long\r\n\r\n"+strings.Repeat("filling ", 20_000)+"the end\r\n")
	w.index()
	w.bodies.fail.Store(true)
	l := w.selected("INBOX")
	l.want("SEARCH 1 BODY second", "OK", "* SEARCH 1")
	l.want("SEARCH 1 BODY absent", "OK", "* SEARCH")
	l.want("SEARCH 1 TEXT absent", "OK", "* SEARCH")
	l.want("SEARCH HEADER X-Odd absent", "OK", "* SEARCH")
	l.want("SEARCH NOT BODY filling", "OK", "* SEARCH 1")
	l.want("SEARCH 2 BODY \"the end\"", "NO")
	w.bodies.fail.Store(false)
	l.want("SEARCH BODY \"the end\"", "OK", "* SEARCH 2")
}

// TestSearchTextsBehind: while messages come, go and move, and texts follow
// behind, a search finds exactly what is there.
func TestSearchTextsBehind(t *testing.T) {
	w := newWorld(t, setup{})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := searchtext.NewIndexer(w.store, nil).Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() { // beside the one that runs, as an operator's rebuild is
		for ctx.Err() == nil {
			if err := searchtext.NewIndexer(w.store, nil).Rebuild(ctx, w.account.ID); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	defer wg.Wait()
	defer cancel()
	l := w.selected("INBOX")
	other := w.selected("Trash")
	for i := range 40 {
		uid := w.deliver("INBOX", fmt.Sprintf("Subject: number %d.\r\n\r\nThe body %d.\r\n", i, i))
		l.ok("NOOP")
		for _, key := range []string{"BODY \"body %d.\"", "SUBJECT \"number %d.\"", "TEXT \"number %d.\""} {
			l.want(fmt.Sprintf("UID SEARCH "+key, i), "OK", fmt.Sprintf("* SEARCH %d", uid))
		}
		if i%3 == 0 {
			l.ok(fmt.Sprintf("UID MOVE %d Trash", uid))
			other.ok("NOOP")
			got, _ := other.do(fmt.Sprintf("UID SEARCH BODY \"body %d.\"", i))
			if len(got) != 1 || got[0] == "* SEARCH" {
				t.Errorf("a message that was moved: %q", got)
			}
			l.want(fmt.Sprintf("UID SEARCH BODY \"body %d.\"", i), "OK", "* SEARCH")
		}
	}
}

// TestSearchTurn: as many searches as there are processors look into messages
// at a time; another waits, until one of them has done a batch, or its
// connection or the server ends.
func TestSearchTurn(t *testing.T) {
	w := newWorld(t, setup{})
	w.deliver("INBOX", plainMail)
	open := func() *stream { return &stream{gone: make(chan struct{}), raw: new(net.TCPConn)} }
	var releases []func()
	for range cap(w.server.searches) {
		release, err := w.server.searchTurn(t.Context(), open())
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.server.searchTurn(over, open()); !errors.Is(err, context.Canceled) {
		t.Errorf("a server that ends: %v", err)
	}
	st := open()
	waits := make(chan error)
	go func() {
		_, err := w.server.searchTurn(t.Context(), st)
		waits <- err
	}()
	st.Cut()
	st.Cut()
	var fatal *ended
	if err := <-waits; !errors.As(err, &fatal) {
		t.Errorf("a connection that is cut: %v", err)
	}
	l := w.selected("INBOX")
	l.ok("SEARCH SEEN")                // looks into no message
	l.send("a SEARCH BODY second\r\n") // waits
	other := w.selected("INBOX")
	other.ok("NOOP")
	releases[0]()
	got, tagged := l.until("a")
	if !strings.HasPrefix(tagged, "OK") || len(got) != 1 || got[0] != "* SEARCH 1" {
		t.Errorf("after its turn came: %q %s", got, tagged)
	}
	for _, release := range releases[1:] {
		release()
	}
	if _, err := w.server.searchTurn(t.Context(), st); !errors.As(err, &fatal) {
		t.Errorf("a connection that was cut before: %v", err)
	}
	if n := len(w.server.searches); n != 0 {
		t.Errorf("%d turns are not given back", n)
	}
}
