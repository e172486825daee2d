package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltfile"
)

// rotated tells what became of the keys.
type rotated struct {
	New string `json:"new"`           // file of the key in force
	Old string `json:"old,omitempty"` // file of the one before; empty where it stays in its place
	// Place is where the configuration gets the key from, if the new one is not
	// there yet.
	Place string `json:"place,omitempty"`
}

func newStoreRotateKey(path *string) *cobra.Command {
	var to string
	cmd := scriptable(&cobra.Command{
		Use: "rotate-key", Short: "Exchange the master key", Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Exchange the master key, also while the gateway serves. The keys that it wraps are\n" +
			"wrapped anew in one commit; letters and bodies are not rewritten. Where the key is in a\n" +
			"file, the new one takes its place and the old one is kept beside it, with the date in\n" +
			"its name: backups made so far need it; a link to the file stays a link. Where it comes\n" +
			"from elsewhere, --to names the file for the new key, and it must be put in its place\n" +
			"before the next start. A command that was interrupted is run again. Compact the store\n" +
			"afterwards, so that what was wrapped under the old key is not left in free parts of the\n" +
			"file.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(*path)
			if err != nil {
				return hint(err, *path)
			}
			in := cfg.MasterKey
			if in.File == "" && to == "" {
				return fmt.Errorf("%w: the key is in %s: name a file for the new one with --to", errUsage, in.Place())
			}
			out := rotated{New: to, Place: in.Place()}
			if to == "" {
				// Links are left alone: both keys are to lie where the operator put
				// the file, not beside a link to it.
				if in.File, err = filepath.EvalSymlinks(in.File); err != nil {
					return fmt.Errorf("master key: %w", err)
				}
				out.New = gateway.NewKeyFile(in.File)
			}
			key, err := prepareKey(out.New, in.File)
			if err == nil {
				err = rotate(cmd, *path, cfg, out.New, key)
			}
			if err == nil && to == "" {
				out, err = replaceKey(in.File, time.Now())
			}
			if err != nil {
				return err
			}
			return show(cmd, out, showRotated)
		},
	})
	cmd.Flags().StringVar(&to, "to", "", "file for the new key; one that is there is taken")
	return cmd
}

func showRotated(w io.Writer, out rotated) error {
	if out.Place != "" {
		_, err := fmt.Fprintf(w, "the master key is now that of %s\nput it into %s before the gateway starts again, and keep the old one for the backups made so far\n", out.New, out.Place)
		return err
	}
	_, err := fmt.Fprintf(w, "the master key is now that of %s\nthe old one, for the backups made so far, is %s\n", out.New, out.Old)
	return err
}

// prepareKey makes a new key in a file that is durable before the store changes,
// or takes the one that is there: of a command that was interrupted.
func prepareKey(file, like string) (key [32]byte, err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return config.MasterKey{File: file}.Read()
	}
	if err != nil {
		return key, fmt.Errorf("new master key: %w", err)
	}
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	_, err = f.WriteString(config.FormatMasterKey(key))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil && like != "" {
		err = sameOwner(file, like)
	}
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(file))
	}
	if err != nil {
		return key, fmt.Errorf("new master key: %w", errors.Join(err, os.Remove(file)))
	}
	return key, nil
}

// rotate exchanges the key. One that was exchanged before is as good.
func rotate(cmd *cobra.Command, path string, cfg config.Config, file string, key [32]byte) error {
	in := admin.RotateKey{Key: strings.TrimSpace(config.FormatMasterKey(key))}
	err := operate(cmd, path, func(c caller) error {
		return c.Call(cmd.Context(), admin.OpStoreRotateKey, in, &admin.KeyRotated{})
	})
	switch {
	case errors.Is(err, admin.ErrConflict):
		return nil
	case errors.Is(err, mailstore.ErrKey):
		if opens(cmd.Context(), cfg, file) {
			return nil
		}
	case err != nil:
		return fmt.Errorf("%w\nthe new key is kept in %s; run the command again", err, file)
	}
	return err
}

// opens reports whether the key of a file opens the store.
func opens(ctx context.Context, cfg config.Config, file string) bool {
	cfg.MasterKey = config.MasterKey{File: file}
	alone, err := gateway.OpenAlone(ctx, cfg, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	return err == nil && alone.Close() == nil
}

// replaceKey puts the new key in the place of the old one, which is kept.
func replaceKey(file string, now time.Time) (rotated, error) {
	out := rotated{New: file, Old: file + now.UTC().Format(".20060102T150405.000Z")}
	err := os.Link(file, out.Old)
	if err == nil {
		err = os.Rename(gateway.NewKeyFile(file), file)
	}
	if err == nil {
		err = boltfile.SyncDir(filepath.Dir(file))
	}
	if err != nil {
		return out, fmt.Errorf("the master key was exchanged, but not in its place; it is in %s: %w", gateway.NewKeyFile(file), err)
	}
	return out, nil
}
