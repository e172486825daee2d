package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/letter"
)

func newLetter(config *string) *cobra.Command {
	cmd := &cobra.Command{Use: "letter", Short: "Letters and what became of them"}
	cmd.AddCommand(newLetterList(config), newLetterShow(config), newLetterRecall(config))
	return cmd
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
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show letters, the newest of each account first", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, *config, func(c caller) error {
				var list []admin.Letter
				if err := c.Call(cmd.Context(), admin.OpLetterList, in, &list); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), list)
				}
				rows := [][]string{{"NUMBER", "TYPE", "STATE", "ACCEPTED", "FROM", "TO"}}
				for _, l := range list {
					rows = append(rows, []string{l.Number, l.Type, l.State, clock(l.Accepted), l.Sender, addressees(l)})
				}
				return table(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().StringVar(&in.Account, "account", "", "only those that this address sent")
	cmd.Flags().StringVar(&in.State, "state", "", "only those in this state")
	cmd.Flags().IntVar(&in.Limit, "limit", 50, "at most so many of each account; 0 for all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
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
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show NUMBER", Short: "Show one letter with its states and evidence", Args: exactly("NUMBER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return operate(cmd, *config, func(c caller) error {
				var l admin.Letter
				if err := c.Call(cmd.Context(), admin.OpLetterShow, admin.LetterName{Number: args[0]}, &l); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), l)
				}
				return showLetter(cmd.OutOrStdout(), l)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
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
	if err := table(w, rows); err != nil {
		return err
	}
	for _, r := range l.Recipients {
		fmt.Fprintf(w, "\nto %s (%s): %s", r.Address, r.Name, r.State)
		if r.Reason != "" {
			fmt.Fprintf(w, " (%s)", r.Reason)
		}
		fmt.Fprintln(w)
		for _, s := range r.Steps {
			note := ""
			if s.Inferred {
				note = "  (inferred)"
			}
			fmt.Fprintf(w, "  %s  %s%s\n", clock(s.At), s.State, note)
		}
	}
	fmt.Fprintln(w, "\nevidence")
	rows = nil
	for _, e := range l.Evidence {
		rows = append(rows, []string{"  " + clock(e.At), e.Event, e.ID.String(), e.SHA256})
	}
	return table(w, rows)
}

func newLetterRecall(config *string) *cobra.Command {
	return &cobra.Command{
		Use: "recall NUMBER", Short: "Take a letter back within its recall time", Args: exactly("NUMBER"),
		Long: "Take a letter back for its sender. A letter that is held does not go out; one that was\n" +
			"delivered is taken back from everybody who has not opened it. Exit status 4: too late.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return operate(cmd, *config, func(c caller) error {
				var r admin.Recalled
				if err := c.Call(cmd.Context(), admin.OpLetterRecall, admin.LetterName{Number: args[0]}, &r); err != nil {
					return err
				}
				if r.Pending {
					fmt.Fprintf(cmd.OutOrStdout(), "%s was delivered; it is taken back where it has not been opened: gosbridge letter show %s\n", r.Number, r.Number)
					return nil
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is recalled\n", r.Number)
				return nil
			})
		},
	}
}
