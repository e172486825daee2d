//go:build !linux

package disktest

import "errors"

func supervise() (*Disk, error) { return nil, errors.ErrUnsupported }

func unsupported(err error) bool { return errors.Is(err, errors.ErrUnsupported) }
