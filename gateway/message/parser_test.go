package message

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// chunked parses raw in pieces whose sizes next gives.
func chunked(raw []byte, limits Limits, next func() int) *Message {
	p := NewParser(limits)
	for len(raw) > 0 {
		n := min(max(next(), 1), len(raw))
		p.Write(raw[:n:n])
		raw = raw[n:]
	}
	return p.Close()
}

// checkInvariants shows what holds for every input.
func checkInvariants(t *testing.T, raw []byte, m *Message, limits Limits) {
	t.Helper()
	if m.Size != int64(len(raw)) || m.SHA256 != sha256.Sum256(raw) {
		t.Fatalf("size %d of %d, or digest wrong", m.Size, len(raw))
	}
	_, cut := m.Defect(HeaderTooLong)
	if end := checkPart(t, raw, m.Root, 0, m.Size, cut); end != m.Size {
		t.Fatalf("root ends at %d of %d", end, m.Size)
	}
	s, err := DecodeSummary(m.Summary())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{s.Envelope(), s.Body(false), s.BodyStructure(false)} {
		checkWire(t, b)
	}
	light, err := Index(bytes.NewReader(raw), limits)
	if err != nil || !bytes.Equal(light, m.Summary()) {
		t.Fatalf("Index differs from Summary: %v", err)
	}
}

// checkPart shows that a part lies within [from, to], that header, body,
// children and the gaps between them cover it without overlap, and that fields
// are slices of the input. It returns where the part ends.
func checkPart(t *testing.T, raw []byte, p *Part, from, to int64, cut bool) int64 {
	t.Helper()
	end := p.BodyOffset + p.BodySize
	if p.HeaderOffset < from || p.BodyOffset < p.HeaderOffset || p.BodySize < 0 || end > to {
		t.Fatalf("part [%d %d %d] outside [%d %d]", p.HeaderOffset, p.BodyOffset, end, from, to)
	}
	at := p.HeaderOffset
	for _, f := range p.Header {
		if f.Offset != at || !bytes.Equal(f.Raw, raw[at:at+int64(len(f.Raw))]) {
			t.Fatalf("field %q is not at %d", f.Raw, at)
		}
		at += int64(len(f.Raw))
	}
	if rest := raw[at:p.BodyOffset]; len(rest) > 0 && !isBlank(rest) && !cut {
		t.Fatalf("header octets %q in no field", rest)
	}
	body := raw[p.BodyOffset:end]
	lines := int64(bytes.Count(body, []byte{'\n'}))
	if len(body) > 0 && body[len(body)-1] != '\n' {
		lines++
	}
	if p.Lines != lines {
		t.Fatalf("%d lines, want %d", p.Lines, lines)
	}
	at = p.BodyOffset
	for _, child := range p.Children {
		if !bytes.HasPrefix(gapEnd(raw[at:child.HeaderOffset]), []byte("--")) {
			t.Fatalf("no delimiter before part at %d: %q", child.HeaderOffset, raw[at:child.HeaderOffset])
		}
		at = checkPart(t, raw, child, at, end, cut)
	}
	if e := p.Embedded; e != nil {
		if e.Offset != p.BodyOffset || e.Size != p.BodySize || e.HeaderSize != e.Root.BodyOffset-e.Offset {
			t.Fatalf("message [%d +%d] in [%d +%d]", e.Offset, e.Size, p.BodyOffset, p.BodySize)
		}
		checkPart(t, raw, e.Root, p.BodyOffset, end, cut)
	}
	if p.Encoding == "8bit" && p.Children == nil && p.DecodedSize > 0 && p.SHA256 != sha256.Sum256(body) {
		t.Fatalf("digest of an 8bit part is not that of its octets")
	}
	return end
}

// gapEnd is the last line of what stands before a part.
func gapEnd(gap []byte) []byte {
	gap = bytes.TrimSuffix(gap, []byte{'\n'})
	return gap[bytes.LastIndexByte(gap, '\n')+1:]
}

