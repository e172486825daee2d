package fileformat

import (
	"archive/zip"
	"encoding/xml"
	"io"
	"path"
	"strings"
)

// Names in a package (ECMA-376 part 2).
const (
	contentTypes  = "[Content_Types].xml"
	packageRels   = "_rels/.rels"
	officeRel     = "/officeDocument" // of the transitional and the strict namespace
	packagePart   = 1 << 20           // octets that are read of these two
	wordPrefix    = "application/vnd.openxmlformats-officedocument.wordprocessingml."
	sheetPrefix   = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	slidePrefix   = "application/vnd.openxmlformats-officedocument.presentationml."
	wordMacros    = "application/vnd.ms-word."
	sheetMacros   = "application/vnd.ms-excel."
	openDocument  = "mimetype" // first entry of ODF
	openDocPrefix = "application/vnd.oasis.opendocument."
)

// packageTypes is [Content_Types].xml.
type packageTypes struct {
	Default []struct {
		Extension   string `xml:"Extension,attr"`
		ContentType string `xml:"ContentType,attr"`
	} `xml:"Default"`
	Override []struct {
		PartName    string `xml:"PartName,attr"`
		ContentType string `xml:"ContentType,attr"`
	} `xml:"Override"`
}

// of gives the content type of a part.
func (t packageTypes) of(part string) string {
	for _, o := range t.Override {
		if strings.EqualFold(strings.TrimPrefix(o.PartName, "/"), part) {
			return o.ContentType
		}
	}
	ending := Ending(part)
	for _, d := range t.Default {
		if strings.EqualFold(d.Extension, ending) {
			return d.ContentType
		}
	}
	return ""
}

// packageRelations is a .rels part.
type packageRelations struct {
	Relationship []struct {
		Type   string `xml:"Type,attr"`
		Target string `xml:"Target,attr"`
	} `xml:"Relationship"`
}

// isPackage reports whether the archive is meant as an Office document.
func isPackage(files []*zip.File) bool {
	return entry(files, contentTypes) != nil || entry(files, openDocument) != nil
}

// office finds the main part of a package by its relations, and by that part's
// content type what the package is.
func (s *scan) office(f *Facts, files []*zip.File) {
	if z := entry(files, openDocument); z != nil {
		f.Format = openDocumentFormat(z)
		return
	}
	f.Format = claimedOr(s.name, ZIP, DOCX, XLSX)
	var types packageTypes
	var rels packageRelations
	if !readXML(entry(files, contentTypes), &types) || !readXML(entry(files, packageRels), &rels) {
		f.add(Damaged, DetailPart, packageRels)
		return
	}
	main := ""
	for _, r := range rels.Relationship {
		if strings.HasSuffix(r.Type, officeRel) {
			main = strings.TrimPrefix(path.Clean("/"+r.Target), "/")
		}
	}
	z := entry(files, main)
	if z == nil {
		f.add(Damaged, DetailPart, main)
		return
	}
	kind := types.of(main)
	f.Format = packageFormat(kind)
	if isDocument := f.Format == DOCX || f.Format == XLSX; isDocument && !wellFormed(z) {
		f.add(Damaged, DetailStructure, main)
	}
	if strings.Contains(kind, "macroEnabled") || hasMacros(files) {
		f.add(Macros, DetailNone, "")
	}
}

// packageFormat names the format by the content type of the main part; ZIP for
// one that is of no Office program.
func packageFormat(kind string) string {
	switch {
	case kind == wordPrefix+"document.main+xml", kind == wordMacros+"document.macroEnabled.main+xml":
		return DOCX
	case kind == sheetPrefix+"sheet.main+xml", kind == sheetMacros+"sheet.macroEnabled.main+xml":
		return XLSX
	case strings.HasPrefix(kind, wordPrefix), strings.HasPrefix(kind, wordMacros):
		return "dotx"
	case kind == sheetMacros+"sheet.binary.macroEnabled.main":
		return "xlsb"
	case strings.HasPrefix(kind, sheetPrefix), strings.HasPrefix(kind, sheetMacros):
		return "xltx"
	case strings.HasPrefix(kind, slidePrefix):
		return "pptx"
	}
	return ZIP
}

// hasMacros looks for the parts that hold programs of VBA and Excel 4.
func hasMacros(files []*zip.File) bool {
	for _, z := range files {
		name := strings.ToLower(z.Name)
		if path.Base(name) == "vbaproject.bin" || strings.HasPrefix(name, "xl/macrosheets/") {
			return true
		}
	}
	return false
}

// openDocumentFormat names an ODF document by its type entry.
func openDocumentFormat(z *zip.File) string {
	r, err := z.Open()
	if err != nil {
		return ZIP
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 256))
	kind, ok := strings.CutPrefix(string(b), openDocPrefix)
	if err != nil || !ok {
		return ZIP
	}
	switch kind {
	case "text":
		return "odt"
	case "spreadsheet":
		return "ods"
	}
	return "odf"
}

// entry finds a part by name; packages ignore its case.
func entry(files []*zip.File, name string) *zip.File {
	for _, z := range files {
		if strings.EqualFold(z.Name, name) {
			return z
		}
	}
	return nil
}

// readXML reads a small part into v.
func readXML(z *zip.File, v any) bool {
	if z == nil {
		return false
	}
	r, err := z.Open()
	if err != nil {
		return false
	}
	defer r.Close()
	return xml.NewDecoder(io.LimitReader(r, packagePart)).Decode(v) == nil
}

// wellFormed reports whether the part begins with an XML element. Its sums
// were checked before; that it is XML at all is what a viewer needs.
func wellFormed(z *zip.File) bool {
	r, err := z.Open()
	if err != nil {
		return false
	}
	defer r.Close()
	d := xml.NewDecoder(io.LimitReader(r, packagePart))
	for {
		token, err := d.RawToken()
		if err != nil {
			return false
		}
		if _, ok := token.(xml.StartElement); ok {
			return true
		}
	}
}
