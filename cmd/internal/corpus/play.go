package corpus

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/dag"
	"gridburst/dag/dagfile"
	"gridburst/internal/grid"
	"gridburst/schedd/submit"
)

// play is one run of a DAG file on a stage where jobs and scripts are stubs: they end at
// once, as a recording says. Nothing runs, and no time passes.
type play struct {
	o      *recorded
	disk   disk // also gets the rescue files
	prefix string
	file   string // of the DAG, as on the disk

	run      *dag.Run
	picked   string // the rescue file that was read
	rescue   string // the one that was written
	todo     []dag.Happening
	clusters int32
	open     []dag.ProcsLeft // jobs that do not end by themselves

	submitted map[string]int
	order     []string
	vars      map[string][][]dag.Var // of each submission
	calls     []call
	inner     []*play // sub-DAGs
	wrong     []string
}

// steps bounds the happenings of a run.
const steps = 1_000_000

// perform reads a DAG file from the disk and runs it to its end. prefix is that of its
// nodes' names in the recording.
func (p *play) perform(priority, maxJobs int32) error {
	p.submitted, p.vars = map[string]int{}, map[string][][]dag.Var{}
	var o dagfile.Options
	last := 0
	for name := range p.disk {
		if path.Dir(name) == path.Dir(p.file) {
			last = max(last, dagfile.RescueNumber(p.file, false, path.Base(name)))
		}
	}
	if last > 0 {
		p.picked = dagfile.RescueName(p.file, false, last)
		o.Rescue = &dagfile.File{Name: p.picked, Text: []byte(p.disk[p.picked])}
	}
	g, diags := dagfile.ReadAll([]dagfile.File{{Name: p.file, Text: []byte(p.disk[p.file])}}, under{p.disk, path.Dir(p.file)}, o)
	if g == nil {
		return diags.Err()
	}
	run, err := dag.Open(g, dag.Header{MaxJobs: maxJobs, Priority: priority}, nil)
	if err != nil {
		return err
	}
	p.run = run
	p.todo = []dag.Happening{dag.Begin{}}
	for n := 0; ; n++ {
		if len(p.todo) == 0 && p.o.TimedOut && !run.Status.Ended() {
			p.todo = append(p.todo, dag.Remove{})
		}
		if len(p.todo) == 0 {
			break
		}
		if n == steps {
			return grid.Errorf(grid.Refused, "the run of %s does not end", p.file)
		}
		change, actions, err := dag.Step(run, p.todo[0])
		if err != nil {
			return err
		}
		if err := run.Apply(change); err != nil {
			return err
		}
		p.todo = p.todo[1:]
		for _, a := range actions {
			if err := p.do(a); err != nil {
				return err
			}
		}
	}
	if !run.Status.Ended() {
		return grid.Errorf(grid.Refused, "the run of %s does not end: it is %s", p.file, run.Status)
	}
	if dagfile.Wanted(run) {
		p.rescue = dagfile.RescueName(p.file, false, min(last+1, dagfile.Most(g)))
		p.disk[p.rescue] = string(dagfile.Rescue(run, path.Base(p.file), time.Unix(0, 0)))
	}
	return nil
}

// under is the files of a directory.
type under struct {
	disk
	dir string
}

// ReadFile implements [dagfile.Files].
func (u under) ReadFile(name string) ([]byte, error) { return u.disk.ReadFile(path.Join(u.dir, name)) }

func (p *play) do(a dag.Action) error {
	switch a := a.(type) {
	case dag.Submit:
		p.submit(a)
	case dag.RemoveJobs:
		for k, left := range p.open {
			if left.Cluster == a.Cluster {
				left.Exit = dag.ExitRemoved
				p.todo = append(p.todo, left)
				p.open = append(p.open[:k], p.open[k+1:]...)
				break
			}
		}
	case dag.RunScript:
		p.script(a)
	case dag.StartRun:
		return p.subdag(a)
	case dag.Wait:
		p.todo = append(p.todo, dag.Waited{Node: a.Node, Attempt: a.Attempt, Try: a.Try})
	}
	return nil
}

// begin notes that something of a node begins, and whether it may.
func (p *play) begin(i int32) {
	n := &p.run.Graph.Nodes[i]
	for _, parent := range n.Parents {
		if s := p.run.State(parent); s != grid.NodeDone && !(s == grid.NodeFailed && slices.Contains(n.Weak, parent)) {
			p.wrong = append(p.wrong, fmt.Sprintf("%s begins before %s has ended", n.Name, p.run.Graph.Nodes[parent].Name))
		}
	}
}

