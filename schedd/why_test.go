package schedd

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
	"gridburst/internal/grid"
	"gridburst/router/route"
	"gridburst/schedd/api"
	"gridburst/schedd/target"
	targetfake "gridburst/schedd/target/fake"
)

var update = flag.Bool("update", false, "accept the answers as they are now")

// short is a job that any worker takes, in the words of a submit file.
const short = "executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\n"

// situations are what a job may wait for. Each answer is in testdata/why.
var situations = []struct {
	name   string
	config func(*Config)
	begin  func(l *lab) (job string)
	reason string
}{
	{"no slot fits", nil, func(l *lab) string {
		l.place.worker("w1")
		l.submit(short + "request_cpus = 16\nqueue\n")
		return "1.0"
	}, "no_slot"},
	{"there is no slot", nil, func(l *lab) string {
		l.submit(short + "queue\n")
		return "1.0"
	}, "no_slot"},
	{"a clause is undefined", nil, func(l *lab) string {
		l.place.worker("w1")
		l.submit(short + "requirements = TARGET.HasGpu\nqueue\n")
		return "1.0"
	}, "undefined"},
	{"all slots are busy", nil, func(l *lab) string {
		w := l.place.worker("w1")
		l.submit(short + "request_cpus = 2\nqueue\n")
		w.started(w.start())
		l.until("1.0", "job_started")
		l.submit(short + "queue\n")
		return "2.0"
	}, "busy"},
	{"a quota is used up", bursting, func(l *lab) string {
		l.engine.Inject(conform.OverQuota)
		l.submit(short + "queue\n")
		return "1.0"
	}, reasonQuota},
	{"a concurrency limit", func(c *Config) { c.Concurrency = []ConcurrencyLimit{{"licence", 2}} }, func(l *lab) string {
		w := l.place.worker("w1")
		l.submit(short + "concurrency_limits = licence:2\nqueue\n")
		w.started(w.start())
		l.until("1.0", "job_started")
		l.submit(short + "concurrency_limits = Licence\nqueue\n")
		return "2.0"
	}, "concurrency_limit"},
	{"a machine boots", func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.BootTime, c.Resources[0].Burst.JoinTimeout = time.Hour, 2*time.Hour
	}, func(l *lab) string {
		l.submit(short + "queue\n")
		l.waitFor("the machine to boot", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
		return "1.0"
	}, "vm_booting"},
	{"a breaker is open", func(c *Config) {
		bursting(c)
	}, func(l *lab) string {
		l.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, Kind: gahp.Refused})
		l.submit(short + "queue\n")
		l.gone(1)
		return "1.0"
	}, reasonBreaker},
	{"a budget is spent", func(c *Config) {
		bursting(c)
		c.Resources[0].Price, c.Resources[0].Currency, c.Resources[0].BillingPeriod = 0.5, "EUR", time.Hour
		c.Resources[0].Budget = []Allowance{{"day", 750_000, "EUR"}}
	}, func(l *lab) string {
		l.submit(short + "request_cpus = 2\nqueue 2\n")
		l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
		return "1.1"
	}, reasonBudget},
	{"a budget of one owner is spent", func(c *Config) {
		bursting(c)
		c.Resources[0].Price, c.Resources[0].Currency = 6, "EUR"
		c.Resources[0].Budget = []Allowance{{"owner", 0, "EUR"}, {"day", 750_000_000, "EUR"}}
	}, func(l *lab) string {
		l.submit(short + "queue\n")
		return "1.0"
	}, reasonBudget},
	{"a template is missing", func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.Template = "nosuch"
	}, func(l *lab) string {
		l.submit(short + "queue\n")
		return "1.0"
	}, reasonTemplate},
	{"there may be no more machines", func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.MaxVMs = 1
	}, func(l *lab) string {
		l.submit(short + "request_cpus = 2\nqueue 2\n")
		l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
		return "1.1"
	}, reasonFull},
	{"a pool is paused", bursting, func(l *lab) string {
		if err := l.SteerBurst(l.t.Context(), "lab", "pause", api.Steer{Reason: "new disks"}); err != nil {
			l.t.Fatal(err)
		}
		l.submit(short + "queue\n")
		return "1.0"
	}, reasonPaused},
	{"an owner's limit", func(c *Config) { c.MaxRunningPerOwner = 1 }, func(l *lab) string {
		w := l.place.worker("w1")
		l.submit(short + "queue\n")
		w.started(w.start())
		l.until("1.0", "job_started")
		l.submit(short + "queue\n")
		return "2.0"
	}, "owner_limit"},
	{"a route is full", routed, func(l *lab) string {
		l.submit(short + "requirements = false\nqueue\n")
		l.until("1.0", "grid_accepted")
		l.submit(short + "requirements = false\nqueue\n")
		return "2.0"
	}, "route_full"},
	{"a route is paused", routed, func(l *lab) string {
		if err := l.SteerRoute(l.t.Context(), "Slurm", "pause", api.Steer{Reason: "a new cluster"}); err != nil {
			l.t.Fatal(err)
		}
		l.submit(short + "requirements = false\nqueue\n")
		return "1.0"
	}, "route_paused"},
	{"a route is throttled", routed, func(l *lab) string {
		c := l.place.live.d.chooser
		c.mu.Lock()
		c.by["Slurm"] = route.Throttle{Since: time.Now(), Allowed: 1, Routed: 1}
		c.mu.Unlock()
		l.submit(short + "requirements = false\nqueue\n")
		return "1.0"
	}, "route_throttled"},
	{"held", nil, func(l *lab) string {
		l.submit(short + "hold = true\nqueue\n")
		return "1.0"
	}, "held"},
}

