package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"gosbridge/mailstore"
)

func TestSealGolden(t *testing.T) {
	for name, ev := range map[string]Evidence{"full": full(), "least": plainOne()} {
		s, err := seal(clean(ev))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", s.JSON)
		golden(t, name+".xml", s.XML)
	}
}

func TestSealSameFactsSameBytes(t *testing.T) {
	o := newOffice(t)
	ev := full()
	ev.Version, ev.Signer, ev.Authority = 0, Digest{}, ""
	first, second := o.seal(t, ev), o.seal(t, ev)
	if !bytes.Equal(first.JSON, second.JSON) || !bytes.Equal(first.XML, second.XML) || first.Hash != second.Hash {
		t.Error("two seals of one evidence differ")
	}
	if first.Hash != sha256.Sum256(first.JSON) {
		t.Error("hash is not that of the JSON")
	}
	if got, want := first.Evidence.At, epoch.Truncate(time.Millisecond); !got.Equal(want) {
		t.Errorf("event time %v, want %v", got, want)
	}
	if first.Evidence.Signer != sha256.Sum256(o.options.Signer.Identity().Certificate.Raw) {
		t.Error("signer is not the certificate's digest")
	}
	ev.Files[0].Size++
	if changed := o.seal(t, ev); changed.Hash == first.Hash {
		t.Error("another file size gives the same hash")
	}
	ev.ID, ev.Issued = mailstore.ID{}, time.Time{}
	fresh := o.seal(t, ev)
	if fresh.ID.Version() != 7 || !fresh.Evidence.Issued.Equal(epoch.Truncate(time.Millisecond)) {
		t.Errorf("fresh id %s, issued %v", fresh.ID, fresh.Evidence.Issued)
	}
}

// TestJSONCanonical compares with what a map makes of the same JSON: its keys
// are sorted, as RFC 8785 wants them for ASCII keys.
func TestJSONCanonical(t *testing.T) {
	ev := full()
	ev.Authority = "a\"b\\c\b\t\n\f\r\u007f\u2028é<>&😀"
	s, err := seal(ev) // without clean, so that the escapes are seen
	if err != nil {
		t.Fatal(err)
	}
	var generic map[string]any
	dec := json.NewDecoder(bytes.NewReader(s.JSON))
	dec.UseNumber()
	if err := dec.Decode(&generic); err != nil {
		t.Fatal(err)
	}
	if generic["authority"] != ev.Authority {
		t.Errorf("authority came back as %q", generic["authority"])
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(generic); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), `\u2028`, "\u2028")
	if string(s.JSON) != want {
		t.Errorf("not canonical:\n%s\nwant\n%s", s.JSON, want)
	}
}

func TestParseRoundTrip(t *testing.T) {
	odd := full()
	odd.Sender.Name = "a]]>b\r\nc\td  e\u00a0&amp;<x>'\""
	odd.Files[0].Name = " й и\u0306 " // composed and decomposed stay as they are
	submission := full()
	submission.Event = SubmissionAcceptance
	submission.Recipients = append(submission.Recipients, Recipient{Address: "b@gov.example"})
	for name, ev := range map[string]Evidence{"full": full(), "least": plainOne(), "odd": odd, "several": submission} {
		t.Run(name, func(t *testing.T) {
			s, err := seal(clean(ev))
			if err != nil {
				t.Fatal(err)
			}
			fromJSON, err := ParseJSON(s.JSON)
			if err != nil {
				t.Fatal(err)
			}
			fromXML, err := ParseXML(s.XML)
			if err != nil {
				t.Fatal(err)
			}
			for form, got := range map[string]Sealed{"JSON": fromJSON, "XML": fromXML} {
				if !reflect.DeepEqual(got, s) {
					t.Errorf("from %s:\n%+v\nwant\n%+v", form, got, s)
				}
			}
			if got := s.Evidence.Sender.Name; got != ev.Sender.Name {
				t.Errorf("name became %q", got)
			}
		})
	}
}

