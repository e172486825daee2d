package searchtext

import (
	"strings"
	"testing"
)

// A needle is found across the pieces in which text comes, whatever the pieces
// cut apart.
func TestWindow(t *testing.T) {
	for _, c := range []struct{ text, needle string }{
		{"Начало письма, КОНЕЦ письма", "конец"},
		{"письмо о Йошкар-Оле", "йошкар"},
		{"письмо о И\u0306ошкар-Оле", "йошкар"}, // the accent apart from its letter
		{"cafe\u0301", "café"},
		{"КОНЕЦ И\u0306", "конец й"},
		{"aab", "ab"},
	} {
		text := []rune(c.text)
		for size := 1; size <= len(text); size++ {
			w := window{needle: []byte(Fold(c.needle))}
			for i := 0; i < len(text); i += size {
				w.add([]byte(string(text[i:min(i+size, len(text))])))
			}
			if !w.end() {
				t.Errorf("%q in %q, pieces of %d letters: not found", c.needle, c.text, size)
			}
		}
	}
	w := window{needle: []byte("ab")}
	if w.add([]byte("a")) || w.add([]byte("xb")) || w.end() {
		t.Error("found what is not there")
	}
}

// Folding in pieces is folding at once.
func TestFolder(t *testing.T) {
	for _, text := range []string{
		"", "plain", "ПРИВЕТ Мир", "И\u0306И\u0306", "e\u0301\u0323x", "\u0301", "İSTANBUL ΑΣ", "가각", "\u1100\u1161\u11a8",
		strings.Repeat("и\u0306", 3000), "x" + strings.Repeat("\u0301", 20) + "y",
	} {
		runes := []rune(text)
		for _, size := range []int{1, 2, 3, 7, 4096} {
			var f folder
			var got []byte
			for i := 0; i < len(runes); i += size {
				got = append(got, f.add([]byte(string(runes[i:min(i+size, len(runes))])))...)
			}
			got = append(got, f.close()...)
			if want := Fold(text); string(got) != want {
				t.Errorf("%.40q in pieces of %d: %.60q, want %.60q", text, size, got, want)
			}
		}
	}
}
