package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing/iotest"
	"time"

	"gosbridge/mailstore"
	"gosbridge/mailstore/body"
)

var importTests = []test{
	{"keeps UIDs and modseqs", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		var list []mailstore.NewMessage
		for i := range 1300 {
			m := e.mail("")
			m.UID, m.ModSeq = mailstore.UID(10+i*2), mailstore.ModSeq(500+i%7)
			m.Keywords = []string{fmt.Sprint("k", i%3)}
			list = append(list, m)
		}
		from := func(n int, end error) iter.Seq2[mailstore.NewMessage, error] {
			return func(yield func(mailstore.NewMessage, error) bool) {
				for _, m := range list[:n] {
					if !yield(m, nil) {
						return
					}
				}
				if end != nil {
					yield(mailstore.NewMessage{}, end)
				}
			}
		}
		since := e.box(a, "INBOX").HighestMod
		e.is(e.s.Import(e.ctx, a, box, from(1100, errTest)), errTest, "import that breaks off")
		e.no(e.s.Import(e.ctx, a, box, from(len(list), nil)), "import again")
		e.no(e.s.Import(e.ctx, a, box, from(len(list), nil)), "import once more")
		got := e.messages(a, box, mailstore.FieldMeta)
		e.eq(len(got), len(list), "messages")
		for i, m := range got {
			if m.UID != list[i].UID || m.ModSeq != list[i].ModSeq || m.EmailID != list[i].EmailID || m.Keywords[0] != list[i].Keywords[0] {
				e.Fatalf("message %d: %+v, want %+v", i, m, list[i])
			}
		}
		now := e.box(a, "INBOX")
		e.eq(now.UIDNext, list[len(list)-1].UID+1, "UIDNEXT")
		if now.HighestMod < 506 {
			e.Errorf("HIGHESTMODSEQ %d below that of a message", now.HighestMod)
		}
		e.view(a, func(tx mailstore.Tx) error {
			c, err := tx.Changes(box, since)
			if n, _ := c.Changed.Nums(); len(n) != len(list) {
				e.Errorf("%d of %d imported messages in the changes", len(n), len(list))
			}
			return err
		})
		low := e.mail("")
		low.UID = 5
		err := e.s.Import(e.ctx, a, box, func(yield func(mailstore.NewMessage, error) bool) { yield(low, nil) })
		if err == nil {
			e.Error("import below UIDNEXT")
		}
		e.is(e.s.Import(e.ctx, a, 99, from(1, nil)), mailstore.ErrNoMailbox, "no mailbox")
		e.eq(e.append(a, box, e.mail("")).UID, now.UIDNext, "UID after the import")
	}},
}

