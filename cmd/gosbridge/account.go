package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
)

func newAccount(config *string) *cobra.Command {
	return group("account", "Mailbox owners", newAccountAdd(config), newAccountList(config), newAccountPassword(config),
		newAccountDisable(config), newAccountEnable(config), newAccountHold(config), newAccountRelease(config))
}

func newAccountAdd(config *string) *cobra.Command {
	var in admin.AccountAdd
	var aliases []string
	var sign string
	cmd := scriptable(&cobra.Command{
		Use:   "add ADDRESS",
		Short: "Make an account with its mailboxes",
		Example: "  gosbridge account add sidorov@romashka.example --registry romashka --name 'Сидоров С. С.'\n" +
			"  gosbridge credential add sidorov@romashka.example --name laptop",
		Args:              exactly("ADDRESS"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Registry == "" {
				return fmt.Errorf("%w: --registry names the entry that the account is of; gosbridge registry list shows them", errUsage)
			}
			in.Addresses = append([]string{args[0]}, aliases...)
			in.Sign = auth.Signing(sign)
			return call(cmd, *config, admin.OpAccountAdd, in, sentence("account %s made; give it a password with: gosbridge credential add %s --name NAME", twice))
		},
	})
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
	completes(cmd, "registry", anyOf(config, "entry"))
	completes(cmd, "sign", oneOf(string(auth.SignGateway), string(auth.SignClient)))
	completes(cmd, "type", anyOf(config, "type"))
	completes(cmd, "language", oneOf("ru", "en"))
	completes(cmd, "receipts", oneOf("full", "brief", "short"))
	return cmd
}

func newAccountList(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "list", Short: "Show all accounts", Args: exactly(), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, *config, admin.OpAccountList, admin.AccountList{}, showAccounts)
		},
	})
}

// showAccounts writes accounts for people.
func showAccounts(w io.Writer, list []admin.Account) error {
	rows := [][]string{{"ADDRESSES", "REGISTRY", "STATUS", "NAME", "CREDENTIALS"}}
	for _, a := range list {
		status := "open"
		if a.Disabled {
			status = "blocked"
		}
		if a.Held {
			status += ", held"
		}
		rows = append(rows, []string{strings.Join(a.Addresses, " "), a.Registry, status, a.Name, credentials(a)})
	}
	return table(w, rows)
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

func newAccountPassword(config *string) *cobra.Command {
	var stdin bool
	cmd := scriptable(&cobra.Command{
		Use: "password ADDRESS", Short: "Set the account's own password",
		Long: "Set the account's own password, which its owner chooses. It is for self-service only and\n" +
			"opens neither SMTP nor IMAP: mail programs have passwords of their own, made by gosbridge\n" +
			"credential add. It has at least eight characters, among them a capital and a small letter,\n" +
			"a digit and another sign. It is asked for twice, and not shown; with --stdin it is the\n" +
			"first line of the standard input. It is never taken from the command line, where others\n" +
			"on this machine could read it.",
		Args: exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd, args[0], stdin)
			if err != nil {
				return err
			}
			in := admin.AccountPassword{Account: args[0], Password: password}
			return call(cmd, *config, admin.OpAccountPassword, in, sentence("password of %s set",
				func(a admin.Account) []any { return []any{a.Addresses[0]} }))
		},
	})
	cmd.Flags().BoolVar(&stdin, "stdin", false, "take the password from the standard input")
	return cmd
}

func newAccountDisable(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "disable ADDRESS", Short: "Block an account",
		Long: "Block an account: nobody logs in to it any more, and its open sessions end at once.\n" +
			"Letters to it are refused with 550 5.2.1; those accepted before wait for the account to\n" +
			"be opened again, and fail when their time is over. What is in its mailboxes stays.",
		Args: exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *config, admin.OpAccountDisable, admin.AccountName{Account: args[0]},
				sentence("%s is blocked; open it again with: gosbridge account enable %s", twice))
		},
	})
}

func newAccountEnable(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "enable ADDRESS", Short: "Open a blocked account again",
		Args: exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *config, admin.OpAccountEnable, admin.AccountName{Account: args[0]},
				sentence("%s is open; block it with: gosbridge account disable %s", twice))
		},
	})
}

// twice is the main address, for a sentence that has it two times.
func twice(a admin.Account) []any { return []any{a.Addresses[0], a.Addresses[0]} }
