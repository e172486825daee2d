package body

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"testing"
)

// TestKeyHidden writes a reference in the ways a log or a careless record would.
func TestKeyHidden(t *testing.T) {
	ref := NewRef()
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("put", "ref", ref, "key", ref.Key)
	slog.New(slog.NewTextHandler(&out, nil)).Info("put", "ref", ref, "key", ref.Key)
	fmt.Fprintf(&out, "%v %+v %#v %s %x", ref, ref, ref, ref.Key, ref.Key)
	for _, secret := range []string{
		hex.EncodeToString(ref.Key[:4]),
		fmt.Sprintf("%d,%d,%d,%d", ref.Key[0], ref.Key[1], ref.Key[2], ref.Key[3]),
		fmt.Sprintf("%d %d %d %d", ref.Key[0], ref.Key[1], ref.Key[2], ref.Key[3]),
	} {
		if bytes.Contains(out.Bytes(), []byte(secret)) {
			t.Errorf("key in clear: %s", out.String())
		}
	}
}
