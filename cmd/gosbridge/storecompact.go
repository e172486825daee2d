package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

func newStoreCompact(config *string) *cobra.Command {
	var rate float64
	cmd := scriptable(&cobra.Command{
		Use: "compact", Short: "Make the files of the store as small as what they hold", Args: exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Make the files of the store as small as what they hold: each in turn is copied beside\n" +
			"itself and replaced. A gateway that serves goes on meanwhile; changes wait for a moment\n" +
			"at the end of each file. The disk needs room for a copy of the largest file, or nothing\n" +
			"is done with it. When it is interrupted, the file that it was at stays as it was.",
		Example: "  gosbridge store compact --rate 20",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rate < 0 {
				return fmt.Errorf("%w: --rate %v is below 0", errUsage, rate)
			}
			return callLong(cmd, *config, admin.OpStoreCompact, admin.StoreCompact{Rate: int64(rate * (1 << 20))}, showCompacted)
		},
	})
	cmd.Flags().Float64Var(&rate, "rate", 0, "copy at most so many MiB a second; 0 for as fast as it goes")
	completes(cmd, "rate", oneOf())
	return cmd
}

// showCompacted shows what became of the files.
func showCompacted(w io.Writer, out admin.StoreCompacted) error {
	rows := [][]string{{"FILE", "BEFORE", "AFTER", "PAUSE"}}
	for _, f := range out.Files {
		rows = append(rows, []string{f.File, size(f.Before), size(f.After), fmt.Sprintf("%.0f ms", f.Pause)})
	}
	return table(w, rows)
}

// size is a size for people.
func size(n int64) string { return fmt.Sprintf("%.1f MiB", mebibytes(n)) }
