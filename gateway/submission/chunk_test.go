package submission

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gosbridge/gateway/auth"
	sessions "gosbridge/gateway/session"
)

func TestParseChunk(t *testing.T) {
	for line, want := range map[string]chunk{
		"BDAT 0\r\n":                   {0, false},
		"BDAT 86 LAST\r\n":             {86, true},
		"bdat  007  last \r\n":         {7, true},
		"BDAT 9223372036854775807\r\n": {1<<63 - 1, false},
	} {
		if got, ok := parseChunk([]byte(line)); !ok || got != want {
			t.Errorf("%q: %v, %v", line, got, ok)
		}
	}
	for _, line := range malformedChunks {
		if got, ok := parseChunk([]byte(line)); ok {
			t.Errorf("%q is taken for %v", line, got)
		}
	}
}

var malformedChunks = []string{
	"BDAT\r\n", "BDAT \r\n", "BDAT x\r\n", "BDAT -1\r\n", "BDAT +1\r\n", "BDAT 0x5\r\n", "BDAT 5 FIRST\r\n",
	"BDAT 1 2\r\n", "BDAT 1 LAST LAST\r\n", "BDAT LAST\r\n", "BDAT 9223372036854775808\r\n", "BDAT\t5\r\n",
	"BDAT 5\n", "BDAT 5\r\r\n", "BDAT 5\t\r\n", "BDAT5\r\n", "BDATA 5\r\n", "BDAT 1_0\r\n", "BDAT ١\r\n", "BDAT 5 LAſT\r\n",
}

// TestMalformedChunk: where the content begins is not known, so nothing after
// the command is heard, within a message or outside of one.
func TestMalformedChunk(t *testing.T) {
	r := newRig(t, Plaintext)
	for _, begun := range []bool{false, true} {
		for _, line := range malformedChunks {
			c := newClient(t, r.dial())
			c.login()
			c.address()
			if begun {
				c.say("BDAT 3\r\na\r\n", "250 2.0.0 3 octets")
			}
			c.say(line+"NOOP\r\n", "501 5.5.4 malformed BDAT")
			c.ended()
		}
	}
	if n := len(r.office.kept()); n != 0 {
		t.Errorf("%d letters were accepted", n)
	}
}

// address goes as far as the first octets of a message may follow.
func (c *client) address() {
	c.t.Helper()
	c.say("MAIL FROM:<"+sender+">\r\n", "250 ")
	c.say("RCPT TO:<fns@gov.example>\r\n", "250 ")
}

// feed is a connection whose input is given.
type feed struct {
	net.Conn
	in io.Reader
	bytes.Buffer
}

func (f *feed) Read(p []byte) (int, error)       { return f.in.Read(p) }
func (f *feed) Write(p []byte) (int, error)      { return f.Buffer.Write(p) }
func (f *feed) SetReadDeadline(time.Time) error  { return nil }
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// story is what became of a message in chunks.
type story struct {
	message string
	replies string // to the chunks and commands within it
	end     string
	rest    string // not yet read
}

var (
	firstWord = regexp.MustCompile(`^[^ \t\r\n]*`)
	bdatLine  = regexp.MustCompile(`^(?i:BDAT) +([0-9]{1,18})( +(?i:LAST))? *\r\n$`)
)

// simply is chunkReader said simply, over a whole input.
func simply(size int, last bool, input string, limit int) (s story) {
	idle := 0
	for {
		switch {
		case len(s.message)+size > limit:
			s.end, s.rest = "large", input
			return s
		case len(input) < size:
			s.message, s.end = s.message+input, "cut"
			return s
		}
		s.message, input = s.message+input[:size], input[size:]
		if last {
			s.end, s.rest = "whole", input
			return s
		}
		if size == 0 {
			idle++
		}
		s.replies += fmt.Sprintf("250 2.0.0 %d octets received\r\n", size)
		for next := false; !next; {
			line, after, ok := strings.Cut(input, "\n")
			switch {
			case idle > maxIdle:
				s.end, s.rest = "lost", input
				return s
			case !ok:
				s.end = "cut"
				return s
			}
			line, input = line+"\n", after
			word := strings.ToUpper(firstWord.FindString(line))
			if strings.HasPrefix(word, "BDAT") {
				m := bdatLine.FindStringSubmatch(line)
				if m == nil {
					s.end, s.rest = "lost", input
					return s
				}
				size, _ = strconv.Atoi(m[1])
				last, next = m[2] != "", true
				continue
			}
			switch word {
			case "RSET", "EHLO", "HELO", "QUIT":
				s.end, s.rest = "held "+line, input
				return s
			case "DATA":
				s.end, s.rest = "mixed", input
				return s
			case "NOOP":
				s.replies += string(replyNoop.line())
			default:
				s.replies += string(replyWithin.line())
			}
			idle++
		}
	}
}

