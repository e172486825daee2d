package fileformat

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf16"
)

// picture is noise, so that nothing of it packs well.
func picture(width, height int) image.Image {
	random := rand.New(rand.NewPCG(1, 1))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			n := random.Uint32()
			m.SetRGBA(x, y, color.RGBA{byte(n), byte(n >> 8), byte(n >> 16), 255})
		}
	}
	return m
}

func makePNG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture(40, 30)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeJPEG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(40, 30), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngChunkOctets is one chunk with its sum.
func pngChunkOctets(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// makePDF writes a document of one empty page; extra goes into the trailer.
func makePDF(extra string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var at []int
	for i, object := range []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
		"<< /Filter /Standard >>",
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, extra, start)
	return b.Bytes()
}

// makeStreamPDF has its trailer in a cross-reference stream, as PDF 1.5 writes.
func makeStreamPDF(extra string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.5\n1 0 obj\n<< /Type /Catalog >>\nendobj\n")
	b.WriteString(string(bytes.Repeat([]byte("% padding\n"), 500)))
	start := b.Len()
	fmt.Fprintf(&b, "2 0 obj\n<</Type/XRef/Size 3/W[1 2 1]/Root 1 0 R%s/Length 12>>\nstream\n123456789012\nendstream\nendobj\nstartxref\n%d\n%%%%EOF", extra, start)
	return b.Bytes()
}

// part is one entry of an archive.
type part struct{ name, text string }

func makeZip(t testing.TB, parts ...part) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, p := range parts {
		e, err := w.Create(p.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Write([]byte(p.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// makeOffice is a package whose main part has the content type.
func makeOffice(t testing.TB, main, contentType string, more ...part) []byte {
	t.Helper()
	return makeZip(t, append([]part{
		{contentTypes, `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/` + main + `" ContentType="` + contentType + `"/></Types>`},
		{packageRels, `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="` + main + `"/></Relationships>`},
		{main, `<?xml version="1.0"?><document><body/></document>`},
	}, more...)...)
}

func makeDOCX(t testing.TB, more ...part) []byte {
	return makeOffice(t, "word/document.xml", wordPrefix+"document.main+xml", more...)
}

func makeXLSX(t testing.TB, more ...part) []byte {
	return makeOffice(t, "xl/workbook.xml", sheetPrefix+"sheet.main+xml", more...)
}

// makeCompound is a compound file with sectors of 512 octets and the streams
// in order; a name that ends with a slash is a storage.
func makeCompound(t testing.TB, streams ...part) []byte {
	t.Helper()
	const sector = 512
	le := binary.LittleEndian
	fat := []uint32{0xfffffffd} // sector 0 is the table itself
	var body bytes.Buffer       // sectors from 1 on
	put := func(data []byte) uint32 {
		first := uint32(len(fat))
		n := (len(data) + sector - 1) / sector
		for i := range n {
			next := uint32(len(fat) + 1)
			if i == n-1 {
				next = cfbEnd
			}
			fat = append(fat, next)
		}
		body.Write(data)
		body.Write(make([]byte, n*sector-len(data)))
		return first
	}
	entry := func(name string, kind byte, start uint32, size int) []byte {
		e := make([]byte, 128)
		units := utf16.Encode([]rune(name))
		for i, u := range units {
			le.PutUint16(e[2*i:], u)
		}
		le.PutUint16(e[64:], uint16(2*len(units)+2))
		e[66] = kind
		le.PutUint32(e[116:], start)
		le.PutUint32(e[120:], uint32(size))
		return e
	}
	// Streams below 4,096 octets live in the mini stream.
	var mini bytes.Buffer
	entries := [][]byte{nil}
	for _, s := range streams {
		switch {
		case s.name[len(s.name)-1] == '/':
			entries = append(entries, entry(s.name[:len(s.name)-1], 1, 0, 0))
		case len(s.text) >= 4096:
			entries = append(entries, entry(s.name, 2, put([]byte(s.text)), len(s.text)))
		default:
			entries = append(entries, entry(s.name, 2, uint32(mini.Len()/64), len(s.text)))
			mini.WriteString(s.text)
			mini.Write(make([]byte, (64-len(s.text)%64)%64))
		}
	}
	root := uint32(cfbEnd)
	if mini.Len() > 0 {
		root = put(mini.Bytes())
	}
	entries[0] = entry("Root Entry", 5, root, mini.Len())
	directory := put(slices.Concat(entries...))
	if len(fat) > sector/4 {
		t.Fatal("compound file too large for one table sector")
	}
	head := make([]byte, sector)
	copy(head, magicCFB)
	le.PutUint16(head[24:], 0x3e)
	le.PutUint16(head[26:], 3)
	le.PutUint16(head[28:], 0xfffe)
	le.PutUint16(head[30:], 9)
	le.PutUint16(head[32:], 6)
	le.PutUint32(head[44:], 1)
	le.PutUint32(head[48:], directory)
	le.PutUint32(head[56:], 4096)
	le.PutUint32(head[60:], cfbEnd)
	le.PutUint32(head[68:], cfbEnd)
	for i := range 109 {
		le.PutUint32(head[76+4*i:], 0xffffffff)
	}
	le.PutUint32(head[76:], 0)
	table := make([]byte, sector)
	for i := range sector / 4 {
		v := uint32(0xffffffff)
		if i < len(fat) {
			v = fat[i]
		}
		le.PutUint32(table[4*i:], v)
	}
	return slices.Concat(head, table, body.Bytes())
}

// wordStream is the beginning of a Word document of 4,096 octets.
func wordStream(flags uint16) string {
	b := make([]byte, 4096)
	binary.LittleEndian.PutUint16(b, 0xa5ec)
	binary.LittleEndian.PutUint16(b[10:], flags)
	return string(b)
}

// workbookStream is the beginning of a workbook: BOF and more records.
func workbookStream(records ...uint16) string {
	b := binary.LittleEndian.AppendUint16(nil, 0x0809)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, make([]byte, 16)...)
	for _, r := range records {
		b = binary.LittleEndian.AppendUint16(b, r)
		b = binary.LittleEndian.AppendUint16(b, 0)
	}
	return string(append(b, make([]byte, 600)...))
}

// zip64 adds the records of zip64 to a small archive; unsaid leaves sizes and
// offsets to them.
func zip64(b []byte, unsaid bool) []byte {
	le := binary.LittleEndian
	at := len(b) - 22
	end := slices.Clone(b[at:])
	record := append([]byte("PK\x06\x06"), make([]byte, 52)...)
	le.PutUint64(record[4:], 44)
	le.PutUint64(record[24:], uint64(le.Uint16(end[8:])))
	le.PutUint64(record[32:], uint64(le.Uint16(end[10:])))
	le.PutUint64(record[40:], uint64(le.Uint32(end[12:])))
	le.PutUint64(record[48:], uint64(le.Uint32(end[16:])))
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	le.PutUint64(locator[8:], uint64(at))
	le.PutUint32(locator[16:], 1)
	if unsaid {
		le.PutUint32(end[12:], 0xffffffff)
		le.PutUint32(end[16:], 0xffffffff)
	}
	return slices.Concat(b[:at], record, locator, end)
}
