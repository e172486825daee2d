package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever Load refuses is a fault, on the line of its key or, where that is
// missing, of its table.
func TestCheckNamesLines(t *testing.T) {
	files, err := filepath.Glob("testdata/busted-*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		c, err := Check(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Config(); ok && path != "testdata/busted-unknown-keys.toml" {
			t.Errorf("%s is sound", path)
		}
		var all strings.Builder
		last := 0
		for _, f := range c.Faults() {
			fmt.Fprintf(&all, "%s: %s\n", f.Key, f.Text)
			if f.File != path || f.Line < last {
				t.Errorf("%s: after line %d", f, last)
			}
			last = f.Line
			if f.Line == 0 && strings.Contains(f.Text, "no such file") {
				continue // a default
			}
			if f.Line < 1 || f.Line > len(lines) {
				t.Errorf("%s: no such line", f)
				continue
			}
			name := f.Key[strings.LastIndex(f.Key, ".")+1:]
			name, _, _ = strings.Cut(name, "[")
			line := lines[f.Line-1]
			if !strings.Contains(line, name) && !(strings.HasPrefix(line, "[") && (strings.Contains(f.Text, "must not be empty") || strings.HasPrefix(f.Text, `""`))) {
				t.Errorf("%s: on %q", f, line)
			}
		}
		_, err = Load(path)
		var refused Checker
		refused.refusal(err)
		for _, want := range refused.faults {
			if !strings.Contains(all.String(), fmt.Sprintf("%s: %s\n", want.Key, want.Text)) {
				t.Errorf("%s: %s is no fault in\n%s", path, want, &all)
			}
		}
	}
}

// Unknown keys, wrong values and missing files are found together, each in its
// own table of an array.
func TestCheckFindsAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	text := `data = "store"
hostnaem = "x"

[registry]
file = "none.csv"

[limits]
recipients = 0

[[listener]]
protocol = "imap"
address = "127.0.0.1:1"
tls = "none"
plaintext = true

[[listener]]
protocol = "pop3"
address = "127.0.0.1:2"
tls = "none"
plaintext = true
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Check(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range c.Faults() {
		if f.Line > 0 {
			got = append(got, fmt.Sprintf("%d %s", f.Line, f.Key))
		}
	}
	want := "2 hostnaem, 5 registry.file, 8 limits.recipients, 17 listener[1].protocol"
	if strings.Join(got, ", ") != want {
		t.Errorf("faults %q, want %s", got, want)
	}
	if text := c.Faults()[len(c.Faults())-4].String(); text != path+":2: hostnaem: unknown key (mistyped? config.example.toml lists all keys)" {
		t.Errorf("text %q", text)
	}
	if _, err := Check(filepath.Join(dir, "none.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// What is found in the files belongs to the key that names them, and is said
// once.
func TestCheckAdd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(path, []byte("[registry]\nfile = \"r.csv\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "r.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Check(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg, ok := c.Config()
	if !ok || cfg.Registry.File != filepath.Join(dir, "r.csv") {
		t.Fatalf("config %+v, %t", cfg.Registry, ok)
	}
	before := len(c.Faults())
	c.Add(errors.Join(
		fmt.Errorf("recipient registry %s: row 2", cfg.Registry.File),
		errors.Join(fmt.Errorf("open %s: no such file", cfg.Operator.Key), errors.New("something else")),
		nil,
	))
	c.Add(nil)
	var got []string
	for _, f := range c.Faults() {
		if f.Line > 0 || f.Key == "" {
			got = append(got, fmt.Sprintf("%d %s %s", f.Line, f.Key, filepath.Base(f.Text)))
		}
	}
	if want := []string{"0  something else", "2 registry.file r.csv: row 2"}; strings.Join(got, "|") != strings.Join(want, "|") || len(c.Faults()) != before+2 {
		t.Errorf("faults %q, %d more", got, len(c.Faults())-before)
	}
}

func FuzzLineOfKey(f *testing.F) {
	f.Add("[[listener]]\ntls = 1\n[[listener]]\ntls = 2\n", "listener[1].tls")
	f.Add("a = 1\n[b]\nc = 2", "b.c")
	f.Add("[[a]]\n[a.b]\nc=1", "a[0].b.c")
	f.Add("x", "[[[")
	f.Fuzz(func(t *testing.T, text, key string) {
		if line := lineOfKey(text, key); line < 0 || line > strings.Count(text, "\n")+1 {
			t.Fatalf("line %d of %q", line, text)
		}
	})
}
