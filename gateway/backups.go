package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/backup"
	"gosbridge/gateway/config"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/recovery"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
)

// Release is the version of this program.
func Release() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

// backups makes the backups of an open store.
type backups struct {
	store *boltstore.Store
	file  string               // of the configuration; "" when it has none
	cfg   func() config.Config // in force
	key   func() string        // fingerprint of the master key in use
}

// admin is what the commands need.
func (b backups) admin() admin.Backup {
	return admin.Backup{Make: b.make, Save: b.save, Key: b.key}
}

// make makes a backup with the files of the configuration that are no secrets.
func (b backups) make(ctx context.Context, dir string, rate *int64, progress backup.Progress) (backup.Manifest, error) {
	cfg := b.cfg()
	if cfg.Holds(dir) {
		return backup.Manifest{}, fmt.Errorf("%w: %s lies in the data folder, and would be lost with it", admin.ErrInvalid, dir)
	}
	o := backup.Options{Store: b.store, Dir: dir, Release: Release(), Rate: octets(cfg.Backup.Rate), Progress: progress}
	if rate != nil {
		o.Rate = *rate
	}
	file := b.file
	if abs, err := filepath.Abs(file); err == nil && file != "" {
		file = abs
	}
	for _, f := range cfg.Files(file) {
		if !f.Secret {
			o.Sources = append(o.Sources, backup.Source{Path: f.Path, Certificates: f.Certificates})
		}
	}
	return backup.Make(ctx, o)
}

// save are the secrets, each once.
func (b backups) save() (all []admin.Secret) {
	seen := map[string]bool{}
	for _, f := range b.cfg().Files(b.file) {
		if f.Secret && !seen[f.Path] {
			seen[f.Path] = true
			all = append(all, admin.Secret{Key: f.Key, Path: f.Path})
		}
	}
	return all
}

// octets is a rate as a number; 0 is none.
func octets(o policy.Octets) int64 { return max(int64(o), 0) }

// schedule makes them by the plan of a configuration. waits tells whether the
// store waits to be resumed.
func (b backups) schedule(cfg config.Config, waits func() bool, now func() time.Time, log *slog.Logger) *backup.Schedule {
	dir := b.store.Directory()
	return backup.NewSchedule(backup.ScheduleOptions{
		Make: func(ctx context.Context, folder string, rate int64) (backup.Manifest, error) {
			warnKey(ctx, dir, b.key(), log)
			return b.make(ctx, folder, &rate, nil)
		},
		Last:   func(ctx context.Context) (time.Time, error) { return backup.Last(ctx, dir) },
		Note:   func(ctx context.Context, made time.Time) error { return backup.NoteLast(ctx, dir, made) },
		Waits:  waits,
		Store:  b.store.Name(),
		Hidden: cfg.MasterKey.Environment, Zone: letter.Moscow, Now: now, Logger: log,
	}, backupPlan(cfg.Backup))
}

func backupPlan(b config.Backup) backup.Plan {
	p := backup.Plan{Folder: b.Folder, Keep: b.Keep, Rate: octets(b.Rate), Command: b.Command, Timeout: b.Timeout.Std()}
	p.Hour, p.Minute = b.Time()
	return p
}

// warnKey logs that the master key was never exported.
func warnKey(ctx context.Context, dir mailstore.Directory, fingerprint string, log *slog.Logger) {
	exported, err := backup.KeyExported(ctx, dir, fingerprint)
	if err != nil {
		log.Error("export of the master key not known", "err", err)
	} else if !exported {
		log.Warn("the master key was never exported: without a copy of it no backup can be read; use gosbridge key export")
	}
}

// Warn logs what the operator has to do: keep a copy of the master key, and
// resume a store that was restored.
func (g *Gateway) Warn(ctx context.Context) {
	warnKey(ctx, g.store.Directory(), g.backups.key(), g.log)
	g.recovery.Warn(ctx, g.log)
}

// RestoreOptions say what Restore restores.
type RestoreOptions struct {
	Backup     string // its folder
	Skip       uint64 // numbers to leave out
	Generation uint32 // at least; 0 for what follows from the backup
	Number     uint64 // the next one, at least; 0 for what follows
	Progress   backup.Progress
}

// Restore makes the store of a configuration out of a backup. Its data folder
// holds none yet.
func Restore(ctx context.Context, cfg config.Config, r RestoreOptions, o Options) (recovery.Outcome, error) {
	key, err := cfg.MasterKey.Read()
	if err != nil {
		return recovery.Outcome{}, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	store := storeOptions(cfg, key, o)
	store.Create = false
	return recovery.Restore(ctx, recovery.Options{
		Backup: r.Backup, Store: store, Skip: r.Skip, Generation: r.Generation, Number: r.Number,
		UID: strconv.Itoa(os.Geteuid()), Now: o.Now, Progress: r.Progress,
	})
}
