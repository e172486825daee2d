package intake_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"gosbridge/gateway/intake"
	"gosbridge/policy"
)

// suffixed puts a word behind the local part of an address.
func suffixed(address, word string) string { return strings.Replace(address, "@", "+"+word+"@", 1) }

// TestLevels: the first level that speaks decides the type, for each recipient;
// two answers of one level refuse the letter.
func TestLevels(t *testing.T) {
	receipt := "Disposition-Notification-To: " + sender
	for name, test := range map[string]struct {
		account string // default type
		mail    string // suffix of MAIL FROM
		from    string // and of From
		to      []string
		notify  []string // of the first recipient
		lines   []string
		want    string
		codes   []policy.Code
	}{
		"header before sender":     {mail: "notify", lines: []string{"X-Letter-Type: simple"}, want: "simple"},
		"sender's MAIL FROM":       {mail: "notify", want: "notify"},
		"sender's From":            {from: "notify", want: "notify"},
		"short form":               {from: "увед", want: "notify"},
		"case":                     {from: "NOTIFY", want: "notify"},
		"both alike":               {mail: "notify", from: "УВЕДОМЛЕНИЕ", want: "notify"},
		"both differ":              {mail: "simple", from: "notify", codes: []policy.Code{policy.TypeConflict}},
		"differ below a header":    {mail: "simple", from: "notify", lines: []string{"X-Letter-Type: free"}, want: "free"},
		"unknown in From":          {from: "urgent", codes: []policy.Code{policy.TypeUnknown}},
		"unknown below a header":   {from: "urgent", lines: []string{"X-Letter-Type: free"}, codes: []policy.Code{policy.TypeUnknown}},
		"sender before recipient":  {mail: "simple", to: []string{suffixed(first, "notify")}, want: "simple"},
		"recipient":                {to: []string{suffixed(first, "notify")}, want: "notify"},
		"recipient before account": {account: "simple", to: []string{suffixed(first, "notify")}, want: "notify"},
		"recipients alike":         {to: []string{suffixed(first, "notify"), suffixed(second, "увед")}, want: "notify"},
		"recipients differ":        {to: []string{suffixed(first, "notify"), suffixed(second, "simple")}, codes: []policy.Code{policy.TypeConflict}},
		"one says nothing":         {to: []string{suffixed(first, "notify"), second}, codes: []policy.Code{policy.TypeConflict}},
		"one says the default":     {account: "notify", to: []string{suffixed(first, "notify"), second}, want: "notify"},
		"one twice":                {to: []string{suffixed(first, "notify"), first}, want: "notify"},
		"one twice, differently":   {to: []string{suffixed(second, "notify"), suffixed(other, "simple")}, codes: []policy.Code{policy.RecipientType}},
		"account":                  {account: "notify", want: "notify"},
		"gateway":                  {want: "free"},
		"NOTIFY":                   {account: "simple", notify: []string{"DELAY", "SUCCESS"}, want: "notify"},
		"NOTIFY of failures":       {account: "simple", notify: []string{"FAILURE"}, want: "simple"},
		"asks for an MDN":          {account: "simple", lines: []string{receipt}, want: "notify"},
		"asks for a receipt":       {account: "simple", lines: []string{"Return-Receipt-To: " + sender}, want: "notify"},
		"asks nobody":              {account: "simple", lines: []string{"Disposition-Notification-To:"}, want: "simple"},
		"asks, said to be simple":  {lines: []string{receipt, "X-Letter-Type: simple"}, want: "simple"},
		"asks, of another type":    {account: "free", lines: []string{receipt}, want: "free"},
		"answers nothing":          {account: "simple", lines: []string{"In-Reply-To: <a@b.example>"}, want: "simple"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.who.Settings.Type = test.account
			if test.to == nil {
				test.to = []string{first}
			}
			octets := mail(append(test.lines, "Cc: "+second+", "+other)...)
			env := r.envelope(test.to...)
			env.Recipients[0].Notify = test.notify
			if test.from != "" {
				octets = strings.Replace(octets, sender, suffixed(sender, test.from), 1)
			}
			if test.mail != "" {
				env.From = suffixed(sender, test.mail)
			}
			a, err := r.Accept(t.Context(), env, bytes.NewReader([]byte(octets)))
			if got := reasons(t, err); !slices.Equal(got, test.codes) {
				t.Fatalf("reasons %v, want %v", got, test.codes)
			}
			if a.Type != test.want {
				t.Errorf("type %s, want %s", a.Type, test.want)
			}
			if test.want == "" {
				return
			}
			out := r.record(a.Letter)
			if out.Facts.Sender.Address != sender {
				t.Errorf("evidence names the sender %s", out.Facts.Sender.Address)
			}
			for _, to := range out.Recipients {
				if strings.Contains(to.Party.Address, "+") {
					t.Errorf("evidence names the recipient %s", to.Party.Address)
				}
			}
		})
	}
}

