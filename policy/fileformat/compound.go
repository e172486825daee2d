package fileformat

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// Special sectors of a compound file (MS-CFB §2.1).
const (
	cfbMaxRegular = 0xfffffffa
	cfbEnd        = 0xfffffffe

	cfbEntryMax = 8192 // directory entries that are looked at
)

var errCompound = errors.New("compound file does not hold together")

// compoundFile is the part of a compound file that tells what it is.
type compoundFile struct {
	s          *scan
	sector     int64 // octets
	miniSector int64
	cutoff     int64 // streams below it are in the mini stream
	fat        []uint32
	miniFAT    uint32 // first sector
	entries    []compoundEntry
}

// compoundEntry is one storage or stream of the directory.
type compoundEntry struct {
	name    string
	storage bool
	start   uint32
	size    int64
}

// compound tells the old Office formats apart by the streams of the directory:
// they share one container with encrypted new documents and with installers.
func (s *scan) compound(f *Facts) {
	c, err := s.openCompound()
	if err != nil {
		f.Format = claimedOr(s.name, DOC, DOC, XLS)
		f.add(Damaged, DetailStructure, "")
		return
	}
	names := make(map[string]*compoundEntry, len(c.entries))
	for i := range c.entries {
		names[c.entries[i].name] = &c.entries[i]
	}
	has := func(name string) bool { return names[name] != nil }
	switch {
	case has("EncryptedPackage"):
		f.Format = claimedOr(s.name, DOCX, DOCX, XLSX)
		f.add(Encrypted, DetailNone, "")
		return
	case has("WordDocument"):
		f.Format = DOC
		c.word(f, names["WordDocument"])
	case has("Workbook"):
		f.Format = XLS
		c.workbook(f, names["Workbook"])
	case has("Book"):
		f.Format = XLS
		c.workbook(f, names["Book"])
	case has("PowerPoint Document"):
		f.Format = "ppt"
	case has("__properties_version1.0"):
		f.Format = "msg"
	default:
		f.Format = other(s.read(0, 3072))
		if IsProgram(f.Format) {
			f.add(Executable, DetailNone, "")
		}
		return
	}
	if has("Macros") || has("_VBA_PROJECT_CUR") || has("_VBA_PROJECT") || has("VBA") {
		f.add(Macros, DetailNone, "")
	}
}

// claimedOr gives the format that the name claims when it is among the
// possible ones, else the usual one.
func claimedOr(name, usual string, possible ...string) string {
	claim := claimed(name)
	for _, p := range possible {
		if p == claim {
			return claim
		}
	}
	return usual
}

func (s *scan) openCompound() (*compoundFile, error) {
	h := s.read(0, 512)
	if len(h) < 512 {
		return nil, errCompound
	}
	le := binary.LittleEndian
	shift, mini := le.Uint16(h[30:]), le.Uint16(h[32:])
	if le.Uint16(h[28:]) != 0xfffe || (shift != 9 && shift != 12) || mini != 6 {
		return nil, errCompound
	}
	c := &compoundFile{
		s: s, sector: 1 << shift, miniSector: 1 << mini,
		cutoff: int64(le.Uint32(h[56:])), miniFAT: le.Uint32(h[60:]),
	}
	if err := c.readFAT(h); err != nil {
		return nil, err
	}
	return c, c.readDirectory(le.Uint32(h[48:]))
}

// at gives n octets of a sector, beginning at the offset inside it.
func (c *compoundFile) at(sector uint32, offset int64, n int) ([]byte, error) {
	if sector > cfbMaxRegular {
		return nil, errCompound
	}
	b := c.s.read((int64(sector)+1)*c.sector+offset, n)
	if len(b) < n {
		return nil, errCompound
	}
	return b, nil
}

// readFAT collects the allocation table by the list in the header and the
// sectors that continue it. It can describe no more than the file has.
func (c *compoundFile) readFAT(h []byte) error {
	le := binary.LittleEndian
	count := int64(le.Uint32(h[44:]))
	if count == 0 || count*c.sector > c.s.size {
		return errCompound
	}
	list := make([]uint32, 0, min(count, 1<<16))
	for i := int64(0); i < min(count, 109); i++ {
		list = append(list, le.Uint32(h[76+4*i:]))
	}
	next := le.Uint32(h[68:])
	perSector := c.sector/4 - 1
	for int64(len(list)) < count {
		b, err := c.at(next, 0, int(c.sector))
		if err != nil {
			return err
		}
		for i := int64(0); i < perSector && int64(len(list)) < count; i++ {
			list = append(list, le.Uint32(b[4*i:]))
		}
		next = le.Uint32(b[4*perSector:])
	}
	for _, sector := range list {
		b, err := c.at(sector, 0, int(c.sector))
		if err != nil {
			return err
		}
		for i := 0; i < len(b) && int64(len(c.fat)) < c.s.size/c.sector; i += 4 {
			c.fat = append(c.fat, le.Uint32(b[i:]))
		}
	}
	return nil
}

