package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/mailstore"
)

// errDamaged says that a store is damaged, by its exit status.
var errDamaged = errors.New("the store is damaged")

func newStoreCheck(config *string) *cobra.Command {
	var in admin.StoreCheck
	cmd := scriptable(&cobra.Command{
		Use: "check", Short: "Verify every record, count, index, body and journal", Args: exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Verify the whole data folder: every record's and body's authentication tag, every\n" +
			"count, every index in both directions, the change logs, letters with their evidence,\n" +
			"and the tree of every journal. Nothing is changed. A gateway that serves is not\n" +
			"stopped: it is read in slices, with a rest after each. Each finding says what is\n" +
			"wrong and where, and what to do stands below. Exit status 5: something is damaged.",
		Example: "  gosbridge store check --no-bodies",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return storeOperation(cmd, *config, admin.OpStoreCheck, in, func(out admin.StoreChecked) int { return len(out.Findings) }, showChecked)
		},
	})
	cmd.Flags().BoolVar(&in.NoBodies, "no-bodies", false, "do not read bodies to their end: much faster, and says nothing of their octets")
	cmd.Flags().BoolVar(&in.Pages, "pages", false, "check the files page by page also while a gateway serves, which writes nothing meanwhile")
	return cmd
}

// storeOperation does a long operation on the store, shows its answer, and fails
// with errDamaged when damage counts any, or does not let the store open.
func storeOperation[Out any](cmd *cobra.Command, config, op string, in any, damage func(Out) int, text func(io.Writer, Out) error) error {
	out, err := answerLong(cmd, config, op, in, text)
	if errors.Is(err, mailstore.ErrDamaged) {
		return fmt.Errorf("%w beyond a repair: %w\nkeep a copy of the folder as it is, and restore a backup", errDamaged, err)
	}
	if n := damage(out); err == nil && n > 0 {
		return fmt.Errorf("%w: %d findings", errDamaged, n)
	}
	return err
}

// showChecked writes the outcome of a check for people.
func showChecked(w io.Writer, out admin.StoreChecked) error {
	showFindings(w, out.Findings)
	if out.More > 0 {
		fmt.Fprintf(w, "%d more findings are not shown\n", out.More)
	}
	st := out.Store
	fmt.Fprintf(w, "checked: %d accounts, %d mailboxes, %d messages, %d letters, %d journal records, %d bodies of %d MiB\n",
		st.Accounts, st.Mailboxes, st.Messages, st.Letters, out.Records, st.Bodies, st.BodyOctets>>20)
	if !out.Bodies {
		fmt.Fprintln(w, "not checked: the octets of bodies")
	}
	if !out.Pages {
		fmt.Fprintln(w, "not checked: the pages of the files; stop the gateway for it, or say --pages")
	}
	if len(out.Findings) == 0 {
		fmt.Fprintln(w, "no damage found")
	}
	return nil
}

// whatToDo is said once for each kind of damage.
var whatToDo = map[mailstore.Damage]string{
	mailstore.DamagePage:       "the disk or the file system has lost something: copy the folder elsewhere, then restore a backup",
	mailstore.DamageUnreadable: "gosbridge store repair sets aside messages and queue items that cannot be read; other records only a backup brings back",
	mailstore.DamageMissing:    "gosbridge store repair makes indexes, flags and counts anew; records of journals and evidence only a backup brings back",
	mailstore.DamageOrphan:     "gosbridge store repair removes what belongs to nothing; what belongs to an account that is not there stays",
	mailstore.DamageCount:      "gosbridge store repair counts anew",
	mailstore.DamageMismatch:   "gosbridge store repair takes what is sealed, where that can be opened",
	mailstore.DamageBody:       "a backup brings the body back; gosbridge store repair sets the message aside, but for one whose file is missing: put that back",
	mailstore.DamageJournal:    "a journal cannot be made anew: keep a copy of the folder as it is, then restore a backup",
	mailstore.DamageEvidence:   "evidence cannot be made anew: keep a copy of the folder as it is, then restore a backup",
	mailstore.DamageText:       "the texts for searching are put together anew: gosbridge store repair removes search.db",
	mailstore.DamageLetter:     "the record of a letter cannot be made anew: keep a copy of the folder as it is, then restore a backup",
}

// showFindings writes findings, and what to do.
func showFindings(w io.Writer, findings []mailstore.Finding) {
	var kinds []mailstore.Damage
	for _, f := range findings {
		fmt.Fprintln(w, findingText(f))
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	for _, k := range kinds {
		fmt.Fprintf(w, "%s: %s\n", k, whatToDo[k])
	}
}

// findingText is one line: what kind, where, and what.
func findingText(f mailstore.Finding) string {
	var place []string
	add := func(name, value string) {
		if value != "" {
			place = append(place, strings.TrimSpace(name+" "+value))
		}
	}
	add("", f.File)
	add("", f.Bucket)
	add("", f.Key)
	if f.Account != (mailstore.ID{}) {
		add("account", f.Account.String())
	}
	if f.Mailbox != 0 {
		add("mailbox", fmt.Sprint(f.Mailbox))
	}
	if f.UID != 0 {
		add("UID", fmt.Sprint(f.UID))
	}
	if f.Letter != (mailstore.ID{}) {
		add("letter", f.Letter.String())
	}
	add("body", f.Body)
	return fmt.Sprintf("%-10s  %s: %s", f.Kind, strings.Join(place, ", "), f.Text)
}
