package fileformat

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// inspect looks at a whole file as intake does.
func inspect(t testing.TB, l Limits, name string, data []byte) Facts {
	t.Helper()
	head, tail := data[:min(len(data), 3072)], data[max(0, len(data)-1024):]
	opened := 0
	f, err := l.Inspect(t.Context(), name, "", int64(len(data)), head, tail, func() (io.ReaderAt, error) {
		opened++
		return bytes.NewReader(data), nil
	})
	if err != nil {
		t.Fatalf("Inspect(%s): %v", name, err)
	}
	if opened > 1 || opened == 1 && (!NeedsAccess(head) || len(head) == len(data)) {
		t.Errorf("Inspect(%s) opened the file %d times", name, opened)
	}
	return f
}

// kinds gives the kinds of the problems in order, each once.
func kinds(f Facts) []Kind {
	var out []Kind
	for _, p := range f.Problems {
		if !slices.Contains(out, p.Kind) {
			out = append(out, p.Kind)
		}
	}
	return out
}

func TestRealDocuments(t *testing.T) {
	for _, test := range []struct {
		file, format string
		want         []Kind
	}{
		{"act.pdf", PDF, nil},
		{"appeal.pdf", PDF, nil},
		{"locked.pdf", PDF, []Kind{Encrypted}},
		{"appeal.doc", DOC, nil},
		{"appeal.docx", DOCX, nil},
		{"order.docx", DOCX, nil},
		{"scan.jpg", JPG, nil},
		{"stamp.png", PNG, nil},
		{"annexes.zip", ZIP, nil},
		{"order.md", "txt", nil},
	} {
		data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "documents", test.file))
		if err != nil {
			t.Fatal(err)
		}
		f := inspect(t, DefaultLimits(), test.file, data)
		if f.Format != test.format || !slices.Equal(kinds(f), test.want) {
			t.Errorf("%s: %+v; want %s %v", test.file, f, test.format, test.want)
		}
		if test.want != nil || test.format == "txt" {
			continue
		}
		// Cut off anywhere, no document is sound any more.
		for _, n := range []int{len(data) - 1, len(data) * 9 / 10, len(data) / 2, 600} {
			cut := inspect(t, DefaultLimits(), test.file, data[:n])
			lastOctet := n == len(data)-1 && (test.format == PDF || test.format == DOC)
			if !cut.Has(Damaged) && !lastOctet { // their last octet says nothing
				t.Errorf("%s cut to %d of %d octets: %+v", test.file, n, len(data), cut)
			}
		}
	}
}

func TestImageFacts(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "documents", "scan.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	f := inspect(t, DefaultLimits(), "scan.jpg", data)
	if f.Width != 620 || f.Height != 877 || f.DPI != 300 {
		t.Errorf("scan.jpg: %+v", f)
	}
	withDPI := slices.Insert(makePNG(t), 33, pngChunkOctets("pHYs", []byte{0, 0, 0x0b, 0x13, 0, 0, 0x0b, 0x13, 1})...)
	if f := inspect(t, DefaultLimits(), "a.png", withDPI); f.Width != 40 || f.Height != 30 || f.DPI != 72 || len(f.Problems) > 0 {
		t.Errorf("png: %+v", f)
	}
}

