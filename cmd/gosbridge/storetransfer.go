package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/transfer"
)

func newStoreExport(config *string) *cobra.Command {
	var in admin.StoreExport
	cmd := scriptable(&cobra.Command{
		Use: "export ACCOUNT DIR", Short: "Write the mail of an account as Maildir or mbox", Args: exactly("ACCOUNT", "DIR"),
		Long: "Write all mailboxes of an account into a folder, which is made: messages octet for octet,\n" +
			"with flags, keywords and dates, in files that only their owner can read. A gateway that\n" +
			"serves writes them, as the user that it runs as. The folder appears whole or not at all.\n" +
			"The export is written into the journal of the account.",
		Example:           "  gosbridge store export ivanov@romashka.example /mnt/move/ivanov --format maildir",
		ValidArgsFunction: thenFiles(config),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Account = args[0]
			if in.Dir, err = moving(in.Format, args[1]); err != nil {
				return err
			}
			return callLong(cmd, *config, admin.OpStoreExport, in, func(w io.Writer, e admin.StoreExported) error {
				fmt.Fprintf(w, "%s: %d messages of %d mailboxes, %.1f MiB, in %s\n", e.Account, e.Messages, e.Mailboxes, mebibytes(e.Octets), e.Dir)
				return left(w, e.Keywords, "under another name", e.Renamed)
			})
		},
	})
	formatFlag(cmd, &in.Format)
	return cmd
}

func newStoreImport(config *string) *cobra.Command {
	var in admin.StoreImport
	cmd := scriptable(&cobra.Command{
		Use: "import ACCOUNT PATH", Short: "Add mail from Maildir or mbox to an account", Args: exactly("ACCOUNT", "PATH"),
		Long: "Add the messages of a Maildir, of a folder of mbox files (*.mbox) or of one mbox file to an\n" +
			"account, with flags, keywords and dates. Mailboxes that are missing are made; a folder like\n" +
			"Sent goes where the account has its own. A gateway that serves reads the files, as the user\n" +
			"that it runs as. Repeated, also after an interruption, it brings only what is missing. The\n" +
			"import is written into the journal of the account.",
		Example:           "  gosbridge store import ivanov@romashka.example /mnt/move/ivanov --format maildir",
		ValidArgsFunction: thenFiles(config),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Account = args[0]
			if in.Path, err = moving(in.Format, args[1]); err != nil {
				return err
			}
			return callLong(cmd, *config, admin.OpStoreImport, in, showImport)
		},
	})
	formatFlag(cmd, &in.Format)
	cmd.Flags().BoolVar(&in.OverQuota, "over-quota", false, "also where the account's quota leaves no room")
	return cmd
}

func showImport(w io.Writer, i admin.StoreImported) error {
	fmt.Fprintf(w, "%s: %d messages of %d mailboxes, %.1f MiB, from %s", i.Account, i.Messages, i.Mailboxes, mebibytes(i.Octets), i.Path)
	if i.Already > 0 {
		fmt.Fprintf(w, "; %d were there", i.Already)
	}
	fmt.Fprintln(w)
	if i.Gone > 0 {
		fmt.Fprintf(w, "%d messages had come before and were expunged within the last day: they did not come again\n", i.Gone)
	}
	return left(w, i.Keywords, "left out, for no mailbox can have their names", i.NoName)
}

// left says what did not go as it was.
func left(w io.Writer, keywords int64, how string, mailboxes []string) error {
	if keywords > 0 {
		fmt.Fprintf(w, "%d keywords of messages were left out\n", keywords)
	}
	if len(mailboxes) > 0 {
		fmt.Fprintf(w, "mailboxes %s: %q\n", how, mailboxes)
	}
	return nil
}

// formatFlag gives a command the format.
func formatFlag(cmd *cobra.Command, format *transfer.Format) {
	cmd.Flags().StringVar((*string)(format), "format", "", "maildir or mbox")
	completes(cmd, "format", oneOf(string(transfer.Maildir), string(transfer.Mbox)))
}

// moving wants a format, and makes a path absolute.
func moving(format transfer.Format, path string) (string, error) {
	if !format.Valid() {
		return "", fmt.Errorf("%w: --format %s: want maildir or mbox", errUsage, format)
	}
	return filepath.Abs(path)
}

// thenFiles completes an account, and behind it names of files.
func thenFiles(config *string) cobra.CompletionFunc {
	account := arguments(config, "account")
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return account(cmd, args, typed)
	}
}
