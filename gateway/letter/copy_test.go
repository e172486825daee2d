package letter_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/mailstore"
)

// sentHeader is the header of the sent form in these tests.
const sentHeader = "From: =?utf-8?B?0JjQstCw0L3QvtCy?= <Sender@a.example>\r\nTo: <r0@b.example>\r\n" +
	"Subject: =?utf-8?B?0JfQsNC/0YDQvtGBINC00L7QutGD0LzQtdC90YLQvtCy?=\r\n" + // Запрос документов
	"Date: Sun, 22 Nov 2026 09:00:00 +0300\r\nMessage-ID: <copy@client.example>\r\n"

// filing is a message that a mail program files.
type filing struct {
	header string // without the blank line
	box    mailstore.Role
	class  auth.Class
	flags  mailstore.Flags
	words  []string
	id     mailstore.ID
}

// own is the usual filing; change alters its header.
func own(change ...string) filing {
	return filing{
		header: strings.NewReplacer(change...).Replace(sentHeader), box: mailstore.RoleSent, class: auth.Person,
		flags: mailstore.Seen, id: mailstore.NewID(),
	}
}

// indexed is a header with a body as the store takes it.
func (r *rig) indexed(header string) (mailstore.Content, []byte) {
	r.t.Helper()
	octets := header + "\r\nText\r\n"
	ref, err := r.store.Bodies().Put(r.t.Context(), strings.NewReader(octets))
	if err != nil {
		r.t.Fatal(err)
	}
	summary, err := message.Index(strings.NewReader(octets), message.Limits{})
	if err != nil {
		r.t.Fatal(err)
	}
	return mailstore.Content{Body: ref, Length: ref.Size}, summary
}

// send accepts a letter whose sent form has sentHeader.
func (r *rig) send(serial uint64) mailstore.ID {
	r.t.Helper()
	return r.accept(serial, r.sentForm())
}

// sentForm gives a draft the sent form with sentHeader.
func (r *rig) sentForm() func(*letter.Draft) {
	r.t.Helper()
	content, summary := r.indexed(sentHeader)
	return func(d *letter.Draft) {
		d.Outgoing.Accepted = r.now.UTC()
		d.Outgoing.Facts.Letter.MessageID = "<copy@client.example>"
		d.Keys = letter.Keys(d.Number, "<copy@client.example>")
		prefix := letter.Header(d.Number, d.Type)
		form, err := message.DecodeSummary(summary)
		if err != nil {
			r.t.Fatal(err)
		}
		content.Prefix = prefix
		d.Copy.Content, d.Copy.Summary = content, form.WithPrefix(prefix)
	}
}

// file does what an APPEND does.
func (r *rig) file(f filing) (uid mailstore.UID) {
	r.t.Helper()
	content, summary := r.indexed(f.header)
	who := auth.Identity{Account: r.sender, Class: f.class}
	room := letter.NewMailroom(func() time.Time { return r.now })
	r.update(r.sender, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByRole(f.box)
		if err != nil {
			return err
		}
		m := mailstore.NewMessage{EmailID: f.id, Flags: f.flags, Keywords: f.words, Summary: summary, Content: content}
		if uid, err = room.OnAppend(tx, who, box, &m); uid != 0 || err != nil {
			return err
		}
		row, err := tx.Append(box.ID, m)
		uid = row.UID
		return err
	})
	return uid
}