func TestInspect(t *testing.T) {
	pngFile, jpegFile := makePNG(t), makeJPEG(t)
	docx := makeDOCX(t)
	for _, test := range []struct {
		name   string
		data   []byte
		format string
		want   []Kind
	}{
		{"a.pdf", makePDF(""), PDF, nil},
		{"a.pdf", append([]byte("\ufeff\r\n"), makePDF("")...), PDF, nil}, // offsets count from the header
		{"a.pdf", makePDF("/Encrypt 4 0 R"), PDF, []Kind{Encrypted}},
		{"a.pdf", makePDF("/Encr#79pt 4 0 R"), PDF, []Kind{Encrypted}},
		{"a.pdf", makePDF("/Info << /Encrypt (no) >> /X /Encrypt /Y (/Encrypt \\) >> ) /Z </45>"), PDF, nil},
		{"a.pdf", makeStreamPDF(""), PDF, nil},
		{"a.pdf", makeStreamPDF("/Encrypt 9 0 R"), PDF, []Kind{Encrypted}},
		{"a.pdf", bytes.Replace(makePDF(""), []byte("%%EOF"), []byte("%%E"), 1), PDF, []Kind{Damaged}},
		{"a.pdf", bytes.Replace(makePDF(""), []byte("startxref"), []byte("startxxxx"), 1), PDF, []Kind{Damaged}},
		{"a.pdf", bytes.Replace(makePDF(""), []byte("/Root"), []byte("/Boot"), 1), PDF, []Kind{Damaged}},
		{"a.pdf", bytes.Replace(makePDF(""), []byte("trailer\n<<"), []byte("trailer\n<("), 1), PDF, []Kind{Damaged}},
		{"a.pdf", bytes.Replace(makePDF(""), []byte("%PDF-1.4"), []byte("%PDF-x.4"), 1), PDF, []Kind{Damaged}},
		{"a.pdf", append(makePDF(""), makeZip(t)...), PDF, []Kind{Damaged}},
		{"a.pdf", []byte("%PDF-1.4"), PDF, []Kind{Damaged}},
		{"a.pdf", nil, PDF, []Kind{Damaged}},
		{"a.pdf", append([]byte("MZ\x90\x00"), make([]byte, 500)...), "exe", []Kind{Executable, Extension}},
		{"a.pdf", append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"), make([]byte, 100)...), "elf", []Kind{Executable, Extension}},
		{"a.pdf", []byte("#!/bin/sh\nrm -rf ~\n"), "sh", []Kind{Executable, Extension}},
		{"a.pdf", []byte("<!DOCTYPE html><html></html>"), "html", []Kind{Extension}},
		{"a.pdf", []byte("\x01\x02\x03\x04"), "", []Kind{Extension}},
		{"a.pdf", pngFile, PNG, []Kind{Extension}},
		{"noending", pngFile, PNG, []Kind{Extension}},
		{"a.txt", []byte("plain text"), "txt", nil},

		{"a.png", pngFile, PNG, nil},
		{"A.PNG", pngFile, PNG, nil},
		{"a.png", append(slices.Clone(pngFile), "<html><script>"...), PNG, []Kind{Damaged}},
		{"a.png", append(slices.Clone(pngFile), 0, 0), PNG, nil},
		{"a.png", pngFile[:len(pngFile)-12], PNG, []Kind{Damaged}},
		{"a.png", flip(pngFile, 60), PNG, []Kind{Damaged}},
		{"a.png", flip(pngFile, 18), PNG, []Kind{Damaged}},
		{"a.png", slices.Concat(magicPNG, pngChunkOctets("IEND", nil)), PNG, []Kind{Damaged}},
		{"a.png", slices.Concat(magicPNG, pngChunkOctets("IHDR", make([]byte, 13)), pngChunkOctets("IEND", nil)), PNG, []Kind{Damaged}},
		{"a.png", slices.Concat(pngFile[:33], pngChunkOctets("IEND", nil)), PNG, []Kind{Damaged}},
		{"a.png", slices.Concat(magicPNG, []byte("\xff\xff\xff\xffIHDR")), PNG, []Kind{Damaged}},

		{"a.jpg", jpegFile, JPG, nil},
		{"a.JPEG", jpegFile, JPG, nil},
		{"a.jpg", jpegFile[:len(jpegFile)-2], JPG, []Kind{Damaged}},
		{"a.jpg", append(slices.Clone(jpegFile), jpegFile...), JPG, nil}, // a second picture, as phones write
		{"a.jpg", append(slices.Clone(jpegFile), make([]byte, 2000)...), JPG, nil},
		{"a.jpg", append(slices.Clone(jpegFile), "<html><body>"...), JPG, []Kind{Damaged}},
		{"a.jpg", append(slices.Clone(jpegFile), docx...), JPG, []Kind{Damaged}},
		{"a.jpg", []byte("\xff\xd8\xff\xd9"), JPG, []Kind{Damaged}},
		{"a.jpg", []byte("\xff\xd8\xff\xe0\x00\x01"), JPG, []Kind{Damaged}},

		{"a.docx", docx, DOCX, nil},
		{"a.xlsx", makeXLSX(t), XLSX, nil},
		{"a.xlsx", docx, DOCX, []Kind{Extension}},
		{"a.zip", docx, DOCX, []Kind{Extension}},
		{"a.docx", docx[:len(docx)-30], DOCX, []Kind{Damaged}},
		{"a.docx", makeDOCX(t, part{"word/vbaProject.bin", "x"}), DOCX, []Kind{Macros}},
		{"a.xlsx", makeXLSX(t, part{"xl/macrosheets/sheet1.xml", "x"}), XLSX, []Kind{Macros}},
		{"a.docx", makeOffice(t, "word/document.xml", wordMacros+"document.macroEnabled.main+xml"), DOCX, []Kind{Macros}},
		{"a.docx", makeOffice(t, "word/document.xml", wordPrefix+"template.main+xml"), "dotx", []Kind{Extension}},
		{"a.docx", makeOffice(t, "ppt/p.xml", slidePrefix+"presentation.main+xml"), "pptx", []Kind{Extension}},
		{"a.docx", makeZip(t, part{"word/x", "x"}), ZIP, []Kind{Extension}}, // what content sniffing takes for DOCX
		{"a.docx", makeZip(t, part{contentTypes, "<Types/>"}), DOCX, []Kind{Damaged}},
		{"a.docx", makeZip(t, part{contentTypes, "no xml"}, part{packageRels, "<x/>"}), DOCX, []Kind{Damaged}},
		{"a.docx", makeDOCX(t, part{"run.exe", "x"}), DOCX, []Kind{Executable}},
		{"a.odt", makeZip(t, part{"mimetype", openDocPrefix + "text"}), "odt", nil},

		{"a.zip", makeZip(t, part{"Письмо.txt", "x"}, part{"dir/", ""}, part{"empty", ""}), ZIP, nil},
		{"a.zip", makeZip(t), ZIP, nil},
		{"a.zip", makeZip(t, part{"../x", "x"}), ZIP, []Kind{EntryName}},
		{"a.zip", makeZip(t, part{`a\..\..\x`, "x"}), ZIP, []Kind{EntryName}},
		{"a.zip", makeZip(t, part{"/etc/x", "x"}), ZIP, []Kind{EntryName}},
		{"a.zip", makeZip(t, part{"c:x", "x"}), ZIP, []Kind{EntryName}},
		{"a.zip", makeZip(t, part{"a\x1bb", "x"}), ZIP, []Kind{EntryName}},
		{"a.zip", makeZip(t, part{"счёт.js", "x"}), ZIP, []Kind{Executable}},
		{"a.xlsx", zip64(makeXLSX(t), false), XLSX, nil},
		{"a.xlsx", zip64(makeXLSX(t), true), XLSX, nil},
		{"a.zip", flip(zip64(makeZip(t, part{"a", "x"}), false), len(makeZip(t, part{"a", "x"}))-22+40), ZIP, []Kind{Damaged}},
		{"a.zip", encryptedZip(t), ZIP, []Kind{Encrypted}},
		{"a.zip", append([]byte("PK\x03\x04 something before"), makeZip(t, part{"a", "x"})...), ZIP, []Kind{Damaged}},
		{"a.zip", append(makeZip(t, part{"a", "x"}), "after"...), ZIP, []Kind{Damaged}},

		{"a.doc", makeCompound(t, part{"WordDocument", wordStream(0)}), DOC, nil},
		{"a.doc", makeCompound(t, part{"WordDocument", wordStream(0x0100)}), DOC, []Kind{Encrypted}},
		{"a.doc", makeCompound(t, part{"WordDocument", wordStream(0)}, part{"Macros/", ""}), DOC, []Kind{Macros}},
		{"a.doc", makeCompound(t, part{"WordDocument", strings.Repeat("x", 4096)}), DOC, []Kind{Damaged}},
		{"a.doc", makeCompound(t, part{"WordDocument/", ""}), DOC, []Kind{Damaged}},
		{"a.xls", makeCompound(t, part{"Workbook", workbookStream()}), XLS, nil},
		{"a.xls", makeCompound(t, part{"Workbook", workbookStream() + strings.Repeat("\x00", 8000)}), XLS, nil},
		{"a.xls", makeCompound(t, part{"first", strings.Repeat("x", 1000)}, part{"Book", workbookStream()}), XLS, nil},
		{"a.xls", makeCompound(t, part{"Workbook", workbookStream(0x2f)}), XLS, []Kind{Encrypted}},
		{"a.xls", makeCompound(t, part{"Workbook", workbookStream(0x86, 0x2f)}), XLS, []Kind{Encrypted}},
		{"a.xls", makeCompound(t, part{"Workbook", workbookStream()}, part{"_VBA_PROJECT_CUR/", ""}), XLS, []Kind{Macros}},
		{"a.docx", makeCompound(t, part{"EncryptedPackage", "x"}), DOCX, []Kind{Encrypted}},
		{"a.xlsx", makeCompound(t, part{"EncryptedPackage", "x"}), XLSX, []Kind{Encrypted}},
		{"a.doc", makeCompound(t, part{"Workbook", workbookStream()}), XLS, []Kind{Extension}},
		{"a.doc", makeCompound(t, part{"PowerPoint Document", "x"}), "ppt", []Kind{Extension}},
		{"a.doc", makeCompound(t, part{"something", "x"}), "", []Kind{Extension}},
		{"a.doc", magicCFB, DOC, []Kind{Damaged}},
		{"a.doc", loopedCompound(t), DOC, []Kind{Damaged}},
	} {
		f := inspect(t, DefaultLimits(), test.name, test.data)
		if f.Format != test.format || !slices.Equal(kinds(f), test.want) {
			t.Errorf("%s of %d octets (%.12q): %+v; want %q %v", test.name, len(test.data), test.data, f, test.format, test.want)
		}
	}
}

func flip(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 0xff
	return b
}

// encryptedZip sets the flag of encryption in the directory.
func encryptedZip(t *testing.T) []byte {
	b := makeZip(t, part{"a", "x"})
	b[bytes.Index(b, []byte("PK\x01\x02"))+8] |= 1
	return b
}

// loopedCompound has a directory whose chain never ends.
func loopedCompound(t *testing.T) []byte {
	b := makeCompound(t, part{"WordDocument", wordStream(0)})
	directory := binary.LittleEndian.Uint32(b[48:])
	binary.LittleEndian.PutUint32(b[512+4*directory:], directory)
	return b
}

func TestLimits(t *testing.T) {
	small := Limits{Entries: 10, Depth: 2, Ratio: 10, Sum: 3 << 20, Nested: 1 << 20, Pixels: 1000, Time: time.Minute}
	zeros := strings.Repeat("\x00", 2<<20)
	inner := string(makeZip(t, part{"a.txt", "text"}))
	for _, test := range []struct {
		what   string
		name   string
		data   []byte
		detail Detail
	}{
		{"ratio", "a.zip", makeZip(t, part{"a", zeros}), DetailRatio},
		{"sum", "a.zip", makeZip(t, part{"a", zeros}, part{"b", zeros}), DetailExpanded},
		{"entries", "a.zip", makeZip(t, slices.Repeat([]part{{"a", "x"}}, 11)...), DetailEntries},
		{"depth", "a.zip", makeZip(t, part{"b.zip", string(makeZip(t, part{"c.zip", inner}))}), DetailDepth},
		{"nested entries", "a.zip", makeZip(t, slices.Repeat([]part{{"b.zip", inner}}, 6)...), DetailEntries},
		{"document", "a.docx", makeDOCX(t, part{"word/media/a", zeros}), DetailRatio},
		{"overlap", "a.zip", overlappingZip(t), DetailOverlap},
		{"pixels", "a.png", makePNG(t), DetailPixels},
		{"pixels", "a.jpg", makeJPEG(t), DetailPixels},
	} {
		f := inspect(t, small, test.name, test.data)
		if !slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Detail == test.detail }) {
			t.Errorf("%s: %+v, want %q", test.what, f, test.detail)
		}
	}
	if f := inspect(t, small, "a.zip", makeZip(t, part{"b.zip", inner})); len(f.Problems) > 0 {
		t.Errorf("one archive in another: %+v", f)
	}
}

