package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway"
	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
	"gosbridge/mailstore"
)

// defaultConfig is where quickstart puts it.
const defaultConfig = "gosbridge-data/config.toml"

// caller does the operations of the operator.
type caller interface {
	Call(ctx context.Context, op string, request, out any) error
}

// operate calls f with the gateway that serves the configuration's data
// folder, or with the folder itself when none does.
func operate(cmd *cobra.Command, path string, f func(caller) error) (err error) {
	ctx := cmd.Context()
	cfg, err := config.Load(path)
	if err != nil {
		return hint(err, path)
	}
	client, err := admin.Dial(ctx, cfg.Data)
	if err == nil {
		defer client.Close()
		return f(client)
	}
	alone, err := gateway.OpenAlone(ctx, cfg, gateway.Options{Logger: slog.New(slog.DiscardHandler), File: path})
	if errors.Is(err, mailstore.ErrLocked) {
		return fmt.Errorf("%w, and its admin socket %s does not answer", err, admin.SocketPath(cfg.Data))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, alone.Close()) }()
	return f(alone.Admin())
}

// hint says what to do about a configuration that is not there.
func hint(err error, path string) error {
	if path == defaultConfig {
		return fmt.Errorf("%w\nname one with --config, or make one with: gosbridge quickstart", err)
	}
	return err
}

// group is a command that only holds others. On its own it shows them; a word
// that is none of them is an error, not a call for help.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, ValidArgsFunction: cobra.NoFileCompletions, SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			near := cmd.SuggestionsFor(args[0])
			if len(near) == 0 {
				for _, c := range commands {
					near = append(near, c.Name())
				}
			}
			return fmt.Errorf("%w: unknown command %q for %q: did you mean %s?", errUsage, args[0], cmd.CommandPath(), strings.Join(near, ", "))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// exactly takes so many arguments, and names them when they are not there.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return fmt.Errorf("%w: want %d argument(s) %v, got %d", errUsage, len(names), names, len(args))
		}
		return nil
	}
}

// atMost takes one argument or none.
func atMost(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%w: want %s or nothing, got %d arguments", errUsage, name, len(args))
		}
		return nil
	}
}

// first is the argument, if there is one.
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