var bodyTests = []test{
	{"small and large", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		rnd := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{1, 100, body.InlineLimit, body.InlineLimit + 1, 65536, 65537, 300000} {
			text := make([]byte, n)
			for i := range text {
				text[i] = byte(rnd.Uint32())
			}
			m := e.mail(string(text))
			m.Content.Suffix = []byte("tail")
			got := e.append(a, box, m)
			e.crash()
			var content mailstore.Content
			e.view(a, func(tx mailstore.Tx) error {
				for r, err := range tx.Messages(box, set(got.UID), mailstore.FieldContent) {
					if err != nil {
						return err
					}
					content = r.Content
				}
				return nil
			})
			whole := string(m.Content.Prefix) + string(text) + "tail"
			for _, offset := range []int{0, 1, len(whole) / 2, len(whole) - 5, len(whole) - 1, len(whole)} {
				text, err := e.read(content, int64(offset))
				e.no(err, "read")
				if text != whole[offset:] {
					e.Fatalf("body of %d octets from %d: other octets", n, offset)
				}
			}
		}
	}},
	{"part of a body", func(e *env) {
		a := e.account()
		box := e.inbox(a)
		m := e.mail("0123456789")
		m.Content.Offset, m.Content.Length = 3, 4
		e.append(a, box, m)
		c := e.messages(a, box, mailstore.FieldContent)[0].Content
		text, err := e.read(c, int64(len(c.Prefix))+1)
		e.no(err, "read")
		e.eq(text, "456", "octets")
		for _, wrong := range [][2]int64{{-1, 2}, {8, 3}, {0, -1}} {
			bad := e.mail("0123456789")
			bad.Content.Offset, bad.Content.Length = wrong[0], wrong[1]
			if err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error { _, err := tx.Append(box, bad); return err }); err == nil {
				e.Errorf("octets %v of a body of 10", wrong)
			}
		}
		if _, err := e.read(c, c.Size()+1); err == nil {
			e.Error("read beyond the message")
		}
	}},
	{"reader that fails", func(e *env) {
		_, err := e.s.Bodies().Put(e.ctx, io.MultiReader(strings.NewReader(strings.Repeat("x", 100000)), iotest.ErrReader(errTest)))
		e.is(err, errTest, "put")
		_, err = e.s.Bodies().Put(e.ctx, iotest.ErrReader(errTest))
		e.is(err, errTest, "put")
	}},
	{"not committed", func(e *env) {
		for _, text := range []string{"small", strings.Repeat("large", 10000)} {
			ref := e.put(text)
			r, err := e.s.Bodies().Open(e.ctx, ref, 1)
			e.no(err, "open")
			b, err := io.ReadAll(r)
			e.no(err, "read")
			e.eq(string(b) == text[1:], true, "octets")
			e.no(r.Close(), "close")
			e.no(e.s.Bodies().Discard(e.ctx, ref), "discard")
			e.no(e.s.Bodies().Discard(e.ctx, ref), "discard twice")
		}
		a := e.account()
		gone := e.put(strings.Repeat("x", 50000))
		gone.Place = 0
		err := e.s.Update(e.ctx, a, func(tx mailstore.UpdateTx) error {
			_, err := tx.Append(1, mailstore.NewMessage{EmailID: mailstore.NewID(), Content: mailstore.Content{Body: gone, Length: 1}})
			return err
		})
		e.is(err, body.ErrNotFound, "append of a body without place")
	}},
	{"shared between holders", testSharing},
	{"sweep", testSweep},
	{"sweep without grace", func(e *env) {
		a := e.account()
		for i, text := range []string{"small", strings.Repeat("large", 10000)} {
			e.append(a, 1, e.mail(text))
			c := e.messages(a, 1, mailstore.FieldContent)[0].Content
			e.expunge(a, 1, all(), false, fmt.Sprint(i+1))
			report, err := e.s.Sweep(e.ctx, 0)
			e.no(err, "sweep")
			e.eq(report.Removed, 1, "removed")
			_, err = e.read(c, 0)
			e.is(err, body.ErrNotFound, "read what was swept")
			e.verify()
		}
	}},
	{"named again after it was let go", func(e *env) {
		a := e.account()
		for i, text := range []string{"small", strings.Repeat("large", 10000)} {
			m := e.mail(text)
			e.append(a, 1, m)
			kept := e.messages(a, 1, mailstore.FieldContent)[0].Content.Body
			for j, ref := range []body.Ref{m.Content.Body, kept} {
				uid := mailstore.UID(i*3 + j + 1)
				e.expunge(a, 1, all(), false, fmt.Sprint(uid))
				again := e.mail("")
				again.Content.Body, again.Content.Length = ref, ref.Size
				e.append(a, 1, again)
			}
			e.clock.advance(48 * time.Hour)
			_, err := e.s.Sweep(e.ctx, 24*time.Hour)
			e.no(err, "sweep")
			e.verify()
			_, err = e.read(e.messages(a, 1, mailstore.FieldContent)[0].Content, 0)
			e.no(err, "read")
			e.expunge(a, 1, all(), false, fmt.Sprint(i*3+3))
		}
	}},
	{"held by an item", func(e *env) {
		a, b := e.account(), e.account()
		for _, text := range []string{"small", strings.Repeat("large", 10000)} {
			it := e.item(b, "delivery", "x", 0)
			it.Bodies = []body.Ref{e.put(text)}
			e.enqueue(a, it)
			e.clock.advance(48 * time.Hour)
			_, err := e.s.Sweep(e.ctx, 24*time.Hour)
			e.no(err, "sweep")
			e.crash()
			got := e.lease("delivery", "w", 1)[0]
			e.update(b, func(tx mailstore.UpdateTx) error {
				ref := got.Bodies[0]
				if _, err := tx.Append(1, mailstore.NewMessage{EmailID: it.ID, Content: mailstore.Content{Body: ref, Length: ref.Size}}); err != nil {
					return err
				}
				return tx.Complete(got)
			})
			e.clock.advance(48 * time.Hour)
			_, err = e.s.Sweep(e.ctx, 24*time.Hour)
			e.no(err, "sweep")
			list := e.messages(b, 1, mailstore.FieldContent)
			octets, err := e.read(list[len(list)-1].Content, 0)
			e.no(err, "read")
			e.eq(octets == text, true, "octets")
		}
	}},
}

