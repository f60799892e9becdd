// Package telemetry counts what a schedd does, in Prometheus's words.
//
// What happens is told to a [Schedd] as it happens; what is there is asked for at each
// scrape, through the function given to [Schedd.Watch]. Two schedds in one process do not
// meet: there is no registry but the one that each has. docs/operations.md explains each
// metric, and a test compares it with what is served.
package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Schedd counts what one schedd does. All methods are safe for many goroutines.
type Schedd struct {
	registry *prometheus.Registry

	commits  prometheus.Histogram
	batches  prometheus.Histogram
	waits    prometheus.Histogram
	plans    prometheus.Histogram
	engines  *prometheus.HistogramVec
	desks    *prometheus.HistogramVec
	requests *prometheus.HistogramVec
	mails    *prometheus.CounterVec
}

// fast and slow are buckets in seconds: for what a disk or a socket answers, and for what
// an engine or a queue does.
var (
	fast = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	slow = []float64{.005, .025, .1, .5, 1, 5, 15, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600}
)

// New is a schedd's own, of a program with that version.
func New(version string) *Schedd {
	s := &Schedd{registry: prometheus.NewRegistry()}
	histogram := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: "gridburst_" + name, Help: help, Buckets: buckets}
	}
	s.commits = prometheus.NewHistogram(histogram("ledger_commit_seconds", "Time to apply one batch of commands and make it durable.", fast))
	s.batches = prometheus.NewHistogram(histogram("ledger_batch_commands", "Commands that were made durable together.", prometheus.ExponentialBuckets(1, 4, 6)))
	s.waits = prometheus.NewHistogram(histogram("job_wait_seconds", "Time from the moment that a job became idle to its placement.", slow))
	s.plans = prometheus.NewHistogram(histogram("dispatch_plan_seconds", "Time to look once at what could run where.", fast))
	s.engines = prometheus.NewHistogramVec(histogram("gahp_call_seconds", "Calls of engines through their GAHPs, by verb and by the kind of failure (ok: none).", slow), []string{"verb", "outcome"})
	s.desks = prometheus.NewHistogramVec(histogram("desk_request_seconds", "Requests to owners' desks, by operation and by the code of failure (ok: none).", fast), []string{"operation", "outcome"})
	s.requests = prometheus.NewHistogramVec(histogram("api_request_seconds", "Requests to the API, by route and HTTP status; streams are left out.", fast), []string{"route", "status"})
	s.mails = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gridburst_mails_total", Help: "Notifications, by outcome: sent, failed, dropped."}, []string{"outcome"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gridburst_build_info", Help: "1, with this program's version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	s.registry.MustRegister(s.commits, s.batches, s.waits, s.plans, s.engines, s.desks, s.requests, s.mails, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Watch has state asked for what is there, at each scrape.
func (s *Schedd) Watch(state func() State) { s.registry.MustRegister(watched{state}) }

// Handler serves /metrics.
func (s *Schedd) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}

// Committed counts a batch of commands that became durable.
func (s *Schedd) Committed(commands int, took time.Duration) {
	s.commits.Observe(took.Seconds())
	s.batches.Observe(float64(commands))
}

// Planned counts a look at what could run where.
func (s *Schedd) Planned(took time.Duration) { s.plans.Observe(took.Seconds()) }

// Placed counts a job that had been idle for so long.
func (s *Schedd) Placed(idle time.Duration) { s.waits.Observe(idle.Seconds()) }

// Engine counts a call of an engine. failure is a kind of few; "" is none.
func (s *Schedd) Engine(verb, failure string, took time.Duration) {
	s.engines.WithLabelValues(verb, outcome(failure)).Observe(took.Seconds())
}

// Desk counts a request to a desk. failure is a code of few; "" is none.
func (s *Schedd) Desk(operation, failure string, took time.Duration) {
	s.desks.WithLabelValues(operation, outcome(failure)).Observe(took.Seconds())
}

// Mail counts a notification: sent, failed or dropped.
func (s *Schedd) Mail(outcome string) { s.mails.WithLabelValues(outcome).Inc() }

func outcome(failure string) string {
	if failure == "" {
		return "ok"
	}
	return failure
}

// Requests counts the requests of an API that is a [http.ServeMux]: its patterns are the
// routes.
func (s *Schedd) Requests(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			api.ServeHTTP(w, r)
			return
		}
		begun := time.Now()
		a := &answer{ResponseWriter: w, status: http.StatusOK}
		api.ServeHTTP(a, r)
		if !a.streams && r.Pattern != "" {
			s.requests.WithLabelValues(r.Pattern, strconv.Itoa(a.status)).Observe(time.Since(begun).Seconds())
		}
	})
}

