package disktest

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A disk writes sectors whole or not at all, and in any order; a page is what
// the kernel hands it at once.
const (
	sectorSize = 512
	pageSize   = 4096
)

// event is an operation that happened, or a mark.
type event struct {
	kind   Kind
	file   string // relative to the folder
	offset int64
	size   int64 // of a Truncate
	data   []byte
	mark   any
}

// Recording is what happened to the files of a folder, in order.
type Recording struct {
	dir    string
	base   map[string]*image
	events []event
}

// newRecording reads the files as they are. What they hold counts as durable.
func newRecording(dir string) (*Recording, error) {
	dir, err := filepath.EvalSymlinks(dir) // as the kernel tells paths
	if err != nil {
		return nil, err
	}
	r := &Recording{dir: dir, base: map[string]*image{}}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		r.base[name], err = readImage(path)
		return err
	})
	return r, err
}

// add notes an operation that is about to happen.
func (r *Recording) add(op Op, data []byte) {
	name, ok := strings.CutPrefix(op.Path, r.dir+string(filepath.Separator))
	if !ok {
		return
	}
	e := event{kind: op.Kind, file: name, offset: op.Offset, data: data}
	if op.Kind == Truncate {
		e.size = op.Size
	}
	r.events = append(r.events, e)
}

// Len is the number of events. A cut at n leaves the first n.
func (r *Recording) Len() int { return len(r.events) }

// Marks returns the marks before a cut, in order.
func (r *Recording) Marks(cut int) (marks []any) {
	for _, e := range r.events[:cut] {
		if e.kind == Mark {
			marks = append(marks, e.mark)
		}
	}
	return marks
}

// Count is the number of events of a kind.
func (r *Recording) Count(k Kind) (n int) {
	for _, e := range r.events {
		if e.kind == k {
			n++
		}
	}
	return n
}

// Loss is what a loss of power takes of what was written and not synced.
type Loss uint8

// The losses. A sync that was begun but not answered counts as not made.
const (
	Nothing Loss = iota // the process was killed: the kernel writes it all
	All                 // nothing unsynced has reached the disk
	Pages               // each page has, or has not
	Sectors             // each sector has, or has not: pages can be torn
	Losses
)

// String names the loss as a report does.
func (l Loss) String() string {
	return [...]string{"nothing", "all", "some pages", "some sectors"}[l]
}

// Restore writes the files to a new folder that a loss after the first cut
// events can leave. rnd decides what is lost.
func (r *Recording) Restore(dir string, cut int, loss Loss, rnd *rand.Rand) error {
	synced := map[string]int{} // events of a file before this one are durable
	for i, e := range r.events[:cut] {
		if e.kind == Sync {
			synced[e.file] = i
		}
	}
	files := map[string]*image{}
	for name, base := range r.base {
		files[name] = base.clone()
	}
	for i, e := range r.events[:cut] {
		if e.kind == Mark || e.kind == Sync {
			continue
		}
		f := files[e.file]
		if f == nil {
			return fmt.Errorf("%s was made during the recording", e.file)
		}
		if i < synced[e.file] || loss == Nothing {
			f.apply(e)
		} else if loss != All {
			f.applySome(e, loss, rnd)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := files[name].write(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// image is the content of a file; pages that are not there are zero.
type image struct {
	size  int64
	pages map[int64][]byte // never changed in place: they are shared
}

func readImage(path string) (*image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &image{pages: map[int64][]byte{}}
	f.put(0, data)
	zero := make([]byte, pageSize)
	maps.DeleteFunc(f.pages, func(_ int64, p []byte) bool { return bytes.Equal(p, zero) })
	return f, nil
}

func (f *image) clone() *image { return &image{f.size, maps.Clone(f.pages)} }

// put writes octets at an offset.
func (f *image) put(offset int64, data []byte) {
	f.size = max(f.size, offset+int64(len(data)))
	for len(data) > 0 {
		at, within := offset/pageSize, offset%pageSize
		page := make([]byte, pageSize)
		copy(page, f.pages[at])
		n := copy(page[within:], data)
		f.pages[at] = page
		data, offset = data[n:], offset+int64(n)
	}
}

func (f *image) apply(e event) {
	if e.kind == Write {
		f.put(e.offset, e.data)
		return
	}
	if e.size < f.size {
		last := (e.size + pageSize - 1) / pageSize
		maps.DeleteFunc(f.pages, func(at int64, _ []byte) bool { return at >= last })
		if within := e.size % pageSize; within > 0 && f.pages[last-1] != nil {
			page := make([]byte, pageSize)
			copy(page, f.pages[last-1][:within])
			f.pages[last-1] = page
		}
	}
	f.size = e.size
}

// applySome applies what the loss leaves of an operation.
func (f *image) applySome(e event, loss Loss, rnd *rand.Rand) {
	if e.kind == Truncate {
		if rnd.IntN(2) == 0 {
			f.apply(e)
		}
		return
	}
	unit := int64(pageSize)
	if loss == Sectors {
		unit = sectorSize
	}
	for from := int64(0); from < int64(len(e.data)); {
		to := min((e.offset+from)/unit*unit+unit-e.offset, int64(len(e.data)))
		if rnd.IntN(2) == 0 {
			f.put(e.offset+from, e.data[from:to])
		}
		from = to
	}
}

// write makes the file, with holes where nothing is.
func (f *image) write(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	if err := file.Truncate(f.size); err != nil {
		return err
	}
	for _, at := range slices.Sorted(maps.Keys(f.pages)) {
		page := f.pages[at][:min(pageSize, f.size-at*pageSize)]
		if _, err := file.WriteAt(page, at*pageSize); err != nil {
			return err
		}
	}
	return nil
}
