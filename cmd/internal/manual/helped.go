package manual

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"gridburst/internal/grid"
)

// Helped is a program whose command is not linked here: its client of an engine, or its
// engine, belongs to it alone. Its page is made from what its --help prints.
type Helped struct {
	Name    string
	Section int
	Short   string // what stands behind its name
}

// Apart are all of them, by name.
var Apart = []Helped{
	{"ovirt_gahp", 8, "virtual machines of an oVirt engine, for a schedd"},
	{"ovirtsim", 8, "an oVirt engine for machines that have none"},
}

// help runs a program, which lies in that directory.
func (h Helped) help(programs string) (string, error) {
	out, err := exec.Command(filepath.Join(programs, h.Name), "--help").Output()
	if err != nil {
		return "", grid.Errorf(grid.Invalid, "the page of %s is made from its --help: %w", h.Name, err)
	}
	return string(out), nil
}

// flagLine is a flag as --help prints it: a letter, the name, what it takes, what it does.
var flagLine = regexp.MustCompile(`^ +(?:-(\w), )?--([\w-]+)(?: (\S+))? {2,}(.+)$`)

// page is the program's manual page.
func (h Helped) page(help string) ([]byte, error) {
	text, rest, hasUsage := strings.Cut(help, "\nUsage:\n")
	usage, flags, hasFlags := strings.Cut(rest, "\nFlags:\n")
	if !hasUsage || !hasFlags {
		return nil, grid.Errorf(grid.Internal, "the --help of %s has no usage or no flags", h.Name)
	}
	text, exit, _ := strings.Cut(text, "\nExit status:\n")
	usage = strings.TrimSuffix(strings.TrimSpace(usage), " [flags]")
	arguments := strings.TrimSpace(strings.TrimPrefix(usage, h.Name))
	var b bytes.Buffer
	head(&b, h.Name, h.Section, h.Short)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n%s\n", escape(h.Name), escape(strings.TrimSpace("[OPTION ...] "+arguments)))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n")
	paragraphs(&b, text)
	fmt.Fprintf(&b, ".SH OPTIONS\n")
	for l := range strings.Lines(strings.TrimRight(flags, "\n")) {
		m := flagLine.FindStringSubmatch(strings.TrimRight(l, "\n"))
		if m == nil {
			return nil, grid.Errorf(grid.Internal, "the --help of %s has a flag that cannot be read: %q", h.Name, l)
		}
		option(&b, m[1], m[2], m[3], m[4])
	}
	statuses(&b, exit)
	seeAlso(&b)
	return b.Bytes(), nil
}

// programs is where this program lies, and the others with it.
func programs() (string, error) {
	self, err := os.Executable()
	return filepath.Dir(self), err
}

// WriteAll is [Write], with the pages of the programs beside this one.
func WriteAll(dir string) error {
	if err := Write(dir); err != nil {
		return err
	}
	beside, err := programs()
	if err != nil {
		return err
	}
	return writeApart(dir, beside)
}

func writeApart(dir, beside string) error {
	for _, h := range Apart {
		help, err := h.help(beside)
		if err != nil {
			return err
		}
		page, err := h.page(help)
		if err != nil {
			return err
		}
		if err := write(pagePath(dir, h.Name, h.Section), page); err != nil {
			return err
		}
	}
	return nil
}
