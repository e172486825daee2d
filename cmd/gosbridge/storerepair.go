package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

func newStoreRepair(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "repair", Short: "Make anew what follows from the rest, and set aside what cannot be read", Args: exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Make indexes, counts, flags and change logs anew where a check finds them wrong, and\n" +
			"move messages and queue items that cannot be read into a folder lost+found-TIME in the\n" +
			"data folder, so that mail programs see them vanish. Accounts, letters, evidence and\n" +
			"journals are never touched. Everything that is done is told, and so is what a check\n" +
			"finds after it. The gateway must be stopped; copy the data folder first. Exit status 5:\n" +
			"some damage is left.",
		Example: "  gosbridge store repair",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return storeOperation(cmd, *config, admin.OpStoreRepair, admin.StoreRepair{}, func(out admin.StoreRepaired) int { return len(out.Left.Findings) }, showRepaired)
		},
	})
}

// showRepaired writes the outcome of a repair for people.
func showRepaired(w io.Writer, out admin.StoreRepaired) error {
	total := int64(0)
	for _, m := range out.Mends {
		fmt.Fprintf(w, "%-9s  %s\n", m.Action, findingText(m.Finding))
	}
	for _, n := range out.Counts {
		total += n
	}
	if more := total - int64(len(out.Mends)); more > 0 {
		fmt.Fprintf(w, "%d more are not shown\n", more)
	}
	fmt.Fprintf(w, "repaired: %d\n", total)
	if out.Folder != "" {
		fmt.Fprintf(w, "in the data folder, %s: what was done (mends.jsonl) and what was set aside (records.jsonl)\n", out.Folder)
	}
	if len(out.Left.Findings) > 0 {
		fmt.Fprintln(w, "left:")
	}
	return showChecked(w, out.Left)
}
