package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPasswordLine bounds what is read of the standard input, in octets.
const maxPasswordLine = 4096

// readPassword asks for a password twice, without echo, or takes the first line
// of the standard input.
func readPassword(cmd *cobra.Command, address string, stdin bool) (string, error) {
	if stdin {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxPasswordLine)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	terminal := int(os.Stdin.Fd())
	if !term.IsTerminal(terminal) {
		return "", fmt.Errorf("%w: the standard input is no terminal to ask for a password: give it with --stdin", errUsage)
	}
	var given [2]string
	for i, prompt := range []string{"new password of " + address + ": ", "once more: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		octets, err := term.ReadPassword(terminal)
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		given[i] = string(octets)
	}
	if given[0] != given[1] {
		return "", fmt.Errorf("%w: the two passwords differ; nothing was changed", errUsage)
	}
	return given[0], nil
}
