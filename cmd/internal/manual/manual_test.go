package manual

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tools are those of the sources, and what other programs start.
var tools = []string{"gbench", "gchaos", "grun", "internal", "testdata"}

func TestEveryCommandHasAPage(t *testing.T) {
	dirs, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		has := slices.ContainsFunc(Commands, func(c Command) bool { return c.Name == d.Name() }) ||
			slices.ContainsFunc(Apart, func(h Helped) bool { return h.Name == d.Name() })
		if d.IsDir() && has == slices.Contains(tools, d.Name()) {
			t.Errorf("%s: is it among Commands? %v", d.Name(), has)
		}
	}
}

func TestPagesSayEverythingThatHelpSays(t *testing.T) {
	for _, c := range Commands {
		root, _ := c.command()
		if root.Name() != c.Name {
			t.Errorf("%s calls itself %s", c.Name, root.Name())
		}
		page := string(c.Page())
		for _, s := range append(subcommands(root), root) {
			s.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("%s: --%s says nothing of itself", s.CommandPath(), f.Name)
				}
				if !f.Hidden && !strings.Contains(page, `\-\-`+escape(f.Name)+`"`) {
					t.Errorf("%s: its page does not have --%s", s.CommandPath(), f.Name)
				}
			})
			if s.Short == "" || !strings.Contains(page, escape(s.Short)) && s != root {
				t.Errorf("%s: its page does not say %q", s.CommandPath(), s.Short)
			}
		}
		for _, want := range []string{".SH EXIT STATUS", ".SH DESCRIPTION", ".SH SYNOPSIS\n.B"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s has no %s", c.Name, want)
			}
		}
	}
}

// What judges pages and completions is there on some machines only.
func TestPagesAndCompletionsAreWithoutFault(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	if err := writeApart(dir, helpers(t)); err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, judge := range []struct {
		files string
		cmd   []string
	}{
		{"man/*/*", []string{"mandoc", "-Tlint", "-Wwarning"}},
		{"man/*/*", []string{"groff", "-man", "-ww", "-z", "-Tutf8"}},
		{"completion/bash/*", []string{"bash", "-n"}},
		{"completion/zsh/*", []string{"zsh", "-n"}},
		{"completion/fish/*", []string{"fish", "--no-execute"}},
	} {
		if _, err := exec.LookPath(judge.cmd[0]); err != nil {
			continue
		}
		judged++
		files, err := filepath.Glob(filepath.Join(dir, judge.files))
		want := len(Commands)
		if strings.HasPrefix(judge.files, "man") {
			want += len(Apart)
		}
		if err != nil || len(files) != want {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, f := range files {
			if out, err := exec.Command(judge.cmd[0], append(judge.cmd[1:], f)...).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
				t.Errorf("%v %s: %v\n%s", judge.cmd, filepath.Base(f), err, out)
			}
		}
	}
	if judged == 0 {
		t.Skip("no mandoc, groff or shell")
	}
}

func TestPagesKeepWhatIsWritten(t *testing.T) {
	for in, want := range map[string]string{
		".hidden":      `\&.hidden`,
		"'quoted'":     `\&'quoted'`,
		`a\b "c" --d~`: `a\eb \(dqc\(dq \-\-d\(ti`,
	} {
		if got := escape(in); got != want {
			t.Errorf("%q becomes %q, not %q", in, got, want)
		}
	}
	if got := subcommands(&cobra.Command{}); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// helpers is a directory with programs that print what a command of this library does for
// --help.
func helpers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, h := range Apart {
		c := &cobra.Command{
			Use: h.Name + " --url URL", Short: "S", Long: "It's *this*.\n\n  curl 'x'\n\nExit status:\n  0  done\n  1  failed: it said so",
			Run: func(*cobra.Command, []string) {},
		}
		c.CompletionOptions.DisableDefaultCmd = true
		c.Flags().String("url", "", "the engine's `URL`: https://HOST/api")
		c.Flags().BoolP("view", "v", false, "look at it -- only")
		c.Flags().Duration("timeout", 3, "how `long`")
		var b bytes.Buffer
		c.SetOut(&b)
		c.SetArgs([]string{"--help"})
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		script := "#!/bin/sh\ncat <<'END-OF-HELP'\n" + b.String() + "END-OF-HELP\n"
		if err := os.WriteFile(filepath.Join(dir, h.Name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPagesOfProgramsApartSayWhatTheirHelpSays(t *testing.T) {
	dir := helpers(t)
	h := Apart[0]
	help, err := h.help(dir)
	if err != nil {
		t.Fatal(err)
	}
	page, err := h.page(help)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		".SH NAME\n" + h.Name + ` \- `, ".SH SYNOPSIS\n.B " + h.Name + "\n[OPTION ...] \\-\\-url URL\n", ".SH DESCRIPTION\nIt's *this*.", ".nf\ncurl 'x'",
		".BI \"\\-\\-url\" \" URL\"\nthe engine's URL: https://HOST/api\n", ".BI \"\\-v, \\-\\-view\"\nlook at it", "(default 3ns)", ".SH EXIT STATUS\n.TP\n.B 0\ndone\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not have %q:\n%s", want, page)
		}
	}
	for _, bad := range []string{"", "Usage:\n  x\n", "text\n\nUsage:\n  x\n\nFlags:\n  what is this\n"} {
		if _, err := h.page(bad); err == nil {
			t.Errorf("%q makes a page", bad)
		}
	}
	if err := writeApart(t.TempDir(), t.TempDir()); err == nil {
		t.Error("without the programs there are pages")
	}
}