// testSharing gives one body to two holders: each has it until its own last
// use goes, whatever the other does.
func testSharing(e *env) {
	a, b := e.account(), e.account()
	for i, text := range []string{"small text", strings.Repeat("large text ", 10000)} {
		m := e.mail(text)
		for _, account := range []mailstore.ID{a, b} {
			n := m
			n.EmailID = mailstore.NewID()
			e.append(account, 1, n)
		}
		uid := mailstore.UID(i + 1)
		e.copy(a, 1, set(uid), 2)
		ref := e.messages(a, 1, mailstore.FieldContent)[0].Content.Body
		e.eq(ref.Name, m.Content.Body.Name, "name of the body")
		e.expunge(a, 1, set(uid), false, fmt.Sprint(uid))
		list := e.messages(a, 2, mailstore.FieldContent)
		_, err := e.read(list[len(list)-1].Content, 0)
		e.no(err, "read the copy")
		e.expunge(a, 2, all(), false, fmt.Sprint(uid))
		e.clock.advance(48 * time.Hour)
		_, err = e.s.Sweep(e.ctx, 24*time.Hour)
		e.no(err, "sweep")
		list = e.messages(b, 1, mailstore.FieldContent)
		octets, err := e.read(list[0].Content, int64(len(m.Content.Prefix)))
		e.no(err, "read the other holder's")
		e.eq(octets == text, true, "octets of the other holder's")
		e.expunge(b, 1, all(), false, fmt.Sprint(uid))
		e.clock.advance(48 * time.Hour)
		report, err := e.s.Sweep(e.ctx, 24*time.Hour)
		e.no(err, "sweep")
		e.eq(report.Removed, 1, "bodies removed")
		_, err = e.read(mailstore.Content{Body: ref, Length: ref.Size}, 0)
		e.is(err, body.ErrNotFound, "read what nobody holds")
	}
}

// testSweep keeps a body readable for the time of grace.
func testSweep(e *env) {
	a := e.account()
	for i, text := range []string{"small", strings.Repeat("large", 10000)} {
		e.append(a, 1, e.mail(text))
		never := e.put(text)
		c := e.messages(a, 1, mailstore.FieldContent)[0].Content
		e.clock.advance(72 * time.Hour) // grace counts from when it was let go
		e.expunge(a, 1, all(), false, fmt.Sprint(i+1))
		report, err := e.s.Sweep(e.ctx, 24*time.Hour)
		e.no(err, "sweep")
		if len(never.Inline) > 0 { // else that one goes
			e.eq(report.Removed, 0, "removed within grace")
		}
		_, err = e.read(c, 0)
		e.no(err, "read within grace what was expunged")
		e.clock.advance(25 * time.Hour)
		report, err = e.s.Sweep(e.ctx, 24*time.Hour)
		e.no(err, "sweep")
		if report.Removed == 0 || report.Octets < int64(len(text)) {
			e.Errorf("after grace: %+v", report)
		}
		_, err = e.read(c, 0)
		e.is(err, body.ErrNotFound, "read after grace")
		if len(never.Inline) == 0 {
			_, err = e.s.Bodies().Open(e.ctx, never, 0)
			e.is(err, body.ErrNotFound, "read what was never named")
		}
	}
}

