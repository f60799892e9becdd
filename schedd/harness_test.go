package schedd

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/ad"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/script"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
	"gridburst/schedd/userlog"
)

// configureAndDie is another daemon, in a process of its own; nil: this binary cannot die.
var configureAndDie func(dir string)

// previousAndDie is a third, that dies while it tells a run of the run before.
var previousAndDie func(dir string)

// TestMain is also a desk.
func TestMain(m *testing.M) {
	desk.Main()
	script.Main()
	if dir := os.Getenv("SCHEDD_CONFIGURE"); dir != "" && configureAndDie != nil {
		configureAndDie(dir)
	}
	if dir := os.Getenv("SCHEDD_PREVIOUS"); dir != "" && previousAndDie != nil {
		previousAndDie(dir)
	}
	// Those that are parallel wait for machines, most of the time.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// patience bounds what a test waits for; nothing is asserted about it.
const patience = time.Minute

// place is where a daemon lives, from start to start.
type place struct {
	t    *testing.T
	dir  string // also of the jobs
	c    Config
	live *living
	*api.Client
}

// living is one run of it.
type living struct {
	d    *Daemon
	end  context.CancelFunc
	done chan error
}

// newPlace is an empty place with a daemon in it.
func newPlace(t *testing.T, mod func(*Config)) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, dir: dir, c: Config{Dir: filepath.Join(dir, "d"), Name: "grid", Host: "host", Domain: "dom"}}
	if mod != nil {
		mod(&p.c)
	}
	p.Client = api.NewClient(filepath.Join(p.c.Dir, "schedd.sock"))
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *place) start() {
	p.t.Helper()
	log := logrus.New()
	log.SetOutput(p.t.Output())
	log.SetLevel(logrus.DebugLevel)
	d, err := New(p.c, log)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	l := &living{d: d, end: end, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { l.done <- d.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-l.done:
		end()
		p.t.Fatalf("the daemon did not start: %v", err)
	}
	p.live = l
}

func (p *place) stop() {
	if p.live == nil {
		return
	}
	p.live.end()
	if err := <-p.live.done; err != nil {
		p.t.Errorf("the daemon ended with %v", err)
	}
	p.live = nil
}

func (p *place) restart() {
	p.t.Helper()
	p.stop()
	p.start()
}

// leases starts the schedd anew with others. A short lease holds no worker that a busy
// machine keeps from speaking: it is for those that are gone.
func (p *place) leases(lease, margin time.Duration) {
	p.t.Helper()
	p.stop()
	p.c.WorkerLease, p.c.LeaseMargin = lease, margin
	p.start()
}

// specs are what a submit file says.
func (p *place) specs(text string) []submit.Spec {
	p.t.Helper()
	site := submit.Site{Dir: p.dir, Env: os.Environ(), Now: time.Now(), Owner: "me", FileSystemDomain: "dom", Arch: "X86_64", OpSys: "LINUX"}
	specs, diags := submit.Lower("job.sub", []byte(text), site, osFiles{})
	if diags.HasErrors() {
		p.t.Fatal(diags)
	}
	return specs
}

// submit hands a submit file in and gives its cluster.
func (p *place) submit(text string) int32 {
	p.t.Helper()
	out, err := p.Submit(p.t.Context(), api.Submission{Specs: p.specs(text)})
	if err != nil {
		p.t.Fatal(err)
	}
	if len(out.Warnings) > 0 {
		p.t.Errorf("the submit warns: %q", out.Warnings)
	}
	return out.Clusters[0].Cluster
}

type osFiles struct{}

func (osFiles) ReadFile(name string) ([]byte, error)  { return os.ReadFile(name) }
func (osFiles) Glob(pattern string) ([]string, error) { return filepath.Glob(pattern) }
func (osFiles) Stat(n string) (submit.FileInfo, error) {
	i, err := os.Stat(n)
	if err != nil {
		return submit.FileInfo{}, err
	}
	return submit.FileInfo{Size: i.Size(), Mode: i.Mode()}, nil
}

func (p *place) act(verb, id string) api.Acted {
	p.t.Helper()
	out, err := p.Act(p.t.Context(), api.Action{Verb: verb, Selection: api.Selection{IDs: []string{id}}})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// job is a job's ad, in the queue or the history; nil when it is in neither.
func (p *place) job(id string) *ad.Ad {
	p.t.Helper()
	q := api.JobsQuery{IDs: []string{id}, Evaluate: true}
	for _, from := range []func() (*ad.Ad, error){
		func() (*ad.Ad, error) { return first(p.Jobs(p.t.Context(), q)) },
		func() (*ad.Ad, error) { return first(p.History(p.t.Context(), api.HistoryQuery{JobsQuery: q})) },
	} {
		a, err := from()
		if err != nil {
			p.t.Fatal(err)
		}
		if a != nil {
			return a
		}
	}
	return nil
}

func first[T ~[]byte](jobs func(func(T, error) bool)) (a *ad.Ad, err error) {
	for job, e := range jobs {
		if e != nil {
			return nil, e
		}
		return ad.ParseJSON(job)
	}
	return nil, nil
}

// until waits for an event of a job, from the beginning of the log on.
func (p *place) until(id, event string) api.Event {
	p.t.Helper()
	return p.untilEpoch(id, event, 0)
}

// untilEpoch waits for an event of an execution.
func (p *place) untilEpoch(id, event string, epoch uint32) api.Event {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	want, err := grid.ParseRun(id)
	if err != nil {
		p.t.Fatal(err)
	}
	var seen []string
	for e, err := range p.Events(ctx, 0) {
		if err != nil {
			p.t.Fatalf("%s: no %s among %v: %v", id, event, seen, err)
		}
		if r, err := grid.ParseRun(e.Jobs); err == nil && r.Cluster == want.Cluster && r.Lo <= want.Lo && want.Hi <= r.Hi {
			seen = append(seen, e.Type)
			if e.Type == event && (epoch == 0 || e.Epoch == epoch) {
				return e
			}
		}
	}
	return api.Event{}
}

// logged waits until an event log holds as many events as the numbers say, and checks
// that it is these. It gives the log's text.
func (p *place) logged(name, numbers string) string {
	p.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); ; {
		b, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil {
			p.t.Fatal(err)
		}
		events, _ := userlog.Read(b)
		var got []string
		for i := range events {
			got = append(got, fmt.Sprintf("%03d", events[i].Number()))
		}
		if text := strings.Join(got, " "); len(text) >= len(numbers) {
			if text != numbers {
				p.t.Errorf("%s holds %s, not %s", name, text, numbers)
			}
			return string(b)
		}
		select {
		case <-look.C:
		case <-late:
			p.t.Fatalf("%s holds %v only", name, got)
		}
	}
}

// worker is a machine whose agent is the test.
type worker struct {
	p      *place
	hello  wire.Hello
	stream *wire.Stream
	orders chan wire.Message
	// ahead are orders that came while a Forget was waited for, forgotten the Forgets
	// that came while another order was.
	ahead     []wire.Message
	forgotten int
	end       context.CancelFunc
	done      sync.WaitGroup
}

// worker connects one. attempts are what it says it holds.
func (p *place) worker(name string, attempts ...wire.Attempt) *worker {
	p.t.Helper()
	return p.connect(wire.Hello{
		Version: wire.Version, Worker: name, Boot: "boot-1", Session: name + "-session", Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": "2", "Memory": "1000", "Disk": "1000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true",
		}},
		Attempts: attempts,
	})
}

