package message

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

func summaryOf(t testing.TB, raw []byte) *Summary {
	t.Helper()
	s, err := DecodeSummary(parse(raw, Limits{}).Summary())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fetch has an IMAP client read the forms of a summary.
func fetch(t *testing.T, s *Summary, rev2 bool) *imapclient.FetchMessageBuffer {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		defer ours.Close()
		fmt.Fprintf(ours, "* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n")
		for lines := bufio.NewScanner(ours); lines.Scan(); {
			tag, command, _ := strings.Cut(lines.Text(), " ")
			if strings.HasPrefix(command, "FETCH") {
				fmt.Fprintf(ours, "* 1 FETCH (ENVELOPE %s BODYSTRUCTURE %s)\r\n", s.Envelope(), s.BodyStructure(rev2))
			}
			fmt.Fprintf(ours, "%s OK done\r\n", tag)
		}
	}()
	c := imapclient.New(theirs, nil)
	defer c.Close()
	got, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{
		Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
	}).Collect()
	if err != nil || len(got) != 1 {
		t.Fatalf("client read %d messages: %v\n%s\n%s", len(got), err, s.Envelope(), s.BodyStructure(false))
	}
	return got[0]
}

// TestClientReadsGlobal has the client read the form of IMAP4rev2.
func TestClientReadsGlobal(t *testing.T) {
	raw := []byte(fmt.Sprintf(globalLetter, "Subject: Привет\r\n\r\nтекст"))
	compareStructure(t, fetch(t, summaryOf(t, raw), true).BodyStructure, parse(raw, Limits{}).Root)
}

// TestClientReadsForms has a client of other people's making read what every
// letter becomes, and compares it with the parse.
func TestClientReadsForms(t *testing.T) {
	for name, raw := range letters(t) {
		if name == "none" {
			continue // the client refuses the charset of the words
		}
		t.Run(name, func(t *testing.T) {
			m := parse(raw, Limits{})
			got := fetch(t, summaryOf(t, raw), false)
			if want := m.Header.Get("Message-Id"); strings.Trim(want, "<>") != got.Envelope.MessageID {
				t.Errorf("Message-ID %q, want %q", got.Envelope.MessageID, want)
			}
			if want := m.Header.Addresses("To"); len(want) > 0 && got.Envelope.To[0].Addr() != want[0].String() {
				t.Errorf("To %v, want %v", got.Envelope.To, want)
			}
			compareStructure(t, got.BodyStructure, m.Root)
		})
	}
}

func compareStructure(t *testing.T, got imap.BodyStructure, want *Part) {
	t.Helper()
	switch got := got.(type) {
	case *imap.BodyStructureMultiPart:
		if !want.IsMultipart() || "multipart/"+strings.ToLower(got.Subtype) != want.MediaType {
			t.Fatalf("multipart/%s, want %s", got.Subtype, want.MediaType)
		}
		if len(want.Children) == 0 {
			return // the client is shown one empty part
		}
		if len(got.Children) != len(want.Children) {
			t.Fatalf("%d children, want %d", len(got.Children), len(want.Children))
		}
		for i, child := range got.Children {
			compareStructure(t, child, want.Children[i])
		}
	case *imap.BodyStructureSinglePart:
		if int64(got.Size) != want.BodySize || !strings.EqualFold(got.Encoding, want.Encoding) {
			t.Errorf("%s: size %d %s, want %d %s", want.MediaType, got.Size, got.Encoding, want.BodySize, want.Encoding)
		}
		if got.Text != nil && got.Text.NumLines != want.Lines {
			t.Errorf("%d lines, want %d", got.Text.NumLines, want.Lines)
		}
		if (got.MessageRFC822 != nil) != (want.Embedded != nil) {
			t.Fatalf("message %v, want %v", got.MessageRFC822, want.Embedded)
		}
		if got.MessageRFC822 != nil {
			compareStructure(t, got.MessageRFC822.BodyStructure, want.Embedded.Root)
		}
	}
}

