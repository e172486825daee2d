package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"gosbridge/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

const example = "../../config.example.toml"

func readExample(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// encoded is a Config in a form in which absent and empty lists are the same.
func encoded(t testing.TB, c Config) string {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExampleIsDefault(t *testing.T) {
	c, err := Parse([]byte(readExample(t)), example)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encoded(t, c), encoded(t, Default()); got != want {
		t.Errorf("the example differs from the defaults:\n%s\nwant\n%s", got, want)
	}
	empty, err := Parse(nil, "empty.toml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := encoded(t, empty), encoded(t, Default()); got != want {
		t.Errorf("an empty file differs from the defaults:\n%s\nwant\n%s", got, want)
	}
}

// TestExampleIsComplete: every key of Config stands in the example.
func TestExampleIsComplete(t *testing.T) {
	text := uncomment(readExample(t))
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(typ reflect.Type, table map[string]any, path string)
	walk = func(typ reflect.Type, table map[string]any, path string) {
		for field := range typ.Fields() {
			key := field.Tag.Get("toml")
			if key == "-" {
				continue
			}
			value, ok := table[key]
			if !ok {
				t.Errorf("%s%s is missing", path, key)
				continue
			}
			switch v := value.(type) {
			case map[string]any:
				if field.Type.Kind() == reflect.Map {
					continue // its keys are free
				}
				walk(field.Type, v, path+key+".")
			case []map[string]any:
				walk(field.Type.Elem(), v[0], path+key+".")
			}
		}
	}
	walk(reflect.TypeFor[Config](), tree, "")
	profiles, _ := tree["profile"].(map[string]any)
	for _, p := range policy.DefaultProfiles() {
		table, _ := profiles[p.Type].(map[string]any)
		walk(reflect.TypeFor[policy.Profile](), table, "profile."+p.Type+".")
	}
	c, err := Parse([]byte(text), example)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Organisations) != 1 || c.Organisations[0].Registry != "org-romashka" {
		t.Errorf("organisations %+v", c.Organisations)
	}
}

// uncomment turns the commented example of a table into a real one; prose has
// a space after the #.
func uncomment(text string) string {
	return regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(text, "$1")
}

func TestBusted(t *testing.T) {
	files, err := filepath.Glob("testdata/busted-*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(path)
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error %v", err)
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(path, ".toml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("message\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestLines: the line of an unknown key is that on which it stands.
func TestLines(t *testing.T) {
	path := "testdata/busted-unknown-keys.toml"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Load(path)
	if err == nil {
		t.Fatal("accepted")
	}
	found := regexp.MustCompile(`line (\d+): (\S+): unknown key`).FindAllStringSubmatch(err.Error(), -1)
	if len(found) != 5 {
		t.Fatalf("%d unknown keys: %v", len(found), err)
	}
	lines := strings.Split(string(text), "\n")
	for _, m := range found {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 {
			t.Errorf("%s is on line %s", m[2], m[1])
			continue
		}
		name := m[2][strings.LastIndex(m[2], ".")+1:]
		if !strings.Contains(lines[n-1], name) {
			t.Errorf("line %d, %q, does not have %q", n, lines[n-1], name)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gosbridge.toml")
	text := `
data = "/srv/letters"

[trust]
anchors = ["ca.pem"]

[[organisation]]
registry = "org"
key = "keys/org.key"
certificate = "keys/org.pem"

[[listener]]
protocol = "imap"
address = "127.0.0.1:1143"
tls = "none"
plaintext = true

[profile.simple]
files_max = 7
formats = ["pdf"]

[profile.bench]
title = "bench"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct{ got, want string }{
		{c.Data, "/srv/letters"},
		{c.Trust.Anchors[0], filepath.Join(dir, "ca.pem")},
		{c.Organisations[0].Key, filepath.Join(dir, "keys/org.key")},
		{c.Registry.File, filepath.Join(dir, "registry.csv")},
		{c.MasterKey.File, filepath.Join(dir, "master.key")},
		{c.Listeners[0].Certificate, ""},
	} {
		if p.got != p.want {
			t.Errorf("path %q, want %q", p.got, p.want)
		}
	}
	if len(c.Listeners) != 1 || c.Listeners[0] != (Listener{Protocol: IMAP, Address: "127.0.0.1:1143", TLS: NoTLS, Plaintext: true}) {
		t.Errorf("listeners %+v", c.Listeners)
	}
	byName := make(map[string]policy.Profile)
	for _, p := range c.Profiles {
		byName[p.Type] = p
	}
	simple := byName["simple"]
	if simple.FilesMax != 7 || len(simple.Formats) != 1 || simple.SubjectMax != 150 || simple.Recall != policy.RecallWithdraw {
		t.Errorf("simple %+v", simple)
	}
	if bench, ok := byName["bench"]; !ok || bench.TextMax != policy.AnyCount || bench.Title != "bench" || len(byName) != len(policy.DefaultProfiles())+1 {
		t.Errorf("profiles %+v", byName)
	}
	if _, err := Load(filepath.Join(dir, "absent.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	// Another configuration is not changed by what this one says.
	if got, want := encoded(t, Default()), encoded(t, Default()); got != want || strings.Contains(got, "files_max = \"7\"") {
		t.Error("the defaults have changed")
	}
}

// TestEncode: what is written is read back the same, also where a list was
// emptied that the default has filled.
func TestEncode(t *testing.T) {
	c := Default()
	c.Hostname = "gate.example"
	c.Organisations = []Organisation{{"org", "a.key", "a.pem"}}
	for i := range c.Profiles {
		c.Profiles[i].Recipients, c.Profiles[i].Acknowledge = nil, nil
		c.Profiles[i].RecallWindow = policy.Duration(2 * time.Second)
	}
	c.Profiles = append(c.Profiles, policy.Unlimited("bench"), policy.Unlimited("small"))
	c.Profiles[len(c.Profiles)-1].SubjectMax = 7
	for name, encode := range map[string]func() ([]byte, error){"whole": c.Encode, "brief": c.EncodeBrief} {
		text, err := encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text, "x.toml")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := encoded(t, again), encoded(t, c); got != want {
			t.Errorf("%s: read back as\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestEncodeBrief: what is as shipped is not written, and numbers are numbers.
func TestEncodeBrief(t *testing.T) {
	c := Default()
	for i := range c.Profiles {
		if c.Profiles[i].Type == "simple" {
			c.Profiles[i].SubjectMax, c.Profiles[i].FilesMax, c.Profiles[i].Formats = 7, policy.AnyCount, nil
		}
	}
	text, err := c.EncodeBrief()
	if err != nil {
		t.Fatal(err)
	}
	_, profiles, _ := strings.Cut(string(text), "[profile]")
	want := "[profile.simple]\nfiles_max = \"unlimited\"\nformats = []\nsubject_max = 7\n"
	if got := strings.TrimSpace(profiles) + "\n"; got != want {
		t.Errorf("profiles\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(string(text), "\nrecipients = 1000\n") {
		t.Errorf("numbers are none:\n%s", text)
	}
	if text, err := Default().EncodeBrief(); err != nil || strings.Contains(string(text), "profile") {
		t.Errorf("profiles as shipped: %v\n%s", err, text)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	c := Default()
	c.resolve(dir)
	err := c.CheckFiles()
	if !errors.Is(err, ErrInvalid) {
		t.Fatalf("error %v", err)
	}
	for _, key := range []string{"master_key.file", "operator.key", "operator.certificate", "registry.file", "listener[3].key"} {
		if !strings.Contains(err.Error(), key+": ") {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
	for _, p := range c.paths() {
		if !p.folder {
			if err := os.WriteFile(*p.path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.CheckFiles(); err != nil {
		t.Error(err)
	}
	c.Registry.File = dir
	if err := c.CheckFiles(); err == nil || !strings.Contains(err.Error(), "registry.file: ") {
		t.Errorf("a folder as registry: %v", err)
	}
}

func TestMasterKey(t *testing.T) {
	var key [32]byte
	for i := range key {
		key[i] = byte(i)
	}
	file := filepath.Join(t.TempDir(), "master.key")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		os.Remove(file)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(FormatMasterKey(key), 0o600)
	if got, err := (MasterKey{File: file}).Read(); err != nil || got != key {
		t.Errorf("file: %x, %v", got, err)
	}
	t.Setenv("GOSBRIDGE_TEST_KEY", FormatMasterKey(key))
	if got, err := (MasterKey{Environment: "GOSBRIDGE_TEST_KEY"}).Read(); err != nil || got != key {
		t.Errorf("environment: %x, %v", got, err)
	}
	for _, text := range []string{ExportMasterKey(key, time.Now()), strings.ReplaceAll(ExportMasterKey(key, time.Now()), "\n", "\r\n")} {
		write(text, 0o600)
		if got, err := (MasterKey{File: file}).Read(); err != nil || got != key {
			t.Errorf("exported: %x, %v", got, err)
		}
		write(strings.Replace(text, "0405", "0504", 1), 0o600)
		if _, err := (MasterKey{File: file}).Read(); !errors.Is(err, errMasterKeySum) {
			t.Errorf("mistyped: %v", err)
		}
	}
	write(FormatMasterKey(key), 0o644)
	if _, err := (MasterKey{File: file}).Read(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
	for _, text := range []string{"", "00", strings.Repeat("zz", 32), FormatMasterKey(key) + "00"} {
		write(text, 0o600)
		_, err := MasterKey{File: file}.Read()
		if !errors.Is(err, errMasterKey) {
			t.Errorf("%q: %v", text, err)
		} else if len(text) > 8 && strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	if _, err := (MasterKey{Environment: "GOSBRIDGE_TEST_UNSET"}).Read(); err == nil {
		t.Error("unset variable")
	}
	if _, err := (MasterKey{File: file + ".absent"}).Read(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

// A key comes from a credential of systemd or from a program too, and what goes
// wrong there is said without the key.
func TestMasterKeyElsewhere(t *testing.T) {
	key := [32]byte{1, 2, 3}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "mail-key"), []byte(FormatMasterKey(key)), 0o440); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", folder)
	t.Setenv("GOSBRIDGE_TEST_KEY", FormatMasterKey(key))
	shell := func(script string) MasterKey {
		return MasterKey{Command: []string{"/bin/sh", "-c", script, "sh", "a b"}}
	}
	for name, m := range map[string]MasterKey{
		"credential": {Credential: "mail-key"},
		"command":    shell(`[ "$1" = "a b" ] && echo "$GOSBRIDGE_TEST_KEY"`),
	} {
		if got, err := m.Read(); err != nil || got != key {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for want, m := range map[string]MasterKey{
		"no such file":              {Credential: "other"},
		"exit status 3: no luck":    shell("echo $GOSBRIDGE_TEST_KEY; echo no luck >&2; exit 3"),
		"want 64 hex digits":        shell("echo $GOSBRIDGE_TEST_KEY$GOSBRIDGE_TEST_KEY"),
		"executable file not found": {Command: []string{"gosbridge-no-such-program"}},
	} {
		_, err := m.Read()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		} else if strings.Contains(err.Error(), strings.TrimSpace(FormatMasterKey(key))) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
	os.Unsetenv("CREDENTIALS_DIRECTORY")
	if _, err := (MasterKey{Credential: "mail-key"}).Read(); err == nil || !strings.Contains(err.Error(), "LoadCredential=mail-key") {
		t.Errorf("outside of systemd: %v", err)
	}
}

func TestMasterKeyPlaces(t *testing.T) {
	for name, test := range map[string]struct {
		key  MasterKey
		want string
	}{
		"none":          {MasterKey{}, "set one of"},
		"two":           {MasterKey{File: "f", Command: []string{"c"}}, "set one of"},
		"path":          {MasterKey{Credential: "../etc/passwd"}, "no name of a credential"},
		"empty program": {MasterKey{Command: []string{"", "x"}}, "names no program"},
		"credential":    {MasterKey{Credential: "c"}, ""},
		"command":       {MasterKey{Command: []string{"c"}}, ""},
	} {
		c := Default()
		c.MasterKey = test.key
		err := c.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "config.toml")
	if err := os.WriteFile(file, []byte("[master_key]\nfile = \"\"\ncommand = [\"./key.sh\", \"x\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file)
	if err != nil || cfg.MasterKey.Command[0] != filepath.Join(folder, "key.sh") {
		t.Errorf("%v, %v", cfg.MasterKey.Command, err)
	}
}

// A key below the data folder goes wherever the folder goes.
func TestMasterKeyInside(t *testing.T) {
	folder := t.TempDir()
	data := filepath.Join(folder, "data")
	if err := os.MkdirAll(filepath.Join(data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, inside := range map[string]bool{"data/keys/master.key": true, "data/master.key": true, "data.key": false, "link": true} {
		file := filepath.Join(folder, name)
		err := os.WriteFile(file, nil, 0o600)
		if name == "link" {
			_ = os.Remove(file)
			err = os.Symlink(filepath.Join(data, "master.key"), file)
			if err == nil {
				err = os.WriteFile(file, nil, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := (MasterKey{File: file}).Inside(data); got != inside {
			t.Errorf("%s: %t", name, got)
		}
	}
	if (MasterKey{Environment: "KEY"}).Inside(data) || (MasterKey{File: filepath.Join(data, "absent")}).Inside(data) {
		t.Error("no file lies there")
	}
}

func TestLogValue(t *testing.T) {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("configuration", "config", Default())
	for _, want := range []string{
		`"hostname":"localhost"`, `"limits.message_size":"45MiB"`, `"listener[0].address":"0.0.0.0:465"`,
		`"profile.registered.recall_window":"5m"`, `"master_key.file":"master.key"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(readExample(f))
	files, err := filepath.Glob("testdata/busted-*.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), "fuzz.toml")
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("unwrapped error %v", err)
			}
			return
		}
		again, err := Parse([]byte(encoded(t, c)), "again.toml")
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if got, want := encoded(t, again), encoded(t, c); got != want {
			t.Fatalf("read back as\n%s\nwant\n%s", got, want)
		}
	})
}

// A table of suffixes adds to the shipped words, and changes them.
func TestSuffixes(t *testing.T) {
	c, err := Parse([]byte("[suffixes]\nreg = \"\"\n\"важное\" = \"registered-ezp\"\n"), "x.toml")
	if err != nil {
		t.Fatal(err)
	}
	shipped := policy.DefaultSuffixes()
	if c.Suffixes["reg"] != "" || c.Suffixes["важное"] != "registered-ezp" || len(c.Suffixes) != len(shipped)+1 || c.Suffixes["ezp"] != shipped["ezp"] {
		t.Errorf("%v", c.Suffixes)
	}
	if back, err := Parse([]byte(encoded(t, c)), "x.toml"); err != nil || !reflect.DeepEqual(back.Suffixes, c.Suffixes) {
		t.Errorf("read back: %v, %v", back.Suffixes, err)
	}
}

// FuzzMasterKey: no text makes the reader do anything but find a key or refuse,
// and what it finds is what a key in the usual form says.
func FuzzMasterKey(f *testing.F) {
	f.Add(FormatMasterKey([32]byte{1, 2, 3}))
	f.Add(ExportMasterKey([32]byte{31: 255}, time.Unix(0, 0)))
	f.Add("sum \nsum 00")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseMasterKey(text)
		if err != nil {
			if key != [32]byte{} {
				t.Errorf("a key beside %v", err)
			}
			return
		}
		for _, again := range []string{FormatMasterKey(key), ExportMasterKey(key, time.Unix(0, 0))} {
			if got, err := parseMasterKey(again); err != nil || got != key {
				t.Errorf("%x read back as %x, %v", key, got, err)
			}
		}
	})
}

// TestFiles: what a gateway needs beside its data folder, and what of it is
// secret.
func TestFiles(t *testing.T) {
	c := Default()
	c.Organisations = []Organisation{{Registry: "r", Key: "r.key", Certificate: "r.pem"}}
	c.Trust.Anchors = []string{"ca.pem"}
	c.Backup.Folder = "backups"
	secret := map[string]bool{}
	for _, f := range c.Files("config.toml") {
		secret[f.Key+" "+f.Path] = f.Secret
		if f.Certificates != strings.HasSuffix(f.Path, ".pem") && !f.Secret && f.Key != "config" {
			t.Errorf("%s: certificates %v", f.Key, f.Certificates)
		}
	}
	want := map[string]bool{
		"config config.toml": false, "master_key.file master.key": true, "operator.key operator.key": true,
		"operator.certificate operator.pem": false, "registry.file registry.csv": false, "trust.anchors[0] ca.pem": false,
		"organisation[0].key r.key": true, "organisation[0].certificate r.pem": false,
	}
	for i := range c.Listeners {
		want[fmt.Sprintf("listener[%d].key listener.key", i)] = true
		want[fmt.Sprintf("listener[%d].certificate listener.pem", i)] = false
	}
	if !reflect.DeepEqual(secret, want) {
		t.Errorf("files %v\nwant %v", secret, want)
	}
	for want, key := range map[File]MasterKey{
		{Key: "master_key.environment", Path: "$KEY", Secret: true}:           {Environment: "KEY"},
		{Key: "master_key.credential", Path: "credential key", Secret: true}:  {Credential: "key"},
		{Key: "master_key.command", Path: "program /bin/fetch", Secret: true}: {Command: []string{"/bin/fetch", "-n", "1"}},
	} {
		c.MasterKey = key
		if f := c.Files("")[0]; f != want {
			t.Errorf("named as %+v, want %+v", f, want)
		}
	}
}
