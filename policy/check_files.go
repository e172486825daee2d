package policy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gosbridge/policy/fileformat"
)

func (j *judge) files() {
	n := len(j.l.Files)
	if n < int(j.p.FilesMin) {
		j.refuse(FilesMissing, n, j.p.FilesMin)
	}
	if !j.p.FilesMax.Allows(n) {
		j.refuse(TooManyFiles, n, j.p.FilesMax)
	}
	var sum int64
	for i, f := range j.l.Files {
		sum += f.Size
		// What is too large need not have been inspected.
		tooLarge := !j.p.FileMax.Allows(f.Size)
		if tooLarge {
			j.refuse(FileTooLarge, f.Name, Octets(f.Size), j.p.FileMax)
		}
		if j.p.FileNames {
			j.fileName(i, f.Name)
		}
		if j.p.Inspects() && !(tooLarge && f.Facts.Format == "" && len(f.Facts.Problems) == 0) {
			j.fileContent(f)
		}
		for _, key := range j.p.RequiredMetadata {
			if strings.TrimSpace(f.Metadata[key]) == "" {
				j.refuse(FileMetadata, f.Name, key)
			}
		}
	}
	if !j.p.SumMax.Allows(sum) {
		j.refuse(FilesTooLarge, Octets(sum), j.p.SumMax)
	}
}

// fileContent judges format and soundness. A program says so once: that it is
// also of a wrong format and misnamed helps nobody.
func (j *judge) fileContent(f File) {
	if f.Facts.Has(fileformat.Executable) {
		j.refuse(FileExecutable, f.Name)
		return
	}
	format := f.Facts.Format
	if !slices.Contains(j.p.Formats, format) {
		j.refuse(FileFormat, f.Name, formatTitle(format), j.p.Formats)
	}
	for _, p := range f.Facts.Problems {
		switch p.Kind {
		case fileformat.Damaged:
			j.refuse(FileDamaged, f.Name, detailTitle(p))
		case fileformat.Encrypted:
			j.refuse(FileEncrypted, f.Name)
		case fileformat.Macros:
			if !j.p.Macros {
				j.refuse(FileMacros, f.Name)
			}
		case fileformat.Extension:
			j.refuse(FileMismatch, f.Name, formatTitle(format))
		case fileformat.Declared:
			// Mail programs guess the type badly; the content decides.
			j.advise(FileDeclared, f.Name, f.Declared, formatTitle(format))
		case fileformat.Bomb:
			j.refuse(FileBomb, f.Name, detailTitle(p))
		case fileformat.EntryName:
			j.refuse(FileEntry, f.Name, detailTitle(p))
		case fileformat.Pixels:
			j.refuse(FilePixels, f.Name, detailTitle(p))
		}
	}
	if dpi := f.Facts.DPI; dpi > 0 && dpi < j.p.AdviseDPI {
		j.advise(FileResolution, f.Name, dpi, j.p.AdviseDPI)
	}
}

func formatTitle(format string) title {
	if format == "" {
		return title{"unknown format", "неизвестный формат"}
	}
	return title{format, format}
}

// fileName applies the rules of names. Each rule is its own reason; of several
// bad characters the first is named.
func (j *judge) fileName(i int, name string) {
	if strings.Trim(name, " .\t") == "" {
		j.refuse(FileNameMissing, i+1)
		return
	}
	if n := utf8.RuneCountInString(name); !j.p.NameMax.Allows(n) {
		j.refuse(FileNameTooLong, name, n, j.p.NameMax)
	}
	if strings.ContainsAny(name, `/\`) {
		j.refuse(FileNamePath, name)
	}
	if strings.ContainsFunc(name, turnsDirection) {
		j.refuse(FileNameDirection, name)
	}
	if c, bad := forbiddenIn(name); bad {
		j.refuse(FileName, name, c)
	}
	if hidesProgram(name) {
		j.refuse(FileNameDouble, name)
	}
}

// turnsDirection reports the controls of the bidirectional algorithm (UAX #9),
// which make "gpj.exe" read "exe.jpg".
func turnsDirection(r rune) bool {
	switch {
	case r == 0x061c, r == 0x200e, r == 0x200f:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	}
	return false
}

// forbiddenIn names the first character that no name may have, slashes and
// direction controls apart, or the blank or dot at the end, which Windows
// drops when it saves the file.
func forbiddenIn(name string) (what string, bad bool) {
	for _, r := range name {
		switch {
		case strings.ContainsRune(`:*?"<>|`, r):
			return string(r), true
		case r == utf8.RuneError:
			return "U+FFFD", true
		case unicode.IsControl(r), r == 0x2028, r == 0x2029, r == 0xfeff, r == 0x200b:
			return codePoint(r), true
		}
	}
	if last := name[len(name)-1]; last == ' ' || last == '.' {
		return `"` + string(last) + `" at the end`, true
	}
	return "", false
}

func codePoint(r rune) string {
	const digits = "0123456789ABCDEF"
	return "U+" + string([]byte{digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15]})
}

// hidesProgram reports names like report.pdf.exe, and report.exe.pdf, where
// the last ending is not the whole truth.
func hidesProgram(name string) bool {
	parts := strings.Split(strings.ToLower(name), ".")
	if len(parts) < 3 {
		return false
	}
	for i, part := range parts[1:] {
		parts[1+i] = strings.TrimSpace(part)
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		if fileformat.IsProgram(last) && slices.Contains(fileformat.All(), part) {
			return true
		}
		// "com" and "app" end the names of sites more often than of programs.
		if part != "com" && part != "app" && fileformat.IsProgram(part) {
			return true
		}
	}
	return false
}
