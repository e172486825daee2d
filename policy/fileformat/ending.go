package fileformat

import (
	"mime"
	"slices"
	"strings"
)

// programs are endings that start something when they are opened.
var programs = []string{
	"apk", "app", "bat", "class", "cmd", "com", "cpl", "dex", "dll", "elf",
	"exe", "hta", "jar", "js", "jse", "lnk", "macho", "msi", "msp", "pif", "ps1", "reg",
	"scr", "sh", "so", "vb", "vbe", "vbs", "wasm", "wsf", "wsh",
}

// IsProgram reports whether files with the ending (lower case, without the
// dot) start something when they are opened.
func IsProgram(ending string) bool { return slices.Contains(programs, ending) }

// Ending is what follows the last dot of a name, in lower case; "" when there
// is none.
func Ending(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(name[i+1:]))
}

// Agrees reports whether the ending of the name is one of the format's.
func Agrees(name, format string) bool {
	ending := Ending(name)
	if format == JPG {
		return slices.Contains([]string{"jpg", "jpeg", "jpe", "jfif"}, ending)
	}
	return ending == format
}

// claimed gives the checked format that the name claims; "" for none.
func claimed(name string) string {
	for _, format := range All() {
		if Agrees(name, format) {
			return format
		}
	}
	return ""
}

// declaredFormats are the MIME types of the checked formats, and the vague
// ones that programs use for them.
var declaredFormats = map[string][]string{
	"application/pdf":    {PDF},
	"application/msword": {DOC, DOCX},
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document": {DOCX},
	"application/vnd.ms-excel": {XLS, XLSX},
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {XLSX},
	"image/jpeg":                   {JPG},
	"image/png":                    {PNG},
	"application/zip":              {ZIP, DOCX, XLSX},
	"application/x-zip-compressed": {ZIP, DOCX, XLSX},
}

// contradicts reports whether the declared MIME type names another format.
// Types that say nothing, such as application/octet-stream, never do.
func contradicts(declared, format string) bool {
	t, _, err := mime.ParseMediaType(declared)
	if err != nil {
		return false
	}
	formats, ok := declaredFormats[t]
	return ok && !slices.Contains(formats, format)
}
