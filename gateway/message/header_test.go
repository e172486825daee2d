package message

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDecodeText(t *testing.T) {
	for value, want := range map[string]string{
		"plain":                                    "plain",
		"=?utf-8?B?0J/RgNC40LLQtdGC?=":             "Привет",
		"=?UTF-8*ru?q?=D0=9F=D1=80?= x":            "Пр x",
		"=?utf-8?B?0J8=?= =?utf-8?B?0YA=?=":        "Пр",
		"=?utf-8?B?0J8=?=\t \t=?koi8-r?B?0g==?=":   "Пр",
		"=?utf-8?B?0A==?= =?utf-8?B?nw==?=":        "П", // cut within a character
		"a =?utf-8?Q?b_c?= d":                      "a b c d",
		"=?utf-8?Q?a=3Db=?=":                       "a=b=",
		"=?windows-1251?Q?=D1=F7=B8=F2?=":          "Счёт",
		"=?iso-8859-5?Q?=BF=E0?=":                  "Пр",
		"=?utf-8?B?0J/RgNC40LLQtdGC":               "=?utf-8?B?0J/RgNC40LLQtdGC",
		"=?utf-8?X?abc?=":                          "=?utf-8?X?abc?=",
		"=?":                                       "=?",
		"=??B?abc?=":                               "=??B?abc?=",
		"=?utf-8?B?0J/RgNC40LLQtdGC*?=":            "Привет",
		"=?x-martian?B?YWJj?=":                     "abc",
		"\xcf\xf0\xe8\xe2\xe5\xf2":                 "Привет",
		"Привет":                                   "Привет",
		"=?us-ascii?Q?=?= =?utf-8?Q?=D0=9F?= \xcf": "=П П",
	} {
		if got := DecodeText(value); got != want {
			t.Errorf("DecodeText(%q) = %q, want %q", value, got, want)
		}
	}
}

