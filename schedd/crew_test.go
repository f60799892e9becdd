package schedd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// file is a file of the submitter's.
func (p *place) file(name, text string, mode os.FileMode) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// waitFor follows the events from the beginning until one is wanted.
func (p *place) waitFor(what string, wanted func(*api.Event) bool) api.Event {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	var seen []string
	for e, err := range p.Events(ctx, 0) {
		if err != nil {
			p.t.Fatalf("waiting for %s: %v; there was only %q", what, err, seen)
		}
		seen = append(seen, fmt.Sprint(e.Type, " ", e.Jobs, " ", e.ID, " ", e.To, " ", e.Text))
		if wanted(&e) {
			return e
		}
	}
	p.t.Fatalf("waiting for %s: the events ended", what)
	return api.Event{}
}

// left waits until a job has left the queue, or is held.
func (p *place) left(id grid.JobID) api.Event {
	p.t.Helper()
	return p.waitFor("job "+id.String()+" to end", func(e *api.Event) bool {
		return e.Jobs == id.String() && (e.Type == "job_left" || e.Type == "job_held")
	})
}

// crew is a worker with that many cpus that does what it is told at once: each job
// starts and exits with what code says, nil: 0. It connects over an endpoint; nil is the
// socket.
func (p *place) crew(name string, cpus int, at *wire.Endpoint, code func(wire.Start) int32) *worker {
	p.t.Helper()
	h := wire.Hello{
		Version: wire.Version, Worker: name, Boot: "boot-1", Session: name + "-session", Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": fmt.Sprint(cpus), "Memory": "4000", "Disk": "10000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true",
		}},
	}
	w := p.connectAt(at, h)
	w.done.Go(func() {
		for m := range w.orders {
			if m.Start == nil {
				continue
			}
			exit := int32(0)
			if code != nil {
				exit = code(*m.Start)
			}
			// The stream may have ended meanwhile: then the schedd looks for itself.
			for _, r := range []wire.Report{{Kind: wire.Started}, {Kind: wire.Exited, Code: exit}} {
				r.Job, r.Epoch = m.Start.Job, m.Start.Epoch
				if w.stream.Send(wire.Message{Report: &r}) != nil {
					break
				}
			}
		}
	})
	return w
}