// checkWire reads a wire form as a client does: parentheses match, strings
// end, and nothing outside literals is 8-bit or a line end.
func checkWire(t *testing.T, b []byte) {
	t.Helper()
	depth := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 || depth == 0 && i != len(b)-1 {
				t.Fatalf("parentheses in %q", b)
			}
		case c == '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				} else if b[i] >= 0x7f || b[i] < ' ' && b[i] != '\t' {
					t.Fatalf("octet %#x in quoted string of %q", b[i], b)
				}
			}
		case c == '{':
			var n, length int
			if k, err := fmt.Sscanf(string(b[i:min(len(b), i+12)]), "{%d}", &n); k != 1 || err != nil {
				t.Fatalf("literal in %q", b[i:])
			}
			length = len(fmt.Sprintf("{%d}\r\n", n))
			if i+length+n > len(b) || bytes.IndexByte(b[i+length:i+length+n], 0) >= 0 {
				t.Fatalf("literal too long or with NUL in %q", b[i:])
			}
			i += length + n - 1
		case c >= 0x7f || c < ' ':
			t.Fatalf("octet %#x in %q", c, b)
		}
	}
	if depth != 0 {
		t.Fatalf("parentheses in %q", b)
	}
}

func TestInvariants(t *testing.T) {
	for name, raw := range letters(t) {
		t.Run(name, func(t *testing.T) {
			checkInvariants(t, raw, parse(raw, Limits{}), Limits{})
			small := Limits{HeaderOctets: 300, Parts: 3, Depth: 2, TextOctets: 10, LineOctets: 40}
			checkInvariants(t, raw, parse(raw, small), small)
		})
	}
}

func TestChunksDoNotMatter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, raw := range letters(t) {
		for _, limits := range []Limits{{}, {HeaderOctets: 300, Parts: 3, Depth: 2, TextOctets: 10}} {
			want := parse(raw, limits)
			for i, next := range []func() int{
				func() int { return 1 }, func() int { return 2 }, func() int { return 7 }, func() int { return 1025 },
				func() int { return 1 + rnd.IntN(40) }, func() int { return 1 + rnd.IntN(3000) },
			} {
				if got := chunked(raw, limits, next); !reflect.DeepEqual(got, want) {
					t.Errorf("%s, cut %d: differs from one Write", name, i)
				}
			}
		}
	}
}

// reading is what a straightforward reader finds: it has the whole message in
// memory and cuts it from the outside in.
type reading struct {
	header, body string
	children     []reading
}

func readWhole(raw string) reading {
	var r reading
	if strings.HasPrefix(raw, "\r\n") {
		r.header, r.body = raw[:2], raw[2:]
	} else if i := strings.Index(raw, "\r\n\r\n"); i >= 0 {
		r.header, r.body = raw[:i+4], raw[i+4:]
	} else {
		r.header = raw
	}
	_, tail, ok := strings.Cut(r.header, "boundary=")
	if !ok {
		return r
	}
	boundary, _, _ := strings.Cut(tail, "\r\n")
	rest := "\r\n" + r.body
	for {
		_, after, ok := strings.Cut(rest, "\r\n--"+boundary)
		if !ok || strings.HasPrefix(after, "--") {
			return r
		}
		after = strings.TrimPrefix(after, "\r\n")
		end := strings.Index("\r\n"+after, "\r\n--"+boundary)
		if end < 0 {
			r.children = append(r.children, readWhole(after))
			return r
		}
		r.children = append(r.children, readWhole(after[:max(0, end-2)]))
		rest = ("\r\n" + after)[end:]
	}
}

