package gahp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// transport is what a session speaks over: a process, or a connection.
type transport interface {
	io.Reader
	io.Writer
	hangUp()                // it should end now
	kill()                  // it ends now
	ended() <-chan struct{} // it has
	epitaph() string        // how it ended; waits for that, and not long
	release()               // what is left of it, after its end
}

// session is the life of one GAHP, from its greeting to its end.
//
// Commands are written in order by one goroutine and answered in order; the one
// that reads knows by expected which command a line answers. No caller writes
// itself, so a GAHP that reads nothing holds nobody up.
type session struct {
	o     Options
	t     transport
	slots chan struct{} // one for each request that it has
	hello chan []string // the banner, once
	dead  chan struct{} // closed with over
	wake  chan struct{}

	mu       sync.Mutex
	next     uint64
	greeted  bool
	prefix   []byte // of every line
	queue    []*command
	expected []*command          // written; their replies come in this order
	requests map[string]*request // queued, written or abandoned, until their result has come
	left     int                 // lines of results still to come
	results  bool                // RESULTS is on its way
	over     error               // why it has ended
	good     bool                // it has given a result
}

// command is a line for the GAHP and what is waited for.
type command struct {
	line    []byte
	then    func(words []string) error // takes the reply; s.mu is held
	request *request                   // that it is of, if any
	timer   *time.Timer                // the GAHP hangs if this fires
}

// request is a command whose outcome comes later.
type request struct {
	id    string
	verb  string
	until time.Time   // the GAHP has its result by then, or hangs
	timer *time.Timer // fires then; nil: it was not taken in yet
	sent  bool        // a byte of it may have been read
	words []string    // of the result, so far
	err   error
	done  chan struct{} // closed with words and err
}

// lostError is the end of a request without an answer.
type lostError struct {
	sent bool
	why  error
}

func (e *lostError) Error() string { return e.why.Error() }

func newSession(o Options, t transport) *session {
	return &session{
		o: o, t: t, slots: make(chan struct{}, o.Pending),
		dead: make(chan struct{}), wake: make(chan struct{}, 1), requests: map[string]*request{},
		hello: make(chan []string, 1),
	}
}

// run starts the session's goroutines in wg.
func (s *session) run(wg *sync.WaitGroup) {
	read := make(chan struct{})
	wg.Go(s.write)
	wg.Go(func() { defer close(read); s.read() })
	wg.Go(func() {
		<-s.t.ended()
		// What it said last is still in the pipe. A child of its own may keep the pipe
		// open, so that the end never comes.
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-read:
		case <-t.C:
		}
		s.t.release()
	})
}

// greet hears the banner and agrees on what both sides know.
func (s *session) greet(ctx context.Context) error {
	if _, err := s.await(ctx, s.hello, "its banner"); err != nil {
		return err
	}
	b := make([]byte, 4)
	rand.Read(b) // never fails, as its documentation says
	prefix := "GAHP:" + hex.EncodeToString(b) + ":"
	if _, err := s.control(ctx, func([]string) { s.prefix = []byte(prefix) }, verbPrefix, prefix); err != nil {
		return err
	}
	version, err := s.control(ctx, nil, verbVersion)
	if err == nil {
		err = checkVersion(strings.Fields(strings.Join(version, " ")))
	}
	if err != nil {
		return err
	}
	commands, err := s.control(ctx, nil, verbCommands)
	if err != nil {
		return err
	}
	for _, v := range slices.AppendSeq(slices.Clone(general), maps.Keys(works)) {
		if v != verbCondor && v != verbCheck && v != verbAssign && v != verbCopy && v != verbEvents && !slices.Contains(commands, v) {
			return fmt.Errorf("it does not know %s, only %.200s; is it of another release?", v, strings.Join(commands, " "))
		}
	}
	_, err = s.control(ctx, nil, verbAsyncOn)
	return err
}

func checkVersion(banner []string) error {
	if len(banner) < 2 || banner[0] != bannerWord {
		return fmt.Errorf("it is no GAHP: its version is %.80q", banner)
	}
	theirs, _, _ := strings.Cut(banner[1], ".")
	ours, _, _ := strings.Cut(ProtocolVersion, ".")
	if theirs != ours {
		return fmt.Errorf("it speaks version %.20s of the protocol and we speak %s: use programs of one release", banner[1], ProtocolVersion)
	}
	return nil
}

