package admin_test

import (
	"errors"
	"testing"

	"gosbridge/gateway/admin"
)

// On a stopped gateway there is nothing to reload.
func TestReloadAlone(t *testing.T) {
	r := newRig(t)
	if err := r.Call(t.Context(), admin.OpReload, admin.Reload{}, &admin.Reloaded{}); !errors.Is(err, admin.ErrNotServing) {
		t.Errorf("reload: %v", err)
	}
}
