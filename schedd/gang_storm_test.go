package schedd

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// storm is a place with two machines, whose agents lose their lines, their memory and their
// power, while people do to jobs of several nodes whatever can be done to one.
type storm struct {
	*place
	r        *rand.Rand
	machines [2]*stormed
	asking   chan struct{}
	asked    sync.WaitGroup
}

// stormed is one machine.
type stormed struct {
	*storm
	name string
	boot int
	w    *worker
	has  map[onWorker]*stormedNode
}

type stormedNode struct {
	start  *wire.Start
	last   wire.Report
	killed bool
}

func (n *stormedNode) lives() bool { return !n.last.Kind.Final() }

func (s *storm) come(m *stormed) {
	s.t.Helper()
	h := wire.Hello{
		Version: wire.Version, Worker: m.name, Boot: fmt.Sprint("boot-", m.boot), Session: m.name, Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": "2", "Memory": "1000", "Disk": "1000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true",
		}},
	}
	for _, n := range m.has {
		h.Attempts = append(h.Attempts, holds(n.start, n.last))
	}
	m.w = s.connect(h)
}

// hears carries out what has been ordered by now.
func (m *stormed) hears() {
	for {
		select {
		case o, ok := <-m.w.orders:
			if !ok {
				return
			}
			m.obeys(o)
		default:
			return
		}
	}
}

func (m *stormed) obeys(o wire.Message) {
	switch {
	case o.Start != nil:
		key := onWorker{o.Start.Job, o.Start.Epoch}
		if m.has[key] == nil {
			m.has[key] = &stormedNode{start: o.Start, last: wire.Report{Kind: wire.Accepted}}
		}
	case o.Kill != nil:
		n := m.has[onWorker{o.Kill.Job, o.Kill.Epoch}]
		switch {
		case n == nil:
			m.says(&wire.Report{Kind: wire.Lost, Job: o.Kill.Job, Epoch: o.Kill.Epoch, Reason: "the worker does not have it"})
		case !n.lives():
			m.says(&n.last)
		default:
			n.killed = true
		}
	case o.Forget != nil:
		delete(m.has, onWorker{o.Forget.Job, o.Forget.Epoch})
	}
}

// says sends a report; on a line that is broken it is lost.
func (m *stormed) says(r *wire.Report) { _ = m.w.stream.Send(wire.Message{Report: r}) }

// goes lets one of its nodes come a step further; exits says which may exit by themselves.
func (m *stormed) goes(exits func(*wire.Start) bool) {
	for _, n := range m.has {
		if !n.lives() {
			continue
		}
		r := wire.Report{Job: n.start.Job, Epoch: n.start.Epoch}
		switch {
		case n.killed:
			r.Kind = wire.Killed
		case n.last.Kind != wire.Started:
			r.Kind = wire.Started
		case exits(n.start):
			r.Kind, r.Usage = wire.Exited, wire.Usage{WallMS: 1000}
		default:
			continue
		}
		n.last = r
		m.says(&r)
		return
	}
}

// asks does something to jobs, which may be refused, or cut off. A release waits until what its
// job ran has ended, which nobody else here does.
func (s *storm) asks(verb string, of api.Selection) {
	select {
	case s.asking <- struct{}{}:
	default:
		return // enough are on their way
	}
	s.asked.Go(func() {
		_, _ = s.Act(s.t.Context(), api.Action{Verb: verb, Selection: of})
		<-s.asking
	})
}

// judge looks whether what lives of each job is of one attempt, and no node lives twice.
func (s *storm) judge(after string) {
	s.t.Helper()
	attempts, nodes := map[grid.JobID]uint32{}, map[onWorker]bool{}
	for _, m := range s.machines {
		for key, n := range m.has {
			if !n.lives() {
				continue
			}
			attempt, _ := grid.SplitEpoch(key.epoch)
			if was := attempts[key.job]; was != 0 && was != attempt {
				s.t.Fatalf("after %s nodes of the attempts %d and %d of job %s live", after, was, attempt, key.job)
			}
			if nodes[key] {
				s.t.Fatalf("after %s a node of job %s lives twice: %x", after, key.job, key.epoch)
			}
			attempts[key.job], nodes[key] = attempt, true
		}
	}
}

