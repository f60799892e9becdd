package worker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
)

// schedd is the other side of the contract, as a test wants it.
type schedd struct {
	t     testing.TB
	at    wire.Endpoint
	mux   *http.ServeMux
	lines chan *line // those that workers open

	mu      sync.Mutex
	welcome wire.Welcome
	renews  bool              // beats are answered
	inputs  []byte            // a tar stream
	hangs   chan struct{}     // while it is open, inputs do not come; nil: they do
	fails   int               // transfers to come that fail
	outputs map[string][]byte // path -> what came
	saved   []saved           // checkpoints that came whole
	last    []byte            // the checkpoint that attempts begin with
	leave   string            // the answer to a checkpoint
	refuses error             // instead of that
	held    chan struct{}     // while it is open, checkpoints are not answered; nil: they are
	wg      sync.WaitGroup
}

// newSchedd listens on a socket in a directory of its own.
func newSchedd(t testing.TB) *schedd {
	t.Helper()
	dir, err := os.MkdirTemp("", "gb") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := scheddAt(t, wire.Endpoint{Network: "unix", Address: filepath.Join(dir, "s")})
	l, err := net.Listen(s.at.Network, s.at.Address)
	if err != nil {
		t.Fatal(err)
	}
	s.serve(l)
	return s
}

func scheddAt(t testing.TB, at wire.Endpoint) *schedd {
	s := &schedd{
		t: t, at: at, mux: http.NewServeMux(), lines: make(chan *line, 16), outputs: map[string][]byte{}, renews: true,
		welcome: wire.Welcome{Version: wire.Version, Term: 1, LeaseMS: time.Hour.Milliseconds(), RenewMS: 50, SilenceMS: time.Minute.Milliseconds()},
	}
	s.mux.HandleFunc("GET "+wire.StreamPath, s.stream)
	s.mux.HandleFunc("GET /worker/v1/attempts/{job}/{epoch}/inputs", s.transfer(s.send))
	s.mux.HandleFunc("PUT /worker/v1/attempts/{job}/{epoch}/outputs", s.transfer(s.take))
	s.mux.HandleFunc("GET /worker/v1/attempts/{job}/{epoch}/checkpoint", s.transfer(s.sendCheckpoint))
	s.mux.HandleFunc("PUT /worker/v1/attempts/{job}/{epoch}/checkpoint", s.transfer(s.takeCheckpoint))
	return s
}

func (s *schedd) serve(l net.Listener) {
	srv := &http.Server{Handler: s.mux, ErrorLog: log.New(io.Discard, "", 0)}
	s.wg.Go(func() { srv.Serve(l) })
	s.t.Cleanup(func() {
		srv.Close()
		s.wg.Wait()
	})
}

// set changes what the schedd does.
func (s *schedd) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// line is a worker's stream.
type line struct {
	*schedd
	hello wire.Hello
	s     *wire.Stream
	in    chan wire.Message // but for beats
	beats chan struct{}     // holds as many tokens as beats were answered, up to its size
	cut   context.CancelFunc
	over  chan struct{}
}

func (s *schedd) stream(w http.ResponseWriter, r *http.Request) {
	conn, err := wire.Accept(w, r)
	if err != nil {
		return
	}
	ctx, cut := context.WithCancel(context.Background())
	l := &line{schedd: s, s: wire.NewStream(conn, time.Minute), in: make(chan wire.Message, 4096), beats: make(chan struct{}, 64), cut: cut, over: make(chan struct{})}
	s.t.Cleanup(cut)
	defer close(l.over)
	defer close(l.in)
	l.s.Run(ctx, func(m wire.Message) error {
		s.mu.Lock()
		welcome, renews := s.welcome, s.renews
		s.mu.Unlock()
		switch {
		case m.Hello != nil:
			l.hello = *m.Hello
			err := l.s.Send(wire.Message{Welcome: &welcome})
			s.lines <- l
			return err
		case m.Beat != nil && renews:
			err := l.s.Send(wire.Message{Renew: &wire.Renew{Term: welcome.Term, Clock: m.Beat.Clock}})
			select {
			case l.beats <- struct{}{}:
			default:
			}
			return err
		case m.Beat == nil:
			l.in <- m
		}
		return nil
	})
}

// line is the next one that a worker opens.
func (s *schedd) line() *line {
	s.t.Helper()
	select {
	case l := <-s.lines:
		return l
	case <-time.After(patience):
		s.t.Fatal("no worker comes")
		panic("unreachable")
	}
}

// held is what the hello said of a job.
func (l *line) held(job int32) wire.Report {
	for _, a := range l.hello.Attempts {
		if a.Job.Cluster == job {
			return a.Last
		}
	}
	return wire.Report{}
}

// renewed waits until n beats were answered.
func (l *line) renewed(n int) {
	l.t.Helper()
	for range n {
		select {
		case <-l.beats:
		case <-time.After(patience):
			l.t.Fatal("the worker does not ask for its lease")
		}
	}
}

