package message

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// letters returns the letters of testdata by name.
func letters(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/letters/*.eml")
	if err != nil || len(paths) < 30 {
		t.Fatalf("letters not found: %d, %v", len(paths), err)
	}
	out := make(map[string][]byte)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(path), ".eml")] = b
	}
	return out
}

func parse(raw []byte, limits Limits) *Message {
	p := NewParser(limits)
	p.Write(raw)
	return p.Close()
}

// TestGolden compares the parse of each letter with what stands beside it.
func TestGolden(t *testing.T) {
	for name, raw := range letters(t) {
		t.Run(name, func(t *testing.T) {
			got := dump(t, raw)
			path := filepath.Join("testdata", "golden", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs (run with -update and look at the difference):\n%s", path, got)
			}
		})
	}
}

// dump is the parse of a letter as text.
func dump(t *testing.T, raw []byte) string {
	t.Helper()
	m := parse(raw, Limits{})
	var b strings.Builder
	fmt.Fprintf(&b, "size %d, header %d, body runes %d, html %v\n", m.Size, m.HeaderSize, m.BodyRunes(), m.HasHTML())
	for _, d := range m.Defects {
		fmt.Fprintf(&b, "defect %s at %d\n", d.Kind, d.Offset)
	}
	fmt.Fprintf(&b, "subject %q\n", m.Header.Text("Subject"))
	for _, name := range []string{"From", "To", "Cc"} {
		for _, a := range m.Header.Addresses(name) {
			fmt.Fprintf(&b, "%s %+q\n", strings.ToLower(name), a)
		}
	}
	dumpPart(&b, m.Root, "")
	for _, f := range m.Files() {
		fmt.Fprintf(&b, "file %q %s %d\n", f.Filename, f.MediaType, f.DecodedSize)
	}
	summary := m.Summary()
	s, err := DecodeSummary(summary)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "summary %d octets, date %s\n", len(summary), s.Date().Format("2006-01-02 15:04:05 -0700"))
	fmt.Fprintf(&b, "ENVELOPE %s\nBODY %s\nBODYSTRUCTURE %s\n", s.Envelope(), s.Body(false), s.BodyStructure(false))
	return strings.ReplaceAll(b.String(), "\r\n", "␍␊")
}

func dumpPart(b *strings.Builder, p *Part, indent string) {
	fmt.Fprintf(b, "%s%s %q [%d %d +%d] %d lines", indent, p.MediaType, p.Params, p.HeaderOffset, p.BodyOffset, p.BodySize, p.Lines)
	if p.Disposition != "" || p.Filename != "" {
		fmt.Fprintf(b, " %s %q", p.Disposition, p.Filename)
	}
	if p.Children == nil {
		fmt.Fprintf(b, " %s: %d octets %x", p.Encoding, p.DecodedSize, p.SHA256[:4])
	}
	if p.Text != "" {
		fmt.Fprintf(b, "\n%s  %d runes %q", indent, p.Runes, shorten(p.Text))
	}
	b.WriteByte('\n')
	for _, child := range p.Children {
		dumpPart(b, child, indent+"  ")
	}
	if p.Embedded != nil {
		fmt.Fprintf(b, "%s  message [%d +%d] header %d subject %q\n", indent, p.Embedded.Offset, p.Embedded.Size, p.Embedded.HeaderSize, p.Embedded.Header.Text("Subject"))
		dumpPart(b, p.Embedded.Root, indent+"  ")
	}
}

func shorten(s string) string {
	if len(s) > 100 {
		return s[:60] + "..."
	}
	return s
}

// TestFilesAreTheDocuments shows that the attachments come out as the octets
// that went in, under their names, whatever encoded them.
func TestFilesAreTheDocuments(t *testing.T) {
	type file struct{ name, document string }
	want := map[string][]file{
		"files-rfc2231": {
			{"Обращение в налоговую инспекцию от января.docx", "appeal.docx"}, {"Обращение.pdf", "appeal.pdf"},
			{"Скан № 1.jpg", "scan.jpg"}, {"stamp.png", "stamp.png"},
		},
		"files-other": {
			{"Приложения.zip", "annexes.zip"}, {"appeal.doc", "appeal.doc"},
			{"приказ.docx", "order.docx"}, {"акт.pdf", "act.pdf"},
		},
		"files-rfc2047": {
			{"Счёт на оплату.pdf", "act.pdf"}, {"печать.png", "stamp.png"}, {"скан.jpg", "scan.jpg"},
		},
	}
	all := letters(t)
	for name, list := range want {
		files := parse(all[name], Limits{}).Files()
		if len(files) != len(list) {
			t.Fatalf("%s: %d files, want %d", name, len(files), len(list))
		}
		for i, f := range files {
			doc, err := os.ReadFile("../../testdata/documents/" + list[i].document)
			if err != nil {
				t.Fatal(err)
			}
			if f.Filename != list[i].name {
				t.Errorf("%s: name %q, want %q", name, f.Filename, list[i].name)
			}
			if f.SHA256 != sha256.Sum256(doc) || f.DecodedSize != int64(len(doc)) {
				t.Errorf("%s: %s is not %s", name, f.Filename, list[i].document)
			}
			if !bytes.Equal(f.Head, doc[:min(len(doc), headOctets)]) {
				t.Errorf("%s: head of %s differs", name, f.Filename)
			}
			if !bytes.Equal(f.Tail, doc[max(0, len(doc)-tailOctets):]) {
				t.Errorf("%s: tail of %s differs", name, f.Filename)
			}
		}
	}
}