// happens does one thing, and says what.
func (s *storm) happens() (what string) {
	m := s.machines[s.r.IntN(2)]
	switch n := s.r.IntN(40); {
	case n < 20:
		m.goes(func(*wire.Start) bool { return s.r.IntN(4) == 0 })
		return "a step"
	case n < 32:
		verb := [...]string{"hold", "release", "release", "vacate", "suspend", "continue"}[s.r.IntN(6)]
		id := fmt.Sprintf("%d.0", 1+s.r.IntN(4))
		s.asks(verb, api.Selection{IDs: []string{id}})
		return verb + " of " + id
	case n < 36:
		m.w.hangUp()
		s.come(m)
		return m.name + " has lost its line"
	case n < 37:
		m.w.hangUp()
		clear(m.has)
		s.come(m)
		return m.name + " has lost its memory"
	case n < 38:
		m.w.hangUp()
		clear(m.has)
		m.boot++
		s.come(m)
		return m.name + " has started anew"
	}
	for _, m := range s.machines {
		m.w.hangUp()
	}
	s.restart()
	for _, m := range s.machines {
		s.come(m)
	}
	return "the schedd has started anew"
}

// Whatever is done to jobs of several nodes, and to their machines and their schedd, all that
// lives of a job is of one attempt, each job comes to its end when it is let, each has a log that
// makes sense, and every slot is free in the end.
func TestJobsOfSeveralNodesInAStorm(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := &storm{place: newPlace(t, nil), r: rand.New(rand.NewPCG(seed, 7)), asking: make(chan struct{}, 8)}
			t.Cleanup(s.asked.Wait)
			for i := range s.machines {
				m := &stormed{storm: s, name: string(rune('a' + i)), has: map[onWorker]*stormedNode{}}
				s.machines[i] = m
				s.come(m)
			}
			for i, more := range []string{"machine_count = 2", "machine_count = 3\n+ParallelShutdownPolicy = \"WAIT_FOR_ALL\"", "machine_count = 4", "machine_count = 2\nmax_retries = 2"} {
				s.submit(strings.Replace(several, "log = log", fmt.Sprint("log = log", i+1), 1) + more + "\nqueue\n")
			}
			for range 120 {
				what := s.happens()
				for _, m := range s.machines {
					m.hears()
				}
				s.judge(what)
			}
			s.calms()
			for i := range 4 {
				s.told(fmt.Sprint("log", i+1))
			}
			s.submit(several + "machine_count = 4\nqueue\n")
			s.until4()
		})
	}
}

// leads: it is enough for its job's end that this node exits; the others have to be told.
func leads(s *wire.Start) bool {
	_, i := grid.SplitEpoch(s.Epoch)
	return i == 0 || s.Job.Cluster == 2 // which waits for all of its nodes
}

// calms lets all jobs come to their end.
func (s *storm) calms() {
	s.t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for {
		totals, err := s.Totals(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		a := totals.All
		if a.Idle+a.Running+a.Held+a.Transferring+a.Suspended+a.Removed+a.Completed == 0 {
			return
		}
		if a.Held > 0 {
			s.asks("release", api.Selection{All: true})
		}
		if a.Suspended > 0 {
			s.asks("continue", api.Selection{All: true})
		}
		for _, m := range s.machines {
			m.hears()
			m.goes(leads)
		}
		s.judge("all")
		select {
		case <-look.C:
		case <-late:
			v := s.live.d.ledger.View()
			for id, g := range v.Gangs() {
				j, _ := v.Job(id)
				s.t.Errorf("job %s is %s: %+v", id, j.Status, *g)
			}
			s.t.Fatalf("there is left %+v; a has %v, b has %v", a, s.machines[0].has, s.machines[1].has)
		}
	}
}

// until4 waits until the job of four nodes has begun on all slots.
func (s *storm) until4() {
	s.t.Helper()
	s.becomes("all slots to be free for another", func() bool {
		n := 0
		for _, m := range s.machines {
			m.hears()
			m.goes(func(*wire.Start) bool { return false })
			n += len(m.has)
		}
		j, ok := s.live.d.ledger.View().Job(grid.JobID{Cluster: 5})
		return ok && n == 4 && j.Status == grid.Running
	})
}

var numbered = regexp.MustCompile(`(?m)^(\d{3}) \(`)

// told looks whether a log makes sense: a job begins only where it does not run, and ends once.
// It may be evicted before anybody has heard that it runs, as any job.
func (s *storm) told(name string) {
	s.t.Helper()
	var text []byte
	s.becomes("the end of "+name, func() bool {
		var err error
		text, err = os.ReadFile(filepath.Join(s.dir, name))
		return err == nil && strings.Contains(string(text), "\n005 (")
	})
	runs, ended := false, false
	for _, m := range numbered.FindAllSubmatch(text, -1) {
		n := string(m[1])
		if ended || n == "001" && runs {
			s.t.Errorf("in %s there is %s where it makes no sense:\n%s", name, n, text)
			return
		}
		switch n {
		case "001":
			runs = true
		case "004", "012":
			runs = false
		case "005":
			ended = true
		}
	}
}
