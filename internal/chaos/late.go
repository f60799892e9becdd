package chaos

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/pause"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// lateWorker is a worker that tells things late: when an execution was given up and its
// job runs again, it reports that the old one has ended well. It runs nothing. A schedd
// that believes it completes a job that is still running.
type lateWorker struct {
	house *house

	mu    sync.Mutex
	jobs  map[grid.JobID]*belief
	lies  int
	wrong []string
}

// belief is how far the lie about one job has come.
type belief struct {
	old    uint32 // the execution that was given up
	over   bool   // the schedd knows that
	now    uint32 // the one that runs; 0: none does
	told   bool   // the old one's good end was reported
	judged bool
}

const lateName = "late"

// run connects, and again whenever the schedd is away, until ctx ends.
func (l *lateWorker) run(ctx context.Context) error {
	l.jobs = map[grid.JobID]*belief{}
	for {
		// A schedd that dies is what the run is about.
		_ = l.session(ctx)
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return nil
		}
	}
}

func (l *lateWorker) session(ctx context.Context) error {
	status, err := l.house.schedd.Status(ctx)
	if err != nil {
		return err
	}
	conn, err := wire.Dial(ctx, wire.Endpoint{Network: "unix", Address: l.house.socket})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	for _, b := range l.jobs {
		b.over = true // a schedd that comes back asks for nothing that is over
	}
	l.mu.Unlock()
	s := wire.NewStream(conn, 5*time.Second)
	session := make([]byte, 8)
	rand.Read(session)
	hello := wire.Hello{
		Version: wire.Version, Worker: lateName, Boot: "late", Session: hex.EncodeToString(session), Agent: "chaos", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": "1", "Memory": "64", "Disk": "100000", "Late": "true", "Arch": ad.Quote(jobfile.Arch()), "OpSys": `"LINUX"`, "Machine": `"late"`,
			"FileSystemDomain": ad.Quote(status.Domain),
		}},
	}
	if err := s.Send(wire.Message{Hello: &hello}); err != nil {
		return err
	}
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel()
	beats.Go(func() {
		for pause.For(ctx, time.Second) == nil && s.Send(wire.Message{Beat: &wire.Beat{}}) == nil {
		}
	})
	return s.Run(ctx, func(m wire.Message) error {
		switch {
		case m.Start != nil:
			return l.start(s, m.Start.Job, m.Start.Epoch)
		case m.Forget != nil:
			return l.forgotten(ctx, s, m.Forget.Job, m.Forget.Epoch)
		}
		return nil
	})
}

func (l *lateWorker) start(s *wire.Stream, job grid.JobID, epoch uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.jobs[job]
	if b == nil || b.old == epoch { // asked again when the schedd died before it knew
		l.jobs[job] = &belief{old: epoch}
		return s.Send(wire.Message{Report: &wire.Report{Job: job, Epoch: epoch, Kind: wire.Lost, Vacate: grid.VacateStarter, Reason: "given up"}})
	}
	b.now = epoch
	if b.judged {
		return s.Send(wire.Message{Report: &wire.Report{Job: job, Epoch: epoch, Kind: wire.Exited}})
	}
	if err := s.Send(wire.Message{Report: &wire.Report{Job: job, Epoch: epoch, Kind: wire.Started}}); err != nil {
		return err
	}
	return l.lie(s, job, b)
}

// lie tells the good end of the old execution, when the schedd can take it for nothing
// else. The caller holds l.mu.
func (l *lateWorker) lie(s *wire.Stream, job grid.JobID, b *belief) error {
	if !b.over || b.now == 0 {
		return nil
	}
	b.told = true
	return s.Send(wire.Message{Report: &wire.Report{Job: job, Epoch: b.old, Kind: wire.Exited}})
}

// forgotten: the schedd has taken notice of an end. If it is the old one's, told late,
// the job must run still.
func (l *lateWorker) forgotten(ctx context.Context, s *wire.Stream, job grid.JobID, epoch uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.jobs[job]
	switch {
	case b == nil || b.old != epoch || b.judged:
		return nil
	case !b.told:
		b.over = true
		return l.lie(s, job, b)
	}
	running, err := l.runs(ctx, job)
	if err != nil {
		return err
	}
	b.judged = true
	l.lies++
	if !running {
		l.wrong = append(l.wrong, fmt.Sprintf("job %s was completed by a report of its execution %d, which had been given up", job, b.old))
	}
	return s.Send(wire.Message{Report: &wire.Report{Job: job, Epoch: b.now, Kind: wire.Exited}})
}

// runs reports whether the queue shows the job running.
func (l *lateWorker) runs(ctx context.Context, job grid.JobID) (bool, error) {
	for raw, err := range l.house.schedd.Jobs(ctx, api.JobsQuery{IDs: []string{job.String()}, Attributes: []string{"JobStatus"}}) {
		if err != nil {
			return false, err
		}
		var a struct{ JobStatus grid.Status }
		if err := json.Unmarshal(raw, &a); err != nil {
			return false, err
		}
		return a.JobStatus == grid.Running, nil
	}
	return false, nil
}
