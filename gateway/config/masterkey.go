package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Neither shows what was read instead of a key.
var (
	errMasterKey    = errors.New("want 64 hex digits")
	errMasterKeySum = errors.New("the digits do not fit the sum below them: one is mistyped")
)

// Read fetches the master key from its file or environment variable.
func (m MasterKey) Read() ([32]byte, error) {
	if m.Environment != "" {
		text, ok := os.LookupEnv(m.Environment)
		if !ok {
			return [32]byte{}, fmt.Errorf("master key: environment variable %s is not set", m.Environment)
		}
		key, err := parseMasterKey(text)
		if err != nil {
			return key, fmt.Errorf("master key in environment variable %s: %w", m.Environment, err)
		}
		return key, nil
	}
	info, err := os.Stat(m.File)
	if err != nil {
		return [32]byte{}, fmt.Errorf("master key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return [32]byte{}, fmt.Errorf("master key: %s can be read by others (mode %04o): chmod 600 it",
			m.File, info.Mode().Perm())
	}
	text, err := os.ReadFile(m.File)
	if err != nil {
		return [32]byte{}, fmt.Errorf("master key: %w", err)
	}
	key, err := parseMasterKey(string(text))
	if err != nil {
		return key, fmt.Errorf("master key in %s: %w", m.File, err)
	}
	return key, nil
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
