package schedd

import (
	"context"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gridburst/dag"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/script"
	"gridburst/schedd/ledger"
)

// scriptRun is a script that runs, or is waited for.
type scriptRun struct {
	kill chan struct{} // closed: it is to end
	once sync.Once
}

// scriptKey names a script in the book.
func scriptKey(run uint32, a dag.RunScript) string {
	return fmt.Sprintf("%d.%d.%d.%s.%d", run, a.Node, a.Attempt, a.Phase, a.Try)
}

// maxHolds is how many HOLD scripts of a run may run at a time.
func maxHolds(limit int32) int {
	if limit <= 0 || limit > dag.MaxScripts {
		return dag.MaxScripts
	}
	return int(limit)
}

// runScript runs a node's script, unless that was done before, and tells how it ended.
func (g *dags) runScript(ctx context.Context, r *dagRun, a dag.RunScript) {
	key := scriptKey(r.id, a)
	if g.scripts[key] != nil {
		return
	}
	s := &scriptRun{kill: make(chan struct{})}
	g.scripts[key] = s
	g.logScript(ctx, r, a.Node, a.Phase, "STARTED")
	spec, err := g.specOf(r, a.Node, a.Phase)
	g.wg.Go(func() {
		var ended script.Ended
		if err != nil {
			ended = script.Ended{Exit: 1, Reason: "cannot be run: " + grid.MessageOf(err)}
		} else {
			for tries := 1; ; tries++ {
				var failed error
				if ended, failed = g.book.Run(ctx, key, spec, s.kill); failed == nil {
					break
				}
				if ctx.Err() != nil {
					return
				}
				g.d.log.WithError(failed).WithField("dag", r.id).Warn("a script cannot be run now")
				if pause.For(ctx, backOff(tries)) != nil {
					return
				}
			}
		}
		g.tell(ctx, told{
			run:   r.id,
			h:     dag.ScriptEnded{Node: a.Node, Attempt: a.Attempt, Phase: a.Phase, Try: a.Try, Exit: ended.Exit, Reason: ended.Reason},
			after: func() { g.scriptKept(ctx, r, a, key, ended.Exit) },
		})
	})
}

// scriptKept forgets a script whose end is durable.
func (g *dags) scriptKept(ctx context.Context, r *dagRun, a dag.RunScript, key string, exit int32) {
	delete(g.scripts, key)
	outcome := "SUCCESS"
	if exit != 0 {
		outcome = "FAILURE"
	}
	g.logScript(ctx, r, a.Node, a.Phase, outcome)
	if err := g.book.Forget(key); err != nil {
		g.d.log.WithError(err).WithField("dag", r.id).Warn("what is known of a script stays")
	}
}

// killScript ends a script, and tells so as if it had ended by itself.
func (g *dags) killScript(ctx context.Context, r *dagRun, a dag.KillScript) {
	key := scriptKey(r.id, dag.RunScript(a))
	if g.scripts[key] == nil {
		g.runScript(ctx, r, dag.RunScript(a)) // a schedd before this one began it, if anybody has
	}
	if s := g.scripts[key]; s != nil {
		s.once.Do(func() { close(s.kill) })
	}
}

// runHold runs a node's HOLD script, if it may run now.
func (g *dags) runHold(ctx context.Context, r *dagRun, a dag.RunHold) {
	spec, err := g.specOf(r, a.Node, grid.NodeSubmitted)
	if err != nil {
		g.d.log.WithError(err).WithField("dag", r.id).Warn("a HOLD script cannot be run")
		return
	}
	g.holds++
	key := fmt.Sprintf("%d.%d.%d.hold.%d.%d", r.id, a.Node, a.Attempt, g.d.ledger.View().Term, g.holds)
	g.wg.Go(func() {
		select {
		case r.holds <- struct{}{}:
			defer func() { <-r.holds }()
		case <-ctx.Done():
			return
		}
		if _, err := g.book.Run(ctx, key, spec, nil); err != nil && ctx.Err() == nil {
			g.d.log.WithError(err).WithField("dag", r.id).Warn("a HOLD script cannot be run")
		}
		if ctx.Err() == nil {
			_ = g.book.Forget(key) // else the next start tidies
		}
	})
}

// tidy drops what the book knows of scripts that nobody waits for.
func (g *dags) tidy() error {
	return g.book.Tidy(func(key string) bool { return g.scripts[key] != nil })
}

// specOf is a node's script as it is to be run.
func (g *dags) specOf(r *dagRun, i int32, phase grid.NodeState) (s script.Spec, err error) {
	n := &r.run.Graph.Nodes[i]
	what := n.Script(phase)
	var ends dag.Ends
	if phase == grid.NodePost {
		if ends, err = g.d.endsOf(r.run.Record(i).Cluster, n.Subdag); err != nil {
			return s, err
		}
	}
	s = script.Spec{Program: what.Program, Args: r.run.Args(i, phase, r.id, ends), Dir: r.dir, Debug: what.Debug, Capture: what.Capture}
	if n.Dir != "" {
		s.Dir = r.path(n.Dir)
	}
	if s.As, err = desk.CredentialOf(desk.Owner(r.owner)); err != nil {
		return s, err
	}
	s.Env = environ(r)
	return s, nil
}

// environ is what a run's scripts have in their environment: that of a plain login, and
// what the run says of it.
func environ(r *dagRun) []string {
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "USER=" + r.owner.Name, "LOGNAME=" + r.owner.Name, "SHELL=/bin/sh",
		"DAGMAN_ID=" + strconv.FormatUint(uint64(r.id), 10),
	}
	if u, err := user.LookupId(strconv.FormatUint(uint64(r.owner.UID), 10)); err == nil {
		env = append(env, "HOME="+u.HomeDir)
	}
	for _, rule := range r.run.Graph.Env {
		if rule.Set == "" {
			continue // it could be taken over only where the run was submitted
		}
		prefix := rule.Set + "="
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, prefix) })
		env = append(env, prefix+rule.Value)
	}
	return env
}

// endsOf is how the procs of a node's cluster ended.
func (d *Daemon) endsOf(cluster int32, subdag bool) (ends dag.Ends, err error) {
	if cluster == 0 || subdag {
		return ends, nil
	}
	type end struct{ proc, exit int32 }
	var list []end
	err = d.ledger.Read(func(r *ledger.Reader) error {
		for p, err := range r.PastByID(grid.JobID{Cluster: cluster + 1}.Key()) {
			if err != nil {
				return err
			}
			if p.Run.Cluster != cluster {
				break
			}
			for proc := p.Run.Lo; proc < p.Run.Hi; proc++ {
				list = append(list, end{proc, returnOf(&p.Job)})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b end) int { return int(a.proc - b.proc) })
	for _, e := range list {
		ends.Exits = append(ends.Exits, e.exit)
	}
	return ends, err
}
