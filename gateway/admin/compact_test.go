package admin_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gosbridge/gateway/admin"
)

// TestStoreCompact compacts the files and tells of them.
func TestStoreCompact(t *testing.T) {
	r := newRig(t)
	var stages []string
	ctx := admin.WithProgress(t.Context(), func(p admin.Progress) { stages = append(stages, p.Stage) })
	var out admin.StoreCompacted
	if err := r.Call(ctx, admin.OpStoreCompact, admin.StoreCompact{Rate: 1 << 30}, &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Files) != 2 || out.Files[0].File != "meta.db" || out.Files[1].File != "bodies-0.db" {
		t.Fatalf("files %+v", out.Files)
	}
	for _, f := range out.Files {
		info, err := os.Stat(filepath.Join(r.data, f.File))
		if err != nil {
			t.Fatal(err)
		}
		if f.After != info.Size() || f.Before < f.After || f.Pause <= 0 {
			t.Errorf("%+v, is %d", f, info.Size())
		}
	}
	if len(stages) < 3 {
		t.Errorf("progress %v", stages)
	}
	if err := r.Call(t.Context(), admin.OpStoreCompact, admin.StoreCompact{Rate: -1}, &out); !errors.Is(err, admin.ErrInvalid) {
		t.Errorf("negative rate: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Call(ended, admin.OpStoreCompact, admin.StoreCompact{}, &out); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has gone: %v", err)
	}
}
