package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/letter"
	"gosbridge/gateway/template"
	"gosbridge/mailstore"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
	"gosbridge/policy/registry"
)

// rig is a service over a fresh store, and what Import was given.
type rig struct {
	*admin.Service
	data     string
	store    mailstore.Store
	imported [][]byte
	asked    func() // when the time is asked for, unless nil
}

func newRig(t *testing.T) *rig { return newRigWith(t, nil) }

// newRigWith is newRig on a gateway with sessions; nil for a stopped one.
func newRigWith(t *testing.T, sessions admin.Sessions) *rig {
	t.Helper()
	// The path of a unix socket is short.
	data, err := os.MkdirTemp("", "gb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: data, Create: true, BodyFiles: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	reg := table(t, "romashka", "770708389")
	log := slog.New(slog.DiscardHandler)
	rules, err := policy.NewRules(policy.DefaultProfiles())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{data: data, store: store}
	r.Service = admin.New(admin.Options{
		Store: store, Checker: store, Now: r.now, Logger: log, Sessions: sessions,
		Office: letter.NewOffice(letter.Options{Store: store, Now: time.Now, Logger: log}),
		Accounts: template.New(template.Options{
			Store: store, Book: func() template.Book { return template.Book{Rules: rules, Registry: reg} }, Now: time.Now, Logger: log,
		}),
		Registry: func() *registry.Registry { return reg },
		Types:    rules.Types,
		Import: func(_ context.Context, csv []byte) error {
			r.imported = append(r.imported, csv)
			return nil
		},
	})
	return r
}

// now is the time.
func (r *rig) now() time.Time {
	if r.asked != nil {
		r.asked()
	}
	return time.Now()
}

// table is a registry of one organisation.
func table(t *testing.T, id, inn string) *registry.Registry {
	t.Helper()
	full, err := registry.MakeINN(inn)
	if err != nil {
		t.Fatal(err)
	}
	ogrn, err := registry.MakeOGRN("10277001" + inn[:4])
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.New([]registry.Entry{{
		ID: id, Kind: registry.Organisation, Name: "АО «" + id + "»", INN: full, KPP: inn[:4] + "01001", OGRN: ogrn,
		Addresses: []string{"info@" + id + ".example"}, Status: registry.Active,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

// serve serves the rig's socket until the test ends, and returns a client.
func (r *rig) serve(t *testing.T) *admin.Client {
	t.Helper()
	ln, err := admin.Listen(r.data)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, ln) }()
	client, err := admin.Dial(t.Context(), r.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		if _, err := os.Stat(admin.SocketPath(r.data)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("socket is still there: %v", err)
		}
		if _, err := admin.Dial(context.Background(), r.data); !errors.Is(err, admin.ErrNotServing) {
			t.Errorf("dial after the end: %v", err)
		}
	})
	return client
}

// caller is the service itself or a client of its socket.
type caller interface {
	Call(ctx context.Context, op string, request, out any) error
}

// Only the owner can reach the socket, whatever the folder was before.
func TestSocketPermissions(t *testing.T) {
	r := newRig(t)
	folder := filepath.Dir(admin.SocketPath(r.data))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	r.serve(t)
	for path, want := range map[string]fs.FileMode{folder: 0o700, admin.SocketPath(r.data): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

// What a process that was killed has left does not keep the next from serving.
func TestStaleSocket(t *testing.T) {
	r := newRig(t)
	stale, err := admin.Listen(r.data)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(admin.SocketPath(r.data)); err != nil {
		t.Fatalf("no stale socket to begin with: %v", err)
	}
	if _, err := admin.Dial(t.Context(), r.data); !errors.Is(err, admin.ErrNotServing) {
		t.Errorf("dial of a stale socket: %v", err)
	}
	var list []admin.Account
	if err := r.serve(t).Call(t.Context(), admin.OpAccountList, admin.AccountList{}, &list); err != nil {
		t.Error(err)
	}
}

// An error is of the same kind for a caller on either side of the socket.
func TestErrorKinds(t *testing.T) {
	r := newRig(t)
	good := admin.AccountAdd{Addresses: []string{"info@romashka.example"}, Name: "A", Registry: "romashka"}
	var account admin.Account
	if err := r.Call(t.Context(), admin.OpAccountAdd, good, &account); err != nil {
		t.Fatal(err)
	}
	number := letter.FormatNumber(time.Now(), 7)
	for _, test := range []struct {
		name    string
		op      string
		request any
		want    error
		text    string // that the operator needs
	}{
		{"unknown operation", "account/frobnicate", struct{}{}, admin.ErrInvalid, "no such operation"},
		{"unknown field", admin.OpAccountList, json.RawMessage(`{"limit":3}`), admin.ErrInvalid, `"limit"`},
		{"wrong type", admin.OpLetterShow, json.RawMessage(`{"number":3}`), admin.ErrInvalid, "number"},
		{"address taken", admin.OpAccountAdd, good, admin.ErrConflict, "info@romashka.example"},
		{"entry unknown", admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{"b@x.example"}, Registry: "nobody"}, admin.ErrInvalid, `"nobody"`},
		{"address invalid", admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{"no address"}, Registry: "romashka"}, admin.ErrInvalid, "no address"},
		{"class unknown", admin.OpCredentialAdd, admin.CredentialAdd{Account: good.Addresses[0], Name: "x", Class: "robot"}, admin.ErrInvalid, "robot"},
		{"type unknown", admin.OpCredentialAdd, admin.CredentialAdd{Account: good.Addresses[0], Name: "x", Type: "letter"}, admin.ErrInvalid, `"letter" is none of appeal, `},
		{"type unknown", admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{"b@x.example"}, Registry: "romashka", Type: "нет"}, admin.ErrInvalid, "registered"},
		{"account unknown", admin.OpCredentialAdd, admin.CredentialAdd{Account: "c@x.example", Name: "x"}, admin.ErrNotFound, "c@x.example"},
		{"account unknown", admin.OpAccountDisable, admin.AccountName{Account: "c@x.example"}, admin.ErrNotFound, "c@x.example"},
		{"account unknown", admin.OpAccountPassword, admin.AccountPassword{Account: "c@x.example", Password: "Passw0rd!"}, admin.ErrNotFound, "c@x.example"},
		{"password weak", admin.OpAccountPassword, admin.AccountPassword{Account: good.Addresses[0], Password: "password"}, admin.ErrInvalid, "8 characters"},
		{"credential unknown", admin.OpCredentialRevoke, admin.CredentialName{Account: good.Addresses[0], Credential: "x"}, admin.ErrNotFound, `"x"`},
		{"account unknown", admin.OpCredentialList, admin.CredentialList{Account: "c@x.example"}, admin.ErrNotFound, "c@x.example"},
		{"letter unknown", admin.OpLetterExport, admin.LetterExport{Number: number, Form: admin.Sent}, admin.ErrNotFound, number},
		{"quota negative", admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{"b@x.example"}, Registry: "romashka", Quota: -5}, admin.ErrInvalid, "quota -5"},
		{"name of two lines", admin.OpAccountAdd, admin.AccountAdd{Addresses: []string{"b@x.example"}, Registry: "romashka", Name: "A\nB"}, admin.ErrInvalid, `"A\nB"`},
		{"name with a tab", admin.OpCredentialAdd, admin.CredentialAdd{Account: good.Addresses[0], Name: "a\tb"}, admin.ErrInvalid, `"a\tb"`},
		{"name with a separator", admin.OpCredentialAdd, admin.CredentialAdd{Account: good.Addresses[0], Name: "a\u2028b"}, admin.ErrInvalid, `"a\u2028b"`},
		{"state unknown", admin.OpLetterList, admin.LetterList{State: "x"}, admin.ErrInvalid, `"x" is none of [accepted processing `},
		{"limit negative", admin.OpLetterList, admin.LetterList{Limit: -1}, admin.ErrInvalid, "-1"},
		{"limit negative", admin.OpRegistrySearch, admin.RegistrySearch{Text: "a", Limit: -1}, admin.ErrInvalid, "-1"},
		{"account unknown", admin.OpLetterList, admin.LetterList{Account: "c@x.example"}, admin.ErrNotFound, "c@x.example"},
		{"kind unknown", admin.OpRegistryList, admin.RegistryList{Kind: "x"}, admin.ErrInvalid, `"x"`},
		{"status unknown", admin.OpRegistryList, admin.RegistryList{Status: "x"}, admin.ErrInvalid, `"x"`},
		{"nothing to complete", admin.OpComplete, admin.Complete{Kind: "x"}, admin.ErrInvalid, `"x"`},
		{"number mistyped", admin.OpLetterShow, admin.LetterName{Number: "GP-200001-00000007-0"}, admin.ErrInvalid, "mistyped"},
		{"letter unknown", admin.OpLetterRecall, admin.LetterName{Number: number}, admin.ErrNotFound, number},
		{"entry not there", admin.OpRegistryShow, admin.RegistryShow{Entry: "nobody"}, admin.ErrNotFound, `"nobody"`},
		{"table invalid", admin.OpRegistryImport, admin.RegistryImport{CSV: []byte("id,kind\nx\n")}, admin.ErrInvalid, "row"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for side, c := range map[string]caller{"alone": r.Service, "socket": r.serve(t)} {
				var out any
				err := c.Call(t.Context(), test.op, test.request, &out)
				if !errors.Is(err, test.want) {
					t.Errorf("%s: %v, want %v", side, err, test.want)
				} else if !strings.Contains(err.Error(), test.text) || !strings.HasPrefix(err.Error(), test.op) {
					t.Errorf("%s: %q does not name %q", side, err, test.text)
				}
				if text := err.Error(); strings.Count(text, "invalid") > 1 || strings.Contains(text, "created") {
					t.Errorf("%s: %q says more than is wrong", side, text)
				}
				for _, other := range []error{admin.ErrInvalid, admin.ErrNotFound, admin.ErrConflict, admin.ErrTooLate} {
					if other != test.want && errors.Is(err, other) {
						t.Errorf("%s: %v is %v as well", side, err, other)
					}
				}
			}
		})
	}
	if len(r.imported) != 0 {
		t.Errorf("%d tables imported", len(r.imported))
	}
}

