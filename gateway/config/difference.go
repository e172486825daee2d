package config

import (
	"fmt"
	"strings"
)

// Difference is a key that two configurations give different values. A value
// is empty where a configuration does not have the key. Of a program no argument
// is shown, since it might be a secret; all else in a Config only names secrets.
type Difference struct {
	Key, Old, New string
}

// Differences compares two configurations key by key, but for the listeners:
// these have no names by which one could tell which is which.
func Differences(old, fresh Config) ([]Difference, error) {
	a, err := old.values()
	if err != nil {
		return nil, err
	}
	b, err := fresh.values()
	if err != nil {
		return nil, err
	}
	var out []Difference
	for len(a)+len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].key < b[0].key:
			out = append(out, Difference{Key: a[0].key, Old: a[0].shown})
			a = a[1:]
		case len(a) == 0 || b[0].key < a[0].key:
			out = append(out, Difference{Key: b[0].key, New: b[0].shown})
			b = b[1:]
		default:
			if a[0].text != b[0].text {
				d := Difference{Key: a[0].key, Old: a[0].shown, New: b[0].shown}
				if d.Old == d.New { // arguments that are not shown
					d.New += ", others"
				}
				out = append(out, d)
			}
			a, b = a[1:], b[1:]
		}
	}
	return out, nil
}

// value is that of one key, as text to compare and to show.
type value struct{ key, text, shown string }

// values are those of all keys but the listeners', sorted by key.
func (c Config) values() ([]value, error) {
	c.Listeners = nil
	attrs, err := c.attributes()
	if err != nil {
		return nil, err
	}
	var out []value
	for _, a := range attrs {
		v := value{key: a.Key, text: show(a.Value.Any())}
		if shown, ok := program(a); ok {
			v.shown = shown
		} else {
			v.shown = v.text
		}
		out = append(out, v)
	}
	return out, nil
}

// show writes a value as the file has it, but for the quotes around a text.
func show(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return `""`
		}
		return v
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = show(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return fmt.Sprint(v)
}