func TestSummaryPart(t *testing.T) {
	raw := letters(t)["forwarded"]
	s := summaryOf(t, raw)
	m := parse(raw, Limits{})
	inner := m.Root.Children[1].Embedded.Root
	for _, test := range []struct {
		path []int
		want *Part
	}{
		{nil, m.Root}, {[]int{1}, m.Root.Children[0]}, {[]int{2}, m.Root.Children[1]},
		{[]int{2, 1}, inner.Children[0]}, {[]int{2, 2}, inner.Children[1]},
		{[]int{3}, nil}, {[]int{0}, nil}, {[]int{1, 1}, nil}, {[]int{2, 3}, nil}, {[]int{2, 1, 1}, nil}, {[]int{-1}, nil},
	} {
		got, ok := s.Part(test.path)
		if ok != (test.want != nil) {
			t.Errorf("%v: found %v", test.path, ok)
			continue
		}
		if ok && (got.HeaderOffset != test.want.HeaderOffset || got.BodyOffset != test.want.BodyOffset ||
			got.BodySize != test.want.BodySize || got.Lines != test.want.Lines || got.MediaType != test.want.MediaType ||
			got.Encoding != test.want.Encoding || got.Charset != test.want.Charset ||
			got.IsMultipart != test.want.IsMultipart() || got.IsMessage != (test.want.Embedded != nil)) {
			t.Errorf("%v: %+v, want %+v", test.path, got, test.want)
		}
	}
	if e, _ := s.Part([]int{2}); e.MessageHeaderSize != m.Root.Children[1].Embedded.HeaderSize {
		t.Errorf("header of the attached message: %d", e.MessageHeaderSize)
	}
	single := summaryOf(t, letters(t)["plain-qp"])
	whole, _ := single.Part(nil)
	if body, ok := single.Part([]int{1}); !ok || body != whole || body.BodyOffset != single.HeaderSize() {
		t.Errorf("part 1 of a message without parts: %+v %v", body, ok)
	}
	if _, ok := single.Part([]int{1, 1}); ok {
		t.Error("part 1.1 of a message without parts")
	}
}

func TestSummaryFields(t *testing.T) {
	raw := []byte("Received: by x\r\nfrom: a@b\r\nSubject: s\r\n folded\r\nX-Letter-Type: simple\r\nList-Id: l\r\nX-Other: o\r\n\r\nbody")
	s := summaryOf(t, raw)
	for _, test := range []struct {
		names string
		not   bool
		want  string
		ok    bool
	}{
		{"From SUBJECT", false, "from: a@b\r\nSubject: s\r\n folded\r\n\r\n", true},
		{"Newsgroups To", false, "\r\n", true},
		{"x-letter-type List-ID", false, "X-Letter-Type: simple\r\nList-Id: l\r\n\r\n", true},
		{"From X-Other", false, "", false},
		{"Received", false, "", false},
		{"Received X-Other", true, "", false},
	} {
		got, ok := s.Fields(strings.Fields(test.names), test.not)
		if ok != test.ok || string(got) != test.want {
			t.Errorf("%s (not %v): %q %v", test.names, test.not, got, ok)
		}
	}
	if h, ok := s.Header("Subject"); !ok || len(h) != 1 || h.Get("subject") != "s folded" {
		t.Errorf("Header: %v %v", h, ok)
	}
	plain := summaryOf(t, []byte("From: a@b\r\nSubject: s\r\n\r\n"))
	if got, ok := plain.Fields([]string{"from"}, true); !ok || string(got) != "Subject: s\r\n\r\n" {
		t.Errorf("HEADER.FIELDS.NOT: %q %v", got, ok)
	}
}

// TestSummaryBounds shows that a field too large to store is not answered for,
// yet stands in the ENVELOPE.
func TestSummaryBounds(t *testing.T) {
	long := strings.Repeat("word ", 1000) + "end"
	s := summaryOf(t, []byte("Subject: "+long+"\r\nTo: "+strings.Repeat("a@b, ", 2000)+"c@d\r\n\r\n"))
	for _, name := range []string{"Subject", "To"} {
		if _, ok := s.Fields([]string{name}, false); ok {
			t.Errorf("%s is said to be stored", name)
		}
	}
	if envelope := s.Envelope(); !bytes.Contains(envelope, []byte(long)) || bytes.Count(envelope, []byte(`"a" "b"`)) != 2000 {
		t.Errorf("envelope of %d octets", len(envelope))
	}
	var many strings.Builder
	for i := range 300 {
		fmt.Fprintf(&many, "X-%d: y\r\n", i)
	}
	s = summaryOf(t, []byte(many.String()+"\r\n"))
	if _, ok := s.Fields([]string{"X-299"}, false); ok {
		t.Error("a field beyond the bound is said to be absent")
	}
}

