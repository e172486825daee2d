package registry

import (
	"slices"
	"strings"
	"testing"
)

func TestSearch(t *testing.T) {
	r := load(t, sample+"pchela,organisation,ООО «Пчёлка  и Ёж»,,7736207543,773601001,1027700229193,office@пчёлка.рф,,,active,,\n"+
		"sidorova,person,Сидорова Пчела Ивановна,,500100732259,,,sidorova@mail.example,,,active,,\n")
	for text, want := range map[string]string{
		"налоговая":             "fns",
		"НАЛОГОВАЯ СЛУЖБА":      "fns",
		"фнс":                   "fns", // short name
		"пчелка":                "pchela",
		"ПЧЁЛКА":                "pchela",
		"пчёлка и еж":           "pchela", // spaces
		`ооо "пчел`:             "pchela", // quotation marks
		"пче\u0308лка":          "pchela", // not composed
		"office@xn--80ak8a7a.x": "",
		"office@":               "pchela romashka",
		"Office@Romashka":       "romashka",
		"office@ПЧЁЛКА.рф":      "pchela",
		"fns@gov.example":       "fns",
		"nalog":                 "fns",
		"7707":                  "fns romashka", // two INNs begin so, and no name has it
		"7707083893":            "romashka",
		"773601001":             "pchela", // KPP
		"1027700":               "gone pchela romashka",
		"304500116000157":       "petrov",
		"oldbody":               "oldbody",
		// Persons.
		"иванов":              "",
		"Сидорова":            "",
		"sidorova@":           "",
		"mail.example":        "",
		"5001007322":          "petrov",
		"500100732259":        "petrov sidorova",
		"ivanov@mail.example": "ivanov",
		"IVANOV@MAIL.EXAMPLE": "ivanov",
		"sidorova":            "sidorova",
		"":                    "",
		"   ":                 "",
		"nobody":              "",
	} {
		found, more := r.Search(text, 0)
		var ids []string
		for _, e := range found {
			ids = append(ids, e.ID)
		}
		if got := strings.Join(ids, " "); got != want || more {
			t.Errorf("%q finds %q, want %q", text, got, want)
		}
	}
	one, more := r.Search("1027700", 1)
	if len(one) != 1 || !more {
		t.Errorf("limited: %v, %v", one, more)
	}
	if all, more := r.Search("1027700", 3); len(all) != 3 || more {
		t.Errorf("as many as there are: %d, %v", len(all), more)
	}
}

// An entry is found by any part of its name, in any case.
func FuzzSearch(f *testing.F) {
	r, err := Load(strings.NewReader(sample))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("налог", 0)
	f.Add("\xff", 3)
	f.Add("İ", 1)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		found, more := r.Search(text, limit)
		if limit > 0 && len(found) > limit || more && len(found) != limit {
			t.Fatalf("%d found, more %v", len(found), more)
		}
		for _, e := range found {
			if e.Kind == Person && !slices.Contains([]string{e.ID, e.INN, e.OGRN}, strings.TrimSpace(text)) && Normalise(text) != e.Addresses[0] {
				t.Fatalf("%q finds the person %s", text, e.ID)
			}
		}
	})
}
