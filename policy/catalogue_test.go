package policy

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"gosbridge/policy/fileformat"
	"gosbridge/policy/registry"
)

// constants gives the values of all constants of type Code in code.go.
func constants(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, v := range spec.Values {
			s, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, Code(s))
		}
		return true
	})
	return out
}

func TestCatalogueIsComplete(t *testing.T) {
	codes := constants(t)
	if len(codes) < 80 || len(codes) != len(Catalogue()) {
		t.Errorf("%d codes, %d reasons", len(codes), len(Catalogue()))
	}
	for _, c := range codes {
		if _, ok := c.Reason(); !ok {
			t.Errorf("%s is not in the catalogue", c)
		}
	}
}

func TestCatalogueRows(t *testing.T) {
	seen := make(map[Code]bool)
	for _, r := range Catalogue() {
		if seen[r.Code] {
			t.Errorf("%s is there twice", r.Code)
		}
		seen[r.Code] = true
		if strings.Trim(string(r.Code), "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%s has other characters", r.Code)
		}
		if r.Stage == "" || r.SMTP/100 != r.Enhanced[0] || r.SMTP < 400 || r.SMTP > 599 {
			t.Errorf("%s: stage %q, reply %d %v", r.Code, r.Stage, r.SMTP, r.Enhanced)
		}
		for i := range r.Values {
			place := fmt.Sprintf("{%d}", i)
			if strings.Count(r.En, place) != 1 || strings.Count(r.Ru, place) != 1 {
				t.Errorf("%s: %s is not once in each text", r.Code, place)
			}
		}
		if n := strings.Count(r.En, "{"); n != len(r.Values) {
			t.Errorf("%s: %d places for %d values", r.Code, n, len(r.Values))
		}
		checkText(t, r.Code, r.En, r.RemedyEn)
		for _, s := range []string{r.Ru, r.RemedyRu} {
			if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r >= 'а' && r <= 'я' }) {
				t.Errorf("%s: %q is not Russian", r.Code, s)
			}
		}
		if r.En == "" || r.Ru == "" || (r.RemedyEn == "") != (r.RemedyRu == "") {
			t.Errorf("%s lacks a text", r.Code)
		}
		// Whoever is refused for good is told what can be done.
		if r.SMTP >= 500 && r.RemedyEn == "" && r.Code != MoreReasons {
			t.Errorf("%s: no remedy", r.Code)
		}
	}
}

func checkText(t *testing.T, code Code, texts ...string) {
	t.Helper()
	for _, s := range texts {
		for i := range len(s) {
			if s[i] < ' ' || s[i] > '~' {
				t.Errorf("%s: %q is not printable ASCII", code, s)
				return
			}
		}
	}
}

// TestReplies compares the catalogue with the table of replies.
func TestReplies(t *testing.T) {
	for _, row := range []struct {
		reply string
		codes []Code
	}{
		{"530 5.7.0", []Code{NotAuthenticated, EncryptionRequired}},
		{"535 5.7.8", []Code{AccountBlocked, CredentialsInvalid}},
		{"550 5.7.1", []Code{SenderNotOwned, FromNotOwned, SenderRight, SenderKind, AssuranceTooLow}},
		{"552 5.3.4", []Code{SizeExceeded}},
		{"550 5.1.1", []Code{RecipientUnknown, RecipientNear}},
		{"553 5.1.3", []Code{RecipientNumber, RecipientAddress}},
		{"550 5.2.1", []Code{RecipientArchived, RecipientLeft, RecipientBlocked}},
		{"452 4.5.3", []Code{RecipientsCeiling}},
		{"550 5.5.3", []Code{TooManyRecipients}},
		{"550 5.7.1", []Code{RecipientKind, RecipientScope, RecipientNoPost, BccForbidden}},
		{"552 5.3.4", []Code{FileTooLarge, FilesTooLarge}},
		{"550 5.6.1", []Code{FilesMissing, TooManyFiles, FileExecutable, FileFormat, FileMismatch, FileDamaged,
			FileEncrypted, FileMacros, FileBomb, FileEntry, FilePixels, FileNameMissing, FileName, FileNamePath,
			FileNameDirection, FileNameDouble, FileNameTooLong, FileMetadata, ContentEnclosed}},
		{"550 5.6.0", []Code{SubjectMissing, SubjectRepeated, SubjectTooShort, SubjectTooLong, TextMissing,
			TextTooShort, TextTooLong, HTMLForbidden, FieldMissing, TypeUnknown}},
		{"550 5.6.0", []Code{BareLineEnding, NulOctet, ForgedHeader, Malformed, Truncated, TooDeep, TooManyParts}},
		{"550 5.7.1", []Code{SignatureMissing, SignatureUnwanted, SignatureOfOther}},
		{"550 5.7.7", []Code{SignatureBroken}},
		{"554 5.7.1", []Code{Malware, Spam}},
		{"451 4.3.0", []Code{ScannerUnavailable, SignerUnavailable, TimestampUnavailable, StoreUnavailable}},
		{"452 4.2.2", []Code{Quota}},
		{"450 4.7.0", []Code{Rate}},
		{"550 5.7.1", []Code{ConsentMissing}},
	} {
		for _, c := range row.codes {
			v := New(c)
			got := fmt.Sprintf("%d %d.%d.%d", v.SMTP, v.Enhanced[0], v.Enhanced[1], v.Enhanced[2])
			if got != row.reply {
				t.Errorf("%s: %s, want %s", c, got, row.reply)
			}
		}
	}
}

