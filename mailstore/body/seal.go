package body

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed body is a row of segments, each sealed with AES-256-GCM under the
// body's own data key (the STREAM construction, as in age): every segment but
// the last holds SegmentSize octets of clear text, the last one what is left,
// which is nothing only in the empty body. The nonce of a segment is its
// number and a mark on the last, so segments that are missing, moved, repeated
// or cut off do not open. The name of the body is authenticated with each.
const (
	// SegmentSize is the clear text of a segment, in octets: 64 KiB less what
	// lets the sealed segment and the engine's page header fill whole pages.
	SegmentSize = 64<<10 - 64
	// Overhead is what sealing adds to each segment, in octets.
	Overhead = 16

	sealedSegment = SegmentSize + Overhead
)

// maxSize is the largest body in octets. It keeps the segment number in 32
// bits.
const maxSize = int64(SegmentSize) << 31

// errOffset says that a caller asked for octets outside the body.
var errOffset = errors.New("offset outside body")

// NewRef returns a fresh random name and data key.
func NewRef() Ref {
	var ref Ref
	// crypto/rand.Read never fails (Go 1.24 and later).
	_, _ = rand.Read(ref.Name[:])
	_, _ = rand.Read(ref.Key[:])
	return ref
}

// SealedSize is the number of octets that a body of size octets has when
// sealed.
func SealedSize(size int64) int64 {
	return size + segments(size)*Overhead
}

// segments is the number of segments of a body of size octets.
func segments(size int64) int64 {
	if size <= 0 {
		return 1
	}
	return (size + SegmentSize - 1) / SegmentSize
}

// clearSize is the number of octets of clear text in segment n.
func clearSize(size, n int64) int {
	if n == segments(size)-1 {
		return int(size - n*SegmentSize)
	}
	return SegmentSize
}

// Seal seals a whole body that is in memory, such as one that travels inside
// a metadata commit. ref gives name and key; its other fields are not used.
// A name and key must never seal two different bodies.
func Seal(ref Ref, clear []byte) ([]byte, error) {
	s, err := newSealer(ref)
	if err != nil {
		return nil, err
	}
	size := int64(len(clear))
	last := segments(size) - 1
	sealed := make([]byte, 0, SealedSize(size))
	for n := int64(0); n <= last; n++ {
		k := clearSize(size, n)
		sealed = s.seal(sealed, n, n == last, clear[:k])
		clear = clear[k:]
	}
	return sealed, nil
}

// OpenSealed reads the clear text of a whole sealed body that is in memory,
// from offset on (0 <= offset <= ref.Size). It opens a segment only when it is
// read; a segment that does not open is ErrDamaged and yields nothing. sealed
// must not change until the reader is closed.
func OpenSealed(ref Ref, sealed []byte, offset int64) (io.ReadCloser, error) {
	fetch := func(n int64, use func([]byte) error) error {
		from := n * sealedSegment
		return use(sealed[from:min(from+sealedSegment, int64(len(sealed)))])
	}
	if err := checkRange(ref, offset); err != nil {
		return nil, err
	}
	if int64(len(sealed)) != SealedSize(ref.Size) {
		return nil, fmt.Errorf("open body %s: %d octets sealed, want %d: %w",
			ref.Name, len(sealed), SealedSize(ref.Size), ErrDamaged)
	}
	return newReader(context.Background(), ref, offset, fetch)
}

func checkRange(ref Ref, offset int64) error {
	if ref.Size < 0 || ref.Size > maxSize {
		return fmt.Errorf("open body %s: size %d: %w", ref.Name, ref.Size, ErrDamaged)
	}
	if offset < 0 || offset > ref.Size {
		return fmt.Errorf("open body %s at %d of %d: %w", ref.Name, offset, ref.Size, errOffset)
	}
	return nil
}

// sealer seals and opens the segments of one body. It is safe for concurrent
// use.
type sealer struct {
	aead cipher.AEAD
	name Name
}

// aadDomain keeps sealed bodies apart from all else that is sealed in the
// store; it names the version of the format.
const aadDomain = "gosbridge body 1\x00"

func newSealer(ref Ref) (*sealer, error) {
	block, err := aes.NewCipher(ref.Key[:])
	if err != nil {
		return nil, fmt.Errorf("seal body %s: %w", ref.Name, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal body %s: %w", ref.Name, err)
	}
	return &sealer{aead: aead, name: ref.Name}, nil
}

// binding returns nonce and additional data of segment n.
func (s *sealer) binding(n int64, last bool) (nonce [12]byte, aad [len(aadDomain) + len(Name{})]byte) {
	binary.BigEndian.PutUint64(nonce[3:], uint64(n))
	if last {
		nonce[11] = 1
	}
	copy(aad[:], aadDomain)
	copy(aad[len(aadDomain):], s.name[:])
	return nonce, aad
}

// seal appends segment n, sealed, to dst.
func (s *sealer) seal(dst []byte, n int64, last bool, clear []byte) []byte {
	nonce, aad := s.binding(n, last)
	return s.aead.Seal(dst, nonce[:], clear, aad[:])
}

// open appends the clear text of segment n to dst, which must have room.
func (s *sealer) open(dst []byte, n int64, last bool, sealed []byte) ([]byte, error) {
	nonce, aad := s.binding(n, last)
	clear, err := s.aead.Open(dst, nonce[:], sealed, aad[:])
	if err != nil {
		return nil, fmt.Errorf("body %s segment %d: %w", s.name, n, ErrDamaged)
	}
	return clear, nil
}