func TestParams(t *testing.T) {
	for _, test := range []struct {
		field, value string
		want         map[string]string
	}{
		{`text/plain; charset=utf-8`, "text/plain", map[string]string{"charset": "utf-8"}},
		{`text/plain (a comment; x=y) ; Charset="utf-8" (z)`, "text/plain", map[string]string{"charset": "utf-8"}},
		{`attachment; filename="a \"b\".pdf"`, "attachment", map[string]string{"filename": `a "b".pdf`}},
		{`attachment; filename="C:\dir\a.pdf"`, "attachment", map[string]string{"filename": `C:\dir\a.pdf`}},
		{`attachment; filename=My file (1).pdf; size=3`, "attachment", map[string]string{"filename": "My file (1).pdf", "size": "3"}},
		{`attachment; filename="no end`, "attachment", map[string]string{"filename": "no end"}},
		{`attachment; filename*=utf-8''%D0%B0.pdf; filename=x.pdf`, "attachment", map[string]string{"filename": "а.pdf"}},
		{`attachment; filename*=koi8-r'ru'%C1.pdf`, "attachment", map[string]string{"filename": "а.pdf"}},
		{`a; filename*1*=%B0.pdf; filename*0*=utf-8''%D0`, "a", map[string]string{"filename": "а.pdf"}},
		{`a; filename*0="one "; filename*1="two"; filename*10="end"; filename*2=x`, "a", map[string]string{"filename": "one twoxend"}},
		{`a; filename*0*=windows-1251''%E0; filename*1=".pdf"`, "a", map[string]string{"filename": "а.pdf"}},
		{`a; name="=?windows-1251?B?4C5wZGY=?="`, "a", map[string]string{"name": "а.pdf"}},
		{`a; name==?utf-8?Q?=D0=B0?=`, "a", map[string]string{"name": "а"}},
		{`a; name="%D0%B0.pdf"`, "a", map[string]string{"name": "а.pdf"}},
		{`a; name="100%.pdf"`, "a", map[string]string{"name": "100%.pdf"}},
		{`a; name="50%20off.pdf"`, "a", map[string]string{"name": "50%20off.pdf"}},
		{"a; name=\"\xe0.pdf\"", "a", map[string]string{"name": "а.pdf"}},
		{`a; name="а.pdf"`, "a", map[string]string{"name": "а.pdf"}},
		{`a; filename*=%2e%2e%2Fpasswd`, "a", map[string]string{"filename": "../passwd"}},
		{`a;;  ; b ; c=d;`, "a", map[string]string{"c": "d"}},
		{`a; x=1; x=2`, "a", map[string]string{"x": "1"}},
		{`; x=1`, "", map[string]string{"x": "1"}},
		{``, "", nil},
		{`a; x*9999999999999=1; x*0=2`, "a", map[string]string{"x": "21"}},
	} {
		value, params := parseParams(test.field)
		if got := decodeParams(params); value != test.value || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: %q %q, want %q %q", test.field, value, got, test.value, test.want)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	for value, want := range map[string][]Address{
		"":                              nil,
		"undisclosed-recipients:;":      nil,
		"a@b":                           {{Mailbox: "a", Host: "b"}},
		" a @ b (c) ":                   {{Mailbox: "a", Host: "b", Name: "c"}},
		"Ivan Ivanov <a@b>":             {{Name: "Ivan Ivanov", Mailbox: "a", Host: "b"}},
		`"Ivanov, I. \"x\"" <a.c+d@b>`:  {{Name: `Ivanov, I. "x"`, Mailbox: "a.c+d", Host: "b"}},
		"=?utf-8?B?0JA=?= <a@b>, <c@d>": {{Name: "А", Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}},
		"G: a@b, C <c@d>; e@f":          {{Mailbox: "a", Host: "b", Group: "G"}, {Name: "C", Mailbox: "c", Host: "d", Group: "G"}, {Mailbox: "e", Host: "f"}},
		"G: a@b":                        {{Mailbox: "a", Host: "b", Group: "G"}},
		`"a b"@c`:                       {{Mailbox: "a b", Host: "c"}},
		`<"a@b"@c>`:                     {{Mailbox: "a@b", Host: "c"}},
		"a@[127.0.0.1]":                 {{Mailbox: "a", Host: "[127.0.0.1]"}},
		"a@[IPv6:::1], b@c":             {{Mailbox: "a", Host: "[IPv6:::1]"}, {Mailbox: "b", Host: "c"}},
		"root":                          {{Mailbox: "root"}},
		"Name <a@b":                     {{Name: "Name", Mailbox: "a", Host: "b"}},
		"<a@b, c@d":                     {{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}},
		",,;:<>@(":                      nil,
		"a@b; c@d":                      {{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}},
		"J. Doe <a@b> (x)":              {{Name: "J. Doe", Mailbox: "a", Host: "b"}},
		"Иванов <иванов@пример.рф>":           {{Name: "Иванов", Mailbox: "иванов", Host: "пример.рф"}},
		"(a (nested) comment) a@b":            {{Name: "a (nested) comment", Mailbox: "a", Host: "b"}},
		"fns+registered@gov.example, x@y (z)": {{Mailbox: "fns+registered", Host: "gov.example"}, {Name: "z", Mailbox: "x", Host: "y"}},
	} {
		if got := ParseAddresses(value); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", value, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for value, want := range map[string]string{
		"Thu, 15 Jan 2026 09:30:00 +0300":       "2026-01-15T09:30:00+03:00",
		"15 Jan 2026 09:30 +0300":               "2026-01-15T09:30:00+03:00",
		"Thu, 15 Jan 2026 09:30:00 +0300 (MSK)": "2026-01-15T09:30:00+03:00",
		"Thu, 15 January 26 9:05:07 GMT":        "2026-01-15T09:05:07Z",
		"15 Jan 98 09:30:00 MSK":                "1998-01-15T09:30:00+03:00",
		"Thu Jan 15 09:30:00 2026":              "2026-01-15T09:30:00Z",
		"Thu Jan 15 09:30:00 EST 2026":          "2026-01-15T09:30:00-05:00",
		"15-JAN-2026 09:30:00 -0030":            "2026-01-15T09:30:00-00:30",
		"15 Jan 2026 09:30:00 +9999":            "2026-01-15T09:30:00Z",
		"15 Jan 2026 09:30:60 -0000":            "2026-01-15T09:31:00Z",
		"15 Jan 2026":                           "2026-01-15T00:00:00Z",
		"15 (a comment (nested)) Jan 2026 9:00": "2026-01-15T09:00:00Z",
		"31 Feb 2026 09:30:00 +0300":            "",
		"15 Jan 2026 29:30:00 +0300":            "",
		"--":                                    "",
		"15-Jan- 2026":                          "2026-01-15T00:00:00Z",
		"yesterday":                             "",
		"":                                      "",
		"99999999999999999999 Jan 2026":         "",
		strings.Repeat("(", 1000):               "",
	} {
		got, ok := ParseDate(value)
		if text := got.Format(time.RFC3339); ok != (want != "") || ok && text != want {
			t.Errorf("%q: %s %v, want %q", value, text, ok, want)
		}
	}
}

