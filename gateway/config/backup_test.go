package config

import (
	"os"
	"path/filepath"
	"testing"
)

// TestHolds: what lies in the data folder does so by whichever way it is named,
// there or not; what lies beside it does not.
func TestHolds(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	for _, d := range []string{filepath.Join(data, "sub"), filepath.Join(dir, "data-2")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"into": filepath.Join(data, "sub"), "data-3": data, "out": filepath.Join(dir, "data-2"), "data/out": filepath.Join(dir, "data-2"),
		"to-come": filepath.Join(data, "to-be-made"), "chain": filepath.Join(dir, "to-come"), "relative": "data/sub", "loop": filepath.Join(dir, "loop"),
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]bool{
		"data": true, "data/b": true, "data/sub/b/c": true, "data/../data/b": true, "data/..b": true,
		"into": true, "into/b": true, "into/b/c": true, "data-3/b": true, "relative/b": true, "out/../data/b": true,
		"to-come": true, "to-come/b": true, "chain/b": true,
		"b": false, "data-2": false, "data-2/b": false, "out/b": false, "data/out/b": false, "nowhere/b": false, "loop/b": false, "data/../b": false,
	} {
		for _, folder := range []string{data, filepath.Join(dir, "data-3")} { // itself a link
			if got := (Config{Data: folder}).Holds(filepath.Join(dir, path)); got != want {
				t.Errorf("%s in %s: %v", path, filepath.Base(folder), got)
			}
		}
	}
	for path, want := range map[string]bool{"into": true, "out": false} {
		c := Default()
		c.Data, c.Backup.Folder = data, filepath.Join(dir, path)
		p := &problems{}
		c.validateBackup(p)
		if got := len(*p) > 0; got != want {
			t.Errorf("backup.folder %s: refused %v", path, got)
		}
	}
}
