package registry

import "testing"

func TestIdentifiers(t *testing.T) {
	for _, test := range []struct {
		name  string
		valid func(string) bool
		good  []string
		bad   []string
	}{
		{"INN-10", ValidINN10, []string{"7707083893", "7707329152", "7710474375", "7830002293"}, []string{"7707083894", "0000000000", "770708389", "77070838930", "77070838a3", "", "٧٧٠٧٠٨٣٨٩٣"}},
		{"INN-12", ValidINN12, []string{"500100732259"}, []string{"500100732258", "500100732249", "000000000000", "7707083893"}},
		{"INN", ValidINN, []string{"7707083893", "500100732259"}, []string{"77070838931", "", "1"}},
		{"OGRN", ValidOGRN, []string{"1027700132195", "1047707030513", "1037700258694"}, []string{"1027700132196", "0000000000000", "2027700132194", "102770013219", "304500116000157"}},
		{"OGRNIP", ValidOGRNIP, []string{"304500116000157"}, []string{"304500116000158", "000000000000000", "1027700132195"}},
		{"KPP", ValidKPP, []string{"770701001", "7707AB001", "997950001"}, []string{"000000000", "77070100", "7707ab001", "A70701001", "77070100A"}},
		{"SNILS", ValidSNILS, []string{"112-233-445 95", "11223344595", "08765430300"}, []string{"112-233-445 96", "00000000000", "1122334459"}},
	} {
		for _, s := range test.good {
			if !test.valid(s) {
				t.Errorf("%s %q refused", test.name, s)
			}
		}
		for _, s := range test.bad {
			if test.valid(s) {
				t.Errorf("%s %q accepted", test.name, s)
			}
		}
	}
}

func TestMakeIdentifiers(t *testing.T) {
	for prefix, want := range map[string]string{
		"770708389":  "7707083893",
		"5001007322": "500100732259",
		"12":         "",
		"000000000":  "",
		"77070838a":  "",
	} {
		if got, err := MakeINN(prefix); got != want || (err == nil) != (want != "") {
			t.Errorf("MakeINN(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
	for prefix, want := range map[string]string{
		"102770013219":   "1027700132195",
		"30450011600015": "304500116000157",
		"202770013219":   "",
		"10277":          "",
	} {
		if got, err := MakeOGRN(prefix); got != want || (err == nil) != (want != "") {
			t.Errorf("MakeOGRN(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
}

func TestNormalPhone(t *testing.T) {
	for given, want := range map[string]string{
		"+7 (999) 123-45-67": "+79991234567", "89991234567": "+79991234567", "79991234567": "+79991234567",
		"+44 20 7946 0958": "+442079460958", "+12345678": "+12345678",
		"": "", "+": "", "9991234567": "", "+1234567": "", "+1234567890123456": "", "+0123456789": "", "8999123456x": "", "++79991234567": "",
	} {
		if got, ok := NormalPhone(given); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", given, got, ok)
		}
	}
}
