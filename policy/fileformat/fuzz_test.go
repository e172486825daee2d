package fileformat

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"time"
)

// fuzzInspect mutates files of one family. Whatever they hold, Inspect ends in
// time, without an error of its own, and says the same again.
func fuzzInspect(f *testing.F, name string, magic []byte, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s[len(magic):])
		f.Add(s[len(magic) : len(s)-len(s)/4])
	}
	limits := DefaultLimits()
	limits.Sum, limits.Time = 4<<20, 10*time.Second
	f.Fuzz(func(t *testing.T, rest []byte) {
		data := slices.Concat(magic, rest)
		look := func() Facts {
			got, err := limits.Inspect(t.Context(), name, "", int64(len(data)), data[:len(magic)], nil, func() (io.ReaderAt, error) {
				return bytes.NewReader(data), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		first := look()
		if again := look(); first.Format != again.Format || !slices.Equal(first.Problems, again.Problems) {
			t.Errorf("%+v, then %+v", first, again)
		}
		if first.Has(Bomb) && slices.ContainsFunc(first.Problems, func(p Problem) bool { return p.Detail == DetailSlow }) {
			t.Errorf("%d octets take more than %v", len(data), limits.Time)
		}
	})
}

func FuzzInspectPDF(f *testing.F) {
	fuzzInspect(f, "a.pdf", magicPDF, makePDF(""), makePDF("/Encrypt 4 0 R"), makeStreamPDF("/A<</B[(c)<d>/E#20]>>"))
}

func FuzzInspectJPEG(f *testing.F) { fuzzInspect(f, "a.jpg", magicJPG, makeJPEG(f)) }

func FuzzInspectPNG(f *testing.F) {
	fuzzInspect(f, "a.png", magicPNG, slices.Concat(magicPNG, pngChunkOctets("IHDR", bytes.Repeat([]byte{1}, 13)),
		pngChunkOctets("IDAT", nil), pngChunkOctets("IEND", nil)))
}

func FuzzInspectZIP(f *testing.F) {
	fuzzInspect(f, "a.zip", magicZIP, makeZip(f, part{"a.txt", "text"}, part{"b.zip", string(makeZip(f, part{"c", "d"}))}))
}

func FuzzInspectDOCX(f *testing.F) {
	fuzzInspect(f, "a.docx", magicZIP, makeDOCX(f), makeXLSX(f, part{"xl/vbaProject.bin", "x"}))
}

func FuzzInspectCompound(f *testing.F) {
	fuzzInspect(f, "a.doc", magicCFB, makeCompound(f, part{"WordDocument", wordStream(0)}),
		makeCompound(f, part{"Workbook", workbookStream(0x2f)}, part{"Macros/", ""}))
}

func BenchmarkInspect(b *testing.B) {
	big := bytes.Repeat([]byte("% comment of the document\n"), 400_000)
	pdf := makePDF("")
	at := bytes.Index(pdf, []byte("startxref"))
	pdf = append(slices.Clone(pdf[:at]), append(big, pdf[at:]...)...)
	for name, data := range map[string][]byte{
		"pdf 10MB": pdf,
		"docx":     makeDOCX(b),
		"jpg":      makeJPEG(b),
		"bomb.zip": makeZip(b, part{"zeros", string(make([]byte, 200<<20))}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				inspect(b, DefaultLimits(), name, data)
			}
		})
	}
}
