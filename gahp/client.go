package gahp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gridburst/internal/pause"

	"github.com/sirupsen/logrus"
)

// Options say which GAHP a [Client] has, and how patient it is.
type Options struct {
	Command    []string            // starts it: a program, found by its path, and its arguments
	Env        []string            // beside PATH and LC_ALL, which are all that it has of ours
	Credential *syscall.Credential // whose rights it has; nil: ours
	Dir        string              // where it runs; empty: here

	// Dial connects to a GAHP that somebody else has started, in place of Command.
	// Closing the connection is all that the client can do to end it.
	Dial func(ctx context.Context) (io.ReadWriteCloser, error)

	Log logrus.FieldLogger // nil: none

	Answer  time.Duration // until it is ready, and for each command: it hangs after; 0: 20 s
	Call    time.Duration // for a call whose context has no deadline, and the most for any; 0: 5 minutes
	Grace   time.Duration // for a result after its request's time is over: it hangs after; 0: 10 s
	Pending int           // requests that it has at once: more wait here; 0: 50
	Backoff time.Duration // the longest pause between two starts, less or more by half; 0: 30 s
	End     time.Duration // to end by itself in Close, before it is killed; 0: 12 s
}

func (o Options) withDefaults() Options {
	o.Answer = cmp.Or(o.Answer, 20*time.Second)
	o.Call = cmp.Or(o.Call, 5*time.Minute)
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	o.Pending = cmp.Or(o.Pending, 50)
	o.Backoff = cmp.Or(o.Backoff, 30*time.Second)
	o.End = cmp.Or(o.End, 12*time.Second)
	if o.Log == nil {
		o.Log = silent()
	}
	return o
}

// Client is a [Provider] in another process: it starts one when it is first needed,
// and another when that one has died.
//
// What a death means for a call: one that was never written fails with [EngineDown];
// one that was and has an effect fails with [Unknown]; one that only looks is asked
// again, once, of the next process. A GAHP that does not answer in time is killed,
// which is a death for all of its calls.
type Client struct {
	o    Options
	wg   sync.WaitGroup
	quit chan struct{} // closed by Close

	mu     sync.Mutex
	closed bool
	now    *session  // the latest, which may have ended
	next   *starting // being started
	stats  Stats
	failed int // starts and lives in a row that gave no result
}

// Stats are what a client has been through with its GAHP.
type Stats struct {
	PID    int       // of the living one; 0: none, or it is no child of ours
	Starts int       // also those that failed
	Hung   int       // were killed
	Last   error     // how the latest ended or why it did not start; nil: none has yet
	Next   time.Time // not to be started before
}

// starting is a start that callers wait for.
type starting struct {
	done    chan struct{} // closed with session and err
	session *session
	err     error
}

// NewClient makes a client. It starts nothing.
func NewClient(o Options) *Client {
	return &Client{o: o.withDefaults(), quit: make(chan struct{})}
}

var errClosed = errors.New("the client of the GAHP was closed")

// call asks the GAHP and waits.
func (c *Client) call(ctx context.Context, verb string, args ...string) (words, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Call, fmt.Errorf("no answer within %s", c.o.Call))
	defer cancel()
	for again := false; ; again = true {
		if err := ctx.Err(); err != nil {
			return words{}, &Error{Kind: EngineDown, Text: "nothing was asked of the engine: " + context.Cause(ctx).Error()}
		}
		s, err := c.session(ctx)
		if err != nil {
			return words{}, &Error{Kind: EngineDown, Text: "nothing was asked of the engine: " + err.Error()}
		}
		got, err := s.do(ctx, verb, args)
		var lost *lostError
		switch {
		case !errors.As(err, &lost):
			return words{rest: got}, err
		case hasEffect(verb) && lost.sent:
			return words{}, &Error{Kind: Unknown, Text: "it may or may not have been done, for the GAHP was asked and gave no answer: " + lost.why.Error()}
		case again || hasEffect(verb) || ctx.Err() != nil:
			return words{}, &Error{Kind: EngineDown, Text: "no answer, and nothing was done: " + lost.why.Error()}
		}
	}
}

