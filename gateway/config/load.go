package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"gosbridge/policy"
)

// ErrInvalid is in the chain of every error about the content of a
// configuration. The text names each thing that is wrong, a line each.
var ErrInvalid = errors.New("configuration refused")

// maxSize is that of a configuration file, in octets.
const maxSize = 1 << 20

// Load reads a file, over the defaults, and validates it. Relative paths in
// it, the defaults included, are taken from the folder of the file.
func Load(path string) (Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	if info.Size() > maxSize {
		return Config{}, fmt.Errorf("%w: %s is larger than %d octets", ErrInvalid, path, maxSize)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(text, path)
	if err != nil {
		return Config{}, err
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c.resolve(folder)
	return c, nil
}

// DataFolder is the data folder that a file names, whatever else is wrong with
// the file: to reach the gateway that has to say what.
func DataFolder(path string) (string, error) {
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	c := struct {
		Data string `toml:"data"`
	}{Default().Data}
	if _, err := toml.DecodeFile(path, &c); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(path), refused(explain(err)))
	}
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(folder, c.Data)
	}
	return c.Data, nil
}

// Parse reads the text of a configuration over the defaults and validates it.
// Its paths stay as they are. The name stands in errors.
func Parse(text []byte, name string) (Config, error) {
	c, err := decode(string(text))
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return c, nil
}

// document is the file: a Config, with the profiles as tables that are decoded
// over those shipped.
type document struct {
	*Config
	Profile map[string]toml.Primitive `toml:"profile"`
}

func decode(text string) (Config, error) {
	c := Default()
	// A decoder fills an existing slice element by element, so that a key
	// left out of the first [[listener]] would keep the value of another one.
	c.Listeners, c.Trust.Anchors, c.Backup.Command = nil, nil, nil
	doc := document{Config: &c}
	md, err := toml.Decode(text, &doc)
	if err != nil {
		return Config{}, refused(explain(err))
	}
	if !md.IsDefined("listener") {
		c.Listeners = defaultListeners()
	}
	if !md.IsDefined("trust", "anchors") {
		c.Trust.Anchors = Default().Trust.Anchors
	}
	if !md.IsDefined("backup", "command") {
		c.Backup.Command = Default().Backup.Command
	}
	if c.Profiles, err = decodeProfiles(md, doc.Profile); err != nil {
		return Config{}, refused(explain(err))
	}
	if unknown := unknownKeys(text, md.Undecoded()); len(unknown) > 0 {
		return c, refused(unknown...) // what is known of it can still be checked
	}
	return c, nil
}

// decodeProfiles lays the tables of the file over the shipped profiles. A new
// name begins without limits.
func decodeProfiles(md toml.MetaData, tables map[string]toml.Primitive) ([]policy.Profile, error) {
	byName := make(map[string]policy.Profile)
	for _, p := range policy.DefaultProfiles() {
		byName[p.Type] = p
	}
	for name, table := range tables {
		p, shipped := byName[name]
		if !shipped {
			p = policy.Unlimited(name)
		}
		if err := md.PrimitiveDecode(table, &p); err != nil {
			return nil, err
		}
		p.Type = name
		byName[name] = p
	}
	profiles := make([]policy.Profile, 0, len(byName))
	for _, p := range byName {
		profiles = append(profiles, p)
	}
	return sortProfiles(profiles), nil
}

// resolve makes every path absolute.
func (c *Config) resolve(folder string) {
	for _, p := range c.paths() {
		if *p.path != "" && !filepath.IsAbs(*p.path) {
			*p.path = filepath.Join(folder, *p.path)
		}
	}
	// A program without a folder in its name is looked for as a shell does.
	if command := c.MasterKey.Command; len(command) > 0 && strings.ContainsRune(command[0], filepath.Separator) && !filepath.IsAbs(command[0]) {
		c.MasterKey.Command = append([]string{filepath.Join(folder, command[0])}, command[1:]...)
	}
}

// namedPath is a path of the configuration with the key that holds it.
type namedPath struct {
	key    string
	path   *string
	folder bool
}

