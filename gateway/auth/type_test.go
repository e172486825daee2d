package auth

import "testing"

// The letter type of a credential goes before that of the account. Phone and
// SNILS are kept in their normal forms.
func TestCredentialType(t *testing.T) {
	f := newFixture(t)
	a, err := AddAccount(t.Context(), f.dir, NewAccount{
		Addresses: []string{"petrov@romashka.example"}, Now: start,
		Settings: Settings{Registry: "org-1", Type: "notify", Phone: "8 (999) 123-45-67", SNILS: "112-233-445 95"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ of, want string }{{"", "notify"}, {"registered", "registered"}} {
		_, secret, err := AddCredential(t.Context(), f.dir, a.ID, NewCredential{Name: "program of " + test.want, Type: test.of, Now: start})
		if err != nil {
			t.Fatal(err)
		}
		who, err := f.Plain(t.Context(), from("192.0.2.1"), "", "petrov@romashka.example", secret)
		if err != nil || who.Settings.Type != test.want || who.Settings.Phone != "+79991234567" || who.Settings.SNILS != "11223344595" {
			t.Errorf("%q: %+v, %v", test.of, who.Settings, err)
		}
	}
}
