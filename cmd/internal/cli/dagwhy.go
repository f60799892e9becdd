package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// why says why a node is where it is, and what it waits for.
func (o *workflowOptions) why(ctx context.Context, d *Deps, args []string) error {
	client, id, err := o.about(d, args[0])
	if err != nil {
		return err
	}
	run, err := client.DagEdges(ctx, id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(run.Detail, func(n api.DagNode) bool { return n.Name == args[1] })
	if i < 0 {
		names := make([]string, len(run.Detail))
		for k := range run.Detail {
			names[k] = run.Detail[k].Name
		}
		detail := ""
		if near := grid.Nearest(args[1], names); near != "" {
			detail = "; did you mean " + near + "?"
		}
		return grid.Errorf(grid.NotFound, "workflow %d has no node %s%s", id, args[1], detail)
	}
	w := asked{run: &run, id: id}
	fmt.Fprintln(d.Out, strings.Join(w.of(int32(i)), "\n"))
	return nil
}

// asked is a run of which somebody wants to know something.
type asked struct {
	run *api.DagDetail
	id  uint32
}

func (w *asked) of(i int32) []string {
	n := &w.run.Detail[i]
	who := "Node " + grid.Printable(n.Name)
	if n.Previous != nil {
		return w.previous(n, who)
	}
	switch n.State {
	case "waiting":
		return w.waiting(i, who)
	case "ready":
		return []string{who + " may begin, and has not: " + w.limit(n)}
	case "pre":
		return []string{fmt.Sprintf("%s runs its PRE script, for attempt %d.", who, n.Attempt)}
	case "post":
		return []string{fmt.Sprintf("%s runs its POST script, after attempt %d.", who, n.Attempt)}
	case "submitted":
		switch {
		case n.Run != 0:
			return []string{fmt.Sprintf("%s is workflow %d, which runs; gdag status %d tells of it.", who, n.Run, n.Run)}
		case n.Cluster == 0:
			return []string{who + " is being submitted."}
		}
		out := []string{fmt.Sprintf("%s is in the queue: gq %d shows its jobs, gq --why %d.0 what the first waits for.", who, n.Cluster, n.Cluster)}
		if n.Awaits != "" {
			out = append(out, "It is not ready: "+grid.Printable(n.Awaits)+".")
		}
		return out
	case "done":
		if n.Skipped {
			return []string{who + " was skipped: its condition did not hold, or somebody said that it counts as done."}
		}
		return []string{who + " is done."}
	case "failed":
		out := []string{fmt.Sprintf("%s has failed: %s, in attempt %d of %d.", who, exitWords(n.Exit), n.Attempt, n.Retries+1)}
		if n.Cluster != 0 {
			out = append(out, fmt.Sprintf("ghistory %d tells more of its jobs.", n.Cluster))
		}
		if w.run.Ended == 0 {
			out = append(out, fmt.Sprintf("gdag retry %d %s tries once more, gdag skip %d %s lets it count as done.", w.id, n.Name, w.id, n.Name))
		}
		return out
	case "futile":
		return append([]string{who + " will not run, because of what came before it:"}, w.culprits(i)...)
	}
	return []string{who + " is " + n.State + "."}
}

// exitWords say how a node's job ended.
func exitWords(exit int32) string {
	switch {
	case exit == -1001:
		return "its job could not be submitted"
	case exit == -1002:
		return "its job was removed"
	case exit == -1004:
		return "its PRE script failed"
	case exit < 0:
		return fmt.Sprintf("its job was killed by signal %d", -exit)
	}
	return fmt.Sprintf("it exited with code %d", exit)
}

// waiting names the parents that are not there yet, and where the way to them stands.
func (w *asked) waiting(i int32, who string) []string {
	var out []string
	for _, p := range w.parents(i) {
		switch n := &w.run.Detail[p]; {
		case n.Previous != nil && n.State == "waiting":
			out = append(out, "  "+previousWords(n.Previous))
		case n.Kind == "service" && !n.Ready:
			out = append(out, fmt.Sprintf("  %s, which is %s and not ready%s", grid.Printable(n.Name), n.State, awaits(n)))
		case n.Kind != "service" && n.State != "done" && !w.weaklyOver(i, p):
			out = append(out, fmt.Sprintf("  %s, which is %s", grid.Printable(n.Name), n.State))
		}
	}
	if len(out) == 0 {
		return []string{who + " waits; " + w.limit(&w.run.Detail[i])}
	}
	const shown = 10
	if more := len(out) - shown; more > 0 {
		out = append(out[:shown], fmt.Sprintf("  and %d more", more))
	}
	out = append([]string{who + " waits for"}, out...)
	if front := w.front(i); len(front) > 0 {
		out = append(out, "What moves on the way to it: "+strings.Join(front, ", ")+".")
	}
	return out
}

// awaits says for what a service waits, behind its name.
func awaits(n *api.DagNode) string {
	if n.Awaits == "" {
		return ""
	}
	return " (" + grid.Printable(n.Awaits) + ")"
}

func (w *asked) parents(i int32) (out []int32) {
	for _, p := range w.run.Detail[i].Parents {
		if p < 0 {
			p = -1 - p
		}
		out = append(out, p)
	}
	return out
}

// weaklyOver: i only waited for the end of p, and that has come.
func (w *asked) weaklyOver(i, p int32) bool {
	return slices.Contains(w.run.Detail[i].Parents, -1-p) && w.run.Detail[p].State == "failed"
}

// back goes from i to its parents, on through those in the state through, and shows each
// that it comes by once.
func (w *asked) back(i int32, through string, show func(p int32)) {
	seen := map[int32]bool{i: true}
	for todo := []int32{i}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range w.parents(at) {
			if seen[p] {
				continue
			}
			seen[p] = true
			show(p)
			if w.run.Detail[p].State == through {
				todo = append(todo, p)
			}
		}
	}
}