func reasons(t *testing.T, err error) (codes []policy.Code) {
	t.Helper()
	var refusal *policy.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	if refusal != nil {
		for _, v := range refusal.Violations {
			codes = append(codes, v.Code)
		}
	}
	return codes
}

// TestSuffixAtTheDoor: what MAIL and RCPT make of suffixes.
func TestSuffixAtTheDoor(t *testing.T) {
	r := newRig(t)
	for address, want := range map[string][]policy.Code{
		sender: nil, suffixed(sender, "reg"): nil, suffixed(sender, "ЗАКАЗНОЕ"): nil, strings.ToUpper(suffixed(sender, "reg")): nil,
		suffixed(sender, "urgent"): {policy.TypeUnknown}, suffixed(first, "reg"): {policy.SenderNotOwned},
		suffixed(sender, ""): {policy.SenderNotOwned}, suffixed(sender, "reg+reg"): {policy.SenderNotOwned},
		"+reg@a.example": {policy.SenderNotOwned}, "sender+reg": {policy.SenderNotOwned}, "@": {policy.SenderNotOwned}, "": {policy.SenderNotOwned},
	} {
		if got := reasons(t, r.Sender(t.Context(), r.who, address, 0)); !slices.Equal(got, want) {
			t.Errorf("MAIL FROM %q: %v, want %v", address, got, want)
		}
	}
	for address, want := range map[string][]policy.Code{
		suffixed(first, "reg"): nil, suffixed(alias, "жалоба"): nil,
		suffixed(first, "urgent"): {policy.TypeUnknown}, suffixed("nobody@x.example", "reg"): {policy.RecipientUnknown},
	} {
		got, err := r.Recipient(t.Context(), r.who, intake.Recipient{Address: address})
		if codes := reasons(t, err); !slices.Equal(codes, want) {
			t.Errorf("RCPT TO %q: %v, want %v", address, codes, want)
		} else if want == nil && (got.Choice.Type == "" || got.Entry.ID == "") {
			t.Errorf("RCPT TO %q: %+v", address, got)
		}
	}
}

// TestRestoredFrom: the sent form names the sender without a suffix, and
// nothing else of it is touched.
func TestRestoredFrom(t *testing.T) {
	r := newRig(t)
	rest := "To: " + first + "\r\nSubject: a\r\n\r\nText from sender+notify@a.example\r\n"
	for name, test := range map[string]struct{ from, want string }{
		"plain":            {"From: sender+notify@a.example\r\n", "From: sender@a.example\r\n"},
		"angle":            {"FROM :  Иван <sender+notify@a.example>\r\n", "FROM :  Иван <sender@a.example>\r\n"},
		"as name too":      {"From: \"sender+notify@a.example\"\r\n <sender+notify@a.example>\r\n", "From: \"sender@a.example\"\r\n <sender@a.example>\r\n"},
		"case":             {"From: <Sender+NOTIFY@A.example>\r\n", "From: <Sender@A.example>\r\n"},
		"Russian":          {"From: <sender+увед@a.example>\r\n", "From: <sender@a.example>\r\n"},
		"Sender":           {"From: info@a.example\r\nSender: sender+notify@a.example\r\n", "From: info@a.example\r\nSender: sender@a.example\r\n"},
		"two of them":      {"From: sender+notify@a.example, info+notify@a.example\r\n", "From: sender@a.example, info@a.example\r\n"},
		"quoted":           {"From: \"Иванов, И.\" <\"sender+notify\"@a.example>\r\n", ""},
		"without a suffix": {"From:   <sender@a.example>\r\n", "From:   <sender@a.example>\r\n"},
		"with Bcc": {
			"From: sender+free@a.example\r\nBcc: " + second + "\r\n", "From: sender@a.example\r\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			to := []string{first}
			if strings.Contains(test.from, "Bcc") {
				to = append(to, second)
			}
			a := r.accept(test.from+rest, to...)
			got := r.sentForm(a)
			if test.want == "" { // written anew
				if head, text, _ := strings.Cut(got, "\r\n\r\n"); strings.Contains(head, "+") || !strings.Contains(head, "sender@a.example") || !strings.Contains(text, "+") {
					t.Errorf("sent form %q", got)
				}
				return
			}
			if got != test.want+rest {
				t.Errorf("sent form %q, want %q", got, test.want+rest)
			}
			facts := r.record(a.Letter).Facts
			if edited := test.from != test.want; (facts.Sent.Size > 0) != edited {
				t.Errorf("evidence of the sent form: %+v", facts.Sent)
			}
		})
	}
}

