package body

import (
	"context"
	"errors"
	"io"
	"time"
)

// discardTime bounds the removal of a body that nobody names.
const discardTime = 10 * time.Second

// PutRead puts what src yields, while read reads the same octets. It returns
// when both are done. On an error of either nothing is kept; where it cannot be
// removed at once the sweep will.
func PutRead(ctx context.Context, s Store, src io.Reader, read func(io.Reader) error) (Ref, error) {
	pr, pw := io.Pipe()
	var readErr error
	done := make(chan struct{})
	go func() {
		defer close(done)
		readErr = read(pr)
		// Where read stops early with an error, so does src; without one the
		// rest is passed by.
		if readErr == nil {
			_, readErr = io.Copy(io.Discard, pr)
		}
		pr.CloseWithError(readErr)
	}()
	ref, err := s.Put(ctx, io.TeeReader(src, pw))
	pw.CloseWithError(err)
	<-done
	if err == nil && readErr != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
		defer cancel()
		err = errors.Join(readErr, s.Discard(ctx, ref))
	}
	return ref, err
}
