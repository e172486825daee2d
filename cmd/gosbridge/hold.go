package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

// reasonFlag lets a command tell the journal why.
func reasonFlag(cmd *cobra.Command, reason *string) *cobra.Command {
	cmd.Flags().StringVar(reason, "reason", "", "why, for the journal: the order or case that asks for it")
	return cmd
}

func newLetterHold(config *string) *cobra.Command {
	var in admin.LetterHold
	return reasonFlag(scriptable(&cobra.Command{
		Use: "hold NUMBER", Short: "Put a letter on legal hold", Args: exactly("NUMBER"),
		Long: "Put a letter on legal hold: no copy of it, the sender's or a recipient's, is destroyed,\n" +
			"whatever its term says and whatever its owner does. Copies that are expunged or taken\n" +
			"back stay in the vault. It holds too for recipients whom the letter has yet to reach.",
		ValidArgsFunction: arguments(config, "letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Number = args[0]
			return call(cmd, *config, admin.OpLetterHold, in, sentence("%s is held; %d copies were not before", heldLetter))
		},
	}), &in.Reason)
}

func newLetterRelease(config *string) *cobra.Command {
	var in admin.LetterHold
	return reasonFlag(scriptable(&cobra.Command{
		Use: "release NUMBER", Short: "Release a letter from legal hold", Args: exactly("NUMBER"),
		Long: "Release a letter from legal hold. Its copies have their terms again; what is over is\n" +
			"told to its owner first, and destroyed when the time of the notice has passed. A hold\n" +
			"on the account of a copy goes on.",
		ValidArgsFunction: arguments(config, "letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Number = args[0]
			return call(cmd, *config, admin.OpLetterRelease, in, sentence("%s is released; %d copies were held", heldLetter))
		},
	}), &in.Reason)
}

func heldLetter(l admin.LetterHeld) []any { return []any{l.Number, l.Changed} }

func newAccountHold(config *string) *cobra.Command {
	var in admin.AccountHold
	return reasonFlag(scriptable(&cobra.Command{
		Use: "hold ADDRESS", Short: "Put an account on legal hold",
		Long: "Put an account on legal hold: nothing that it keeps of letters is destroyed, those in\n" +
			"its vault included, whatever their terms say and whatever its owner does. Its owner\n" +
			"goes on working and sees nothing of it.",
		Args: exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Account = args[0]
			return call(cmd, *config, admin.OpAccountHold, in, sentence("%s is held; release it with: gosbridge account release %s", twice))
		},
	}), &in.Reason)
}

func newAccountRelease(config *string) *cobra.Command {
	var in admin.AccountHold
	return reasonFlag(scriptable(&cobra.Command{
		Use: "release ADDRESS", Short: "Release an account from legal hold",
		Args: exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Account = args[0]
			return call(cmd, *config, admin.OpAccountRelease, in, sentence("%s is released; hold it with: gosbridge account hold %s", twice))
		},
	}), &in.Reason)
}

// showCopies writes where the copies of a letter are.
func showCopies(w io.Writer, list []admin.Copy) error {
	rows := [][]string{{"COPY", "ACCOUNT", "PLACE", "KEPT UNTIL", "HELD", "OWNER TOLD"}}
	for _, c := range list {
		rows = append(rows, []string{c.Copy, c.Account, c.Place, keptUntil(c), yes(c.Held), clock(c.Warned)})
	}
	return table(w, rows)
}

// keptUntil is the end of a copy's term.
func keptUntil(c admin.Copy) string {
	if c.Unlimited {
		return "without limit"
	}
	return clock(c.Until)
}

func yes(on bool) string {
	if on {
		return "yes"
	}
	return "-"
}

func newVault(config *string) *cobra.Command {
	return group("vault", "Letters that were expunged before their time", newVaultList(config), newVaultRestore(config))
}

func newVaultList(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "list ADDRESS", Short: "Show what the vault of an account has, what came last first",
		Long: "Show the copies of letters that the owner of an account has expunged and that are kept\n" +
			"until their terms end, those that came last first. Mail programs see none of them.",
		Args: exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *config, admin.OpVaultList, admin.VaultList{Account: args[0]}, showVault)
		},
	})
}

// showVault writes a vault for people.
func showVault(w io.Writer, list []admin.VaultEntry) error {
	rows := [][]string{{"ID", "NUMBER", "TYPE", "COPY", "EXPUNGED", "KEPT UNTIL", "HELD", "SIZE"}}
	for _, v := range list {
		until := clock(v.Until)
		if v.Until.IsZero() {
			until = "without limit"
		}
		rows = append(rows, []string{v.ID.String(), v.Number, v.Type, v.Copy, clock(v.Expunged), until, yes(v.Held), fmt.Sprint(v.Size)})
	}
	return table(w, rows)
}

func newVaultRestore(config *string) *cobra.Command {
	var in admin.VaultRestore
	cmd := reasonFlag(scriptable(&cobra.Command{
		Use: "restore ADDRESS NUMBER|ID", Short: "Put an expunged letter back into its mailbox",
		Long: "Put a copy of a letter back that the owner of an account has expunged, by the number of\n" +
			"the letter or the id of the copy: into the mailbox where it stood; where that is gone,\n" +
			"or was the trash, into the mailbox of sent letters or INBOX. Its term goes on. A letter\n" +
			"that stands in a mailbox is left alone. What is on legal hold stays in the vault:\n" +
			"gosbridge letter export reads it there. Status 4: its sender has taken it back.",
		Args: exactly("ADDRESS", "NUMBER|ID"), ValidArgsFunction: arguments(config, "account", "letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Account, in.Letter = args[0], args[1]
			return call(cmd, *config, admin.OpVaultRestore, in, showFromVault)
		},
	}), &in.Reason)
	cmd.Flags().StringVar(&in.Mailbox, "mailbox", "", "name of the mailbox that it is put into")
	return cmd
}

// showFromVault says what came back.
func showFromVault(w io.Writer, list []admin.VaultRestored) error {
	for _, r := range list {
		text := "%s (%s) is back in a mailbox\n"
		if r.Already {
			text = "%s (%s) stood in a mailbox already; nothing was done\n"
		}
		if _, err := fmt.Fprintf(w, text, r.Number, r.Copy); err != nil {
			return err
		}
	}
	return nil
}
