package config

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// LogValue gives every key with its value in force, for the log at the start.
// A Config names secrets and is to hold none; of programs, whose arguments
// might be one all the same, it shows the name.
func (c Config) LogValue() slog.Value {
	attrs, err := c.attributes()
	if err != nil {
		return slog.StringValue(err.Error())
	}
	for i, a := range attrs {
		if program, ok := program(a); ok {
			attrs[i].Value = slog.StringValue(program)
		}
	}
	return slog.GroupValue(attrs...)
}

// attributes are all keys with their values, sorted.
func (c Config) attributes() ([]slog.Attr, error) {
	text, err := c.Encode()
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		return nil, err
	}
	var attrs []slog.Attr
	flatten("", tree, &attrs)
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return attrs, nil
}

// programs are the keys that name a program with its arguments.
var programs = []string{"backup.command", "master_key.command"}

// program shows the value of a key that names a program: its name, and how many
// arguments it has. ok is false for other keys, and where none is named.
func program(a slog.Attr) (shown string, ok bool) {
	words, _ := a.Value.Any().([]any)
	if len(words) == 0 || !slices.Contains(programs, a.Key) {
		return "", false
	}
	switch n := len(words) - 1; n {
	case 0:
		return show(words[0]), true
	case 1:
		return show(words[0]) + " with 1 argument", true
	default:
		return fmt.Sprintf("%s with %d arguments", show(words[0]), n), true
	}
}

func flatten(key string, value any, attrs *[]slog.Attr) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(strings.TrimPrefix(key+"."+name, "."), inner, attrs)
		}
	case []map[string]any:
		for i, inner := range v {
			flatten(fmt.Sprintf("%s[%d]", key, i), inner, attrs)
		}
	default:
		*attrs = append(*attrs, slog.Any(key, v))
	}
}

// Logger is the log that a configuration asks for, with its level, which can
// be set while it is in use. Load has checked level and format; in a Config
// made by hand, what is unknown counts as info and text.
func (l Log) Logger(w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(l.Threshold())
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), level
	}
	return slog.New(slog.NewTextHandler(w, options)), level
}

// Threshold is the level as a number.
func (l Log) Threshold() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}
