package bench

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/rig"
)

// million is a queue of a million clusters of one job: its memory, its numbers, a start,
// its removal while somebody else hands jobs in, and the history that it becomes.
func (b *bench) million(ctx context.Context) ([]Row, error) {
	s, err := b.schedd(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { s.Stop(calm) }()
	n := b.count(1_000_000)
	size := Row{Name: "idle_job_bytes_1m", Unit: "B", Less: true, Peer: number(2551), Bar: number(700)}
	if err := b.grow(ctx, s, n, &size); err != nil {
		return nil, err
	}
	rows := []Row{size}

	totals := Row{Name: "gq_totals_1m_ms", Unit: "ms", Less: true, Peer: number(127), Bar: number(50), Note: "gq --totals; peer: HTCondor, 100,000 jobs"}
	err = b.timed(ctx, &totals, 20, "gq", "--schedd", s.Socket, "--totals")
	if err != nil {
		return rows, err
	}
	rows = append(rows, totals)

	again := Row{Name: "restart_1m_s", Unit: "s", Less: true, Peer: number(6.1), Bar: number(5)}
	last, err := b.restarts(ctx, s, &again)
	if err != nil {
		return rows, err
	}
	s = last
	rows = append(rows, again)

	rm := Row{Name: "rm_1m_s", Unit: "s", Less: true, Peer: number(22), Bar: number(5)}
	beside := Row{Name: "submit_while_rm_1m_ms", Unit: "ms", Less: true, Bar: number(50)}
	last, err = b.removal(ctx, s, n, &rm, &beside)
	if err != nil {
		return rows, err
	}
	s = last
	rows = append(rows, rm, beside)

	history := Row{Name: "history_owner_1m_ms", Unit: "ms", Less: true, Bar: number(200)}
	other := b.other()
	history.Note = fmt.Sprintf("ghistory --owner %s --limit 100 of more than %d records", other.Username, n)
	err = b.timed(ctx, &history, b.Runs, "ghistory", "--schedd", s.Socket, "--owner", other.Username, "--limit", "100")
	return append(rows, history), err
}

// timed runs a program of ours several times.
func (b *bench) timed(ctx context.Context, r *Row, runs int, program string, args ...string) error {
	for range runs {
		begun := time.Now()
		if _, err := b.rig.Run(ctx, nil, append([]string{filepath.Join(b.rig.Bin, program)}, args...)...); err != nil {
			return err
		}
		r.Runs = append(r.Runs, millis(time.Since(begun)))
	}
	r.Value = median(r.Runs)
	return nil
}

// other is somebody else for whom programs can be run here, or ourselves.
func (b *bench) other() *user.User {
	me, err := user.Current()
	if err != nil {
		me = &user.User{Username: "root", Uid: "0", Gid: "0"}
	}
	if daemon, err := user.Lookup("daemon"); err == nil && os.Geteuid() == 0 {
		return daemon
	}
	return me
}

// worst is the 99th of a hundred.
func worst(runs []float64) float64 { return slices.Sorted(slices.Values(runs))[len(runs)*99/100] }

// removal removes n jobs. Until half of them are in the history another user hands jobs
// in; then the schedd is killed, and what it says afterwards must be the same.
func (b *bench) removal(ctx context.Context, s *rig.Schedd, n int, r, beside *Row) (*rig.Schedd, error) {
	dir, err := b.fresh("beside")
	if err != nil {
		return s, err
	}
	file := filepath.Join(dir, "job.sub")
	if err := os.WriteFile(file, []byte("executable = /bin/true\narguments = $(Cluster)\nqueue\n"), 0o644); err != nil {
		return s, err
	}
	other := b.other()
	uid, err := strconv.ParseUint(other.Uid, 10, 32)
	if err != nil {
		return s, err
	}
	gid, err := strconv.ParseUint(other.Gid, 10, 32)
	if err != nil {
		return s, err
	}
	bin := func(name string) string { return filepath.Join(b.rig.Bin, name) }
	as := func(argv ...string) error {
		if os.Geteuid() != 0 {
			_, err := b.rig.Run(ctx, nil, argv...)
			return err
		}
		_, err := b.rig.RunAs(ctx, uint32(uid), uint32(gid), argv...)
		return err
	}

	handIn := func(r *Row) error {
		begun := time.Now()
		err := as(bin("gsubmit"), "--schedd", s.Socket, file)
		r.Runs = append(r.Runs, millis(time.Since(begun)))
		return err
	}
	var quiet Row
	for range 300 {
		if err := handIn(&quiet); err != nil {
			return s, err
		}
	}

	begun := time.Now()
	if _, err := b.rig.Run(ctx, nil, bin("grm"), "--schedd", s.Socket, "--all"); err != nil {
		return s, err
	}
	answered := time.Since(begun)
	none := func() error {
		seen, err := b.rig.Run(ctx, nil, bin("gq"), "--schedd", s.Socket, "--allusers", "--constraint", fmt.Sprintf("ClusterId <= %d", n), "-af", "ClusterId")
		if err == nil && len(seen) > 0 {
			err = fmt.Errorf("jobs that were removed are in the queue still: %.100s", seen)
		}
		return err
	}
	if err := none(); err != nil {
		return s, err
	}
	r.Value = time.Since(begun).Seconds()
	r.Runs = []float64{r.Value}

	leaving := func() (int, error) {
		t, err := s.Client().Totals(ctx)
		return t.Leaving, err
	}
	for {
		if err := handIn(beside); err != nil {
			return s, err
		}
		left, err := leaving()
		if err != nil {
			return s, err
		}
		if left <= n/2 {
			break
		}
	}
	beside.Value = worst(beside.Runs)
	limit := worst(quiet.Runs)
	beside.Limit = &limit
	beside.Note = fmt.Sprintf("the 99th of 100 gsubmits of %s, of %d, while removed jobs move to the history (median %.1f); machine: the same before the removal (median %.1f)",
		other.Username, len(beside.Runs), median(beside.Runs), median(quiet.Runs))

	if s, err = b.restart(ctx, s); err != nil {
		return s, err
	}
	if err := none(); err != nil {
		return s, err
	}
	if err := as(bin("grm"), "--schedd", s.Socket, "--all"); err != nil {
		return s, err
	}
	for {
		left, err := leaving()
		if err != nil {
			return s, err
		}
		if left == 0 {
			break
		}
		if err := pause.For(ctx, 50*time.Millisecond); err != nil {
			return s, err
		}
	}
	moved := time.Since(begun)
	r.Note = fmt.Sprintf("grm --all and a gq that shows none (answered after %.2f s); in the history after %.0f s, a kill -9 in between; peer: HTCondor, 100,000 jobs", answered.Seconds(), moved.Seconds())
	return s, nil
}
