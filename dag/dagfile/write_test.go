package dagfile

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gridburst/dag"
	"gridburst/internal/grid"

	"pgregory.net/rapid"
)

// names that a person could not think of, and texts with what has a meaning in a DAG file.
var (
	nodeNames = rapid.StringMatching(`[A-Za-z0-9_.\-=%"'\\$#@{}\x{e9}]{1,6}(\+[a-z"\\]{1,3})?`).Filter(func(s string) bool {
		summary, _ := dag.NameProblem(strings.ReplaceAll(s, "+", "."))
		return summary == "" && !strings.HasPrefix(s, `"`)
	})
	fileNames = rapid.StringMatching(`[a-z./\\#{}@=' ]{0,8}[a-z{}\\=@]`)
	values    = rapid.StringMatching(`[a-z"'\\ \t$(){}=;#+\x{20ac}]{0,10}`)
	words     = rapid.StringMatching(`[a-z$"'\\{}=]{1,5}`)
	varNames  = rapid.StringMatching(`(\+|My\.)?[a-z]{1,3}[A-Z_0-9]{0,2}`)
	codes     = rapid.IntRange(-5, 300)
)

func maybe[T any](t *rapid.T, name string, g *rapid.Generator[T]) *T {
	if !rapid.Bool().Draw(t, name+"?") {
		return nil
	}
	return new(g.Draw(t, name))
}

func drawScript(t *rapid.T) dag.Script {
	s := dag.Script{Program: words.Draw(t, "program"), Args: rapid.SliceOfN(words, 0, 3).Draw(t, "args"), Defer: maybe(t, "defer", codes)}
	if len(s.Args) == 0 {
		s.Args = nil
	}
	if s.Defer != nil {
		s.DeferSeconds = rapid.IntRange(0, 9).Draw(t, "seconds")
	}
	if rapid.Bool().Draw(t, "debug") {
		s.Debug, s.Capture = fileNames.Draw(t, "file"), rapid.SampledFrom([]string{"STDOUT", "STDERR", "ALL"}).Draw(t, "capture")
	}
	return s
}

func drawVars(t *rapid.T) (vars []dag.Var) {
	seen := map[string]bool{}
	for range rapid.IntRange(0, 3).Draw(t, "vars") {
		v := dag.Var{Name: varNames.Draw(t, "var"), Value: values.Draw(t, "value"), Append: rapid.Bool().Draw(t, "append")}
		if !seen[strings.ToLower(v.Name)] {
			seen[strings.ToLower(v.Name)] = true
			vars = append(vars, v)
		}
	}
	return vars
}

func drawNode(t *rapid.T, b *dag.Builder, name string) dag.Node {
	n := dag.Node{Name: name, File: fileNames.Draw(t, "file"), Vars: drawVars(t), Noop: rapid.Bool().Draw(t, "noop")}
	if rapid.Bool().Draw(t, "dir?") {
		n.Dir = fileNames.Draw(t, "dir")
	}
	scripts := rapid.Custom(drawScript)
	n.Pre, n.Post, n.Hold = maybe(t, "pre", scripts), maybe(t, "post", scripts), maybe(t, "hold", scripts)
	if n.Pre != nil && rapid.Bool().Draw(t, "skip?") {
		n.PreSkip = rapid.IntRange(1, 99).Draw(t, "skip")
	}
	n.Tolerance = maybe(t, "tolerance", rapid.Custom(func(t *rapid.T) dag.Tolerance {
		return dag.Tolerance{Procs: rapid.IntRange(0, 100).Draw(t, "procs"), Percent: rapid.Bool().Draw(t, "percent"), Wait: rapid.Bool().Draw(t, "wait")}
	}))
	if rapid.Bool().Draw(t, "save?") {
		n.SaveFile = "at/" + fileNames.Draw(t, "save")
	}
	n.Kind = rapid.SampledFrom([]dag.NodeKind{dag.JobNode, dag.JobNode, dag.JobNode, dag.ServiceNode}).Draw(t, "kind")
	switch rapid.IntRange(0, 3).Draw(t, "job") {
	case 0:
		n.Subdag = n.Kind == dag.JobNode
	case 1: // a description of its own, or one of many
		n.File, n.Submit = "", "of all"
		if rapid.Bool().Draw(t, "inline") {
			n.Submit = name
			g := b.Draft()
			g.Descriptions = append(g.Descriptions, dag.Description{Name: name, Text: rapid.StringMatching(`([a-z =]{0,4}|[}]|@end0|@end0 x)(\n[a-z{}]{0,3}){0,3}`).Draw(t, "text")})
		}
	}
	if n.Kind != dag.JobNode {
		return n
	}
	n.Done = rapid.Bool().Draw(t, "done")
	n.Retries, n.Unless = rapid.IntRange(0, 3).Draw(t, "retries"), maybe(t, "unless", codes)
	n.Priority = rapid.IntRange(-2, 2).Draw(t, "priority")
	n.Category = rapid.SampledFrom([]string{"", "c", "+c", "S+c", "a b"}).Draw(t, "category")
	if exit := maybe(t, "abort", codes); exit != nil {
		n.Abort = &dag.Abort{Exit: *exit, Return: rapid.IntRange(0, 255).Draw(t, "return")}
	}
	return n
}