func TestHeader(t *testing.T) {
	h := ParseHeader([]byte("Subject: one\r\n two\r\n\tthree\r\nX : y\r\nbad line\r\nsubject:second\r\nTo:\r\n\r\nbody: no\r\n"), 7)
	if len(h) != 5 || h[3].Offset != 7+28+7+10 {
		t.Fatalf("fields %v", h)
	}
	if got := h.Values("SUBJECT"); !reflect.DeepEqual(got, []string{"one two\tthree", "second"}) {
		t.Errorf("Values: %q", got)
	}
	if h.Get("X") != "y" || !h.Has("to") || h.Get("to") != "" || h.Has("body") || h[2].Name != "" {
		t.Errorf("header %v", h)
	}
}

func TestHTML(t *testing.T) {
	for source, want := range map[string]string{
		"a<b>b</b>c":                                     "abc",
		"<p>one</p>\r\n<p>two</p>":                       "one\ntwo",
		"  a \n  b<br/>c ":                               "a b\nc",
		"a&nbsp;&amp;&lt;&#1071;&x &y":                   "a\u00a0&<Я&x &y",
		"a<!-- <b> -- > x -->b<!-->c":                    "abc",
		"<style>p > a {}</style>x<SCRIPT>'</s'</SCRIPT>": "x",
		"<a title='>'>t</a>":                             "t",
		"1 < 2 <3":                                       "1 < 2 <3",
		"<!DOCTYPE html><?xml x?>d":                      "d",
		"<table><tr><td>1</td><td>2</td></tr></table>3":  "1 2\n3",
		"unclosed <b":                                    "unclosed",
		"a<":                                             "a<",
		"Я&":                                             "Я&",
	} {
		for _, size := range []int{1, 3, 1000} {
			h := &htmlStripper{}
			var got []byte
			for rest := source; rest != ""; {
				n := min(size, len(rest))
				got = append(got, h.strip([]byte(rest[:n]))...)
				rest = rest[n:]
			}
			if got = append(got, h.close()...); string(got) != want {
				t.Errorf("%q in pieces of %d: %q, want %q", source, size, got, want)
			}
		}
	}
}

// Parameters in pieces are joined for BODYSTRUCTURE (RFC 2231 §6): plain ones
// to a value, those with a charset to the form of one piece. What does not make
// a whole stands as it came.
func TestJoinParams(t *testing.T) {
	for field, want := range map[string]string{
		`a; x=1; y="2 3"`:                          `x=1 y=2 3`,
		`a; x*0=ab; x*1="c d"; y=1`:                `x=abc d y=1`,
		`a; X*1=b; y=1; x*0=a`:                     `y=1 x=ab`,
		`a; x*0*=koi8-r''%F0; x*1*=%D2%C9`:         `x*=koi8-r''%F0%D2%C9`,
		`a; x*0*=utf-8'ru'%D0%9F; x*1="a b%'\xff"`: `x*=utf-8'ru'%D0%9Fa%20b%25%27%FF`,
		`a; x*=utf-8''%D0%9F`:                      `x*=utf-8''%D0%9F`,
		`a; x*0=a; x*0=b; x*1=c`:                   `x=ac`,
		`a; x*0=a; x*2=c`:                          `x*0=a x*2=c`,
		`a; x*1=b`:                                 `x*1=b`,
		`a; x*0=a; x*1*=%D0`:                       `x*0=a x*1*=%D0`,
		`a; x*0*=%D0; x*1*=%9F`:                    `x*0*=%D0 x*1*=%9F`,
		`a; x=p; x*0=a; x*1=b`:                     `x=p x*0=a x*1=b`,
		`a; x*0=a; x*01=b; x*1x=c; x**=d`:          `x*0=a x*01=b x*1x=c x**=d`,
		`a; x*100=a; *0=n`:                         `x*100=a =n`,
	} {
		_, params := parseParams(strings.ReplaceAll(field, `\xff`, "\xff"))
		var got []string
		for _, p := range joinParams(params) {
			got = append(got, p.name+"="+p.value)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", field, strings.Join(got, " "), want)
		}
	}
}
