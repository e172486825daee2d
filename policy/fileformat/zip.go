package fileformat

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// Bounds of a directory: archive/zip keeps some 300 octets of memory for each
// entry, whatever the file says of their number.
const (
	zipDirectoryMax = 4 << 20 // octets
	zipEndSize      = 22      // of the end record
	zipLocatorSize  = 20
	zipEnd64Size    = 56
	zipCommentMax   = 1<<16 - 1
)

// Flags of an entry (APPNOTE 4.4.4).
const (
	zipEncrypted = 1 << 0
	zipStrong    = 1 << 6
	zipMasked    = 1 << 13
)

var errZip = errors.New("zip directory does not hold together")

// archive checks a zip, and what is built on it: the directory first, and only
// when that keeps within the limits each entry by expanding it.
func (s *scan) archive(f *Facts) {
	f.Format = claimedOr(s.name, ZIP, ZIP, DOCX, XLSX)
	if err := s.directory(); err != nil {
		f.add(Damaged, DetailStructure, "")
		return
	}
	r, err := zip.NewReader(s.src, s.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged below
		f.add(Damaged, DetailStructure, "")
		return
	}
	f.Format = ZIP
	if !s.withinLimits(f, r.File) || !s.entriesSound(f, r.File) {
		if isPackage(r.File) {
			f.Format = claimedOr(s.name, ZIP, DOCX, XLSX)
		}
		return
	}
	if !s.expand(f, r.File) {
		return
	}
	if isPackage(r.File) {
		s.office(f, r.File)
	}
}

// directory makes sure that the file is one archive from the first octet to
// the last: the directory stands where the end record says, directly before
// it, and has a bearable size.
func (s *scan) directory() error {
	b := s.read(max(0, s.size-zipEndSize-zipCommentMax), zipEndSize+zipCommentMax)
	i := bytes.LastIndex(b, emptyZIP)
	if i < 0 || len(b)-i < zipEndSize {
		return errZip
	}
	le := binary.LittleEndian
	end := b[i:]
	if int(le.Uint16(end[20:])) != len(end)-zipEndSize {
		return errZip
	}
	at := s.size - int64(len(end))
	size, offset := int64(le.Uint32(end[12:])), int64(le.Uint32(end[16:]))
	if locator := s.read(at-zipLocatorSize, zipLocatorSize); bytes.HasPrefix(locator, []byte("PK\x06\x07")) {
		var ok bool
		if at, ok = s.end64(int64(le.Uint64(locator[8:])), at-zipLocatorSize, &size, &offset); !ok {
			return errZip
		}
	}
	if offset+size != at || size > zipDirectoryMax {
		return errZip
	}
	return nil
}

// end64 reads the end record of zip64, which some programs write for small
// archives too (APPNOTE 4.3.14): it must reach to its locator, and agree with
// the old record where that says anything.
func (s *scan) end64(at, locator int64, size, offset *int64) (int64, bool) {
	const unsaid = 1<<32 - 1
	b := s.read(at, zipEnd64Size)
	if len(b) < zipEnd64Size || !bytes.HasPrefix(b, []byte("PK\x06\x06")) {
		return 0, false
	}
	le := binary.LittleEndian
	if le.Uint64(b[4:]) != uint64(locator-at-12) {
		return 0, false
	}
	for _, v := range []struct {
		old *int64
		new uint64
	}{{size, le.Uint64(b[40:])}, {offset, le.Uint64(b[48:])}} {
		if v.new > uint64(s.size) || *v.old != unsaid && uint64(*v.old) != v.new {
			return 0, false
		}
		*v.old = int64(v.new)
	}
	return at, true
}

