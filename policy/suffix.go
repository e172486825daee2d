package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Choice is a letter type, and the kind where it is an appeal. The zero Choice
// is none.
type Choice struct {
	Type string
	Kind string
}

// String is "type" or "type/kind".
func (c Choice) String() string {
	if c.Kind == "" {
		return c.Type
	}
	return c.Type + "/" + c.Kind
}

// Suffixes are the words that choose a letter type behind the + in the local
// part of an address. The name of each type is one. Immutable, safe for
// concurrent use; a nil *Suffixes knows no word.
type Suffixes struct {
	words map[string]Choice
}

// DefaultSuffixes are the short forms and Russian names as shipped: by word, a
// type or type/kind.
func DefaultSuffixes() map[string]string {
	return map[string]string{
		"простое":     "simple",
		"увед":        "notify",
		"уведомление": "notify",
		"reg":         "registered",
		"заказное":    "registered",
		"ezp":         "registered-ezp",
		"эзп":         "registered-ezp",
		"обращение":   "appeal",
		"complaint":   "appeal/complaint",
		"жалоба":      "appeal/complaint",
		"proposal":    "appeal/proposal",
		"предложение": "appeal/proposal",
		"statement":   "appeal/statement",
		"заявление":   "appeal/statement",
		"question":    "appeal/question",
		"вопрос":      "appeal/question",
		"почта":       "post",
		"ответ":       "reply",
		"извещение":   "notice",
	}
}

// NewSuffixes checks words and what they stand for against the rules. A word
// that stands for nothing ("") is left out. The error joins everything that is
// wrong.
func NewSuffixes(r *Rules, words map[string]string) (*Suffixes, error) {
	s := &Suffixes{words: make(map[string]Choice, len(words)+len(r.types))}
	for _, t := range r.types {
		s.words[t] = Choice{Type: t}
	}
	var errs []error
	given := make(map[string]string, len(words)) // as spelt
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if words[word] == "" {
			continue
		}
		key := suffixKey(word)
		c, err := r.choice(words[word])
		switch other, twice := given[key]; {
		case !validSuffix(key):
			err = errors.New("a suffix has letters, digits, hyphens and underscores, 32 at most")
		case twice:
			err = fmt.Errorf("%q is the same word", other)
		case err == nil && r.has(key) && c != Choice{Type: key}:
			err = errors.New(`is the name of a letter type; take the word away with ""`)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("suffixes: %q: %w", word, err))
			continue
		}
		given[key], s.words[key] = word, c
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Choice is what a word chooses, in whatever case it is written.
func (s *Suffixes) Choice(word string) (Choice, bool) {
	if s == nil {
		return Choice{}, false
	}
	c, ok := s.words[suffixKey(word)]
	return c, ok
}

// Word is a word that chooses c and that every mail program can send, which is
// one in ASCII: the type's own name, of a kind the first in order. ok is false
// when there is none.
func (s *Suffixes) Word(c Choice) (word string, ok bool) {
	if s == nil || c.Type == "" {
		return "", false
	}
	if s.words[c.Type] == c {
		return c.Type, true
	}
	for _, w := range slices.Sorted(maps.Keys(s.words)) {
		if s.words[w] == c && strings.IndexFunc(w, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
			return w, true
		}
	}
	return "", false
}

func (r *Rules) has(letterType string) bool {
	_, ok := r.profiles[letterType]
	return ok
}

// choice reads what String wrote.
func (r *Rules) choice(text string) (Choice, error) {
	name, kind, _ := strings.Cut(text, "/")
	p, ok := r.profiles[name]
	switch {
	case !ok:
		return Choice{}, fmt.Errorf("%q is no letter type", name)
	case kind != "" && !slices.Contains(p.Kinds, kind):
		return Choice{}, fmt.Errorf("%q is no kind of %s", kind, name)
	}
	return Choice{Type: name, Kind: kind}, nil
}

func suffixKey(word string) string { return norm.NFC.String(strings.ToLower(word)) }

// validSuffix keeps to what every mail program lets stand in an address, the
// letters of RFC 6531 included.
func validSuffix(word string) bool {
	n := 0
	for _, r := range word {
		if n++; !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return false
		}
	}
	return n > 0 && n <= 32
}
