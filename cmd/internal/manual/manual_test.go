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
var tools = []string{"gbench", "gchaos", "grun", "internal", "ovirt_gahp", "ovirtsim", "testdata"}

func TestEveryCommandHasAPage(t *testing.T) {
	dirs, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		has := slices.ContainsFunc(Commands, func(c Command) bool { return c.Name == d.Name() })
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
		if err != nil || len(files) != len(Commands) {
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
