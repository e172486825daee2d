package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/auth"
)

func newCredential(config *string) *cobra.Command {
	return group("credential", "Passwords of mail programs and document systems", newCredentialAdd(config), newCredentialList(config), newCredentialRevoke(config))
}

func newCredentialAdd(config *string) *cobra.Command {
	var in admin.CredentialAdd
	var class string
	cmd := scriptable(&cobra.Command{
		Use:     "add ADDRESS",
		Short:   "Make a password for one program; it is shown once",
		Example: "  gosbridge credential add sidorov@romashka.example --name archive --class archive",
		Args:    exactly("ADDRESS"), ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Name == "" {
				return fmt.Errorf("%w: --name says what the password is for, like laptop or archive", errUsage)
			}
			in.Account, in.Class = args[0], auth.Class(class)
			return call(cmd, *config, admin.OpCredentialAdd, in,
				sentence("user %s\npassword %s\nclass %s; the password is not kept and cannot be shown again",
					func(c admin.NewCredential) []any { return []any{c.Account, c.Secret, c.Class} }))
		},
	})
	f := cmd.Flags()
	f.StringVar(&in.Name, "name", "", "what it is for: laptop, archive (required)")
	f.StringVar(&class, "class", string(auth.Person), "person, system or archive: only a person opens letters")
	f.StringVar(&in.Type, "type", "", "letter type of letters that name none; the account's by default")
	completes(cmd, "type", anyOf(config, "type"))
	completes(cmd, "class", oneOf(string(auth.Person), string(auth.System), string(auth.Archive)))
	return cmd
}

func newCredentialList(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "list [ADDRESS]", Short: "Show the credentials of an account, or all", Args: atMost("ADDRESS"),
		ValidArgsFunction: arguments(config, "account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := admin.CredentialList{Account: first(args)}
			return call(cmd, *config, admin.OpCredentialList, in, showCredentials)
		},
	})
}

// showCredentials writes credentials for people.
func showCredentials(w io.Writer, list []admin.AccountCredential) error {
	rows := [][]string{{"ACCOUNT", "NAME", "CLASS", "STATUS", "CREATED", "LAST USE", "ID"}}
	for _, c := range list {
		status := "live"
		if c.Revoked {
			status = "revoked"
		}
		rows = append(rows, []string{c.Account, c.Name, c.Class, status, clock(c.Created), clock(c.Used), c.ID.String()})
	}
	return table(w, rows)
}

func newCredentialRevoke(config *string) *cobra.Command {
	return scriptable(&cobra.Command{
		Use: "revoke ADDRESS NAME", Short: "Take a password back; its sessions end at once",
		Long: "Take a password back. It opens nothing any more, and the sessions that it opened end at\n" +
			"once. NAME is the credential's name, or its id where several have the name.",
		Args: exactly("ADDRESS", "NAME"), ValidArgsFunction: arguments(config, "account", "credential"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := admin.CredentialName{Account: args[0], Credential: args[1]}
			return call(cmd, *config, admin.OpCredentialRevoke, in, sentence("credential %s of %s is revoked",
				func(c admin.AccountCredential) []any { return []any{c.Name, c.Account} }))
		},
	})
}
