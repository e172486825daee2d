package fileformat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

var errSlow = errors.New("inspection took too long")

// The beginnings of the formats that are checked.
var (
	magicPDF = []byte("%PDF-")
	magicJPG = []byte("\xff\xd8\xff")
	magicPNG = []byte("\x89PNG\r\n\x1a\n")
	magicZIP = []byte("PK\x03\x04")
	emptyZIP = []byte("PK\x05\x06")
	magicCFB = []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
)

// checker looks at the structure of one family of formats and fills in facts.
// What it cannot read it takes for damage; source keeps the true cause.
type checker func(s *scan, f *Facts)

// family finds the checker by the beginning of a file; nil when there is none.
func family(head []byte) checker {
	switch {
	case bytes.HasPrefix(head, magicJPG):
		return (*scan).jpeg
	case bytes.HasPrefix(head, magicPNG):
		return (*scan).png
	case bytes.HasPrefix(head, magicZIP), bytes.HasPrefix(head, emptyZIP):
		return (*scan).archive
	case bytes.HasPrefix(head, magicCFB):
		return (*scan).compound
	case bytes.HasPrefix(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n"), magicPDF):
		return (*scan).pdf
	}
	return nil
}

// NeedsAccess reports whether a file that begins with head has a structure
// that is checked with random access.
func NeedsAccess(head []byte) bool { return family(head) != nil }

// Inspect is like the function Inspect, with these limits.
func (l Limits) Inspect(ctx context.Context, name, declared string, size int64, head, tail []byte, open func() (io.ReaderAt, error)) (Facts, error) {
	var f Facts
	if err := ctx.Err(); err != nil {
		return f, fmt.Errorf("inspect file: %w", err)
	}
	check := family(head)
	switch {
	case size == 0:
		f.Format = claimed(name)
		f.add(Damaged, DetailEmpty, "")
		return f, nil
	case check == nil:
		f.Format = other(head)
		if IsProgram(f.Format) || isScript(head) {
			f.add(Executable, DetailNone, "")
		}
	default:
		if err := l.structure(ctx, check, &f, name, size, head, tail, open); err != nil {
			return f, err
		}
	}
	judgeNames(&f, name, declared)
	return f, nil
}

// structure runs the checker of a family.
func (l Limits) structure(ctx context.Context, check checker, f *Facts, name string, size int64, head, tail []byte, open func() (io.ReaderAt, error)) error {
	var at io.ReaderAt = bytes.NewReader(head)
	if int64(len(head)) < size {
		var err error
		if at, err = open(); err != nil {
			return fmt.Errorf("inspect file: open: %w", err)
		}
	}
	timed, cancel := context.WithTimeoutCause(ctx, l.Time, errSlow)
	defer cancel()
	src := &source{ctx: timed, at: at}
	s := &scan{limits: l, src: src, size: size, name: name, tail: tail, depth: 1}
	check(s, f)
	switch {
	case src.err == nil:
	case errors.Is(src.err, errSlow):
		f.Problems = nil // what followed from the stop is no finding
		f.add(Bomb, DetailSlow, "")
	default:
		return fmt.Errorf("inspect file: %w", src.err)
	}
	return nil
}

// judgeNames compares the content with what name and mail say of it.
func judgeNames(f *Facts, name, declared string) {
	claim := claimed(name)
	if claim != "" && claim != f.Format || claimed("x."+f.Format) != "" && !Agrees(name, f.Format) {
		f.add(Extension, DetailNone, "")
	}
	if f.Format != "" && contradicts(declared, f.Format) {
		f.add(Declared, DetailNone, "")
	}
}

// other names a format whose structure is not checked.
func other(head []byte) string {
	m := mimetype.Detect(head)
	switch {
	case m.Is("application/octet-stream"):
		return ""
	case m.Is("application/x-executable"):
		return "elf"
	}
	ending := strings.TrimPrefix(m.Extension(), ".")
	// What only looks like a checked format lacks its structure.
	if claimed("x."+ending) != "" {
		return ""
	}
	return ending
}

// isScript reports text that a Unix system would run.
func isScript(head []byte) bool { return bytes.HasPrefix(head, []byte("#!")) }

// scan is the inspection of one file, or of one archive inside it.
type scan struct {
	limits Limits
	src    *source
	size   int64
	name   string
	tail   []byte

	depth   int   // of archives, 1 for the file itself
	entries int   // met so far
	sum     int64 // octets expanded so far
}

// section is the whole file as a stream.
func (s *scan) section() *io.SectionReader { return io.NewSectionReader(s.src, 0, s.size) }

// source reads the file, stops when the time is over, and keeps the first
// error that is not the file's end.
type source struct {
	ctx context.Context
	at  io.ReaderAt
	err error
}

// ReadAt implements io.ReaderAt.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	n, err := s.at.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// read gives n octets from the offset, fewer where the file ends.
func (s *scan) read(off int64, n int) []byte {
	if off < 0 || off >= s.size {
		return nil
	}
	b := make([]byte, min(int64(n), s.size-off))
	got, _ := s.src.ReadAt(b, off)
	return b[:got]
}

// afterEnd judges what follows the end of an image. Some cameras add binary
// records or a second picture; another document, a page or an archive there
// means that the file is two things at once.
func (s *scan) afterEnd(f *Facts, end int64, strict bool) {
	rest := bytes.TrimLeft(s.read(end, 512), "\x00\r\n\xff")
	m := mimetype.Detect(rest)
	switch {
	case strict && (len(rest) > 0 || s.size-end > 512),
		len(rest) > 0 && !m.Is("application/octet-stream") && !m.Is("image/jpeg"),
		bytes.Contains(s.lastOctets(), emptyZIP):
		f.add(Damaged, DetailAfterEnd, "")
	}
}

// lastOctets are the last octets of the file, up to 1,024.
func (s *scan) lastOctets() []byte {
	if len(s.tail) > 0 {
		return s.tail
	}
	return s.read(max(0, s.size-1024), 1024)
}
