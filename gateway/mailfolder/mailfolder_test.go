package mailfolder

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gosbridge/mailstore"
)

// letter is a message as a test compares it.
type letter struct {
	Message
	octets string
}

var day = time.Date(2026, 11, 28, 19, 5, 7, 0, time.FixedZone("", 3*3600))

// odd are messages that a format could change.
func odd() []letter {
	octets := []string{
		"Subject: usual\r\n\r\nbody\r\n",
		"",
		"\r\n",
		"\n",
		"\r",
		"x",
		"Subject: no end",
		"Subject: no body\r\n",
		"Subject: empty body\r\n\r\n",
		"Subject: blank lines\r\n\r\n\r\n\r\n\r\n",
		"Subject: blank lines of unix\n\n\n\n",
		"\r\nno header\r\n",
		" begins with a space\r\n\r\nx\r\n",
		"From at the start\r\n\r\nFrom here\r\n>From there\r\n>>From >From\r\n\r\nFrom MAILER-DAEMON Sat Nov 28 16:05:07 2026\r\n> From\r\n>Fro",
		"Subject: end quoted\r\n\r\n>From ",
		"Subject: quotes alone\r\n>\r\n>",
		"Subject: unix\n\nFrom x\n\nFrom x Sat Nov 28 16:05:07 2026\nbody\n",
		"Subject: mixed\r\n\r\na\nb\rc\r\n\r\r\n\n",
		"Status: RO\r\nX-Status: AFTD\r\nX-Keywords: own\r\nX-Mbox-Octets: 3\r\nX-UID: 7\r\nStatus: U\r\n\r\nbody\r\n",
		"Status: O\r\nX-Status: \r\nX-Keywords: \r\nX-Mbox-Octets: 3\r\n\r\nbody\r\n",
		"Subject: \xd0\xbf\xd1\x80\xff\xfe\r\n\r\n\x00\x80\xff\r\n",
		"Subject: long\r\n\r\n" + strings.Repeat("a", 200_000) + "\r\n" + strings.Repeat(">", 65535) + "From \r\n" + strings.Repeat(">", 65536) + "From \r\n" + strings.Repeat(">", 70_000) + "x\r\n",
		strings.Repeat("no end of header ", 20_000),
		"Subject: five MiB\r\n\r\n" + strings.Repeat(strings.Repeat("0123456789abcdef", 4)+"\r\n", 5<<20/66),
	}
	var all []letter
	for i, o := range octets {
		m := Message{Flags: mailstore.Flags(i % 32), Received: day.Add(time.Duration(i) * time.Hour)}
		if i%3 == 1 {
			m.Keywords = []string{"$Forwarded", "Работа"}[:1+i%2]
		}
		all = append(all, letter{m, o})
	}
	return all
}

// names are of mailboxes that a file cannot have.
var names = []string{"INBOX", "INBOX/Sub", "Дела/2026/№ 5", "a.b/c\\2e.d", ".hidden", "R&D", "cur", "~", "Mailbox-10", strings.Repeat("ж", 240)}

// formats are the writers with their readers.
var formats = []struct {
	name  string
	write func(*os.Root) Writer
	open  func(fs.FS) (*Tree, error)
}{
	{"maildir", func(r *os.Root) Writer { return NewMaildirWriter(r, day) }, OpenMaildir},
	{"mbox", NewMboxWriter, OpenMbox},
}

func root(t *testing.T) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// read reads all messages of a folder.
func read(t *testing.T, tree *Tree, f Folder) (list []letter) {
	t.Helper()
	for e, err := range tree.Messages(f) {
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		octets, err := io.ReadAll(e.Octets)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		list = append(list, letter{e.Message, string(octets)})
	}
	return list
}

// same reports what differs between messages.
func same(t *testing.T, got, want []letter) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.octets != w.octets {
			t.Errorf("message %d: %d octets %.300q, want %d %.300q", i, len(g.octets), g.octets, len(w.octets), w.octets)
		}
		if g.Flags != w.Flags || !slices.Equal(g.Keywords, w.Keywords) || !g.Received.Equal(w.Received) {
			t.Errorf("message %d: %+v, want %+v", i, g.Message, w.Message)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, format := range formats {
		t.Run(format.name, func(t *testing.T) {
			dir := root(t)
			w := format.write(dir)
			for i, name := range names {
				renamed, err := w.Begin(name, i%2 == 0)
				if err != nil || renamed != (len(name) > 400) {
					t.Fatalf("%s: renamed %t, %v", name, renamed, err)
				}
				for _, m := range odd()[i:] {
					if dropped, err := w.Add(m.Message, int64(len(m.octets)), strings.NewReader(m.octets)); err != nil || dropped != 0 {
						t.Fatal(dropped, err)
					}
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			tree, err := format.open(dir.FS())
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]Folder{}
			for _, f := range tree.Folders {
				found[f.Name] = f
			}
			for i, name := range names {
				if len(name) > 400 {
					name = fmt.Sprintf(`Mailbox\#%d`, i+1)
				}
				f, ok := found[name]
				if !ok || f.Subscribed != (i%2 == 0) {
					t.Errorf("mailbox %q: %+v", name, f)
					continue
				}
				same(t, read(t, tree, f), odd()[i:])
			}
			if len(found) != len(names) {
				t.Errorf("%d mailboxes", len(found))
			}
			modes(t, dir)
		})
	}
}

// modes wants all that was written to be its owner's only.
func modes(t *testing.T, dir *os.Root) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir.Name(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir.Name() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		files++
		return err
	})
	if err != nil || files < len(names) {
		t.Errorf("%d files, %v", files, err)
	}
}