// TestWithPrefix compares with the summary of the octets put together.
func TestWithPrefix(t *testing.T) {
	prefix := []byte("X-Letter-Number: GP-202601-00000001-5\r\nX-Trace: a\r\n b\r\n")
	for name, raw := range letters(t) {
		if raw[0] == '\r' {
			continue // without a header of its own
		}
		want := parse(slices.Concat(prefix, raw), Limits{}).Summary()
		if got := summaryOf(t, raw).WithPrefix(prefix); !sameAnswers(t, got, want) {
			t.Errorf("%s: WithPrefix differs from the summary of the whole", name)
		}
	}
}

// TestSummaryWithHeader compares with the summary of the octets put together.
func TestSummaryWithHeader(t *testing.T) {
	for name, raw := range letters(t) {
		m := parse(raw, Limits{})
		var header []byte
		for _, f := range m.Header {
			switch {
			case f.Is("From"):
				header = append(header, "From: Other <other@romashka.example>\r\n"...)
			case !f.Is("To"):
				header = append(header, f.Raw...)
			}
		}
		header = append(header, '\r', '\n')
		want := parse(append(slices.Clone(header), raw[m.HeaderSize:]...), Limits{}).Summary()
		if name == "no-body" {
			continue // its last field has no line end to stand before others
		}
		if got := m.SummaryWithHeader(header); !bytes.Equal(got, want) {
			t.Errorf("%s: SummaryWithHeader differs from the summary of the whole", name)
		}
	}
}

func sameAnswers(t *testing.T, a, b []byte) bool {
	t.Helper()
	var all [2][]any
	for i, enc := range [][]byte{a, b} {
		s, err := DecodeSummary(enc)
		if err != nil {
			t.Fatal(err)
		}
		fields, ok := s.Fields([]string{"X-Letter-Number", "Subject", "To"}, false)
		trace, traceOK := s.Fields([]string{"X-Trace"}, false)
		p1, ok1 := s.Part([]int{1})
		p2, ok2 := s.Part([]int{2, 1})
		all[i] = []any{
			string(s.Envelope()), string(s.Body(false)), string(s.BodyStructure(false)), string(s.Body(true)), string(s.BodyStructure(true)), s.HeaderSize(), s.Date(),
			string(fields), ok, string(trace), traceOK, p1, ok1, p2, ok2,
		}
	}
	return reflect.DeepEqual(all[0], all[1])
}

const globalLetter = "Content-Type: multipart/mixed; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: message/global\r\n\r\n%s\r\n" +
	"--x\r\nContent-Type: text/plain\r\n\r\nend\r\n--x--\r\n"

