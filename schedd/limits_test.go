package schedd

import (
	"fmt"
	"strings"
	"testing"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// limited is jobs of each kind of limit, and how much of what each takes.
type limited struct {
	limits, name string
	weight       float64
	jobs         int
}

var (
	limitedJobs = []limited{{"licence", "licence", 1, 4}, {"Licence:2", "licence", 2, 3}, {"small.a", "small.a", 1, 4}, {"small.b", "small.b", 1, 3}, {"other", "other", 1, 3}}
	someLimits  = []ConcurrencyLimit{{"licence", 3}, {"small.*", 2}, {"*", 1}}
	limitsOf    = map[string]float64{"licence": 3, "small.a": 2, "small.b": 2, "other": 1}
)

func submitLimited(p *place) map[int32]limited {
	p.t.Helper()
	out := map[int32]limited{}
	for _, q := range limitedJobs {
		out[p.submit(fmt.Sprintf("%sconcurrency_limits = %s\nqueue %d\n", short, q.limits, q.jobs))] = q
	}
	return out
}

// A concurrency limit is never passed and is reached, with weights, groups and defaults:
// counted over the events.
func TestConcurrencyLimitsAreNeverPassedAndAreReached(t *testing.T) {
	t.Parallel()
	p := newPlace(t, func(c *Config) { c.Concurrency = someLimits })
	of := submitLimited(p)
	p.crew("big", 30, nil, func(wire.Start) int32 { return 0 })
	used, most, left := map[string]float64{}, map[string]float64{}, 0
	p.waitFor("all of them", func(e *api.Event) bool {
		r, err := grid.ParseRun(e.Jobs)
		if err != nil {
			return false
		}
		q := of[r.Cluster]
		switch e.Type {
		case "job_placed":
			used[q.name] += q.weight
		case "job_completed":
			used[q.name] -= q.weight
			left++
		}
		if used[q.name] > limitsOf[q.name] {
			t.Fatalf("%v of %s is in use", used[q.name], q.name)
		}
		most[q.name] = max(most[q.name], used[q.name])
		return left == 17
	})
	for name, n := range limitsOf {
		if most[name] != n {
			t.Errorf("at most %v of %s was in use, and there are %v", most[name], name, n)
		}
	}
}

// What runs is counted by the next daemon too.
func TestConcurrencyLimitsHoldOverARestart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, func(c *Config) { c.Concurrency = someLimits })
	submitLimited(p)
	w := p.connect(wire.Hello{ // which begins nothing
		Version: wire.Version, Worker: "big", Boot: "boot-1", Session: "big-session", Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{"Cpus": "30", "Memory": "9000", "Disk": "10000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true"}},
	})
	l := &lab{place: p}
	counted := func() bool {
		n := p.live.d.pool.Used()
		for name, most := range limitsOf {
			if n[name] > most {
				t.Fatalf("%v of %s is in use", n[name], name)
			}
			if n[name] < most {
				return false
			}
		}
		return true
	}
	l.becomes("all of the limits are in use", counted)
	w.hangUp()
	p.restart()
	l.becomes("they are counted again", counted)
	p.crew("more", 30, nil, nil)
	p.submit(short + "queue\n") // which no limit keeps from running
	p.until("6.0", "job_completed")
	if !counted() {
		t.Errorf("there are %v in use", p.live.d.pool.Used())
	}
}

// Jobs that a limit keeps from running are no demand for machines.
func TestJobsBeyondALimitWantNoMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Concurrency = []ConcurrencyLimit{{"licence", 1}}
	})
	l.submit(short + "request_cpus = 2\nconcurrency_limits = licence\nqueue 3\n")
	l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Description, "overflow worker") {
			l.boot(m)
		}
	}
	for proc := range int32(3) {
		if e := l.left(grid.JobID{Cluster: 1, Proc: proc}); e.To != "completed" {
			t.Errorf("job %d: %+v", proc, e)
		}
	}
	if out, err := l.Claims(t.Context(), true); err != nil || len(out.Claims) != 1 {
		t.Errorf("the claims: %+v (%v)", out, err)
	}
}
