package intake_test

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/intake"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/receipt"
	"gosbridge/mailstore"
	"gosbridge/policy"
)

// mail is a small letter to first with more header lines.
func mail(lines ...string) string {
	h := []string{"From: <" + sender + ">", "To: <" + first + ">", "Subject: Test", "MIME-Version: 1.0", "Content-Type: text/plain"}
	return strings.Join(append(h, lines...), "\r\n") + "\r\n\r\nText\r\n"
}

// The type of a letter is what its header says, else what the account has; a
// header that contradicts itself or says nothing known is refused.
func TestClassification(t *testing.T) {
	for name, test := range map[string]struct {
		account string // default type
		lines   []string
		want    string
		codes   []policy.Code
	}{
		"nothing":         {"", nil, "free", nil},
		"account":         {"simple", nil, "simple", nil},
		"header":          {"simple", []string{"X-Letter-Type: free"}, "free", nil},
		"case":            {"", []string{"x-letter-type: SIMPLE"}, "simple", nil},
		"twice the same":  {"", []string{"X-Letter-Type: simple", "X-Letter-Type: Simple"}, "simple", nil},
		"folded":          {"", []string{"X-Letter-Type:\r\n simple"}, "simple", nil},
		"empty":           {"simple", []string{"X-Letter-Type:"}, "simple", nil},
		"contradiction":   {"", []string{"X-Letter-Type: simple", "X-Letter-Type: free"}, "", []policy.Code{policy.TypeConflict}},
		"one empty":       {"", []string{"X-Letter-Type:", "X-Letter-Type: simple"}, "", []policy.Code{policy.TypeConflict}},
		"unknown":         {"", []string{"X-Letter-Type: urgent"}, "", []policy.Code{policy.TypeUnknown}},
		"unknown default": {"urgent", nil, "", []policy.Code{policy.TypeUnknown}},
		"recall":          {"", []string{"X-Letter-Recall: NONE"}, "free", nil},
		"recall unknown":  {"", []string{"X-Letter-Recall: maybe"}, "", []policy.Code{policy.OptionInvalid}},
		"recall twice":    {"", []string{"X-Letter-Recall: none", "X-Letter-Recall: hold"}, "", []policy.Code{policy.OptionInvalid}},
		"repeat unknown":  {"", []string{"X-Letter-Repeat: no"}, "", []policy.Code{policy.OptionInvalid}},
		"depth":           {"", []string{"X-Letter-Depth: Brief"}, "free", nil},
		"depth unknown":   {"", []string{"X-Letter-Depth: deep"}, "", []policy.Code{policy.OptionInvalid}},
		"all at once": {
			"", []string{"X-Letter-Type: a", "X-Letter-Type: b", "X-Letter-Depth: deep", "X-Letter-Recall: maybe"}, "",
			[]policy.Code{policy.TypeConflict, policy.OptionInvalid, policy.OptionInvalid, policy.TypeUnknown},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.who.Settings.Type = test.account
			octets := mail(test.lines...)
			if test.want != "" {
				if a := r.accept(octets, first); a.Type != test.want {
					t.Errorf("type %s, want %s", a.Type, test.want)
				}
				return
			}
			slices.Sort(test.codes)
			if got := r.codes(octets, first); !slices.Equal(got, test.codes) {
				t.Errorf("reasons %v, want %v", got, test.codes)
			}
		})
	}
}

// Recipients that the header hides are counted, whether a Bcc field names them
// or nothing does.
func TestBlind(t *testing.T) {
	to := func(fields ...string) string {
		return "From: " + sender + "\r\nSubject: Test\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\nText\r\n"
	}
	r := newRig(t)
	for name, test := range map[string]struct {
		octets string
		rcpt   []string
		blind  []bool
	}{
		"shown":               {to("To: " + first + ", " + second), []string{first, second}, []bool{false, false}},
		"in Cc":               {to("To: "+first, "Cc: X <"+strings.ToUpper(second)+">"), []string{first, second}, []bool{false, false}},
		"in Bcc":              {to("To: "+first, "Bcc: "+second), []string{first, second}, []bool{false, true}},
		"nowhere":             {to("To: " + first), []string{first, second}, []bool{false, true}},
		"all":                 {to("To: undisclosed-recipients:;"), []string{first, second}, []bool{true, true}},
		"by an alias":         {to("To: " + first + ", " + alias), []string{first, second}, []bool{false, false}},
		"by another address":  {to("To: " + first + ", " + other), []string{first, second}, []bool{false, false}},
		"no To":               {to("X-A: b"), []string{first}, []bool{true}},
		"shown and hidden":    {to("To: "+first, "Bcc: "+first), []string{first}, []bool{false}},
		"as a display name":   {to("To: \"" + first + "\" <" + second + ">"), []string{first}, []bool{true}},
		"in a group":          {to("To: all: " + first + ", " + second + ";"), []string{first, second}, []bool{false, false}},
		"in a second To":      {to("To: x@y.example", "Cc: "+first), []string{first}, []bool{false}},
		"only in Resent-To":   {to("To: x@y.example", "Resent-To: "+first), []string{first}, []bool{true}},
		"only in Reply-To":    {to("To: x@y.example", "Reply-To: "+first), []string{first}, []bool{true}},
		"in a comment only":   {to("To: x@y.example (" + first + ")"), []string{first}, []bool{true}},
		"in an encoded name":  {to("To: =?utf-8?q?first=40b=2Eexample?= <x@y.example>"), []string{first}, []bool{true}},
		"hidden by a subject": {to("To: x@y.example", "X-To: "+first), []string{first}, []bool{true}},
	} {
		t.Run(name, func(t *testing.T) {
			out := r.record(r.accept(test.octets, test.rcpt...).Letter)
			blind := 0
			for i, want := range test.blind {
				if out.Recipients[i].Blind != want {
					t.Errorf("%s blind: %t", out.Recipients[i].Party.Address, !want)
				}
				if want {
					blind++
				}
			}
			// A type without blind copies refuses just those.
			codes := r.codes("X-Letter-Type: registered\r\n"+test.octets, test.rcpt...)
			if got := slices.Contains(codes, policy.BccForbidden); got != (blind > 0) {
				t.Errorf("reasons %v with %d blind recipients", codes, blind)
			}
		})
	}
}