// generate writes a random well-formed message part.
func generate(rnd *rand.Rand, b *strings.Builder, name string, depth int) {
	lines := func(n int) {
		for range n {
			b.WriteString([]string{"", "-", "--", "--" + name, "text", "-- \tx", strings.Repeat("y", rnd.IntN(1500))}[rnd.IntN(7)] + "\r\n")
		}
	}
	if depth == 0 || rnd.IntN(3) == 0 {
		b.WriteString("Content-Type: text/plain\r\n\r\n")
		lines(rnd.IntN(5))
		return
	}
	boundary := "X" + name + "_" // none begins another
	b.WriteString("Content-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n")
	lines(rnd.IntN(2))
	for i := range rnd.IntN(4) {
		b.WriteString("--" + boundary + "\r\n")
		generate(rnd, b, fmt.Sprintf("%s.%d", name, i), depth-1)
		b.WriteString("\r\n")
	}
	if rnd.IntN(8) > 0 {
		b.WriteString("--" + boundary + "--\r\n")
		lines(rnd.IntN(2))
	}
}

func TestSameAsStraightforwardReader(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	parts := 0
	for range 400 {
		var b strings.Builder
		generate(rnd, &b, "b", 4)
		raw := b.String()
		m := chunked([]byte(raw), Limits{Parts: 1000}, func() int { return 1 + rnd.IntN(2000) })
		var compare func(p *Part, want reading)
		compare = func(p *Part, want reading) {
			parts++
			header, body := raw[p.HeaderOffset:p.BodyOffset], raw[p.BodyOffset:p.BodyOffset+p.BodySize]
			if header != want.header || body != want.body || len(p.Children) != len(want.children) {
				t.Fatalf("got %q %q %d\nwant %q %q %d\nin %q", header, body, len(p.Children), want.header, want.body, len(want.children), raw)
			}
			for i, child := range p.Children {
				compare(child, want.children[i])
			}
		}
		compare(m.Root, readWhole(raw))
	}
	if parts < 1000 {
		t.Errorf("only %d parts compared", parts)
	}
}

