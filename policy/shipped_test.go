package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/policy/registry"
)

// shippedTable is the table of letter types as the service's documents have
// it. Sizes are MiB, "same" is the cell before, "+ x" the cell before and x.
const shippedTable = `
| parameter | simple | notify | registered | registered-ezp | appeal | post | reply | notice |
| who may send | anyone with the right | same | same | same | same | same | same | state body |
| subject min/max (all) | 1 / 150 |
| text min/max (all) | 1 / 10,000 |
| file max / sum max | 2 / 2 | 5 / 20 | 10 / 20 | 10 / 20 | 10 / 20 | 10 / 20, free up to 5 | 10 / 30 | 10 / 20 |
| files min/max | 0 / 5 | 0 / 5 | 1 / 5 | 0 / 5 | 0 / 5 | 0 / 5 | 0 / 10 | 0 / 5 |
| formats | pdf doc docx xls xlsx jpg png | + zip | pdf docx | pdf docx jpg png | pdf doc docx xls xlsx jpg png | pdf docx jpg png | pdf docx xlsx jpg png | pdf docx jpg png |
| sender's signature | forbidden | optional | required | required | optional | optional | optional | required |
| recipients | anyone in the registry | same | state body, organisation, sole proprietor | + person | state body | registered with the post | the original sender | anyone |
| max recipients | 50 | 50 | 20 | 20 | 1 | 20 | 1 | 1,000 |
| Bcc | allowed | no | no | no | no | no | no | no |
| acknowledged by | - | - | button, reply, signed receipt | + opening | the body registers it | button, link | - | button |
| term | - | - | 30 days | sender's choice, 30 | 30 days for the answer | 30 days | - | 30 days |
| recall within 5 minutes | withdraw | withdraw | hold | hold | hold | hold | withdraw | withdraw |
| annul after hand-over | no | no | until opened | until opened | no | no | no | no |
| reminders | - | by hand | by hand, days 7, 21, 28 | same | day 25 | by hand | - | day 21 |
| delay warning / failure | 12 h / 24 h | same | same | same | same | same | same | same |
| kept, sender's / recipient's copy | 1 y / 1 y | 3 / 3 | 5 / 5 | 5 / 5 | 5 / 5 | 3 / 3 | 3 / 3 | 5 / without limit |
`

// cells renders a profile as the table has it, by parameter.
var cells = map[string]func(Profile) string{
	"who may send": func(p Profile) string {
		if len(p.Senders) == 0 {
			return "anyone with the right"
		}
		return kindsOf(p.Senders)
	},
	"subject min/max": func(p Profile) string { return counts(p.SubjectMin, p.SubjectMax) },
	"text min/max":    func(p Profile) string { return counts(p.TextMin, p.TextMax) },
	"file max / sum max": func(p Profile) string {
		s := fmt.Sprintf("%d / %d", p.FileMax/MiB, p.SumMax/MiB)
		if p.FreeMax != AnySize {
			s += fmt.Sprintf(", free up to %d", p.FreeMax/MiB)
		}
		return s
	},
	"files min/max":      func(p Profile) string { return counts(p.FilesMin, p.FilesMax) },
	"formats":            func(p Profile) string { return strings.Join(p.Formats, " ") },
	"sender's signature": func(p Profile) string { return string(p.Signature) },
	"recipients": func(p Profile) string {
		switch p.Scope {
		case ScopePost:
			return "registered with the post"
		case ScopeCorrespondent:
			return "the original sender"
		}
		if len(p.Recipients) == 0 {
			return "anyone"
		}
		return kindsOf(p.Recipients)
	},
	"max recipients": func(p Profile) string { return thousands(p.MaxRecipients) },
	"Bcc":            func(p Profile) string { return map[bool]string{true: "allowed", false: "no"}[p.Bcc] },
	"acknowledged by": func(p Profile) string {
		var acts []string
		for _, a := range p.Acknowledge {
			switch a {
			case AckSignedReceipt:
				acts = append(acts, "signed receipt")
			case AckRegistration:
				acts = append(acts, "the body registers it")
			default:
				acts = append(acts, string(a))
			}
		}
		return dash(strings.Join(acts, ", "))
	},
	"term": func(p Profile) string {
		switch {
		case p.Term.IsZero():
			return "-"
		case !p.TermMax.IsZero():
			return fmt.Sprintf("sender's choice, %d", p.TermMax.Days)
		case slices.Contains(p.Acknowledge, AckRegistration):
			return fmt.Sprintf("%d days for the answer", p.Term.Days)
		}
		return fmt.Sprintf("%d days", p.Term.Days)
	},
	"recall within 5 minutes": func(p Profile) string {
		if p.RecallWindow.Std() != 5*time.Minute {
			return p.RecallWindow.String()
		}
		return string(p.Recall)
	},
	"annul after hand-over": func(p Profile) string { return map[bool]string{true: "until opened", false: "no"}[p.Annul] },
	"reminders": func(p Profile) string {
		var parts []string
		if p.Remind {
			parts = append(parts, "by hand")
		}
		if days := strings.Trim(strings.ReplaceAll(fmt.Sprint(p.ReminderDays), " ", ", "), "[]"); len(p.ReminderDays) == 1 {
			parts = append(parts, "day "+days)
		} else if days != "" {
			parts = append(parts, "days "+days)
		}
		return dash(strings.Join(parts, ", "))
	},
	"delay warning / failure": func(p Profile) string {
		return fmt.Sprintf("%.0f h / %.0f h", p.DelayWarning.Std().Hours(), p.DelayFailure.Std().Hours())
	},
	"kept, sender's / recipient's copy": func(p Profile) string { return years(p.KeepSent) + " / " + years(p.KeepReceived) },
}

