package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// lastKey is how the decoder begins its errors about types.
var lastKey = regexp.MustCompile(`^toml: line (\d+) \(last key "(.*?)"\): `)

// explain gives what the decoder objects to as "line N: key: text".
func explain(err error) string {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		text := lastKey.ReplaceAllString(err.Error(), "line $1: $2: ")
		return strings.TrimPrefix(text, "toml: ")
	}
	if pe.LastKey == "" {
		return fmt.Sprintf("line %d: %s", pe.Position.Line, pe.Message)
	}
	return fmt.Sprintf("line %d: %s: %s", pe.Position.Line, pe.LastKey, pe.Message)
}

// unknownKeys names the keys that nothing was decoded into, each once and
// without those inside an unknown table.
func unknownKeys(text string, keys []toml.Key) []string {
	type unknown struct {
		line int
		key  string
	}
	var found []unknown
	for _, key := range keys {
		name := key.String()
		if slices.ContainsFunc(found, func(u unknown) bool {
			return u.key == name || strings.HasPrefix(name, u.key+".")
		}) {
			continue
		}
		found = append(found, unknown{lineOf(text, key), name})
	}
	slices.SortStableFunc(found, func(a, b unknown) int { return a.line - b.line })
	lines := make([]string, len(found))
	for i, u := range found {
		lines[i] = fmt.Sprintf("line %d: %s: unknown key", u.line, u.key)
	}
	return lines
}

// lineOf finds the line on which a key stands. The decoder knows it but tells
// it only in errors of an Unmarshaler, so one that always fails is decoded
// there. In an array of tables it is the last one that has the key.
func lineOf(text string, key toml.Key) int {
	var tables map[string]toml.Primitive
	md, err := toml.Decode(text, &tables)
	if err != nil {
		return 0
	}
	value := tables[key[0]]
	for _, name := range key[1:] {
		value = below(md, value, name)
	}
	var pe toml.ParseError
	if errors.As(md.PrimitiveDecode(value, &probe{}), &pe) {
		return pe.Position.Line
	}
	return 0
}

// below gives the value of a key inside a table or array of tables.
func below(md toml.MetaData, value toml.Primitive, name string) toml.Primitive {
	var table map[string]toml.Primitive
	// Decoding an array into a map gives neither an error nor a map.
	if md.PrimitiveDecode(value, &table) == nil && table != nil {
		return table[name]
	}
	var array []map[string]toml.Primitive
	if md.PrimitiveDecode(value, &array) != nil {
		return toml.Primitive{}
	}
	for _, t := range slices.Backward(array) {
		if v, ok := t[name]; ok {
			return v
		}
	}
	return toml.Primitive{}
}

// probe provokes an error with a position.
type probe struct{}

var errProbe = errors.New("probe")

// UnmarshalTOML implements toml.Unmarshaler.
func (*probe) UnmarshalTOML(any) error { return errProbe }
