package admin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gosbridge/gateway/backup"
	"gosbridge/gateway/recovery"
)

// StoreBackup asks for a backup of the store in a folder.
type StoreBackup struct {
	Dir string `json:"dir"` // absolute; it is made
	// Rate is in octets per second, 0 for no limit; without it that of the
	// configuration.
	Rate *int64 `json:"rate,omitempty"`
}

// BackedUp is a backup that was made.
type BackedUp struct {
	Dir string `json:"dir"`
	backup.Manifest
	// Save are the files, and variables of the environment, that a recovery
	// needs and no backup holds: private keys.
	Save []Secret `json:"save"`
	// KeyExported reports whether the master key was exported; see KeyExported.
	KeyExported bool `json:"key_exported"`
}

// Secret is where something secret is, by the key of the configuration.
type Secret struct {
	Key  string `json:"key"`
	Path string `json:"path"`
}

// Backup is what a service needs to make backups.
type Backup struct {
	// Make makes one; rate is nil for that of the configuration.
	Make func(ctx context.Context, dir string, rate *int64, progress backup.Progress) (backup.Manifest, error)
	// Save are the secrets of the configuration in force.
	Save func() []Secret
	// Key is the fingerprint of the master key in use.
	Key func() string
}

func (s *Service) storeBackup(ctx context.Context, in StoreBackup) (BackedUp, error) {
	if !filepath.IsAbs(in.Dir) {
		return BackedUp{}, fmt.Errorf("%w: folder %q is no absolute path", ErrInvalid, in.Dir)
	}
	if in.Rate != nil && *in.Rate < 0 {
		return BackedUp{}, fmt.Errorf("%w: rate %d", ErrInvalid, *in.Rate)
	}
	m, err := s.o.Backup.Make(ctx, filepath.Clean(in.Dir), in.Rate, func(stage string, done, total int64) {
		report(ctx, Progress{Stage: stage, Done: done, Total: total, Unit: "octets"})
	})
	if errors.Is(err, backup.ErrTaken) {
		err = fmt.Errorf("%w: %w", ErrConflict, err)
	}
	if err != nil {
		return BackedUp{}, err
	}
	out := BackedUp{Dir: filepath.Clean(in.Dir), Manifest: m, Save: s.o.Backup.Save()}
	out.KeyExported, err = backup.KeyExported(ctx, s.o.Store.Directory(), s.o.Backup.Key())
	return out, err
}

// KeyExported says that the master key with a fingerprint was written for a
// safe. The key itself never passes here.
type KeyExported struct {
	Fingerprint string `json:"fingerprint"`
	// DryRun only compares it with that of the key in use.
	DryRun bool `json:"dry_run,omitempty"`
}

// KeyNoted is the answer.
type KeyNoted struct {
	Fingerprint string `json:"fingerprint"`
}

func (s *Service) keyExported(ctx context.Context, in KeyExported) (KeyNoted, error) {
	if in.Fingerprint != s.o.Backup.Key() {
		return KeyNoted{}, fmt.Errorf("%w: the key that was exported is not the one in use: has the gateway been started with another configuration?", ErrConflict)
	}
	out := KeyNoted{Fingerprint: in.Fingerprint}
	if in.DryRun {
		return out, nil
	}
	return out, backup.NoteKeyExported(ctx, s.o.Store.Directory(), in.Fingerprint, s.o.Now())
}

// StoreResume asks to let go what a restored store holds back.
type StoreResume struct {
	DryRun bool `json:"dry_run,omitempty"`
}

// StoreResumed tells what waited.
type StoreResumed struct {
	recovery.State
	// Now says that this call let it go.
	Now bool `json:"now"`
}

func (s *Service) storeResume(ctx context.Context, in StoreResume) (out StoreResumed, err error) {
	if in.DryRun {
		out.State, err = s.o.Recovery.State(ctx)
		return out, err
	}
	out.State, err = s.o.Recovery.Resume(ctx, s.o.Now())
	out.Now = err == nil && out.Waits()
	return out, err
}
