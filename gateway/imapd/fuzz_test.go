package imapd

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/imapd/wire"
	"gosbridge/mailstore"
)

// parserSession reads one command's arguments from text, without a client.
func parserSession(text string) *session {
	cfg := Defaults()
	s := &session{srv: &Server{room: NoMailroom{}}, cfg: &cfg}
	s.r = wire.NewReader(strings.NewReader(text+"\r\n"), s.limits(), func() error { return nil })
	return s
}

// FuzzFetchItems: whatever is read has a bounded number of items, each with a
// label that a client can read again.
func FuzzFetchItems(f *testing.F) {
	for _, s := range []string{"ALL", "(FLAGS UID)", "BODY[1.2.HEADER.FIELDS (a \"b c\")]<0.5>", "(BODY.PEEK[]<1.2> RFC822.TEXT MODSEQ)", "BODY[1.MIME]", "(BINARY.PEEK[1.2]<0.5> BINARY.SIZE[] BINARY[1])"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := parserSession(text)
		if s.r.Next() != nil {
			return
		}
		p := s.readPlan()
		s.r.EOL()
		if s.r.Err() != nil {
			return
		}
		if len(p.items) == 0 || len(p.items) > s.cfg.FetchItems {
			t.Fatalf("%q: %d items", text, len(p.items))
		}
		for _, it := range p.items {
			if it.kind != itemSection {
				continue
			}
			again := it.section.label
			if it.section.partial {
				again = strings.TrimSuffix(again, ">") + ".1>"
			}
			back := parserSession(again)
			if back.r.Next() == nil {
				back.readPlan()
				if back.r.EOL(); back.r.Err() != nil {
					t.Errorf("%q: label %q cannot be read: %v", text, again, back.r.Err())
				}
			}
		}
	})
}

// FuzzSearch: whatever is read can be asked of a message.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{"ALL", "CHARSET KOI8-R OR (FROM a) NOT 1:*", "MODSEQ \"/flags/x\" all 5", "HEADER a b LARGER 5 ON 1-Jan-2026", "BODY \"x\" TEXT {1}\r\ny", "RETURN (MIN SAVE) CHARSET UTF-8 $ NOT UID $"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := parserSession(text)
		if s.r.Next() != nil {
			return
		}
		p := &searchParser{s: s}
		keys := p.readSearch()
		s.r.EOL()
		if s.r.Err() != nil {
			return
		}
		s.view = &view{uids: []mailstore.UID{1, 5, 9}, loaded: true}
		if s.prepareSearch(p) != nil {
			return
		}
		m := &mailstore.Message{UID: 5, Summary: indexed(t, plainMail)}
		all(keys)(&candidate{s: s, m: m})
	})
}

// FuzzResolve: spans ascend, lie apart and within the mailbox, and hold what
// the set holds.
func FuzzResolve(f *testing.F) {
	f.Add("1:3,2,*", uint8(5), true)
	f.Add("$", uint8(4), false)
	f.Add("4:*,9", uint8(3), false)
	f.Fuzz(func(t *testing.T, text string, n uint8, uid bool) {
		s := parserSession(text)
		if s.r.Next() != nil {
			return
		}
		set := s.r.Set()
		if s.r.Err() != nil {
			return
		}
		v := &view{loaded: true, saved: mailstore.UIDSet{{Start: 2, Stop: 6}, {Start: 9, Stop: 9}}}
		for i := range uint32(n) {
			v.uids = append(v.uids, mailstore.UID(i*3+2))
		}
		spans, err := v.resolve(set, uid)
		if err != nil {
			return
		}
		end := -1
		for _, sp := range spans {
			if sp.from <= end || sp.from >= sp.to || sp.to > int(n) {
				t.Fatalf("%q of %d: %v", text, n, spans)
			}
			end = sp.to
		}
		head, rest := cut(spans, 2)
		if count(head)+count(rest) != count(spans) || count(head) > 2 {
			t.Errorf("%v cut into %v and %v", spans, head, rest)
		}
	})
}

