// Package body is the contract for message bodies: octets that are written
// once, sealed (encrypted) at rest, named at random and never changed.
//
// It owns the reference to a body, its sealing and the embedded engine for
// large bodies. It never knows whose body it keeps, what mail is, or which
// account may read: a reference carries its data key, and who holds the
// reference may open it.
package body

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"time"
)

// InlineLimit is the size of clear text, in octets, up to which a body is not
// written by Put but travels inside the Ref into the metadata commit that
// names it. Two commits for one letter cost a third of the throughput.
const InlineLimit = 16 << 10

var (
	// ErrNotFound says that no body of that name is kept.
	ErrNotFound = errors.New("body not found")
	// ErrDamaged says that a body, or a segment of it, does not carry a valid
	// authentication tag: wrong key, bit rot or tampering.
	ErrDamaged = errors.New("body damaged")
	// ErrFull says that the disk took no more.
	ErrFull = errors.New("no space for body")
	// ErrDisk says that the disk failed. It may last until the files are opened
	// anew.
	ErrDisk = errors.New("disk failed under bodies")
	// ErrLocked says that another process has the body files open.
	ErrLocked = errors.New("body files in use by another process")
	// ErrVersion says that the body files were written by a newer release.
	ErrVersion = errors.New("unknown format version of body files")
	// ErrClosed says that the engine was closed.
	ErrClosed = errors.New("body store closed")
)

// Name is the random 128-bit name of a body. It is not derived from content:
// sharing is by reference only.
type Name [16]byte

// String returns the name in hexadecimal.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// IsZero reports whether n names nothing.
func (n Name) IsZero() bool { return n == Name{} }

// Key is the data key of one body (AES-256). In the clear it lives in memory
// only; at rest the store keeps it wrapped, once for every holder.
type Key [32]byte

// String hides the key, so that a stray %v never logs it.
func (Key) String() string { return "key(hidden)" }

// GoString hides the key from %#v.
func (Key) GoString() string { return "key(hidden)" }

// MarshalText refuses, so that no log in JSON and no record ever holds the key.
func (Key) MarshalText() ([]byte, error) { return nil, errKeyText }

var errKeyText = errors.New("data keys are not written out")

// Ref names a sealed body and carries what is needed to open it. A Ref is a
// value; holders of one body share equal Refs.
type Ref struct {
	Name  Name
	Key   Key
	Size  int64  // octets of the clear text
	Place uint64 // sequential storage key of the engine; 0 while inline
	// Inline is the sealed body itself where the clear text has at most
	// InlineLimit octets and no commit has named it yet. The store moves it
	// into the commit; Refs read back from the store have it empty.
	Inline []byte
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r.Name.IsZero() }

// SweepReport tells what a sweep did.
type SweepReport struct {
	Kept, Removed int
	Octets        int64 // sealed octets removed
}

// Live tells which of some bodies are to be kept, in the order of the names. It
// is asked for a slice at a time, as each question may cost it a snapshot.
type Live func(ctx context.Context, names []Name) (keep []bool, err error)

// Store keeps bodies. All methods are safe for concurrent use.
type Store interface {
	// Put seals what r yields under a fresh name and data key. Above
	// InlineLimit the body is durable when Put returns; up to it the body is
	// in Ref.Inline and becomes durable with the commit that names it. Memory
	// does not grow with the body. On any error, r's own included, nothing is
	// kept and r's error is returned unwrapped in the chain. ErrFull when the
	// disk is full. Every call makes a new body: repeating is harmless.
	Put(ctx context.Context, r io.Reader) (Ref, error)

	// Open returns the clear text from offset (0 <= offset <= Size). Only the
	// segments that are read are decrypted. A missing body is ErrNotFound, a
	// failed authentication ErrDamaged (at Open or at the Read that met it);
	// no unauthenticated octet is ever returned. The reader holds no
	// transaction between reads and must be closed.
	Open(ctx context.Context, ref Ref, offset int64) (io.ReadCloser, error)

	// Discard removes a body that no commit has named. The caller vouches for
	// that. Discarding a body that is not there is no error.
	Discard(ctx context.Context, ref Ref) error

	// Sweep removes bodies that live does not keep and that were put more than
	// grace ago (24 h in service: longer than any Update, and long
	// enough for another session to finish a fetch). It works in slices and
	// may run beside everything else.
	Sweep(ctx context.Context, live Live, grace time.Duration) (SweepReport, error)
}
