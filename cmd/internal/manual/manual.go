// Package manual makes the manual pages and the shells' completions of all commands, from
// what their --help is made of.
package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gridburst/cmd/internal/adm"
	"gridburst/cmd/internal/agent"
	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/corpus"
	"gridburst/cmd/internal/daemon"
	"gridburst/cmd/internal/draw"
)

// Command is one that people run.
type Command struct {
	Name    string
	Section int // of the manual: 1 for users, 8 for those who run a schedd
	Make    func(*cli.Deps) *cobra.Command
}

// Commands are all of them, by name.
var Commands = []Command{
	{"gadm", 8, adm.Command},
	{"gchirp", 1, cli.Chirp},
	{"gconfig", 8, daemon.Config},
	{"gcontinue", 1, cli.Continue},
	{"gcorpus", 8, corpus.Command},
	{"gdag", 1, draw.Workflow},
	{"ghistory", 1, cli.History},
	{"ghold", 1, cli.Hold},
	{"gjobset", 1, cli.JobSets},
	{"gprio", 1, cli.Prio},
	{"gq", 1, cli.Queue},
	{"gqedit", 1, cli.QueueEdit},
	{"grelease", 1, cli.Release},
	{"grm", 1, cli.Remove},
	{"groute", 8, cli.Routes},
	{"gschedd", 8, daemon.Schedd},
	{"gstatus", 1, cli.Pool},
	{"gsubmit", 1, cli.Submit},
	{"gsuspend", 1, cli.Suspend},
	{"gtoken", 8, cli.Token},
	{"gtop", 1, cli.Top},
	{"gvacate", 1, cli.Vacate},
	{"gvm", 1, cli.Machines},
	{"gwait", 1, cli.Wait},
	{"gworker", 8, agent.Worker},
}

