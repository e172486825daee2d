package installation_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gosbridge/certs"
	"gosbridge/gateway/auth"
	"gosbridge/gateway/config"
	"gosbridge/gateway/gatewaytest"
	"gosbridge/gateway/installation"
	"gosbridge/mailstore/boltstore"
	"gosbridge/policy"
)

// leftovers are the entries of a folder but for those that are named.
func leftovers(t *testing.T, parent string, but ...string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(but) == 0 || e.Name() != but[0] {
			names = append(names, e.Name())
		}
	}
	return names
}

// What Create makes can be loaded, checked and opened, and nobody else can
// read its secrets.
func TestCreate(t *testing.T) {
	for name, before := range map[string]func(dir string) error{
		"absent": func(string) error { return nil },
		"empty":  func(dir string) error { return os.Mkdir(dir, 0o755) },
		"deep":   func(dir string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "gw")
			if name == "deep" {
				dir = filepath.Join(parent, "a", "b", "gw")
			}
			if err := before(dir); err != nil {
				t.Fatal(err)
			}
			made, err := installation.Create(t.Context(), dir, gatewaytest.Plan(t))
			if err != nil {
				t.Fatal(err)
			}
			if rest := leftovers(t, filepath.Dir(dir), "gw"); len(rest) > 0 {
				t.Errorf("left beside it: %v", rest)
			}
			loaded, err := installation.Load(dir)
			if err != nil || !reflect.DeepEqual(loaded, made) {
				t.Errorf("loaded %+v, %v; made %+v", loaded, err, made)
			}
			checkInstallation(t, made)
		})
	}
}

// openStore opens the store of an installation with its own master key.
func openStore(t *testing.T, cfg config.Config) *boltstore.Store {
	t.Helper()
	key, err := cfg.MasterKey.Read()
	if err != nil {
		t.Fatal(err)
	}
	store, err := boltstore.Open(t.Context(), boltstore.Options{Dir: cfg.Data, MasterKey: key})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// checkInstallation wants an installation that works and keeps its secrets.
func checkInstallation(t *testing.T, made installation.Installation) {
	t.Helper()
	cfg, err := config.Load(made.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certs.LoadSigner(cfg.Operator.Key, cfg.Operator.Certificate, "operator"); err != nil {
		t.Error(err)
	}
	for _, o := range cfg.Organisations {
		if _, err := certs.LoadSigner(o.Key, o.Certificate, o.Registry); err != nil {
			t.Error(err)
		}
	}
	if _, err := certs.LoadTrustStore(certs.Signing, cfg.Trust.Anchors, nil); err != nil {
		t.Error(err)
	}
	store := openStore(t, cfg)
	for _, login := range made.Logins {
		if _, err := store.Directory().AccountByAddress(t.Context(), login.Address); err != nil {
			t.Errorf("login %s: %v", login.Address, err)
		}
	}
	if err := errors.Join(store.Check(t.Context()), store.Close()); err != nil {
		t.Error(err)
	}
	err = filepath.WalkDir(made.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		secret := strings.HasSuffix(path, ".key") || e.Name() == "passwords.json" || e.Name() == "meta.db"
		if secret && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	login, ok := made.Login(gatewaytest.Sender, auth.Archive)
	if !ok || login.Password != gatewaytest.Password+"-archive" || login.Registry != "romashka" {
		t.Errorf("login %+v, %t", login, ok)
	}
	if _, ok := made.Login("nobody@x.example", auth.Person); ok {
		t.Error("a login of nobody")
	}
}

// A folder with something else in it is left alone.
func TestForeignFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := installation.Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load of an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "diary.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := installation.Create(t.Context(), dir, gatewaytest.Plan(t)); !errors.Is(err, installation.ErrForeign) {
		t.Errorf("create: %v", err)
	}
	if _, err := installation.Load(dir); !errors.Is(err, installation.ErrForeign) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load: %v", err)
	}
	if rest := leftovers(t, dir); len(rest) != 1 || rest[0] != "diary.txt" {
		t.Errorf("folder has %v", rest)
	}
	if rest := leftovers(t, filepath.Dir(dir), "home"); len(rest) > 0 {
		t.Errorf("left beside it: %v", rest)
	}
	if _, err := installation.Load(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("load of no folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "passwords.json"), []byte(`{"accounts":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := installation.Load(dir); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "passwords.json") {
		t.Errorf("load of a damaged one: %v", err)
	}
}

// A plan that cannot be carried out leaves nothing, wherever it fails.
func TestFailedPlan(t *testing.T) {
	for name, spoil := range map[string]func(*installation.Plan){
		"registry": func(p *installation.Plan) { p.Parties[0].Entry.INN = "1" },
		"profile":  func(p *installation.Plan) { p.Profiles = []policy.Profile{{Type: "broken", Recall: "sometimes"}} },
		"account":  func(p *installation.Plan) { p.Parties[1].Accounts[0].Address = p.Parties[0].Accounts[0].Address },
		"class":    func(p *installation.Plan) { p.Parties[2].Accounts[0].Credentials[0].Class = "robot" },
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			plan := gatewaytest.Plan(t)
			spoil(&plan)
			if _, err := installation.Create(t.Context(), filepath.Join(parent, "gw"), plan); err == nil {
				t.Error("created")
			}
			if rest := leftovers(t, parent); len(rest) > 0 {
				t.Errorf("left: %v", rest)
			}
		})
	}
}