// Requests that are no JSON value of one kind are refused as such.
func TestMalformedRequests(t *testing.T) {
	r := newRig(t)
	r.serve(t)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", admin.SocketPath(r.data))
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	defer client.CloseIdleConnections()
	for _, body := range []string{`{`, `[]`, `{} {"limit":1}`, `{"number":"x"}garbage`, "\x00"} {
		resp, err := client.Post("http://gosbridge/"+admin.OpLetterList, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			t.Fatal(err)
		}
		var f struct{ Error, Kind string }
		if resp.StatusCode != http.StatusOK {
			if err := json.Unmarshal(answer, &f); err != nil {
				t.Errorf("%q: %v in %s", body, err, answer)
			}
		}
		if resp.StatusCode == http.StatusOK || f.Kind != "invalid" || f.Error == "" {
			t.Errorf("%q: %s %+v", body, resp.Status, f)
		}
	}
}

// A credential's secret is in the answer that made it and nowhere else.
func TestCredentialSecret(t *testing.T) {
	r := newRig(t)
	c := r.serve(t)
	add := admin.AccountAdd{Addresses: []string{"Info@Romashka.example"}, Name: "A", Registry: "romashka", Quota: 1000}
	var account admin.Account
	if err := c.Call(t.Context(), admin.OpAccountAdd, add, &account); err != nil {
		t.Fatal(err)
	}
	if account.Addresses[0] != "info@romashka.example" || account.Quota != 1000 || account.Sign != auth.SignGateway {
		t.Errorf("account %+v", account)
	}
	var made admin.NewCredential
	request := admin.CredentialAdd{Account: add.Addresses[0], Name: "laptop", Class: auth.Person}
	if err := c.Call(t.Context(), admin.OpCredentialAdd, request, &made); err != nil {
		t.Fatal(err)
	}
	if len(made.Secret) < 20 || made.Account != "info@romashka.example" {
		t.Errorf("credential %+v", made)
	}
	var raw json.RawMessage
	if err := c.Call(t.Context(), admin.OpAccountList, admin.AccountList{}, &raw); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(`"laptop"`)) || bytes.Contains(raw, []byte(made.Secret)) || bytes.Contains(raw, []byte("secret")) {
		t.Errorf("list of accounts: %s", raw)
	}
}

// A table is imported as it was given, and a dry run only counts.
func TestRegistryImport(t *testing.T) {
	r := newRig(t)
	c := r.serve(t)
	var csv bytes.Buffer
	if err := table(t, "vector", "780204812").WriteCSV(&csv); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		var got admin.RegistryImported
		if err := c.Call(t.Context(), admin.OpRegistryImport, admin.RegistryImport{CSV: csv.Bytes(), DryRun: dry}, &got); err != nil {
			t.Fatal(err)
		}
		if got.Entries != 1 || got.Added != 1 || got.Removed != 1 {
			t.Errorf("%+v", got)
		}
	}
	if len(r.imported) != 1 || !bytes.Equal(r.imported[0], csv.Bytes()) {
		t.Errorf("imported %q", r.imported)
	}
}
