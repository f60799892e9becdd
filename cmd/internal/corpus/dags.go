package corpus

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
)

// dagCounts is what became of DAG files of which it is known what DAGMan made of them.
type dagCounts struct {
	accepted, acceptable int
	refused, refusable   int
	rewritten            int
	runsEqual, runs      int
}

func (c *dagCounts) add(o *dagCounts) {
	c.accepted, c.acceptable = c.accepted+o.accepted, c.acceptable+o.acceptable
	c.refused, c.refusable = c.refused+o.refused, c.refusable+o.refusable
	c.rewritten, c.runsEqual, c.runs = c.rewritten+o.rewritten, c.runsEqual+o.runsEqual, c.runs+o.runs
}

// dag judges a DAG file: whether it is read or refused as by DAGMan, written and read again
// it is the same, and its runs end as DAGMan's do.
func (j *judge) dag(f dagFile) error {
	src, err := os.ReadFile(f.file)
	if err != nil {
		return err
	}
	var first *recorded
	if len(f.runs) > 0 {
		first = &f.runs[0]
	}
	files, err := f.lay(first)
	if err != nil {
		return err
	}
	g, diags := dagfile.Read(f.base(), src, files)
	if !f.accepted {
		j.dags.refusable++
		if g != nil {
			j.differ(f.name, "accepted, but DAGMan said: "+f.said)
			return nil
		}
		j.dags.refused++
		if j.verbose {
			first, _, _ := strings.Cut(diags.String(), "\n")
			fmt.Fprintf(j.out, "%s is refused:\n  HTCondor: %s\n  ours:     %s\n", f.name, f.said, first)
		}
		return nil
	}
	j.dags.acceptable++
	j.dags.runs += len(f.runs)
	if g == nil {
		j.differ(f.name, "refused, but DAGMan accepts it: "+diags.String())
		return nil
	}
	j.dags.accepted++
	if d := rewrite(g, files); d != "" {
		j.differ(f.name, d)
	} else {
		j.dags.rewritten++
	}
	for i := range f.runs {
		o := &f.runs[i]
		d, err := f.perform(o, src)
		switch {
		case err != nil:
			j.differ(f.name+" "+o.Run, grid.MessageOf(err))
		case len(d) > 0:
			j.differ(f.name+" "+o.Run+" ("+o.Kind+")", d...)
		default:
			j.dags.runsEqual++
		}
	}
	return nil
}

// rewrite says how a graph that is written and read again differs; empty: it does not.
func rewrite(g *dag.Graph, files dagfile.Files) string {
	text, err := dagfile.Write(g)
	if err != nil {
		return grid.MessageOf(err)
	}
	again, diags := dagfile.ReadAll([]dagfile.File{{Name: g.Name, Text: text}}, files, dagfile.Options{AnyName: true})
	if again == nil {
		return "written, it is refused: " + diags.String()
	}
	second, err := dagfile.Write(again)
	switch {
	case err != nil:
		return grid.MessageOf(err)
	case !reflect.DeepEqual(g, again):
		return "written and read again, it is another graph"
	case string(text) != string(second):
		return "written a second time, it is another file"
	}
	return ""
}

// perform plays a recorded run, after the one that it is the sequel of, and says how it
// differs.
func (f *dagFile) perform(o *recorded, src []byte) ([]string, error) {
	files, err := f.lay(o)
	if err != nil {
		return nil, err
	}
	files[f.base()] = string(src)
	if o.Line != "" {
		files[f.base()] += "\n" + o.Line + "\n"
	}
	acts := []*recorded{o}
	if before, ok := strings.CutSuffix(o.Run, "-resume"); ok {
		i := slices.IndexFunc(f.runs, func(r recorded) bool { return r.Run == before })
		if i < 0 {
			return nil, grid.Errorf(grid.NotFound, "there is no %s of it", before)
		}
		acts = []*recorded{&f.runs[i], o}
	}
	var p *play
	for _, act := range acts {
		p = &play{o: act, disk: files, file: f.base()}
		maxJobs := int32(0)
		for k, option := range act.Options {
			if option == "-maxjobs" && k+1 < len(act.Options) {
				if _, err := fmt.Sscan(act.Options[k+1], &maxJobs); err != nil {
					return nil, err
				}
			}
		}
		if err := p.perform(0, maxJobs); err != nil {
			return nil, err
		}
	}
	return p.compare(), nil
}

// statusNames is what DAGMan calls the states of nodes that have ended.
var statusNames = map[string]grid.NodeState{
	"STATUS_NOT_READY": grid.NodeWaiting, "STATUS_READY": grid.NodeReady, "STATUS_DONE": grid.NodeDone,
	"STATUS_ERROR": grid.NodeFailed, "STATUS_FUTILE": grid.NodeFutile,
}

