package policy

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/policy/fileformat"
	"gosbridge/policy/registry"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// file is a sound file of the format that its name says.
func file(name string, size Octets) File {
	format := fileformat.Ending(name)
	return File{Name: name, Size: int64(size), Facts: fileformat.Facts{Format: format}}
}

func to(kind registry.Kind) Recipient {
	return Recipient{Address: "to@x.example", Entry: registry.Entry{ID: "to", Kind: kind, Status: registry.Active}}
}

// goodLetter passes as any of the types, but for the client's signature and
// what whole makes good.
func goodLetter(letterType string) Letter {
	return Letter{
		Type: letterType, At: noon, Assurance: "password",
		Subject: "Запрос", SubjectCount: 1, TextRunes: 100,
		Files:        []File{file("Приказ № 17.pdf", MiB)},
		Recipients:   []Recipient{to(registry.StateBody)},
		GatewaySigns: strings.HasPrefix(letterType, "registered"),
	}
}

// whole is a letter that passes as any of the shipped types.
func whole(letterType string) Letter {
	l := goodLetter(letterType)
	switch letterType {
	case "appeal":
		l.Kind = "complaint"
		l.Fields = map[string]string{
			FieldName: "Иванов И. И.", FieldIdentity: "11223344595", FieldPhone: "+79990000000", FieldEmail: "i@x.example",
		}
	case "post":
		l.Recipients[0].Entry.Post = true
	case "reply":
		l.Correspondent = "to"
	case "notice":
		l.Sender.Kind, l.GatewaySigns = registry.StateBody, true
	}
	return l
}

func codes(vs []Violation) []Code {
	var out []Code
	for _, v := range vs {
		out = append(out, v.Code)
	}
	return out
}

func TestGoodLettersPass(t *testing.T) {
	r := rules(t, append(DefaultProfiles(), Unlimited("bench"))...)
	for _, letterType := range r.Types() {
		d := r.Check(whole(letterType))
		p, _ := r.Profile(letterType)
		if d.Err() != nil || len(d.Advice) > 0 || d.Profile != letterType || d.Digest != p.Digest() {
			t.Errorf("%s: %+v", letterType, d)
		}
	}
}