func TestDefects(t *testing.T) {
	const head = "From: a@b\r\n"
	for _, test := range []struct {
		raw  string
		want []Defect
	}{
		{head + "\r\nfine\r\n", nil},
		{"", nil},
		{head + "\r\na\nb\rc\x00d\r\n", []Defect{{BareLF, 14}, {BareCR, 16}, {NUL, 18}}},
		{head + "\r\nend\r", []Defect{{BareCR, 16}}},
		{head + "\r\n\r\r\n\r\n", []Defect{{BareCR, 13}}},
		{head + "\n\n", []Defect{{BareLF, 11}}},
		{head + "no field\r\n\r\n", []Defect{{MalformedHeader, 11}}},
		{"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", []Defect{{DuplicateField, 26}}},
		{"Content-Type: text\r\n\r\n", []Defect{{MalformedType, 0}}},
		{head + "\r\n" + strings.Repeat("x", 998) + "\r\n", nil},
		{head + "\r\n" + strings.Repeat("x", 1001), []Defect{{LineTooLong, 13}}},
		{"Content-Transfer-Encoding: base64\r\n\r\nAAA*\r\n", []Defect{{MalformedEncoding, 37}}},
		{"Content-Transfer-Encoding: quoted-printable\r\n\r\n=ZZ\r\n", []Defect{{MalformedEncoding, 47}}},
	} {
		for size := range 4 {
			m := chunked([]byte(test.raw), Limits{}, func() int { return size*size*size*10 + 1 })
			if !reflect.DeepEqual(m.Defects, test.want) {
				t.Errorf("%q: %v, want %v", test.raw, m.Defects, test.want)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n", i, i)
	}
	m := parse([]byte(b.String()), Limits{})
	if _, ok := m.Defect(TooDeep); !ok {
		t.Error("5000 levels are not too deep")
	}
	depth := 0
	for p := m.Root; len(p.Children) > 0; p = p.Children[0] {
		depth++
	}
	if depth != 20 {
		t.Errorf("depth %d, want 20", depth)
	}

	m = parse([]byte("Subject: "+strings.Repeat("x", 1<<20)+"\r\nTo: a@b\r\n\r\nbody"), Limits{})
	if _, ok := m.Defect(HeaderTooLong); !ok || len(m.Header) != 1 || m.Root.Text != "body" {
		t.Errorf("long header: %v, %d fields, text %q", ok, len(m.Header), m.Root.Text)
	}

	m = parse([]byte("\r\n"+strings.Repeat("я", 1000)), Limits{TextOctets: 101})
	if m.Root.Text != strings.Repeat("я", 50) || m.BodyRunes() != 1000 {
		t.Errorf("kept %d octets, %d runes", len(m.Root.Text), m.BodyRunes())
	}
}

func TestBodyRunes(t *testing.T) {
	const alternative = "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
	for _, test := range []struct {
		raw  string
		want int
		html bool
	}{
		{"\r\nабв\r\n\r\n", 3, false},
		{"\r\na\r\nb\r\n", 3, false},
		{"Content-Type: text/html\r\n\r\n<p>a&nbsp;<b>b</b></p>\r\n", 3, true},
		{alternative + "\r\nplain\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>longer html</p>\r\n--b--\r\n", 5, true},
		{alternative + "Content-Type: text/html\r\n\r\nhtml only\r\n--b--\r\n", 9, true},
		{alternative + "Content-Disposition: attachment\r\n\r\nattached\r\n--b--\r\n", 0, false},
		{"Content-Type: application/pdf\r\n\r\nx\r\n", 0, false},
		{"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n", 6, false},
	} {
		m := parse([]byte(test.raw), Limits{})
		if m.BodyRunes() != test.want || m.HasHTML() != test.html {
			t.Errorf("%q: %d runes, html %v", test.raw, m.BodyRunes(), m.HasHTML())
		}
	}
}

// TestMemoryIsBounded reads a large message and allows it no more memory than
// a small one.
func TestMemoryIsBounded(t *testing.T) {
	const head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: "
	for _, part := range []string{
		"text/plain\r\n\r\n", "text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
		"application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n", "message/rfc822\r\n\r\nSubject: x\r\n\r\n",
	} {
		run := func(repeat int) uint64 {
			line := []byte(strings.Repeat("text ", 15) + "\r\n")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p := NewParser(Limits{TextOctets: 4096})
			io.WriteString(p, head+part)
			for range repeat {
				p.Write(line)
			}
			p.Close()
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		run(1)
		if small, large := run(2000), run(100000); large > small+64<<10 {
			t.Errorf("%q: 7.7 MB took %d octets of memory, 154 KB %d", part, large, small)
		}
	}
}

func TestIndexAndScanReportReadErrors(t *testing.T) {
	broken := errors.New("broken")
	r := func() io.Reader {
		return io.MultiReader(strings.NewReader("Subject: x\r\n\r\ntext"), iotest.ErrReader(broken))
	}
	if _, err := Index(r(), Limits{}); !errors.Is(err, broken) {
		t.Errorf("Index: %v", err)
	}
	if err := ScanText(r(), Limits{}, func([]byte) bool { return true }); !errors.Is(err, broken) {
		t.Errorf("ScanText: %v", err)
	}
}

func TestScanText(t *testing.T) {
	all := letters(t)
	for name, want := range map[string]string{
		"plain-koi8-r": "Прошу принять документы.", "alternative": "«принять»", "files-rfc2047": "Счёт во вложении.",
		"forwarded": "Прошу принять", "plain-windows-1251": "Добрый день!",
	} {
		var text []byte
		err := ScanText(iotest.OneByteReader(bytes.NewReader(all[name])), Limits{}, func(b []byte) bool {
			text = append(text, b...)
			return true
		})
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, %q", name, err, text)
		}
	}
	calls := 0
	err := ScanText(bytes.NewReader(all["forwarded"]), Limits{}, func([]byte) bool { calls++; return false })
	if err != nil || calls != 1 {
		t.Errorf("stopped after %d calls, %v", calls, err)
	}
}
