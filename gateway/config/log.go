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
	text, err := c.Encode()
	if err != nil {
		return slog.StringValue(err.Error())
	}
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		return slog.StringValue(err.Error())
	}
	var attrs []slog.Attr
	flatten("", tree, &attrs)
	slices.SortFunc(attrs, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return slog.GroupValue(attrs...)
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

// Logger is the log that a configuration asks for. Load has checked level and
// format; in a Config made by hand, what is unknown counts as info and text.
func (l Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
