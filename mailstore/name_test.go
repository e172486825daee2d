package mailstore_test

import (
	"errors"
	"strings"
	"testing"

	"gosbridge/mailstore"
)

func TestNormalName(t *testing.T) {
	for _, test := range []struct{ name, want string }{ // "" for a name that is none
		{"inbox", "INBOX"},
		{"InBox/Sub", "INBOX/Sub"},
		{"Дела/2026/", "Дела/2026"},
		{"и\u0306", "й"},
		{"a.b", "a.b"},
		{"", ""}, {"/", ""}, {"a//b", ""}, {"a/../b", ""}, {"a*", ""}, {"a\x01", ""}, {"a\u200b", ""}, {"a\xff", ""},
		{strings.Repeat("a/", 16) + "b", ""},
		{strings.Repeat("a", 501), ""},
	} {
		got, err := mailstore.NormalName(test.name)
		if got != test.want || errors.Is(err, mailstore.ErrName) != (test.want == "") {
			t.Errorf("%q: %q, %v", test.name, got, err)
		}
	}
}
