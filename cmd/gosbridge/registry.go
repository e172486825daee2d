package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/policy/registry"
)

func newRegistry(config *string) *cobra.Command {
	return group("registry", "The recipient registry", newRegistryList(config), newRegistrySearch(config), newRegistryShow(config), newRegistryImport(config))
}

func newRegistryList(config *string) *cobra.Command {
	var in admin.RegistryList
	cmd := scriptable(&cobra.Command{
		Use: "list", Short: "Show all entries, or those of a kind or status", Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, *config, admin.OpRegistryList, in, showEntries)
		},
	})
	kinds := make([]string, 0, len(registry.Kinds()))
	for _, k := range registry.Kinds() {
		kinds = append(kinds, string(k))
	}
	cmd.Flags().StringVar(&in.Kind, "kind", "", "only those of this kind: "+strings.Join(kinds, ", "))
	cmd.Flags().StringVar(&in.Status, "status", "", "only those of this status: active, archived, left")
	completes(cmd, "kind", oneOf(kinds...))
	completes(cmd, "status", oneOf(string(registry.Active), string(registry.Archived), string(registry.Left)))
	return cmd
}

func newRegistrySearch(config *string) *cobra.Command {
	var in admin.RegistrySearch
	cmd := scriptable(&cobra.Command{
		Use: "search TEXT", Short: "Find entries by name, INN, OGRN or address",
		Long: "Find entries by a part of the name (in any case, е for ё) or of an address, by the first\n" +
			"digits of INN, KPP or OGRN, or by the id. A person is found by the whole address, INN or\n" +
			"id only.",
		Args: exactly("TEXT"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Text = args[0]
			return call(cmd, *config, admin.OpRegistrySearch, in, func(w io.Writer, out admin.RegistryFound) error {
				if err := showEntries(w, out.RegistryShown); err != nil || !out.More {
					return err
				}
				_, err := fmt.Fprintln(w, "there are more: raise --limit, or say more of what is sought")
				return err
			})
		},
	})
	cmd.Flags().IntVar(&in.Limit, "limit", 50, "at most so many; 0 for all")
	return cmd
}

func newRegistryShow(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "show [ID | ADDRESS]", Short: "Show one entry, or all", Args: atMost("ID or ADDRESS"),
		ValidArgsFunction: arguments(config, "entry"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *config, admin.OpRegistryShow, admin.RegistryShow{Entry: first(args)}, showEntries)
		},
	})
}

// showEntries writes entries for people.
func showEntries(w io.Writer, out admin.RegistryShown) error {
	rows := [][]string{{"ID", "KIND", "STATUS", "INN", "OGRN", "ADDRESSES", "NAME"}}
	for _, e := range out.Entries {
		rows = append(rows, []string{e.ID, e.Kind, e.Status, e.INN, e.OGRN, strings.Join(e.Addresses, " "), e.Name})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d entries, sha256 %s\n", len(out.Entries), out.SHA256)
	return err
}

func newRegistryImport(config *string) *cobra.Command {
	var dry bool
	cmd := scriptable(&cobra.Command{
		Use: "import FILE.csv", Short: "Replace the registry by a table, all or nothing", Args: exactly("FILE.csv"),
		ValidArgsFunction: cobra.FixedCompletions([]string{"csv"}, cobra.ShellCompDirectiveFilterFileExt),
		RunE: func(cmd *cobra.Command, args []string) error {
			csv, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			verb := "imported"
			if dry {
				verb = "checked"
			}
			in := admin.RegistryImport{CSV: csv, DryRun: dry}
			return call(cmd, *config, admin.OpRegistryImport, in, sentence("%s %d entries: %d new, %d gone; sha256 %s",
				func(r admin.RegistryImported) []any { return []any{verb, r.Entries, r.Added, r.Removed, r.SHA256} }))
		},
	})
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check and count only")
	return cmd
}
