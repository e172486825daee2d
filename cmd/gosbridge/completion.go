package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/config"
)

// patience is how long a shell waits for words. Then it gets none.
const patience = 500 * time.Millisecond

// offer asks the gateway that serves for words that go on from what was typed.
// When none serves, or not in time, there are none, and nothing is said: a
// stopped gateway's folder is not opened for it, which would keep a gateway
// from starting.
func offer(cmd *cobra.Command, path string, in admin.Complete) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), patience)
	defer cancel()
	cfg, err := config.Load(path)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	client, err := admin.Dial(ctx, cfg.Data)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer client.Close()
	var words []string
	if err := client.Call(ctx, admin.OpComplete, in, &words); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// arguments completes the arguments of a command, each by its kind of word.
func arguments(path *string, kinds ...string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(kinds) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		in := admin.Complete{Kind: kinds[len(args)], Prefix: typed}
		if in.Kind == "credential" {
			in.Account = args[0]
		}
		return offer(cmd, *path, in)
	}
}

// completes gives a flag its words: those of a kind that the gateway knows, or
// fixed ones.
func completes(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	// The flag is the command's own, defined a line before.
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err)
	}
}

// oneOf are fixed words.
func oneOf(words ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// anyOf are the words of a kind that the gateway knows.
func anyOf(path *string, kind string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return offer(cmd, *path, admin.Complete{Kind: kind, Prefix: typed})
	}
}