// TestFieldsComplete fails when a field of the record is in none of the
// encodings: full has them all.
func TestFieldsComplete(t *testing.T) {
	var check func(path string, v reflect.Value)
	check = func(path string, v reflect.Value) {
		if v.IsZero() {
			t.Errorf("%s is not set by full, or does not come back", path)
		}
		switch {
		case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
			for i := range v.NumField() {
				check(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case v.Kind() == reflect.Slice && v.Len() > 0:
			check(path+"[0]", v.Index(0))
		}
	}
	s, err := seal(clean(full()))
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseXML(s.XML)
	if err != nil {
		t.Fatal(err)
	}
	check("Evidence", reflect.ValueOf(back.Evidence))
}

func TestSealCleans(t *testing.T) {
	ev := full()
	ev.Files[0].Name = "a\x00b\x1bc\xffd\ufffe.pdf"
	s, err := seal(clean(ev))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Evidence.Files[0].Name, "a\ufffdb\ufffdc\ufffdd\ufffd.pdf"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if ev.Files[0].Name != "a\x00b\x1bc\xffd\ufffe.pdf" {
		t.Error("the caller's evidence was changed")
	}
	if _, err := ParseXML(s.XML); err != nil {
		t.Error(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(s.XML))
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	tests := map[string]func(*Evidence){
		"version":             func(ev *Evidence) { ev.Version = 2 },
		"id of version 4":     func(ev *Evidence) { ev.ID[6] = 0x40 },
		"unknown event":       func(ev *Evidence) { ev.Event = "Opened" },
		"no event time":       func(ev *Evidence) { ev.At = time.Time{} },
		"no issue time":       func(ev *Evidence) { ev.Issued = time.Time{} },
		"year 10000":          func(ev *Evidence) { ev.Expected = epoch.AddDate(8000, 0, 0) },
		"no letter":           func(ev *Evidence) { ev.Letter.ID = mailstore.ID{} },
		"no number":           func(ev *Evidence) { ev.Letter.Number = "" },
		"no recipient":        func(ev *Evidence) { ev.Recipients = nil },
		"two recipients":      func(ev *Evidence) { ev.Recipients = append(ev.Recipients, ev.Recipients[0]) },
		"unnamed recipient":   func(ev *Evidence) { ev.Recipients[0] = Recipient{} },
		"size without hash":   func(ev *Evidence) { ev.Submitted.SHA256 = Digest{} },
		"negative size":       func(ev *Evidence) { ev.Files[0].Size = -1 },
		"size beyond 2^53":    func(ev *Evidence) { ev.Sent.Size = 1 << 53 },
		"reason without code": func(ev *Evidence) { ev.Reasons[0].Code = "" },
		"no signer":           func(ev *Evidence) { ev.Signer = Digest{} },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			ev := full()
			spoil(&ev)
			if _, err := seal(clean(ev)); !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
		})
	}
}

func TestParseStrict(t *testing.T) {
	s, err := seal(clean(full()))
	if err != nil {
		t.Fatal(err)
	}
	j, x := string(s.JSON), string(s.XML)
	edits := []struct{ name, from, to string }{
		{"space", `,"event":`, `, "event":`},
		{"unknown key", `{"authority"`, `{"aaa":1,"authority"`},
		{"key twice", `"inferred":true`, `"inferred":true,"inferred":true`},
		{"false", `"inferred":true`, `"inferred":false`},
		{"escaped letter", `"authority":"О`, `"authority":"\u041e`},
		{"upper-case key", `"event":`, `"Event":`},
		{"number form", `"size":1000`, `"size":1e3`},
		{"upper-case hex", `"previousEvidence":"08`, `"previousEvidence":"0A`},
		{"time zone", `05.123Z`, `05.123+00:00`},
		{"no milliseconds", `05.123Z`, `05Z`},
		{"invalid UTF-8", `"authority":"О`, "\"authority\":\"\xff"},
		{"other version", `"version":1`, `"version":2`},
		{"tail", `"version":1}`, `"version":1}{}`},
	}
	for _, e := range edits {
		data := strings.Replace(j, e.from, e.to, 1)
		if data == j {
			t.Fatalf("%s: nothing to edit", e.name)
		}
		// 0A is another digest, canonical in lower case only.
		if _, err := ParseJSON([]byte(data)); !errors.Is(err, ErrInvalid) {
			t.Errorf("JSON, %s: got %v, want ErrInvalid", e.name, err)
		}
	}
	for _, e := range []struct{ name, from, to string }{
		{"namespace", "evidence:1", "evidence:2"},
		{"comment", "<event>", "<!-- x --><event>"},
		{"unknown element", "<event>", "<x/><event>"},
		{"unknown attribute", "<event>", `<event a="b">`},
		{"element twice", "<inferred>true</inferred>", "<inferred>true</inferred><inferred>true</inferred>"},
		{"indent", "\n  <event>", "\n <event>"},
		{"DTD", "<evidence", `<!DOCTYPE evidence [<!ENTITY a "b">]><evidence`},
		{"version", `version="1">`, `version="01">`},
		{"tail", "</evidence>\n", "</evidence>\n<x/>"},
	} {
		data := strings.Replace(x, e.from, e.to, 1)
		if data == x {
			t.Fatalf("%s: nothing to edit", e.name)
		}
		if _, err := ParseXML([]byte(data)); !errors.Is(err, ErrInvalid) {
			t.Errorf("XML, %s: got %v, want ErrInvalid", e.name, err)
		}
	}
	if _, err := ParseJSON(make([]byte, maxEncoded+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("oversize JSON: %v", err)
	}
	if _, err := ParseXML(make([]byte, maxEncoded+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("oversize XML: %v", err)
	}
}

// TestEvidenceKeptAsJSON is what letter records rely on.
func TestEvidenceKeptAsJSON(t *testing.T) {
	for _, ev := range []Evidence{{}, {Letter: Letter{Number: "n"}}, clean(full())} {
		b, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		var back Evidence
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !reflect.DeepEqual(back, ev) {
			t.Errorf("got %+v, want %+v", back, ev)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, ev := range []Evidence{full(), plainOne()} {
		s, err := seal(clean(ev))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.JSON)
		f.Add(s.XML)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseJSON(data); err == nil {
			again, err := ParseXML(s.XML)
			if err != nil || !bytes.Equal(again.JSON, data) {
				t.Fatalf("JSON %q to XML %q: %v", data, s.XML, err)
			}
		} else if !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if s, err := ParseXML(data); err == nil {
			again, err := ParseJSON(s.JSON)
			if err != nil || !bytes.Equal(again.XML, data) {
				t.Fatalf("XML %q to JSON %q: %v", data, s.JSON, err)
			}
		} else if !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	})
}
