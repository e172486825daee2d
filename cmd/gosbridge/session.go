package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gosbridge/gateway/admin"
	"gosbridge/gateway/session"
)

func newSession(config *string) *cobra.Command {
	return group("session", "Who is connected", newSessionList(config), newSessionKick(config))
}

func newSessionList(config *string) *cobra.Command {
	var in admin.SessionList
	cmd := scriptable(&cobra.Command{
		Use: "list", Short: "Show the open sessions of SMTP and IMAP, the oldest first", Args: exactly(),
		ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Show the open sessions of SMTP and IMAP, the oldest first. The mailbox that a client\n" +
			"has selected is not shown: its name is the account's secret.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, *config, admin.OpSessionList, in, showSessions)
		},
	})
	cmd.Flags().StringVar(&in.Account, "account", "", "only those of the account with this address")
	completes(cmd, "account", anyOf(config, "account"))
	return cmd
}

// showSessions writes sessions for people.
func showSessions(w io.Writer, list []session.Info) error {
	rows := [][]string{{
		"ID", "PROTOCOL", "LISTENER", "REMOTE", "TLS", "ACCOUNT", "CREDENTIAL", "SINCE", "LAST COMMAND", "STATE", "RECEIVED", "SENT",
	}}
	for _, s := range list {
		rows = append(rows, sessionRow(s))
	}
	return table(w, rows)
}

// sessionRow is one line of the list.
func sessionRow(s session.Info) []string {
	credential, state := s.Credential, string(s.State)
	if s.Class != "" {
		credential += " (" + string(s.Class) + ")"
	}
	if s.Ending {
		state += ", ending"
	}
	return []string{
		s.ID, string(s.Protocol), s.Listener, s.Remote, orDash(s.TLS), orDash(s.Account), orDash(credential),
		clock(s.Since), clock(s.Command), state, fmt.Sprint(s.Received), fmt.Sprint(s.Sent),
	}
}

func newSessionKick(config *string) *cobra.Command {
	var in admin.SessionKick
	cmd := scriptable(&cobra.Command{
		Use: "kick [ID...]", Short: "End sessions", Args: cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
		Long: "End sessions: those with the ids, or of an account, or of a credential; what is given\n" +
			"together must fit together. A client that waits is told at once, any other after its\n" +
			"command or letter, and is cut off when that takes more than 5 s. It can log in again\n" +
			"as long as its password opens the account.",
		Example: "  gosbridge session kick --account ivanov@romashka.example --credential laptop",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.IDs = args
			return call(cmd, *config, admin.OpSessionKick, in,
				sentence("sessions ended: %d", func(out admin.SessionKicked) []any { return []any{out.Sessions} }))
		},
	})
	cmd.Flags().StringVar(&in.Account, "account", "", "those of the account with this address")
	cmd.Flags().StringVar(&in.Credential, "credential", "", "those that logged in with a credential of this name")
	completes(cmd, "account", anyOf(config, "account"))
	return cmd
}
