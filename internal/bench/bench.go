package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gridburst/internal/rig"
)

// Options say what is measured. The zero value of each means the default named here.
type Options struct {
	Dir   string   // the sandbox; it is emptied first
	Bin   string   // the programs; empty: they are built into Dir/bin
	Tags  []string // build tags
	Rows  []string // only these rows; none: all
	Runs  int      // of each row; 0: 5
	Scale float64  // of every count; 0: 1
	Log   io.Writer
}

// bench is one run of the program.
type bench struct {
	Options
	rig    *rig.Rig
	names  int // of schedds, so far
	limits map[string]float64
}

// group is rows that are measured together, and the programs that they need.
type group struct {
	rows     []string
	programs []string
	measure  func(*bench, context.Context) ([]Row, error)
}

// groups, in order: the machine's limits come before what stands beside them.
var groups = []group{
	{[]string{"fdatasync_us"}, nil, (*bench).fdatasync},
	{[]string{"gsubmit_one_ms"}, []string{"gschedd", "gsubmit"}, (*bench).gsubmitOne},
	{[]string{"submit_100k_ms"}, []string{"gschedd", "gsubmit"}, func(b *bench, ctx context.Context) ([]Row, error) {
		return b.submitMany(ctx, "submit_100k_ms", 100_000)
	}},
	{[]string{"submit_1m_ms"}, []string{"gschedd", "gsubmit"}, func(b *bench, ctx context.Context) ([]Row, error) {
		return b.submitMany(ctx, "submit_1m_ms", 1_000_000)
	}},
	{[]string{"durable_submits_1_per_s"}, []string{"gschedd"}, func(b *bench, ctx context.Context) ([]Row, error) { return b.durable(ctx, 1) }},
	{[]string{"durable_submits_64_per_s"}, []string{"gschedd"}, func(b *bench, ctx context.Context) ([]Row, error) { return b.durable(ctx, 64) }},
	{[]string{"xargs_true_per_s"}, nil, (*bench).xargs},
	{[]string{"true_jobs_per_s"}, []string{"gschedd", "gworker"}, (*bench).trueJobs},
	{[]string{"dag_noop_nodes_per_s"}, []string{"gschedd", "gdag"}, (*bench).dagNoop},
	{[]string{"dag_100k_accept_s", "dag_100k_rss_mb"}, []string{"gschedd", "gdag"}, (*bench).dagAccept},
	{[]string{"dag_chain_ms_per_node", "dag_flat_nodes_per_s"}, []string{"gschedd", "gworker", "gdag"}, (*bench).dagJobs},
	{[]string{"submit_to_start_ms"}, []string{"gschedd", "gworker"}, (*bench).latency},
	{[]string{"gq_list_100k_s"}, []string{"gschedd", "gq"}, (*bench).list},
	{[]string{"idle_job_bytes", "restart_100k_s"}, []string{"gschedd", "gq"}, (*bench).idle},
	{[]string{"route_jobs_per_s"}, nil, (*bench).routes},
	{[]string{"vm_engine_calls", "vm_watch_calls_per_min", "vm_schedd_cpu_s"}, []string{"gschedd", "ovirt_gahp", "ovirtsim"}, (*bench).machines},
	{
		[]string{"idle_job_bytes_1m", "gq_totals_1m_ms", "restart_1m_s", "rm_1m_s", "submit_while_rm_1m_ms", "history_owner_1m_ms"},
		[]string{"gschedd", "gsubmit", "gq", "grm", "ghistory"},
		(*bench).million,
	},
}

// Names are all rows.
func Names() (out []string) {
	for _, g := range groups {
		out = append(out, g.rows...)
	}
	return out
}

// Run measures. Rows that were done come with an error too.
func Run(ctx context.Context, o Options) (rows []Row, err error) {
	if o.Runs == 0 {
		o.Runs = 5
	}
	if o.Scale == 0 {
		o.Scale = 1
	}
	for _, n := range o.Rows {
		if !slices.Contains(Names(), n) {
			return nil, fmt.Errorf("there is no row %s: they are %s", n, strings.Join(Names(), ", "))
		}
	}
	var todo []group
	var programs []string
	for _, g := range groups {
		if len(o.Rows) == 0 || slices.ContainsFunc(g.rows, func(r string) bool { return slices.Contains(o.Rows, r) }) {
			todo = append(todo, g)
			programs = append(programs, g.programs...)
		}
	}
	slices.Sort(programs)
	b := &bench{Options: o, limits: map[string]float64{}}
	if err := os.RemoveAll(filepath.Join(o.Dir, "run")); err != nil {
		return nil, err
	}
	if b.Bin == "" {
		b.Bin = filepath.Join(o.Dir, "bin")
		if err := rig.Build(ctx, b.Bin, o.Tags, slices.Compact(programs)...); err != nil {
			return nil, err
		}
	}
	if b.rig, err = rig.New(filepath.Join(o.Dir, "run"), b.Bin); err != nil {
		return nil, err
	}
	defer func() {
		if closed := b.rig.Close(10 * time.Second); err == nil {
			err = closed
		}
	}()
	for _, g := range todo {
		fmt.Fprintf(b.Log, "measuring %s\n", strings.Join(g.rows, ", "))
		more, err := g.measure(b, ctx)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", g.rows[0], err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// count scales a number of things to do.
func (b *bench) count(n int) int { return max(1, int(float64(n)*b.Scale)) }

// fresh is a new directory in the sandbox.
func (b *bench) fresh(what string) (string, error) {
	b.names++
	dir := filepath.Join(b.rig.Dir, fmt.Sprintf("%s%d", what, b.names))
	return dir, os.MkdirAll(dir, 0o755)
}

// schedd starts a new, empty one.
func (b *bench) schedd(ctx context.Context) (*rig.Schedd, error) {
	dir, err := b.fresh("schedd")
	if err != nil {
		return nil, err
	}
	return b.rig.Schedd(ctx, filepath.Base(dir), nil, "--log-level", "warn")
}

// calm is how long a program is left alone to end.
const calm = 10 * time.Second
