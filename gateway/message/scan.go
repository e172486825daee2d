package message

import (
	"errors"
	"io"
)

// ScanText reads a message and calls found with the decoded text of its text
// parts, those of attached messages and text files too, HTML without its tags:
// consecutive pieces of UTF-8 that end between code points, with a line feed
// after each part. It stops when found returns false. A piece is only valid
// during the call; a phrase may begin in one piece and end in the next. The
// error is r's.
func ScanText(r io.Reader, limits Limits, found func(text []byte) bool) error {
	p := newParser(limits, scan)
	p.found = found
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		p.Write(buf[:n])
		switch {
		case p.stop:
			return nil
		case errors.Is(err, io.EOF):
			p.Close()
			return nil
		case err != nil:
			return err
		}
	}
}
