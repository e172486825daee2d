package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecode(t *testing.T) {
	for _, test := range []struct {
		encoding, in, want string
	}{
		{"base64", "YWJj\r\nZGVm\r\n", "abcdef"},
		{"BASE64", "YW\nJjZA==", "abcd"},
		{"base64", "YWI=\r\nYWI=", "abab"},
		{"base64", "Y*W!J j", "abc"},
		{"base64", "YWJjZ", "abc"},
		{"base64", "YWJjZG", "abcd"},
		{"base64", "====", ""},
		{"quoted-printable", "a=20b =\r\nc=C3=A9 \t\r\nd", "a b c\u00e9\r\nd"},
		{"quoted-printable", "a=\nb=\t \r\nc", "abc"},
		{"quoted-printable", "a=3Db=zz=", "a=b=zz"},
		{"quoted-printable", "x \n y  ", "x\n y"},
		{"quoted-printable", "=41=4", "A=4"},
		{"7bit", "as is=20", "as is=20"},
		{" 8bit ", "as is", "as is"},
		{"x-uuencode", "as is", "as is"},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
		} {
			got, err := io.ReadAll(Decode(wrap(strings.NewReader(test.in)), test.encoding))
			if err != nil || string(got) != test.want {
				t.Errorf("%s %q: %q %v, want %q", test.encoding, test.in, got, err, test.want)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(Decode(iotest.ErrReader(broken), "base64")); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if KnownEncoding("x-uuencode") || !KnownEncoding("Base64") || !KnownEncoding("") {
		t.Error("KnownEncoding")
	}
}

// FuzzDecode shows that what the standard encoders write comes back, that
// pieces do not matter, and that nothing panics.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("any text = \r\n \t=20"), 3)
	f.Add(bytes.Repeat([]byte("0123456789"), 1000), 77)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var qp bytes.Buffer
		w := quotedprintable.NewWriter(&qp)
		w.Binary = true
		w.Write(data)
		w.Close()
		for encoding, text := range map[string]string{
			"base64": base64.StdEncoding.EncodeToString(data), "quoted-printable": qp.String(),
		} {
			got, err := io.ReadAll(Decode(strings.NewReader(text), encoding))
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: %q, want %q", encoding, got, data)
			}
			whole, pieces := decodePieces(data, encoding, len(data)), decodePieces(data, encoding, size)
			if whole != pieces {
				t.Fatalf("%s of %q: %q in pieces, %q at once", encoding, data, pieces, whole)
			}
		}
	})
}

func decodePieces(data []byte, encoding string, size int) string {
	var out strings.Builder
	d, _ := newDecoder(encoding, func(b []byte) { out.Write(b) })
	for len(data) > 0 {
		n := min(max(size, 1), len(data))
		d.write(data[:n])
		data = data[n:]
	}
	d.close()
	return out.String()
}
