package config

import (
	"fmt"
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
