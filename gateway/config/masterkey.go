package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// errMasterKey never shows what was read instead of a key.
var errMasterKey = errors.New("want 64 hex digits")

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

func parseMasterKey(text string) (key [32]byte, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != len(key) {
		return key, errMasterKey
	}
	copy(key[:], b)
	return key, nil
}
