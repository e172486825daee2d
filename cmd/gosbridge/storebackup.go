package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/backup"
	"gosbridge/gateway/letter"
	"gosbridge/policy"
)

func newStoreBackup(config *string) *cobra.Command {
	var rate string
	var verify bool
	cmd := scriptable(&cobra.Command{
		Use: "backup DIR", Short: "Make a backup of the store, while the gateway serves too", Args: exactly("DIR"),
		Long: "Make a backup of the store in a folder, which is made, and read it again. It is of one\n" +
			"moment: what was acknowledged before the command began is in it. It holds neither the\n" +
			"master key nor any other private key: which files have to be saved beside it is said at\n" +
			"the end. With --verify a backup that is there is read and compared with its manifest;\n" +
			"that takes no configuration.",
		Example: "  gosbridge store backup /mnt/backup/2026-11-28 --rate 20MiB",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if verify {
				return verifyBackup(cmd, dir)
			}
			in := admin.StoreBackup{Dir: dir}
			if cmd.Flags().Changed("rate") {
				var octets policy.Octets
				if err := octets.UnmarshalText([]byte(rate)); err != nil || octets == 0 {
					return fmt.Errorf("%w: --rate %s: want a size like 20MiB, or unlimited", errUsage, rate)
				}
				n := max(int64(octets), 0)
				in.Rate = &n
			}
			return callLong(cmd, *config, admin.OpStoreBackup, in, func(w io.Writer, b admin.BackedUp) error {
				if !b.KeyExported {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning: the master key was never exported: without a copy of it no backup can be read. Use: gosbridge key export FILE")
				}
				return showBackup(w, b)
			})
		},
		ValidArgsFunction: folders,
	})
	cmd.Flags().StringVar(&rate, "rate", "", "octets per second, as 20MiB, or unlimited; without it that of the configuration")
	cmd.Flags().BoolVar(&verify, "verify", false, "make none, but compare the one in DIR with its manifest")
	completes(cmd, "rate", oneOf("unlimited"))
	return cmd
}

// folders completes the names of folders.
func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// showBackup says what was made, and what else has to be saved.
func showBackup(w io.Writer, b admin.BackedUp) error {
	fmt.Fprintf(w, "backup of %s made: %s, %d files, %.1f MiB\n", moscow(b.Made), b.Dir, len(b.Files), mebibytes(b.Octets()))
	fmt.Fprintln(w, "Save these too, apart from it; a recovery needs them, and no backup holds them:")
	rows := make([][]string, len(b.Save))
	for i, s := range b.Save {
		rows[i] = []string{"  " + s.Key, s.Path}
	}
	return table(w, rows)
}

// moscow is a time for people.
func moscow(at time.Time) string { return at.In(letter.Moscow).Format("2006-01-02 15:04:05 MSK") }

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// verified is a backup that is whole.
type verified struct {
	Dir string `json:"dir"`
	backup.Manifest
}

func verifyBackup(cmd *cobra.Command, dir string) error {
	ctx, end := watched(cmd)
	m, err := backup.Verify(ctx, dir, func(done, total int64) {
		admin.Report(ctx, admin.Progress{Stage: backup.Comparing, Done: done, Total: total, Unit: "octets"})
	})
	if end(); err != nil {
		return err
	}
	return show(cmd, verified{dir, m}, sentence("%s: backup of %s is whole: %d files, %.1f MiB", func(v verified) []any {
		return []any{v.Dir, moscow(v.Made), len(v.Files), mebibytes(v.Octets())}
	}))
}