// front are nodes before i that have begun or may begin, in the order of the file.
func (w *asked) front(i int32) (out []string) {
	var moving []int32
	w.back(i, "waiting", func(p int32) {
		switch w.run.Detail[p].State {
		case "ready", "pre", "submitted", "post":
			moving = append(moving, p)
		}
	})
	slices.Sort(moving)
	for k, p := range moving {
		if k == 5 {
			return append(out, fmt.Sprintf("%d more", len(moving)-k))
		}
		out = append(out, fmt.Sprintf("%s (%s)", grid.Printable(w.run.Detail[p].Name), w.run.Detail[p].State))
	}
	return out
}

// culprits are the ancestors that failed.
func (w *asked) culprits(i int32) (out []string) {
	w.back(i, "futile", func(p int32) {
		if n := &w.run.Detail[p]; n.State == "failed" && n.Previous != nil {
			out = append(out, "  "+previousWords(n.Previous))
		} else if n.State == "failed" {
			out = append(out, fmt.Sprintf("  %s has failed: %s", grid.Printable(n.Name), exitWords(n.Exit)))
		}
	})
	slices.Sort(out)
	return out
}

// limit is what keeps a node from beginning that waits for no other.
func (w *asked) limit(n *api.DagNode) string {
	busy, same := 0, 0
	var away []string
	for k := range w.run.Detail {
		switch o := &w.run.Detail[k]; {
		case o.Kind == "service":
			if !o.Ready {
				away = append(away, grid.Printable(o.Name)+awaits(o))
			}
		case o.State == "submitted":
			if busy++; o.Category == n.Category {
				same++
			}
		}
	}
	most := w.run.Categories[n.Category]
	switch {
	case w.run.Ended != 0:
		return "the run has ended."
	case w.run.Halt != "":
		return fmt.Sprintf("the run is %s; gdag resume %d lets it go on.", w.run.Halt, w.id)
	case n.Kind == "" && len(away) > 0:
		return "all nodes wait for services, and not ready is " + strings.Join(away, ", ") + "."
	case n.Category != "" && most > 0 && same >= most:
		return fmt.Sprintf("%d nodes of the category %s run, and at most %d may.", same, grid.Printable(n.Category), most)
	case w.run.Limit.MaxJobs > 0 && busy >= int(w.run.Limit.MaxJobs):
		return fmt.Sprintf("%d nodes of the run have jobs, and at most %d may; gdag throttle %d changes that.", busy, w.run.Limit.MaxJobs, w.id)
	case w.run.Limit.MaxIdle > 0:
		return fmt.Sprintf("at most %d jobs of the run may wait in the queue.", w.run.Limit.MaxIdle)
	}
	return "it is about to be submitted."
}

// previous says how what stands for a node of the run before stands.
func (w *asked) previous(n *api.DagNode, who string) []string {
	p := n.Previous
	switch {
	case n.Skipped:
		return []string{who + " is not waited for: somebody said that it counts as done."}
	case n.State == "waiting":
		return []string{
			who + " is " + previousWords(p),
			fmt.Sprintf("gdag why %d %s tells more; gdag skip %d %s goes on without it.", p.Run, p.Node, w.id, n.Name),
		}
	case n.State == "failed":
		return []string{who + " has failed: it is " + previousWords(p)}
	case p.Run == 0:
		return []string{who + " is done: there is no run before this one."}
	case p.State == "":
		return []string{fmt.Sprintf("%s is done: workflow %d, the run before, has no such node, or is not known any more.", who, p.Run)}
	}
	return []string{who + " is done: it is " + previousWords(p)}
}

// previousWords say which node of the run before is waited for, and how it stands.
func previousWords(p *api.DagPrevious) string {
	run := fmt.Sprintf("workflow %d, the run before", p.Run)
	if p.Due != 0 {
		run += " (of " + time.Unix(p.Due, 0).UTC().Format(time.RFC3339) + ")"
	}
	state := p.State
	if p.Ended && state != "done" && state != "failed" {
		state = "over without having run"
	}
	node := grid.Printable(p.Node)
	if p.Any {
		node = "the end of " + node
	}
	return fmt.Sprintf("%s of %s, which is %s", node, run, cmp.Or(state, "not there"))
}
