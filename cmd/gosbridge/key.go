package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/mailstore/body"
)

func newKey(config *string) *cobra.Command {
	return group("key", "The master key", newKeyExport(config))
}

// exportedKey is where the master key was written to.
type exportedKey struct {
	File        string `json:"file"`
	Fingerprint string `json:"fingerprint"`
}

func newKeyExport(path *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "export FILE|-", Short: "Write the master key, for a safe", Args: exactly("FILE"),
		Long: "Write the master key into a new file, mode 0600, or with - to the standard output: as text\n" +
			"that can be printed and typed again, with a sum that tells of mistakes. The configuration\n" +
			"takes it as its key file. No backup can be read without it: until it was exported once,\n" +
			"gosbridge serve and gosbridge store backup warn. The key does not pass the gateway; that\n" +
			"only learns that it was written.",
		Example:           "  gosbridge key export /mnt/usb/master.key",
		ValidArgsFunction: folders,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsJSON(cmd) && args[0] == "-" {
				return fmt.Errorf("%w: --json tells of a file: name one", errUsage)
			}
			return exportKey(cmd, *path, args[0])
		},
	})
}

// exportKey compares the key of the configuration with that of the store before
// it writes it: another one would be taken for safe.
func exportKey(cmd *cobra.Command, path, file string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return hint(err, path)
	}
	key, err := cfg.MasterKey.Read()
	if err != nil {
		return err
	}
	done := exportedKey{File: file, Fingerprint: config.Fingerprint(key)}
	return operate(cmd, path, func(c caller) error {
		in := admin.KeyExported{Fingerprint: done.Fingerprint, DryRun: true}
		if err := c.Call(cmd.Context(), admin.OpKeyExported, in, &admin.KeyNoted{}); err != nil {
			return err
		}
		text := config.ExportMasterKey(key, time.Now())
		if file == "-" {
			if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
				return err
			}
		} else if err := writeNew(file, text); err != nil {
			return err
		}
		in.DryRun = false
		if err := c.Call(cmd.Context(), admin.OpKeyExported, in, &admin.KeyNoted{}); err != nil || file == "-" {
			return err
		}
		return show(cmd, done, sentence("%s: the master key, sum %s. Keep it in a safe, apart from the backups.",
			func(k exportedKey) []any { return []any{k.File, k.Fingerprint} }))
	})
}

// writeNew makes a file that only its owner can read, durably; one that is there
// is not touched.
func writeNew(path, text string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%w: %s is there already: name a new file", errUsage, path)
	}
	if err := fillFile(path, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil {
		return err
	}
	return body.SyncDir(filepath.Dir(path))
}
