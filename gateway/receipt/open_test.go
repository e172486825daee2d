package receipt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gosbridge/certs"
)

func TestOpenTampered(t *testing.T) {
	o := newOffice(t)
	raw := string(o.mail(t, o.seal(t, full()), mailing()))
	swap := func(from, to string) string {
		t.Helper()
		if !strings.Contains(raw, from) {
			t.Fatalf("no %q to change", from)
		}
		return strings.Replace(raw, from, to, 1)
	}
	// A change in the signed part that leaves the form alone: the verifier's.
	r, err := Open(strings.NewReader(swap("Action: delivered", "Action: failed")))
	if err != nil {
		t.Fatal(err)
	}
	if report := o.verify(t, r); report.Reason != certs.DigestMismatch {
		t.Errorf("changed report: %s", report.Reason)
	}
	// Changes that Open sees itself.
	json := base64.StdEncoding.EncodeToString([]byte(`{"authority":"Опер`))[:20]
	for name, test := range map[string]struct {
		mail string
		want error
	}{
		"second state":   {swap("X-Letter-State: delivered\r\n", "X-Letter-State: delivered\r\nX-Letter-State: opened\r\n"), ErrInvalid},
		"state outside":  {swap("X-Letter-State: delivered", "X-Letter-State: acknowledged"), ErrInvalid},
		"number outside": {swap("X-Letter-Number: GP-", "X-Letter-Number: GQ-"), ErrInvalid},
		"evidence":       {swap(json, "A"+json[1:]), ErrInvalid},
		"hash":           {swap("X-Letter-Evidence-SHA256: ", "X-Letter-Evidence-SHA256: 0"), ErrNotReceipt},
		"cut":            {raw[:len(raw)/2], ErrNotReceipt},
		"empty":          {"", ErrNotReceipt},
		"other mail":     {"Subject: x\r\nContent-Type: text/plain\r\n\r\nhello\r\n", ErrNotReceipt},
	} {
		if _, err := Open(strings.NewReader(test.mail)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestOpenDepth(t *testing.T) {
	o := newOffice(t)
	s, to := o.seal(t, full()), mailing()
	raw := o.mail(t, s, to)
	r, err := Open(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	to.Depth = Short
	nested := o.entity(s, to) // the report alone, in one multipart
	for depth, want := range []error{nil, nil, ErrNotReceipt} {
		mail := bytes.Replace(raw, r.Entity, nested.appendTo(nil), 1)
		if _, err := Open(bytes.NewReader(mail)); !errors.Is(err, want) {
			t.Errorf("%d multiparts around the report: %v, want %v", depth, err, want)
		}
		nested = compound("mixed", fmt.Sprint("outer", depth), nested)
	}
}

func TestOpenLF(t *testing.T) {
	o := newOffice(t)
	raw := o.mail(t, o.seal(t, full()), mailing())
	r, err := Open(bytes.NewReader(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))))
	if err != nil {
		t.Fatal(err)
	}
	if !o.verify(t, r).Valid() {
		t.Error("signature does not hold with LF line ends")
	}
}

func FuzzOpen(f *testing.F) {
	o := newOffice(f)
	for _, depth := range []Depth{Full, Short} {
		to := mailing()
		to.Depth = depth
		f.Add(o.mail(f, o.seal(f, full()), to))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Open(bytes.NewReader(data))
		if err != nil && !errors.Is(err, ErrNotReceipt) && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if err == nil && r.JSON != nil && r.Evidence.ID != r.ID {
			t.Fatal("evidence of another id")
		}
	})
}