// TestSignedFrom: where the gateway signs, it signs the restored form; under
// the client's own signature From stays.
func TestSignedFrom(t *testing.T) {
	r := newRig(t)
	octets := strings.Replace(mail(), sender, suffixed(sender, "signed"), 1)
	form := r.sentForm(r.accept(octets, first))
	if !strings.HasPrefix(form, "From: <"+sender+">\r\n") || !strings.Contains(form, "multipart/signed") {
		t.Errorf("sent form\n%.400s", form)
	}
	clients := strings.NewReplacer(sender, suffixed(sender, "free"), "Content-Type: text/plain\r\n", "", "Text\r\n", "").Replace(mail())
	head, signed, ok := strings.Cut(form, "Content-Type: multipart/signed")
	if !ok {
		t.Fatal(head)
	}
	clients = strings.TrimSuffix(clients, "\r\n") + "Content-Type: multipart/signed" + signed
	if got := r.sentForm(r.accept(clients, first)); got != clients {
		t.Errorf("sent form\n%.400s\nwant\n%.400s", got, clients)
	}
}

// TestTerm: the sender's term is that of the letter where the type lets them
// choose.
func TestTerm(t *testing.T) {
	r := newRig(t)
	for line, want := range map[string]policy.Period{
		"X-A: b": {Days: 30}, "X-Letter-Term: 14d": {Days: 14}, "x-letter-term:\r\n 1m": {Months: 1},
	} {
		a := r.accept(mail("X-Letter-Type: registered-ezp", "X-Letter-Repeat: yes", line), first)
		if got := r.record(a.Letter).Term; got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]policy.Code{
		"X-Letter-Term: 31d": policy.TermInvalid, "X-Letter-Term: 0d": policy.OptionInvalid,
		"X-Letter-Term: soon": policy.OptionInvalid, "X-Letter-Term: unlimited": policy.TermInvalid,
	} {
		if got := r.codes(mail("X-Letter-Type: registered-ezp", line), first); !slices.Equal(got, []policy.Code{want}) {
			t.Errorf("%q: %v, want %s", line, got, want)
		}
	}
}

// TestAppealFields: what an appeal needs is taken from registry, account and
// header; what is missing is named.
func TestAppealFields(t *testing.T) {
	r := newRig(t)
	// All parties here are organisations, so each letter has that one fault.
	kind := policy.RecipientKind
	for name, test := range map[string]struct {
		phone string // of the account
		lines []string
		want  []policy.Code
	}{
		"nothing":         {"", nil, []policy.Code{policy.KindMissing, policy.FieldMissing, kind}},
		"account's phone": {"+79991234567", []string{"X-Letter-Kind: question"}, []policy.Code{kind}},
		"letter's phone":  {"", []string{"X-Letter-Kind: Question", "X-Letter-Phone: 8 (999) 123-45-67"}, []policy.Code{kind}},
		"not a phone":     {"", []string{"X-Letter-Kind: question", "X-Letter-Phone: 02"}, []policy.Code{policy.FieldMissing, policy.OptionInvalid, kind}},
		"not a SNILS":     {"+79991234567", []string{"X-Letter-Kind: question", "X-Letter-SNILS: 1"}, []policy.Code{policy.OptionInvalid, kind}},
		"not a kind":      {"+79991234567", []string{"X-Letter-Kind: praise"}, []policy.Code{policy.KindUnknown, kind}},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			r.who.Settings.Phone = test.phone
			got := r.codes(mail(append(test.lines, "X-Letter-Type: appeal")...), first)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// TestDescription: a type can require a description of each file.
func TestDescription(t *testing.T) {
	r := newRig(t)
	octets := func(field string) string {
		return "From: " + sender + "\r\nTo: " + first + "\r\nSubject: a\r\nX-Letter-Type: described\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: application/pdf\r\n" + field + "Content-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF-1.4\r\n"
	}
	r.accept(octets("Content-Description: =?utf-8?b?0JDQutGC?=\r\n"), first)
	if got := r.codes(octets(""), first); !slices.Equal(got, []policy.Code{policy.FileMetadata}) {
		t.Errorf("without: %v", got)
	}
}
