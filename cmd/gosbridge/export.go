package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

// exported tells what was written.
type exported struct {
	Number  string `json:"number"`
	Form    string `json:"form"`
	Account string `json:"account"`
	File    string `json:"file"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"` // of the octets written
}

func newLetterExport(config *string) *cobra.Command {
	in := admin.LetterExport{Form: admin.Submitted}
	var file string
	cmd := scriptable(&cobra.Command{
		Use: "export NUMBER", Short: "Write the octets of a letter", Args: exactly("NUMBER"),
		Long: "Write the octets of a letter, in one of its forms, to the standard output or into a file\n" +
			"that only its owner can read. submitted: as the sender gave them, the octets that the\n" +
			"evidence names; sent: as they went out, signed where the gateway signed; delivered: as\n" +
			"they lie in a recipient's mailbox, with the gateway's header. The digest is compared with\n" +
			"the evidence. The export is written into the journal of the account.",
		Example:           "  gosbridge letter export GP-202611-00000001-8 -o letter.eml",
		ValidArgsFunction: arguments(config, "letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsJSON(cmd) && file == "" {
				return fmt.Errorf("%w: --json tells of a file: name one with -o", errUsage)
			}
			in.Number = args[0]
			return operate(cmd, *config, func(c caller) error { return exportLetter(cmd, c, in, file) })
		},
	})
	f := cmd.Flags()
	f.StringVar(&in.Form, "form", in.Form, "submitted, sent or delivered")
	f.StringVar(&in.Account, "account", "", "address of the recipient whose delivered copy is meant, where there are several")
	f.StringVarP(&file, "output", "o", "", "file to write, mode 0600; one that is there is replaced, a device or pipe is written into")
	completes(cmd, "form", oneOf(admin.Submitted, admin.Sent, admin.Delivered))
	completes(cmd, "account", anyOf(config, "account"))
	return cmd
}

// exportLetter writes a letter to a file or to the standard output.
func exportLetter(cmd *cobra.Command, c caller, in admin.LetterExport, file string) error {
	if file == "" {
		_, err := copyLetter(cmd.Context(), c, in, cmd.OutOrStdout())
		return err
	}
	place, special, err := exportTo(file)
	if err != nil {
		return err
	}
	write := fillFile
	if special {
		write = fillSpecial
	}
	var done exported
	if err := write(place, func(w io.Writer) (err error) {
		done, err = copyLetter(cmd.Context(), c, in, w)
		return err
	}); err != nil {
		return err
	}
	done.File = file
	return show(cmd, done, sentence("%s: %d octets, sha256 %s", func(e exported) []any { return []any{e.File, e.Size, e.SHA256} }))
}

// exportTo is where the octets for a path go: symbolic links are followed, so
// that none is replaced. special is what is written into: a device or a pipe.
func exportTo(path string) (place string, special bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return "", false, fmt.Errorf("%w: %s is a symbolic link to a file that is not there", errUsage, path)
		}
		return path, false, nil // a folder that is not there shows when it is written to
	}
	switch {
	case err != nil:
		return "", false, err
	case info.IsDir():
		return "", false, fmt.Errorf("%w: %s is a folder: name a file in it", errUsage, path)
	case info.Mode().IsRegular():
		place, err = filepath.EvalSymlinks(path)
		return place, false, err
	case info.Mode()&(fs.ModeCharDevice|fs.ModeNamedPipe) != 0:
		return path, true, nil
	}
	return "", false, fmt.Errorf("%w: %s is no file, no character device and no pipe", errUsage, path)
}

// fillFile makes a file, which appears whole or not at all.
func fillFile(path string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// fillSpecial writes into what is there and cannot be replaced.
func fillSpecial(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

// copyLetter reads a letter in parts, and compares its digest with the evidence
// where that names it.
func copyLetter(ctx context.Context, c caller, in admin.LetterExport, w io.Writer) (exported, error) {
	h := sha256.New()
	for {
		var part admin.LetterOctets
		if err := c.Call(ctx, admin.OpLetterExport, in, &part); err != nil {
			return exported{}, advise(admin.OpLetterExport, err)
		}
		h.Write(part.Octets)
		if _, err := w.Write(part.Octets); err != nil {
			return exported{}, err
		}
		in.Offset += int64(len(part.Octets))
		if in.Offset < part.Size && len(part.Octets) > 0 {
			continue
		}
		sum := fmt.Sprintf("%x", h.Sum(nil))
		switch {
		case in.Offset != part.Size:
			return exported{}, fmt.Errorf("letter %s ends at %d of %d octets", part.Number, in.Offset, part.Size)
		case part.SHA256 != "" && part.SHA256 != sum:
			return exported{}, fmt.Errorf("letter %s has sha256 %s, its evidence says %s: the store is damaged", part.Number, sum, part.SHA256)
		}
		return exported{Number: part.Number, Form: part.Form, Account: part.Account, Size: part.Size, SHA256: sum}, nil
	}
}