// bareConn is a connection that no server has, to read a message from.
func bareConn(transport net.Conn) *conn {
	entry, _ := sessions.NewTable(auth.Submission).Enter(sessions.Limits{}, newPipeListener(), &net.TCPAddr{})
	cfg := testConfig().withDefaults()
	return &conn{cfg: &cfg, entry: entry, transport: transport, log: slog.New(slog.DiscardHandler)}
}

// chunked is the same through chunkReader.
func chunked(t *testing.T, size int, last bool, input string, limit, buffer int, wrap func(io.Reader) io.Reader) (s story) {
	t.Helper()
	client := &feed{in: wrap(strings.NewReader(input))}
	c := bareConn(client)
	c.in = bufio.NewReaderSize(source{c}, buffer)
	c.begin()
	r := newChunkReader(c, chunk{int64(size), last}, int64(limit))
	message, err := io.ReadAll(r)
	if err == nil {
		err = r.failure()
	}
	if n, again := r.Read(make([]byte, 1)); n != 0 || again != err {
		t.Fatalf("after %v: %d octets and %v", err, n, again)
	}
	s.message = string(message)
	var stop *interruption
	switch {
	case err == io.EOF:
		s.end = "whole"
	case err == errTooLarge:
		s.end = "large"
	case errors.As(err, &stop) && stop.held != nil:
		s.end = "held " + string(stop.held)
	case errors.As(err, &stop) && stop.lost:
		s.end = "lost"
	case errors.As(err, &stop):
		s.end = "mixed"
	case err == io.ErrUnexpectedEOF:
		s.end = "cut"
	default:
		t.Fatalf("%v", err)
	}
	s.rest = remaining(t, c)
	if err := c.flush(); err != nil {
		t.Fatal(err)
	}
	s.replies = client.String()
	return s
}

func remaining(t *testing.T, c *conn) string {
	rest, err := io.ReadAll(c.in)
	if err != nil {
		t.Fatal(err)
	}
	return string(rest)
}

func checkChunks(t *testing.T, size int, last bool, input string, limit int) story {
	t.Helper()
	want := simply(size, last, input, limit)
	for _, wrap := range []func(io.Reader) io.Reader{plainly, iotest.OneByteReader, iotest.DataErrReader} {
		if got := chunked(t, size, last, input, limit, inputBuffer, wrap); got != want {
			t.Fatalf("%d %v %q:\n%q\nwant\n%q", size, last, input, got, want)
		}
	}
	return want
}

func TestChunkReader(t *testing.T) {
	for _, tc := range []struct {
		size  int
		last  bool
		input string
		want  string // message, end
	}{
		{0, true, "x", "/whole"},
		{3, true, "a\r\nNOOP\r\n", "a\r\n/whole"},
		{3, false, "a\r\nBDAT 2 LAST\r\n\r\nx", "a\r\n\r\n/whole"},
		{0, false, "BDAT 0\r\nBDAT 0 LAST\r\n", "/whole"},
		{6, false, "BDAT 1NOOP\r\nfoo\r\nBDAT 2 LAST\r\n.\r", "BDAT 1.\r/whole"},
		{1, false, "aRSET\r\nBDAT 1 LAST\r\nb", "a/held RSET\r\n"},
		{1, false, "aehlo x\r\n", "a/held ehlo x\r\n"},
		{1, false, "aDATA\r\nb\r\n.\r\n", "a/mixed"},
		{1, false, "aBDAT 1\nb", "a/lost"},
		{1, false, "aBDAT 1", "a/cut"},
		{1, false, "a", "a/cut"},
		{2, true, "a", "a/cut"},
		{11, true, "0123456789a", "/large"},
		{9, false, "012345678BDAT 2 LAST\r\nab", "012345678/large"},
		{9, false, "012345678BDAT 1 LAST\r\nab", "012345678a/whole"},
		{1, false, "a" + strings.Repeat("NOOP\r\n", maxIdle) + "BDAT 1 LAST\r\nb", "ab/whole"},
		{1, false, "a" + strings.Repeat("NOOP\r\n", maxIdle+1) + "BDAT 1 LAST\r\nb", "a/lost"},
		{0, false, strings.Repeat("BDAT 0\r\n", maxIdle-1) + "BDAT 1 LAST\r\nb", "b/whole"},
		{0, false, strings.Repeat("BDAT 0\r\n", maxIdle) + "BDAT 1 LAST\r\nb", "/lost"},
	} {
		got := checkChunks(t, tc.size, tc.last, tc.input, 10)
		if s := got.message + "/" + got.end; s != tc.want {
			t.Errorf("%d %v %.40q: %q, want %q", tc.size, tc.last, tc.input, s, tc.want)
		}
		// Cut anywhere within it, it is never whole.
		end := len(tc.input) - len(got.rest)
		if got.end != "whole" {
			continue
		}
		for i := range end {
			if cut := checkChunks(t, tc.size, tc.last, tc.input[:i], 10); cut.end != "cut" {
				t.Errorf("%q cut at %d: %s", tc.input, i, cut.end)
			}
		}
	}
}