// submit has a job run, or not even be submitted.
func (p *play) submit(a dag.Submit) {
	n := &p.run.Graph.Nodes[a.Node]
	p.begin(a.Node)
	if p.o.Stubs.Files[path.Join(n.Dir, n.File)] == "absent" {
		p.todo = append(p.todo, dag.SubmitFailed{Node: a.Node, Attempt: a.Attempt, Reason: "it is absent"})
		return
	}
	p.note(n.Name)
	p.vars[n.Name] = append(p.vars[n.Name], p.run.Vars(a.Node))
	p.clusters++
	left := dag.ProcsLeft{Node: a.Node, Cluster: p.clusters, At: dag.Position{Index: uint64(p.clusters)}, Procs: 1, Exit: p.o.Stubs.Nodes[p.prefix+n.Name].Exit}
	p.todo = append(p.todo, dag.Submitted{Node: a.Node, Attempt: a.Attempt, Cluster: p.clusters, Procs: 1})
	switch {
	case n.Kind == dag.ProvisionerNode:
		p.todo = append(p.todo, dag.Supplied{State: dag.SupplyComplete})
		p.open = append(p.open, left)
	case strings.HasPrefix(p.o.Stubs.Files[path.Join(n.Dir, n.File)], "as in the corpus"):
		p.open = append(p.open, left) // its job cannot be executed, and is held
	default:
		p.todo = append(p.todo, left)
	}
}

func (p *play) note(name string) {
	if p.submitted[name]++; p.submitted[name] == 1 {
		p.order = append(p.order, name)
	}
}

// script has a script end as its stub does.
func (p *play) script(a dag.RunScript) {
	n := &p.run.Graph.Nodes[a.Node]
	s := n.Post
	ends := dag.Ends{}
	if a.Phase == grid.NodePre {
		s = n.Pre
		if a.Try == 0 {
			p.begin(a.Node)
		}
	} else {
		ends.Exits = []int32{p.run.Record(a.Node).Exit}
	}
	args := p.run.Args(a.Node, a.Phase, 1, ends)
	exit := stub(p.o.Stubs.Scripts[s.Program], args)
	p.calls = append(p.calls, call{s.Program, strings.Join(args, " "), strconv.Itoa(int(exit))})
	p.todo = append(p.todo, dag.ScriptEnded{Node: a.Node, Attempt: a.Attempt, Phase: a.Phase, Try: a.Try, Exit: exit})
}

// stub is the exit code of a script, by a sentence like "exit 1", "exit $2 (...)", "exit 1
// when its arguments name x, else 0".
func stub(rule string, args []string) int32 {
	words := strings.Fields(rule)
	if len(words) < 2 {
		return 0
	}
	which := words[1]
	if at, ok := strings.CutPrefix(which, "$"); ok {
		n, err := strconv.Atoi(at)
		if err != nil || n < 1 || n > len(args) {
			return 0
		}
		which = args[n-1]
	}
	if len(words) > 3 && words[2] == "when" {
		last, _, _ := strings.Cut(rule, ", else")
		name := last[strings.LastIndexByte(last, ' ')+1:]
		if !strings.Contains(strings.Join(args, " "), name) {
			return 0
		}
	}
	code, err := strconv.Atoi(which)
	if err != nil {
		return 0
	}
	return int32(uint8(code)) // what a shell makes of it
}

// subdag runs a sub-DAG to its end.
func (p *play) subdag(a dag.StartRun) error {
	n := &p.run.Graph.Nodes[a.Node]
	p.begin(a.Node)
	p.note(n.Name)
	inner := &play{o: p.o, disk: p.disk, prefix: p.prefix + n.Name + "/", file: path.Join(path.Dir(p.file), n.Dir, n.File)}
	p.clusters++
	id := uint32(p.clusters)
	if _, ok := p.disk[inner.file]; !ok {
		p.todo = append(p.todo, dag.SubmitFailed{Node: a.Node, Attempt: a.Attempt, Reason: "there is no file " + inner.file})
		return nil
	}
	if err := inner.perform(int32(n.Priority), 0); err != nil {
		return err
	}
	p.inner = append(p.inner, inner)
	p.wrong = append(p.wrong, inner.wrong...)
	p.todo = append(p.todo, dag.RunStarted{Node: a.Node, Attempt: a.Attempt, Run: id}, dag.RunEnded{Node: a.Node, Attempt: a.Attempt, Run: id, Exit: inner.run.Return})
	return nil
}

// attributes is what a submission's macros give to a job, by folded name; names that begin
// with + are attributes.
func attributes(vars []dag.Var) map[string]string {
	out := map[string]string{}
	for _, v := range vars {
		out[strings.ToLower(submit.Var(v).Name)] = v.Value
	}
	return out
}