// drop ends a line, and waits until it has ended.
func (l *line) drop() {
	l.cut()
	<-l.over
}

func (l *line) order(m wire.Message) {
	l.t.Helper()
	if err := l.s.Send(m); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) start(job int32, epoch uint32, x wire.Execution) {
	l.t.Helper()
	l.order(wire.Message{Start: &wire.Start{Term: l.term(), Job: grid.JobID{Cluster: job}, Epoch: epoch, Execution: x}})
}

func (l *line) kill(job int32, epoch uint32, fast bool) {
	l.t.Helper()
	l.order(wire.Message{Kill: &wire.Kill{Term: l.term(), Job: grid.JobID{Cluster: job}, Epoch: epoch, Fast: fast, Reason: "removed"}})
}

func (l *line) suspend(job int32, epoch uint32, on bool) {
	l.t.Helper()
	l.order(wire.Message{Suspend: &wire.Suspend{Term: l.term(), Job: grid.JobID{Cluster: job}, Epoch: epoch, On: on}})
}

func (l *line) forget(job int32, epoch uint32) {
	l.t.Helper()
	l.order(wire.Message{Forget: &wire.Forget{Term: l.term(), Job: grid.JobID{Cluster: job}, Epoch: epoch}})
}

func (l *line) drain(on bool) {
	l.t.Helper()
	l.order(wire.Message{Drain: &wire.Drain{Term: l.term(), On: on}})
}

func (s *schedd) term() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.welcome.Term
}

// report is the next one, of whatever attempt.
func (l *line) report() wire.Report {
	l.t.Helper()
	select {
	case m, ok := <-l.in:
		if !ok {
			l.t.Fatal("the worker hung up")
		}
		if m.Report == nil {
			l.t.Fatalf("instead of a report: %+v", m)
		}
		return *m.Report
	case <-time.After(patience):
		l.t.Fatal("the worker says nothing")
		panic("unreachable")
	}
}

// want is the next report, which has to be of that attempt and kind.
func (l *line) want(job int32, epoch uint32, kind wire.ReportKind) wire.Report {
	l.t.Helper()
	r := l.report()
	if r.Job.Cluster != job || r.Epoch != epoch || r.Kind != kind {
		l.t.Fatalf("instead of %d.0.%d %s: %+v", job, epoch, kind, r)
	}
	return r
}

// ends is the final report of an attempt, after its start perhaps.
func (l *line) ends(job int32, epoch uint32, kind wire.ReportKind) wire.Report {
	l.t.Helper()
	r := l.report()
	if r.Kind == wire.Started {
		r = l.report()
	}
	if r.Job.Cluster != job || r.Epoch != epoch || r.Kind != kind {
		l.t.Fatalf("instead of %d.0.%d %s: %+v", job, epoch, kind, r)
	}
	return r
}

// transfer checks what every request for files has to have.
func (s *schedd) transfer(do func(http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		fail := s.fails > 0
		if fail {
			s.fails--
		}
		s.mu.Unlock()
		switch {
		case r.Header.Get(wire.SessionHeader) == "":
			wire.Refuse(w, grid.Errorf(grid.Conflict, "no session"))
		case fail:
			wire.Refuse(w, grid.Errorf(grid.Unavailable, "not now"))
		default:
			do(w, r)
		}
	}
}

func (s *schedd) send(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	inputs, hangs := s.inputs, s.hangs
	s.mu.Unlock()
	if hangs != nil {
		select {
		case <-hangs:
		case <-r.Context().Done():
			return
		}
	}
	if inputs == nil {
		wire.Refuse(w, grid.Errorf(grid.Invalid, "input /home/x/data is not there"))
		return
	}
	w.Write(inputs)
}

func (s *schedd) take(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sum := sha256.Sum256(b)
	s.set(func() { s.outputs[r.URL.Path] = b })
	json.NewEncoder(w).Encode(wire.Staged{Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])})
}

// saved is a checkpoint that came.
type saved struct {
	number string
	files  map[string]string
}

func (s *schedd) sendCheckpoint(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Write(s.last)
}

func (s *schedd) takeCheckpoint(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sum := sha256.Sum256(b)
	s.mu.Lock()
	if s.refuses == nil {
		s.saved = append(s.saved, saved{r.URL.Query().Get("number"), unpack(s.t, b)})
		s.last = b
	}
	leave, refuses, held := s.leave, s.refuses, s.held
	s.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	if refuses != nil {
		wire.Refuse(w, refuses)
		return
	}
	json.NewEncoder(w).Encode(wire.Kept{Staged: wire.Staged{Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}, Leave: leave})
}

// checkpoints are those that have come so far.
func (s *schedd) checkpoints() []saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.saved)
}

// file is an entry of a tar stream.
type file struct {
	name, text string
	mode       int64
}

func pack(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpack(t testing.TB, b []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(text)
	}
}