// control gives a command that is answered at once, and waits. then, if any, is
// called before the next line is read.
func (s *session) control(ctx context.Context, then func([]string), line ...string) ([]string, error) {
	got := make(chan []string, 1)
	b, err := appendLine(nil, line...)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.enqueue(&command{line: b, then: func(words []string) error {
		if then != nil && words[0] == "S" {
			then(words)
		}
		got <- words
		return nil
	}})
	s.mu.Unlock()
	words, err := s.await(ctx, got, line[0])
	if err != nil {
		return nil, err
	}
	if words[0] != "S" {
		return nil, fmt.Errorf("it answers %s with %.200q", line[0], strings.Join(words, " "))
	}
	return words[1:], nil
}

func (s *session) await(ctx context.Context, got <-chan []string, what string) ([]string, error) {
	select {
	case words := <-got:
		return words, nil
	case <-s.dead:
		return nil, s.over
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the answer to %s: %w", what, context.Cause(ctx))
	}
}

// enqueue has c written after what is queued. s.mu is held.
func (s *session) enqueue(c *command) {
	s.queue = append(s.queue, c)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// do sends a request and waits for its result. The error is an [Error], or a
// lostError.
// ctx has a deadline.
func (s *session) do(ctx context.Context, verb string, args []string) ([]string, error) {
	select {
	case s.slots <- struct{}{}:
	case <-s.dead:
		return nil, &lostError{why: s.over}
	case <-ctx.Done():
		return nil, &lostError{why: context.Cause(ctx)}
	}
	until, _ := ctx.Deadline()
	r := &request{verb: verb, until: until.Add(s.o.Grace), done: make(chan struct{})}
	s.mu.Lock()
	s.next++
	r.id = strconv.FormatUint(s.next, 10)
	limit := strconv.FormatInt(max(1, time.Until(until).Milliseconds()), 10)
	line, err := appendLine(nil, append([]string{verb, r.id, limit}, args...)...)
	over := s.over
	if err == nil && over == nil {
		s.requests[r.id] = r
		s.enqueue(&command{line: line, then: func(words []string) error { return s.taken(r, words) }, request: r})
	}
	s.mu.Unlock()
	if err != nil || over != nil {
		<-s.slots
		if err != nil {
			return nil, &Error{Kind: Refused, Text: "the request cannot be written: it is or has " + err.Error()}
		}
		return nil, &lostError{why: over}
	}
	select {
	case <-r.done:
		return r.words, r.err
	case <-ctx.Done():
		return s.giveUp(r, context.Cause(ctx))
	}
}

// giveUp is for a caller who waits no longer. What was not written is not written
// any more; the GAHP is told about the rest, and has a while to say that it heard.
func (s *session) giveUp(r *request, why error) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-r.done: // just now
		return r.words, r.err
	default:
	}
	if !r.sent {
		s.queue = slices.DeleteFunc(s.queue, func(c *command) bool { return c.request == r })
		s.finish(r, &lostError{why: why})
		return nil, r.err
	}
	s.expect(r, time.Now().Add(s.o.Grace))
	line, _ := appendLine(nil, verbCancel, r.id) // neither long nor with a NUL
	s.enqueue(&command{line: line, then: func([]string) error { return nil }})
	return nil, &lostError{sent: true, why: why}
}

// expect has the GAHP hang if there is no result of r by then. s.mu is held.
func (s *session) expect(r *request, until time.Time) {
	if r.timer != nil {
		r.timer.Stop()
	}
	r.timer = time.AfterFunc(time.Until(until), func() { s.hangs("no result of " + r.verb + " within its time") })
}

// finish ends a request. s.mu is held.
func (s *session) finish(r *request, err error) {
	if r.timer != nil {
		r.timer.Stop()
	}
	delete(s.requests, r.id)
	r.err = err
	<-s.slots
	close(r.done)
}

// write writes commands as they come.
func (s *session) write() {
	var line []byte
	for {
		s.mu.Lock()
		if s.over != nil {
			s.mu.Unlock()
			return
		}
		if len(s.queue) == 0 {
			s.mu.Unlock()
			select {
			case <-s.wake:
			case <-s.dead:
			}
			continue
		}
		c := s.queue[0]
		s.queue = s.queue[1:]
		s.expected = append(s.expected, c)
		c.timer = time.AfterFunc(s.o.Answer, func() { s.hangs("no answer to a command within " + s.o.Answer.String()) })
		if c.request != nil {
			c.request.sent = true
		}
		s.mu.Unlock()
		line = append(append(line[:0], c.line...), "\r\n"...)
		if _, err := s.t.Write(line); err != nil {
			s.end(fmt.Errorf("write to it: %w", err))
			return
		}
	}
}

