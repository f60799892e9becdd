package cli

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/term"
)

// Deps is what a command sees of the world.
type Deps struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Env func(name string) string
	Now func() time.Time

	Width     int  // of the terminal that Out is, in characters; 0: Out is none
	Colour    bool // Out may be coloured
	ErrColour bool // Err may be coloured
	InTerm    bool // In is a person at a terminal

	verbose  bool
	terminal *terminal    // In and Out, where views can be shown in place; nil: nowhere
	flush    func() error // of Out, where it is buffered
}

// system is the process's own.
func system() *Deps {
	out := bufio.NewWriterSize(os.Stdout, 32<<10)
	d := &Deps{In: os.Stdin, Out: out, Err: os.Stderr, Env: os.Getenv, Now: time.Now, flush: out.Flush}
	d.InTerm = term.IsTerminal(int(os.Stdin.Fd()))
	dumb := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	if term.IsTerminal(int(os.Stdout.Fd())) {
		d.Width, d.Colour = 80, !dumb
		if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w > 0 {
			d.Width = w
		} else if w, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && w > 0 {
			d.Width = w
		}
	}
	if d.Width > 0 && d.InTerm && os.Getenv("TERM") != "dumb" {
		d.terminal = &terminal{in: os.Stdin, out: os.Stdout}
	}
	d.ErrColour = !dumb && term.IsTerminal(int(os.Stderr.Fd()))
	return d
}
