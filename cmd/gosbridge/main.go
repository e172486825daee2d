// Command gosbridge is the SMTP/IMAP gateway to a government mailbox.
//
// It owns the command line: flags, output and exit status. What a command
// does is done by package gateway and those below it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // terms end at midnight in Moscow, also on machines without a zone database

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

// The exit statuses.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitNotFound = 3
	exitTooLate  = 4
	exitDamaged  = 5
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	cmd, err := execute(ctx, newRoot())
	stop()
	if err != nil {
		complain(os.Stderr, cmd, os.Args[1:], err)
		os.Exit(exitStatus(err))
	}
}

// errUsage says that the command line makes no sense.
var errUsage = errors.New("usage")

// exitStatus is the status of a failed command, for scripts.
func exitStatus(err error) int {
	switch {
	case errors.Is(err, errUsage), errors.Is(err, admin.ErrInvalid):
		return exitUsage
	case errors.Is(err, admin.ErrNotFound):
		return exitNotFound
	case errors.Is(err, admin.ErrTooLate):
		return exitTooLate
	case errors.Is(err, errDamaged):
		return exitDamaged
	}
	return exitFailure
}

// execute runs the command tree and returns the command that was meant. An
// error before any command began is one of the command line.
func execute(ctx context.Context, root *cobra.Command) (*cobra.Command, error) {
	began := false
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !began && !errors.Is(err, errUsage) {
		err = fmt.Errorf("%w: %w", errUsage, err)
	}
	return cmd, err
}

// newRoot is the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gosbridge",
		Short: "SMTP/IMAP gateway to a government mailbox",
		Long: "gosbridge gives a government mailbox the face of ordinary mail:\n" +
			"SMTP submission in, IMAP out. Start with: gosbridge quickstart",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd.HasSubCommands() {
			// The flag may be one of the command that is mistyped.
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	})
	var config string
	root.PersistentFlags().StringVarP(&config, "config", "c", defaultConfig, "configuration file")
	root.AddCommand(
		newQuickstart(), newServe(&config), newConfig(&config), newAccount(&config), newCredential(&config),
		newLetter(&config), newRegistry(&config), newReload(&config), newSession(&config), newStore(&config),
		newKey(&config), newVault(&config), newVersion(),
	)
	return root
}
