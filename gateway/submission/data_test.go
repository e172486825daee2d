package submission

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// unstuff is dataReader said simply: over a whole input, octet by octet. It
// gives the message, what follows its end, and whether it has one.
func unstuff(input []byte) (message, after []byte, ended bool) {
	for bol := true; len(input) > 0; {
		if bol && input[0] == '.' {
			if bytes.HasPrefix(input, []byte(".\r\n")) {
				return message, input[3:], true
			}
			input = input[1:]
			bol = false
			continue
		}
		n := 1
		if bol = bytes.HasPrefix(input, []byte("\r\n")); bol {
			n = 2
		}
		message = append(message, input[:n]...)
		input = input[n:]
	}
	return message, nil, false
}

// read reads a message through dataReader and gives what is left behind it.
func read(t *testing.T, input []byte, buffer int, wrap func(io.Reader) io.Reader) (message, after []byte, err error) {
	t.Helper()
	in := bufio.NewReaderSize(wrap(bytes.NewReader(input)), buffer)
	r := newDataReader(in, 0)
	message, err = io.ReadAll(r)
	if r.ended != (err == nil) {
		t.Fatalf("ended %v with error %v", r.ended, err)
	}
	after, _ = io.ReadAll(in)
	return message, after, err
}

func plainly(r io.Reader) io.Reader { return r }

func checkData(t *testing.T, input []byte) {
	t.Helper()
	wantMessage, wantAfter, ended := unstuff(input)
	for _, buffer := range []int{16, 17, 64, 4096} {
		for _, wrap := range []func(io.Reader) io.Reader{plainly, iotest.OneByteReader, iotest.DataErrReader} {
			message, after, err := read(t, input, buffer, wrap)
			if ended && err != nil || !ended && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%q: error %v, has an end: %v", input, err, ended)
			}
			if !bytes.Equal(message, wantMessage) || !bytes.Equal(after, wantAfter) {
				t.Fatalf("%q (buffer %d): message %q and then %q, want %q and then %q",
					input, buffer, message, after, wantMessage, wantAfter)
			}
		}
	}
}

func TestDataReader(t *testing.T) {
	for _, tc := range []struct{ input, message, after string }{
		{".\r\n", "", ""},
		{"\r\n.\r\nQUIT\r\n", "\r\n", "QUIT\r\n"},
		{"a\r\n..\r\n...b\r\n.\r\n", "a\r\n.\r\n..b\r\n", ""},
		{".a\r\n.\r\n", "a\r\n", ""},
		{"a\n.\nb\r\n.\r\nx", "a\n.\nb\r\n", "x"},
		{"a\n.\r\nb\r\n.\r\nx", "a\n.\r\nb\r\n", "x"},
		{"a\r\n.\nb\r\n.\r\nx", "a\r\n\nb\r\n", "x"},
		{"a\r.\rb\r\n.\r\nx", "a\r.\rb\r\n", "x"},
		{"a\r\n.\rb\r\n.\r\nx", "a\r\n\rb\r\n", "x"},
		{"a\r\n.\r\r\nb\r\n.\r\nx", "a\r\n\r\r\nb\r\n", "x"},
		{"a\r\r\n.\r\nx", "a\r\r\n", "x"},
		{"\x00\xff\r\n.\r\n", "\x00\xff\r\n", ""},
		{strings.Repeat("a", 15) + "\r\n.\r\nx", strings.Repeat("a", 15) + "\r\n", "x"},
		{strings.Repeat("a", 31) + "\r\n.\r\nx", strings.Repeat("a", 31) + "\r\n", "x"},
	} {
		message, after, err := read(t, []byte(tc.input), 16, plainly)
		if err != nil || string(message) != tc.message || string(after) != tc.after {
			t.Errorf("%q: message %q and then %q, %v", tc.input, message, after, err)
		}
		// And cut anywhere before its end, it is no message.
		end := len(tc.input) - len(tc.after)
		for i := range end {
			if _, _, err := read(t, []byte(tc.input[:i]), 16, plainly); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q cut at %d: %v", tc.input, i, err)
			}
		}
		checkData(t, []byte(tc.input))
	}
}

// TestDataAllShort tries every input of up to seven octets of those that
// matter.
func TestDataAllShort(t *testing.T) {
	const octets = ".\r\na"
	var try func(prefix []byte, left int)
	try = func(prefix []byte, left int) {
		want, wantAfter, ended := unstuff(prefix)
		message, after, err := read(t, prefix, 16, plainly)
		if ended != (err == nil) || !bytes.Equal(message, want) || !bytes.Equal(after, wantAfter) {
			t.Fatalf("%q: message %q and then %q, %v; want %q and then %q", prefix, message, after, err, want, wantAfter)
		}
		if left == 0 {
			return
		}
		for _, o := range []byte(octets) {
			try(append(bytes.Clone(prefix), o), left-1)
		}
	}
	try(nil, 7)
}

func FuzzDataReader(f *testing.F) {
	f.Add([]byte("a\r\n..b\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("a\r\r\n.\r\n"))
	f.Add([]byte(strings.Repeat("ab\r\n.", 20) + "\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) { checkData(t, input) })
}

func TestDataLimit(t *testing.T) {
	const message = "0123456789\r\n"
	for limit, fits := range map[int64]bool{11: false, 12: true, 13: true, 1: false, 0: true} {
		r := newDataReader(bufio.NewReader(strings.NewReader(message+".\r\nNOOP\r\n")), limit)
		got, err := io.ReadAll(r)
		if fits && (err != nil || string(got) != message) || !fits && !errors.Is(err, errTooLarge) {
			t.Errorf("limit %d: %q, %v", limit, got, err)
		}
		if !r.drain() {
			t.Errorf("limit %d: the end was not found", limit)
		}
		if rest, _ := io.ReadAll(r.in); string(rest) != "NOOP\r\n" {
			t.Errorf("limit %d: then %q", limit, rest)
		}
	}
}

func BenchmarkDataReader(b *testing.B) {
	line := strings.Repeat("A", 76) + "\r\n"
	input := []byte(strings.Repeat(line, 1<<20/len(line)) + ".\r\n")
	b.SetBytes(int64(len(input)))
	source := bytes.NewReader(input)
	in := bufio.NewReaderSize(source, inputBuffer)
	buf := make([]byte, 32<<10)
	for b.Loop() {
		source.Reset(input)
		in.Reset(source)
		r := newDataReader(in, 0)
		for {
			if _, err := r.Read(buf); err != nil {
				break
			}
		}
		if !r.ended {
			b.Fatal("no end")
		}
	}
}
