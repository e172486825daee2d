package gateway_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
)

// A registry without an organisation whose key the gateway holds is refused
// whole: on it the gateway could not start.
func TestRegistryImportKeepsOrganisations(t *testing.T) {
	g := gatewaytest.Start(t)
	before, err := os.ReadFile(g.Config.Registry.File)
	if err != nil {
		t.Fatal(err)
	}
	var table [][]byte
	for line := range bytes.Lines(before) {
		if !bytes.HasPrefix(line, []byte("romashka")) {
			table = append(table, line)
		}
	}
	without := admin.RegistryImport{CSV: bytes.Join(table, nil)}
	refused := func(call func(any) error) {
		t.Helper()
		if err := call(without); !errors.Is(err, admin.ErrInvalid) || !strings.Contains(err.Error(), "romashka") {
			t.Errorf("import: %v", err)
		}
		if after, err := os.ReadFile(g.Config.Registry.File); err != nil || !bytes.Equal(after, before) {
			t.Errorf("registry was replaced, %v", err)
		}
	}
	refused(func(in any) error {
		return g.Admin().Call(t.Context(), admin.OpRegistryImport, in, &admin.RegistryImported{})
	})
	without.DryRun = true
	refused(func(in any) error {
		return g.Admin().Call(t.Context(), admin.OpRegistryImport, in, &admin.RegistryImported{})
	})
	if err := g.Stop(); err != nil {
		t.Fatal(err)
	}
	without.DryRun = false
	alone, err := gateway.OpenAlone(t.Context(), g.Config, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	refused(func(in any) error {
		return alone.Admin().Call(t.Context(), admin.OpRegistryImport, in, &admin.RegistryImported{})
	})
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
}

// A folder whose path is too long for a unix socket is named as the cause.
func TestPathTooLongForSocket(t *testing.T) {
	plan := gatewaytest.Plan(t)
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	made, err := installation.Create(t.Context(), dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(made.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	_, err = gateway.New(t.Context(), cfg, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("error %v", err)
	}
}
