package schedd

import (
	"fmt"
	"net/http"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/telemetry"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// hungCommit is how long a batch may be written before the disk is called hung.
const hungCommit = 30 * time.Second

// Health implements [serve.Backend].
func (d *Daemon) Health() api.Health { return healthOf(d.ledger.Load(), d.trouble.all()) }

// healthOf judges. Trouble is for somebody to look at, and keeps nobody from working.
func healthOf(l ledger.Load, trouble []string) api.Health {
	h := api.Health{Live: true, Ready: true, Reasons: []string{}}
	if l.Writing > hungCommit {
		h.Live, h.Ready = false, false
		h.Reasons = append(h.Reasons, fmt.Sprintf("the disk has been writing one batch for %s", l.Writing.Round(time.Second)))
	}
	if l.FreeBytes < l.Reserve {
		h.Ready = false
		h.Reasons = append(h.Reasons, fmt.Sprintf("the disk has %s left, and %s are kept for what is in the queue: nothing new is taken", grid.FormatSize(l.FreeBytes), grid.FormatSize(l.Reserve)))
	}
	h.Reasons = append(h.Reasons, trouble...)
	return h
}

// Metrics implements [serve.Backend].
func (d *Daemon) Metrics() http.Handler { return d.c.Telemetry.Handler() }

// state is what there is, for a scrape.
func (d *Daemon) state() telemetry.State {
	v, load := d.ledger.View(), d.ledger.Load()
	s := telemetry.State{
		Jobs: map[string]map[string]int{}, Entries: v.Index, Term: v.Term, Proposals: load.Waiting,
		FileBytes: load.FileBytes, FreeBytes: load.FreeBytes, Reserve: load.Reserve,
		LogLag: v.Index - min(v.Index, d.logs.settled()), Ready: healthOf(load, nil).Ready,
		Workers: map[string]int{"idle": 0, "busy": 0, "draining": 0, "lost": 0},
		CPUs:    map[string]int64{"used": 0, "free": 0}, MemoryBytes: map[string]int64{"used": 0, "free": 0},
		Claims: map[[2]string]int{}, Stopping: map[string]time.Duration{}, Strays: map[string]int{},
	}
	for i := range d.config().Resources {
		name := d.config().Resources[i].Name
		s.Stopping[name], s.Strays[name] = 0, 0 // that there is none is told too
	}
	for id, o := range v.Owners() {
		t := v.Tally(id)
		if t.Total() == 0 {
			continue
		}
		states := map[string]int{}
		for _, status := range grid.Statuses {
			states[status.String()] = int(t[status])
		}
		s.Jobs[o.Name] = states
	}
	for _, w := range d.pool.Workers() {
		s.Workers[stateOf(&w)]++
		s.CPUs["used"] += w.Total.Cpus - w.Free.Cpus
		s.CPUs["free"] += w.Free.Cpus
		s.MemoryBytes["used"] += (w.Total.MemoryMB - w.Free.MemoryMB) << 20
		s.MemoryBytes["free"] += w.Free.MemoryMB << 20
	}
	for _, c := range v.Claims() {
		s.Claims[[2]string{c.Resource, c.State.String()}]++
		if c.State == grid.ClaimStopping {
			s.Stopping[c.Resource] = max(s.Stopping[c.Resource], time.Since(time.UnixMilli(c.Entered)))
		}
	}
	for _, m := range d.strays.all() {
		s.Strays[m.Resource]++
	}
	for range v.Dags() {
		s.Runs++
	}
	if proof := d.verified.Load(); proof != nil {
		s.Verified, s.Sound = proof.At, proof.Found == ""
	}
	return s
}