// A name has 26 letters for keywords, and flags in the order of their letters.
func TestMaildirKeywords(t *testing.T) {
	dir := root(t)
	w := NewMaildirWriter(dir, day)
	if _, err := w.Begin("INBOX", true); err != nil {
		t.Fatal(err)
	}
	var many []string
	for i := range 28 {
		many = append(many, fmt.Sprintf("k%02d", i))
	}
	m := Message{Flags: mailstore.Seen | mailstore.Deleted | mailstore.Draft | mailstore.Flagged | mailstore.Answered, Keywords: many, Received: day}
	if dropped, err := w.Add(m, 1, strings.NewReader("x")); err != nil || dropped != 2 {
		t.Errorf("%d, %v", dropped, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := fs.ReadDir(dir.FS(), "cur")
	if err != nil || len(list) != 1 || !strings.HasSuffix(list[0].Name(), ",S=1:2,DFRSTabcdefghijklmnopqrstuvwxyz") {
		t.Errorf("%v, %v", list, err)
	}
	keywords, err := fs.ReadFile(dir.FS(), maildirKeywords)
	if err != nil || !strings.HasPrefix(string(keywords), "0 k00\n1 k01\n") || !strings.HasSuffix(string(keywords), "\n25 k25\n") {
		t.Errorf("%q, %v", keywords, err)
	}
}

// A message that is not of the size that was announced was not written whole.
func TestShortMessage(t *testing.T) {
	for _, format := range formats {
		w := format.write(root(t))
		if _, err := w.Begin("INBOX", true); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(Message{Received: day}, 5, strings.NewReader("four")); err == nil {
			t.Errorf("%s: no error", format.name)
		}
	}
}

// What other programs wrote.
func TestForeignMaildir(t *testing.T) {
	mail := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), ModTime: day} }
	tree, err := OpenMaildir(fstest.MapFS{
		"cur/200.b.host,U=5:2,FSb":           mail("a: b\n\nunix\n"),
		"cur/1000.a.host:2,":                 mail("a: b\r\n\r\ncrlf\r\n"),
		"new/99.c.host":                      mail("new\n"),
		"new/.hidden":                        mail("x"),
		"cur/300.x.gosbridge,S=3;2,T":        mail("a\nb\n"), // changed since
		"dovecot-keywords":                   mail("0 first\n1 second\n99 none\nx\n"),
		".&BBQENQQ7BDA-.2026/cur/1.x:2,S":    mail("Дела\n"),
		"Plain/Sub.dot/cur/1.x:2,S":          mail("verbatim\n"),
		".Plus/.not/cur/1.x:2,S":             mail("x"),
		"Plain/cur/.keep":                    mail(""),
		"subscriptions":                      mail("&BBQENQQ7BDA-.2026\nPlain\n"),
		strings.Repeat("d/", 40) + "cur/1.x": mail("too deep"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, f := range tree.Folders {
		got[f.Name] = f.Subscribed
	}
	want := map[string]bool{"INBOX": false, "Дела/2026": true, "Plain": true, "Plain/Sub.dot": false}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("mailboxes %v", got)
	}
	i := slices.IndexFunc(tree.Folders, func(f Folder) bool { return f.Name == "INBOX" })
	same(t, read(t, tree, tree.Folders[i]), []letter{
		{Message{Received: day}, "new\r\n"},
		{Message{Flags: mailstore.Flagged | mailstore.Seen, Keywords: []string{"second"}, Received: day}, "a: b\r\n\r\nunix\r\n"},
		{Message{Flags: mailstore.Deleted, Received: day}, "a\r\nb\r\n"},
		{Message{Received: day}, "a: b\r\n\r\ncrlf\r\n"},
	})
	if _, err := OpenMaildir(fstest.MapFS{"x/y": mail("")}); err == nil {
		t.Error("no Maildir, but no error")
	}
}

func TestForeignMbox(t *testing.T) {
	at := day.Truncate(time.Second)
	for _, test := range []struct {
		name, file string
		want       []letter
	}{
		{"empty", "", nil},
		{"unix", "From a@b Sat Nov 28 16:05:07 2026\nSubject: x\nStatus: RO\nX-Status: AF\nX-Keywords: one two\n three\nX-Keywords: two\nX-UID: 5\n\n>From x\n\nFrom here on\n\n",
			[]letter{{Message{Flags: mailstore.Seen | mailstore.Answered | mailstore.Flagged, Keywords: []string{"one", "two"}, Received: at},
				"Subject: x\r\n\r\nFrom x\r\n\r\nFrom here on\r\n"}}},
		{"zones", "From - Sat Nov 28 19:05:07 2026 +0300\n\na\n\nFrom x Sat Nov 28 16:05:07 UTC 2026\r\n\r\nb",
			[]letter{{Message{Received: at}, "\r\na\r\n"}, {Message{Received: at}, "\r\nb"}}},
		{"changed", "From x Sat Nov 28 16:05:07 2026\nStatus: RO\r\nX-Status: \r\nX-Keywords: \r\nX-Mbox-Octets: 3\r\nSubject: more than three\r\n\r\nx\r\n\n",
			[]letter{{Message{Flags: mailstore.Seen, Received: at}, "Subject: more than three\r\n\r\nx\r\n"}}},
		{"fields moved", "From x Sat Nov 28 16:05:07 2026\nX-Keywords: k\r\nX-Mbox-Octets: 3\r\nSubject: x\r\nStatus: RO\r\n\r\nx\r\n\n",
			[]letter{{Message{Flags: mailstore.Seen, Keywords: []string{"k"}, Received: at}, "Subject: x\r\n\r\nx\r\n"}}},
		{"longer said", "From x Sat Nov 28 16:05:07 2026\nStatus: O\r\nX-Status: \r\nX-Keywords: \r\nX-Mbox-Octets: 9999999\r\n\r\nx\r\n\n",
			[]letter{{Message{Received: at}, "\r\nx\r\n"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := OpenMboxFile(fstest.MapFS{"Sent": {Data: []byte(test.file)}}, "Sent")
			if tree.Folders[0].Name != "Sent" {
				t.Errorf("name %q", tree.Folders[0].Name)
			}
			same(t, read(t, tree, tree.Folders[0]), test.want)
		})
	}
	for e, err := range parseMbox(strings.NewReader("Subject: no mbox\n\nx\n")) {
		if err == nil {
			t.Errorf("%+v", e)
		}
	}
}

// No input of an mbox crashes it, and what was read is written and read alike.
func FuzzMbox(f *testing.F) {
	f.Add([]byte("From x Sat Nov 28 16:05:07 2026\nStatus: RO\n\n>From x\n\nFrom x Sat Nov 28 16:05:07 2026\n\n"))
	f.Add([]byte("From x Sat Nov 28 16:05:07 2026\nStatus: O\r\nX-Status: \r\nX-Keywords: k\r\nX-Mbox-Octets: 3\r\nabc\r\n\r\n\n"))
	f.Add([]byte("From x Sat Nov 31 16:05:07 2026 +9999\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for e, err := range parseMbox(bytes.NewReader(data)) {
			if err != nil {
				return
			}
			octets, err := io.ReadAll(e.Octets)
			if err != nil {
				t.Fatal(err)
			}
			again(t, letter{e.Message, string(octets)})
		}
		again(t, letter{Message{Received: day}, string(data)})
	})
}

// again writes a message as mbox between two others, and reads it.
func again(t *testing.T, m letter) {
	t.Helper()
	if year := m.Received.UTC().Year(); year < 1 || year > 9999 {
		return // a zone can leave the calendar
	}
	all := []letter{{Message{Received: day}, "first"}, m, {Message{Received: day}, "last\r\n"}}
	var file bytes.Buffer
	w := bufio.NewWriter(&file)
	for _, l := range all {
		if err := writeMbox(w, l.Message, int64(len(l.octets)), strings.NewReader(l.octets)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	tree := OpenMboxFile(fstest.MapFS{"a": {Data: file.Bytes()}}, "a")
	same(t, read(t, tree, tree.Folders[0]), all)
}

// No name of a file crashes the reader of Maildir, and names come back.
func FuzzMaildir(f *testing.F) {
	f.Add("1.x.host:2,FSa", "0 first\n", `Дела\2e.a.b/c`)
	f.Add("2,", "-1 x\n26 y\n", `\2f\5c\`)
	f.Fuzz(func(t *testing.T, name, keywords, mailbox string) {
		if levels := strings.Split(mailbox, "/"); !slices.Contains(levels, "") {
			if got := mailboxName(fileName(mailbox)); got != mailbox {
				t.Errorf("%q: %q", mailbox, got)
			}
		}
		_ = mailboxName(mailbox)
		if !fs.ValidPath("cur/"+name) || strings.Contains(name, "/") {
			return
		}
		tree, err := OpenMaildir(fstest.MapFS{"cur/" + name: {Data: []byte(keywords)}, maildirKeywords: {Data: []byte(keywords)}})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, tree, tree.Folders[0]); len(got) > 1 || len(got) == 1 && len(got[0].octets) < len(keywords) {
			t.Errorf("%q", got)
		}
	})
}