// Addresses of one account are one recipient.
func TestMerge(t *testing.T) {
	r := newRig(t)
	a := r.accept(mail(), first, second, other, first, alias)
	out := r.record(a.Letter)
	if a.Recipients != 2 || len(out.Recipients) != 2 {
		t.Fatalf("%d recipients told, %d kept", a.Recipients, len(out.Recipients))
	}
	if got := out.Recipients[1].Party.Address; got != second {
		t.Errorf("kept %s", got)
	}
}

// A submission is the same when sender, recipients, envelope id and octets
// are.
func TestRepetition(t *testing.T) {
	r := newRig(t)
	submit := func(octets string, change func(*intake.Envelope)) intake.Accepted {
		env := r.envelope(first, second)
		if change != nil {
			change(&env)
		}
		a, err := r.Accept(t.Context(), env, strings.NewReader(octets))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	once := submit(mail(), nil)
	for name, change := range map[string]func(*intake.Envelope){
		"same":  nil,
		"order": func(e *intake.Envelope) { slices.Reverse(e.Recipients) },
		"case": func(e *intake.Envelope) {
			e.From = strings.ToUpper(e.From)
			e.Recipients[0].Address = "First@B.example"
		},
		"credential": func(e *intake.Envelope) { e.Who.Name = "phone" },
		"notify":     func(e *intake.Envelope) { e.Recipients[0].Notify = []string{"NEVER"} },
	} {
		if a := submit(mail(), change); a.Number != once.Number || !a.Repeat || a.Letter != once.Letter {
			t.Errorf("%s: %s, repeat %t", name, a.Number, a.Repeat)
		}
	}
	seen := map[string]bool{once.Number: true}
	for name, a := range map[string]intake.Accepted{
		"octets":      submit(mail("X-A: b"), nil),
		"from":        submit(mail(), func(e *intake.Envelope) { e.From = "info@a.example" }),
		"envelope id": submit(mail(), func(e *intake.Envelope) { e.ID = "42" }),
		"fewer":       submit(mail(), func(e *intake.Envelope) { e.Recipients = e.Recipients[:1] }),
		"on purpose":  submit(mail("X-Letter-Repeat: yes"), nil),
		"once more":   submit(mail("X-Letter-Repeat: yes"), nil),
	} {
		if a.Repeat || seen[a.Number] {
			t.Errorf("%s: %s, repeat %t", name, a.Number, a.Repeat)
		}
		seen[a.Number] = true
	}
}

// The old number is answered for a day, and no longer.
func TestRepetitionEnds(t *testing.T) {
	for after, want := range map[time.Duration]bool{24*time.Hour - time.Second: true, 24*time.Hour + time.Second: false} {
		r := newRig(t)
		once := r.accept(mail(), first)
		r.later.Store(int64(after))
		if a := r.accept(mail(), first); a.Repeat != want || (a.Number == once.Number) != want {
			t.Errorf("after %s: repeat %t, %s after %s", after, a.Repeat, a.Number, once.Number)
		}
	}
}

// Fields that only the gateway writes are refused, and so are results of
// authentication in its name, however they are written.
func TestForgedHeaders(t *testing.T) {
	r := newRig(t)
	for _, field := range []string{
		"X-Letter-Number: GP-1", "x-letter-number: GP-1", "X-Letter-State: delivered", "X-Letter-Receipt: x",
		"X-Letter-Evidence: x", "X-Letter-Ack-Until: x", "X-LETTER-NUMBER:",
		"Authentication-Results: " + hostname + "; dkim=pass", "Authentication-Results: GW.Example; dkim=pass",
		"Authentication-Results: " + hostname + " 1; none", "Authentication-Results:\r\n " + hostname + ";\r\n spf=pass",
		"Authentication-Results: " + hostname, "Authentication-Results: " + hostname + " 2; ???",
		"Authentication-Results: (a (nested) comment) " + hostname + "; dkim=pass",
		"Authentication-Results: " + hostname + "(comment); dkim=pass", "Authentication-Results: \"" + hostname + "\"; dkim=pass",
		"Authentication-Results: (a; semicolon) " + hostname + "; dkim=pass", "Authentication-Results: " + hostname + ".; dkim=pass",
		"Authentication-Results: other.example; none\r\nAuthentication-Results: " + hostname + "; none",
	} {
		if got := r.codes(mail(field), first); !slices.Contains(got, policy.ForgedHeader) {
			t.Errorf("%q: %v", field, got)
		}
	}
	for _, field := range []string{
		"Authentication-Results: other.example; dkim=pass", "Authentication-Results: not-" + hostname + "; dkim=pass",
		"Authentication-Results: " + hostname + ".evil.example; dkim=pass", "Authentication-Results: (" + hostname + ") other.example; none",
		"X-Letter-Case: 7", "X-Letter-Numbers: 7",
	} {
		if got := r.codes(mail(field), first); len(got) > 0 {
			t.Errorf("%q: %v", field, got)
		}
	}
}

// From is one field with addresses of the account, and Sender is one of them.
func TestFrom(t *testing.T) {
	r := newRig(t)
	rest := "Subject: Test\r\nTo: " + first + "\r\n\r\nText\r\n"
	for fields, want := range map[string][]policy.Code{
		"From: Иванов <" + sender + ">\r\n":                                  nil,
		"From: INFO@A.example\r\n":                                           nil,
		"From: " + sender + ", info@a.example\r\nSender: " + sender + "\r\n": nil,
		"":                      {policy.FromMissing},
		"From:\r\n":             {policy.FromMissing},
		"From: nobody here\r\n": {policy.FromNotOwned},
		"From: " + sender + "\r\nFrom: " + sender + "\r\n":  {policy.FromRepeated},
		"From: " + first + "\r\n":                           {policy.FromNotOwned},
		"From: " + sender + ", " + first + "\r\n":           {policy.FromNotOwned},
		"From: \"" + sender + "\" <" + first + ">\r\n":      {policy.FromNotOwned},
		"From: " + sender + "\r\nSender: " + first + "\r\n": {policy.FromNotOwned},
		"From: friends: " + sender + ", " + first + ";\r\n": {policy.FromNotOwned},
		"From: <" + sender + "> <" + first + ">\r\n":        {policy.FromNotOwned},
		"From: " + first + "\r\nSender: " + second + "\r\n": {policy.FromNotOwned, policy.FromNotOwned},
	} {
		got := slices.DeleteFunc(r.codes(fields+rest, first), func(c policy.Code) bool {
			return c == policy.Malformed // a repeated field is that as well
		})
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", fields, got, want)
		}
	}
}

