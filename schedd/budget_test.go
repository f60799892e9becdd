package schedd

import (
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
)

// A budget that runs out in the midst of a burst stops what would be started, and ends
// nothing that works; it holds what was spent over a restart, and a free machine costs none
// of it.
func TestABudgetThatRunsOutEndsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		r := &c.Resources[0]
		r.Price, r.Currency, r.BillingPeriod, r.Budget = 0.6, "EUR", time.Hour, []Allowance{{"burst", 600_000, "EUR"}}
	})
	l.submit(short + "request_cpus = 2\nqueue 2\n")
	l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	done := make(chan struct{})
	finish := sync.OnceFunc(func() { close(done) })
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Description, "overflow worker") {
			w := l.busyWorker(m, func(s wire.Start) int32 {
				if s.Job.Proc == 0 {
					<-done
				}
				return 0
			})
			t.Cleanup(w.hangUp)
		}
	}
	t.Cleanup(finish)
	l.waitFor("the first job", func(e *api.Event) bool {
		return e.Type == "job_placed" && e.Jobs == "1.0" && strings.Contains(e.Text, "@")
	})
	spent := func() float64 {
		out, err := l.Bursts(t.Context())
		if err != nil || len(out.Pools) != 1 || len(out.Pools[0].Purses) != 1 {
			t.Fatalf("the pools: %+v (%v)", out, err)
		}
		return out.Pools[0].Purses[0].Spent
	}
	if n := spent(); n != 0.6 {
		t.Errorf("%v are spent", n)
	}
	plan, err := l.PlanBursts(t.Context())
	if err != nil || len(plan.Start)+len(plan.Drain) > 0 || len(plan.Refused) != 1 || plan.Refused[0].Reason != reasonBudget {
		t.Errorf("the plan: %+v (%v)", plan, err)
	}
	finish()
	for _, id := range []grid.JobID{{Cluster: 1}, {Cluster: 1, Proc: 1}} { // both by the one machine
		if e := l.left(id); e.To != "completed" {
			t.Errorf("job %s: %+v", id, e)
		}
	}
	l.restart()
	if n := spent(); n != 0.6 {
		t.Errorf("after a restart %v are spent", n)
	}
	if out, err := l.Claims(t.Context(), true); err != nil || len(out.Claims) != 1 {
		t.Errorf("the claims: %+v (%v)", out, err)
	}
}

func TestWhatIsFreeNeedsNoBudget(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources[0].Price, c.Resources[0].Currency, c.Resources[0].Budget = 0, "EUR", []Allowance{{"hour", 0, "EUR"}}
	})
	l.submit(short + "queue\n")
	l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
}

// A job that is a machine is paid from the same purses.
func TestAJobThatIsAMachineWaitsForItsMoney(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		r := &c.Resources[0]
		r.Price, r.Currency, r.BillingPeriod, r.Budget = 1, "EUR", time.Hour, []Allowance{{"owner", 1_500_000, "EUR"}}
	})
	first, second := l.vm("ovirt_template = worker"), l.vm("ovirt_template = worker")
	l.up(first)
	l.whySays(second, "the budget per_owner of lab is 1.50 EUR")
	l.act("remove", first.String())
	l.gone(1)
	l.whySays(second, "1.00 EUR are spent or promised") // it was paid for an hour
}

// One template that fails stops no other, and heals by itself: one machine is tried, and
// when it serves others follow.
func TestAFailedTemplateStopsNoOther(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources = append(c.Resources, c.Resources[0])
		c.Resources[0].Name, c.Resources[1].Name = "first", "second"
		bad := *c.Resources[0].Burst
		bad.Template = "nosuch"
		c.Resources[0].Burst = &bad
	})
	l.submit(short + "request_cpus = 2\nqueue 3\n")
	failed := l.waitFor("the first to fail", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "failed" })
	l.becomes("machines of the second serve all three", func() bool {
		out, err := l.Bursts(t.Context())
		return err == nil && out.Pools[1].Open == 3
	})
	out, err := l.Bursts(t.Context())
	if err != nil || len(out.Pools[0].Bounds) == 0 || failed.ID == 0 {
		t.Fatalf("the pools: %+v (%v)", out, err)
	}
	if b := out.Pools[0].Bounds[0]; b.Reason != reasonTemplate && b.Reason != reasonSuspected {
		t.Errorf("of the first is said %+v", b)
	}
}

// After a failure one machine is tried, and no more until it serves.
func TestABreakerHealsByOneMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	heal := l.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, Kind: gahp.Refused})
	l.submit(short + "request_cpus = 2\nqueue 2\n")
	first := l.waitFor("a failure", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "failed" })
	l.restart() // which closes no breaker
	l.becomes("the breaker is known", func() bool {
		out, err := l.Bursts(t.Context())
		return err == nil && len(out.Pools[0].Bounds) > 0 && (out.Pools[0].Bounds[0].Reason == reasonBreaker || out.Pools[0].Bounds[0].Reason == reasonSuspected)
	})
	heal()
	trial := l.waitFor("a trial", func(e *api.Event) bool {
		return e.Type == "claim_moved" && e.ID > first.ID && e.To == "booting"
	})
	out, err := l.Claims(t.Context(), false)
	if err != nil || len(out.Claims) != 1 || out.Claims[0].ID != trial.ID {
		t.Errorf("beside the trial there are %+v (%v)", out, err)
	}
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Description, "overflow worker") && m.Name != conform.Foreign {
			l.boot(m)
		}
	}
	for _, id := range []grid.JobID{{Cluster: 1}, {Cluster: 1, Proc: 1}} {
		l.waitFor("job "+id.String(), func(e *api.Event) bool { return e.Type == "job_placed" && e.Jobs == id.String() })
	}
}
