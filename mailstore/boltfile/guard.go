package boltfile

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// ErrDamaged says that pages of a file make no sense or cannot be read.
var ErrDamaged = errors.New("file damaged")

// Guard makes an error, with damaged in its chain, of the panics by which bbolt,
// and the memory map under it, answer pages that make no sense or cannot be read;
// so it does of what such pages make of the code that reads them, which is the
// package that called Guard. A panic of anybody else, whose function is called
// from within, is his own and goes on.
//
// It sees its own goroutine. The one of bbolt's that looks for free pages where
// their list is not in the file, when it is opened or a commit has failed, ends
// the process on a page that makes no sense.
func Guard(damaged error, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		switch fault, is := p.(interface{ Addr() uintptr }); {
		case is: // in the map: no other address is no good and yet not zero
			err = fmt.Errorf("%w: a page cannot be read (address %#x)", damaged, fault.Addr())
		case ofFile():
			err = fmt.Errorf("%w: %v", damaged, p)
		default:
			panic(p)
		}
	}()
	return fn()
}

// guard is Guard for the package's own work.
func guard(fn func() error) error { return Guard(ErrDamaged, fn) }

const (
	bboltPackage = "go.etcd.io/bbolt"
	guardName    = "boltfile.Guard"
)

// ofFile reports whether a panic, in whose deferred function it is called, comes
// from what is in a file: from code of bbolt, of this package or of the caller of
// Guard.
func ofFile() bool {
	callers := make([]uintptr, 512)
	callers = callers[:runtime.Callers(1, callers)]
	return blames(runtime.CallersFrames(callers))
}

// blames looks through the stack of a panic, which begins with ours.
func blames(frames *runtime.Frames) bool {
	self := "" // this package
	origin, passed := "", false
	for {
		f, more := frames.Next()
		pkg := packageOf(f.Function)
		switch {
		case self == "":
			self = pkg
		case !passed:
			passed = f.Function == "runtime.gopanic"
		case origin == "":
			if !standard(pkg, self) {
				origin = pkg
			}
		}
		if origin == bboltPackage || strings.HasPrefix(origin, bboltPackage+"/") {
			return true
		}
		if origin != "" && strings.HasSuffix(f.Function, guardName) {
			asked, _ := frames.Next()
			return origin == packageOf(asked.Function) || origin == self
		}
		if !more {
			return false
		}
	}
}

// packageOf is the path of the package that a function is of.
func packageOf(function string) string {
	dir := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[dir:], ".")
	return function[:dir] + name
}

// standard reports whether a package is of the standard library: its path begins
// neither with the name of a host nor as that of our module.
func standard(pkg, ours string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	module, _, _ := strings.Cut(ours, "/")
	return first != module && !strings.Contains(first, ".")
}
