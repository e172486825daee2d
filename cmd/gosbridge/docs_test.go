package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// leaves calls fn for every command that does something, but for those of cobra.
func leaves(c *cobra.Command, fn func(*cobra.Command)) {
	if c.Name() == "help" || c.Name() == "completion" {
		return
	}
	for _, sub := range c.Commands() {
		leaves(sub, fn)
	}
	if c.Runnable() && !c.HasSubCommands() {
		fn(c)
	}
}

// The page on the commands has a section for each, which names all of its
// flags, and none for a command that is not there.
func TestCommandsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		sections[title] = text
	}
	flags := 0
	leaves(newRoot(), func(c *cobra.Command) {
		text, ok := sections[c.CommandPath()]
		if !ok {
			t.Errorf("no section on %s", c.CommandPath())
		}
		delete(sections, c.CommandPath())
		if !strings.Contains(text, "$ "+c.CommandPath()) {
			t.Errorf("no example of %s", c.CommandPath())
		}
		for _, flag := range regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[\w-]+)`).FindAllStringSubmatch(c.LocalNonPersistentFlags().FlagUsages(), -1) {
			if !regexp.MustCompile(flag[1] + `\b[^-]`).MatchString(text) {
				t.Errorf("the section on %s does not name %s", c.CommandPath(), flag[1])
			}
			flags++
		}
	})
	if flags < 30 {
		t.Errorf("only %d flags were found", flags)
	}
	for title := range sections {
		if strings.HasPrefix(title, "gosbridge") {
			t.Errorf("a section on %q, which is no command", title)
		}
	}
}

// Every example on the page is a command line that is understood.
func TestExamplesOnPages(t *testing.T) {
	example := regexp.MustCompile(`(?m)^(?:\$ |    )gosbridge ([^|<>\n]*)`)
	checked := 0
	for _, file := range []string{"../../docs/commands.md", "../../README.md"} {
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range example.FindAllStringSubmatch(string(page), -1) {
			root := newRoot()
			root.InitDefaultCompletionCmd()
			cmd, rest, err := root.Find(words(m[1]))
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil && cmd.Args != nil {
				err = cmd.Args(cmd, cmd.Flags().Args())
			}
			if err != nil || cmd.HasSubCommands() {
				t.Errorf("%s: gosbridge %s: %v", file, m[1], err)
			}
			checked++
		}
	}
	if checked < 20 {
		t.Errorf("only %d examples were found", checked)
	}
}

// words parts a command line as a shell does, as far as the pages need it.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`'([^']*)'|\S+`).FindAllStringSubmatch(line, -1) {
		if m[1] != "" {
			m[0] = m[1]
		}
		out = append(out, m[0])
	}
	return out
}

// Every command that answers can do so as JSON.
func TestCommandsAnswerAsJSON(t *testing.T) {
	leaves(newRoot(), func(c *cobra.Command) {
		if name := c.Name(); name == "quickstart" || name == "serve" {
			return
		}
		if c.Flags().Lookup(jsonFlag) == nil {
			t.Errorf("%s has no --%s", c.CommandPath(), jsonFlag)
		}
		if c.ValidArgsFunction == nil {
			t.Errorf("%s completes its arguments with the names of files", c.CommandPath())
		}
	})
}