// shown are the messages of a mailbox of the sender: UID, letter or not, flags
// and keywords.
func (r *rig) shown(role mailstore.Role) (lines []string) {
	r.t.Helper()
	r.view(r.sender, func(tx mailstore.Tx) error {
		box, err := tx.MailboxByRole(role)
		if err != nil {
			return err
		}
		all := mailstore.UIDSet{}
		all.AddRange(1, 0)
		for m, err := range tx.Messages(box.ID, all, mailstore.FieldMeta|mailstore.FieldContent) {
			if err != nil {
				return err
			}
			what := "own"
			if m.LetterID != (mailstore.ID{}) {
				what = "letter"
				if !bytes.HasPrefix(m.Content.Prefix, []byte("X-Letter-Number: ")) {
					r.t.Errorf("letter %d begins with %q", m.UID, m.Content.Prefix)
				}
			}
			words := slices.Clone(m.Keywords)
			slices.Sort(words)
			lines = append(lines, fmt.Sprint(m.UID, " ", what, " ", m.Flags, " ", words))
		}
		return nil
	})
	return lines
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// One copy stays in either order, where the message is the letter: the
// gateway's, with the flags that the mail program gave, and the record has the
// hidden recipients. Whatever is not surely the letter is kept beside it.
func TestOwnCopy(t *testing.T) {
	for name, c := range map[string]struct {
		filing filing
		same   bool
	}{
		"the same octets":      {own(), true},
		"subject as it is":     {own("=?utf-8?B?0JfQsNC/0YDQvtGBINC00L7QutGD0LzQtdC90YLQvtCy?=", "Запрос документов"), true},
		"subject folded":       {own("=?utf-8?B?0JfQsNC/0YDQvtGBINC00L7QutGD0LzQtdC90YLQvtCy?=", "Запрос\r\n документов"), true},
		"suffix":               {own("Sender@", "sender+registered@"), true},
		"Russian suffix":       {own("Sender@", "sender+заказное@"), true},
		"other display name":   {own("=?utf-8?B?0JjQstCw0L3QvtCy?=", "Office"), true},
		"other zone":           {own("09:00:00 +0300", "06:00:00 +0000"), true},
		"more fields":          {own("To:", "X-Mozilla-Status: 0001\r\nTo:"), true},
		"Bcc":                  {own("To:", "Bcc: Secret <s@b.example>, r1@b.example\r\nTo:"), true},
		"other subject":        {own("0LLQtdC9", "0LLQtdC8", "Subject: ", "Subject: Re: "), false},
		"no subject":           {own("Subject:", "X-Subject:"), false},
		"two subjects":         {own("To:", "Subject: Other\r\nTo:"), false},
		"other sender":         {own("Sender@a.example", "other@a.example"), false},
		"suffix of another":    {own("Sender@", "other+registered@"), false},
		"two senders":          {own("<Sender@a.example>", "<sender@a.example>, <other@a.example>"), false},
		"two From":             {own("To:", "From: <sender@a.example>\r\nTo:"), false},
		"looks like the owner": {own("Sender@", "\u017fender@"), false}, // the long s
		"other date":           {own("09:00:00", "09:00:01"), false},
		"no date":              {own("Date:", "X-Date:"), false},
		"unreadable date":      {own("Sun, 22 Nov 2026 09:00:00 +0300", "yesterday"), false},
		"no Message-ID":        {own("Message-ID:", "X-Message-ID:"), false},
		"other Message-ID":     {own("<copy@", "<Copy@"), false},
		"header too long":      {own("To:", "Bcc: "+strings.Repeat("somebody@b.example,\r\n ", 200)+"a@b.example\r\nTo:"), false},
		"of a system":          {func() filing { f := own(); f.class = auth.System; return f }(), false},
		"in another mailbox":   {func() filing { f := own(); f.box = mailstore.RoleDrafts; return f }(), false},
	} {
		f := c.filing
		f.flags, f.words = mailstore.Flagged|mailstore.Draft, []string{"$Forwarded"}
		t.Run(name+", letter first", func(t *testing.T) {
			r := newRig(t, 1)
			id := r.send(1)
			before := r.usage()
			uid := r.file(f)
			if !c.same {
				r.keptBeside(f, "1 letter 1 [Letter-Accepted]")
				return
			}
			if now := r.usage(); uid != 1 || now != before {
				t.Errorf("UID %d, usage %+v, was %+v", uid, now, before)
			}
			wantLines(t, "Sent", r.shown(mailstore.RoleSent), "1 letter 5 [$Forwarded Letter-Accepted]")
			r.wantBcc(id, f)
		})
		t.Run(name+", letter last", func(t *testing.T) {
			r := newRig(t, 1)
			uid := r.file(f)
			id := r.send(1)
			if !c.same {
				r.keptBeside(f, fmt.Sprintf("%d letter 1 [Letter-Accepted]", map[bool]int{true: 2, false: 1}[f.box == mailstore.RoleSent]))
				return
			}
			if uid != 1 {
				t.Errorf("UID %d", uid)
			}
			wantLines(t, "Sent", r.shown(mailstore.RoleSent), "2 letter 5 [$Forwarded Letter-Accepted]")
			r.wantBcc(id, f)
			// What is repeated after an unknown outcome is that copy.
			if uid := r.file(f); uid != 2 {
				t.Errorf("repeated: UID %d", uid)
			}
		})
	}
}

func (r *rig) usage() (u mailstore.Usage) {
	r.t.Helper()
	r.view(r.sender, func(tx mailstore.Tx) (err error) {
		u, err = tx.Usage()
		return err
	})
	return u
}

// keptBeside wants the filed message and the Sent copy, and nothing in the
// record.
func (r *rig) keptBeside(f filing, sent string) {
	r.t.Helper()
	all := r.shown(f.box)
	if f.box != mailstore.RoleSent {
		all = append(all, r.shown(mailstore.RoleSent)...)
	}
	stored, found := 0, false
	for _, l := range all {
		found = found || l == sent
		if strings.Contains(l, " own 20 [$Forwarded]") {
			stored++
		}
	}
	if len(all) != 2 || stored != 1 || !found {
		r.t.Errorf("messages %q", all)
	}
	for rec := range r.records() {
		if out := r.outgoing(rec); out.ClientCopy != (mailstore.ID{}) || out.Bcc != nil {
			r.t.Errorf("record has copy %s, Bcc %q", out.ClientCopy, out.Bcc)
		}
	}
}

// records are the letters of the sender.
func (r *rig) records() map[mailstore.ID]bool {
	r.t.Helper()
	all := map[mailstore.ID]bool{}
	r.view(r.sender, func(tx mailstore.Tx) error {
		for rec, err := range tx.Letters(mailstore.LetterFilter{Role: mailstore.Sender}) {
			if err != nil {
				return err
			}
			all[rec.ID] = true
		}
		return nil
	})
	return all
}

// wantBcc wants the filed message in the letter's record.
func (r *rig) wantBcc(id mailstore.ID, f filing) {
	r.t.Helper()
	out := r.outgoing(id)
	var want []string
	if strings.Contains(f.header, "Bcc:") {
		want = []string{"s@b.example", "r1@b.example"}
	}
	if out.ClientCopy != f.id || !slices.Equal(out.Bcc, want) {
		r.t.Errorf("record has copy %s, Bcc %q; want %s, %q", out.ClientCopy, out.Bcc, f.id, want)
	}
}

// Only within 24 hours, to the second, in either order.
func TestOwnCopyInTime(t *testing.T) {
	for wait, want := range map[time.Duration][2][]string{
		24 * time.Hour: {{"1 letter 1 [Letter-Accepted]"}, {"2 letter 1 [Letter-Accepted]"}},
		24*time.Hour + time.Second: {
			{"1 letter 1 [Letter-Accepted]", "2 own 1 []"}, {"1 own 1 []", "2 letter 1 [Letter-Accepted]"},
		},
	} {
		r := newRig(t, 1)
		r.send(1)
		r.now = r.now.Add(wait)
		r.file(own())
		wantLines(t, fmt.Sprint("filed after ", wait), r.shown(mailstore.RoleSent), want[0]...)
		r = newRig(t, 1)
		r.file(own())
		r.now = r.now.Add(wait)
		r.send(1)
		wantLines(t, fmt.Sprint("filed before, ", wait), r.shown(mailstore.RoleSent), want[1]...)
	}
}

// Once for each letter: the second copy is stored, in either order; two letters
// with one Message-ID take one each.
func TestOwnCopyOnce(t *testing.T) {
	r := newRig(t, 1)
	first := own()
	r.send(1)
	for i, f := range []filing{first, first, own()} {
		if uid, want := r.file(f), mailstore.UID(1+i/2); uid != want {
			t.Errorf("copy %d: UID %d, want %d", i, uid, want)
		}
	}
	wantLines(t, "letter first", r.shown(mailstore.RoleSent), "1 letter 1 [Letter-Accepted]", "2 own 1 []")
	r.send(2) // with X-Letter-Repeat: yes
	wantLines(t, "second letter", r.shown(mailstore.RoleSent), "1 letter 1 [Letter-Accepted]", "3 letter 1 [Letter-Accepted]")
	r.file(own())
	wantLines(t, "third copy", r.shown(mailstore.RoleSent), "1 letter 1 [Letter-Accepted]", "3 letter 1 [Letter-Accepted]", "4 own 1 []")

	r = newRig(t, 1)
	r.file(own())
	r.file(own())
	r.send(1)
	wantLines(t, "two copies first", r.shown(mailstore.RoleSent), "2 own 1 []", "3 letter 1 [Letter-Accepted]")
}

// inSent does something to the messages of Sent.
func (r *rig) inSent(do func(tx mailstore.UpdateTx, box mailstore.MailboxID, all mailstore.UIDSet) error) {
	r.t.Helper()
	r.update(r.sender, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByRole(mailstore.RoleSent)
		if err != nil {
			return err
		}
		all := mailstore.UIDSet{}
		all.AddRange(1, 0)
		return do(tx, box.ID, all)
	})
}