// paths are all that name a file or folder.
func (c *Config) paths() []namedPath {
	paths := []namedPath{
		{key: "data", path: &c.Data, folder: true},
		{key: "backup.folder", path: &c.Backup.Folder, folder: true},
		{key: "master_key.file", path: &c.MasterKey.File},
		{key: "operator.key", path: &c.Operator.Key},
		{key: "operator.certificate", path: &c.Operator.Certificate},
		{key: "registry.file", path: &c.Registry.File},
	}
	for i := range c.Trust.Anchors {
		paths = append(paths, namedPath{key: fmt.Sprintf("trust.anchors[%d]", i), path: &c.Trust.Anchors[i]})
	}
	for i := range c.Organisations {
		o := &c.Organisations[i]
		key := fmt.Sprintf("organisation[%d]", i)
		paths = append(paths, namedPath{key: key + ".key", path: &o.Key}, namedPath{key: key + ".certificate", path: &o.Certificate})
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		key := fmt.Sprintf("listener[%d]", i)
		paths = append(paths, namedPath{key: key + ".key", path: &l.Key}, namedPath{key: key + ".certificate", path: &l.Certificate})
	}
	return paths
}

// Encode gives the whole configuration as a file that Parse reads back the same.
func (c Config) Encode() ([]byte, error) {
	profiles := make(map[string]map[string]any, len(c.Profiles))
	for _, p := range c.Profiles {
		profiles[p.Type] = keysOf(p, func(reflect.Value, int) bool { return true })
	}
	return c.encode(profiles)
}

// EncodeBrief is Encode with nothing of a profile but what differs from the
// shipped one, so that a later release may change the rest.
func (c Config) EncodeBrief() ([]byte, error) {
	profiles := make(map[string]map[string]any)
	shipped := policy.DefaultProfiles()
	for _, p := range c.Profiles {
		base := policy.Unlimited(p.Type)
		i := slices.IndexFunc(shipped, func(d policy.Profile) bool { return d.Type == p.Type })
		if i >= 0 {
			base = shipped[i]
		}
		from := reflect.ValueOf(base)
		keys := keysOf(p, func(v reflect.Value, field int) bool {
			was := from.Field(field)
			return !reflect.DeepEqual(was.Interface(), v.Interface()) && !(v.Kind() == reflect.Slice && v.Len()+was.Len() == 0)
		})
		if len(keys) > 0 || i < 0 { // a type of its own is there by its name
			profiles[p.Type] = keys
		}
	}
	return c.encode(profiles)
}

func (c Config) encode(profiles map[string]map[string]any) ([]byte, error) {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	err := enc.Encode(struct {
		Config
		Profile map[string]map[string]any `toml:"profile,omitempty"`
	}{c, profiles})
	if err != nil {
		return nil, fmt.Errorf("encode configuration: %w", err)
	}
	return b.Bytes(), nil
}

// keysOf are the keys of a profile whose field is wanted. A missing list becomes
// an empty one: the encoder leaves the missing out, and then the shipped one would
// come back.
func keysOf(p policy.Profile, wanted func(v reflect.Value, field int) bool) map[string]any {
	v := reflect.ValueOf(p)
	keys := make(map[string]any)
	for i := range v.NumField() {
		f, key := v.Field(i), v.Type().Field(i).Tag.Get("toml")
		if key == "-" || !wanted(f, i) {
			continue
		}
		if f.Kind() == reflect.Slice && f.IsNil() {
			f = reflect.MakeSlice(f.Type(), 0, 0)
		}
		keys[key] = f.Interface()
	}
	return keys
}

// Invalid is the error about the content of a configuration: everything that
// is wrong, a sentence each. It wraps ErrInvalid.
type Invalid struct {
	Problems []string
}

// Error implements error.
func (e *Invalid) Error() string {
	return ErrInvalid.Error() + ":\n  " + strings.Join(e.Problems, "\n  ")
}

// Unwrap is ErrInvalid.
func (e *Invalid) Unwrap() error { return ErrInvalid }

// refused makes one error of what is wrong.
func refused(lines ...string) error { return &Invalid{lines} }
