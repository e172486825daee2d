package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
)

// hangups catches SIGHUP from now on, so that none ends a gateway that is still
// starting: it is answered by a reload once that is done.
func hangups() (signals <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1) // one reload does for many signals
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// runReloading runs a gateway, which reloads at each hangup. The log has the
// outcome.
func runReloading(ctx context.Context, g *gateway.Gateway, signals <-chan os.Signal) error {
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-signals:
				g.Reload()
			case <-over:
				return
			}
		}
	}()
	err := withHeapRoom(func() error { return g.Run(ctx) })
	close(over)
	<-done
	return err
}

// errReloadRefused says that a reload changed nothing; what is wrong was
// printed.
var errReloadRefused = errors.New("reload refused: nothing is changed")

func newReload(path *string) *cobra.Command {
	var data string
	cmd := scriptable(&cobra.Command{
		Use: "reload", Short: "Let the gateway read its configuration again", Args: exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Let the gateway that serves read its configuration and the files that this names\n" +
			"again. What can change while it runs is in force when the command ends; what cannot\n" +
			"is named. Where anything is wrong nothing changes, and the status is 1. SIGHUP does\n" +
			"the same, and the log tells the outcome.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if data == "" {
				var err error
				if data, err = config.DataFolder(*path); err != nil {
					return hint(err, *path)
				}
			}
			client, err := admin.Dial(cmd.Context(), data)
			if err != nil {
				return fmt.Errorf("%s: %w\nif the configuration names another folder than the gateway serves, say --data", data, err)
			}
			defer client.Close()
			var out admin.Reloaded
			if err := client.Call(cmd.Context(), admin.OpReload, admin.Reload{}, &out); err != nil {
				return err
			}
			err = show(cmd, out, showReloaded)
			if out.Refused() {
				err = errors.Join(errReloadRefused, err)
			}
			return err
		},
	})
	cmd.Flags().StringVar(&data, "data", "", "data folder of the gateway; that of the configuration when not given")
	return cmd
}

// showReloaded writes the outcome of a reload for people.
func showReloaded(w io.Writer, out admin.Reloaded) error {
	for _, f := range out.Faults {
		fmt.Fprintln(w, f)
	}
	if out.Refused() {
		return nil
	}
	if len(out.Changed) == 0 {
		fmt.Fprintln(w, "nothing to change")
	}
	if err := showChanges(w, "changed", out.Changed); err != nil {
		return err
	}
	return showChanges(w, "needs a restart", out.Restart)
}

func showChanges(w io.Writer, title string, changes []admin.Change) error {
	if len(changes) == 0 {
		return nil
	}
	fmt.Fprintln(w, title)
	var rows [][]string
	for _, c := range changes {
		row := []string{"  " + c.Key, orDash(c.Old), "->", orDash(c.New)}
		if c.NewConnections {
			row = append(row, "(new connections)")
		}
		rows = append(rows, row)
	}
	return table(w, rows)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