// holds is an attempt as a worker tells of it when it comes.
func holds(s *wire.Start, last wire.Report) wire.Attempt {
	last.Job, last.Epoch = s.Job, s.Epoch
	return wire.Attempt{Job: s.Job, Epoch: s.Epoch, Last: last}
}

func (p *place) connect(h wire.Hello) *worker { return p.connectAt(nil, h) }

// connectAt connects over an endpoint; nil is the socket.
func (p *place) connectAt(at *wire.Endpoint, h wire.Hello) *worker {
	p.t.Helper()
	if at == nil {
		e, err := wire.ParseEndpoint(filepath.Join(p.c.Dir, "schedd.sock"))
		if err != nil {
			p.t.Fatal(err)
		}
		at = &e
	}
	rwc, err := wire.Dial(p.t.Context(), *at)
	if err != nil {
		p.t.Fatal(err)
	}
	w := &worker{p: p, hello: h, stream: wire.NewStream(rwc, patience), orders: make(chan wire.Message, 1000)}
	ctx, end := context.WithCancel(context.Background())
	w.end = end
	w.done.Go(func() {
		w.stream.Run(ctx, func(m wire.Message) error {
			w.orders <- m
			return nil
		})
		close(w.orders)
	})
	p.t.Cleanup(w.hangUp)
	w.send(wire.Message{Hello: &h})
	if m := w.next(); m.Welcome == nil {
		p.t.Fatalf("the worker is not welcome: %+v", m)
	}
	return w
}