// chain goes along the sectors of a stream until visit returns false. A chain
// longer than the table is a loop.
func (c *compoundFile) chain(sector uint32, visit func(sector uint32) (bool, error)) error {
	for steps := 0; sector != cfbEnd; steps++ {
		if int64(sector) >= int64(len(c.fat)) || steps > len(c.fat) {
			return errCompound
		}
		more, err := visit(sector)
		if err != nil || !more {
			return err
		}
		sector = c.fat[sector]
	}
	return nil
}

func (c *compoundFile) readDirectory(first uint32) error {
	err := c.chain(first, func(sector uint32) (bool, error) {
		b, err := c.at(sector, 0, int(c.sector))
		if err != nil {
			return false, err
		}
		for ; len(b) >= 128; b = b[128:] {
			if e, ok := directoryEntry(b[:128]); ok {
				c.entries = append(c.entries, e)
			}
		}
		return len(c.entries) < cfbEntryMax, nil
	})
	if err == nil && len(c.entries) == 0 {
		return errCompound
	}
	return err
}

func directoryEntry(b []byte) (compoundEntry, bool) {
	le := binary.LittleEndian
	n, kind := int(le.Uint16(b[64:])), b[66]
	if n < 2 || n > 64 || (kind != 1 && kind != 2 && kind != 5) {
		return compoundEntry{}, false
	}
	units := make([]uint16, n/2-1)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	return compoundEntry{
		name:    string(utf16.Decode(units)),
		storage: kind != 2,
		start:   le.Uint32(b[116:]),
		size:    int64(le.Uint32(b[120:])),
	}, true
}

// begin gives the first octets of a stream, and makes sure that the file has
// room for all of it.
func (c *compoundFile) begin(e *compoundEntry, n int) ([]byte, error) {
	if e.storage || e.size < int64(n) {
		return nil, errCompound
	}
	if e.size < c.cutoff {
		return c.beginMini(e, n)
	}
	left := e.size
	err := c.chain(e.start, func(sector uint32) (bool, error) {
		want := min(left, c.sector)
		left -= want
		if (int64(sector)+1)*c.sector+want > c.s.size {
			return false, errCompound
		}
		return left > 0, nil
	})
	if err != nil || left > 0 {
		return nil, errCompound
	}
	return c.at(e.start, 0, n)
}

// beginMini is begin for a stream inside the mini stream, which the root entry
// holds. n must not cross a mini sector.
func (c *compoundFile) beginMini(e *compoundEntry, n int) ([]byte, error) {
	root := c.entries[0]
	offset := int64(e.start) * c.miniSector
	if offset+int64(n) > root.size {
		return nil, errCompound
	}
	var found []byte
	skip := offset / c.sector
	err := c.chain(root.start, func(sector uint32) (bool, error) {
		if skip > 0 {
			skip--
			return true, nil
		}
		var err error
		found, err = c.at(sector, offset%c.sector, n)
		return false, err
	})
	if err != nil || found == nil {
		return nil, errCompound
	}
	return found, nil
}

// word reads the beginning of a Word document (MS-DOC §2.5.2): magic number
// and the flag of encryption.
func (c *compoundFile) word(f *Facts, e *compoundEntry) {
	b, err := c.begin(e, 12)
	if err != nil || !isWord(binary.LittleEndian.Uint16(b)) {
		f.add(Damaged, DetailStructure, "")
		return
	}
	if binary.LittleEndian.Uint16(b[10:])&0x0100 != 0 {
		f.add(Encrypted, DetailNone, "")
	}
}

// isWord knows the magic numbers of Word 97 and later, and of Word 6 and 95.
func isWord(magic uint16) bool { return magic == 0xa5ec || magic == 0xa5dc }

// workbook reads the first records of a workbook (MS-XLS §2.1.4): BOF, perhaps
// WriteProtect, then FilePass when it is encrypted.
func (c *compoundFile) workbook(f *Facts, e *compoundEntry) {
	const recordBOF, recordFilePass = 0x0809, 0x002f
	b, err := c.begin(e, int(c.miniSector))
	if err != nil || binary.LittleEndian.Uint16(b) != recordBOF {
		f.add(Damaged, DetailStructure, "")
		return
	}
	for at := 0; at+4 <= len(b); at += 4 + int(binary.LittleEndian.Uint16(b[at+2:])) {
		if binary.LittleEndian.Uint16(b[at:]) == recordFilePass {
			f.add(Encrypted, DetailNone, "")
		}
	}
}