// A row that its owner has moved, deleted or marked for it stands for nothing:
// what comes is kept. A letter that was recalled has its copy all the same.
func TestOwnCopyGone(t *testing.T) {
	expunge := func(tx mailstore.UpdateTx, box mailstore.MailboxID, all mailstore.UIDSet) error {
		_, err := tx.Expunge(box, all, false)
		return err
	}
	mark := func(tx mailstore.UpdateTx, box mailstore.MailboxID, all mailstore.UIDSet) error {
		_, err := tx.SetFlags(box, all, mailstore.FlagChange{Op: mailstore.FlagsAdd, Flags: mailstore.Deleted})
		return err
	}
	move := func(tx mailstore.UpdateTx, box mailstore.MailboxID, all mailstore.UIDSet) error {
		to, err := tx.MailboxByRole(mailstore.RoleArchive)
		if err == nil {
			_, err = tx.Move(box, all, to.ID)
		}
		return err
	}
	for name, c := range map[string]struct {
		do           func(mailstore.UpdateTx, mailstore.MailboxID, mailstore.UIDSet) error
		first, later []string // what Sent shows then
	}{
		"expunged": {expunge, []string{"2 own 1 []"}, []string{"2 letter 1 [Letter-Accepted]"}},
		"moved":    {move, []string{"2 own 1 []"}, []string{"2 letter 1 [Letter-Accepted]"}},
		"marked":   {mark, []string{"1 letter 9 [Letter-Accepted]", "2 own 1 []"}, []string{"1 own 9 []", "2 letter 1 [Letter-Accepted]"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			r.send(1)
			r.inSent(c.do)
			r.file(own())
			wantLines(t, "letter first", r.shown(mailstore.RoleSent), c.first...)
			r = newRig(t, 1)
			r.file(own())
			r.inSent(c.do)
			r.send(1)
			wantLines(t, "letter last", r.shown(mailstore.RoleSent), c.later...)
		})
	}
	r := newRig(t, 1)
	id := r.send(1)
	r.change(id, letter.Change{Event: letter.EventRecall, At: r.now})
	r.file(own())
	wantLines(t, "recalled", r.shown(mailstore.RoleSent), "1 letter 1 [Letter-Recalled]")
}

