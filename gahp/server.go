package gahp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/failpoint"
)

// ProtocolVersion is the first word of the banner. A client goes with a server whose
// first number is its own.
const ProtocolVersion = "1.0.0"

const bannerWord = "$GahpVersion:"

// ServerOptions are how [Serve] serves. The zero value is right for a process of
// its own.
type ServerOptions struct {
	Name       string        // in the banner, of this program; empty: "Gridburst GAHP"
	Built      time.Time     // in the banner
	Concurrent int           // calls that the provider works on at once; 0: 16
	Accepted   int           // requests that are accepted and not yet answered, at most; 0: 1000
	Deadline   time.Duration // of a request that names none, and the most that one may name; 0: 10 minutes
	Linger     time.Duration // after the end of the input, for calls at the engine to end; 0: 5 s
	Dialect    Dialect       // further verbs
	Log        logrus.FieldLogger
}

// Dialect is a set of verbs in a form of their own, for clients that know nothing of
// a [Provider].
type Dialect struct {
	// Now are answered at once, with words, or with E and why the arguments make no
	// sense.
	Now map[string]func(args []string) ([]string, error)

	// Later are requests. What follows the verb and REQUEST are their arguments; they
	// make no sense, or here is what is to be done, and the words that follow REQUEST
	// in the one line of the result, which may be of any length. All that are accepted are
	// worked on at once.
	Later map[string]func(args []string) (Work, error)

	// Failed is the result of a request that was not carried out.
	Failed func(error) []string
}

// Work is what a request of a [Dialect] asks for.
type Work func(context.Context) []string

func (o ServerOptions) withDefaults() ServerOptions {
	o.Name = cmp.Or(o.Name, "Gridburst GAHP")
	o.Concurrent = cmp.Or(o.Concurrent, 16)
	o.Accepted = cmp.Or(o.Accepted, 1000)
	o.Deadline = cmp.Or(o.Deadline, 10*time.Minute)
	o.Linger = cmp.Or(o.Linger, 5*time.Second)
	if o.Log == nil {
		o.Log = silent()
	}
	return o
}

func silent() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// Serve answers the requests that come in until QUIT, the end of in, or the end of
// ctx, and returns when no call of its making is left. p gets a fence; without one
// the Dialect's verbs are all that there are beside the general ones. Calls that
// wait are then given up at once; those that p works on have Linger to end by
// themselves, because an answer of which nobody hears is still better than half a
// machine. The error says what went wrong with in or out, or is a call's that did
// not end when its context had: p is still busy then and the process should end.
//
// Lines that make no sense are answered with E. Nothing else may write to out.
func Serve(ctx context.Context, in io.Reader, out io.Writer, p Provider, o ServerOptions) error {
	o = o.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &server{
		o: o, out: out, slots: make(chan struct{}, o.Concurrent),
		open: map[string]context.CancelCauseFunc{}, closing: make(chan struct{}),
	}
	if p != nil {
		s.p = Fenced(p)
	}
	if err := s.say(s.banner()); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	// A read cannot be called off: if ctx ends first, its goroutine stays with in.
	lines := make(chan error, 1)
	go func() { lines <- s.read(ctx, in) }()
	var err error
	select {
	case err = <-lines:
	case <-ctx.Done():
	}
	return errors.Join(err, s.linger(cancel))
}

// errOver gives up what nobody waits for any more.
var errOver = &Error{Kind: EngineDown, Text: "the GAHP is ending, and nothing was done"}

// errCancelled is what VM_CANCEL ends a request with.
var errCancelled = errors.New("the client gave the request up")

type server struct {
	o       ServerOptions
	p       Provider      // nil: none
	slots   chan struct{} // one for each call at the provider
	calls   sync.WaitGroup
	closing chan struct{} // closed: what has no slot yet gets none

	mu      sync.Mutex
	over    bool // no request is accepted any more
	out     io.Writer
	prefix  string
	async   bool
	told    bool                               // R was said and RESULTS not yet asked
	open    map[string]context.CancelCauseFunc // accepted requests by id; nil when the result waits
	results []result
	broken  error // out cannot be written any more
}

type result struct {
	id    string
	lines [][]byte
}

func (s *server) banner() string {
	date := s.o.Built
	if date.IsZero() {
		return bannerWord + " " + ProtocolVersion + " " + s.o.Name + " $"
	}
	return bannerWord + " " + ProtocolVersion + " " + date.Format("Jan 02 2006") + " " + s.o.Name + " $"
}