// Write makes man/man1, man/man8 and completion/SHELL in a directory.
func Write(dir string) error {
	for _, c := range Commands {
		root, _ := c.command()
		if err := write(pagePath(dir, c.Name, c.Section), c.Page()); err != nil {
			return err
		}
		for _, shell := range cli.Shells {
			var b bytes.Buffer
			if err := cli.Completion(root, shell, &b); err != nil {
				return err
			}
			if err := write(filepath.Join(dir, "completion", shell, shellFile(c.Name, shell)), b.Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

func pagePath(dir, name string, section int) string {
	return filepath.Join(dir, "man", fmt.Sprintf("man%d", section), fmt.Sprintf("%s.%d", name, section))
}

// shellFile is the name under which a shell looks for a command's completion.
func shellFile(name, shell string) string {
	switch shell {
	case "zsh":
		return "_" + name
	case "fish":
		return name + ".fish"
	}
	return name
}

func write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// command is the command, and whether it does something without a subcommand.
func (c Command) command() (root *cobra.Command, alone bool) {
	d := &cli.Deps{Env: os.Getenv}
	root = c.Make(d)
	alone = root.RunE != nil
	cli.Prepare(d, root)
	root.InitDefaultHelpFlag()
	return root, alone
}

// Page is the command's manual page, in the macros of man(7).
func (c Command) Page() []byte {
	root, alone := c.command()
	var b bytes.Buffer
	head(&b, c.Name, c.Section, lower(root.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n")
	synopsis := subcommands(root)
	if alone {
		synopsis = append([]*cobra.Command{root}, synopsis...)
	}
	for i, s := range synopsis {
		if i > 0 {
			fmt.Fprintln(&b, ".br")
		}
		fmt.Fprintf(&b, ".B %s\n%s\n", escape(s.CommandPath()), escape(strings.TrimSpace("[OPTION ...] "+arguments(s))))
	}
	text, exit, _ := strings.Cut(root.Long, "\nExit status:\n")
	fmt.Fprintf(&b, ".SH DESCRIPTION\n")
	paragraphs(&b, text)
	if subs := subcommands(root); len(subs) > 0 {
		fmt.Fprintf(&b, ".SH COMMANDS\n")
		for _, s := range subs {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s.\n", escape(strings.TrimPrefix(s.CommandPath()+" "+arguments(s), c.Name+" ")), escape(s.Short))
			options(&b, s.NonInheritedFlags(), true)
		}
	}
	fmt.Fprintf(&b, ".SH OPTIONS\n")
	options(&b, root.Flags(), false)
	if root.HasSubCommands() {
		options(&b, root.PersistentFlags(), false)
	}
	fmt.Fprintf(&b, ".SH ENVIRONMENT\n.TP\n.B GRIDBURST_SCHEDD\nThe schedd's socket or directory, where no option names one.\n.TP\n.B NO_COLOR\nWhen it is set, nothing is coloured.\n")
	statuses(&b, exit)
	if root.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n")
		verbatim(&b, strings.Split(root.Example, "\n"))
	}
	seeAlso(&b)
	return b.Bytes()
}

func head(b *bytes.Buffer, name string, section int, short string) {
	fmt.Fprintf(b, ".TH %s %d \"\" \"Gridburst %s\" \"Gridburst\"\n", strings.ToUpper(name), section, escape(cli.Version()))
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", name, escape(short))
}

func statuses(b *bytes.Buffer, exit string) {
	if exit == "" {
		return
	}
	fmt.Fprintf(b, ".SH EXIT STATUS\n")
	for l := range strings.Lines(exit) {
		status, what, ok := strings.Cut(strings.TrimSpace(l), "  ")
		if ok {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", status, escape(what))
		}
	}
}

func seeAlso(b *bytes.Buffer) {
	fmt.Fprintf(b, ".SH SEE ALSO\n")
	for _, o := range Commands {
		fmt.Fprintf(b, ".BR %s (%d),\n", o.Name, o.Section)
	}
	for i, o := range Apart {
		comma := ","
		if i == len(Apart)-1 {
			comma = ""
		}
		fmt.Fprintf(b, ".BR %s (%d)%s\n", o.Name, o.Section, comma)
	}
}

func subcommands(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(s *cobra.Command) bool { return s.Hidden || s.Name() == "help" || s.Name() == "completion" })
}

// arguments is what stands behind a command's name.
func arguments(c *cobra.Command) string {
	_, args, _ := strings.Cut(c.Use, " ")
	return args
}

func lower(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// options lists flags; nested, as what belongs to the entry before.
func options(b *bytes.Buffer, flags *pflag.FlagSet, nested bool) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || nested && f.Name == "help" {
			return
		}
		if nested && first {
			fmt.Fprintln(b, ".RS")
		}
		first = false
		value, text := pflag.UnquoteUsage(f)
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "[]" && d != "0s" && !strings.Contains(text, "default") {
			text += " (default: " + d + ")"
		}
		option(b, f.Shorthand, f.Name, value, text)
	})
	if nested && !first {
		fmt.Fprintln(b, ".RE")
	}
}

func option(b *bytes.Buffer, letter, name, value, text string) {
	name = "\\-\\-" + escape(name)
	if letter != "" {
		name = "\\-" + escape(letter) + ", " + name
	}
	fmt.Fprintf(b, ".TP\n.BI \"%s\"", name)
	if value != "" {
		fmt.Fprintf(b, " \" %s\"", escape(value))
	}
	fmt.Fprintf(b, "\n%s\n", escape(text))
}

// paragraphs sets a help text: what is indented stays as it is.
func paragraphs(b *bytes.Buffer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(p, "\n")
		if strings.HasPrefix(lines[0], "  ") {
			verbatim(b, lines)
			continue
		}
		if i > 0 {
			fmt.Fprintln(b, ".PP")
		}
		for _, l := range lines {
			fmt.Fprintln(b, escape(strings.TrimSpace(l)))
		}
	}
}

func verbatim(b *bytes.Buffer, lines []string) {
	fmt.Fprintln(b, ".PP\n.RS\n.nf")
	for _, l := range lines {
		fmt.Fprintln(b, escape(strings.TrimPrefix(l, "  ")))
	}
	fmt.Fprintln(b, ".fi\n.RE")
}

// escape makes a line of text mean itself.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "~", `\(ti`, "^", `\(ha`).Replace(s)
	if s != "" && (s[0] == '.' || s[0] == '\'') {
		s = `\&` + s
	}
	return s
}