// What a transition was prepared on may take the copy meanwhile: it is
// prepared anew and neither is lost.
func TestOwnCopyMakesStale(t *testing.T) {
	r := newRig(t, 1)
	id := r.send(1)
	stale := r.prepare(id, letter.Change{Event: letter.EventRecall, At: r.now})
	f := own("To:", "Bcc: s@b.example\r\nTo:")
	r.file(f)
	err := r.store.Update(t.Context(), r.sender.ID, func(tx mailstore.UpdateTx) error { return letter.Apply(tx, stale) })
	if err == nil {
		t.Fatal("a transition was applied to a record that changed")
	}
	if err := stale.Discard(t.Context(), r.store.Bodies()); err != nil {
		t.Fatal(err)
	}
	r.change(id, letter.Change{Event: letter.EventRecall, At: r.now})
	if out := r.outgoing(id); out.ClientCopy != f.id || len(out.Bcc) != 1 || out.State() != letter.Recalled {
		t.Errorf("record: copy %s, Bcc %q, %s", out.ClientCopy, out.Bcc, out.State())
	}
}

// The delivered form of a letter to oneself is no Sent copy, wherever it is.
func TestOwnCopyOfLetterToOneself(t *testing.T) {
	r := newRig(t, 0)
	r.accounts = []mailstore.Account{r.sender}
	id := r.send(1)
	content, summary := r.indexed(sentHeader)
	content.Prefix = []byte("X-Letter-Number: 1\r\n")
	r.inSent(func(tx mailstore.UpdateTx, box mailstore.MailboxID, all mailstore.UIDSet) error {
		if _, err := tx.Expunge(box, all, false); err != nil {
			return err
		}
		_, err := tx.Append(box, mailstore.NewMessage{
			EmailID: letter.ArrivalID(id, r.sender.ID), LetterID: id, Summary: summary, Content: content,
		})
		return err
	})
	if uid := r.file(own()); uid != 3 {
		t.Errorf("UID %d", uid)
	}
}

