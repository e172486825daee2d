package admin_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/transfer"
)

// What is asked for in vain has its kind, also over the socket; an import that
// the quota ends says what came before, and goes on behind it.
func TestTransferRefused(t *testing.T) {
	r := newRig(t)
	var account admin.Account
	add := admin.AccountAdd{Addresses: []string{"a@romashka.example"}, Registry: "romashka", Quota: 360 << 10}
	if err := r.Call(t.Context(), admin.OpAccountAdd, add, &account); err != nil {
		t.Fatal(err)
	}
	client := r.serve(t)
	var mbox strings.Builder
	for i := range 250 { // the first 200 have room
		fmt.Fprintf(&mbox, "From x Sat Nov 28 16:05:07 2026\nSubject: %d\n\n%s\n\n", i, strings.Repeat("x", 1500))
	}
	file := filepath.Join(t.TempDir(), "old.mbox")
	if err := os.WriteFile(file, []byte(mbox.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	in := admin.StoreImport{Account: "a@romashka.example", Path: file, Format: transfer.Mbox}
	bring := func(change func(*admin.StoreImport)) (out admin.StoreImported, err error) {
		asked := in
		change(&asked)
		err = client.Call(t.Context(), admin.OpStoreImport, asked, &out)
		return out, err
	}
	for _, test := range []struct {
		name   string
		change func(*admin.StoreImport)
		want   error
		text   string
	}{
		{"relative", func(in *admin.StoreImport) { in.Path = "old.mbox" }, admin.ErrInvalid, "no absolute path"},
		{"format", func(in *admin.StoreImport) { in.Format = "mh" }, admin.ErrInvalid, "neither maildir nor mbox"},
		{"no file", func(in *admin.StoreImport) { in.Path += "x" }, admin.ErrInvalid, "no such file"},
		{"nobody", func(in *admin.StoreImport) { in.Account = "b@romashka.example" }, admin.ErrNotFound, "no such account"},
		{"quota", func(*admin.StoreImport) {}, admin.ErrConflict, "200 messages had come before"},
	} {
		if _, err := bring(test.change); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	out, err := bring(func(in *admin.StoreImport) { in.OverQuota = true })
	if err != nil || out.Already != 200 || out.Messages != 50 || out.Account != "a@romashka.example" {
		t.Errorf("%+v, %v", out, err)
	}
	export := admin.StoreExport{Account: "a@romashka.example", Dir: filepath.Dir(file), Format: transfer.Mbox}
	if err := client.Call(t.Context(), admin.OpStoreExport, export, &struct{}{}); !errors.Is(err, admin.ErrInvalid) {
		t.Error(err)
	}
	export.Dir = filepath.Join(export.Dir, "out")
	var last admin.Progress
	ctx := admin.WithProgress(t.Context(), func(p admin.Progress) { last = p })
	var done admin.StoreExported
	if err := r.Call(ctx, admin.OpStoreExport, export, &done); err != nil || done.Messages < 250 {
		t.Errorf("%+v, %v", done, err)
	}
	if want := (admin.Progress{Stage: "exporting", Done: done.Messages, Total: done.Messages, Unit: "messages"}); last != want {
		t.Errorf("progress %+v", last)
	}
}
