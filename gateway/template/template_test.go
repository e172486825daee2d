package template

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rig is a store with a provider over it.
type rig struct {
	*Provider
	t     *testing.T
	store *boltstore.Store
}

// newRig makes a provider with the shipped profiles; change may alter them.
func newRig(t *testing.T, change func(map[string]*policy.Profile)) *rig {
	t.Helper()
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true, BodyFiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Check(context.Background()); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	profiles := policy.DefaultProfiles()
	byType := map[string]*policy.Profile{}
	for i := range profiles {
		byType[profiles[i].Type] = &profiles[i]
	}
	if change != nil {
		change(byType)
	}
	rules, err := policy.NewRules(profiles)
	if err != nil {
		t.Fatal(err)
	}
	words := policy.DefaultSuffixes()
	maps.DeleteFunc(words, func(_, name string) bool { _, ok := rules.Profile(strings.Split(name, "/")[0]); return !ok })
	suffixes, err := policy.NewSuffixes(rules, words)
	if err != nil {
		t.Fatal(err)
	}
	inn, err := registry.MakeINN("770100101")
	if err != nil {
		t.Fatal(err)
	}
	ogrn, err := registry.MakeOGRN("102770012345")
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New([]registry.Entry{
		{ID: "person", Kind: registry.Person, Name: "Иванов", Addresses: []string{"ivanov@a.example"}, Status: registry.Active},
		{ID: "body", Kind: registry.StateBody, Name: "Инспекция", Addresses: []string{"office@b.example"}, INN: inn, OGRN: ogrn, KPP: "770101001", Status: registry.Active},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, store: store, Provider: New(Options{
		Store: store, Default: "simple",
		Book: func() Book {
			return Book{Rules: rules, Suffixes: suffixes, Registry: reg, Signs: func(entry string) bool { return entry == "body" }}
		},
		Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler),
	})}
}

