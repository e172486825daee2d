package registry

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const header = "id,kind,name,short_name,inn,kpp,ogrn,addresses,aliases,keyword,status,valid_from,valid_to\n"

// sample is a table with every kind and status.
const sample = header +
	"fns,body,Федеральная налоговая служба,ФНС,7707329152,770701001,1047707030513,fns@gov.example nalog@gov.example,fns,Source-FNS,active,,\n" +
	"romashka,organisation,ООО «Ромашка»,Ромашка,7707083893,,1027700132195,office@romashka.example,,,,2020-01-01,\n" +
	"petrov,proprietor,ИП Петров П. П.,,500100732259,,304500116000157,petrov@ip.example,,,active,,\n" +
	"ivanov,person,Иванов Иван Иванович,,,,,ivanov@mail.example,,,active,,\n" +
	"oldbody,body,Упразднённое ведомство,,7710474375,,1037700258694,old@gov.example,,,archived,,2024-12-31\n" +
	"gone,organisation,АО «Уход»,,7736050003,,1027700070518,info@gone.example,,,left,,\n"

func load(t *testing.T, table string) *Registry {
	t.Helper()
	r, err := Load(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLookup(t *testing.T) {
	r := load(t, sample)
	if r.Len() != 6 {
		t.Fatalf("Len = %d, want 6", r.Len())
	}
	for _, test := range []struct{ address, id string }{
		{"fns@gov.example", "fns"},
		{"FNS@Gov.Example", "fns"},
		{" nalog@gov.example. ", "fns"},
		{"Fns", "fns"},
		{"ivanov@mail.example", "ivanov"},
		{"info@gone.example", "gone"},
		{"nobody@gov.example", ""},
		{"", ""},
	} {
		e, ok := r.Lookup(test.address)
		if e.ID != test.id || ok != (test.id != "") {
			t.Errorf("Lookup(%q) = %q, %v; want %q", test.address, e.ID, ok, test.id)
		}
	}
	if e, ok := r.ByID("romashka"); !ok || e.Status != Active || e.Name != "ООО «Ромашка»" {
		t.Errorf("ByID(romashka) = %+v, %v", e, ok)
	}
	if _, ok := r.ByID("nobody"); ok {
		t.Error("ByID found nobody")
	}
	var ids []string
	for e := range r.All() {
		ids = append(ids, e.ID)
	}
	if !slices.IsSorted(ids) || len(ids) != 6 {
		t.Errorf("All gives %v", ids)
	}
}

func TestZeroRegistryIsEmpty(t *testing.T) {
	var r Registry
	if _, ok := r.Lookup("a@b"); ok || r.Len() != 0 || len(r.Suggest("a@b")) > 0 {
		t.Error("the zero registry finds something")
	}
}

func TestLookupInternational(t *testing.T) {
	r := load(t, header+"mvd,body,МВД,,7707329152,,1047707030513,приём@почта.рф,,,,,\n")
	for _, address := range []string{"приём@почта.рф", "ПРИЁМ@ПОЧТА.РФ", "приём@xn--80a1acny.xn--p1ai", "прие\u0308м@почта.рф"} {
		if _, ok := r.Lookup(address); !ok {
			t.Errorf("Lookup(%q) finds nothing", address)
		}
	}
}

func TestPunycode(t *testing.T) {
	// The first from RFC 3492 §7.1 (I), the others as registered.
	for code, want := range map[string]string{
		"b1abfaaepdrnnbgefbadotcwatmq2g4l": "почемужеонинеговорятпорусски",
		"p1ai":                             "рф",
		"80a1acny":                         "почта",
		"bcher-kva":                        "bücher",
		"maana-pta":                        "mañana",
	} {
		if got, ok := decodePunycode(code); !ok || got != want {
			t.Errorf("decodePunycode(%q) = %q, %v; want %q", code, got, ok, want)
		}
	}
	for _, code := range []string{"p1", "99999999", "a-é", "--!"} {
		if got, ok := decodePunycode(code); ok {
			t.Errorf("decodePunycode(%q) = %q, want refusal", code, got)
		}
	}
}

func TestStatusAt(t *testing.T) {
	r := load(t, sample)
	romashka, _ := r.ByID("romashka")
	old, _ := r.ByID("oldbody")
	gone, _ := r.ByID("gone")
	moment := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	dated := old
	dated.Status = Active
	for _, test := range []struct {
		e    Entry
		at   string
		want Status
	}{
		{romashka, "2019-12-31T20:59:59Z", Archived}, // Moscow's day begins at 21:00 UTC
		{romashka, "2019-12-31T21:00:00Z", Active},
		{dated, "2024-12-31T20:59:59Z", Active}, // the last day counts
		{dated, "2024-12-31T21:00:00Z", Archived},
		{old, "2024-01-01T00:00:00Z", Archived},
		{gone, "2024-01-01T00:00:00Z", Left},
	} {
		if got := test.e.StatusAt(moment(test.at)); got != test.want {
			t.Errorf("%s at %s: %s, want %s", test.e.ID, test.at, got, test.want)
		}
	}
}

func TestLoadForms(t *testing.T) {
	want := load(t, sample).Hash()
	semicolons := strings.ReplaceAll(sample, ",", ";")
	for name, table := range map[string]string{
		"BOM":        "\ufeff" + sample,
		"CRLF":       strings.ReplaceAll(sample, "\n", "\r\n"),
		"semicolons": semicolons,
		"both":       "\ufeff" + strings.ReplaceAll(semicolons, "\n", "\r\n"),
		"blanks":     strings.ReplaceAll(sample, ",active,", ", active ,"),
		"upper case": strings.ReplaceAll(sample, "fns@gov", "FNS@gov"),
		"order":      reorder(sample),
	} {
		if got := load(t, table).Hash(); got != want {
			t.Errorf("%s: another hash", name)
		}
	}
	few := load(t, "addresses;id;name;kind\nivanov@mail.example;ivanov;Иванов;person\n")
	if few.Len() != 1 {
		t.Errorf("with the required columns only: %d entries", few.Len())
	}
}

// reorder turns the rows below the header around.
func reorder(table string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(table, "\n"), "\n")
	slices.Reverse(lines[1:])
	return lines[0] + strings.Join(lines[1:], "\n")
}

func TestHashChanges(t *testing.T) {
	a := load(t, sample).Hash()
	b := load(t, strings.Replace(sample, "ФНС", "ФНС России", 1)).Hash()
	if a == b {
		t.Error("a changed name leaves the hash")
	}
}

func TestWriteCSVRoundTrip(t *testing.T) {
	r := load(t, sample)
	var first, second bytes.Buffer
	if err := r.WriteCSV(&first); err != nil {
		t.Fatal(err)
	}
	again := load(t, first.String())
	if err := again.WriteCSV(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() || r.Hash() != again.Hash() {
		t.Errorf("not stable:\n%s\n%s", &first, &second)
	}
	e, _ := again.ByID("oldbody")
	old, _ := r.ByID("oldbody")
	if !e.ValidTo.Equal(old.ValidTo) {
		t.Errorf("valid_to %v became %v", old.ValidTo, e.ValidTo)
	}
}

func TestNewAgreesWithLoad(t *testing.T) {
	r := load(t, sample)
	again, err := New(slices.Collect(r.All()))
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash() != r.Hash() {
		t.Error("New and Load disagree")
	}
	_, err = New([]Entry{{ID: "x", Kind: Person, Name: "X", Addresses: []string{"x@y"}}, {}})
	bad := new(LoadError)
	if !errors.As(err, &bad) || bad.Rows[0].Row != 2 {
		t.Errorf("an empty entry: %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	const good = "a,person,Имя,,,,,a@b.example,,,,,\n"
	for _, test := range []struct {
		name, rows string
		want       []string
	}{
		{"INN digit", "a,organisation,Имя,,7707083894,,1027700132195,a@b.example,,,,,\n", []string{`row 2: inn: "7707083894" is not an INN of 10 digits with the right check digit`}},
		{"zero INN", "a,organisation,Имя,,0000000000,,1027700132195,a@b.example,,,,,\n", []string{"row 2: inn:"}},
		{"INN of a person", "a,organisation,Имя,,500100732259,,1027700132195,a@b.example,,,,,\n", []string{"row 2: inn:"}},
		{"no OGRN", "a,body,Имя,,7707083893,,,a@b.example,,,,,\n", []string{"row 2: ogrn: is empty: kind body needs an OGRN of 13 digits"}},
		{"OGRN digit", "a,body,Имя,,7707083893,,1027700132196,a@b.example,,,,,\n", []string{"row 2: ogrn:"}},
		{"KPP", "a,body,Имя,,7707083893,12,1027700132195,a@b.example,,,,,\n", []string{"row 2: kpp:"}},
		{"proprietor with OGRN", "a,proprietor,Имя,,500100732259,,1027700132195,a@b.example,,,,,\n", []string{"row 2: ogrn:"}},
		{"proprietor with KPP", "a,proprietor,Имя,,500100732259,770701001,304500116000157,a@b.example,,,,,\n", []string{"row 2: kpp:"}},
		{"person with OGRN", "a,person,Имя,,,,304500116000157,a@b.example,,,,,\n", []string{"row 2: ogrn:"}},
		{"kind", "a,robot,Имя,,,,,a@b.example,,,,,\n", []string{`row 2: kind: "robot"`}},
		{"status", "a,person,Имя,,,,,a@b.example,,,asleep,,\n", []string{"row 2: status:"}},
		{"address", "a,person,Имя,,,,,a@@b a@b..c @x x@ no,,,,,\n", []string{`"a@@b"`, `"a@b..c"`, `"@x"`, `"x@"`, `"no"`}},
		{"no address", "a,person,Имя,,,,,,,,,,\n", []string{"row 2: addresses: is empty"}},
		{"no name", "a,person,,,,,,a@b.example,,,,,\n", []string{"row 2: name: is empty"}},
		{"id", "a b,person,Имя,,,,,a@b.example,,,,,\n", []string{"row 2: id:"}},
		{"keyword", "a,person,Имя,,,,,a@b.example,,\"(x)\",,,\n", []string{"row 2: keyword:"}},
		{"days", "a,person,Имя,,,,,a@b.example,,,,31.01.2026,2026-02-30\n", []string{"row 2: valid_from:", "row 2: valid_to:"}},
		{"days turned", "a,person,Имя,,,,,a@b.example,,,,2026-02-01,2026-01-01\n", []string{"row 2: valid_to: is before valid_from"}},
		{"id twice", good + "a,person,Имя,,,,,c@b.example,,,,,\n", []string{`row 3: id: "a" is in row 2 already`}},
		{"address twice", good + "b,person,Имя,,,,,A@B.example,,,,,\n", []string{`row 3: addresses: "a@b.example" is in row 2 already`}},
		{"alias twice", good + "b,person,Имя,,,,,b@b.example,a@b.example,,,,\n", []string{"row 3: aliases:"}},
		{"INN twice", "a,organisation,Имя,,7707083893,,1027700132195,a@b.example,,,,,\nb,organisation,Имя,,7707083893,,1027700132195,b@b.example,,,,,\n", []string{"row 3: inn:"}},
		{"columns", good + "b,person\n", []string{"row 3: has 2 columns"}},
		{"quote", good + "b,per\"son,Имя,,,,,b@b.example,,,,,\n", []string{"row 3:"}},
		{"not UTF-8", "a,person,\xc8\xe2\xe0\xed,,,,,a@b.example,,,,,\n", []string{"row 2: column 3 is not UTF-8"}},
		{"control", "a,person,И\x01мя,,,,,a@b.example,,,,,\n", []string{"row 2: name:"}},
		{"all at once", "a,robot,,,,,,x,,,,,\na,person,Имя,,,,,a@b.example,,,bad,,\n", []string{"row 2: name", "row 2: addresses", "row 2: kind", "row 3: id", "row 3: status"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := Load(strings.NewReader(header + test.rows))
			bad := new(LoadError)
			if r != nil || !errors.As(err, &bad) {
				t.Fatalf("Load = %v, %v", r, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestLoadHeaderErrors(t *testing.T) {
	for table, want := range map[string]string{
		"":                                  "must name the columns",
		"id,kind,name\n":                    "row 1: addresses: the column is missing",
		"id,kind,name,addresses,colour\n":   `unknown column "colour"`,
		"id,kind,name,addresses,id\n":       "row 1: id: is there twice",
		"id|kind|name|addresses\na|b|c|d\n": "unknown column",
	} {
		if _, err := Load(strings.NewReader(table)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%q): %v, want %q", table, err, want)
		}
	}
}

type brokenReader struct{ r *strings.Reader }

var errBroken = errors.New("disk on fire")

func (b brokenReader) Read(p []byte) (int, error) {
	if b.r.Len() == 0 {
		return 0, errBroken
	}
	return b.r.Read(p)
}

func TestLoadReaderError(t *testing.T) {
	if _, err := Load(brokenReader{strings.NewReader(sample)}); !errors.Is(err, errBroken) {
		t.Errorf("Load = %v, want the reader's error", err)
	}
}

func TestLoadStopsCollecting(t *testing.T) {
	_, err := Load(strings.NewReader(header + strings.Repeat("?,x,,,,,,,,,,,\n", 5000)))
	bad := new(LoadError)
	if !errors.As(err, &bad) || len(bad.Rows) != maxFaults || !bad.More {
		t.Errorf("%d faults, more %v", len(bad.Rows), bad.More)
	}
}

func TestSuggest(t *testing.T) {
	r := load(t, sample)
	for _, test := range []struct {
		address string
		want    []string
	}{
		{"fsn@gov.example", nil}, // two edits in three letters
		{"fnss@gov.example", []string{"fns@gov.example"}},
		{"nalogg@gov.example", []string{"fns@gov.example"}}, // the main address
		{"ofice@romashka.example", []string{"office@romashka.example"}},
		{"office@romaska.example", []string{"office@romashka.example"}},
		{"fns@gov.example.ru", []string{"fns@gov.example"}}, // same name elsewhere
		{"ivanof@mail.example", nil},                        // a person
		{"old1@gov.example", nil},                           // archived
		{"inf@gone.example", nil},                           // left
		{"completely@different.example", nil},
		{"", nil},
		{strings.Repeat("x", 5000), nil},
	} {
		got := r.Suggest(test.address)
		if !slices.Equal(got, test.want) {
			t.Errorf("Suggest(%q) = %q, want %q", test.address, got, test.want)
		}
	}
}

func TestSuggestIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,kind,name,inn,ogrn,addresses\n")
	for i := range 50 {
		fmt.Fprintf(&b, "%d,organisation,Имя,%s,%s,org%02d@x.example\n", i, mustINN(t, 770000000+i), mustOGRN(t, 102770000000+i), i)
	}
	got := load(t, b.String()).Suggest("org7@x.example")
	if len(got) != 3 || slices.Contains(got, "org7@x.example") {
		t.Errorf("Suggest = %q, want three", got)
	}
}

func mustINN(t testing.TB, n int) string {
	s, err := MakeINN(fmt.Sprintf("%09d", n))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustOGRN(t testing.TB, n int) string {
	s, err := MakeOGRN(fmt.Sprintf("%012d", n))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDistance compares the bit vectors with the definition.
func TestDistance(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, random.IntN(70))
		for i := range b {
			b[i] = "abc@"[random.IntN(4)]
		}
		return string(b)
	}
	for range 20_000 {
		a, b := text(), text()
		if random.IntN(2) == 0 { // near ones, too
			b = a
			if len(b) > 2 {
				i := random.IntN(len(b) - 1)
				b = b[:i] + "x" + b[i+random.IntN(2):]
			}
		}
		want := editDistance(a[:min(64, len(a))], b[:min(64, len(b))])
		limit := random.IntN(5)
		got := newPattern(a).distance(b, limit)
		if got != want && (got <= limit || want <= limit) {
			t.Fatalf("distance(%q, %q, %d) = %d, want %d", a, b, limit, got, want)
		}
	}
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// TestPost: who is registered with the post is told by a column, which tables
// without such entries do without.
func TestPost(t *testing.T) {
	const table = "id,kind,name,addresses,post\na,person,A,a@x.example,yes\nb,person,B,b@x.example,no\nc,person,C,c@x.example,\n"
	r := load(t, table)
	for id, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if e, _ := r.ByID(id); e.Post != want {
			t.Errorf("%s: %t", id, e.Post)
		}
	}
	var b bytes.Buffer
	if err := r.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	if again := load(t, b.String()); again.Hash() != r.Hash() {
		t.Errorf("not read back:\n%s", &b)
	}
	without := load(t, strings.ReplaceAll(table, ",yes", ",no"))
	b.Reset()
	if err := without.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "post") || without.Hash() == r.Hash() {
		t.Errorf("without:\n%s", &b)
	}
	if _, err := Load(strings.NewReader(strings.ReplaceAll(table, ",yes", ",maybe"))); err == nil || !strings.Contains(err.Error(), `row 2: post: "maybe": want yes or no`) {
		t.Errorf("error %v", err)
	}
}
