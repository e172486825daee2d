package intake

import (
	"strings"
	"testing"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/gateway/receipt"
)

// parse reads a message of the given header lines.
func parse(t *testing.T, lines ...string) *message.Message {
	t.Helper()
	p := message.NewParser(message.Limits{})
	if _, err := p.Write([]byte(strings.Join(lines, "\r\n") + "\r\n\r\nText\r\n")); err != nil {
		t.Fatal(err)
	}
	return p.Close()
}

func TestChooseOptions(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  choice // but for found
		found string // codes
	}{
		{nil, choice{}, ""},
		{[]string{"X-Letter-Type: Registered", "x-letter-type: registered"}, choice{letterType: "Registered"}, ""},
		{[]string{"X-Letter-Type: a", "X-Letter-Type: b"}, choice{letterType: "a"}, "letter-type-conflict"},
		{[]string{"X-Letter-Recall: None"}, choice{waived: true}, ""},
		{[]string{"X-Letter-Recall: never"}, choice{}, "letter-option-invalid"},
		{[]string{"X-Letter-Repeat: yes"}, choice{repeat: true}, ""},
		{[]string{"X-Letter-Depth: BRIEF"}, choice{depth: receipt.Brief}, ""},
		{[]string{"X-Letter-Depth: deep"}, choice{}, "letter-option-invalid"},
		{[]string{"X-Letter-Case: =?utf-8?B?0JDQkTogMQ==?="}, choice{letterCase: "АБ: 1"}, ""},
	} {
		got := chooseOptions(parse(t, c.lines...).Header)
		var codes []string
		for _, v := range got.found {
			codes = append(codes, string(v.Code))
		}
		if strings.Join(codes, " ") != c.found {
			t.Errorf("%q: found %v, want %q", c.lines, codes, c.found)
		}
		if got.letterType != c.want.letterType || got.waived != c.want.waived || got.repeat != c.want.repeat ||
			got.depth != c.want.depth || got.letterCase != c.want.letterCase {
			t.Errorf("%q: %+v", c.lines, got)
		}
	}
}

func TestAutomatic(t *testing.T) {
	for line, want := range map[string]bool{
		"Subject: s": false, "Auto-Submitted: no": false, "auto-submitted: NO (written by hand)": false,
		"Auto-Submitted: auto-replied": true, "Auto-Submitted: auto-generated; owner-email=x@x.example": true,
		"Auto-Submitted:": true, "Auto-Submitted: no\r\nAuto-Submitted: auto-notified": true,
		"Content-Type: multipart/report; report-type=disposition-notification; boundary=b": true,
	} {
		if got := automatic(parse(t, line)); got != want {
			t.Errorf("%q: %t", line, got)
		}
	}
}

func TestDepth(t *testing.T) {
	brief := auth.Settings{Receipts: "brief"}
	for _, c := range []struct {
		asked receipt.Depth
		who   auth.Identity
		want  receipt.Depth
	}{
		{"", auth.Identity{Class: auth.Person}, receipt.Full},
		{"", auth.Identity{Class: auth.Person, Settings: brief}, receipt.Brief},
		{"", auth.Identity{Class: auth.System, Settings: brief}, receipt.Short},
		{receipt.Full, auth.Identity{Class: auth.System}, receipt.Full},
	} {
		if got := depth(choice{depth: c.asked}, c.who); got != c.want {
			t.Errorf("%q of %+v: %s, want %s", c.asked, c.who, got, c.want)
		}
	}
}