// overlappingZip has two directory entries for the same octets.
func overlappingZip(t *testing.T) []byte {
	b := makeZip(t, part{"a", "xxxx"}, part{"b", "yyyy"})
	first := bytes.Index(b, []byte("PK\x01\x02"))
	second := first + 1 + bytes.Index(b[first+1:], []byte("PK\x01\x02"))
	copy(b[second+42:second+46], b[first+42:first+46])
	return b
}

// TestLyingZip: an entry that declares less than it holds is not read on.
func TestLyingZip(t *testing.T) {
	b := makeZip(t, part{"a", strings.Repeat("x", 100_000)})
	at := bytes.Index(b, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(b[at+24:], 10)
	if f := inspect(t, DefaultLimits(), "a.zip", b); !f.Has(Damaged) {
		t.Errorf("%+v", f)
	}
}

// slowReader lets the time of the inspection pass before it answers.
type slowReader struct {
	r     io.ReaderAt
	delay time.Duration
}

func (s slowReader) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(s.delay)
	return s.r.ReadAt(p, off)
}

func TestTooSlow(t *testing.T) {
	var parts []part
	for range 20 {
		parts = append(parts, part{"a", string(makeJPEG(t))})
	}
	data := makeZip(t, parts...)
	l := DefaultLimits()
	l.Time = 5 * time.Millisecond
	f, err := l.Inspect(t.Context(), "a.zip", "", int64(len(data)), data[:3072], nil, func() (io.ReaderAt, error) {
		return slowReader{bytes.NewReader(data), 2 * time.Millisecond}, nil
	})
	if err != nil || !slices.Equal(kinds(f), []Kind{Bomb}) || f.Problems[0].Detail != DetailSlow {
		t.Errorf("%+v, %v", f, err)
	}
}

