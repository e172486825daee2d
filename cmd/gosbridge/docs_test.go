package main

import (
	"os"
	"path/filepath"
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

// What README tells people to type does what it says, in the order of the page
// and in an empty folder where quickstart was before.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, run, found := strings.Cut(string(page), "\n## Run it\n")
	if run, _, _ = strings.Cut(run, "\n## "); !found {
		t.Fatal("README does not say how to run it")
	}
	special := map[string]string{
		"gosbridge serve": "exec sh -c 'exec gosbridge serve 2>log' &serve&\nawait log 'msg=listening.*imap'\n",
		"gosbridge letter recall NUMBER": "exec sh -c 'gosbridge letter list | grep -o GP-[0-9-]* >number'\n" + // quickstart has opened its letter
			"! exec sh -c 'exec gosbridge letter recall $(cat number)'\nstderr 'GP-.*: too late to recall: it is opened'\n",
	}
	script := "mkdir $DATA\ncd $DATA\nexec gosbridge quickstart --once --smtps-port $SMTPS --smtp-port 0 --imaps-port $IMAPS --imap-port 0\n"
	commands := regexp.MustCompile(`(?m)^(gosbridge [^#\n]*?)\s*(?:#.*)?$`).FindAllStringSubmatch(run, -1)
	for _, m := range commands {
		if as, ok := special[m[1]]; ok {
			script += as
			delete(special, m[1])
			continue
		}
		script += "exec " + m[1] + "\n"
	}
	if len(commands) < 6 || len(special) > 0 {
		t.Fatalf("README has only %q", commands)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "readme.txt"), []byte(script+"kill -INT serve\nwait serve\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runScripts(t, folder)
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