// TestOrderFollowsTable: what stands higher in the table weighs more.
func TestOrderFollowsTable(t *testing.T) {
	rows := []Code{
		NotAuthenticated, SenderNotOwned, SizeExceeded, RecipientUnknown, RecipientArchived, RecipientsCeiling,
		TooManyRecipients, RecipientKind, FileTooLarge, FilesMissing, FileFormat, SubjectMissing, TextTooLong,
		SignatureMissing, SignatureBroken, Malware, ScannerUnavailable, Quota, Rate, ConsentMissing,
	}
	for i := 1; i < len(rows); i++ {
		if rows[i-1].place() >= rows[i].place() {
			t.Errorf("%s does not stand before %s", rows[i-1], rows[i])
		}
	}
	vs := NewRefusal(New(Quota), New(ConsentMissing), New(SignerUnavailable), New(FileTooLarge)).Violations
	for i, want := range []Code{FileTooLarge, ConsentMissing, SignerUnavailable, Quota} {
		if vs[i].Code != want {
			t.Errorf("position %d: %s, want %s", i, vs[i].Code, want)
		}
	}
}

// TestHostileValues: no value breaks a line, leaves ASCII or makes the text
// long.
func TestHostileValues(t *testing.T) {
	for _, hostile := range []string{
		"a\r\n250 OK", "\x00\x1b[31m", strings.Repeat("длинное имя ", 100), "\xff\xfe", "{0}{1}{2}", "a\u202egpj.exe", `back\slash`,
		"\U0001f600", "\u2028", strings.Repeat("x", 10_000),
	} {
		for _, r := range Catalogue() {
			values := make([]any, len(r.Values))
			for i := range values {
				values[i] = hostile
			}
			v := New(r.Code, values...)
			checkText(t, r.Code, v.En)
			if n := len(v.Line()); n > 480 {
				t.Errorf("%s: line of %d octets", r.Code, n)
			}
			if !utf8.ValidString(v.Ru) || strings.ContainsAny(v.Ru, "\r\n\x00\x1b\u202e\u2028") || utf8.RuneCountInString(v.Ru) > 600 {
				t.Errorf("%s: %q", r.Code, v.Ru)
			}
		}
	}
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		v      Violation
		en, ru string
	}{
		{New(FileTooLarge, "Приказ.pdf", Octets(10<<20+1), 10*MiB),
			"Prikaz.pdf has 10.01 MiB, the limit is 10 MiB",
			"файл Приказ.pdf: 10,01 МиБ, допустимо 10 МиБ"},
		{New(FileEncrypted, "Отчёт № 7 — «Щит»и\u0306.pdf"),
			`Otchet No 7 - "Shchit"i.pdf is encrypted`,
			"файл Отчёт № 7 — «Щит»и\u0306.pdf зашифрован"},
		{New(FileEncrypted, `Объявление Ъ Ь ǅ\🗎.pdf`),
			`Obieiavlenie Ie  \u01c5\u005c\U0001f5ce.pdf is encrypted`,
			`файл Объявление Ъ Ь ǅ\🗎.pdf зашифрован`},
		{New(RecipientKind, "a@b", registry.Person, title{"registered", "заказное"}),
			"a@b (person) cannot receive letters of type registered",
			"a@b (физическое лицо) не может получать письма вида «заказное»"},
		{New(TooManyFiles, 6, Count(5)), "6 files, the limit is 5", "файлов 6, допустимо 5"},
		{New(RecipientNear, "fsn@gov", []string{"fns@gov", "fms@gov"}),
			"fsn@gov is not in the registry; near: fns@gov, fms@gov",
			"адресата fsn@gov нет в реестре; похожие: fns@gov, fms@gov"},
		{New(Quota, Octets(1023)), "mailbox is full, its limit is 1023 B", "ящик полон, его предел 1023 Б"},
		{New(Rate), "too many letters, try again in ? s", "слишком много писем, повторите через ? с"},
		{New("nonsense", "x"), New(Internal).En, New(Internal).Ru},
	} {
		if test.v.En != test.en || test.v.Ru != test.ru {
			t.Errorf("%s:\n%s\n%s\nwant\n%s\n%s", test.v.Code, test.v.En, test.v.Ru, test.en, test.ru)
		}
	}
}

