package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Fault is one thing that is wrong with a configuration or with a file that it
// names.
type Fault struct {
	File string `json:"file"`           // of the configuration
	Line int    `json:"line,omitempty"` // 0 where no line is at fault
	Key  string `json:"key,omitempty"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"` // what to do, where the text does not say
}

// String gives "config.toml:12: limits.recipients: must be above zero".
func (f Fault) String() string {
	text := f.File
	if f.Line > 0 {
		text += ":" + strconv.Itoa(f.Line)
	}
	if f.Key != "" {
		text += ": " + f.Key
	}
	text += ": " + f.Text
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// Checker finds the faults of one configuration file.
type Checker struct {
	file   string
	text   string
	config Config
	sound  bool // every value of config means something
	faults []Fault
}

// Check reads a file as Load does, and goes on where Load stops: it finds
// every unknown key and every wrong value at once, and every file that cannot
// be read. The error is that the file itself cannot be read.
func Check(path string) (*Checker, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c := &Checker{file: path, text: string(text)}
	if len(text) > maxSize {
		c.add("", fmt.Sprintf("is larger than %d octets", maxSize))
		return c, nil
	}
	c.config, err = decode(c.text)
	c.refusal(err)
	if len(c.config.Profiles) == 0 { // there are always those shipped: it was not even read
		return c, nil
	}
	err = c.config.Validate()
	c.sound = err == nil
	c.refusal(err)
	c.config.resolve(folder)
	c.refusal(c.config.CheckFiles())
	return c, nil
}

// Config is the configuration; ok is false when a value of it means nothing, so
// that it makes no sense to look into the files.
func (c *Checker) Config() (cfg Config, ok bool) { return c.config, c.sound }

// Add adds what was found by looking into the files: an error, which may join
// others. Of a file that cannot even be read no more is said.
func (c *Checker) Add(err error) {
	if err == nil {
		return
	}
	if all := joined(err); all != nil {
		for _, e := range all {
			c.Add(e)
		}
		return
	}
	key, named := "", "" // of the longest path that it names
	for _, p := range c.config.paths() {
		if !p.folder && len(*p.path) > len(named) && strings.Contains(err.Error(), *p.path) {
			key, named = p.key, *p.path
		}
	}
	if named != "" && slices.ContainsFunc(c.faults, func(f Fault) bool { return strings.Contains(f.Text, named) }) {
		return
	}
	c.add(key, err.Error())
}

// joined are the errors of which one is made that says nothing else.
func joined(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	all := several.Unwrap()
	if only := errors.Join(all...); only == nil || only.Error() != err.Error() {
		return nil
	}
	return all
}

// Faults are those found, by line.
func (c *Checker) Faults() []Fault {
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Line - b.Line })
	return c.faults
}

// problem is a line of an error of this package: "line 3: key: text", of which
// only the text is always there.
var problem = regexp.MustCompile(`^(?:line (\d+): )?(?:([a-z_][\w-]*(?:\[\d+\])?(?:\.[\w-]+(?:\[\d+\])?)*): |profile ([\w-]+): )?(.*)$`)

// refusal takes an error of this package apart.
func (c *Checker) refusal(err error) {
	if err == nil {
		return
	}
	_, lines, ok := strings.Cut(err.Error(), ErrInvalid.Error()+":\n  ")
	if !ok {
		c.add("", err.Error())
		return
	}
	for line := range strings.SplitSeq(lines, "\n  ") {
		m := problem.FindStringSubmatch(line)
		if m == nil { // a line break in a value
			c.add("", line)
			continue
		}
		key := m[2]
		if m[3] != "" {
			key = "profile." + m[3]
		}
		c.add(key, m[4])
		if n, err := strconv.Atoi(m[1]); err == nil {
			c.faults[len(c.faults)-1].Line = n
		}
	}
}

// add adds a fault at the line of its key.
func (c *Checker) add(key, text string) {
	c.faults = append(c.faults, Fault{File: c.file, Line: lineOfKey(c.text, key), Key: key, Text: text, Hint: remedy(text)})
}

// remedies say what to do about a text that does not say so itself.
var remedies = []struct{ text, hint string }{
	{"unknown key", "mistyped? config.example.toml lists all keys"},
	{"no such file", "make it, or correct the path"},
	{"permission denied", "let the user that runs the gateway read it"},
	{"must not be empty", "set it"},
	{"is a folder", "name a file"},
}

func remedy(text string) string {
	for _, r := range remedies {
		if strings.Contains(text, r.text) {
			return r.hint
		}
	}
	return ""
}

// keyPart is one name of a key, with the index where it is an array.
var keyPart = regexp.MustCompile(`^([\w-]+)(?:\[(\d+)\])?(?:\.(.*))?$`)

// lineOfKey finds the line on which a key like listener[1].tls stands, or else
// the table in which it is missing; 0 when that is not there either.
func lineOfKey(text, key string) int {
	part := keyPart.FindStringSubmatch(key)
	if part == nil {
		return 0
	}
	if index, err := strconv.Atoi(part[2]); err == nil {
		if line := lineInArray(text, part[1], index, part[3]); line > 0 {
			return line
		}
	}
	for ; key != ""; key = key[:max(strings.LastIndex(key, "."), 0)] {
		names, _, _ := strings.Cut(key, "[") // of an array of values, its own line
		if line := lineOf(text, strings.Split(names, ".")); line > 0 {
			return line
		}
	}
	return 0
}

// lineInArray finds a key in the table of an array of tables, which the decoder
// does not tell from the other ones; or the head of the table.
func lineInArray(text, name string, index int, key string) int {
	found := 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch head := strings.HasPrefix(line, "["); {
		case head && found > 0:
			return found
		case head && strings.HasPrefix(line, "[["+name+"]]"):
			if index--; index < 0 {
				found = i + 1
			}
		case found > 0:
			if before, _, ok := strings.Cut(line, "="); ok && strings.TrimSpace(before) == key {
				return i + 1
			}
		}
	}
	return found
}
