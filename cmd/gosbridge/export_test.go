//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

// archive answers with one small letter.
type archive struct{}

func (archive) Call(_ context.Context, _ string, _, out any) error {
	*out.(*admin.LetterOctets) = admin.LetterOctets{Number: "GP-202611-00000001-8", Size: 6, Octets: []byte("letter")}
	return nil
}

// exportInto writes the letter to a path.
func exportInto(t *testing.T, path string) error {
	cmd := scriptable(&cobra.Command{})
	cmd.SetContext(t.Context())
	cmd.SetOut(&bytes.Buffer{})
	return exportLetter(cmd, archive{}, admin.LetterExport{}, path)
}

// An export replaces files and nothing else: through a link it replaces the
// file that this names, and what is no file it refuses.
func TestExportReplacesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	ln, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := errors.Join(
		os.WriteFile(at("old"), []byte("something longer"), 0o644), os.WriteFile(at("target"), nil, 0o644), os.Mkdir(at("folder"), 0o755),
		os.Symlink("target", at("link")), os.Symlink("nowhere", at("dangling")), os.Symlink("folder", at("folder link")),
	); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		file string      // that has the letter then; "" when it is refused
		kind fs.FileMode // of what the path names, as before
	}{
		"new": {"new", 0}, "old": {"old", 0}, "link": {"target", fs.ModeSymlink},
		"dangling": {"", fs.ModeSymlink}, "folder": {"", fs.ModeDir}, "folder link": {"", fs.ModeSymlink}, "socket": {"", fs.ModeSocket},
	} {
		err := exportInto(t, at(name))
		if (want.file == "") != errors.Is(err, errUsage) || want.file != "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Lstat(at(name)); err != nil || info.Mode().Type() != want.kind {
			t.Errorf("%s is %v now, %v", name, info, err)
		}
		if want.file == "" {
			continue
		}
		info, err := os.Lstat(at(want.file))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", want.file, info, err)
		}
		if got, err := os.ReadFile(at(want.file)); err != nil || string(got) != "letter" {
			t.Errorf("%s has %q, %v", want.file, got, err)
		}
	}
	if _, err := os.Stat(at("nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dangling link was followed: %v", err)
	}
}

// A pipe is written into, also through a link, and stays.
func TestExportIntoPipe(t *testing.T) {
	dir := t.TempDir()
	pipe, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("pipe", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link} {
		got := make(chan string, 1)
		go func() {
			octets, err := os.ReadFile(pipe)
			got <- string(octets)
			if err != nil {
				t.Error(err)
			}
		}()
		if err := exportInto(t, path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(pipe)
		if err != nil || info.Mode().Type() != fs.ModeNamedPipe {
			t.Fatalf("the pipe is %v now, %v", info, err)
		}
		if octets := <-got; octets != "letter" {
			t.Errorf("%s got %q", path, octets)
		}
	}
}
