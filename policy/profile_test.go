package policy

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"gosbridge/policy/registry"
)

func rules(t *testing.T, profiles ...Profile) *Rules {
	t.Helper()
	if len(profiles) == 0 {
		profiles = DefaultProfiles()
	}
	r, err := NewRules(profiles)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDefaultProfilesAreFresh(t *testing.T) {
	DefaultProfiles()[0].Formats[0] = "exe"
	if DefaultProfiles()[0].Formats[0] == "exe" {
		t.Error("the shipped profiles can be changed")
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		want   string
		change func(*Profile)
	}{
		{`profile "Bad Name": the name`, func(p *Profile) { p.Type = "Bad Name" }},
		{`signature is "maybe", not one of forbidden, optional, required`, func(p *Profile) { p.Signature = "maybe" }},
		{`formats has "gif", not one of`, func(p *Profile) { p.Formats = append(p.Formats, "gif") }},
		{"text_min is 20000, more than text_max with 10000", func(p *Profile) { p.TextMin = 20_000 }},
		{`subject_min cannot be "unlimited"`, func(p *Profile) { p.SubjectMin = AnyCount }},
		{"file_max is 3MiB, more than sum_max with 2MiB", func(p *Profile) { p.FileMax = 3 * MiB }},
		{"file_max is unlimited, more than sum_max", func(p *Profile) { p.FileMax = AnySize }},
		{"file_max is 0", func(p *Profile) { p.FileMax = 0 }},
		{"sum_max is 0", func(p *Profile) { p.SumMax = 0 }},
		{"max_recipients is 0", func(p *Profile) { p.MaxRecipients = 0 }},
		{"name_max is 0", func(p *Profile) { p.NameMax = 0 }},
		{`recipients has "robot"`, func(p *Profile) { p.Recipients = []registry.Kind{"robot"} }},
		{`senders has "robot"`, func(p *Profile) { p.Senders = []registry.Kind{"robot"} }},
		{"recall_window is 0", func(p *Profile) { p.RecallWindow = 0 }},
		{`recall is ""`, func(p *Profile) { p.Recall = "" }},
		{"delay_warning is 1d, not before delay_failure with 1d", func(p *Profile) { p.DelayWarning = p.DelayFailure }},
		{"delay_warning and delay_failure must", func(p *Profile) { p.DelayFailure = 0 }},
		{"term is 0d, but", func(p *Profile) { p.Acknowledge = []Acknowledgement{AckButton} }},
		{`acknowledge has "nod"`, func(p *Profile) { p.Acknowledge = []Acknowledgement{"nod"} }},
		{`term cannot be "unlimited"`, func(p *Profile) { p.Term.Unlimited = true }},
		{"reminder_days has 0", func(p *Profile) { p.ReminderDays = []int{0} }},
		{"keep_sent is 0d", func(p *Profile) { p.KeepSent = Period{} }},
		{"keep_received is 0d", func(p *Profile) { p.KeepReceived = Period{} }},
		{`advise "nonsense" is not a reason code`, func(p *Profile) { p.Advise = []Code{"nonsense"} }},
		{`advise "malware" always refuses`, func(p *Profile) { p.Advise = []Code{Malware} }},
		{`assurance is "none"`, func(p *Profile) { p.Assurance = "none" }},
		{`required_fields has "shoe-size", not one of name, inn-or-snils, phone, email`, func(p *Profile) { p.RequiredField = []string{"shoe-size"} }},
		{`kinds has "Жалоба"`, func(p *Profile) { p.Kinds = []string{"Жалоба"} }},
		{"advise_dpi is -1", func(p *Profile) { p.AdviseDPI = -1 }},
		{"title is empty", func(p *Profile) { p.Title = "" }},
	} {
		p := simple()
		test.change(&p)
		r, err := NewRules([]Profile{registered(), p})
		if r != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
	if _, err := NewRules(nil); err == nil {
		t.Error("no profiles at all are accepted")
	}
	if _, err := NewRules([]Profile{simple(), simple()}); err == nil || !strings.Contains(err.Error(), "simple: defined twice") {
		t.Errorf("twice the same: %v", err)
	}
	bad := simple()
	bad.Signature, bad.Recall, bad.Title = "x", "y", ""
	if _, err := NewRules([]Profile{bad}); strings.Count(err.Error(), "profile simple: ") != 3 {
		t.Errorf("not all at once: %v", err)
	}
}

// TestProfileAsConfig writes and reads profiles as the configuration does.
func TestProfileAsConfig(t *testing.T) {
	for _, p := range append(DefaultProfiles(), Unlimited("bench")) {
		var b bytes.Buffer
		if err := toml.NewEncoder(&b).Encode(p); err != nil {
			t.Fatal(err)
		}
		back := Profile{Type: p.Type}
		meta, err := toml.Decode(b.String(), &back)
		if err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		if len(meta.Undecoded()) > 0 || back.Digest() != p.Digest() {
			t.Errorf("%s changed:\n%s\n%s", p.Type, p.Canonical(), back.Canonical())
		}
	}
	// Over a shipped profile, only what is named changes.
	p := simple()
	if _, err := toml.Decode("file_max = \"1MiB\"\nfiles_max = 3\nrecall_window = \"2s\"\nkeep_sent = \"unlimited\"\nrecipients = [\"body\"]", &p); err != nil {
		t.Fatal(err)
	}
	if p.FileMax != MiB || p.FilesMax != 3 || p.RecallWindow.Std() != 2*time.Second || !p.KeepSent.Unlimited || p.TextMax != 10_000 || len(p.Recipients) != 1 {
		t.Errorf("%+v", p)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := toml.Decode(`file_max = "ten"`, &p); err == nil {
		t.Error("a size in words is accepted")
	}
}

func TestDigest(t *testing.T) {
	p := simple()
	turned := p
	turned.Formats = slices.Clone(p.Formats)
	slices.Reverse(turned.Formats)
	turned.Formats = append(turned.Formats, turned.Formats[0])
	if p.Digest() != turned.Digest() {
		t.Error("the order of formats changes the digest")
	}
	if turned.Formats[0] != "png" {
		t.Error("Digest changed its profile")
	}
	seen := map[[32]byte]bool{p.Digest(): true}
	for _, change := range []func(*Profile){
		func(p *Profile) { p.Type = "other" },
		func(p *Profile) { p.FileMax = MiB },
		func(p *Profile) { p.Bcc = false },
		func(p *Profile) { p.Formats = p.Formats[1:] },
		func(p *Profile) { p.KeepSent = Years(2) },
		func(p *Profile) { p.RecallWindow++ },
		func(p *Profile) { p.Title = "x\ny = 1" },
	} {
		q := simple()
		change(&q)
		if d := q.Digest(); seen[d] {
			t.Errorf("a change leaves the digest:\n%s", q.Canonical())
		} else {
			seen[d] = true
		}
	}
	a, b := rules(t, simple(), registered()), rules(t, registered(), simple())
	if a.Digest() != b.Digest() || a.Digest() == rules(t, simple()).Digest() {
		t.Error("the digest of all depends on the order, or on nothing")
	}
}

// TestCanonical pins the form: evidence names its digest for years.
func TestCanonical(t *testing.T) {
	const want = `gosbridge profile 1
type = "registered"
acknowledge = ["button", "reply", "signed-receipt"]
advise_dpi = 300
annul = true
assurance = "password"
consent = "none"
delay_failure = "1d"
delay_warning = "12h"
file_max = "10MiB"
file_names = true
files_max = "5"
files_min = "1"
formats = ["docx", "pdf"]
free_max = "unlimited"
handover = true
html = true
keep_received = "5y"
keep_sent = "5y"
max_recipients = "20"
name_max = "255"
recall = "hold"
recall_window = "5m"
recipients = ["body", "organisation", "proprietor"]
remind = true
reminder_days = [7, 21, 28]
scope = "registry"
signature = "required"
subject_max = "150"
subject_min = "1"
sum_max = "20MiB"
term = "30d"
term_from = "delivery"
text_max = "10000"
text_min = "1"
timestamp = "optional"
title = "заказное"
title_en = "registered"
`
	if got := string(registered().Canonical()); got != want {
		t.Errorf("%s", got)
	}
}

func TestRecallFor(t *testing.T) {
	for _, test := range []struct {
		p              Profile
		waived, remote bool
		want           Recall
		window         time.Duration
	}{
		{simple(), false, false, RecallWithdraw, 5 * time.Minute},
		{simple(), false, true, RecallHold, 5 * time.Minute},
		{simple(), true, false, RecallNone, 0},
		{registered(), false, false, RecallHold, 5 * time.Minute},
		{registered(), true, true, RecallNone, 0},
		{Unlimited("bench"), false, true, RecallNone, 0},
	} {
		got, window := test.p.RecallFor(test.waived, test.remote)
		if got != test.want || window != test.window {
			t.Errorf("%s waived %v remote %v: %s %v", test.p.Type, test.waived, test.remote, got, window)
		}
	}
}