func TestCheck(t *testing.T) {
	problem := func(kind fileformat.Kind, detail fileformat.Detail) func(*Letter) {
		return func(l *Letter) {
			l.Files[0].Facts.Problems = []fileformat.Problem{{Kind: kind, Detail: detail}}
		}
	}
	name := func(s string) func(*Letter) { return func(l *Letter) { l.Files[0].Name = s } }
	client := func(s Signature) func(*Letter) {
		return func(l *Letter) { l.Signature, l.GatewaySigns = s, false }
	}
	for _, test := range []struct {
		what   string
		of     string // letter type
		change func(*Letter)
		want   []Code
	}{
		{"subject of 150", "simple", func(l *Letter) { l.Subject = strings.Repeat("я", 150) }, nil},
		{"subject of 151", "simple", func(l *Letter) { l.Subject = strings.Repeat("я", 151) }, []Code{SubjectTooLong}},
		{"Re: is free", "simple", func(l *Letter) { l.Subject, l.Reply = "RE: Re: "+strings.Repeat("я", 150), true }, nil},
		{"Re: only in replies", "simple", func(l *Letter) { l.Subject = "Re: " + strings.Repeat("я", 150) }, []Code{SubjectTooLong}},
		{"Re: alone is no subject", "simple", func(l *Letter) { l.Subject, l.Reply = "Re: ", true }, []Code{SubjectMissing}},
		{"no subject", "simple", func(l *Letter) { l.Subject, l.SubjectCount = "", 0 }, []Code{SubjectMissing}},
		{"blank subject", "simple", func(l *Letter) { l.Subject = " \t" }, []Code{SubjectMissing}},
		{"two subjects", "simple", func(l *Letter) { l.SubjectCount = 2 }, []Code{SubjectRepeated}},
		{"text of 10,000", "simple", func(l *Letter) { l.TextRunes = 10_000 }, nil},
		{"text of 10,001", "simple", func(l *Letter) { l.TextRunes = 10_001 }, []Code{TextTooLong}},
		{"no text", "simple", func(l *Letter) { l.TextRunes = 0 }, []Code{TextMissing}},
		{"blank text", "simple", func(l *Letter) { l.TextRunes, l.TextBlank = 3, true }, []Code{TextMissing}},
		{"HTML", "simple", func(l *Letter) { l.HTML = true }, nil},

		{"file of 2 MiB", "simple", func(l *Letter) { l.Files[0].Size = int64(2 * MiB) }, nil},
		{"file above 2 MiB", "simple", func(l *Letter) { l.Files[0].Size = int64(2*MiB) + 1 }, []Code{FileTooLarge, FilesTooLarge}},
		{"too large to be inspected", "registered", func(l *Letter) { l.Files[0] = File{Name: "a.pdf", Size: int64(11 * MiB)} }, []Code{FileTooLarge}},
		{"sum above 2 MiB", "simple", func(l *Letter) { l.Files = append(l.Files, file("b.pdf", MiB+1)) }, []Code{FilesTooLarge}},
		{"file of 10 MiB", "registered", func(l *Letter) { l.Files[0].Size = int64(10 * MiB) }, nil},
		{"file above 10 MiB", "registered", func(l *Letter) { l.Files[0].Size = int64(10*MiB) + 1 }, []Code{FileTooLarge}},
		{"sum above 20 MiB", "registered", func(l *Letter) {
			l.Files = []File{file("a.pdf", 10*MiB), file("b.pdf", 10*MiB), file("c.pdf", 1)}
		}, []Code{FilesTooLarge}},
		{"no file", "simple", func(l *Letter) { l.Files = nil }, nil},
		{"no file", "registered", func(l *Letter) { l.Files = nil }, []Code{FilesMissing}},
		{"five files", "simple", func(l *Letter) { l.Files = slices.Repeat([]File{file("a.pdf", 1)}, 5) }, nil},
		{"a sixth file", "simple", func(l *Letter) { l.Files = slices.Repeat([]File{file("a.pdf", 1)}, 6) }, []Code{TooManyFiles}},
		{"JPG", "simple", func(l *Letter) { l.Files[0] = file("a.jpg", 1) }, nil},
		{"JPG", "registered", func(l *Letter) { l.Files[0] = file("a.jpg", 1) }, []Code{FileFormat}},
		{"ZIP", "simple", func(l *Letter) { l.Files[0] = file("a.zip", 1) }, []Code{FileFormat}},
		{"unknown format", "simple", func(l *Letter) { l.Files[0].Facts.Format = "" }, []Code{FileFormat}},
		{"misnamed", "simple", problem(fileformat.Extension, ""), []Code{FileMismatch}},
		{"damaged", "simple", problem(fileformat.Damaged, fileformat.DetailCut), []Code{FileDamaged}},
		{"encrypted", "simple", problem(fileformat.Encrypted, ""), []Code{FileEncrypted}},
		{"macros", "simple", problem(fileformat.Macros, ""), []Code{FileMacros}},
		{"bomb", "simple", problem(fileformat.Bomb, fileformat.DetailRatio), []Code{FileBomb}},
		{"entry name", "simple", problem(fileformat.EntryName, fileformat.DetailPath), []Code{FileEntry}},
		{"pixels", "simple", problem(fileformat.Pixels, fileformat.DetailPixels), []Code{FilePixels}},
		{"program named pdf", "simple", func(l *Letter) {
			l.Files[0].Facts = fileformat.Facts{Format: "exe", Problems: []fileformat.Problem{{Kind: fileformat.Executable}, {Kind: fileformat.Extension}}}
		}, []Code{FileExecutable}},

		{"name", "simple", name("Ответ на № 5 (копия), лист 1.pdf"), nil},
		{"name of dots", "simple", name("..."), []Code{FileNameMissing}},
		{"no name", "simple", name(""), []Code{FileNameMissing}},
		{"path", "simple", name("../a.pdf"), []Code{FileNamePath}},
		{"path of Windows", "simple", name(`c:\a.pdf`), []Code{FileNamePath, FileName}},
		{"colon", "simple", name("a:b.pdf"), []Code{FileName}},
		{"star", "simple", name("a*.pdf"), []Code{FileName}},
		{"question mark", "simple", name("a?.pdf"), []Code{FileName}},
		{"quote", "simple", name(`a".pdf`), []Code{FileName}},
		{"angle", "simple", name("a<b>.pdf"), []Code{FileName}},
		{"bar", "simple", name("a|b.pdf"), []Code{FileName}},
		{"control", "simple", name("a\x07.pdf"), []Code{FileName}},
		{"line end", "simple", name("a\r\nb.pdf"), []Code{FileName}},
		{"not decoded", "simple", name("a\xff.pdf"), []Code{FileName}},
		{"invisible", "simple", name("a\u200b.pdf"), []Code{FileName}},
		{"dot at the end", "simple", name("a.pdf."), []Code{FileName}},
		{"right to left", "simple", name("a\u202efdp.exe"), []Code{FileNameDirection}},
		{"isolate", "simple", name("a\u2066.pdf"), []Code{FileNameDirection}},
		{"double ending", "simple", name("счёт.pdf.exe"), []Code{FileNameDouble}},
		{"double ending turned", "simple", name("счёт.exe.pdf"), []Code{FileNameDouble}},
		{"double ending with blanks", "simple", name("счёт.pdf     .exe"), []Code{FileNameDouble}},
		{"dots in a name", "simple", name("Договор.docx.v1.2 от 01.02.2026.pdf"), nil},
		{"name of a site", "simple", name("gosuslugi.com.pdf"), nil},
		{"255 characters", "simple", name(strings.Repeat("я", 251) + ".pdf"), nil},
		{"256 characters", "simple", name(strings.Repeat("я", 252) + ".pdf"), []Code{FileNameTooLong}},

		{"person", "simple", func(l *Letter) { l.Recipients[0] = to(registry.Person) }, nil},
		{"person", "registered", func(l *Letter) { l.Recipients[0] = to(registry.Person) }, []Code{RecipientKind}},
		{"proprietor", "registered", func(l *Letter) { l.Recipients[0] = to(registry.Proprietor) }, nil},
		{"archived", "simple", func(l *Letter) { l.Recipients[0].Entry.Status = registry.Archived }, []Code{RecipientArchived}},
		{"ended", "simple", func(l *Letter) { l.Recipients[0].Entry.ValidTo = noon }, []Code{RecipientArchived}},
		{"left", "simple", func(l *Letter) { l.Recipients[0].Entry.Status = registry.Left }, []Code{RecipientLeft}},
		{"20 recipients", "registered", func(l *Letter) { l.Recipients = slices.Repeat(l.Recipients, 20) }, nil},
		{"21 recipients", "registered", func(l *Letter) { l.Recipients = slices.Repeat(l.Recipients, 21) }, []Code{TooManyRecipients}},
		{"nobody", "simple", func(l *Letter) { l.Recipients = nil }, []Code{NoRecipients}},
		{"Bcc", "simple", func(l *Letter) { l.Bcc = 1 }, nil},
		{"Bcc", "registered", func(l *Letter) { l.Bcc = 1 }, []Code{BccForbidden}},

		{"signed", "simple", client(SignatureValid), []Code{SignatureUnwanted}},
		{"unsigned", "registered", client(SignatureNone), []Code{SignatureMissing}},
		{"signed by the client", "registered", client(SignatureValid), nil},
		{"signed by somebody else", "registered", client(SignatureForeign), []Code{SignatureOfOther}},
		{"signed badly", "registered", client(SignatureInvalid), []Code{SignatureBroken}},
		{"signed by an unknown method", "registered", client(SignatureUnknown), []Code{SignatureNoAlgo}},
		{"signed badly, and by the gateway", "registered", func(l *Letter) { l.Signature = SignatureInvalid }, []Code{SignatureBroken}},
		{"finding without sense", "registered", client("nonsense"), []Code{SignatureBroken}},

		{"enclosed", "registered", func(l *Letter) {
			client(SignatureValid)(l)
			l.Enclosed, l.TextRunes, l.TextBlank, l.Files = true, 0, true, []File{file("smime.p7m", MiB)}
		}, []Code{ContentEnclosed}},
		{"enclosed", "simple", func(l *Letter) { l.Enclosed, l.Subject, l.Files = true, "", nil }, []Code{ContentEnclosed, SubjectMissing}},

		{"unknown login", "simple", func(l *Letter) { l.Assurance = "" }, []Code{AssuranceTooLow}},
		{"better login", "simple", func(l *Letter) { l.Assurance = "signature" }, nil},
		{"unknown type", "telegram", func(*Letter) {}, []Code{TypeUnknown}},
		{"found by others", "simple", func(l *Letter) {
			l.Found = []Violation{New(ScannerUnavailable), New(BareLineEnding)}
			l.TextRunes = 0
		}, []Code{TextMissing, BareLineEnding, ScannerUnavailable}},
		{"all at once", "registered", func(l *Letter) {
			l.Subject, l.TextRunes, l.Bcc, l.GatewaySigns = "", 10_001, 2, false
			l.Recipients[0] = to(registry.Person)
			l.Files = []File{file("a:b.png", 11*MiB), file("c.pdf", 10*MiB)}
			l.Files[1].Facts.Problems = []fileformat.Problem{{Kind: fileformat.Encrypted}}
		}, []Code{RecipientKind, BccForbidden, FileTooLarge, FilesTooLarge, FileFormat, FileEncrypted, FileName, SubjectMissing, TextTooLong, SignatureMissing}},
	} {
		t.Run(test.of+" "+test.what, func(t *testing.T) {
			l := goodLetter(test.of)
			test.change(&l)
			d := rules(t).Check(l)
			got := codes(d.Violations)
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestUnlimited: a type without limits refuses nothing by content.
func TestUnlimited(t *testing.T) {
	r := rules(t, Unlimited("bench"))
	d := r.Check(Letter{
		Type: "bench", Assurance: "password", TextRunes: 1 << 30, Bcc: 10_000, HTML: true,
		Subject: strings.Repeat("x", 10_000), SubjectCount: 1,
		Files:      slices.Repeat([]File{{Name: "../a.exe", Size: 1 << 40}, {Size: 1}}, 1000),
		Recipients: slices.Repeat([]Recipient{to(registry.Person)}, 5000),
	})
	if len(d.Violations) > 0 || len(d.Advice) > 0 {
		t.Errorf("%v %v", codes(d.Violations), codes(d.Advice))
	}
	if r.LargestSum() != AnySize || r.MostRecipients() != AnyCount {
		t.Error("the ceilings are limited")
	}
}

// TestLaterTypes: what the other types of the service need can be said in a
// profile.
func TestLaterTypes(t *testing.T) {
	notice := registered()
	notice.Type, notice.Senders, notice.Recipients = "notice", []registry.Kind{registry.StateBody}, nil
	notice.HTML, notice.Consent, notice.Assurance = false, ConsentLetter, "client-certificate"
	notice.RequiredMetadata = []string{"signed-on"}
	notice.Formats, notice.Macros = []string{"pdf", "docx", "jpg"}, true

	reply := simple()
	reply.Type, reply.Scope, reply.MaxRecipients, reply.Signature = "reply", ScopeCorrespondent, 1, Optional

	post := simple()
	post.Type, post.Scope, post.Signature = "post", ScopePost, Optional

	appeal := simple()
	appeal.Type, appeal.Signature = "appeal", Optional
	appeal.Kinds, appeal.RequiredField = []string{"complaint", "question"}, []string{"phone"}
	appeal.TextMin, appeal.SubjectMin, appeal.FilesMax = 50, 5, 0

	r := rules(t, notice, reply, post, appeal)
	for _, test := range []struct {
		what string
		l    Letter
		want []Code
	}{
		{"notice from nobody", func() Letter {
			l := goodLetter("notice")
			l.HTML = true
			l.Files[0].Facts.Problems = []fileformat.Problem{{Kind: fileformat.Macros}}
			return l
		}(), []Code{SenderKind, AssuranceTooLow, FileMetadata, HTMLForbidden, SignatureMissing, ConsentMissing}},
		{"notice", func() Letter {
			l := goodLetter("notice")
			l.Sender.Kind, l.Assurance, l.Consented, l.Signature = registry.StateBody, "signature", true, SignatureValid
			l.Files[0].Metadata = map[string]string{"signed-on": "2026-03-01"}
			return l
		}(), nil},
		{"reply to nobody", goodLetter("reply"), []Code{RecipientScope}},
		{"reply to another", with(goodLetter("reply"), func(l *Letter) { l.Correspondent = "other" }), []Code{RecipientScope}},
		{"reply", with(goodLetter("reply"), func(l *Letter) { l.Correspondent = "to" }), nil},
		{"reply with a method unknown", with(goodLetter("reply"), func(l *Letter) { l.Correspondent, l.Signature = "to", SignatureUnknown }), nil},
		{"reply signed badly", with(goodLetter("reply"), func(l *Letter) { l.Correspondent, l.Signature = "to", SignatureInvalid }), []Code{SignatureBroken}},
		{"post without post", goodLetter("post"), []Code{RecipientNoPost}},
		{"post", with(goodLetter("post"), func(l *Letter) { l.Recipients[0].Entry.Post = true }), nil},
		{"appeal", with(goodLetter("appeal"), func(l *Letter) { l.Subject, l.TextRunes = "Да", 49 }),
			[]Code{TooManyFiles, SubjectTooShort, TextTooShort, KindMissing, FieldMissing}},
		{"good appeal", with(goodLetter("appeal"), func(l *Letter) {
			l.Files, l.Kind, l.Fields = nil, "question", map[string]string{"phone": "+79990000000"}
		}), nil},
	} {
		if got := codes(r.Check(test.l).Violations); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.what, got, test.want)
		}
	}
}

func with(l Letter, change func(*Letter)) Letter {
	change(&l)
	return l
}

func TestAdvice(t *testing.T) {
	p := simple()
	p.Advise = []Code{TextTooLong, FileMacros}
	l := goodLetter("simple")
	l.TextRunes = 20_000
	l.Files[0].Declared = "image/png"
	l.Files[0].Facts.DPI = 150
	l.Files[0].Facts.Problems = []fileformat.Problem{{Kind: fileformat.Declared}, {Kind: fileformat.Macros}, {Kind: fileformat.Encrypted}}
	d := rules(t, p).Check(l)
	if got := codes(d.Violations); !slices.Equal(got, []Code{FileEncrypted}) {
		t.Errorf("violations %v", got)
	}
	if got := codes(d.Advice); !slices.Equal(got, []Code{FileDeclared, FileMacros, FileResolution, TextTooLong}) {
		t.Errorf("advice %v", got)
	}
}

func TestCheckIsPure(t *testing.T) {
	r := rules(t)
	l := goodLetter("registered")
	l.TextRunes, l.Bcc = 0, 1
	l.Found = []Violation{New(Malware, "EICAR"), New(NulOctet)}
	found := slices.Clone(l.Found)
	first := r.Check(l)
	if again := r.Check(l); !reflect.DeepEqual(first, again) {
		t.Errorf("%+v, then %+v", first, again)
	}
	if !slices.Equal(found, l.Found) {
		t.Error("Check changed the letter")
	}
	unknown := l
	unknown.Type = "x"
	r.Check(unknown)
	if !slices.Equal(found, l.Found) {
		t.Error("Check changed the letter of an unknown type")
	}
}

func TestUnknown(t *testing.T) {
	for _, test := range []struct {
		address string
		near    []string
		want    Code
	}{
		{"a@b.example", nil, RecipientUnknown},
		{"a@b.example", []string{"aa@b.example"}, RecipientNear},
		{"a", nil, RecipientAddress}, {"@b", nil, RecipientAddress},
		{"7707083894@inn.example", nil, RecipientNumber}, {"7707083893@inn.example", nil, RecipientUnknown},
		{"500100732258@inn.example", nil, RecipientNumber}, {"1027700132196@ogrn.example", []string{"x@y"}, RecipientNumber},
		{"304500116000158@x.example", nil, RecipientNumber}, {"12345@x.example", nil, RecipientUnknown},
	} {
		if got := Unknown(test.address, test.near).Code; got != test.want {
			t.Errorf("Unknown(%q): %s, want %s", test.address, got, test.want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	r, err := NewRules(DefaultProfiles())
	if err != nil {
		b.Fatal(err)
	}
	l := goodLetter("registered")
	b.ReportAllocs()
	for b.Loop() {
		r.Check(l)
	}
}
