package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

type waitOptions struct {
	Asks
	timeout string
	num     int
	status  bool
	echo    bool
}

// Wait is gwait.
func Wait(d *Deps) *cobra.Command {
	var o waitOptions
	c := &cobra.Command{
		Use:   "gwait {JOB ... | LOGFILE [JOB ...]}",
		Short: "Wait for jobs to end",
		Long: `Wait until jobs have ended: those that are named (12, 12.0, 12.0-9), asking the schedd,
or those of an event log, which needs no schedd; with both, only those jobs of the log.
The log may be text, XML or JSON, may be rotated meanwhile, and may not be there yet.

When the schedd goes away meanwhile, gwait waits for it to come back. When --timeout
is over first, the exit status is 1.
` + ExitHelp,
		Example: "  gwait job.log\n  gwait --num 1 job.log 12\n  gwait --timeout 1h 12 13.0",
		RunE:    func(c *cobra.Command, args []string) error { return o.run(c.Context(), d, args) },
	}
	f := c.Flags()
	o.Flags(c)
	c.ValidArgsFunction = func(c *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ids, _ := o.completeJobs(d)(c, args, begun)
		return ids, cobra.ShellCompDirectiveDefault // where none fits, names of event logs
	}
	f.StringVar(&o.timeout, "timeout", "", "give up after this `time`: 90 (seconds), 20m, 1h30m")
	f.StringVar(&o.timeout, "wait", "", "the same, as HTCondor calls it")
	f.IntVar(&o.num, "num", 0, "wait until so many `jobs` of the log have ended; 0: all")
	f.BoolVar(&o.status, "status", false, "print what happens to the jobs meanwhile")
	f.BoolVar(&o.echo, "echo", false, "print the events of the log, as text")
	return c
}

// allDone is what is said when none is left.
const allDone = "All jobs done."

// errTimeout is why a wait was given up.
var errTimeout = errors.New("the jobs have not ended in time")