// answer remembers how a request was answered.
type answer struct {
	http.ResponseWriter
	status  int
	streams bool
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// FlushError makes an answer a stream.
func (a *answer) FlushError() error {
	a.streams = true
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// State is what is there at the moment of a scrape.
type State struct {
	Jobs        map[string]map[string]int // by owner, then state
	Entries     uint64                    // of the ledger's log, since it began
	Proposals   int                       // commands that wait to be made durable
	FileBytes   int64                     // of the queue file
	FreeBytes   int64                     // of its disk
	Reserve     int64                     // of its disk, in bytes
	LogLag      uint64                    // entries that event logs are behind
	Term        uint64                    // starts of the schedd
	Workers     map[string]int            // by state
	CPUs        map[string]int64          // by use: used, free
	MemoryBytes map[string]int64          // by use: used, free
	Claims      map[[2]string]int         // by resource and state
	Stopping    map[string]time.Duration  // by resource: how long the machine has been on its way out that has been for longest
	Strays      map[string]int            // by resource: machines of ours that no claim stands for
	Runs        int                       // of workflows, not ended
	Ready       bool
	Verified    int64 // when the last proof of the queue was begun, s since 1970; 0: none since the start
	Sound       bool  // it found nothing wrong
}

// maxOwners bounds the owners that have metrics of their own: those with most jobs. The
// rest are counted together, as the owner "".
const maxOwners = 50

// byOwner is jobs by owner and state, with at most maxOwners owners.
func (s *State) byOwner() map[string]map[string]int {
	if len(s.Jobs) <= maxOwners {
		return s.Jobs
	}
	total := map[string]int{}
	var names []string
	for name, states := range s.Jobs {
		names = append(names, name)
		for _, n := range states {
			total[name] += n
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := total[b] - total[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	out := map[string]map[string]int{"": {}}
	for _, name := range names[:maxOwners] {
		out[name] = s.Jobs[name]
	}
	for _, name := range names[maxOwners:] {
		for state, n := range s.Jobs[name] {
			out[""][state] += n
		}
	}
	return out
}

// watched makes metrics of a state.
type watched struct{ state func() State }

var (
	jobsDesc      = gauge("jobs", "Jobs in the queue, by owner (the 50 with most jobs; the rest together as the empty owner) and state.", "owner", "state")
	entriesDesc   = prometheus.NewDesc("gridburst_ledger_entries_total", "Entries of the ledger's log since it began.", nil, nil)
	proposalsDesc = gauge("ledger_proposals_waiting", "Commands that wait to be made durable.")
	fileDesc      = gauge("ledger_file_bytes", "Size of the queue file.")
	freeDesc      = gauge("ledger_disk_free_bytes", "Free space of the disk that the queue file is on.")
	reserveDesc   = gauge("ledger_disk_reserve_bytes", "Free space below which nothing new is taken.")
	lagDesc       = gauge("event_log_lag_entries", "Entries of the ledger's log that users' event logs are behind.")
	termDesc      = prometheus.NewDesc("gridburst_starts_total", "Starts of the schedd.", nil, nil)
	workersDesc   = gauge("workers", "Workers of the pool, by state.", "state")
	cpusDesc      = gauge("pool_cpus", "CPUs of the pool, by use.", "use")
	memoryDesc    = gauge("pool_memory_bytes", "Memory of the pool, by use.", "use")
	claimsDesc    = gauge("claims", "Virtual machines that were wished for and are not gone, by resource and state.", "resource", "state")
	stoppingDesc  = gauge("claims_stopping_oldest_seconds", "How long the machine is being taken away that takes longest, by resource; its removal may fail again and again.", "resource")
	straysDesc    = gauge("stray_machines", "Machines of ours at an engine that no claim stands for, as its last listing shows them, by resource.", "resource")
	runsDesc      = gauge("workflow_runs", "Runs of workflows that have not ended.")
	verifiedDesc  = gauge("ledger_verified_timestamp_seconds", "When the last proof of the queue was begun; not there before the first since the start.")
	soundDesc     = gauge("ledger_sound", "1 when the last proof of the queue found nothing wrong; not there before the first since the start.")
	readyDesc     = gauge("ready", "1 when the schedd takes new jobs; /v1/health says why not.")
)

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gridburst_"+name, help, labels, nil)
}

// Describe implements [prometheus.Collector].
func (w watched) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(w, to) }

// Collect implements [prometheus.Collector].
func (w watched) Collect(to chan<- prometheus.Metric) {
	s := w.state()
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for owner, states := range s.byOwner() {
		for state, n := range states {
			set(jobsDesc, float64(n), owner, state)
		}
	}
	to <- prometheus.MustNewConstMetric(entriesDesc, prometheus.CounterValue, float64(s.Entries))
	to <- prometheus.MustNewConstMetric(termDesc, prometheus.CounterValue, float64(s.Term))
	set(proposalsDesc, float64(s.Proposals))
	set(fileDesc, float64(s.FileBytes))
	set(freeDesc, float64(s.FreeBytes))
	set(reserveDesc, float64(s.Reserve))
	set(lagDesc, float64(s.LogLag))
	set(runsDesc, float64(s.Runs))
	for state, n := range s.Workers {
		set(workersDesc, float64(n), state)
	}
	for use, n := range s.CPUs {
		set(cpusDesc, float64(n), use)
	}
	for use, n := range s.MemoryBytes {
		set(memoryDesc, float64(n), use)
	}
	for of, n := range s.Claims {
		set(claimsDesc, float64(n), of[0], of[1])
	}
	for resource, age := range s.Stopping {
		set(stoppingDesc, age.Seconds(), resource)
	}
	for resource, n := range s.Strays {
		set(straysDesc, float64(n), resource)
	}
	truth := func(d *prometheus.Desc, is bool) {
		n := 0.0
		if is {
			n = 1
		}
		set(d, n)
	}
	truth(readyDesc, s.Ready)
	if s.Verified != 0 {
		set(verifiedDesc, float64(s.Verified))
		truth(soundDesc, s.Sound)
	}
}