// A letter whose copy was filed before needs no more room than it: the copy
// gives way first.
func TestOwnCopyWithinQuota(t *testing.T) {
	r := newRig(t, 1)
	r.file(own("To:", "X-Filler: "+strings.Repeat("x", 200)+"\r\nTo:"))
	full := r.usage().Octets
	r.update(r.sender, func(tx mailstore.UpdateTx) error {
		a, err := tx.Account()
		if err != nil {
			return err
		}
		a.Quota = full
		return tx.PutAccount(a)
	})
	r.send(1)
	wantLines(t, "Sent", r.shown(mailstore.RoleSent), "2 letter 1 [Letter-Accepted]")
}

// An Update may run more than once: what a try has seen that was not committed
// is nothing to the next.
func TestOwnCopyTriedTwice(t *testing.T) {
	r := newRig(t, 1)
	f := own("To:", "Bcc: s@b.example\r\nTo:")
	f.flags, f.words = mailstore.Flagged, []string{"mine"}
	r.file(f)
	id, acceptance := r.acceptance(1, r.sentForm())
	undone := errors.New("undone")
	err := r.store.Update(t.Context(), r.sender.ID, func(tx mailstore.UpdateTx) error {
		return errors.Join(letter.Apply(tx, acceptance), undone)
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	wantLines(t, "after the first try", r.shown(mailstore.RoleSent), "1 own 4 [mine]")
	r.inSent(func(tx mailstore.UpdateTx, box mailstore.MailboxID, all mailstore.UIDSet) error {
		_, err := tx.Expunge(box, all, false)
		return err
	})
	r.update(r.sender, func(tx mailstore.UpdateTx) error { return letter.Apply(tx, acceptance) })
	wantLines(t, "after the second", r.shown(mailstore.RoleSent), "2 letter 1 [Letter-Accepted]")
	if out := r.outgoing(id); out.ClientCopy != (mailstore.ID{}) || out.Bcc != nil {
		t.Errorf("record has copy %s, Bcc %q", out.ClientCopy, out.Bcc)
	}
}