// FuzzName: a name that is taken has one form, which goes to clients of both
// kinds and comes back.
func FuzzName(f *testing.F) {
	for _, s := range []string{"INBOX", "inbox/a&b", "Письма", "и\u0306/", "a\u2028", "&BB8-", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		name, err := normalName(given)
		if err != nil {
			return
		}
		if again, err := normalName(name); err != nil || again != name || oldName(name, name) != "" {
			t.Fatalf("%q is %q, and then %q, %v", given, name, again, err)
		}
		for _, enabled := range []bool{false, true} {
			var out bytes.Buffer
			w := wire.NewWriter(&out, &wire.Buffers{})
			if enabled {
				w.UTF8()
			}
			w.Mailbox(name).CRLF()
			w.Flush()
			if !enabled && eightBitQuoted(out.String()) {
				t.Errorf("%q is sent as %q", name, out.String())
			}
			r := wire.NewReader(&out, wire.Limits{Command: 4096, Literal: 4096, Ranges: 1}, func() error { return nil })
			if enabled {
				r.UTF8()
			}
			if err := r.Next(); err != nil {
				t.Fatal(err)
			}
			if got := r.Mailbox(); got != name || r.Err() != nil {
				t.Errorf("%q comes back as %q, %v", name, got, r.Err())
			}
		}
	})
}

// FuzzPattern: "*" matches all, a name matches itself, "%" no delimiter.
func FuzzPattern(f *testing.F) {
	f.Add("a%b*", "a/b/c")
	f.Fuzz(func(t *testing.T, text, name string) {
		matched := newPattern(text).matches(name)
		if !strings.ContainsAny(text, "*%") && matched != (newPattern(text).text == name) {
			t.Errorf("%q %q: %v", text, name, matched)
		}
		if !newPattern("*").matches(name) || newPattern("%").matches(name) == strings.Contains(name, "/") {
			t.Errorf("wildcards on %q", name)
		}
	})
}

// FuzzSession feeds a whole session: it ends, and answers in lines.
func FuzzSession(f *testing.F) {
	w := newWorld(f, setup{config: func(c *Config) {
		c.ReadTimeout, c.IdleTimeout, c.WriteTimeout = 5*time.Second, 5*time.Second, 5*time.Second
		c.AppendOctets = 1000
	}})
	w.deliver("INBOX", plainMail)
	w.deliver("INBOX", multiMail)
	f.Add("a FETCH 1:* (ENVELOPE BODY[])\r\nb NOOP\r\n")
	f.Add("a SEARCH TEXT x\r\nb STORE 1 +FLAGS (\\Seen)\r\nc COPY 1 Trash\r\nd EXPUNGE\r\n")
	f.Add("a APPEND INBOX (x) {3+}\r\nabc\r\nb IDLE\r\nDONE\r\nc STATUS INBOX (MESSAGES)\r\nd LIST \"\" %\r\n")
	f.Add("a ENABLE IMAP4rev2 UTF8=ACCEPT\r\nb SELECT inbox\r\nc SEARCH TEXT \"я\"\r\nd CREATE \"и\u0306&\"\r\ne RENAME \"й&\" \"&-\"\r\nf LIST \"\" (\"&%\")\r\n")
	f.Add("a CREATE {1}\r\nx\r\nb RENAME x y\r\nc DELETE y\r\nd ID NIL\r\ne ENABLE CONDSTORE\r\nf UID FETCH 1:* FLAGS (CHANGEDSINCE 1)\r\n")
	f.Fuzz(func(t *testing.T, input string) {
		client, server := net.Pipe()
		ses := w.server.newSession(t.Context(), w.server.cfg.Load(), w.entry(t), server, Mode{TLS: NoTLS, Plaintext: true}, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			defer ses.end()
			ses.run() // its error is the end of the input
		}()
		answers := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(client) // until the server closes
			answers <- string(all)
		}()
		client.SetWriteDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(client, "0 LOGIN u secret\r\n1 SELECT INBOX\r\n"+input+"\r\nDONE\r\nz LOGOUT\r\n")
		select {
		case <-done:
		case <-time.After(8 * time.Second):
			client.Close() // it waits for the rest of a literal
			<-done
		}
		client.Close()
		if all := <-answers; !strings.HasPrefix(all, "* OK ") || !strings.HasSuffix(all, "\r\n") {
			t.Errorf("%q: answered %q", input, all)
		}
	})
}
