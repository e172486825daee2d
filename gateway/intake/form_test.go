package intake_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gosbridge/gateway/intake"
)

// Without a signature the sent form is the submitted one, but for the fields
// that name hidden recipients.
func TestPlainForm(t *testing.T) {
	r := newRig(t)
	head := "From: " + sender + "\r\nTo: " + first + "\r\n"
	for name, test := range map[string]struct{ octets, want string }{
		"plain":             {head + "Subject: a\r\n\r\nText\r\n", ""},
		"8bit":              {head + "Subject: a\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xf0\xd2\xc9\r\n", ""},
		"odd header":        {head + "SUBJECT :  a  \r\nX-Long:\r\n\t folded\r\n \r\n\r\n\r\nText", ""},
		"no header end":     {head + "Subject: b\r\n", ""},
		"Bcc":               {head + "Bcc: " + second + "\r\nSubject: a\r\n\r\nText\r\n", head + "Subject: a\r\n\r\nText\r\n"},
		"Bcc, folded":       {head + "bcc: " + second + ",\r\n\t" + other + "\r\nSubject: c\r\n\r\nText\r\n", head + "Subject: c\r\n\r\nText\r\n"},
		"Bcc twice":         {"BCC: " + second + "\r\n" + head + "Bcc:\r\nSubject: d\r\n\r\nText", head + "Subject: d\r\n\r\nText"},
		"Bcc last":          {head + "Subject: e\r\nBcc: " + second + "\r\n\r\nBcc: in the text\r\n", head + "Subject: e\r\n\r\nBcc: in the text\r\n"},
		"Bcc with a space":  {head + "Bcc : " + second + "\r\nSubject: f\r\n\r\nText\r\n", head + "Subject: f\r\n\r\nText\r\n"},
		"Bcc, 8bit text":    {head + "Bcc: " + second + "\r\nSubject: \xcf\xf0\r\n\r\n\xff\xfe\r\n", head + "Subject: \xcf\xf0\r\n\r\n\xff\xfe\r\n"},
		"like Bcc":          {head + "X-Bcc: a\r\nBccx: b\r\nSubject: g\r\n\r\nText\r\n", ""},
		"Bcc, no text":      {head + "Bcc: " + second + "\r\nSubject: h\r\n\r\n", head + "Subject: h\r\n\r\n"},
		"large, beyond ref": {head + "Subject: a\r\n\r\n" + strings.Repeat("0123456789\r\n", 10000), ""},
		"large, Bcc": {
			head + "Bcc: " + second + "\r\nSubject: a\r\n\r\n" + strings.Repeat("0123456789\r\n", 10000),
			head + "Subject: a\r\n\r\n" + strings.Repeat("0123456789\r\n", 10000),
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want == "" {
				want = test.octets
			}
			r.t = t
			if got := r.sentForm(r.accept(test.octets, first)); got != want {
				t.Errorf("sent form\n%q\nwant\n%q", cut(got), cut(want))
			}
		})
	}
}

// cut keeps what is printed short.
func cut(s string) string {
	if len(s) > 600 {
		return fmt.Sprintf("%s... (%d octets)", s[:600], len(s))
	}
	return s
}

var boundary = regexp.MustCompile(`boundary="(signed-[0-9A-Z]+)"`)