// compare says how a run differs from the recorded one. In what order things went at the
// same time is chance; how many times they went is not.
func (p *play) compare() []string {
	o, run := p.o, p.run
	d := slices.Clone(p.wrong)
	differ := func(what string, got, want any) {
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			d = append(d, fmt.Sprintf("%s\n    ours: %s\n    want: %s", what, shown(g), shown(w)))
		}
	}
	if o.ExitCode != nil {
		differ("exit code", run.Return, *o.ExitCode)
	}
	differ("DAG_STATUS", int(run.Fares()), o.Metrics.DagStatus)
	noop := map[string]bool{}
	for i := range run.Graph.Nodes {
		n := &run.Graph.Nodes[i]
		noop[n.Name] = n.Noop
		was, told := o.Nodes[n.Name]
		if want, ok := statusNames[was.Status]; ok {
			differ("state of "+n.Name, run.State(int32(i)), want)
		}
		if rec := run.Record(int32(i)); told && rec.Attempt > 0 {
			differ("retries of "+n.Name, rec.Attempt-1, was.Retries)
		}
		if !n.Noop { // DAGMan shows those as jobs
			differ("submissions of "+n.Name, p.submitted[n.Name], o.Submitted[n.Name])
		}
		if !n.Subdag {
			p.compareJobs(n.Name, differ)
		}
	}
	if len(o.Options) > 0 {
		differ("order", p.order, slices.DeleteFunc(slices.Clone(o.Order), func(name string) bool { return noop[name] }))
	}
	sorted := func(calls []call) []call {
		return slices.SortedFunc(slices.Values(calls), func(a, b call) int {
			return cmp.Or(strings.Compare(a.Script, b.Script), strings.Compare(a.Args, b.Args), strings.Compare(a.Exit, b.Exit))
		})
	}
	differ("scripts", sorted(p.calls), sorted(o.Scripts))
	differ("picked up", path.Base(p.picked), path.Base(cmp.Or(o.PickedUp, ".")))
	if o.SubRescues != nil { // else it was not looked
		p.compareInner(differ)
	}
	want := o.Rescue
	if want == nil {
		want = &rescueFile{}
	}
	got := parseRescue(p.rescue, p.disk[p.rescue])
	differ("rescue file", got.File, want.File)
	differ("done by it", got.Done, want.Done)
	differ("other lines of it", got.Others, want.Others)
	differ("header of it", got.Header, want.Header)
	return d
}

// compareInner compares which sub-DAGs have left rescue files.
func (p *play) compareInner(differ func(string, any, any)) {
	var inner []string
	for _, q := range p.inner {
		if q.rescue != "" {
			inner = append(inner, q.rescue)
		}
	}
	slices.Sort(inner)
	differ("rescue files of sub-DAGs", inner, slices.Sorted(slices.Values(p.o.SubRescues)))
}

// parseRescue takes a rescue file apart, as the recordings have it.
func parseRescue(name, text string) rescueFile {
	r := rescueFile{File: name}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		comment, header := strings.CutPrefix(line, "#")
		node, done := strings.CutPrefix(line, "DONE ")
		switch {
		case header:
			comment = strings.TrimSpace(comment)
			if at := strings.Index(strings.ToLower(comment), "created "); at >= 0 {
				comment = comment[:at] + "created <time>"
			}
			if comment != "" {
				r.Header = append(r.Header, comment)
			}
		case done:
			r.Done = append(r.Done, node)
		case line != "":
			r.Others = append(r.Others, line)
		}
	}
	slices.Sort(r.Done)
	return r
}

// compareJobs compares what the jobs of a node were told.
func (p *play) compareJobs(node string, differ func(string, any, any)) {
	for k, job := range p.o.Jobs[node] {
		if k >= len(p.vars[node]) {
			return // their number differs, which is said
		}
		got := attributes(p.vars[node][k])
		at := fmt.Sprintf("of submission %d of %s", k+1, node)
		for name, want := range job {
			switch name {
			case "vars_seen":
				for v, want := range want.(map[string]any) {
					differ(v+" "+at, got[strings.ToLower(v)], want)
				}
			case "ExitCode":
			case "JobPrio":
				differ(name+" "+at, cmp.Or(got["priority"], "0"), want)
			case "DAGParentNodeNames":
				differ(name+" "+at, got["+dagparentnodenames"], `"`+fmt.Sprint(want)+`"`)
			default:
				ours := got["+"+strings.ToLower(name)]
				if text, ok := want.(string); ok {
					want = `"` + text + `"`
				}
				differ(name+" "+at, ours, want)
			}
		}
	}
}
