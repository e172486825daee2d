package body_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"testing"

	"gosbridge/mailstore/body"
)

// benchFiles lets a run compare numbers of body files.
func benchFiles() int {
	n, _ := strconv.Atoi(os.Getenv("BODY_FILES"))
	return n
}

var benchSizes = []int{4 << 10, 100 << 10, 1 << 20, 5 << 20, 10 << 20}

func name(size int) string { return fmt.Sprintf("%dK", size>>10) }

func BenchmarkPut(b *testing.B) {
	for _, size := range benchSizes {
		for _, workers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/x%d", name(size), workers), func(b *testing.B) {
				s := openStore(b, b.TempDir(), body.Options{Files: benchFiles()})
				clear := random(size)
				b.SetBytes(int64(size))
				b.ResetTimer()
				parallel(b, workers, func() error {
					_, err := s.Put(context.Background(), bytes.NewReader(clear))
					return err
				})
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range benchSizes {
		for _, workers := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/x%d", name(size), workers), func(b *testing.B) {
				s := openStore(b, b.TempDir(), body.Options{Files: benchFiles()})
				ref := put(b, s, random(size))
				b.SetBytes(int64(size))
				b.ResetTimer()
				parallel(b, workers, func() error {
					r, err := s.Open(context.Background(), ref, 0)
					if err != nil {
						return err
					}
					defer func() { _ = r.Close() }()
					n, err := io.Copy(io.Discard, r)
					if err == nil && n != int64(size) {
						err = io.ErrUnexpectedEOF
					}
					return err
				})
			})
		}
	}
}

// parallel runs fn b.N times in the given number of goroutines.
func parallel(b *testing.B, workers int, fn func() error) {
	b.Helper()
	todo := make(chan struct{}, b.N)
	for range b.N {
		todo <- struct{}{}
	}
	close(todo)
	errs := make(chan error, workers)
	for range workers {
		go func() {
			for range todo {
				if err := fn(); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range workers {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}
