// Package fileformat tells what a file is by its content and its structure,
// never by its name or by what a mail claims, and finds what is wrong with it:
// damaged, encrypted, with macros, a program in disguise, an archive that
// would swell. It owns the format names that profiles use.
//
// Inspect is bounded in time and memory whatever the file says of itself. It
// never judges: which formats and problems matter is the policy's decision.
package fileformat

import (
	"context"
	"io"
	"time"
)

// The formats that profiles may name.
const (
	PDF  = "pdf"
	DOC  = "doc"
	DOCX = "docx"
	XLS  = "xls"
	XLSX = "xlsx"
	JPG  = "jpg"
	PNG  = "png"
	ZIP  = "zip"
)

// All are the formats whose structure is checked, sorted.
func All() []string { return []string{DOC, DOCX, JPG, PDF, PNG, XLS, XLSX, ZIP} }

// Kind is a kind of problem.
type Kind string

// The kinds.
const (
	Damaged    Kind = "damaged"    // cut off, or its structure does not hold
	Encrypted  Kind = "encrypted"  // needs a password
	Macros     Kind = "macros"     // carries macros
	Executable Kind = "executable" // is, or contains, a program
	Extension  Kind = "extension"  // the name says another format
	Declared   Kind = "declared"   // the mail's MIME type says another format
	Bomb       Kind = "bomb"       // beyond the limits of archives, or too slow
	EntryName  Kind = "entry-name" // an archive entry has an unsafe name
	Pixels     Kind = "pixels"     // an image beyond the pixel limit
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	Kind   Kind
	Detail Detail
	Value  string // what the detail is about, from the file itself: not to be trusted; may be ""
}

// Facts are what Inspect found.
type Facts struct {
	// Format is one of All, or the usual extension of another format (exe,
	// html, txt), or "" when the content is of no known one.
	Format   string
	Problems []Problem
	// Width and Height are in pixels, DPI in dots per inch; 0 when unknown
	// or no image.
	Width, Height, DPI int
}

// Has reports whether there is a problem of the kind.
func (f Facts) Has(kind Kind) bool {
	for _, p := range f.Problems {
		if p.Kind == kind {
			return true
		}
	}
	return false
}

// add notes a problem once per kind and detail.
func (f *Facts) add(kind Kind, detail Detail, value string) {
	for _, p := range f.Problems {
		if p.Kind == kind && p.Detail == detail {
			return
		}
	}
	f.Problems = append(f.Problems, Problem{Kind: kind, Detail: detail, Value: value})
}

// Limits bound what a file may make us do. Archives are judged by their
// directory before anything is expanded.
type Limits struct {
	Entries int           // of an archive, nested ones included
	Depth   int           // of archives in archives; 1: none inside
	Ratio   int64         // expanded to packed, of entries above 1 MiB
	Sum     int64         // octets of all entries expanded, nested ones included
	Nested  int64         // octets of one nested archive, held in memory
	Pixels  int64         // width times height of an image
	Time    time.Duration // for the whole inspection; beyond it is a Bomb
}

// DefaultLimits are the limits that Inspect uses.
func DefaultLimits() Limits {
	return Limits{
		Entries: 5000,
		Depth:   3, // a document with a chart, in an archive
		Ratio:   100,
		Sum:     256 << 20,
		Nested:  8 << 20,
		Pixels:  100_000_000,
		Time:    5 * time.Second,
	}
}

// Inspect looks at a file with DefaultLimits: its name and the MIME type that
// the mail declared, its size in octets, its first octets (3,072 of them, or
// all) and its last (1,024, or all). open gives random access to the decoded
// octets; it is called at most once, and never where NeedsAccess(head) is
// false or head is the whole file, so that the caller can budget memory in it.
//
// An error is of open, of reading or of the context, never of the content.
func Inspect(ctx context.Context, name, declared string, size int64, head, tail []byte, open func() (io.ReaderAt, error)) (Facts, error) {
	return DefaultLimits().Inspect(ctx, name, declared, size, head, tail, open)
}