func FuzzChunkReader(f *testing.F) {
	f.Add(uint16(3), false, "a\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n")
	f.Add(uint16(1), false, "aNOOP\r\nbdat 0\r\nXYZ\r\nRSET\r\n")
	f.Add(uint16(0), false, "DATA\r\n.\r\n")
	f.Add(uint16(5), true, "\x00\r\n.\r\n")
	f.Fuzz(func(t *testing.T, size uint16, last bool, input string) {
		if len(input) > maxLine {
			t.Skip()
		}
		checkChunks(t, int(size), last, input, 1000)
	})
}

// TestChunkSplits sends a message in every two and three chunks.
func TestChunkSplits(t *testing.T) {
	const message = "A: b\r\n\r\n.\r\nc\n\x00\r"
	for i := range len(message) + 1 {
		for j := i; j <= len(message); j++ {
			input := fmt.Sprintf("%sBDAT %d\r\n%sBDAT %d LAST\r\n%sNOOP\r\n",
				message[:i], j-i, message[i:j], len(message)-j, message[j:])
			if s := checkChunks(t, i, false, input, 100); s.message != message || s.end != "whole" || s.rest != "NOOP\r\n" {
				t.Fatalf("%q: %+v", input, s)
			}
		}
	}
}

// TestLongLineWithin: a command within a message has the bound of the others.
func TestLongLineWithin(t *testing.T) {
	for _, n := range []int{maxLine, inputBuffer} {
		got := chunked(t, 1, false, "aNOOP "+strings.Repeat("x", n)+"\r\nBDAT 0 LAST\r\n", 10, inputBuffer, plainly)
		if got.end != "lost" || got.message != "a" {
			t.Errorf("%d octets: %q after %q", n, got.end, got.message)
		}
	}
}

func TestChunkDrain(t *testing.T) {
	for _, tc := range []struct {
		size   int64
		input  string
		read   int
		synced bool
	}{
		{5, "hello", 0, true},
		{5, "hello", 2, true},
		{5, "hell", 2, false},
		{0, "", 0, true},
		{maxDrain + 1, "hello", 0, false},
	} {
		c := bareConn(&feed{in: strings.NewReader(tc.input + "NOOP")})
		if !tc.synced {
			c.transport = &feed{in: strings.NewReader(tc.input)}
		}
		c.in = bufio.NewReaderSize(source{c}, inputBuffer)
		c.begin()
		r := newChunkReader(c, chunk{tc.size, true}, 0)
		io.ReadFull(r, make([]byte, tc.read))
		if got := r.drain(); got != tc.synced {
			t.Errorf("%+v: synced %v", tc, got)
		}
		if rest := remaining(t, c); tc.synced && rest != "NOOP" {
			t.Errorf("%+v: then %q", tc, rest)
		}
	}
}

func BenchmarkChunkReader(b *testing.B) {
	body := strings.Repeat("x", 64<<10)
	input := []byte(strings.Repeat(body+"BDAT 65536\r\n", 15) + body + "BDAT 0 LAST\r\n")
	b.SetBytes(int64(len(input)))
	buf := make([]byte, 32<<10)
	for b.Loop() {
		client := &feed{in: bytes.NewReader(input)}
		c := bareConn(client)
		c.in = bufio.NewReaderSize(source{c}, inputBuffer)
		c.begin()
		r := newChunkReader(c, chunk{size: 64 << 10}, 0)
		for r.failure() == nil {
			r.Read(buf)
		}
		if r.failure() != io.EOF {
			b.Fatal(r.failure())
		}
	}
}