// A message/global is opaque to IMAP4rev1 (RFC 3501 §9, media-message) and looked
// into by IMAP4rev2 (RFC 9051 §9), wherever it stands; in an encoding it is
// neither (as of message/rfc822, RFC 2046 §5.2.1). Other messages have one form.
func TestMessageGlobal(t *testing.T) {
	inner := "Subject: Привет\r\nFrom: иван@почта.example\r\n\r\nтекст"
	opaque := `("MESSAGE" "GLOBAL" NIL NIL NIL "7BIT" 70`
	envelope := "(NIL {12}\r\nПривет " + strings.Repeat("((NIL NIL {8}\r\nиван {18}\r\nпочта.example)) ", 3) + "NIL NIL NIL NIL NIL)"
	text := `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" `
	looked := opaque + " " + envelope + " " + text + `10 1) 4)` + text + `3 1) "MIXED")`
	raw := fmt.Sprintf(globalLetter, inner)
	s := summaryOf(t, []byte(raw))
	if got, want := string(s.Body(false)), "("+opaque+")"+text+`3 1) "MIXED")`; got != want {
		t.Errorf("IMAP4rev1: %s, want %s", got, want)
	}
	if got, want := string(s.Body(true)), "("+looked; got != want {
		t.Errorf("IMAP4rev2: %s, want %s", got, want)
	}
	if got := string(s.BodyStructure(true)); !strings.Contains(got, envelope+" "+text+"10 1 NIL NIL NIL NIL) 4 NIL NIL NIL NIL)") {
		t.Errorf("IMAP4rev2: %s", got)
	}
	prefixed, err := DecodeSummary(s.WithPrefix([]byte("X-Letter-Number: GP-1\r\n")))
	if err != nil || !bytes.Equal(prefixed.BodyStructure(true), s.BodyStructure(true)) {
		t.Errorf("with a prefix: %v", err)
	}
	encoded := strings.Replace(raw, "message/global\r\n", "message/global\r\nContent-Transfer-Encoding: base64\r\n", 1)
	s = summaryOf(t, []byte(encoded))
	if got := string(s.Body(false)); !strings.HasPrefix(got, `(("MESSAGE" "GLOBAL" NIL NIL NIL "BASE64" 70)`) {
		t.Errorf("encoded: %s", got)
	}
	if got := string(s.Body(true)); !strings.HasPrefix(got, `(("APPLICATION" "OCTET-STREAM" NIL NIL NIL "BASE64" 70)`) {
		t.Errorf("encoded, IMAP4rev2: %s", got)
	}
	for name, deep := range map[string]string{
		"in a message":   "Content-Type: message/rfc822\r\n\r\n" + raw,
		"in another":     "Content-Type: message/global\r\n\r\n" + raw,
		"in a multipart": "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n" + raw + "\r\n--y--\r\n",
	} {
		s := summaryOf(t, []byte(deep))
		if got := string(s.BodyStructure(true)); !strings.Contains(got, envelope) || strings.Contains(string(s.BodyStructure(false)), "Привет") {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, raw := range letters(t) {
		if s := summaryOf(t, raw); !bytes.Equal(s.BodyStructure(true), s.BodyStructure(false)) || !bytes.Equal(s.Body(true), s.Body(false)) {
			t.Errorf("%s has two forms", name)
		}
	}
}

func TestSummarySize(t *testing.T) {
	raw := usualLetter(4 << 10)
	m := parse(raw, Limits{})
	if n := len(m.Summary()); n > 1024 {
		t.Errorf("summary of a usual letter of %d octets has %d", len(raw), n)
	}
}

func TestDecodeSummaryRefuses(t *testing.T) {
	good := parse(letters(t)["forwarded"], Limits{}).Summary()
	for _, b := range [][]byte{nil, {0}, {9, 0}, good[:10], good[:len(good)/3], bytes.Repeat([]byte{0xff}, 100)} {
		if _, err := DecodeSummary(b); err == nil {
			t.Errorf("%x is taken for a summary", b)
		}
	}
}

// useSummary calls every accessor.
func useSummary(s *Summary) {
	s.Envelope()
	for _, rev2 := range []bool{false, true} {
		s.Body(rev2)
		s.BodyStructure(rev2)
	}
	s.Date()
	s.Fields([]string{"Subject", "X"}, false)
	s.Fields(nil, true)
	s.Header("From")
	for _, path := range [][]int{nil, {1}, {2}, {100}, {1, 1}, {2, 2, 1}} {
		s.Part(path)
	}
	s.WithPrefix([]byte("X-Letter-Number: 1\r\n"))
}

func FuzzDecodeSummary(f *testing.F) {
	for _, raw := range letters(f) {
		f.Add(parse(raw, Limits{}).Summary())
	}
	f.Add(parse([]byte(fmt.Sprintf(globalLetter, "Subject: a\r\n\r\nb")), Limits{}).Summary())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSummary(b)
		if err != nil {
			return
		}
		useSummary(s)
	})
}

// usualLetter is a letter as a mail program sends it, of about size octets.
func usualLetter(size int) []byte {
	head := FormatText("Received", "from mail.romashka.example (mail.romashka.example [192.0.2.1]) by mx.gov.example with ESMTPS; Thu, 15 Jan 2026 09:30:01 +0300") +
		FormatAddresses("From", []Address{{Name: "Иванов Иван", Mailbox: "ivanov", Host: "romashka.example"}}) +
		FormatAddresses("To", []Address{{Name: "ФНС России", Mailbox: "fns", Host: "gov.example"}}) +
		FormatText("Subject", "О предоставлении сведений за четвёртый квартал") +
		"Date: Thu, 15 Jan 2026 09:30:00 +0300\r\nMessage-ID: <b2c5a1f0-77aa-4d0f@romashka.example>\r\n" +
		"MIME-Version: 1.0\r\nUser-Agent: Mozilla Thunderbird\r\nContent-Language: ru\r\n" +
		"Content-Type: text/plain; charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	line := "Прошу предоставить сведения о начисленных налогах за год.\r\n"
	return append([]byte(head), strings.Repeat(line, max(1, (size-len(head))/len(line)))...)
}

var _ io.Writer = (*Parser)(nil)