// withinLimits judges the directory: numbers, sums, ratios and names.
func (s *scan) withinLimits(f *Facts, files []*zip.File) bool {
	s.entries += len(files)
	if s.entries > s.limits.Entries {
		f.add(Bomb, DetailEntries, "")
	}
	for _, z := range files {
		if z.UncompressedSize64 > uint64(s.limits.Sum) || s.sum > s.limits.Sum-int64(z.UncompressedSize64) {
			f.add(Bomb, DetailExpanded, "")
			return false
		}
		s.sum += int64(z.UncompressedSize64)
		if z.UncompressedSize64 > 1<<20 && z.UncompressedSize64/uint64(s.limits.Ratio) > z.CompressedSize64 {
			f.add(Bomb, DetailRatio, z.Name)
		}
		switch clean := strings.ReplaceAll(z.Name, `\`, "/"); {
		case path.IsAbs(clean), slices.Contains(strings.Split(clean, "/"), ".."), len(clean) > 1 && clean[1] == ':':
			f.add(EntryName, DetailPath, z.Name)
		case strings.ContainsFunc(z.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
			f.add(EntryName, DetailControl, z.Name)
		}
		if IsProgram(Ending(z.Name)) {
			f.add(Executable, DetailNone, z.Name)
		}
	}
	return !f.Has(Bomb)
}

// entriesSound judges flags, methods and places: entries that share octets are
// how a small file swells without a high ratio.
func (s *scan) entriesSound(f *Facts, files []*zip.File) bool {
	type span struct{ from, to int64 }
	spans := make([]span, 0, len(files))
	for _, z := range files {
		if z.Flags&(zipEncrypted|zipStrong|zipMasked) != 0 {
			f.add(Encrypted, DetailNone, z.Name)
			return false
		}
		if z.Method != zip.Store && z.Method != zip.Deflate {
			f.add(Damaged, DetailMethod, z.Name)
			return false
		}
		from, err := z.DataOffset()
		if err != nil || z.CompressedSize64 > uint64(s.size) {
			f.add(Damaged, DetailStructure, "")
			return false
		}
		spans = append(spans, span{from, from + int64(z.CompressedSize64)})
	}
	slices.SortFunc(spans, func(a, b span) int {
		if a.from != b.from {
			return int(min(1, max(-1, a.from-b.from)))
		}
		return int(min(1, max(-1, a.to-b.to)))
	})
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			f.add(Bomb, DetailOverlap, "")
			return false
		}
	}
	return true
}

// expand reads every entry to its end, which checks its size and sum, and
// goes into archives inside.
func (s *scan) expand(f *Facts, files []*zip.File) bool {
	for _, z := range files {
		if strings.HasSuffix(z.Name, "/") {
			continue
		}
		if !s.expandOne(f, z) {
			return false
		}
	}
	return true
}

func (s *scan) expandOne(f *Facts, z *zip.File) bool {
	packed, err := z.Open()
	if err != nil {
		f.add(Damaged, DetailUnreadable, z.Name)
		return false
	}
	defer packed.Close()
	// One octet more than declared, so that its end and its sum are checked,
	// and an entry that declares too little does not run on.
	r := bufio.NewReader(io.LimitReader(packed, int64(z.UncompressedSize64)+1))
	if head, _ := r.Peek(len(magicZIP)); bytes.Equal(head, magicZIP) {
		return s.nested(f, z, r)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil || uint64(n) != z.UncompressedSize64 {
		f.add(Damaged, DetailUnreadable, z.Name)
		return false
	}
	return true
}

// nested inspects an archive inside the archive, in memory.
func (s *scan) nested(f *Facts, z *zip.File, r io.Reader) bool {
	switch {
	case s.depth+1 > s.limits.Depth:
		f.add(Bomb, DetailDepth, z.Name)
		return false
	case z.UncompressedSize64 > uint64(s.limits.Nested):
		f.add(Bomb, DetailExpanded, z.Name)
		return false
	}
	b, err := io.ReadAll(r)
	if err != nil || uint64(len(b)) != z.UncompressedSize64 {
		f.add(Damaged, DetailUnreadable, z.Name)
		return false
	}
	inner := &scan{
		limits: s.limits, src: &source{ctx: s.src.ctx, at: bytes.NewReader(b)},
		size: int64(len(b)), name: z.Name,
		depth: s.depth + 1, entries: s.entries, sum: s.sum,
	}
	var facts Facts
	inner.archive(&facts)
	s.entries, s.sum = inner.entries, inner.sum
	if inner.src.err != nil {
		s.src.err = inner.src.err
		return false
	}
	for _, p := range facts.Problems {
		if p.Value == "" {
			p.Value = z.Name
		}
		f.add(p.Kind, p.Detail, p.Value)
	}
	return !f.Has(Bomb)
}
