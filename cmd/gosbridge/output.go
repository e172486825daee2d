package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

// This file is how a command speaks: a table or a sentence for people, or JSON
// for scripts, and what went wrong in the same way.

// jsonFlag is the flag by which a command answers as JSON.
const jsonFlag = "json"

// scriptable gives a command that flag.
func scriptable(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool(jsonFlag, false, "answer as JSON, errors too")
	return cmd
}

// wantsJSON reports whether the command is to answer as JSON.
func wantsJSON(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup(jsonFlag)
	return f != nil && f.Value.String() == "true"
}

// show writes an answer, as JSON where it is wanted, else as text does.
func show[Out any](cmd *cobra.Command, out Out, text func(io.Writer, Out) error) error {
	if wantsJSON(cmd) {
		return printJSON(cmd.OutOrStdout(), out)
	}
	return text(cmd.OutOrStdout(), out)
}

// call does one operation and shows its answer.
func call[Out any](cmd *cobra.Command, config, op string, in any, text func(io.Writer, Out) error) error {
	return operate(cmd, config, func(c caller) error {
		var out Out
		if err := c.Call(cmd.Context(), op, in, &out); err != nil {
			return advise(op, err)
		}
		return show(cmd, out, text)
	})
}

// callLong is call for an operation that may take minutes: its progress is
// shown meanwhile.
func callLong[Out any](cmd *cobra.Command, config, op string, in any, text func(io.Writer, Out) error) error {
	_, err := answerLong(cmd, config, op, in, text)
	return err
}

// answerLong is callLong for who needs the answer too.
func answerLong[Out any](cmd *cobra.Command, config, op string, in any, text func(io.Writer, Out) error) (out Out, err error) {
	ctx, end := watched(cmd)
	err = operate(cmd, config, func(c caller) error {
		err := c.Call(ctx, op, in, &out)
		if end(); err != nil {
			return advise(op, err)
		}
		return show(cmd, out, text)
	})
	return out, err
}

// listings say which command lists what an operation did not find.
var listings = map[string]string{
	"account":    "the accounts are shown by: gosbridge account list",
	"credential": "accounts and credentials are shown by: gosbridge credential list",
	"letter":     "the letters are shown by: gosbridge letter list",
	"store":      "the accounts are shown by: gosbridge account list",
	"session":    "the sessions are shown by: gosbridge session list",
	"vault":      "what is in a vault is shown by: gosbridge vault list ADDRESS",
	"registry":   "entries are found by: gosbridge registry search TEXT",
}

// advise adds to an error what to do next, where it does not say so itself.
func advise(op string, err error) error {
	noun, _, _ := strings.Cut(op, "/")
	if hint, ok := listings[noun]; ok && errors.Is(err, admin.ErrNotFound) {
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}

// sentence is a text of one answer.
func sentence[Out any](format string, values func(Out) []any) func(io.Writer, Out) error {
	return func(w io.Writer, out Out) error {
		_, err := fmt.Fprintf(w, format+"\n", values(out)...)
		return err
	}
}

// printJSON writes an answer for scripts.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table writes rows in columns, the first row being the heading.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// failure is an error for scripts.
type failure struct {
	Error string `json:"error"`
	// Kind is usage, invalid, not-found, conflict, too-late, forbidden, damaged
	// or failure, for all else.
	Kind   string `json:"kind"`
	Status int    `json:"status"` // of the exit
}

// complain writes why a command failed: as JSON when the command line wants
// that, even if it makes no sense otherwise.
func complain(w io.Writer, cmd *cobra.Command, args []string, err error) {
	if !wantsJSON(cmd) && !slices.Contains(args, "--"+jsonFlag) {
		fmt.Fprintln(w, "gosbridge:", err)
		return
	}
	f := failure{Error: err.Error(), Kind: admin.KindOf(err), Status: exitStatus(err)}
	switch {
	case errors.Is(err, errUsage):
		f.Kind = "usage"
	case errors.Is(err, errDamaged):
		f.Kind = "damaged"
	case f.Kind == "":
		f.Kind = "failure"
	}
	_ = printJSON(w, f) // there is nobody left to tell
}
