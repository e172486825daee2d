package admin

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gosbridge/gateway/transfer"
	"gosbridge/mailstore"
)

// StoreExport asks to write the mail of an account into a folder.
type StoreExport struct {
	Account string          `json:"account"` // address
	Dir     string          `json:"dir"`     // absolute; it is made
	Format  transfer.Format `json:"format"`
}

// StoreExported is an export that was made.
type StoreExported struct {
	Account string `json:"account"` // main address
	Dir     string `json:"dir"`
	transfer.Exported
}

// StoreImport asks to add the mail of a folder to an account. One that is
// blocked takes it: so an account can be filled before its owner is let in.
type StoreImport struct {
	Account   string          `json:"account"` // address
	Path      string          `json:"path"`    // absolute
	Format    transfer.Format `json:"format"`
	OverQuota bool            `json:"over_quota,omitempty"`
}

// StoreImported is an import that was made.
type StoreImported struct {
	Account string `json:"account"` // main address
	Path    string `json:"path"`
	transfer.Imported
}

func (s *Service) storeExport(ctx context.Context, in StoreExport) (out StoreExported, err error) {
	a, err := s.moves(ctx, in.Account, in.Dir)
	if err != nil {
		return out, err
	}
	out.Account, out.Dir = a.Addresses[0], filepath.Clean(in.Dir)
	out.Exported, err = s.mover.Export(ctx, a.ID, out.Dir, in.Format, by(ctx), moved(ctx, "exporting"))
	return out, asked(err)
}

func (s *Service) storeImport(ctx context.Context, in StoreImport) (out StoreImported, err error) {
	a, err := s.moves(ctx, in.Account, in.Path)
	if err != nil {
		return out, err
	}
	out.Account, out.Path = a.Addresses[0], filepath.Clean(in.Path)
	out.Imported, err = s.mover.Import(ctx, a.ID, transfer.Import{
		Path: out.Path, Format: in.Format, OverQuota: in.OverQuota, Details: by(ctx),
	}, moved(ctx, "importing"))
	if errors.Is(err, mailstore.ErrQuota) {
		err = fmt.Errorf("%w: %w: raise it, or give --over-quota", ErrConflict, err)
	}
	if err != nil && out.Messages > 0 {
		err = fmt.Errorf("%w\n%d messages had come before; repeated, it goes on behind them", err, out.Messages)
	}
	return out, asked(err)
}

// moves finds the account and wants a path that means the same to service and
// caller.
func (s *Service) moves(ctx context.Context, address, path string) (mailstore.Account, error) {
	if !filepath.IsAbs(path) {
		return mailstore.Account{}, fmt.Errorf("%w: %q is no absolute path", ErrInvalid, path)
	}
	return s.owner(ctx, address)
}

// moved reports messages.
func moved(ctx context.Context, stage string) transfer.Progress {
	return func(done, total int64) {
		report(ctx, Progress{Stage: stage, Done: done, Total: total, Unit: "messages"})
	}
}

// asked tells what the caller asked for in vain from what failed.
func asked(err error) error {
	if errors.Is(err, transfer.ErrFormat) || errors.Is(err, transfer.ErrFolder) {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return err
}