// routed is a schedd with one route, to a target that starts nothing, for one job.
func routed(c *Config) {
	c.Target = func(string, target.Commands) (target.Target, error) { return &targetfake.Target{}, nil }
	var diags grid.Diagnostics
	c.Routes = route.Build(route.Source{Routes: []route.Text{{Name: "Slurm", Lines: []route.Line{{Text: `GridResource = "batch slurm"`}, {Text: "MaxJobs = 1"}}}}}, &diags)
}

// TestWhyIsUnderstood: each answer says in a sentence what is the matter, and in another
// what would help.
func TestWhyIsUnderstood(t *testing.T) {
	t.Parallel()
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, s.config)
			job := s.begin(l)
			var why api.Why
			l.becomes(job+" waits for "+s.reason, func() bool {
				var err error
				if why, err = l.Why(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				return why.Reason == s.reason
			})
			if why.Matter == "" || why.Help == "" || !strings.HasSuffix(why.Matter, ".") || !strings.Contains(why.Text, why.Help) {
				t.Errorf("it says %+v", why)
			}
			path := filepath.Join("testdata", "why", strings.ReplaceAll(s.name, " ", "_")+".txt")
			got := l.settled(why.Text)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || got != string(want) {
				t.Errorf("it says\n%s\nand not what is in %s (%v)", got, path, err)
			}
		})
	}
}

// settled is an answer without what is different each time: times, and who asks.
func (l *lab) settled(text string) string {
	for _, r := range []struct{ from, to string }{
		{`\b\d\d:\d\d:\d\d\b`, "15:04:05"},
		{`(is \w+) since (\d+(\.\d+)?(ms|s|m|h))+`, "$1 since 5s"},
		{`\b\d\d:\d\d UTC`, "15:04 UTC"},
		{`expected in (\d+(\.\d+)?(ms|s|m|h))+`, "expected in 50m"},
		{`(once|\d+ times) in a row`, "3 times in a row"},
		{`gb-[0-9a-f]{8}-`, "gb-12345678-"},
	} {
		text = regexp.MustCompile(r.from).ReplaceAllString(text, r.to)
	}
	return strings.ReplaceAll(text, l.status().You.User, "alice")
}

// The journal tells a wish, what it rested on, and its end; that a machine is not started it
// tells once, also over a restart, and who has steered a pool.
func TestTheJournalTellsWhatWasDoneAndNotDone(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.MaxVMs = 1
	})
	l.submit(short + "request_cpus = 2\nqueue 2\n")
	l.waitFor("a machine", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	journal := func(q api.JournalQuery) (out []string) {
		notes, err := l.Journal(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range notes.Notes {
			word := n.What
			if n.Reason != "" {
				word += " " + n.Reason
			}
			if n.What == "start" && (n.Inputs == "" || len(n.Jobs) != 1 || n.VM == "") {
				t.Errorf("a start is told as %+v", n)
			}
			out = append(out, word)
		}
		return out
	}
	l.becomes("it is told why there is no second", func() bool { return slices.Contains(journal(api.JournalQuery{}), "wait max_vms") })
	l.restart()
	l.becomes("the pool is decided on again", func() bool {
		out, err := l.Bursts(t.Context())
		return err == nil && len(out.Pools) == 1 && out.Pools[0].Open == 1
	})
	if err := l.SteerBurst(t.Context(), "lab", "drain", api.Steer{Reason: "moving"}); err != nil {
		t.Fatal(err)
	}
	l.gone(1)
	l.becomes("a drained pool starts none, and says so", func() bool { return slices.Contains(journal(api.JournalQuery{}), "wait draining") })
	if got := journal(api.JournalQuery{}); !slices.Equal(got, []string{"start", "wait max_vms", "steer draining", "stop", "gone", "wait draining"}) &&
		!slices.Equal(got, []string{"start", "wait max_vms", "steer draining", "stop", "wait draining", "gone"}) {
		t.Errorf("the journal tells %q", got)
	}
	if got := journal(api.JournalQuery{VM: "1"}); !slices.Equal(got, []string{"start", "stop", "gone"}) {
		t.Errorf("of the machine it tells %q", got)
	}
	if got := journal(api.JournalQuery{Job: "1.0"}); !slices.Contains(got, "start") || !slices.Contains(got, "gone") {
		t.Errorf("of its job it tells %q", got)
	}
	if got := journal(api.JournalQuery{Pool: "far"}); len(got) > 0 {
		t.Errorf("of another pool it tells %q", got)
	}
	if vms := l.ours(); len(vms) != 1 || !strings.HasSuffix(vms[0], string(gahp.Down)) {
		t.Errorf("at the engine there is %v", vms)
	}
	out, err := l.BurstReceipts(t.Context(), api.ReceiptsQuery{})
	if err != nil || len(out.Bursts) != 1 {
		t.Fatalf("receipts: %+v (%v)", out, err)
	}
	if r := out.Bursts[0]; r.Asked != 1 || r.Started != 1 || r.Used != 0 || r.Failed != 1 || r.Most != 1 || r.Gone == 0 || r.Runs != 0 || r.Busy != 0 {
		t.Errorf("the receipt: %+v", r)
	}
}