func TestRefusal(t *testing.T) {
	if NewRefusal() != nil || (Decision{}).Err() != nil {
		t.Error("a refusal without a reason")
	}
	var vs []Violation
	for range 100 {
		vs = append(vs, New(RecipientLeft, "a@b"))
	}
	lines := NewRefusal(vs...).Lines()
	if len(lines) != maxLines || lines[maxLines-1] != "more-reasons: 61 more reasons are left out" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	r := NewRefusal(New(TextMissing), New(FileEncrypted, "a.pdf"))
	if r.Worst().Code != FileEncrypted || r.Error() != "file-encrypted: a.pdf is encrypted; text-missing: the letter has no text" {
		t.Errorf("%s, %s", r.Worst().Code, r)
	}
	const russian = "- файл a.pdf зашифрован [file-encrypted]\n  Снимите с файла пароль.\n" +
		"- в письме нет текста [text-missing]\n  Напишите хотя бы строку, даже если приложен документ.\n"
	if r.Russian() != russian {
		t.Errorf("%s", r.Russian())
	}
	if !strings.Contains(r.English(), "Remove the password of the file.") {
		t.Errorf("%s", r.English())
	}
}

func TestDetailsAreTranslated(t *testing.T) {
	for _, d := range fileformat.Details() {
		if detailsRu[d] == "" {
			t.Errorf("%q has no Russian text", d)
		}
	}
	if len(fileformat.Details()) != len(detailsRu) {
		t.Error("texts without a detail")
	}
}

// A value that is there and empty is said in words: no text has a hole.
func TestEmptyValues(t *testing.T) {
	for _, test := range []struct {
		code   Code
		values []any
		en, ru string
	}{
		{FileExecutable, []any{""}, "a file without a name is or contains a program", "файл без имени: программа или содержит программу"},
		{FileEncrypted, []any{" \t"}, "a file without a name is encrypted", "файл без имени зашифрован"},
		{SenderNotOwned, []any{""}, "the empty address <> is not an address of this account", "адрес <> (пустой) не принадлежит этой учётной записи"},
		{RecipientAddress, []any{""}, "the empty address <> is not a valid address", "<> (пустой): неверный адрес"},
		{Malware, []any{""}, "malware found: (empty)", "найдена вредоносная программа: (пусто)"},
		{Malware, nil, "malware found: ?", "найдена вредоносная программа: ?"},
	} {
		if v := New(test.code, test.values...); v.En != test.en || v.Ru != test.ru {
			t.Errorf("%s of %q: %q, %q", test.code, test.values, v.En, v.Ru)
		}
	}
}