type failingReader struct{}

var errDisk = errors.New("disk failed")

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestErrorsAreNotFindings(t *testing.T) {
	for name, data := range map[string][]byte{
		"a.pdf": makeStreamPDF(""), "a.png": makePNG(t), "a.jpg": makeJPEG(t),
		"a.zip": makeZip(t, part{"a", "x"}), "a.doc": makeCompound(t, part{"WordDocument", wordStream(0)}),
	} {
		head := data[:64]
		_, err := Inspect(t.Context(), name, "", int64(len(data)), head, nil, func() (io.ReaderAt, error) { return failingReader{}, nil })
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: reading fails: %v", name, err)
		}
		_, err = Inspect(t.Context(), name, "", int64(len(data)), head, nil, func() (io.ReaderAt, error) { return nil, errDisk })
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: opening fails: %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = Inspect(ctx, name, "", int64(len(data)), head, nil, func() (io.ReaderAt, error) {
			cancel()
			return bytes.NewReader(data), nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", name, err)
		}
	}
}

func TestDeclared(t *testing.T) {
	for _, test := range []struct {
		declared string
		want     bool
	}{
		{"application/pdf", true}, {"image/png", false}, {"IMAGE/PNG; name=x", false},
		{"application/octet-stream", false}, {"", false}, {"nonsense", false},
	} {
		data := makePNG(t)
		f, err := Inspect(t.Context(), "a.png", test.declared, int64(len(data)), data, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.Has(Declared) != test.want {
			t.Errorf("declared %q: %+v", test.declared, f)
		}
	}
}

func TestAgrees(t *testing.T) {
	for _, test := range []struct {
		name, format string
		want         bool
	}{
		{"a.pdf", PDF, true}, {"a.PDF", PDF, true}, {"a.pdf ", PDF, true}, {"a.b.docx", DOCX, true},
		{"a.jpeg", JPG, true}, {"a.jpg", JPG, true}, {"a", PDF, false}, {"pdf", PDF, false}, {"a.doc", DOCX, false},
	} {
		if got := Agrees(test.name, test.format); got != test.want {
			t.Errorf("Agrees(%q, %s) = %v", test.name, test.format, got)
		}
	}
}