func drawGraph(t *rapid.T) *dag.Graph {
	b := dag.NewBuilder("drawn.dag")
	g := b.Draft()
	g.Descriptions = append(g.Descriptions, dag.Description{Name: "of all", Text: "executable = x"})
	var jobs []int32
	for range rapid.IntRange(1, 8).Draw(t, "nodes") {
		name := nodeNames.Draw(t, "name")
		if _, taken := b.Find(name); taken {
			continue
		}
		if i, _ := b.Add(drawNode(t, b, name)); b.Node(i).Kind == dag.JobNode {
			jobs = append(jobs, i)
		}
	}
	for k := range jobs {
		for _, c := range jobs[k+1:] {
			switch rapid.IntRange(0, 5).Draw(t, "edge") {
			case 0:
				b.Order([]int32{jobs[k]}, []int32{c})
			case 1:
				b.OrderWeak([]int32{jobs[k]}, []int32{c})
			}
		}
	}
	if rapid.Bool().Draw(t, "join") {
		var many [2][]int32
		for side := range many {
			for k := range 17 {
				i, ok := b.Add(dag.Node{Name: fmt.Sprintf("many+%d.%d", side, k), File: "x"})
				if ok {
					many[side] = append(many[side], i)
				}
			}
		}
		if rapid.Bool().Draw(t, "weak") {
			b.OrderWeak(many[0], many[1])
		} else {
			b.Order(many[0], many[1])
		}
	}
	if rapid.Bool().Draw(t, "limit") {
		b.Limit("a b", 3)
		b.Limit("S+c", math.MaxInt32)
	}
	for range rapid.IntRange(0, 3).Draw(t, "env") {
		e := dag.EnvRule{Get: words.Filter(func(s string) bool { return !strings.ContainsAny(s, "\"'={}\\") }).Draw(t, "get")}
		if rapid.Bool().Draw(t, "set") {
			e = dag.EnvRule{Set: e.Get, Value: values.Draw(t, "value")}
		}
		g.Env = append(g.Env, e)
	}
	if rapid.Bool().Draw(t, "of the run") {
		g.Attrs = []dag.Var{{Name: "one", Value: `"a\\"`}, {Name: "two", Value: "1 + 2"}}
		g.StateLog = fileNames.Draw(t, "log")
		g.Status = &dag.StatusFile{File: fileNames.Draw(t, "status"), Seconds: rapid.IntRange(0, 99).Draw(t, "seconds"), Always: rapid.Bool().Draw(t, "always")}
		g.Dot = &dag.DotFile{File: fileNames.Draw(t, "dot"), Update: rapid.Bool().Draw(t, "update"), Keep: rapid.Bool().Draw(t, "keep"), Include: fileNames.Draw(t, "include")}
	}
	out, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Check(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAGraphThatIsWrittenReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		for i := range g.Nodes {
			if g.Description(g.Nodes[i].File) != nil {
				t.Skip("a file has the name of a description")
			}
		}
		equalWhenWritten(t, g, nil)
	})
}

func TestWhatADagFileCannotSayIsNotWritten(t *testing.T) {
	for name, spoil := range map[string]func(*dag.Graph){
		"a job block":          func(g *dag.Graph) { g.Nodes[0].Job = "count" },
		"a wait":               func(g *dag.Graph) { g.Nodes[0].RetryWait = 5 },
		"a condition":          func(g *dag.Graph) { g.Nodes[0].When = "true" },
		"an exit code":         func(g *dag.Graph) { g.Nodes[0].DoneExit = []int32{3} },
		"another machine":      func(g *dag.Graph) { g.Nodes[0].Elsewhere = true },
		"a timeout":            func(g *dag.Graph) { g.Nodes[0].Timeout = 5 },
		"a readiness":          func(g *dag.Graph) { g.Nodes[0].Kind, g.Nodes[0].ReadyWithin = dag.ServiceNode, 5 },
		"an order of services": func(g *dag.Graph) { g.Nodes[0].Kind, g.Nodes[0].Children = dag.ServiceNode, []int32{0} },
		"a limit of the run":   func(g *dag.Graph) { g.MaxJobs = 3 },
		"several files":        func(g *dag.Graph) { g.Files = []string{"a", "b"} },
		"a line end":           func(g *dag.Graph) { g.Nodes[0].Vars = []dag.Var{{Name: "x", Value: "a\nb"}} },
		"a blank in a script":  func(g *dag.Graph) { g.Nodes[0].Pre = &dag.Script{Program: "x", Args: []string{"a b"}} },
		"a description's name": func(g *dag.Graph) {
			g.Descriptions = []dag.Description{{Name: "a.sub"}}
		},
	} {
		g := read(t, "JOB A a.sub\n", nil)
		if _, err := Write(g); err != nil {
			t.Fatal(err)
		}
		spoil(g)
		if _, err := Write(g); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
