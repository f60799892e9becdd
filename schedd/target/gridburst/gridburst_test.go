package gridburst_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/target"
	"gridburst/schedd/target/conform"
	"gridburst/schedd/target/gridburst"
)

// TestMain is also a desk.
func TestMain(m *testing.M) {
	desk.Main()
	os.Exit(m.Run())
}

// peer is a real schedd with a worker.
type peer struct {
	t      *testing.T
	ctx    context.Context
	rig    *rig.Rig
	schedd *rig.Schedd
}

func (p *peer) start() {
	p.t.Helper()
	s, err := p.rig.Schedd(p.ctx, "g", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.schedd = s
}

func (p *peer) kill() {
	p.t.Helper()
	p.schedd.Kill()
	select {
	case <-p.schedd.Done():
	case <-p.ctx.Done():
		p.t.Fatal("gschedd lives")
	}
}

// TestConformance is about a real schedd and its real commands.
func TestConformance(t *testing.T) {
	rigtest.Slow(t)
	ctx, r := rigtest.New(t, nil, "gschedd", "gworker", "gsubmit", "gq", "ghistory", "ghold", "grelease", "grm", "gvacate", "gadm")
	dir, bin := r.Dir, r.Bin
	p := &peer{t: t, ctx: ctx, rig: r}
	p.start()
	if _, err := r.Start("worker.log", nil, filepath.Join(bin, "gworker"), "--schedd", p.schedd.Socket, "--state", filepath.Join(dir, "worker"), "--cpus", "4", "--name", "pool"); err != nil {
		t.Fatal(err)
	}
	own := target.Owner{Name: "me", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	owner := own
	if owner.UID == 0 {
		owner = target.Owner{Name: "daemon", UID: 1, GID: 1}
	}
	d := desk.Commands{Desks: desk.New(desk.Options{})}
	t.Cleanup(d.Close)
	o := gridburst.Options{Schedd: filepath.Join(dir, "g"), Bin: bin, Own: own}
	g := gridburst.New(d, o)
	if named, err := g.Deployment(ctx); err != nil || len(named) < 8 {
		t.Errorf("it is %q, %v", named, err)
	}
	for name, c := range map[string]target.Target{"shared": g, "spool": gridburst.NewSpool(d, o)} {
		t.Run(name, func(t *testing.T) { p.conforms(t, c, owner) })
	}
}

func (p *peer) conforms(t *testing.T, c target.Target, owner target.Owner) {
	conform.Run(t, conform.Harness{Start: func(t *testing.T) conform.World {
		jobs, err := os.MkdirTemp(p.rig.Dir, "case")
		if err == nil {
			err = os.Chown(jobs, int(owner.UID), int(owner.GID))
		}
		if err != nil {
			t.Fatal(err)
		}
		return conform.World{
			Target: c, Owner: owner, Dir: jobs, Once: true,
			Wait:    func(j *target.Job) { j.Extra = append(j.Extra, "--append", "requirements = false") },
			Refused: func(j *target.Job) { j.Extra = append(j.Extra, "--append", "universe = nosuch") },
			Down:    p.kill, Up: p.start,
			Evict: func(r target.Ref) {
				if _, err := p.rig.Run(p.ctx, nil, filepath.Join(p.rig.Bin, "gvacate"), "--schedd", p.schedd.Socket, "--fast", r.ID); err != nil {
					t.Fatal(err)
				}
			},
		}
	}})
}

func TestWhatItsCommandsSayIsSortedByWhatIsCertain(t *testing.T) {
	for name, c := range map[string]struct {
		s            conform.Says
		submit, list grid.Code
	}{
		"an id":              {conform.Says{Out: target.Output{Stdout: []byte("7.0 - 7.0\n")}}, "", grid.Unavailable},
		"a list":             {conform.Says{Out: target.Output{Stdout: []byte("[\n]\n")}}, grid.Unknown, ""},
		"refused":            {conform.Says{Out: target.Output{Code: 3, Stderr: []byte("gsubmit: it has been here\n")}}, grid.Refused, grid.Unavailable},
		"no sense":           {conform.Says{Out: target.Output{Code: 2}}, grid.Refused, grid.Unavailable},
		"no answer":          {conform.Says{Out: target.Output{Code: 1, Stderr: []byte("gsubmit: no schedd answers\n")}}, grid.Unknown, grid.Unavailable},
		"killed":             {conform.Says{Out: target.Output{Code: -1}}, grid.Unknown, grid.Unavailable},
		"its end is unknown": {conform.Says{Err: grid.Errorf(grid.Unknown, "time was up")}, grid.Unknown, grid.Unavailable},
		"not begun":          {conform.Says{Err: grid.Errorf(grid.Unavailable, "no such command")}, grid.Unavailable, grid.Unavailable},
	} {
		g := gridburst.New(c.s, gridburst.Options{})
		if _, err := g.Submit(t.Context(), target.Job{Name: "gb-x", Script: "/x"}); grid.CodeOf(err) != c.submit {
			t.Errorf("%s: a submit is %q (%v), want %q", name, grid.CodeOf(err), err, c.submit)
		}
		if _, err := g.List(t.Context(), "gb-", []target.Owner{{UID: 7}}); grid.CodeOf(err) != c.list {
			t.Errorf("%s: a listing is %q (%v), want %q", name, grid.CodeOf(err), err, c.list)
		}
	}
}