var secretTests = []test{
	{"nothing in clear text", func(e *env) {
		if e.f.Dir == nil {
			e.Skip("the data is in no folder")
		}
		secrets := map[string]string{
			"body": "the-secret-body", "large body": "the-secret-large-body", "prefix": "the-secret-prefix", "suffix": "the-secret-suffix",
			"summary": "the-secret-summary", "address": "the-secret-address@example.org", "account": "the-secret-name",
			"settings": "the-secret-settings", "mailbox": "The-Secret-Mailbox", "keyword": "The-Secret-Keyword", "letter": "the-secret-letter",
			"letter key": "<the-secret-key@example.org>", "message key": "<the-secret-message-key@example.org>", "evidence": "the-secret-evidence", "journal": "the-secret-journal", "salt": "the-secret-salt!",
			"item": "the-secret-item", "owner": "the-secret-owner", "credential": "the-secret-credential", "verifier": "the-secret-verifier",
			"setting": "the-secret-setting", "setting name": "the-secret-setting-name", "searched address": "the-secret-search@example.org",
			"text head": "the-secret-text-head", "text body": "the-secret-text-body",
		}
		e.writeSecrets(secrets)
		e.close()
		found := 0
		err := filepath.WalkDir(e.f.Dir(), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			data = bytes.TrimRight(data, "\x00") // room that was set aside
			if bytes.Contains(data, []byte("the-clear-number")) {
				found++
			}
			for what, secret := range secrets {
				if bytes.Contains(data, []byte(secret)) {
					e.Errorf("%s in clear text in %s", what, filepath.Base(path))
				}
			}
			for piece, what := range pieces(secrets) {
				if bytes.Contains(data, []byte(piece)) {
					e.Errorf("%q of the %s in clear text in %s", piece, what, filepath.Base(path))
				}
			}
			return nil
		})
		e.no(err, "search")
		if found == 0 {
			e.Error("the number, which is kept in the clear, was not found: the search does not work")
		}
		e.open()
	}},
}

// macOctets is how many octets of what is kept as a MAC are searched for
// together: the MAC is not long, so it could hold but a part in the clear.
const macOctets = 8

// pieces are all runs of macOctets in the secrets that are looked up by a MAC.
func pieces(secrets map[string]string) map[string]string {
	all := map[string]string{}
	for _, what := range []string{"address", "letter key", "message key", "setting name", "searched address"} {
		for i := range len(secrets[what]) - macOctets + 1 {
			all[secrets[what][i:i+macOctets]] = what
		}
	}
	return all
}

// writeSecrets puts every secret where it belongs.
func (e *env) writeSecrets(s map[string]string) {
	a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{s["address"]}, Name: s["account"], Data: []byte(s["settings"])}
	d := e.s.Directory()
	e.no(d.CreateAccount(e.ctx, a, nil), "create")
	e.no(d.PutCredential(e.ctx, mailstore.Credential{ID: mailstore.NewID(), Account: a.ID, Name: s["credential"], Data: []byte(s["verifier"])}), "credential")
	e.no(d.PutSetting(e.ctx, s["setting name"], []byte(s["setting"])), "setting")
	if _, err := d.AccountByAddress(e.ctx, s["searched address"]); !errors.Is(err, mailstore.ErrNoAccount) {
		e.Fatalf("by address: %v", err)
	}
	box := e.create(a.ID, s["mailbox"]).ID
	for _, text := range []string{s["body"], strings.Repeat(s["large body"], 3000)} {
		m := e.mail(text)
		m.Keywords, m.Summary, m.Keys = []string{s["keyword"]}, []byte(s["summary"]), []string{s["message key"]}
		m.Content.Prefix, m.Content.Suffix = []byte(s["prefix"]), []byte(s["suffix"])
		e.append(a.ID, box, m)
	}
	for _, l := range e.lacking(a.ID, 10) {
		text := mailstore.Text{Account: a.ID, EmailID: l.EmailID, Head: []byte(s["text head"]), Body: []byte(strings.Repeat(s["text body"], 500))}
		e.no(e.s.Texts().Put(e.ctx, []mailstore.Text{text}), "put text")
	}
	it := e.item(a.ID, "delivery", s["item"], 0)
	letter := mailstore.NewID()
	e.update(a.ID, func(tx mailstore.UpdateTx) error {
		l := mailstore.Letter{ID: letter, Role: mailstore.Sender, Number: "the-clear-number", At: e.clock.Now(), Data: []byte(s["letter"]), Keys: []string{s["letter key"]}}
		return errors.Join(tx.PutLetter(l), tx.Enqueue(it),
			tx.PutEvidence(mailstore.Evidence{ID: mailstore.NewID(), Letter: letter, Data: []byte(s["evidence"])}),
			tx.AppendJournal(mailstore.JournalRecord{Salt: []byte(s["salt"]), Details: []byte(s["journal"])}, nil))
	})
	e.lease("delivery", s["owner"], 1)
}