func (w *worker) hangUp() {
	w.end()
	w.done.Wait()
}

func (w *worker) send(m wire.Message) {
	w.p.t.Helper()
	if err := w.stream.Send(m); err != nil {
		w.p.t.Fatal(err)
	}
}

// next is the next order, Forgets apart: those of one attempt and the orders of the next
// are in no order among each other.
func (w *worker) next() wire.Message {
	w.p.t.Helper()
	if len(w.ahead) > 0 {
		m := w.ahead[0]
		w.ahead = w.ahead[1:]
		return m
	}
	for {
		m := w.receive()
		if m.Forget == nil {
			return m
		}
		w.forgotten++
	}
}

func (w *worker) receive() wire.Message {
	w.p.t.Helper()
	select {
	case m, ok := <-w.orders:
		if !ok {
			w.p.t.Fatal("the stream has ended")
		}
		return m
	case <-time.After(patience):
		w.p.t.Fatal("no order came")
	}
	panic("unreachable")
}

func (w *worker) start() *wire.Start {
	w.p.t.Helper()
	m := w.next()
	if m.Start == nil {
		w.p.t.Fatalf("not a start: %+v", m)
	}
	return m.Start
}

func (w *worker) kill() *wire.Kill {
	w.p.t.Helper()
	m := w.next()
	if m.Kill == nil {
		w.p.t.Fatalf("not a kill: %+v", m)
	}
	return m.Kill
}

// forgets takes one Forget, which came already or comes now.
func (w *worker) forgets() {
	w.p.t.Helper()
	for w.forgotten == 0 {
		m := w.receive()
		if m.Forget == nil {
			w.ahead = append(w.ahead, m)
			continue
		}
		w.forgotten++
	}
	w.forgotten--
}

func (w *worker) report(s *wire.Start, r wire.Report) {
	w.p.t.Helper()
	r.Job, r.Epoch = s.Job, s.Epoch
	w.send(wire.Message{Report: &r})
}

func (w *worker) started(s *wire.Start) { w.report(s, wire.Report{Kind: wire.Started}) }

func (w *worker) exited(s *wire.Start, code int32) {
	w.report(s, wire.Report{Kind: wire.Exited, Code: code, Usage: wire.Usage{WallMS: 1000, UserMS: 500}})
}

// files asks for a job's inputs or sends its outputs.
func (w *worker) files(method string, s *wire.Start, what string, body io.Reader) (status int, answer []byte) {
	w.p.t.Helper()
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(w.p.c.Dir, "schedd.sock"))
	}}}
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.p.t.Context(), method, fmt.Sprintf("http://schedd/worker/v1/attempts/%s/%d/%s", s.Job, s.Epoch, what), body)
	if err != nil {
		w.p.t.Fatal(err)
	}
	req.Header.Set(wire.SessionHeader, w.hello.Session)
	resp, err := c.Do(req)
	if err != nil {
		w.p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		w.p.t.Fatal(err)
	}
	return resp.StatusCode, answer
}
