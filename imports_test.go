// Package gosbridge holds nothing but the rules of the house that no package
// can check by itself.
package gosbridge

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "gosbridge"

// below says which top-level folders each of them may import, itself apart.
// A folder that is not listed is a new one: it needs a line here.
var below = map[string][]string{
	"cmd":       {"gateway", "policy", "certs", "mailstore"},
	"gateway":   {"policy", "certs", "mailstore"},
	"policy":    nil,
	"certs":     nil,
	"mailstore": nil,
}

// adapters speak a protocol to the outside. None knows another one.
var adapters = []string{"gateway/submission", "gateway/imapd", "gateway/admin", "gateway/inbound"}

// testOnly are packages for tests: they stand on top of everything they test.
var testOnly = []string{"gateway/gatewaytest", "mailstore/storetest", "mailstore/disktest"}

// within reports whether a package is folder or lies in it.
func within(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

// in returns the one of some folders that a package lies in.
func in(pkg string, folders []string) (string, bool) {
	i := slices.IndexFunc(folders, func(f string) bool { return within(pkg, f) })
	if i < 0 {
		return "", false
	}
	return folders[i], true
}

// forbidden says why one package of ours may not import another, "" if it may.
// Both are paths within the module. test is true for an import by a test file.
func forbidden(from, to string, test bool) string {
	if from == to {
		return "" // an external test of the package
	}
	top, target := strings.Split(from, "/")[0], strings.Split(to, "/")[0]
	allowed, known := below[top]
	if !known {
		return fmt.Sprintf("folder %s has no place in the house", top)
	}
	_, helper := in(from, testOnly)
	if t, ok := in(to, testOnly); ok && !test && !helper {
		return t + " is for tests only"
	}
	if target == "cmd" {
		return "nobody imports a command"
	}
	if top != target && !slices.Contains(allowed, target) {
		return fmt.Sprintf("%s may not import %s", top, target)
	}
	if to == "gateway" && top == "gateway" && !helper {
		return "within gateway nobody imports gateway"
	}
	a, one := in(from, adapters)
	b, other := in(to, adapters)
	if one && other && a != b {
		return fmt.Sprintf("adapter %s may not import adapter %s", a, b)
	}
	return ""
}

// TestImports reads every Go file, those of other platforms too.
func TestImports(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || !strings.Contains(name, "/"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(name))
		for _, spec := range file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			to, ours := strings.CutPrefix(to, module+"/")
			if !ours {
				continue
			}
			checked++
			if why := forbidden(from, to, strings.HasSuffix(name, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", name, to, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 100 {
		t.Errorf("only %d imports were checked: are they still read?", checked)
	}
}

// TestForbidden shows that the rules catch what they are for.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		from, to string
		test     bool
		ok       bool
	}{
		{"cmd/gosbridge", "gateway/admin", false, true},
		{"cmd/gosbridge", "mailstore", false, true},
		{"gateway", "gateway/imapd", false, true},
		{"gateway/intake", "policy/registry", false, true},
		{"gateway/imapd", "gateway/imapd/wire", false, true},
		{"gateway/gatewaytest", "gateway", false, true},
		{"gateway", "gateway/gatewaytest", true, true},
		{"mailstore/boltstore", "mailstore/storetest", true, true},
		{"mailstore/boltstore", "mailstore/body", false, true},

		{"policy", "certs", false, false},
		{"certs/cms", "mailstore", false, false},
		{"mailstore/boltstore", "gateway/config", true, false},
		{"gateway", "cmd/gosbridge", true, false},
		{"gateway/letter", "gateway", false, false},
		{"gateway/imapd", "gateway/submission", false, false},
		{"gateway/admin", "gateway/imapd/wire", true, false},
		{"gateway", "gateway/gatewaytest", false, false},
		{"cmd/gosbridge", "gateway/gatewaytest", false, false},
		{"mailstore/boltstore", "mailstore/storetest", false, false},
		{"helpers", "policy", false, false},
	} {
		if why := forbidden(c.from, c.to, c.test); (why == "") != c.ok {
			t.Errorf("%s imports %s (by a test: %v): got %q, want allowed = %v", c.from, c.to, c.test, why, c.ok)
		}
	}
}