// Of several that make the same folder at once one succeeds, and what it made
// is whole.
func TestCreateAtOnce(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "gw")
	var group sync.WaitGroup
	var made atomic.Int32
	for range 4 {
		plan := gatewaytest.Plan(t)
		group.Go(func() {
			if _, err := installation.Create(t.Context(), dir, plan); err == nil {
				made.Add(1)
			}
		})
	}
	group.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d of them succeeded", n)
	}
	if rest := leftovers(t, parent, "gw"); len(rest) > 0 {
		t.Errorf("left: %v", rest)
	}
	loaded, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkInstallation(t, loaded)
}

const (
	crashDir  = "GOSBRIDGE_TEST_CRASH_DIR"
	crashTick = "GOSBRIDGE_TEST_CRASH_TICK"
)

// TestCrashingCreate is the process that TestCrash kills: it makes a folder and
// dies when the clock is read for the n-th time.
func TestCrashingCreate(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("for TestCrash only")
	}
	n, err := strconv.ParseInt(os.Getenv(crashTick), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	plan := gatewaytest.Plan(t)
	var ticks atomic.Int64
	plan.Now = func() time.Time {
		if ticks.Add(1) == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it takes effect
		}
		return time.Now()
	}
	if _, err := installation.Create(t.Context(), dir, plan); err != nil {
		t.Fatal(err)
	}
}

// A process that is killed while it makes a folder leaves none of that name,
// and the next makes it.
func TestCrash(t *testing.T) {
	for n, step := 1, 1; ; n, step = n+step, step*2 {
		parent := t.TempDir()
		dir := filepath.Join(parent, "gw")
		cmd := exec.Command(os.Args[0], "-test.run=^TestCrashingCreate$")
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashTick+"="+strconv.Itoa(n))
		out, err := cmd.CombinedOutput()
		if err == nil {
			if n < 8 {
				t.Errorf("the clock was read %d times only", n)
			}
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%v\n%s", err, out)
		}
		if _, err := installation.Load(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("killed at %d: load: %v", n, err)
		}
		for _, name := range leftovers(t, parent) {
			if !strings.HasPrefix(name, "gw.new-") {
				t.Errorf("killed at %d: %s is left", n, name)
			}
		}
		made, err := installation.Create(t.Context(), dir, gatewaytest.Plan(t))
		if err != nil {
			t.Fatalf("killed at %d: create: %v", n, err)
		}
		checkInstallation(t, made)
	}
}
