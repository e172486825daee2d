package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
)

func newAccount(config *string) *cobra.Command {
	cmd := &cobra.Command{Use: "account", Short: "Mailbox owners"}
	cmd.AddCommand(newAccountAdd(config), newAccountList(config))
	return cmd
}

func newAccountAdd(config *string) *cobra.Command {
	var in admin.AccountAdd
	var aliases []string
	var sign string
	cmd := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Make an account with its mailboxes",
		Example: "  gosbridge account add ivanov@romashka.example --registry romashka --name 'Иванов И. И.'\n" +
			"  gosbridge credential add ivanov@romashka.example --name laptop",
		Args: exactly("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Registry == "" {
				return fmt.Errorf("%w: --registry names the entry that the account is of; gosbridge registry show lists them", errUsage)
			}
			in.Addresses = append([]string{args[0]}, aliases...)
			in.Sign = auth.Signing(sign)
			return operate(cmd, *config, func(c caller) error {
				var a admin.Account
				if err := c.Call(cmd.Context(), admin.OpAccountAdd, in, &a); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "account %s made; give it a password with: gosbridge credential add %s --name NAME\n", a.Addresses[0], a.Addresses[0])
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Name, "name", "", "name as people see it")
	f.StringVar(&in.Registry, "registry", "", "id of its entry in the recipient registry (required)")
	f.StringSliceVar(&aliases, "alias", nil, "further address; can be repeated")
	f.StringVar(&sign, "sign", "", "who signs where a type requires it: gateway (default) or client")
	f.StringVar(&in.Type, "type", "", "letter type of letters that name none")
	f.StringVar(&in.Language, "language", "", "of receipts: ru (default) or en")
	f.StringVar(&in.Receipts, "receipts", "", "depth of receipts: full (default), brief or short")
	f.StringVar(&in.Phone, "phone", "", "phone number, which appeals need")
	f.StringVar(&in.SNILS, "snils", "", "SNILS, which appeals need of a person whose INN the registry does not have")
	f.Int64Var(&in.Quota, "quota", 0, "octets that its messages may take; 0 without limit")
	return cmd
}

func newAccountList(config *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "Show all accounts", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return operate(cmd, *config, func(c caller) error {
				var list []admin.Account
				if err := c.Call(cmd.Context(), admin.OpAccountList, admin.AccountList{}, &list); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), list)
				}
				rows := [][]string{{"ADDRESSES", "REGISTRY", "NAME", "CREDENTIALS"}}
				for _, a := range list {
					rows = append(rows, []string{strings.Join(a.Addresses, " "), a.Registry, a.Name, credentials(a)})
				}
				return table(cmd.OutOrStdout(), rows)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

// credentials lists the live credentials of an account with their classes.
func credentials(a admin.Account) string {
	var out []string
	for _, c := range a.Credentials {
		if !c.Revoked {
			out = append(out, c.Name+" ("+c.Class+")")
		}
	}
	return strings.Join(out, ", ")
}

func newCredential(config *string) *cobra.Command {
	cmd := &cobra.Command{Use: "credential", Short: "Passwords of mail programs and document systems"}
	var in admin.CredentialAdd
	var class string
	var asJSON bool
	add := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Make a password for one program; it is shown once",
		Args:  exactly("ADDRESS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Name == "" {
				return fmt.Errorf("%w: --name says what the password is for, like laptop or archive", errUsage)
			}
			in.Account, in.Class = args[0], auth.Class(class)
			return operate(cmd, *config, func(c caller) error {
				var made admin.NewCredential
				if err := c.Call(cmd.Context(), admin.OpCredentialAdd, in, &made); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), made)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "user %s\npassword %s\nclass %s; the password is not kept and cannot be shown again\n",
					made.Account, made.Secret, made.Class)
				return nil
			})
		},
	}
	add.Flags().StringVar(&in.Name, "name", "", "what it is for: laptop, archive (required)")
	add.Flags().StringVar(&class, "class", string(auth.Person), "person, system or archive: only a person opens letters")
	add.Flags().StringVar(&in.Type, "type", "", "letter type of letters that name none; the account's by default")
	add.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	cmd.AddCommand(add)
	return cmd
}
