package gateway_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/mailstore/boltstore"
)

// keyInUse wants the gateway to know a key as the one in use: its export is
// noted, and a reload that finds it in its place needs no restart.
func keyInUse(t *testing.T, g *gatewaytest.Gateway, key [32]byte) {
	t.Helper()
	if err := os.WriteFile(g.Config.MasterKey.File, []byte(config.FormatMasterKey(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	do[admin.KeyNoted](t, g.Admin(), admin.OpKeyExported, admin.KeyExported{Fingerprint: config.Fingerprint(key)})
	same(t, "restart", reload(t, g).Restart)
}

// rotateTo asks for an exchange as the command does.
func rotateTo(ctx context.Context, g *gatewaytest.Gateway, key [32]byte) error {
	in := admin.RotateKey{Key: strings.TrimSpace(config.FormatMasterKey(key))}
	return g.Admin().Call(ctx, admin.OpStoreRotateKey, in, &admin.KeyRotated{})
}

// An exchange of the key goes on without the command that asked for it.
func TestRotateKeyWithoutCaller(t *testing.T) {
	g := gatewaytest.Start(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := rotateTo(gone, g, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	keyInUse(t, g, [32]byte{1})
}

// An exchange whose end nobody heard of is repeated: the answer is that the key
// is in use, and from then on the gateway knows it.
func TestRotateKeyRepeated(t *testing.T) {
	g := gatewaytest.Start(t)
	store, ok := g.Store().(*boltstore.Store)
	if !ok {
		t.Fatalf("the store is a %T", g.Store())
	}
	if err := store.RotateKey(t.Context(), [32]byte{2}); err != nil {
		t.Fatal(err)
	}
	if err := rotateTo(t.Context(), g, [32]byte{2}); admin.KindOf(err) != "conflict" {
		t.Errorf("repeated: %v", err)
	}
	keyInUse(t, g, [32]byte{2})
}