// read carries lines out until there are no more.
func (s *server) read(ctx context.Context, in io.Reader) error {
	r := newLineReader(in)
	for {
		raw, err := r.next()
		switch {
		case errors.Is(err, errLong):
			err = s.reply("E", err.Error())
		case err == io.EOF:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			s.o.Log.Warn("input ended in the middle of a line")
			return nil
		case err != nil:
			return fmt.Errorf("read a request: %w", err)
		default:
			var quit bool
			if quit, err = s.line(ctx, raw); quit {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// line carries one line out. The error is out's.
func (s *server) line(ctx context.Context, raw []byte) (quit bool, err error) {
	all, err := splitLine(raw)
	if err != nil {
		return false, s.reply("E", err.Error())
	}
	if len(all) == 0 {
		return false, nil // an empty line asks for nothing
	}
	verb, w := strings.ToUpper(all[0]), &words{rest: all[1:]}
	if read, ok := works[verb]; ok && s.p != nil {
		return false, s.accept(ctx, verb, w, s.readVM(verb, read))
	}
	if read, ok := s.o.Dialect.Later[verb]; ok {
		return false, s.accept(ctx, verb, w, s.readOther(read))
	}
	if read, ok := s.o.Dialect.Now[verb]; ok {
		said, err := read(w.rest)
		if err != nil {
			return false, s.reply("E", verb+": "+err.Error())
		}
		return false, s.reply("S", said...)
	}
	var argument string
	if verb == verbPrefix || verb == verbCancel || verb == verbCondor {
		argument = w.text("argument")
	}
	if !slices.Contains(general, verb) {
		return false, s.reply("E", "there is no such command: COMMANDS lists them")
	}
	if err := w.end(); err != nil {
		return false, s.reply("E", err.Error())
	}
	switch verb {
	case verbCommands:
		return false, s.reply("S", s.verbs()...)
	case verbCondor:
		s.o.Log.WithField("version", argument).Info("the client is HTCondor")
		return false, s.reply("S")
	case verbVersion:
		return false, s.reply("S", s.banner())
	case verbResults:
		return false, s.deliver()
	case verbAsyncOn, verbAsyncOff:
		return false, s.setAsync(verb == verbAsyncOn)
	case verbPrefix:
		return false, s.setPrefix(argument)
	case verbCancel:
		s.mu.Lock()
		giveUp := s.open[argument]
		s.mu.Unlock()
		if giveUp != nil {
			giveUp(errCancelled)
		}
		return false, s.reply("S")
	}
	return true, s.reply("S") // QUIT
}

// verbs lists all that this server knows.
func (s *server) verbs() []string {
	all := slices.Clone(general)
	if s.p != nil {
		all = slices.AppendSeq(all, maps.Keys(works))
	}
	all = slices.AppendSeq(all, maps.Keys(s.o.Dialect.Later))
	all = slices.AppendSeq(all, maps.Keys(s.o.Dialect.Now))
	slices.Sort(all)
	return all
}

// errand is a request that was read.
type errand struct {
	call   bool                               // at the provider, of which some are worked on at once
	limit  time.Duration                      // that the client sets; 0: none
	do     func(ctx context.Context) [][]byte // carries it out; its result
	failed func(e *Error) [][]byte            // its result if it is not carried out
}

// readVM reads what follows REQUEST in a provider's verb.
func (s *server) readVM(verb string, read func(*words) work) func(id string, w *words) (errand, error) {
	return func(id string, w *words) (errand, error) {
		const most = uint64(1<<63-1) / uint64(time.Millisecond)
		r := errand{
			call:   true,
			limit:  time.Duration(w.number("time limit in milliseconds", most)) * time.Millisecond,
			failed: func(e *Error) [][]byte { return failure(id, e) },
		}
		do := read(w)
		r.do = func(ctx context.Context) [][]byte { return s.call(ctx, id, verb, do) }
		return r, w.end()
	}
}

// readOther reads what follows REQUEST in a verb of the dialect.
func (s *server) readOther(read func([]string) (Work, error)) func(id string, w *words) (errand, error) {
	return func(id string, w *words) (errand, error) {
		if w.err != nil {
			return errand{}, w.err
		}
		do, err := read(w.rest)
		line := func(said []string) [][]byte {
			line, err := joinLine(nil, append([]string{id}, said...)...)
			if err != nil {
				line, _ = joinLine(nil, append([]string{id}, s.o.Dialect.Failed(err)...)...)
			}
			return [][]byte{line}
		}
		return errand{
			do:     func(ctx context.Context) [][]byte { return line(do(ctx)) },
			failed: func(e *Error) [][]byte { return line(s.o.Dialect.Failed(e)) },
		}, err
	}
}

// accept takes a request in, and answers that it has.
func (s *server) accept(ctx context.Context, verb string, w *words, read func(id string, w *words) (errand, error)) error {
	id := strconv.FormatUint(w.number("request id", 1<<63), 10)
	if id == "0" {
		w.fail("the request id is a number from 1")
	}
	r, err := read(id, w)
	if err != nil {
		return s.reply("E", verb+": "+err.Error())
	}
	limit := r.limit
	if limit == 0 || limit > s.o.Deadline {
		limit = s.o.Deadline
	}
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return s.reply("E", "the GAHP is ending: "+verb+" is not carried out")
	}
	if _, used := s.open[id]; used {
		s.mu.Unlock()
		return s.reply("E", "request "+id+" is open already")
	}
	if len(s.open) >= s.o.Accepted {
		s.mu.Unlock()
		return s.reply("F", fmt.Sprintf("%d requests are open: ask for their results first", s.o.Accepted))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the request's time of %s is over", limit))
	ctx, giveUp := context.WithCancelCause(ctx)
	s.open[id] = giveUp
	s.calls.Add(1)
	s.mu.Unlock()
	err = s.reply("S") // before its result can be told of
	go func() {
		defer s.calls.Done()
		defer cancel()
		s.settle(id, s.carryOut(ctx, r))
	}()
	return err
}

// carryOut is the result of a request, as lines.
func (s *server) carryOut(ctx context.Context, r errand) [][]byte {
	if r.call {
		select {
		case <-s.closing:
			return r.failed(errOver)
		case <-ctx.Done():
			return r.failed(notYet(ctx))
		case s.slots <- struct{}{}:
		}
		defer func() { <-s.slots }()
	}
	select {
	case <-s.closing:
		return r.failed(errOver)
	default:
	}
	if ctx.Err() != nil {
		return r.failed(notYet(ctx))
	}
	return r.do(ctx)
}

// call is the result of a call at the provider.
func (s *server) call(ctx context.Context, id, verb string, do work) [][]byte {
	if hasEffect(verb) {
		failpoint.Hit("gahp.order.before")
	}
	a, err := do(ctx, s.p)
	if hasEffect(verb) {
		failpoint.Hit("gahp.order.after")
	}
	if err != nil {
		return failure(id, sorted(err, verb))
	}
	lines, err := a.lines(id)
	if err != nil {
		return failure(id, sorted(fmt.Errorf("its answer is %w", err), verb))
	}
	return lines
}

func notYet(ctx context.Context) *Error {
	return &Error{Kind: EngineDown, Text: "nothing was asked of the engine: " + context.Cause(ctx).Error()}
}

// sorted is err as an [Error]. One that a provider has not sorted says nothing of
// what was done.
func sorted(err error, verb string) *Error {
	var e *Error
	switch {
	case errors.As(err, &e) && slices.Contains(Kinds, e.Kind):
		return e
	case hasEffect(verb):
		return &Error{Kind: Unknown, Text: err.Error()}
	}
	return &Error{Kind: EngineDown, Text: err.Error()}
}

// maxText bounds an error's text on its way.
const maxText = 4096

// failure is a bad result.
func failure(id string, e *Error) [][]byte {
	text := strings.ReplaceAll(e.Text, "\x00", "")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	line, err := appendLine(nil, id, string(e.Kind), text)
	if err != nil {
		panic(err) // neither long nor with a NUL
	}
	return [][]byte{line}
}

// settle keeps a result until it is asked for.
func (s *server) settle(id string, lines [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id] = nil
	s.results = append(s.results, result{id, lines})
	s.tell()
}

// tell says once that results wait. s.mu is held.
func (s *server) tell() {
	if s.async && !s.told && len(s.results) > 0 {
		s.told = true
		s.write([]byte("R"))
	}
}

// deliver is the answer to RESULTS.
func (s *server) deliver() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.results {
		n += len(r.lines)
		delete(s.open, r.id)
	}
	s.write([]byte("S " + strconv.Itoa(n)))
	for _, r := range s.results {
		for _, line := range r.lines {
			s.write(line)
		}
	}
	s.results, s.told = nil, false
	return s.broken
}

func (s *server) setAsync(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.async = on
	s.write([]byte("S"))
	s.tell()
	return s.broken
}

func (s *server) setPrefix(prefix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write([]byte("S"))
	s.prefix = prefix
	return s.broken
}

// reply writes a line of words.
func (s *server) reply(first string, rest ...string) error {
	line, err := appendLine(nil, append([]string{first}, rest...)...)
	if err != nil {
		line = []byte(first) // it quoted what it was sent
	}
	return s.say(string(line))
}

func (s *server) say(line string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write([]byte(line))
	return s.broken
}

// write writes a line. s.mu is held.
func (s *server) write(line []byte) {
	if s.broken != nil {
		return
	}
	whole := make([]byte, 0, len(s.prefix)+len(line)+1)
	whole = append(append(append(whole, s.prefix...), line...), '\n')
	_, s.broken = s.out.Write(whole)
}

// linger waits for the calls at the provider.
func (s *server) linger(cancel context.CancelCauseFunc) error {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	close(s.closing)
	done := make(chan struct{})
	go func() { s.calls.Wait(); close(done) }()
	first, second := time.NewTimer(s.o.Linger), time.NewTimer(2*s.o.Linger)
	defer first.Stop()
	defer second.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-first.C:
			cancel(errors.New("the GAHP is ending"))
		case <-second.C:
			return fmt.Errorf("%d calls are at the engine and do not end", len(s.slots))
		}
	}
}
