package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Neither shows what was read instead of a key.
var (
	errMasterKey    = errors.New("want 64 hex digits")
	errMasterKeySum = errors.New("the digits do not fit the sum below them: one is mistyped")
)

const (
	// commandTime is how long a program may take to give the master key.
	commandTime = 30 * time.Second
	// credentials names the folder of a service's credentials (systemd.exec(5),
	// LoadCredential=).
	credentials = "CREDENTIALS_DIRECTORY"
)

// Read fetches the master key from where it is: its file, a credential of
// systemd, an environment variable, or what a program prints.
func (m MasterKey) Read() ([32]byte, error) {
	text, from, err := m.fetch()
	if err != nil {
		return [32]byte{}, fmt.Errorf("master key: %w", err)
	}
	key, err := parseMasterKey(text)
	if err != nil {
		return key, fmt.Errorf("master key %s: %w", from, err)
	}
	return key, nil
}

// fetch reads the text of the key, and says where it is from.
func (m MasterKey) fetch() (text, from string, err error) {
	switch {
	case m.Environment != "":
		text, ok := os.LookupEnv(m.Environment)
		if !ok {
			return "", "", fmt.Errorf("environment variable %s is not set", m.Environment)
		}
		return text, "in environment variable " + m.Environment, nil
	case m.Credential != "":
		folder, ok := os.LookupEnv(credentials)
		if !ok {
			return "", "", fmt.Errorf("credential %s: %s is not set: the service needs LoadCredential=%s:FILE", m.Credential, credentials, m.Credential)
		}
		// systemd sees to it that nobody else can read it.
		octets, err := os.ReadFile(filepath.Join(folder, m.Credential))
		return string(octets), "in credential " + m.Credential, err
	case len(m.Command) > 0:
		text, err := runForKey(m.Command)
		return text, "printed by " + m.Command[0], err
	}
	info, err := os.Stat(m.File)
	if err != nil {
		return "", "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", "", fmt.Errorf("%s can be read by others (mode %04o): chmod 600 it", m.File, info.Mode().Perm())
	}
	octets, err := os.ReadFile(m.File)
	return string(octets), "in " + m.File, err
}

// runForKey returns what a program prints. Its standard error is told where it
// fails, and what it printed never.
func runForKey(command []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = time.Second // a child of its own may keep the pipes open
	var complaint bytes.Buffer
	cmd.Stderr = &limited{to: &complaint, left: 500}
	var out bytes.Buffer
	cmd.Stdout = &limited{to: &out, left: 4096}
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s gave nothing within %s", command[0], commandTime)
	}
	if err != nil {
		if text := strings.TrimSpace(complaint.String()); text != "" {
			return "", fmt.Errorf("%s: %w: %s", command[0], err, text)
		}
		return "", fmt.Errorf("%s: %w", command[0], err)
	}
	return out.String(), nil
}

// limited keeps the first octets and drops the others.
type limited struct {
	to   *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.to.Write(p[:n])
	return len(p), nil
}

// validate checks that the key is in one place.
func (m MasterKey) validate(p *problems) {
	places := 0
	for _, set := range []bool{m.File != "", m.Environment != "", m.Credential != "", len(m.Command) > 0} {
		if set {
			places++
		}
	}
	if places != 1 {
		p.add("master_key", "set one of file, credential, environment and command (of the others, file = \"\" takes back the default)")
	}
	if m.Credential != "" && filepath.Base(m.Credential) != m.Credential {
		p.add("master_key.credential", "%q is no name of a credential", m.Credential)
	}
	if len(m.Command) > 0 && m.Command[0] == "" {
		p.add("master_key.command", "names no program")
	}
}

// Inside reports whether the key lies in a file below a folder, links followed:
// then whoever copies the folder has the key with it.
func (m MasterKey) Inside(folder string) bool {
	if m.File == "" {
		return false
	}
	file, err := filepath.EvalSymlinks(m.File)
	if err != nil {
		return false
	}
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return false
	}
	rel, err := filepath.Rel(folder, file)
	return err == nil && filepath.IsLocal(rel)
}

// Place says where the key is, for people.
func (m MasterKey) Place() string {
	switch {
	case m.Environment != "":
		return "environment variable " + m.Environment
	case m.Credential != "":
		return "credential " + m.Credential
	case len(m.Command) > 0:
		return "program " + m.Command[0]
	}
	return m.File
}

// FormatMasterKey gives the text that Read reads.
func FormatMasterKey(key [32]byte) string { return hex.EncodeToString(key[:]) + "\n" }

// exportNote stands above an exported key.
const exportNote = `# The master key of a gosbridge store, written %s.
#
# Whoever has this key, and the data folder or a backup of it, can read every
# letter. Whoever has lost it can read none, and no backup either. Keep it in a
# safe, apart from the backups.
#
# To use it, name this file in the configuration (master_key.file), with mode 0600.
# It can be typed from paper: blanks, and lines that begin with #, do not count.

`

// ExportMasterKey gives the text of a key for a safe, which Read reads too.
func ExportMasterKey(key [32]byte, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, exportNote, at.UTC().Format("2006-01-02 15:04 UTC"))
	for i := 0; i < len(key); i += 2 {
		b.WriteString(hex.EncodeToString(key[i : i+2]))
		if i%8 == 6 {
			b.WriteByte('\n')
		} else {
			b.WriteByte(' ')
		}
	}
	fmt.Fprintf(&b, "%s %s\n", sumWord, Fingerprint(key))
	return b.String()
}

// sumWord begins the line with the fingerprint.
const sumWord = "sum"

// Fingerprint tells one master key from another, and tells nothing else of it.
func Fingerprint(key [32]byte) string { return FingerprintOf(sha256.Sum256(key[:])) }

// FingerprintOf is the fingerprint of the key with a SHA-256.
func FingerprintOf(digest [sha256.Size]byte) string { return hex.EncodeToString(digest[:8]) }

// parseMasterKey reads 64 hex digits, parted by blanks as one likes, with a line
// "sum FINGERPRINT" or without.
func parseMasterKey(text string) (key [32]byte, err error) {
	digits, want := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if sum, ok := strings.CutPrefix(line, sumWord+" "); ok && want == "" {
			want = strings.TrimSpace(sum)
		} else if !strings.HasPrefix(line, "#") {
			digits += strings.Join(strings.Fields(line), "")
		}
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != len(key) {
		return key, errMasterKey
	}
	if copy(key[:], b); want != "" && !strings.EqualFold(want, Fingerprint(key)) {
		return [32]byte{}, errMasterKeySum
	}
	return key, nil
}
