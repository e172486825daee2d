package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/gateway/recovery"
	"gosbridge/mailstore"
)

func newStoreRestore(path *string) *cobra.Command {
	o := gateway.RestoreOptions{Skip: recovery.DefaultSkip}
	cmd := scriptable(&cobra.Command{
		Use: "restore DIR", Short: "Make the store out of a backup", Args: exactly("DIR"),
		Long: "Make the store of the configuration out of a backup. The data folder must hold none: move\n" +
			"a damaged one away. Each file is compared with the manifest and the master key is tried\n" +
			"before anything is changed. Every UIDVALIDITY is raised, so that mail programs fetch\n" +
			"anew, and numbers of letters go on behind a gap. What others see outside of the store,\n" +
			"terms and next hops, waits for gosbridge store resume, and so do letters that were held\n" +
			"for their recall; other local mail goes on.",
		Example: "  gosbridge store restore /mnt/backup/gosbridge-41c1d0ae-20261128T233000Z",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			o.Backup = dir
			return restore(cmd, *path, o)
		},
		ValidArgsFunction: folders,
	})
	f := cmd.Flags()
	f.Uint64Var(&o.Skip, "skip-numbers", o.Skip, "numbers of letters to leave out: more than were given out since the backup")
	f.Uint32Var(&o.Generation, "generation", 0, "generation of the store, at least; for a backup that cannot remember its restores")
	f.Uint64Var(&o.Number, "next-number", 0, "next number of a letter, at least; likewise")
	return cmd
}

// restored is what a restore answers.
type restored struct {
	Dir  string `json:"dir"`
	Data string `json:"data"`
	recovery.Outcome
}

func restore(cmd *cobra.Command, path string, o gateway.RestoreOptions) error {
	cfg, err := config.Load(path)
	if err != nil {
		return hint(err, path)
	}
	ctx, end := watched(cmd)
	o.Progress = func(stage string, done, total int64) {
		admin.Report(ctx, admin.Progress{Stage: stage, Done: done, Total: total, Unit: "octets"})
	}
	out, err := gateway.Restore(ctx, cfg, o, gateway.Options{Logger: slog.New(slog.DiscardHandler)})
	end()
	switch {
	case errors.Is(err, mailstore.ErrKey):
		return fmt.Errorf("%w: the configuration names another one than that of the store; nothing is changed", err)
	case errors.Is(err, mailstore.ErrExists):
		return fmt.Errorf("%w\nnothing is changed: stop the gateway, and move the store away", err)
	case err != nil:
		return err
	}
	if out.Unnoted != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the backup does not remember this restore (%s). Restore it again only with --generation %d --next-number %d\n",
			out.Unnoted, out.Generation+1, out.Number+o.Skip)
	}
	return show(cmd, restored{o.Backup, cfg.Data, out}, showRestored)
}

func showRestored(w io.Writer, r restored) error {
	_, err := fmt.Fprintf(w, "%s is the store of %s: generation %d, numbers of letters from %d\n"+
		"What came after that is lost. Accounts, passwords and credentials are as they were: what was\n"+
		"blocked, revoked, recalled or put on legal hold since has to be again. Letters that were held\n"+
		"for their recall, terms and next hops wait. Now:\n"+
		"  gosbridge serve           and look\n"+
		"  gosbridge store resume    lets go what waits\n",
		r.Data, moscow(r.Backup), r.Generation, r.Number)
	return err
}

func newStoreResume(config *string) *cobra.Command {
	var in admin.StoreResume
	cmd := scriptable(&cobra.Command{
		Use: "resume", Short: "Let go what a restored store holds back", Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Let go what a store that was restored from a backup holds back: letters that were held\n" +
			"for their recall, terms of letters, and letters to next hops. At once, also while the gateway serves, and for good.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, *config, admin.OpStoreResume, in, showResumed)
		},
	})
	cmd.Flags().BoolVar(&in.DryRun, "dry-run", false, "only say what waits")
	return cmd
}

func showResumed(w io.Writer, r admin.StoreResumed) error {
	switch {
	case r.Restored == nil:
		_, err := fmt.Fprintln(w, "the store was never restored: nothing waits")
		return err
	case !r.Waits():
		_, err := fmt.Fprintf(w, "the store was resumed on %s: nothing waits\n", moscow(r.Restored.Resumed))
		return err
	}
	verb, total := "waiting", 0
	if r.Now {
		verb = "let go"
	}
	var classes []string
	for class, n := range r.Held {
		classes = append(classes, class)
		total += n
	}
	fmt.Fprintf(w, "the store of %s, restored on %s as generation %d; %s: %d items\n",
		moscow(r.Restored.Backup), moscow(r.Restored.Restored), r.Restored.Generation, verb, total)
	if r.Now {
		fmt.Fprintln(w, "  ends of letters' terms: their owners are told anew; the vault is left alone for a week")
	} else {
		fmt.Fprintln(w, "  ends of letters' terms: nobody is told, nothing is destroyed")
	}
	slices.Sort(classes)
	for _, class := range classes {
		fmt.Fprintf(w, "  %s: %d\n", class, r.Held[class])
	}
	return nil
}