// session is one that lives, started if need be.
func (c *Client) session(ctx context.Context) (*session, error) {
	c.mu.Lock()
	c.bury()
	if c.closed {
		c.mu.Unlock()
		return nil, errClosed
	}
	if s := c.now; s != nil {
		c.mu.Unlock()
		return s, nil
	}
	st := c.next
	if st == nil {
		pause := time.Until(c.stats.Next)
		if until, ok := ctx.Deadline(); ok && pause > 0 && time.Now().Add(pause).After(until) {
			defer c.mu.Unlock()
			return nil, fmt.Errorf("the GAHP has ended and is started again in %s: %w", pause.Round(time.Millisecond), c.stats.Last)
		}
		st = &starting{done: make(chan struct{})}
		c.next = st
		c.wg.Go(func() { c.start(st, pause) })
	}
	c.mu.Unlock()
	select {
	case <-st.done:
		return st.session, st.err
	case <-ctx.Done():
		return nil, fmt.Errorf("the GAHP is being started: %w", context.Cause(ctx))
	}
}

// start starts a GAHP for all who wait, whoever of them goes.
func (c *Client) start(st *starting, pause time.Duration) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	c.wg.Go(func() {
		select {
		case <-c.quit:
			cancel(errClosed)
		case <-stop:
		}
	})
	s, pid, err := c.launch(ctx, pause)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(st.done)
	c.next, c.stats.Starts = nil, c.stats.Starts+1
	if err == nil && c.closed {
		err = errClosed
		s.end(err)
	}
	if err != nil {
		c.failure(err)
		st.err = fmt.Errorf("start the GAHP: %w", err)
		c.o.Log.WithError(err).Warn("gahp did not start")
		return
	}
	c.now, c.stats.PID, st.session = s, pid, s
	c.wg.Go(func() {
		<-s.dead
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bury()
	})
}

func (c *Client) launch(ctx context.Context, wait time.Duration) (*session, int, error) {
	if err := pause.For(ctx, wait); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Answer, fmt.Errorf("it was not ready within %s", c.o.Answer))
	defer cancel()
	t, pid, err := c.connect(ctx)
	if err != nil {
		return nil, 0, err
	}
	s := newSession(c.o, t)
	s.run(&c.wg)
	if err := s.greet(ctx); err != nil {
		s.end(err)
		return nil, 0, err
	}
	return s, pid, nil
}

func (c *Client) connect(ctx context.Context) (transport, int, error) {
	if c.o.Dial != nil {
		rw, err := c.o.Dial(ctx)
		if err != nil {
			return nil, 0, err
		}
		return &conn{ReadWriteCloser: rw, closed: make(chan struct{})}, 0, nil
	}
	if len(c.o.Command) == 0 {
		return nil, 0, errors.New("no command is configured for it")
	}
	p, err := startProcess(c.o)
	if err != nil {
		return nil, 0, err
	}
	return p, p.cmd.Process.Pid, nil
}

// bury takes note of the latest session's end. c.mu is held.
func (c *Client) bury() {
	if c.now == nil {
		return
	}
	why := c.now.ending()
	if why == nil {
		return
	}
	if errors.Is(why, errHung) {
		c.stats.Hung++
	}
	if c.now.useful() {
		c.failed = 0
	}
	c.now, c.stats.PID = nil, 0
	c.failure(why)
	if !c.closed {
		c.o.Log.WithError(why).Warn("gahp ended")
	}
}

// failure plans the next start: at once after a life in which something was done,
// then with pauses that grow. c.mu is held.
func (c *Client) failure(err error) {
	const first = 100 * time.Millisecond
	var pause time.Duration
	if c.failed > 0 {
		pause = min(c.o.Backoff, first<<min(c.failed-1, 20))
		pause = pause/2 + rand.N(pause) // so that the GAHPs of one engine do not come back as one
	}
	c.failed++
	c.stats.Last, c.stats.Next = err, time.Now().Add(pause)
}

// Stats says how the GAHP does.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bury()
	return c.stats
}

