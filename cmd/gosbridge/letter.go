package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/letter"
)

func newLetter(config *string) *cobra.Command {
	return group("letter", "Letters and what became of them", newLetterList(config), newLetterShow(config), newLetterExport(config), newLetterRecall(config),
		newLetterHold(config), newLetterRelease(config))
}

// clock shows a time to the operator.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(letter.Moscow).Format("2006-01-02 15:04:05 MST")
}

func newLetterList(config *string) *cobra.Command {
	var in admin.LetterList
	cmd := scriptable(&cobra.Command{
		Use: "list", Short: "Show letters, the newest of each account first", Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, *config, admin.OpLetterList, in, func(w io.Writer, list []admin.Letter) error {
				rows := [][]string{{"NUMBER", "TYPE", "STATE", "ACCEPTED", "FROM", "TO"}}
				for _, l := range list {
					rows = append(rows, []string{l.Number, l.Type, l.State, clock(l.Accepted), l.Sender, addressees(l)})
				}
				return table(w, rows)
			})
		},
	})
	var states []string
	for _, s := range letter.States() {
		states = append(states, string(s))
	}
	cmd.Flags().StringVar(&in.Account, "account", "", "only those that this address sent")
	cmd.Flags().StringVar(&in.State, "state", "", "only those in this state")
	cmd.Flags().IntVar(&in.Limit, "limit", 50, "at most so many of each account; 0 for all")
	completes(cmd, "account", anyOf(config, "account"))
	completes(cmd, "state", oneOf(states...))
	return cmd
}

// addressees is the first recipient and how many more there are.
func addressees(l admin.Letter) string {
	switch len(l.Recipients) {
	case 0:
		return ""
	case 1:
		return l.Recipients[0].Address
	}
	return fmt.Sprintf("%s and %d more", l.Recipients[0].Address, len(l.Recipients)-1)
}

func newLetterShow(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "show NUMBER", Short: "Show one letter: its states, its evidence, and every step of its way", Args: exactly("NUMBER"),
		Long: "Show one letter with the state of each recipient, its evidence, and every step of its way\n" +
			"with its time, the evidence that it gave rise to, and the account and index of its entry\n" +
			"in the journal. The journals of recipients are read for letters to up to twenty.",
		ValidArgsFunction: arguments(config, "letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *config, admin.OpLetterShow, admin.LetterName{Number: args[0]}, showLetter)
		},
	})
}

// showLetter writes a letter for people.
func showLetter(w io.Writer, l admin.Letter) error {
	fmt.Fprintf(w, "%s  %s  %s\n", l.Number, l.Type, l.State)
	rows := [][]string{
		{"accepted", clock(l.Accepted)}, {"recall until", clock(l.RecallUntil)}, {"from", l.Sender},
		{"signature", l.Signature}, {"size", fmt.Sprintf("%d octets", l.Size)}, {"sha256", l.SHA256},
	}
	if len(l.Bcc) > 0 {
		rows = append(rows, []string{"hidden (Bcc)", strings.Join(l.Bcc, ", ")})
	}
	for _, r := range l.Recipients {
		to := fmt.Sprintf("%s (%s): %s", r.Address, r.Name, r.State)
		if r.Reason != "" {
			to += " (" + r.Reason + ")"
		}
		rows = append(rows, []string{"to", to})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := showCopies(w, l.Copies); err != nil {
		return err
	}
	fmt.Fprintln(w)
	rows = [][]string{{"TIME (MSK)", "STEP", "RECIPIENT", "JOURNAL", "DETAILS"}}
	for _, st := range l.Trace {
		at := st.At.In(letter.Moscow).Format("2006-01-02 15:04:05.000")
		rows = append(rows, []string{at, st.Step, dash(st.Recipient), place(st), details(st)})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	rows = [][]string{{"TIME", "EVIDENCE", "ID", "SHA256"}}
	for _, e := range l.Evidence {
		rows = append(rows, []string{clock(e.At), e.Event, e.ID.String(), e.SHA256})
	}
	return table(w, rows)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// place is where a step stands in a journal.
func place(st admin.Step) string {
	if st.Journal == nil {
		return "-"
	}
	return fmt.Sprintf("%s %d", st.Account, *st.Journal)
}

// details are what more is known of a step.
func details(st admin.Step) string {
	var all []string
	if st.Inferred {
		all = append(all, "inferred")
	}
	if st.Event != "" {
		all = append(all, "evidence="+string(st.Event))
	}
	for _, name := range slices.Sorted(maps.Keys(st.Details)) {
		all = append(all, name+"="+st.Details[name])
	}
	return dash(strings.Join(all, ", "))
}

func newLetterRecall(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "recall NUMBER", Short: "Take a letter back within its recall time", Args: exactly("NUMBER"),
		Long: "Take a letter back for its sender. A letter that is held does not go out; one that was\n" +
			"delivered is taken back from everybody who has not opened it. Exit status 4: too late. In a store\n" +
			"that was restored from a backup, letters that were held go on being so until\n" +
			"gosbridge store resume, whatever the time.",
		ValidArgsFunction: arguments(config, "letter"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *config, admin.OpLetterRecall, admin.LetterName{Number: args[0]}, func(w io.Writer, r admin.Recalled) error {
				text := "%s is recalled\n"
				if r.Pending {
					text = "%[1]s was delivered; it is taken back where it has not been opened: gosbridge letter show %[1]s\n"
				}
				_, err := fmt.Fprintf(w, text, r.Number)
				return err
			})
		},
	})
}
