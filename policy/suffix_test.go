package policy

import (
	"strings"
	"testing"
)

func TestSuffixes(t *testing.T) {
	r := rules(t)
	s, err := NewSuffixes(r, DefaultSuffixes())
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]string{
		"registered": "registered", "REG": "registered", "Заказное": "registered", "ezp": "registered-ezp",
		"registered-ezp": "registered-ezp", "жалоба": "appeal/complaint", "вопрос": "appeal/question", "appeal": "appeal",
		"notify": "notify", "ответ": "reply", "извещение": "notice", "почта": "post",
		"и\u0306": "", "urgent": "", "": "", "appeal/complaint": "",
	} {
		c, ok := s.Choice(word)
		if c.String() != want || ok != (want != "") {
			t.Errorf("%q: %q, %t, want %q", word, c, ok, want)
		}
	}
	if _, ok := (*Suffixes)(nil).Choice("registered"); ok {
		t.Error("no suffixes know a word")
	}
	if _, ok := must(t, r, map[string]string{"reg": ""}).Choice("reg"); ok {
		t.Error("a word that stands for nothing is known")
	}
	// A decomposed word is the composed one.
	if c, ok := must(t, r, map[string]string{"й": "notify"}).Choice("и\u0306"); !ok || c.Type != "notify" {
		t.Errorf("decomposed: %q", c)
	}
}

// A word for a choice is one that every mail program can send.
func TestSuffixWord(t *testing.T) {
	r := rules(t)
	shipped := must(t, r, DefaultSuffixes())
	russian := must(t, r, map[string]string{"жалоба": "appeal/complaint", "b-q": "appeal/question", "a-q": "appeal/question"})
	for _, c := range []struct {
		s      *Suffixes
		choice Choice
		want   string
	}{
		{shipped, Choice{Type: "registered"}, "registered"}, {shipped, Choice{Type: "appeal"}, "appeal"},
		{shipped, Choice{Type: "appeal", Kind: "complaint"}, "complaint"}, {shipped, Choice{Type: "appeal", Kind: "request"}, ""},
		{shipped, Choice{Type: "urgent"}, ""}, {shipped, Choice{}, ""},
		{russian, Choice{Type: "appeal", Kind: "complaint"}, ""}, {russian, Choice{Type: "appeal", Kind: "question"}, "a-q"},
		{nil, Choice{Type: "registered"}, ""},
	} {
		if word, ok := c.s.Word(c.choice); word != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %t, want %q", c.choice, word, ok, c.want)
		} else if back, known := c.s.Choice(word); known != ok || back != c.choice && ok {
			t.Errorf("%q chooses %s, not %s", word, back, c.choice)
		}
	}
}

func must(t *testing.T, r *Rules, words map[string]string) *Suffixes {
	t.Helper()
	s, err := NewSuffixes(r, words)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBadSuffixes(t *testing.T) {
	r := rules(t)
	for _, test := range []struct {
		words map[string]string
		want  string
	}{
		{map[string]string{"a": "urgent"}, `suffixes: "a": "urgent" is no letter type`},
		{map[string]string{"a": "appeal/praise"}, `suffixes: "a": "praise" is no kind of appeal`},
		{map[string]string{"a": "simple/complaint"}, `"complaint" is no kind of simple`},
		{map[string]string{"a@b": "simple"}, `suffixes: "a@b": a suffix has letters`},
		{map[string]string{"a+b": "simple"}, "a suffix has"},
		{map[string]string{"": "simple"}, "a suffix has"},
		{map[string]string{strings.Repeat("я", 33): "simple"}, "a suffix has"},
		{map[string]string{"simple": "notify"}, "is the name of a letter type"},
		{map[string]string{"ab": "notify", "AB": "simple"}, `suffixes: "ab": "AB" is the same word`},
		{map[string]string{"a": "x", "b": "y"}, `suffixes: "b": "y" is no`},
	} {
		if _, err := NewSuffixes(r, test.words); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.words, err, test.want)
		}
	}
}
