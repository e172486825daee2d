package message

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParser shows that how the octets are cut does not matter, that every
// octet is accounted for, and that the forms for the wire are well formed.
func FuzzParser(f *testing.F) {
	for name, raw := range letters(f) {
		if len(raw) < 8<<10 && name != "many-parts" {
			f.Add(raw, uint16(1), false)
			f.Add(raw, uint16(100), true)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint16, small bool) {
		limits := Limits{}
		if small {
			limits = Limits{HeaderOctets: 200, Parts: 4, Depth: 2, TextOctets: 5, LineOctets: 20}
		}
		m := parse(raw, limits)
		checkInvariants(t, raw, m, limits)
		got := chunked(raw, limits, func() int { size = size*25173 + 13849; return int(size>>4)%(len(raw)/2+2) + 1 })
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("%q: cut differently, parsed differently", raw)
		}
		m.Files()
		m.BodyRunes()
		if !utf8.ValidString(m.Root.Text) || utf8.RuneCountInString(m.Root.Text) > m.Root.Runes {
			t.Fatalf("text %q of %d runes", m.Root.Text, m.Root.Runes)
		}
		s, err := DecodeSummary(m.Summary())
		if err != nil {
			t.Fatal(err)
		}
		useSummary(s)
		err = ScanText(bytes.NewReader(raw), limits, func(b []byte) bool {
			if !utf8.Valid(b) {
				t.Fatalf("piece %q cut within a code point", b)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzHeader shows that a header block is cut into fields without loss, and
// that its values decode to valid UTF-8 on one line.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?B?0J/RgNC40LLQtdGC?=\r\n =?koi8-r?Q?=F0?=\r\nX\r\n\r\n"))
	f.Add([]byte("A: =?utf-8?Q?=?= \xff\nB:\r\n \r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var all []byte
		for _, field := range ParseHeader(raw, 0) {
			if field.Offset != int64(len(all)) {
				t.Fatalf("offset %d, want %d", field.Offset, len(all))
			}
			all = append(all, field.Raw...)
			v := field.Value()
			if strings.ContainsAny(v, "\r\n") {
				t.Fatalf("line end in value %q", v)
			}
			if text := DecodeText(v); !utf8.ValidString(text) {
				t.Fatalf("%q decodes to %q", v, text)
			}
			ParseDate(v)
		}
		if !bytes.HasPrefix(raw, all) || len(all) < len(raw) && !bytes.HasPrefix(raw[len(all):], []byte("\n")) && !bytes.HasPrefix(raw[len(all):], []byte("\r\n")) {
			t.Fatalf("fields %q of %q", all, raw)
		}
	})
}

// FuzzAddresses shows that any list gives a well-formed ENVELOPE, and that
// what we write of what we read is read the same, but for addresses beyond
// maxAddress, where no end is looked for.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"G: a@b, \"c, d\" <e@f>;", "<@a:b@c>, (x) d@[1]", "a b <c", ",,;:<>@(\\\"", "\u00a0T@f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		b := appendAddresses(nil, Header{{Name: "To", Raw: []byte("To:" + value)}}, "To")
		if string(b) != "NIL" {
			checkWire(t, b)
		}
		var plain []Address
		for _, a := range ParseAddresses(value) {
			if len(a.String()) < maxAddress && isAtoms(a.Mailbox, ".") && isAtoms(a.Host, ".") && a.Name == strings.Join(strings.Fields(clean(a.Name)), " ") {
				plain = append(plain, Address{Name: a.Name, Mailbox: a.Mailbox, Host: a.Host})
			}
		}
		if len(plain) == 0 {
			return
		}
		field := ParseHeader([]byte(FormatAddresses("To", plain)), 0)
		if got := field.Addresses("To"); !reflect.DeepEqual(got, plain) {
			t.Fatalf("%+v came back as %+v from %q", plain, got, field[0].Raw)
		}
	})
}

// FuzzParams shows that parameters of any form decode to valid UTF-8, and that
// every file name survives our writing.
func FuzzParams(f *testing.F) {
	for _, s := range []string{"a; filename*0*=utf-8''%D0; filename*1*=%B0", `b; name="=?koi8-r?B?wQ==?="; x=(y)`, "c; f*=''%", "%D0%B0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		_, params := parseParams(field)
		for name, value := range decodeParams(params) {
			if !utf8.ValidString(value) {
				t.Fatalf("%q: %s=%q", field, name, value)
			}
		}
		name := clean(field)
		if strings.ContainsRune(name, '%') && isASCII(name) {
			return // read as percent encoding where it makes sense as such
		}
		raw := FormatParams("Content-Disposition", "attachment", "filename", name)
		if got := parse([]byte(raw+"\r\n"), Limits{}).Root.Filename; got != name {
			t.Fatalf("%q came back as %q from %q", name, got, raw)
		}
	})
}
