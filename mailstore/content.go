package mailstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"gosbridge/mailstore/body"
)

// errOffset says that a reader asked for octets beyond the message.
var errOffset = errors.New("offset outside message")

// openContent joins what is left of prefix, body range and suffix from offset.
func openContent(ctx context.Context, c Content, bodies body.Store, offset int64) (io.ReadCloser, error) {
	if offset < 0 || offset > c.Size() {
		return nil, fmt.Errorf("open content at %d of %d: %w", offset, c.Size(), errOffset)
	}
	var readers []io.Reader
	var closer io.Closer = io.NopCloser(nil)
	skip := min(offset, int64(len(c.Prefix)))
	if rest := c.Prefix[skip:]; len(rest) > 0 {
		readers = append(readers, bytes.NewReader(rest))
	}
	offset -= skip
	if skip = min(offset, c.Length); skip < c.Length {
		r, err := bodies.Open(ctx, c.Body, c.Offset+skip)
		if err != nil {
			return nil, fmt.Errorf("open content: %w", err)
		}
		closer = r
		readers = append(readers, &exactReader{r: r, left: c.Length - skip})
	}
	if rest := c.Suffix[offset-skip:]; len(rest) > 0 {
		readers = append(readers, bytes.NewReader(rest))
	}
	return &contentReader{Reader: io.MultiReader(readers...), Closer: closer}, nil
}

type contentReader struct {
	io.Reader
	io.Closer
}

// exactReader reads left octets and calls a body that ends earlier damaged.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if errors.Is(err, io.EOF) && e.left > 0 {
		return n, fmt.Errorf("%d octets short: %w", e.left, body.ErrDamaged)
	}
	return n, err
}
