package searchtext

import (
	"bytes"
	"io"
	"strings"

	"gosbridge/gateway/message"
)

// Scan reads a message and reports whether its text parts have the needle,
// which is folded; with header also whether one of its header fields has, as
// far as they lie within headerOctets. The error is r's.
func Scan(r io.Reader, headerOctets int64, header bool, needle string) (bool, error) {
	head, err := io.ReadAll(io.LimitReader(r, headerOctets))
	if err != nil {
		return false, err
	}
	if header {
		for _, f := range message.ParseHeader(head, 0) {
			if strings.Contains(Fold(shown(f)), needle) {
				return true, nil
			}
		}
	}
	w := window{needle: []byte(needle)}
	err = message.ScanText(io.MultiReader(bytes.NewReader(head), r), message.Limits{}, func(text []byte) bool {
		return !w.add(text)
	})
	return w.end(), err
}

// shown is a header field as people read it.
func shown(f message.Field) string {
	line := string(f.Raw) // a line that is no field
	if f.Name != "" {
		line = f.Name + ": " + f.Value()
	}
	return message.DecodeText(line)
}

// window looks for a needle in text that comes in pieces.
type window struct {
	needle []byte
	fold   folder
	tail   []byte // end of what came before, folded
	found  bool
}

// add takes a piece and reports whether the needle was found so far.
func (w *window) add(text []byte) bool { return w.look(w.fold.add(text)) }

// end reports the same when no more text comes.
func (w *window) end() bool { return w.look(w.fold.close()) }

func (w *window) look(folded []byte) bool {
	w.tail = append(w.tail, folded...)
	w.found = w.found || bytes.Contains(w.tail, w.needle)
	if keep := len(w.needle) - 1; len(w.tail) > keep {
		w.tail = append(w.tail[:0], w.tail[len(w.tail)-keep:]...)
	}
	return w.found
}