// Close ends the GAHP and returns when it is gone. Calls that wait fail as at its
// death, and so do later ones. The error is of a process that cannot be killed.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	s, pid := c.now, c.stats.PID
	close(c.quit)
	c.mu.Unlock()
	if s != nil {
		s.dismiss()
	}
	gone := make(chan struct{})
	go func() { c.wg.Wait(); close(gone) }()
	timer := time.NewTimer(c.o.Answer)
	defer timer.Stop()
	select {
	case <-gone:
		return nil
	case <-timer.C:
		return fmt.Errorf("the GAHP, process %d, was killed and does not go; look with ps what it waits for", pid)
	}
}

// conn is a GAHP that is no child of ours.
type conn struct {
	io.ReadWriteCloser
	once   sync.Once
	closed chan struct{}
}

func (c *conn) hangUp() {
	c.once.Do(func() {
		c.Close()
		close(c.closed)
	})
}
func (c *conn) kill()                  { c.hangUp() }
func (c *conn) ended() <-chan struct{} { return c.closed }
func (c *conn) epitaph() string        { return "the connection was closed" }
func (c *conn) release()               {}

// Ping proves that the GAHP answers, and its engine.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.call(ctx, verbPing)
	return err
}

// Create makes a machine: see [Provider].
func (c *Client) Create(ctx context.Context, o Order, m Create) (VM, error) {
	return takeVM(c.call(ctx, verbCreate, appendCreate([]string{orderWord(o)}, m)...))
}

// Start boots a machine: see [Provider].
func (c *Client) Start(ctx context.Context, o Order, id string, s Start) error {
	_, err := c.call(ctx, verbStart, orderWord(o), id, s.UserData)
	return err
}

// Get is one machine.
func (c *Client) Get(ctx context.Context, id string) (VM, error) {
	return takeVM(c.call(ctx, verbGet, id))
}

// Find is the machine with that name.
func (c *Client) Find(ctx context.Context, name string) (VM, error) {
	return takeVM(c.call(ctx, verbFind, name))
}

// List is every machine whose name begins with prefix.
func (c *Client) List(ctx context.Context, prefix string) ([]VM, error) {
	w, err := c.call(ctx, verbList, prefix)
	return takeList(w, err, vmWords, (*words).vm)
}

// Shutdown asks a machine's guest to power off.
func (c *Client) Shutdown(ctx context.Context, o Order, id string) error {
	_, err := c.call(ctx, verbShutdown, orderWord(o), id)
	return err
}

// Stop switches a machine off.
func (c *Client) Stop(ctx context.Context, o Order, id string) error {
	_, err := c.call(ctx, verbStop, orderWord(o), id)
	return err
}

// Remove deletes a machine.
func (c *Client) Remove(ctx context.Context, o Order, id string) error {
	_, err := c.call(ctx, verbRemove, orderWord(o), id)
	return err
}

// Templates lists what machines can be made from.
func (c *Client) Templates(ctx context.Context) ([]Template, error) {
	w, err := c.call(ctx, verbTemplates)
	return takeList(w, err, templateWords, (*words).template)
}

// garbled is an answer that cannot be read, of which only that is certain.
func garbled(err error) *Error {
	return &Error{Kind: Unknown, Text: "the GAHP gave an answer that makes no sense: " + err.Error()}
}

func takeVM(w words, err error) (VM, error) {
	if err != nil {
		return VM{}, err
	}
	m := w.vm()
	if err := w.end(); err != nil {
		return VM{}, garbled(err)
	}
	return m, nil
}

func takeList[T any](w words, err error, each int, take func(*words) T) ([]T, error) {
	if err != nil {
		return nil, err
	}
	n := len(w.rest) - 1
	if n < 0 || n%each != 0 || w.rest[n] != strconv.Itoa(n/each) {
		return nil, garbled(fmt.Errorf("a listing of %d words", n))
	}
	w.rest = w.rest[:n]
	out := make([]T, 0, n/each)
	for len(w.rest) > 0 && w.err == nil {
		out = append(out, take(&w))
	}
	if err := w.end(); err != nil {
		return nil, garbled(err)
	}
	return out, nil
}