// Where the organisation signs, its signature stands around the MIME entity,
// which is the submission's Content fields and body byte for byte; and it
// holds.
func TestSignedForm(t *testing.T) {
	r := newRig(t)
	head := "From: " + sender + "\r\nTo: " + first + "\r\nX-Letter-Type: signed\r\n"
	for name, test := range map[string]struct{ octets, outer, entity string }{
		"text": {
			head + "Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nText\r\n",
			head + "Subject: a\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain\r\n\r\nText\r\n",
		},
		"fields between": {
			head + "Content-Type: text/plain;\r\n charset=utf-8\r\nSubject: b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\nТекст\r\n",
			head + "Subject: b\r\nMIME-Version: 1.0\r\n",
			"Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nТекст\r\n",
		},
		"Bcc": {
			head + "Bcc: " + second + "\r\nSubject: c\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nText\r\n",
			head + "Subject: c\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain\r\n\r\nText\r\n",
		},
		"no Content-Type": {
			head + "Subject: d\r\nMIME-Version: 1.0\r\n\r\nText\r\n", head + "Subject: d\r\nMIME-Version: 1.0\r\n", "\r\nText\r\n",
		},
		"no MIME at all": {
			head + "Subject: e\r\n\r\nText\r\n", head + "Subject: e\r\nMIME-Version: 1.0\r\n", "\r\nText\r\n",
		},
		"no end of line": {
			head + "Subject: f\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nText",
			head + "Subject: f\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain\r\n\r\nText",
		},
		"empty lines at the end": {
			head + "Subject: g\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nText \r\n\r\n\r\n",
			head + "Subject: g\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain\r\n\r\nText \r\n\r\n\r\n",
		},
		"multipart": {
			head + "Subject: h\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b--\r\nEpilogue",
			head + "Subject: h\r\nMIME-Version: 1.0\r\n",
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nText\r\n--b--\r\nEpilogue",
		},
		"large": {
			head + "Subject: i\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("0123456789\r\n", 20000),
			head + "Subject: i\r\nMIME-Version: 1.0\r\n", "Content-Type: text/plain\r\n\r\n" + strings.Repeat("0123456789\r\n", 20000),
		},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			form := r.sentForm(r.accept(test.octets, first))
			m := boundary.FindStringSubmatch(form)
			if m == nil {
				t.Fatalf("no signature in\n%s", cut(form))
			}
			if !strings.HasPrefix(form, test.outer+"Content-Type: multipart/signed;") {
				t.Errorf("header\n%q\nwant before the signature\n%q", cut(form), test.outer)
			}
			_, rest, _ := strings.Cut(form, "\r\n--"+m[1]+"\r\n")
			entity, _, _ := strings.Cut(rest, "\r\n--"+m[1]+"\r\n")
			if entity != test.entity {
				t.Errorf("entity\n%q\nwant\n%q", cut(entity), cut(test.entity))
			}
			// Who receives it finds the sender's signature: so do we.
			again := r.accept("X-Letter-Repeat: yes\r\n"+form, first)
			sig := r.record(again.Letter).Facts.Signature
			if sig.Result != "valid" || sig.By != "client" {
				t.Errorf("signature %+v", sig)
			}
			if r.sentForm(again) != "X-Letter-Repeat: yes\r\n"+form {
				t.Error("a signed letter was changed")
			}
			// One octet of the entity is enough to break it.
			broken := strings.Replace("X-Letter-Repeat: yes\r\n"+form, "\r\n--"+m[1]+"\r\n"+entity, "\r\n--"+m[1]+"\r\n"+flip(entity), 1)
			if codes := r.codes(broken, first); len(codes) != 1 || codes[0] != "signature-invalid" {
				t.Errorf("a broken signature: %v", codes)
			}
		})
	}
}

// flip changes one letter.
func flip(entity string) string {
	i := strings.LastIndexAny(entity, "eТ0")
	return entity[:i] + strings.NewReplacer("e", "E", "Т", "Ъ", "0", "9").Replace(entity[i:])
}

// Letters of types that need no signature are not signed, and an organisation
// without a key here is told to sign by itself.
func TestWhoSigns(t *testing.T) {
	r := newRig(t)
	if out := r.record(r.accept(mail(), first).Letter); out.Facts.Signature.Result != "none" || out.Facts.Sent.Size != 0 {
		t.Errorf("signature %+v", out.Facts.Signature)
	}
	out := r.record(r.accept(mail("X-Letter-Type: signed"), first).Letter)
	if s := out.Facts.Signature; s.Result != "valid" || s.By != "gateway" || s.Certificate.IsZero() || out.Facts.Sent.Size == 0 {
		t.Errorf("signature %+v, sent %+v", s, out.Facts.Sent)
	}
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	r.SetBook(intake.Book{Rules: b.Rules, Registry: b.Registry, Verifier: b.Verifier})
	if codes := r.codes(mail("X-Letter-Type: signed", "X-A: b"), first); len(codes) != 1 || codes[0] != "signature-missing" {
		t.Errorf("without a key: %v", codes)
	}
}
