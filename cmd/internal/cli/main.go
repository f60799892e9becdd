package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gridburst/internal/grid"
)

// Main runs a command in this process and gives its exit status.
func Main(command func(*Deps) *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d := system()
	code := Execute(ctx, d, command(d), os.Args[1:])
	if err := d.flush(); err != nil {
		fmt.Fprintf(d.Err, "write standard output: %v\n", err)
		return max(code, ExitFailed)
	}
	return code
}

// Execute runs a command with arguments and gives its exit status. What failed is
// said on d.Err.
func Execute(ctx context.Context, d *Deps, c *cobra.Command, args []string) int {
	Prepare(d, c)
	c.SetArgs(longDashes(args, c.Flags()))
	c.SetOut(d.Out)
	c.SetErr(d.Err)
	err := c.ExecuteContext(ctx)
	return d.fail(c.Name(), err)
}

// Prepare gives a command what all commands have.
func Prepare(d *Deps, c *cobra.Command) {
	c.SilenceUsage, c.SilenceErrors = true, true
	c.CompletionOptions.HiddenDefaultCmd = true
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err.Error()) })
	c.PersistentFlags().BoolVarP(&d.verbose, "verbose", "v", false, "when something fails, say what it was caused by")
	version := c.Flags().Bool("version", false, "print the version")
	shell := c.Flags().String("completion", "", "print what completes this command in a `shell`: bash, zsh or fish")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case *version:
			fmt.Fprintf(d.Out, "%s %s\n", c.Name(), Version())
			return nil
		case *shell != "":
			return Completion(c, *shell, d.Out)
		case run == nil:
			return usage("a command is missing; " + c.Name() + " --help lists them")
		}
		return run(c, args)
	}
	judgeArgs(c)
}

// judgeArgs makes what cobra says of arguments errors of usage.
func judgeArgs(c *cobra.Command) {
	judge := c.Args
	if judge == nil && c.HasSubCommands() {
		judge = cobra.NoArgs
	}
	if judge != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := judge(c, args); err != nil {
				return usage(err.Error())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		judgeArgs(sub)
	}
}

// fail says what went wrong, in one sentence, and gives the exit status.
func (d *Deps) fail(name string, err error) int {
	code := ExitOf(err)
	var said *saidError
	if err == nil || errors.As(err, &said) {
		return code
	}
	if d.flush != nil {
		d.flush() // what was found comes before what was not; Main looks for errors
	}
	var diags *grid.DiagnosticsError
	var e *grid.Error
	switch {
	case errors.As(err, &diags):
		d.Diagnose(diags.Diagnostics)
	case errors.As(err, &e):
		fmt.Fprintf(d.Err, "%s: %s\n", name, grid.Printable(e.Message))
	default:
		fmt.Fprintf(d.Err, "%s: %s\n", name, grid.Printable(err.Error()))
	}
	if d.verbose {
		for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
			fmt.Fprintf(d.Err, "  caused by (%T) %s\n", cause, grid.Printable(cause.Error()))
		}
	}
	return code
}

// longDashes takes HTCondor's long options with one dash (-constraint) for those with
// two. A dash before a cluster of one-letter options keeps its meaning where no long
// option has that name. A signed number (+1, -1) is the value of an option --add, where a
// command has one.
func longDashes(args []string, flags *pflag.FlagSet) []string {
	out := make([]string, 0, len(args))
	skip := 0
	for i, a := range args {
		if skip > 0 {
			skip--
			continue
		}
		if (a == "-format" || a == "--format") && len(args) > i+2 && flags.Lookup("format") != nil {
			out, skip = append(out, "--format="+args[i+1]+"\x00"+args[i+2]), 2
			continue
		}
		if a == "--" {
			return append(out, args[i:]...)
		}
		if n, err := strconv.Atoi(a); err == nil && strings.ContainsAny(a[:1], "+-") && flags.Lookup("add") != nil && (i == 0 || args[i-1] != "-p") {
			out = append(out, "--add="+strconv.Itoa(n))
			continue
		}
		if word, ok := strings.CutPrefix(a, "-"); ok && !strings.HasPrefix(word, "-") {
			name, _, _ := strings.Cut(word, "=")
			if format, isFormat := strings.CutPrefix(name, "af:"); isFormat && flags.Lookup("af") != nil {
				out = append(out, "--af-format="+format, "--af")
				continue
			}
			if len(name) > 1 && flags.Lookup(name) != nil {
				a = "-" + a
			}
		}
		out = append(out, a)
	}
	return out
}

// Version is this program's, as it was built.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "0.0.0-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "0.0.0"
}