// add makes an account.
func (r *rig) add(id string, set auth.Settings) mailstore.Account {
	r.t.Helper()
	set.Registry = id
	a, err := r.AddAccount(r.t.Context(), auth.NewAccount{
		Addresses: []string{id + "@a.example"}, Name: "Иван Иванов", Settings: set, Now: noon,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// old makes an account as it was before there were templates.
func (r *rig) old() mailstore.Account {
	r.t.Helper()
	a := mailstore.Account{
		ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{"old@a.example"}, Name: "Old",
		Data: auth.Settings{Registry: "person", Language: "en", Phone: "+79991234567"}.Encode(),
	}
	boxes := []mailstore.NewMailbox{{Name: "Drafts", Role: mailstore.RoleDrafts}, {Name: "Sent", Role: mailstore.RoleSent}}
	if err := r.store.Directory().CreateAccount(r.t.Context(), a, boxes); err != nil {
		r.t.Fatal(err)
	}
	return a
}

// stored is one template as it is stored.
type stored struct {
	mailstore.Message
	header message.Header
	text   string
	octets []byte
}

// list reads the templates of an account; ok is false without the mailbox.
func (r *rig) list(a mailstore.Account) (list []stored, box mailstore.Mailbox, ok bool) {
	r.t.Helper()
	err := r.store.View(r.t.Context(), a.ID, func(tx mailstore.Tx) (err error) {
		if box, err = tx.MailboxByName("Templates"); err != nil {
			return nil
		}
		ok = true
		all := mailstore.UIDSet{}
		all.AddRange(1, 0)
		for m, err := range tx.Messages(box.ID, all, mailstore.FieldMeta|mailstore.FieldContent) {
			if err != nil {
				return err
			}
			list = append(list, stored{Message: *m})
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for i := range list {
		m := &list[i]
		rd, err := m.Content.Open(r.t.Context(), r.store.Bodies(), 0)
		if err != nil {
			r.t.Fatal(err)
		}
		if m.octets, err = io.ReadAll(rd); err != nil {
			r.t.Fatal(err)
		}
		rd.Close()
		parser := message.NewParser(message.Limits{})
		if _, err := parser.Write(m.octets); err != nil {
			r.t.Fatal(err)
		}
		msg := parser.Close()
		m.header, m.text = msg.Header, msg.Root.Text
	}
	return list, box, ok
}

// names are subject and sender of templates.
func names(list []stored) (names []string) {
	for _, m := range list {
		names = append(names, m.header.Text("Subject")+" | "+m.header.Addresses("From")[0].String())
	}
	return names
}

// A new account has a template of each type that it can send, in its language,
// from its address with the suffix that chooses the type.
func TestNewAccount(t *testing.T) {
	for _, c := range []struct {
		id   string
		set  auth.Settings
		want []string
	}{
		{"person", auth.Settings{}, []string{
			"Простое письмо | person@a.example", "Письмо с уведомлением | person+notify@a.example",
			"Заказное письмо | person+registered@a.example", "Электронное заказное письмо | person+registered-ezp@a.example",
			"Обращение: жалоба | person+complaint@a.example", "Обращение: предложение | person+proposal@a.example",
			"Обращение: запрос | person+question@a.example", "Обращение: заявление | person+statement@a.example",
			"Письмо через почтового оператора | person+post@a.example",
		}},
		{"body", auth.Settings{Language: "en", Type: "registered"}, []string{
			"Simple letter | body+simple@a.example", "Letter with notification | body+notify@a.example",
			"Registered letter | body@a.example", "Electronic registered letter | body+registered-ezp@a.example",
			"Appeal: complaint | body+complaint@a.example", "Appeal: proposal | body+proposal@a.example",
			"Appeal: question | body+question@a.example", "Appeal: statement | body+statement@a.example",
			"Letter through the postal operator | body+post@a.example", "Official notice | body+notice@a.example",
		}},
	} {
		r := newRig(t, nil)
		list, box, ok := r.list(r.add(c.id, c.set))
		if got := names(list); !ok || !slices.Equal(got, c.want) {
			t.Errorf("%s has\n%s", c.id, strings.Join(got, "\n"))
		}
		if box.Role != "" || !box.Subscribed || box.Unseen != 0 {
			t.Errorf("mailbox %+v", box)
		}
		for _, m := range list {
			r.checkTemplate(m)
		}
	}
}

// checkTemplate wants a plain message that is neither draft nor letter, and
// nothing in it that a mail program could stumble over.
func (r *rig) checkTemplate(m stored) {
	r.t.Helper()
	subject := m.header.Text("Subject")
	if m.Flags != mailstore.Seen || len(m.Keywords) > 0 || m.LetterID != (mailstore.ID{}) || !m.Received.Equal(noon) {
		r.t.Errorf("%s: flags %v %q, letter %s, received %s", subject, m.Flags, m.Keywords, m.LetterID, m.Received)
	}
	if m.header.Get("X-Unsent") != "1" || m.header.Get("X-Letter-Type") == "" || m.header.Has("To") || m.header.Get("MIME-Version") != "1.0" {
		r.t.Errorf("%s: header %q", subject, m.octets[:400])
	}
	if from := m.header.Addresses("From"); from[0].Name != "Иван Иванов" {
		r.t.Errorf("%s: from %q", subject, from[0].Name)
	}
	if (m.header.Get("X-Letter-Kind") != "") != (m.header.Get("X-Letter-Type") == "appeal") {
		r.t.Errorf("%s: type %q, kind %q", subject, m.header.Get("X-Letter-Type"), m.header.Get("X-Letter-Kind"))
	}
	for line := range bytes.SplitSeq(m.octets, []byte("\r\n")) {
		if len(line) > 78 || bytes.ContainsFunc(line, func(r rune) bool { return r > 126 || r < ' ' }) {
			r.t.Errorf("%s: line %q", subject, line)
		}
	}
	if strings.Contains(m.text, "%!") || strings.Contains(m.text, ": \n") || strings.Contains(m.text, ", ,") {
		r.t.Errorf("%s: text\n%s", subject, m.text)
	}
	r.t.Logf("%s\n%s", subject, m.text)
}

// The organisation's signature is promised only where the gateway makes it.
func TestSignaturePromised(t *testing.T) {
	for _, c := range []struct {
		entry string
		sign  auth.Signing
		want  string
	}{
		{"body", "", "required; your organisation signs unless you did"},
		{"body", auth.SignClient, "required; sign in your mail program"},
		{"person", "", "required; sign in your mail program"}, // without a key at the gateway
		{"person", auth.SignClient, "required; sign in your mail program"},
	} {
		r := newRig(t, nil)
		list, _, _ := r.list(r.add(c.entry, auth.Settings{Language: "en", Sign: c.sign}))
		if !slices.ContainsFunc(list, func(m stored) bool { return strings.Contains(m.text, "Signature: "+c.want) }) {
			t.Errorf("%s, signed by %q: no template says %q", c.entry, c.sign, c.want)
		}
		if c.want != "required; your organisation signs unless you did" &&
			slices.ContainsFunc(list, func(m stored) bool { return strings.Contains(m.text, "your organisation signs") }) {
			t.Errorf("%s, signed by %q: a template promises a signature", c.entry, c.sign)
		}
	}
}

// The guidance has the limits in force, in the language of the account.
func TestLimits(t *testing.T) {
	r := newRig(t, func(p map[string]*policy.Profile) {
		reg := p["registered"]
		reg.MaxRecipients, reg.FileMax, reg.SumMax, reg.FilesMin, reg.FilesMax = 7, 3*policy.MiB, policy.AnySize, 2, 2
		reg.Term, reg.RecallWindow = policy.Period{Months: 1, Days: 3}, policy.Duration(90*time.Minute)
		reg.TextMax, reg.Formats = policy.AnyCount, []string{"pdf"}
		reg.Recipients = []registry.Kind{registry.StateBody}
		p["notify"].Title, p["notify"].TitleEn = "особое", "special"
		p["notify"].Type = "special"
		p["post"].FilesMax, p["post"].FilesMin, p["post"].RecallWindow, p["post"].Recall = 0, 0, 0, policy.RecallNone
	})
	english, _, _ := r.list(r.add("person", auth.Settings{Language: "en", Sign: auth.SignClient}))
	russian, _, _ := r.list(r.add("body", auth.Settings{}))
	find := func(list []stored, subject string) string {
		for _, m := range list {
			if m.header.Text("Subject") == subject {
				return strings.ReplaceAll(m.text, "\r\n", "\n")
			}
		}
		t.Errorf("no %q among %q", subject, names(list))
		return ""
	}
	for _, c := range []struct {
		text string
		want []string
		not  []string
	}{
		{find(english, "Registered letter"), []string{
			"\nRecipients: state bodies; 7 at most\n", "\nSize of a file: 3 MiB at most\n", "\nFiles: 2\n", "\nFormats: pdf\n",
			"\nTerm of the acknowledgement: 1 months 3 d\n", "\nCan be recalled for: 1 h 30 min\n", "\nCharacters of the text: ≥ 1\n",
			"\nSignature: required; sign in your mail program\n", "\nHidden recipients (Bcc): none\n", "person+registered@a.example",
		}, []string{"All files together"}},
		{find(russian, "Заказное письмо"), []string{
			"\nПолучатели: государственные органы; не более 7\n", "\nРазмер файла: не более 3 МиБ\n", "\nСрок подтверждения: 1 мес. 3 дн.\n",
			"\nПодпись: обязательна; если вы не подписали письмо сами, его подпишет организация\n", "\nЗнаков в теме: 1–150\n",
		}, []string{"Recipients"}},
		{find(english, "Simple letter"), []string{
			"\nSignature: none", "\nAll files together: 2 MiB at most\n", "\nA letter is of this type unless another is chosen.\n",
			"\nRecipients: anyone in the registry; 50 at most\n",
		}, []string{"Hidden", "Term"}},
		{find(english, "Appeal: question"), []string{"\nWhat must be known of you: e-mail, INN or SNILS, name, phone\n"}, []string{"Term"}},
		{find(english, "Letter through the postal operator"), []string{"those registered with the postal operator", "\nFiles: 0\n"}, []string{"Formats", "recalled"}},
		{find(english, "Letter: special"), []string{"person+special@a.example"}, nil},
		{find(russian, "Письмо: особое"), []string{"body+special@a.example"}, nil},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.text, want) {
				t.Errorf("no %q in\n%s", want, c.text)
			}
		}
		for _, not := range c.not {
			if strings.Contains(c.text, not) {
				t.Errorf("%q in\n%s", not, c.text)
			}
		}
	}
}

// Whatever is shipped has its words in both languages.
func TestCatalogueComplete(t *testing.T) {
	check := func(what string, p phrase) {
		t.Helper()
		if !strings.ContainsFunc(p.ru, func(r rune) bool { return r >= 'А' && r <= 'я' }) || p.en == "" ||
			strings.ContainsFunc(p.en, func(r rune) bool { return r > 126 }) {
			t.Errorf("%s: %q, %q", what, p.ru, p.en)
		}
	}
	var types []string
	for _, p := range policy.DefaultProfiles() {
		if p.Scope != policy.ScopeCorrespondent {
			types = append(types, p.Type)
			check(p.Type, catalogue[p.Type].title)
			check(p.Type, catalogue[p.Type].purpose)
			if !slices.Contains(order, p.Type) {
				t.Errorf("%s has no place in the order", p.Type)
			}
		}
		for _, kind := range p.Kinds {
			check(kind, kinds[kind])
		}
	}
	if len(types) != len(catalogue) || len(types) != len(order) {
		t.Errorf("types %q, %d in the catalogue", types, len(catalogue))
	}
	for _, name := range policy.Fields() {
		check(name, fieldWords[name])
	}
	for _, kind := range registry.Kinds() {
		check(string(kind), parties[kind])
	}
}

// An account gets its templates once: not again after its owner deleted the
// mailbox or what was in it, and not into a mailbox that the owner has used.
func TestOnce(t *testing.T) {
	type tx = mailstore.UpdateTx
	for name, c := range map[string]struct {
		before, after func(tx) error // of the first provision
		want          int            // templates in the end; -1 without mailbox
	}{
		"old account": {nil, nil, 9},
		"deleted": {nil, func(tx tx) error {
			box, err := tx.MailboxByName("Templates")
			if err != nil {
				return err
			}
			return tx.DeleteMailbox(box.ID)
		}, -1},
		"emptied": {nil, func(tx tx) error {
			box, err := tx.MailboxByName("Templates")
			if err != nil {
				return err
			}
			all := mailstore.UIDSet{}
			all.AddRange(1, 0)
			_, err = tx.Expunge(box.ID, all, false)
			return err
		}, 0},
		"made by the mail program, empty": {func(tx tx) error {
			_, err := tx.CreateMailbox("Templates", "")
			return err
		}, nil, 9},
		"made by the mail program, used": {func(tx tx) error {
			box, err := tx.CreateMailbox("Templates", "")
			if err == nil {
				_, err = tx.Append(box.ID, mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Prefix: []byte("x")}})
			}
			if err == nil {
				_, err = tx.Expunge(box.ID, mailstore.UIDSet{{Start: 1, Stop: 1}}, false)
			}
			return err
		}, nil, 0},
		"name of a parent only": {func(tx tx) error {
			box, err := tx.CreateMailbox("Templates/mine", "")
			if err != nil {
				return err
			}
			parent, err := tx.MailboxByName("Templates")
			if err == nil && box.ID != parent.ID {
				err = tx.DeleteMailbox(parent.ID)
			}
			return err
		}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			a := r.old()
			if c.before != nil {
				r.update(a, c.before)
			}
			r.ProvideAll(t.Context())
			if c.after != nil {
				r.update(a, c.after)
			}
			r.ProvideAll(t.Context())
			list, box, ok := r.list(a)
			if ok != (c.want >= 0) || len(list) != max(c.want, 0) {
				t.Errorf("%d templates, mailbox %t", len(list), ok)
			}
			if c.want == 9 && c.before == nil && !box.Subscribed {
				t.Error("not subscribed")
			}
			r.kept(a)
		})
	}
}

func (r *rig) update(a mailstore.Account, fn func(mailstore.UpdateTx) error) {
	r.t.Helper()
	if err := r.store.Update(r.t.Context(), a.ID, fn); err != nil {
		r.t.Fatal(err)
	}
}

// kept wants the rest of the account as it was, and its other settings.
func (r *rig) kept(a mailstore.Account) {
	r.t.Helper()
	now, err := r.store.Directory().Account(r.t.Context(), a.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	set, err := auth.DecodeSettings(now.Data)
	if err != nil || !set.Templates || set.Phone != "+79991234567" || set.Language != "en" || now.Name != a.Name || now.Quota != a.Quota {
		r.t.Errorf("account %+v, settings %+v, %v", now, set, err)
	}
}

// Several that provide at the same time give the templates once, and leave no
// body behind; an account that is full gets them too.
func TestAtOnce(t *testing.T) {
	r := newRig(t, nil)
	a := r.old()
	r.update(a, func(tx mailstore.UpdateTx) error {
		a, err := tx.Account()
		if err != nil {
			return err
		}
		a.Quota = 1
		return tx.PutAccount(a)
	})
	a.Quota = 1
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := r.Provide(t.Context(), a); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if list, _, _ := r.list(a); len(list) != 9 {
		t.Errorf("%d templates", len(list))
	}
	r.kept(a)
	if report, err := r.store.Sweep(t.Context(), 0); err != nil || report.Kept+report.Removed != 0 {
		t.Errorf("bodies %+v, %v", report, err)
	}
}

// A damaged account hinders no other, and is told in the log.
func TestOneFails(t *testing.T) {
	r := newRig(t, nil)
	var log bytes.Buffer
	r.o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	broken := mailstore.Account{ID: mailstore.ID{1}, Holder: mailstore.NewID(), Addresses: []string{"x@a.example"}, Data: []byte("{")}
	if err := r.store.Directory().CreateAccount(t.Context(), broken, nil); err != nil {
		t.Fatal(err)
	}
	a := r.old()
	r.ProvideAll(t.Context())
	if list, _, _ := r.list(a); len(list) != 9 || !strings.Contains(log.String(), broken.ID.String()) {
		t.Errorf("%d templates; log %q", len(list), log.String())
	}
	if _, err := r.AddAccount(t.Context(), auth.NewAccount{Addresses: []string{"x@a.example"}, Settings: auth.Settings{Registry: "x"}, Now: noon}); err == nil {
		t.Error("an address was given twice")
	}
}
