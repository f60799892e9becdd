package schedd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// TestMain is also the desk.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == desk.Arg {
		if err := desk.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// world is a schedd in this process, and who speaks to it.
type world struct {
	t      *testing.T
	c      Config
	client *api.Client
	d      *Daemon
	end    func()
}

// start begins a schedd in a directory of its own.
func start(t *testing.T, c Config) *world {
	t.Helper()
	if c.Dir == "" {
		// Not t.TempDir(): the path of a socket is short.
		dir, err := os.MkdirTemp("", "gb")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		c.Dir = dir
	}
	if c.Host == "" {
		c.Host = "head"
	}
	c.Version = "test"
	w := &world{t: t, c: c, client: api.NewClient(filepath.Join(c.Dir, "schedd.sock"))}
	w.begin()
	t.Cleanup(func() { w.end() })
	return w
}

func (w *world) begin() {
	w.t.Helper()
	log := logrus.New()
	log.SetOutput(w.t.Output())
	log.SetLevel(logrus.DebugLevel)
	d, err := New(w.c, log)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, over := make(chan struct{}), make(chan error, 1)
	go func() { over <- d.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-over:
		cancel()
		w.t.Fatal(err)
	}
	w.d = d
	var once sync.Once
	w.end = func() {
		once.Do(func() {
			cancel()
			if err := <-over; err != nil {
				w.t.Errorf("the schedd ended: %v", err)
			}
		})
	}
}

// restart ends the schedd and begins it anew on the same directory.
func (w *world) restart() {
	w.t.Helper()
	w.end()
	w.begin()
}

// submit hands in a submit file's text and gives the clusters.
func (w *world) submit(text string) []int32 {
	w.t.Helper()
	dir := filepath.Join(w.c.Dir, "home")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	specs, diags, err := jobfile.Read(jobfile.Request{Source: []byte(text), Name: "job.sub", Dir: dir})
	if err != nil || diags.HasErrors() {
		w.t.Fatal(err, diags)
	}
	out, err := w.client.Submit(w.t.Context(), api.Submission{Specs: specs})
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []int32
	for _, c := range out.Clusters {
		ids = append(ids, c.Cluster)
	}
	return ids
}

// file is a file of the submitter's.
func (w *world) file(name, text string, mode os.FileMode) string {
	w.t.Helper()
	path := filepath.Join(w.c.Dir, "home", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// waitFor follows the events from the beginning until one is wanted.
func (w *world) waitFor(what string, wanted func(*api.Event) bool) api.Event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	var seen []api.Event
	for e, err := range w.client.Events(ctx, 0) {
		if err != nil {
			why, _ := w.client.Why(w.t.Context(), "1.0")
			w.t.Fatalf("waiting for %s: %v; there was only %+v\n%s", what, err, seen, why.Text)
		}
		seen = append(seen, e)
		if wanted(&e) {
			return e
		}
	}
	w.t.Fatalf("waiting for %s: the events ended", what)
	return api.Event{}
}

// left waits until a job has left the queue, or is held.
func (w *world) left(id grid.JobID) api.Event {
	w.t.Helper()
	return w.waitFor("job "+id.String()+" to end", func(e *api.Event) bool {
		return e.Jobs == id.String() && (e.Type == "job_left" || e.Type == "job_held")
	})
}

// worker is an agent that says of every job that it started and exited with code.
type worker struct {
	w    *world
	name string
	code func(wire.Start) int32
	end  func()
}

// join connects an agent with that many cpus over an endpoint; nil is the socket. Its
// jobs exit with what code says, nil: 0.
func (w *world) join(name string, cpus int, at *wire.Endpoint, code func(wire.Start) int32) *worker {
	w.t.Helper()
	if at == nil {
		at = &wire.Endpoint{Network: "unix", Address: filepath.Join(w.c.Dir, "schedd.sock")}
	}
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := wire.Dial(ctx, *at)
	if err != nil {
		cancel()
		w.t.Fatal(err)
	}
	k := &worker{w: w, name: name, code: code}
	s := wire.NewStream(conn, time.Minute)
	hello := &wire.Hello{Version: wire.Version, Worker: name, Boot: "boot", Session: name, Isolation: wire.ProcessGroups, Advert: wire.Advert{Attrs: map[string]string{
		"Cpus": fmt.Sprint(cpus), "Memory": "4000", "Disk": "10000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"` + w.d.c.Domain + `"`,
	}}}
	if err := s.Send(wire.Message{Hello: hello}); err != nil {
		w.t.Fatal(err)
	}
	welcome, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		_ = s.Run(ctx, func(m wire.Message) error {
			switch {
			case m.Welcome != nil:
				close(welcome)
			case m.Start != nil:
				for _, r := range []wire.ReportKind{wire.Started, wire.Exited} {
					report := &wire.Report{Job: m.Start.Job, Epoch: m.Start.Epoch, Kind: r}
					if k.code != nil && r == wire.Exited {
						report.Code = k.code(*m.Start)
					}
					if err := s.Send(wire.Message{Report: report}); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}()
	k.end = func() { cancel(); <-over }
	w.t.Cleanup(k.end)
	select {
	case <-welcome:
	case <-over:
		w.t.Fatalf("worker %s was not welcome", name)
	}
	return k
}

func TestJobsRunOnAWorker(t *testing.T) {
	w := start(t, Config{})
	w.join("w1", 2, nil, nil)
	id := w.submit("executable = /bin/true\nshould_transfer_files = no\nlog = true.log\nqueue 3\n")[0]
	for proc := range int32(3) {
		job := grid.JobID{Cluster: id, Proc: proc}
		if e := w.left(job); e.Type != "job_left" || e.To != "completed" {
			t.Errorf("job %s: %+v", job, e)
		}
	}
	totals, err := w.client.Totals(t.Context())
	if err != nil || totals.All.Total() != 0 {
		t.Errorf("the queue has %+v (%v)", totals, err)
	}
}