func kindsOf(kinds []registry.Kind) string {
	var names []string
	for _, k := range kinds {
		switch k {
		case registry.StateBody:
			names = append(names, "state body")
		case registry.Proprietor:
			names = append(names, "sole proprietor")
		default:
			names = append(names, string(k))
		}
	}
	return strings.Join(names, ", ")
}

func counts(low, high Count) string { return thousands(low) + " / " + thousands(high) }

func thousands(c Count) string {
	if c >= 1000 {
		return fmt.Sprintf("%d,%03d", c/1000, c%1000)
	}
	return c.String()
}

func years(p Period) string {
	if p.Unlimited {
		return "without limit"
	}
	return fmt.Sprint(p.Years)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// TestShipped compares the shipped types with the table, cell by cell.
func TestShipped(t *testing.T) {
	r := rules(t)
	lines := strings.Split(strings.TrimSpace(shippedTable), "\n")
	types := row(lines[0])[1:]
	sorted := slices.Clone(types)
	if slices.Sort(sorted); !slices.Equal(r.Types(), sorted) {
		t.Fatalf("types %v, the table has %v", r.Types(), sorted)
	}
	shipped := map[string]Profile{}
	for _, p := range DefaultProfiles() { // not sorted within, as rules are
		shipped[p.Type] = p
	}
	seen := 0
	for _, line := range lines[1:] {
		cols := row(line)
		name, all := strings.CutSuffix(cols[0], " (all)")
		render, ok := cells[name]
		if !ok {
			t.Fatalf("no column %q", name)
		}
		seen++
		want := ""
		for i, letterType := range types {
			if !all || i == 0 {
				want = resolve(cols[i+1], want)
			}
			if got := render(shipped[letterType]); got != want {
				t.Errorf("%s of %s: %q, want %q", name, letterType, got, want)
			}
		}
	}
	if seen != len(cells) {
		t.Errorf("%d rows, want %d", seen, len(cells))
	}
}

// row parts a line of the table.
func row(line string) []string {
	cols := strings.Split(strings.Trim(line, "| "), " | ")
	for i := range cols {
		cols[i] = strings.TrimSpace(cols[i])
	}
	return cols
}

// resolve gives the meaning of a cell after the one before it.
func resolve(cell, before string) string {
	switch more, ok := strings.CutPrefix(cell, "+ "); {
	case cell == "same":
		return before
	case ok && strings.Contains(before, ","):
		return before + ", " + more
	case ok:
		return before + " " + more
	}
	// Of recipients "anyone in the registry", of years "1 y".
	return strings.ReplaceAll(strings.TrimSuffix(cell, " in the registry"), " y", "")
}

// TestShippedRest: what the table does not have, and what all types share.
func TestShippedRest(t *testing.T) {
	r := rules(t)
	if r.LargestSum() != 30*MiB || r.MostRecipients() != 1000 {
		t.Errorf("the largest sum is %s, the most recipients %s", r.LargestSum(), r.MostRecipients())
	}
	handover := []string{"notice", "notify", "post", "registered", "registered-ezp"}
	for _, p := range DefaultProfiles() {
		if !p.HTML || !p.FileNames || p.Timestamp != Optional || p.Assurance != "password" || p.Consent != ConsentNone || p.Wrap {
			t.Errorf("%s: %+v", p.Type, p)
		}
		if p.Handover != slices.Contains(handover, p.Type) {
			t.Errorf("%s: handover %t", p.Type, p.Handover)
		}
		if (len(p.Kinds) > 0) != (p.Type == "appeal") || (len(p.RequiredField) > 0) != (p.Type == "appeal") {
			t.Errorf("%s: kinds %v, fields %v", p.Type, p.Kinds, p.RequiredField)
		}
		waits := slices.Contains([]string{"registered", "registered-ezp", "post", "notice"}, p.Type)
		if p.Acknowledged() != waits {
			t.Errorf("%s waits for an acknowledgement: %t", p.Type, !waits)
		}
	}
}

// TestShippedRules: every type refuses what its column of the table refuses.
func TestShippedRules(t *testing.T) {
	r := rules(t)
	for _, test := range []struct {
		what   string
		of     string
		change func(*Letter)
		want   []Code
	}{
		{"zip", "notify", func(l *Letter) { l.Files[0] = file("a.zip", MiB) }, nil},
		{"zip", "simple", func(l *Letter) { l.Files[0] = file("a.zip", MiB) }, []Code{FileFormat}},
		{"file of 5 MiB", "notify", func(l *Letter) { l.Files[0].Size = int64(5 * MiB) }, nil},
		{"file of more", "notify", func(l *Letter) { l.Files[0].Size = int64(5*MiB) + 1 }, []Code{FileTooLarge}},
		{"Bcc", "notify", func(l *Letter) { l.Bcc = 1 }, []Code{BccForbidden}},
		{"client's signature", "notify", func(l *Letter) { l.Signature = SignatureValid }, nil},
		{"to a person", "registered", func(l *Letter) { l.Recipients[0] = to(registry.Person) }, []Code{RecipientKind}},
		{"to a person", "registered-ezp", func(l *Letter) { l.Recipients[0] = to(registry.Person) }, nil},
		{"to a person", "appeal", func(l *Letter) { l.Recipients[0] = to(registry.Person) }, []Code{RecipientKind}},
		{"to a person", "notice", func(l *Letter) { l.Recipients[0] = to(registry.Person) }, nil},
		{"without file", "registered", func(l *Letter) { l.Files = nil }, []Code{FilesMissing}},
		{"without file", "registered-ezp", func(l *Letter) { l.Files = nil }, nil},
		{"unsigned", "registered-ezp", func(l *Letter) { l.GatewaySigns = false }, []Code{SignatureMissing}},
		{"term of 30 days", "registered-ezp", func(l *Letter) { l.Term = Days(30) }, nil},
		{"term of 14 days", "registered-ezp", func(l *Letter) { l.Term = Days(14) }, nil},
		{"term of 31 days", "registered-ezp", func(l *Letter) { l.Term = Days(31) }, []Code{TermInvalid}},
		{"term without end", "registered-ezp", func(l *Letter) { l.Term = Period{Unlimited: true} }, []Code{TermInvalid}},
		{"its own term", "registered", func(l *Letter) { l.Term = Days(30) }, nil},
		{"term of 14 days", "registered", func(l *Letter) { l.Term = Days(14) }, []Code{TermInvalid}},
		{"term of 14 days", "simple", func(l *Letter) { l.Term = Days(14) }, []Code{TermInvalid}},
		{"two bodies", "appeal", func(l *Letter) { l.Recipients = append(l.Recipients, to(registry.StateBody)) }, []Code{TooManyRecipients}},
		{"no kind", "appeal", func(l *Letter) { l.Kind = "" }, []Code{KindMissing}},
		{"another kind", "appeal", func(l *Letter) { l.Kind = "praise" }, []Code{KindUnknown}},
		{"kind", "simple", func(l *Letter) { l.Kind = "complaint" }, []Code{KindUnwanted}},
		{"no fields", "appeal", func(l *Letter) { l.Fields = nil }, []Code{FieldMissing, FieldMissing, FieldMissing, FieldMissing}},
		{"blank phone", "appeal", func(l *Letter) { l.Fields[FieldPhone] = " " }, []Code{FieldMissing}},
		{"not with the post", "post", func(l *Letter) { l.Recipients[0].Entry.Post = false }, []Code{RecipientNoPost}},
		{"to another", "reply", func(l *Letter) { l.Correspondent = "other" }, []Code{RecipientScope}},
		{"ten files", "reply", func(l *Letter) { l.Files = slices.Repeat(l.Files, 10) }, nil},
		{"eleven files", "reply", func(l *Letter) { l.Files = slices.Repeat(l.Files, 11) }, []Code{TooManyFiles}},
		{"from an organisation", "notice", func(l *Letter) { l.Sender.Kind = registry.Organisation }, []Code{SenderKind}},
		{"unsigned", "notice", func(l *Letter) { l.GatewaySigns = false }, []Code{SignatureMissing}},
		{"to a thousand", "notice", func(l *Letter) { l.Recipients = slices.Repeat(l.Recipients, 1000) }, nil},
		{"to more", "notice", func(l *Letter) { l.Recipients = slices.Repeat(l.Recipients, 1001) }, []Code{TooManyRecipients}},
	} {
		l := whole(test.of)
		test.change(&l)
		if got := codes(r.Check(l).Violations); !slices.Equal(got, test.want) {
			t.Errorf("%s, %s: %v, want %v", test.of, test.what, got, test.want)
		}
	}
}
