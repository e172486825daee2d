package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
)

func newRegistry(config *string) *cobra.Command {
	cmd := &cobra.Command{Use: "registry", Short: "The recipient registry"}
	cmd.AddCommand(newRegistryShow(config), newRegistryImport(config))
	return cmd
}

func newRegistryShow(config *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show [ID | ADDRESS]", Short: "Show one entry, or all", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := admin.RegistryShow{Entry: strings.Join(args, "")}
			return operate(cmd, *config, func(c caller) error {
				var out admin.RegistryShown
				if err := c.Call(cmd.Context(), admin.OpRegistryShow, in, &out); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), out)
				}
				rows := [][]string{{"ID", "KIND", "STATUS", "INN", "OGRN", "ADDRESSES", "NAME"}}
				for _, e := range out.Entries {
					rows = append(rows, []string{e.ID, e.Kind, e.Status, e.INN, e.OGRN, strings.Join(e.Addresses, " "), e.Name})
				}
				if err := table(cmd.OutOrStdout(), rows); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d entries, sha256 %s\n", len(out.Entries), out.SHA256)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

func newRegistryImport(config *string) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "import FILE.csv", Short: "Replace the registry by a table, all or nothing", Args: exactly("FILE.csv"),
		RunE: func(cmd *cobra.Command, args []string) error {
			csv, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			return operate(cmd, *config, func(c caller) error {
				var out admin.RegistryImported
				if err := c.Call(cmd.Context(), admin.OpRegistryImport, admin.RegistryImport{CSV: csv, DryRun: dry}, &out); err != nil {
					return err
				}
				verb := "imported"
				if dry {
					verb = "checked"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %d entries: %d new, %d gone; sha256 %s\n", verb, out.Entries, out.Added, out.Removed, out.SHA256)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check and count only")
	return cmd
}
