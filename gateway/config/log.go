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
// A Config names secrets and holds none.
func (c Config) LogValue() slog.Value {
	attrs, err := c.attributes()
	if err != nil {
		return slog.StringValue(err.Error())
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