// read takes lines as they come.
func (s *session) read() {
	lines := newLineReader(s.t)
	for {
		raw, err := lines.next()
		if err == nil {
			err = s.line(raw)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			s.end(errors.New("it ended: " + s.t.epitaph()))
			return
		default:
			s.end(fmt.Errorf("read from it: %w", err))
			return
		}
	}
}

// line takes one line. The error says that the GAHP cannot be understood.
func (s *session) line(raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	line, ours := bytes.CutPrefix(raw, s.prefix)
	words, err := splitLine(line)
	switch {
	case !ours || err != nil || len(words) == 0:
		s.noise(raw)
		return nil
	case !s.greeted:
		if words[0] != bannerWord {
			s.noise(raw)
			return nil
		}
		s.greeted = true
		s.hello <- words
		return nil
	case s.left > 0:
		s.left--
		return s.result(words)
	case len(words) == 1 && words[0] == "R":
		if !s.results {
			s.results = true
			s.enqueue(&command{line: []byte(verbResults), then: s.count})
		}
		return nil
	case len(s.expected) == 0:
		return fmt.Errorf("an answer to nothing: %.80q", line)
	case words[0] != "S" && words[0] != "E" && words[0] != "F":
		return fmt.Errorf("an answer that begins with neither S, E nor F: %.80q", line)
	}
	c := s.expected[0]
	s.expected = s.expected[1:]
	c.timer.Stop()
	return c.then(words)
}

// noise is a line that is not of the protocol: something in the GAHP prints.
func (s *session) noise(raw []byte) {
	s.o.Log.WithField("line", string(raw[:min(len(raw), maxLogLine)])).Debug("gahp says what is no answer")
}

// taken is the reply to a request. s.mu is held.
func (s *session) taken(r *request, words []string) error {
	text := strings.Join(words[1:], " ")
	switch words[0] {
	case "S":
		if r.timer == nil { // nobody has given it up
			s.expect(r, r.until)
		}
	case "E":
		s.finish(r, &Error{Kind: Refused, Text: "the GAHP does not understand: " + text})
	case "F":
		s.finish(r, &Error{Kind: EngineDown, Text: "the GAHP takes no more: " + text})
	}
	return nil
}

// count is the reply to RESULTS. s.mu is held.
func (s *session) count(words []string) error {
	s.results = false
	if words[0] != "S" || len(words) != 2 {
		return fmt.Errorf("it answers %s with %.80q", verbResults, strings.Join(words, " "))
	}
	n, err := strconv.Atoi(words[1])
	if err != nil || n < 0 {
		return fmt.Errorf("it has %.40q results", words[1])
	}
	s.left = n
	return nil
}

// result is one line of results. s.mu is held.
func (s *session) result(words []string) error {
	r := s.requests[words[0]]
	switch {
	case r == nil || !r.sent:
		return fmt.Errorf("a result of request %.40q, which is not open", words[0])
	case len(words) < 2:
		return fmt.Errorf("half a result of request %s", r.id)
	}
	s.good = true
	switch words[1] {
	case more:
		r.words = append(r.words, words[2:]...)
	case "":
		r.words = append(r.words, words[2:]...)
		s.finish(r, nil)
	default:
		s.finish(r, &Error{Kind: kindOf(words[1]), Text: strings.Join(words[2:], " ")})
	}
	return nil
}

// errHung ends a GAHP that does not answer.
var errHung = errors.New("it does not answer and was killed")

func (s *session) hangs(how string) { s.end(fmt.Errorf("%w: %s", errHung, how)) }

// end ends the session and its GAHP, and every request that waits.
func (s *session) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return
	}
	s.over = why
	close(s.dead)
	for _, c := range s.expected {
		c.timer.Stop()
	}
	for _, r := range s.requests {
		s.finish(r, &lostError{sent: r.sent, why: why})
	}
	s.queue, s.expected = nil, nil
	s.t.kill()
}

// ending is why the session has ended; nil while it lives.
func (s *session) ending() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// useful: it has given a result.
func (s *session) useful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good
}

// dismiss ends the session as its GAHP would like it: what it does comes to an end
// there, though nobody hears of it.
func (s *session) dismiss() {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.End)
	defer cancel()
	if _, err := s.control(ctx, nil, verbQuit); err == nil {
		s.t.hangUp()
		select {
		case <-s.t.ended():
		case <-ctx.Done():
		}
	}
	s.end(errClosed)
}