func (o *waitOptions) run(ctx context.Context, d *Deps, args []string) error {
	if o.timeout != "" {
		limit, err := parseTime(o.timeout)
		if err != nil {
			return err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
	}
	if o.num < 0 {
		return usage("--num must not be negative")
	}
	log := ""
	if len(args) > 0 {
		if _, err := grid.ParseRun(args[0]); err != nil {
			log, args = args[0], args[1:]
		}
	}
	if log == "" && (o.echo || o.num > 0) {
		return usage("--echo and --num are of event logs: name one")
	}
	var runs []grid.Run
	for _, a := range args {
		r, err := grid.ParseRun(a)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	var err error
	how := allDone
	switch {
	case log != "":
		how, err = o.follow(ctx, d, log, runs)
	case len(runs) > 0:
		err = o.watch(ctx, d, runs)
	default:
		return usage("name jobs or an event log")
	}
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	switch {
	case errors.Is(err, errTimeout):
		fmt.Fprintln(d.Err, "gwait: "+errTimeout.Error())
		return said(ExitFailed)
	case err == nil:
		fmt.Fprintln(d.Out, how)
	}
	return err
}

// parseTime reads seconds, or a duration with units.
func parseTime(s string) (time.Duration, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, nil
	}
	t, err := time.ParseDuration(s)
	if err != nil || t < 0 {
		return 0, usage(fmt.Sprintf("%q is no time: write seconds (90) or units (20m, 1h30m)", s))
	}
	return t, nil
}

// watch waits for jobs by asking the schedd what there is, and then what happens. The
// events are those behind what was seen, so that none is missed.
func (o *waitOptions) watch(ctx context.Context, d *Deps, runs []grid.Run) error {
	client, err := o.Client(d)
	if err != nil {
		return err
	}
	known := false
	for {
		pending, after, err := o.pending(ctx, client, runs)
		if away(err, known) {
			if err := pause.For(ctx, time.Second); err != nil {
				return err
			}
			continue
		}
		if err != nil || len(pending) == 0 {
			return err
		}
		if o.status && !known {
			o.tell(d, fmt.Sprintf("waiting for %d job(s)", len(pending)))
		}
		known = true
		for e, err := range client.Events(ctx, after) {
			if grid.CodeOf(err) == grid.Gone {
				break // too much has happened meanwhile: look again
			}
			if err != nil {
				return err
			}
			if came := o.took(d, pending, &e); came || len(pending) == 0 {
				break // more may have been made, or be still to come: look again
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// away reports whether the schedd is likely to come back: it was there before, or has
// left its socket.
func away(err error, known bool) bool {
	return grid.CodeOf(err) == grid.Unavailable && (known || errors.Is(err, syscall.ECONNREFUSED))
}

// pending are the jobs of runs that have not ended, as of the log entry after at the
// latest.
func (o *waitOptions) pending(ctx context.Context, client *api.Client, runs []grid.Run) (jobs map[grid.JobID]bool, after uint64, err error) {
	status, err := client.Status(ctx)
	if err != nil {
		return nil, 0, err
	}
	q := api.JobsQuery{Attributes: []string{"ClusterId", "ProcId", "JobStatus"}, Limit: 10_000}
	for _, r := range runs {
		q.IDs = append(q.IDs, r.String())
	}
	jobs = map[grid.JobID]bool{}
	seen := 0
	for job, err := range client.Jobs(ctx, q) {
		if err != nil {
			return nil, 0, err
		}
		a, err := parseAd(job)
		if err != nil {
			return nil, 0, err
		}
		seen++
		if grid.Status(a.Int("JobStatus", 0)) != grid.Completed {
			jobs[idOf(a)] = true
		}
	}
	for _, r := range runs {
		if !r.Whole() {
			continue
		}
		some, err := client.Batches(ctx, api.BatchesQuery{IDs: []string{r.String()}})
		if err != nil {
			return nil, 0, err
		}
		for i := range some.Batches {
			if some.Batches[i].Coming > 0 {
				jobs[toCome(r.Cluster)] = true
				seen++
			}
		}
	}
	if seen > 0 {
		return jobs, status.Index, nil
	}
	q.Limit = 1
	for _, err := range client.History(ctx, api.HistoryQuery{JobsQuery: q}) {
		return nil, 0, err // they have left, or the schedd cannot say
	}
	return nil, 0, grid.Errorf(grid.NotFound, "%s: neither in the queue nor in the history", strings.Join(q.IDs, " "))
}

// took notes an event. came means that it may be of jobs that were made just now, or will
// not be made any more.
func (o *waitOptions) took(d *Deps, pending map[grid.JobID]bool, e *api.Event) (came bool) {
	if e.Jobs == "" {
		return false
	}
	r, err := grid.ParseRun(e.Jobs)
	if err != nil {
		return false
	}
	if e.Type == "job_submitted" || e.Type == "factory_ended" {
		return pending[toCome(r.Cluster)]
	}
	ended := e.Type == "job_left" || e.Type == "job_completed"
	// Whichever is shorter is gone through.
	if r.Len() > len(pending) {
		for id := range pending {
			if r.Has(id) {
				o.happened(d, pending, id, e, ended)
			}
		}
		return false
	}
	for p := r.Lo; p < r.Hi; p++ {
		if id := (grid.JobID{Cluster: r.Cluster, Proc: p}); pending[id] {
			o.happened(d, pending, id, e, ended)
		}
	}
	return false
}

// toCome stands for the jobs of a cluster that are still to be made.
func toCome(cluster int32) grid.JobID { return grid.JobID{Cluster: cluster, Proc: grid.MaxProcs} }

func (o *waitOptions) happened(d *Deps, pending map[grid.JobID]bool, id grid.JobID, e *api.Event, ended bool) {
	if o.status {
		o.say(d, id, strings.ReplaceAll(strings.TrimPrefix(e.Type, "job_"), "_", " "), e.Text)
	}
	if ended {
		delete(pending, id)
	}
}

// say prints what happened to a job, at once.
func (o *waitOptions) say(d *Deps, id grid.JobID, what, text string) {
	line := fmt.Sprintf("%s %s", id, what)
	if text != "" {
		line += ": " + grid.Printable(text)
	}
	o.tell(d, line)
}

func (o *waitOptions) tell(d *Deps, line string) { o.print(d, line+"\n") }

func (o *waitOptions) print(d *Deps, text string) {
	fmt.Fprint(d.Out, text)
	if d.flush != nil {
		d.flush()
	}
}

// meant reports whether runs mean the job; none mean all.
func meant(runs []grid.Run, id grid.JobID) bool {
	return len(runs) == 0 || slices.ContainsFunc(runs, func(r grid.Run) bool { return r.Has(id) })
}
