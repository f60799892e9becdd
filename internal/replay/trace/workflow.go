package trace

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"

	"gridburst/dag"
	"gridburst/internal/grid"
)

// wfFormat is what is read of a workflow of WfCommons, version 1.5.
type wfFormat struct {
	Workflow struct {
		Specification struct {
			Tasks []struct {
				ID      string   `json:"id"`
				Name    string   `json:"name"`
				Parents []string `json:"parents"`
			} `json:"tasks"`
		} `json:"specification"`
		Execution struct {
			Tasks []struct {
				ID     string  `json:"id"`
				Run    float64 `json:"runtimeInSeconds"`
				Cores  float64 `json:"coreCount"`
				Memory float64 `json:"memoryInBytes"`
			} `json:"tasks"`
		} `json:"execution"`
	} `json:"workflow"`
}

// numbered is what tells tasks of a kind apart.
var numbered = regexp.MustCompile(`[0-9]+`)

// parseWorkflow reads one workflow. Its jobs are all there at once, and wait for others.
func parseWorkflow(r io.Reader) (*Trace, error) {
	var w wfFormat
	if err := json.NewDecoder(r).Decode(&w); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, grid.Errorf(grid.Invalid, "byte %d: %w", syntax.Offset, err)
		}
		return nil, grid.Errorf(grid.Invalid, "it is no workflow in WfFormat: %w", err)
	}
	t := &Trace{}
	ran := map[string]int{}
	for i, e := range w.Workflow.Execution.Tasks {
		ran[e.ID] = i
	}
	at := map[string]int{}
	for _, s := range w.Workflow.Specification.Tasks {
		if _, twice := at[s.ID]; twice {
			return nil, grid.Errorf(grid.Invalid, "task %q is there twice", s.ID)
		}
		i, ok := ran[s.ID]
		if !ok {
			return nil, grid.Errorf(grid.Invalid, "task %q was not executed: it has no run time", s.ID)
		}
		e := &w.Workflow.Execution.Tasks[i]
		if math.IsNaN(e.Run) || e.Run < 0 || e.Run > longest || e.Cores < 0 || e.Cores > 1<<20 || e.Memory < 0 || e.Memory > 1<<60 {
			return nil, grid.Errorf(grid.Invalid, "task %q has numbers that cannot be: %v s on %v cores", s.ID, e.Run, e.Cores)
		}
		at[s.ID] = len(t.Jobs)
		t.Jobs = append(t.Jobs, Job{
			Run: seconds(e.Run), Count: 1, Cpus: max(int64(math.Ceil(e.Cores)), 1), MemoryMB: int64(e.Memory) >> 20, Owner: 1,
			Class: numbered.ReplaceAllString(s.Name, "#"),
		})
	}
	for i, s := range w.Workflow.Specification.Tasks {
		for _, p := range s.Parents {
			k, ok := at[p]
			if !ok {
				return nil, grid.Errorf(grid.Invalid, "task %q waits for %q, which is not there", s.ID, p)
			}
			t.Jobs[i].Parents = append(t.Jobs[i].Parents, k)
		}
	}
	if at := t.sort(); at >= 0 {
		return nil, grid.Errorf(grid.Invalid, "task %q waits for itself, by way of others", w.Workflow.Specification.Tasks[at].ID)
	}
	var err error
	t.Graph, err = t.graph()
	return t, err
}

// graph is what the parents of jobs say.
func (t *Trace) graph() (*dag.Graph, error) {
	b := dag.NewBuilder(t.Name)
	for i := range t.Jobs {
		b.Add(dag.Node{Name: strconv.Itoa(i)})
		var parents []int32
		for _, p := range t.Jobs[i].Parents {
			parents = append(parents, int32(p))
		}
		b.Order(parents, []int32{int32(i)})
	}
	return b.Graph()
}

// sort puts jobs behind those that they wait for, and otherwise leaves their order. It
// returns one that waits for itself; -1: there is none.
func (t *Trace) sort() int {
	waits := make([]int, len(t.Jobs))
	children := make([][]int, len(t.Jobs))
	for i := range t.Jobs {
		waits[i] = len(t.Jobs[i].Parents)
		for _, p := range t.Jobs[i].Parents {
			children[p] = append(children[p], i)
		}
	}
	var out []Job
	at := make([]int, len(t.Jobs)) // where a job has gone
	var ready []int
	for i := range waits {
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		at[i] = len(out)
		out = append(out, t.Jobs[i])
		for _, c := range children[i] {
			if waits[c]--; waits[c] == 0 {
				ready = append(ready, c)
			}
		}
	}
	for i := range waits {
		if waits[i] > 0 {
			return i
		}
	}
	for i := range out {
		for k, p := range out[i].Parents {
			out[i].Parents[k] = at[p]
		}
	}
	t.Jobs = out
	return -1
}
