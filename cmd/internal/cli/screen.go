package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

// line is a row of a view: its text, and the colour of all of it.
type line struct{ colour, text string }

// view is what a live command shows at one moment.
type view struct {
	lines []line
	index uint64 // as of this entry of the log
	over  bool   // nothing more will happen to it
}

// calm is how long a view stands at least; a queue in which much happens is not read
// faster by redrawing it.
const calm = 500 * time.Millisecond

// live shows what look sees, again whenever something has happened and at the latest
// after every (0: then only), until the view is over or the person has had enough. While
// the schedd is away the last view stays, and says so.
func (d *Deps) live(ctx context.Context, client *api.Client, every time.Duration, look func(context.Context) (view, error)) error {
	v, err := look(ctx) // what is wrong from the start is an error as any
	if err != nil {
		return err
	}
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	show, end := d.showing(enough)
	defer end()
	for show(v.lines); !v.over; {
		if pause.For(ctx, calm) != nil {
			return nil
		}
		if err == nil {
			happened(ctx, client, v.index, every)
		}
		var next view
		next, err = look(ctx)
		switch code := grid.CodeOf(err); {
		case ctx.Err() != nil:
			return nil
		case code == grid.Unavailable || code == grid.Unknown:
			show(append(slices.Clone(v.lines), line{red, "The schedd does not answer; trying again. This is as it was."}))
		case err != nil:
			return err
		default:
			v = next
			show(v.lines)
		}
	}
	return nil
}

// happened waits until something has happened behind an index, or time is over.
func happened(ctx context.Context, client *api.Client, index uint64, every time.Duration) {
	if every > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, every)
		defer cancel()
	}
	_ = client.Happened(ctx, index) // whatever it says, the next look tells more
}

// showing gives how views are shown: on a terminal in place, until end is called; else
// one after the other, each when it differs from the last. A person ends it with q.
func (d *Deps) showing(enough func()) (show func([]line), end func()) {
	if d.terminal == nil {
		var last []line
		return func(lines []line) {
			if slices.Equal(lines, last) {
				return
			}
			if last != nil {
				fmt.Fprintln(d.Out)
			}
			last = lines
			for _, l := range lines {
				fmt.Fprintln(d.Out, l.text)
			}
			if d.flush != nil {
				d.flush()
			}
		}, func() {}
	}
	s := &screen{out: d.terminal.out, size: d.terminal.size, colour: d.Colour}
	stop := d.terminal.take(s, enough)
	return s.show, func() {
		stop()
		for _, l := range s.view { // what was seen last stays, as other commands' output does
			fmt.Fprintln(d.Out, d.paint(l.colour, d.cut(l.text)))
		}
	}
}

// terminal is the person's, where standard input and output both are one.
type terminal struct {
	in, out *os.File
}

// size is the terminal's, in characters.
func (t *terminal) size() (width, height int) {
	width, height, err := term.GetSize(int(t.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// take gives the terminal to a screen until stop is called: keys are not echoed, a
// change of its size redraws it, and q, Escape, Ctrl-C or the end of input are enough.
func (t *terminal) take(s *screen, enough func()) (stop func()) {
	before, err := term.MakeRaw(int(t.in.Fd()))
	s.begin()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-resized:
				s.anew()
			case <-done:
				return
			}
		}
	})
	// It reads on until the process ends: a read of a terminal cannot be called off.
	go func() {
		var b [1]byte
		for {
			if n, err := t.in.Read(b[:]); err != nil || n == 1 && strings.IndexByte("qQ\x03\x04\x1b", b[0]) >= 0 {
				enough()
				return
			}
		}
	}()
	return func() {
		signal.Stop(resized)
		close(done)
		wg.Wait()
		s.end()
		if err == nil {
			_ = term.Restore(int(t.in.Fd()), before)
		}
	}
}

// screen shows views in place. It sends only the rows that differ from what stands
// there. (bubbletea and go-pretty do this too, and more; their tables of character widths
// cost every start of every command 25 ms of CPU, a submit's whole time three times over.)
type screen struct {
	out    io.Writer
	size   func() (width, height int)
	colour bool

	mu            sync.Mutex
	view          []line
	shown         []line // the rows as they stand, cut
	width, height int
}

// Control sequences: the second screen and back, the cursor, a place, and clearing.
const (
	screenBegin = "\x1b[?1049h\x1b[?25l"
	screenEnd   = "\x1b[?25h\x1b[?1049l"
	clearAll    = "\x1b[2J"
	clearRest   = "\x1b[K"
)

func (s *screen) begin() { io.WriteString(s.out, screenBegin) }
func (s *screen) end()   { io.WriteString(s.out, screenEnd) }

// show makes the screen show these lines.
func (s *screen) show(lines []line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = lines
	s.draw()
}

// anew draws everything again, on a terminal of another size.
func (s *screen) anew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.height, s.shown = 0, nil
	s.draw()
}

func (s *screen) draw() {
	var b strings.Builder
	if s.height == 0 {
		s.width, s.height = s.size()
		b.WriteString(clearAll)
	}
	rows := s.rows()
	for i := range max(len(rows), len(s.shown)) {
		var want, is line
		if i < len(rows) {
			want = rows[i]
		}
		if i < len(s.shown) {
			is = s.shown[i]
		}
		if want == is {
			continue
		}
		text := want.text
		if s.colour && want.colour != "" {
			text = want.colour + text + plain
		}
		fmt.Fprintf(&b, "\x1b[%d;1H%s%s", i+1, clearRest, text)
	}
	s.shown = rows
	io.WriteString(s.out, b.String())
}

// rows are the view's lines as they fit.
func (s *screen) rows() []line {
	rows := slices.Clone(s.view)
	if len(rows) > s.height {
		rows = rows[:s.height]
		rows[s.height-1] = line{dim, fmt.Sprintf("... and %d more lines", len(s.view)-s.height+1)}
	}
	for i := range rows {
		rows[i].text = cut(rows[i].text, s.width)
	}
	return rows
}