// A refusal leaves no body, no number and no letter, but a line in the
// journal.
func TestRefusalKeepsNothing(t *testing.T) {
	r := newRig(t)
	big := mail("X-Letter-Type: urgent") + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 1000)
	if got := r.codes(big, first); !slices.Equal(got, []policy.Code{policy.TypeUnknown}) {
		t.Fatalf("reasons %v", got)
	}
	report, err := r.store.Sweep(t.Context(), 0)
	if err != nil || report.Kept+report.Removed != 0 {
		t.Errorf("bodies %+v, %v", report, err)
	}
	r.view(func(tx mailstore.Tx) error {
		for rec := range tx.Letters(mailstore.LetterFilter{}) {
			t.Errorf("letter %s", rec.Number)
		}
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			if rec.Kind == journal.Created {
				continue // of the account
			}
			d, err := journal.ParseDetails(rec.Details)
			if err != nil || d["address"] != r.who.Remote.String() || d["credential"] != r.who.Name || d["reasons"] != string(policy.TypeUnknown) {
				t.Errorf("the journal says %v, %v", d, err)
			}
		}
		size, err := tx.JournalSize()
		if size != 2 { // with the making of the account
			t.Errorf("%d entries in the journal", size)
		}
		return err
	})
	if err := r.store.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// The evidence names the octets of DATA, and those sent where they differ.
func TestEvidenceNamesOctets(t *testing.T) {
	r := newRig(t)
	for _, octets := range []string{mail(), mail("Bcc: " + second)} {
		a := r.accept(octets, first)
		facts := r.record(a.Letter).Facts
		form := r.sentForm(a)
		if facts.Submitted != content(octets) {
			t.Errorf("submitted %+v", facts.Submitted)
		}
		if want := content(form); form != octets && facts.Sent != want || form == octets && facts.Sent != (receipt.Content{}) {
			t.Errorf("sent %+v, want %+v", facts.Sent, want)
		}
	}
}

func content(octets string) receipt.Content {
	return receipt.Content{SHA256: sha256.Sum256([]byte(octets)), Size: int64(len(octets))}
}
