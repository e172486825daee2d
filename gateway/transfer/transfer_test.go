package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/auth"
	"gosbridge/gateway/journal"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/message"
	"gosbridge/gateway/transfer"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
)

var formats = []transfer.Format{transfer.Maildir, transfer.Mbox}

var day = time.Date(2026, 11, 28, 19, 5, 7, 0, time.FixedZone("", 3*3600))

// rig is a store with a Mover.
type rig struct {
	*transfer.Mover
	t     *testing.T
	store mailstore.Store
}

func newRig(t *testing.T) *rig {
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: t.TempDir(), Create: true, BodyFiles: 1, MaxKeywords: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t: t, store: store, Mover: transfer.New(transfer.Options{Store: store, Owns: letter.Owns, Now: time.Now})}
}

// account makes an account with the usual mailboxes.
func (r *rig) account(name string, quota int64) mailstore.ID {
	a := mailstore.Account{ID: mailstore.NewID(), Holder: mailstore.NewID(), Addresses: []string{name + "@romashka.example"}, Created: day, Quota: quota}
	if err := r.store.Directory().CreateAccount(r.t.Context(), a, auth.StandardMailboxes()); err != nil {
		r.t.Fatal(err)
	}
	return a.ID
}

// put appends a message.
func (r *rig) put(account mailstore.ID, name, octets string, m mailstore.NewMessage) {
	r.t.Helper()
	summary, err := message.Index(strings.NewReader(octets), message.Limits{})
	if err != nil {
		r.t.Fatal(err)
	}
	m.EmailID, m.Summary = mailstore.NewID(), summary
	if m.Received.IsZero() {
		m.Received = day
	}
	if octets != "" {
		if m.Content.Body, err = r.store.Bodies().Put(r.t.Context(), strings.NewReader(octets)); err != nil {
			r.t.Fatal(err)
		}
		m.Content.Length = int64(len(octets))
	}
	err = r.store.Update(r.t.Context(), account, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName(name)
		if errors.Is(err, mailstore.ErrNoMailbox) {
			box, err = tx.CreateMailbox(name, "")
		}
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, m)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// contents is all that an account has, as text, in order.
func (r *rig) contents(account mailstore.ID) (list []string) {
	r.t.Helper()
	type row struct {
		name string
		m    *mailstore.Message
	}
	var rows []row
	err := r.store.View(r.t.Context(), account, func(tx mailstore.Tx) error {
		boxes, err := tx.Mailboxes()
		for _, b := range boxes {
			list = append(list, fmt.Sprintf("%s %s subscribed=%t %d", b.Name, b.Role, b.Subscribed, b.Messages))
			all := mailstore.UIDSet{}
			all.AddRange(1, 0)
			for m, err := range tx.Messages(b.ID, all, mailstore.FieldMeta|mailstore.FieldContent|mailstore.FieldSummary) {
				if err != nil {
					return err
				}
				rows = append(rows, row{b.Name, m})
			}
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, row := range rows {
		o, err := row.m.Content.Open(r.t.Context(), r.store.Bodies(), 0)
		if err != nil {
			r.t.Fatal(err)
		}
		octets, err := io.ReadAll(o)
		if err = errors.Join(err, o.Close()); err != nil {
			r.t.Fatal(err)
		}
		slices.Sort(row.m.Keywords)
		list = append(list, fmt.Sprintf("%s %d %v %s %x %q", row.name, row.m.Flags, row.m.Keywords, row.m.Received.UTC(), row.m.Summary, octets))
	}
	return list
}

// entries are the details of a kind of entry in the journal.
func (r *rig) entries(account mailstore.ID, kind string) (list []journal.Details) {
	r.t.Helper()
	err := r.store.View(r.t.Context(), account, func(tx mailstore.Tx) error {
		for rec, err := range tx.Journal(0, 0) {
			if err != nil {
				return err
			}
			if rec.Kind == kind {
				d, err := journal.ParseDetails(rec.Details)
				if err != nil {
					return err
				}
				list = append(list, d)
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func (r *rig) export(account mailstore.ID, dir string, f transfer.Format) transfer.Exported {
	r.t.Helper()
	out, err := r.Export(r.t.Context(), account, dir, f, journal.Details{"uid": "7"}, func(int64, int64) {})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) bring(account mailstore.ID, in transfer.Import) transfer.Imported {
	r.t.Helper()
	out, err := r.Import(r.t.Context(), account, in, func(int64, int64) {})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func differ(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d: %.400s\nwant %.400s", i, g, w)
		}
	}
}

// What goes out and in again is what it was; repeated it adds nothing.
func TestRoundTrip(t *testing.T) {
	for _, format := range formats {
		t.Run(string(format), func(t *testing.T) {
			r := newRig(t)
			from, to := r.account("from", 0), r.account("to", 0)
			all := mailstore.Seen | mailstore.Answered | mailstore.Flagged | mailstore.Deleted | mailstore.Draft
			r.put(from, "INBOX", "Subject: one\r\n\r\nFrom x\r\n>From y", mailstore.NewMessage{Flags: all, Keywords: []string{"$Forwarded", "work"}})
			r.put(from, "INBOX", "", mailstore.NewMessage{})
			r.put(from, "INBOX", "Subject: one\r\n\r\nFrom x\r\n>From y", mailstore.NewMessage{Received: day.Add(-time.Hour)}) // the same once more
			r.put(from, "INBOX", "Status: RO\nX-Keywords: own\n\nunix\n", mailstore.NewMessage{Received: time.Date(2001, 2, 3, 23, 59, 59, 0, time.FixedZone("", -5*3600))})
			r.put(from, "Дела/2026/№ 5.1", "Subject: \xff8bit\r\n\r\n"+strings.Repeat("x", 5<<20), mailstore.NewMessage{Flags: mailstore.Seen})
			r.put(from, "a.b/c\\d", "Subject: last\r\n\r\n", mailstore.NewMessage{})
			r.put(from, "Sent", "Subject: sent\r\n\r\nx\r\n", mailstore.NewMessage{Flags: mailstore.Seen})
			dir := filepath.Join(t.TempDir(), "out")
			out := r.export(from, dir, format)
			if out.Messages != 7 || out.Keywords != 0 || len(out.Renamed) != 0 {
				t.Errorf("exported %+v", out)
			}
			if e := r.entries(from, journal.Exported); len(e) != 1 || e[0]["messages"] != "7" || e[0]["format"] != string(format) || e[0]["uid"] != "7" {
				t.Errorf("journal %v", e)
			}
			in := transfer.Import{Path: dir, Format: format, Details: journal.Details{"uid": "7"}}
			got := r.bring(to, in)
			if got.Messages != 7 || got.Octets != out.Octets || got.Mailboxes != out.Mailboxes || got.Already != 0 {
				t.Errorf("imported %+v of %+v", got, out)
			}
			differ(t, r.contents(to), r.contents(from))
			if got := r.bring(to, in); got.Messages != 0 || got.Already != 7 {
				t.Errorf("again %+v", got)
			}
			differ(t, r.contents(to), r.contents(from))
			if e := r.entries(to, journal.Imported); len(e) != 4 || e[0]["mailbox"] == "" || e[0]["messages"] == "" {
				t.Errorf("journal %v", e)
			}
		})
	}
}

// An import that is interrupted goes on where it was, in the same order, and
// leaves no body without a name.
func TestInterrupted(t *testing.T) {
	r := newRig(t)
	from, to := r.account("from", 0), r.account("to", 0)
	for i := range 450 {
		r.put(from, "INBOX", fmt.Sprintf("Subject: %d\r\n\r\n", i/2), mailstore.NewMessage{}) // each twice
	}
	r.put(from, "INBOX", strings.Repeat("large ", 10_000), mailstore.NewMessage{})
	dir := filepath.Join(t.TempDir(), "out")
	r.export(from, dir, transfer.Mbox)
	in := transfer.Import{Path: dir, Format: transfer.Mbox}
	ctx, cancel := context.WithCancel(t.Context())
	out, err := r.Import(ctx, to, in, func(done, _ int64) {
		if done == 399 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || out.Messages != 200 {
		t.Fatalf("%+v, %v", out, err)
	}
	if out := r.bring(to, in); out.Already != 200 || out.Messages != 251 {
		t.Errorf("%+v", out)
	}
	r.bring(to, in) // which puts the large body again, and discards it
	differ(t, r.contents(to), r.contents(from))
	report, err := r.store.Sweep(t.Context(), 0)
	if err != nil || report.Kept != 2 || report.Removed != 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// An export that fails leaves nothing, and one never writes over anything.
func TestExportFails(t *testing.T) {
	r := newRig(t)
	a := r.account("a", 0)
	r.put(a, "INBOX", "Subject: x\r\n\r\n", mailstore.NewMessage{})
	r.put(a, "INBOX", "Subject: y\r\n\r\n"+strings.Repeat("x", 1<<20), mailstore.NewMessage{})
	above := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.Export(ctx, a, filepath.Join(above, "out"), transfer.Maildir, nil, func(int64, int64) { cancel() })
	if err == nil {
		t.Error("no error")
	}
	if list, err := os.ReadDir(above); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
	if err := os.WriteFile(filepath.Join(above, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{above, filepath.Join(above, "no", "such"), filepath.Join(above, "file")} {
		if _, err := r.Export(t.Context(), a, dir, transfer.Mbox, nil, func(int64, int64) {}); !errors.Is(err, transfer.ErrFolder) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := r.Export(t.Context(), a, filepath.Join(above, "x"), "mh", nil, func(int64, int64) {}); !errors.Is(err, transfer.ErrFormat) {
		t.Error(err)
	}
	if err := os.Mkdir(filepath.Join(above, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.export(a, filepath.Join(above, "empty"), transfer.Mbox)
}

// write makes files below a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Mailboxes with a special use are found under the names of other programs, but
// an account's own name comes first; what cannot be a name is told.
func TestRoles(t *testing.T) {
	r := newRig(t)
	a := r.account("a", 0)
	dir := write(t, map[string]string{
		".Sent Items/cur/1.x:2,S":         "Subject: sent\n\n",
		".Trash/cur/1.x:2,S":              "Subject: trash\n\n",
		".&BCMENAQwBDsENQQ9BD0ESwQ1-/cur": "", // no folder
		".Other.Sent/cur/1.x:2,":          "Subject: not sent\n\n",
		".a%b/cur/1.x:2,":                 "Subject: no name\n\n",
		"subscriptions":                   "x\n",
	})
	out := r.bring(a, transfer.Import{Path: dir, Format: transfer.Maildir})
	if out.Messages != 3 || !slices.Equal(out.NoName, []string{"a%b"}) {
		t.Errorf("%+v", out)
	}
	list := strings.Join(r.contents(a), "\n")
	for _, want := range []string{`Sent \Sent subscribed=true 1`, `Trash \Trash subscribed=true 1`, `Other/Sent  subscribed=false 1`} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
}

// Keywords of letters, and what is no keyword, are left out; so is what the
// mailbox has no room for.
func TestKeywords(t *testing.T) {
	r := newRig(t)
	a := r.account("a", 0)
	dir := write(t, map[string]string{
		"cur/1.x:2,abcd":   "Subject: x\n\n",
		"cur/2.x:2,efghij": "Subject: y\n\n",
		"cur/3.x:2,klmno":  "Subject: z\n\n",
		"dovecot-keywords": "0 good\n1 Letter-Accepted\n2 no atom\n3 Работа\n4 e\n5 f\n6 g\n7 h\n8 i\n9 j\n10 k\n11 l\n12 m\n13 n\n14 o\n",
	})
	if !letter.Owns("Letter-Accepted") {
		t.Fatal("the keyword belongs to nobody")
	}
	if out := r.bring(a, transfer.Import{Path: dir, Format: transfer.Maildir}); out.Keywords != 3+5 || out.Messages != 3 {
		t.Errorf("%+v", out)
	}
	if list := strings.Join(r.contents(a), "\n"); !strings.Contains(list, "[good]") || !strings.Contains(list, "[e f g h i j]") {
		t.Error(list)
	}
}

// The quota holds, unless it is not to.
func TestQuota(t *testing.T) {
	r := newRig(t)
	a := r.account("a", 100)
	in := transfer.Import{Path: filepath.Join(write(t, map[string]string{
		"Old": "From x Sat Nov 28 16:05:07 2026\n\n" + strings.Repeat("x", 60) + "\n\nFrom x Sat Nov 28 16:05:07 2026\n\n" + strings.Repeat("y", 60) + "\n",
	}), "Old"), Format: transfer.Mbox}
	if out, err := r.Import(t.Context(), a, in, func(int64, int64) {}); !errors.Is(err, mailstore.ErrQuota) || out.Messages != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	in.OverQuota = true
	if out := r.bring(a, in); out.Messages != 2 {
		t.Errorf("%+v", out)
	}
}

// What was expunged since an import does not come again within a day, and that
// is told.
func TestGone(t *testing.T) {
	r := newRig(t)
	a := r.account("a", 0)
	in := transfer.Import{Path: write(t, map[string]string{"cur/1.x:2,": "Subject: x\n\n"}), Format: transfer.Maildir}
	r.bring(a, in)
	err := r.store.Update(t.Context(), a, func(tx mailstore.UpdateTx) error {
		box, err := tx.MailboxByName("INBOX")
		if err != nil {
			return err
		}
		all := mailstore.UIDSet{}
		all.AddNum(1)
		_, err = tx.Expunge(box.ID, all, false)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := r.bring(a, in); out.Gone != 1 || out.Messages != 0 || out.Already != 0 {
		t.Errorf("%+v", out)
	}
}

// What cannot be imported is refused before anything is changed.
func TestImportRefused(t *testing.T) {
	r := newRig(t)
	a := r.account("a", 0)
	dir := write(t, map[string]string{"text": "no mail"})
	for _, in := range []transfer.Import{
		{Path: dir, Format: transfer.Maildir},
		{Path: dir, Format: transfer.Mbox},
		{Path: filepath.Join(dir, "text"), Format: transfer.Maildir},
		{Path: filepath.Join(dir, "none"), Format: transfer.Mbox},
		{Path: os.DevNull, Format: transfer.Mbox},
	} {
		if _, err := r.Import(t.Context(), a, in, func(int64, int64) {}); !errors.Is(err, transfer.ErrFolder) {
			t.Errorf("%+v: %v", in, err)
		}
	}
	before := r.contents(a)
	if _, err := r.Import(t.Context(), a, transfer.Import{Path: filepath.Join(dir, "text"), Format: transfer.Mbox}, func(int64, int64) {}); !errors.Is(err, transfer.ErrFolder) {
		t.Error(err)
	}
	differ(t, r.contents(a), before)
}
