package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gosbridge/mailstore"
)

// What a store remembers: when the schedule made its last backup, and which
// master key was exported.
const (
	lastSetting = "last-backup"
	keySetting  = "key-exported"
)

// Last is when the schedule made its last backup of a store, zero for never.
func Last(ctx context.Context, dir mailstore.Directory) (at time.Time, err error) {
	data, err := dir.Setting(ctx, lastSetting)
	if err == nil && data != nil {
		err = at.UnmarshalText(data)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the last backup: %w", err)
	}
	return at, nil
}

// NoteLast remembers it.
func NoteLast(ctx context.Context, dir mailstore.Directory, at time.Time) error {
	data, err := at.UTC().MarshalText()
	if err == nil {
		err = dir.PutSetting(ctx, lastSetting, data)
	}
	if err != nil {
		return fmt.Errorf("time of the last backup: %w", err)
	}
	return nil
}

// exportedKey is a key that was exported.
type exportedKey struct {
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// KeyExported reports whether the master key with a fingerprint was exported.
// Without a copy of it elsewhere no backup can be read.
func KeyExported(ctx context.Context, dir mailstore.Directory, fingerprint string) (bool, error) {
	data, err := dir.Setting(ctx, keySetting)
	if err != nil || data == nil {
		return false, err
	}
	var k exportedKey
	if err := json.Unmarshal(data, &k); err != nil {
		return false, fmt.Errorf("exported key: %w", err)
	}
	return k.Fingerprint == fingerprint, nil
}

// NoteKeyExported remembers that it was.
func NoteKeyExported(ctx context.Context, dir mailstore.Directory, fingerprint string, at time.Time) error {
	data, err := json.Marshal(exportedKey{fingerprint, at.UTC()})
	if err != nil {
		return err
	}
	return dir.PutSetting(ctx, keySetting, data)
}
