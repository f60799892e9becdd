package dag

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"gridburst/internal/grid"

	"github.com/google/go-cmp/cmp"
)

// build reads lines such as "a b > c d"; a line without > is nodes alone.
func build(tb testing.TB, lines ...string) *Graph {
	tb.Helper()
	g, err := builder(lines...).Graph()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func builder(lines ...string) *Builder {
	b := NewBuilder("test")
	for _, line := range lines {
		parents, children, _ := strings.Cut(line, ">")
		var ids [2][]int32
		for k, names := range []string{parents, children} {
			for _, name := range strings.Fields(names) {
				i, _ := b.Add(Node{Name: name, File: name + ".sub"})
				ids[k] = append(ids[k], i)
			}
		}
		b.Order(ids[0], ids[1])
	}
	return b
}

// story is a run that happenings are told to, in short: what was done is text.
type story struct {
	tb  testing.TB
	run *Run
	seq uint64
}

func begin(tb testing.TB, g *Graph, h Header) (*story, string) {
	tb.Helper()
	r, err := Open(g, h, nil)
	if err != nil {
		tb.Fatal(err)
	}
	s := &story{tb: tb, run: r}
	return s, s.tell(Begin{})
}

// tell gives the actions as "a1 b1" (submit a's first attempt), "-a" (remove a's jobs),
// "failed(1)" (the end).
func (s *story) tell(h Happening) string {
	s.tb.Helper()
	change, actions, err := Step(s.run, h)
	if err != nil {
		s.tb.Fatalf("%#v: %v", h, err)
	}
	if err := s.run.Apply(change); err != nil {
		s.tb.Fatalf("%#v: %v", h, err)
	}
	return s.show(actions)
}

func (s *story) show(actions []Action) string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case Submit:
			out = append(out, fmt.Sprint(s.run.Graph.Nodes[a.Node].Name, a.Attempt))
		case RemoveJobs:
			out = append(out, "-"+s.run.Graph.Nodes[a.Node].Name)
		case RunScript:
			out = append(out, fmt.Sprintf("%s%d.%s%d", s.run.Graph.Nodes[a.Node].Name, a.Attempt, a.Phase, a.Try))
		case KillScript:
			out = append(out, fmt.Sprintf("-%s.%s", s.run.Graph.Nodes[a.Node].Name, a.Phase))
		case RunHold:
			out = append(out, s.run.Graph.Nodes[a.Node].Name+".hold")
		case StartRun:
			out = append(out, fmt.Sprintf("%s%d.run", s.run.Graph.Nodes[a.Node].Name, a.Attempt))
		case RemoveRun:
			out = append(out, fmt.Sprintf("-%s.run%d", s.run.Graph.Nodes[a.Node].Name, a.Run))
		case Wait:
			out = append(out, fmt.Sprintf("%s wait %s", s.run.Graph.Nodes[a.Node].Name, a.For))
		case Save:
			out = append(out, s.run.Graph.Nodes[a.Node].Name+".save")
		case Finish:
			out = append(out, fmt.Sprintf("%s(%d)", a.Status, a.Return))
		}
	}
	return strings.Join(out, " ")
}

func (s *story) index(name string) int32 {
	s.tb.Helper()
	i := slices.IndexFunc(s.run.Graph.Nodes, func(n Node) bool { return n.Name == name && !n.Join })
	if i < 0 {
		s.tb.Fatalf("no node %s", name)
	}
	return int32(i)
}

func (s *story) submitted(name string, procs int32) string {
	s.tb.Helper()
	i := s.index(name)
	attempt := s.run.Record(i).Attempt
	return s.tell(Submitted{i, attempt, 1000*i + int32(attempt), procs})
}

func (s *story) left(name string, exit int32) string {
	s.tb.Helper()
	i := s.index(name)
	s.seq++
	return s.tell(ProcsLeft{Node: i, Cluster: 1000*i + int32(s.run.Record(i).Attempt), At: Position{Index: s.seq}, Procs: 1, Exit: exit})
}

// ran is a one-proc job from submit to end.
func (s *story) ran(name string, exit int32) string {
	s.tb.Helper()
	if acts := s.submitted(name, 1); acts != "" {
		s.tb.Fatalf("submitting %s led to %s", name, acts)
	}
	return s.left(name, exit)
}

func (s *story) states() string {
	var out []string
	for i := range s.run.Graph.Len() {
		out = append(out, s.run.Graph.Nodes[i].Name+":"+s.run.State(int32(i)).String())
	}
	return strings.Join(out, " ")
}

func equal(tb testing.TB, got, want string) {
	tb.Helper()
	if got != want {
		tb.Fatalf("got  %q\nwant %q", got, want)
	}
}

func TestADiamondGoesInOrder(t *testing.T) {
	s, acts := begin(t, build(t, "a > b c", "b c > d"), Header{})
	equal(t, acts, "a1")
	equal(t, s.ran("a", 0), "b1 c1")
	equal(t, s.ran("c", 0), "")
	equal(t, s.ran("b", 0), "d1")
	equal(t, s.ran("d", 0), "done(0)")
	equal(t, s.states(), "a:done b:done c:done d:done")
}

func TestARunGoesOnWithWhatCanBeDone(t *testing.T) {
	s, acts := begin(t, build(t, "a > b", "b > c", "x > y"), Header{})
	equal(t, acts, "a1 x1")
	equal(t, s.ran("a", 3), "")
	equal(t, s.states(), "a:failed b:futile c:futile x:ready y:waiting")
	equal(t, s.ran("x", 0), "y1")
	equal(t, s.ran("y", 0), "failed(1)")
}

func TestRetries(t *testing.T) {
	four := 4
	cases := []struct {
		name    string
		unless  *int
		exits   []int32
		attempt string // asked for after the last of them
		state   grid.NodeState
	}{
		{"a failed attempt is followed by the next", nil, []int32{1}, "a2", grid.NodeReady},
		{"a signal is a failure", nil, []int32{-9, 1}, "a3", grid.NodeReady},
		{"after the last attempt the node has failed", nil, []int32{1, 1, 1}, "failed(1)", grid.NodeFailed},
		{"success ends it", nil, []int32{1, 0}, "done(0)", grid.NodeDone},
		{"the exit code that forbids attempts", &four, []int32{1, 4}, "failed(1)", grid.NodeFailed},
		{"a job that somebody removed", nil, []int32{ExitRemoved}, "a2", grid.NodeReady},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := builder("a")
			b.Node(0).Retries, b.Node(0).Unless = 2, c.unless
			g, err := b.Graph()
			if err != nil {
				t.Fatal(err)
			}
			s, acts := begin(t, g, Header{})
			for _, exit := range c.exits {
				acts = s.ran("a", exit)
			}
			equal(t, acts, c.attempt)
			equal(t, s.run.State(0).String(), c.state.String())
		})
	}
}

func TestTheFirstFailingProcDecides(t *testing.T) {
	s, _ := begin(t, build(t, "a > b"), Header{})
	equal(t, s.submitted("a", 4), "")
	equal(t, s.left("a", 0), "")
	equal(t, s.left("a", 7), "-a")
	equal(t, s.left("a", ExitRemoved), "")
	equal(t, s.tell(Resume{}), "-a")
	equal(t, s.left("a", ExitRemoved), "failed(1)")
	if r := s.run.Record(0); r.Exit != 7 || r.Bad != 3 {
		t.Fatalf("record %+v", r)
	}
}

func TestAJobThatEndsBeforeItsSubmissionIsKnown(t *testing.T) {
	s, _ := begin(t, build(t, "a > b"), Header{})
	equal(t, s.left("a", 0), "")
	equal(t, s.left("a", 5), "")
	equal(t, s.submitted("a", 3), "-a")
	equal(t, s.left("a", ExitRemoved), "failed(1)")
	equal(t, s.states(), "a:failed b:futile")

	s, _ = begin(t, build(t, "a > b"), Header{})
	equal(t, s.left("a", 0), "")
	equal(t, s.submitted("a", 1), "b1")
}

func TestWhatComesTwiceCountsOnce(t *testing.T) {
	s, _ := begin(t, build(t, "a > b"), Header{})
	s.submitted("a", 3)
	once := ProcsLeft{Node: 0, Cluster: 1, At: Position{Index: 9, Seq: 2}, Procs: 1}
	for range 3 {
		equal(t, s.tell(once), "")
	}
	if left := s.run.Record(0).Left; left != 2 {
		t.Fatalf("%d are left", left)
	}
	version := s.run.Version
	for _, h := range []Happening{
		once,
		Submitted{0, 1, 1, 3},
		SubmitFailed{0, 1, "late"},
		Submitted{1, 1, 5, 1},
		ProcsLeft{Node: 0, Cluster: 77, At: Position{Index: 10}, Procs: 1},
		ProcsLeft{Node: 1, Cluster: 5, At: Position{Index: 10}, Procs: 1},
	} {
		equal(t, s.tell(h), "")
	}
	if s.run.Version != version {
		t.Fatal("a happening that came late changed something")
	}
	equal(t, s.tell(Counted{Node: 0, Cluster: 1, At: Position{Index: 20}}), "b1")
}

func TestSubmitFailures(t *testing.T) {
	b := builder("a > b")
	b.Node(0).Retries = 1
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := begin(t, g, Header{})
	equal(t, s.tell(SubmitFailed{0, 1, "a.sub is not there"}), "a2")
	equal(t, s.tell(Submitted{0, 2, 7, 0}), "failed(1)")
	equal(t, s.states(), "a:failed b:futile")
	if exit := s.run.Record(0).Exit; exit != ExitSubmit {
		t.Fatalf("exit %d", exit)
	}
}

func TestPriorityAndLimits(t *testing.T) {
	b := builder("a b c d e f")
	for i, p := range []int{1, 5, 3, 5, 9, 0} {
		b.Node(int32(i)).Priority = p
	}
	for _, i := range []int32{1, 3, 4} {
		b.Node(i).Category = "io"
	}
	b.Limit("io", 1)
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	s, acts := begin(t, g, Header{MaxJobs: 3})
	equal(t, acts, "e1 c1 a1") // b and d wait for their category
	equal(t, s.ran("a", 0), "f1")
	equal(t, s.ran("e", 0), "b1")
	equal(t, s.ran("f", 0), "")
	equal(t, s.ran("b", 0), "d1")
	equal(t, s.ran("c", 0), "")
	equal(t, s.ran("d", 0), "done(0)")
}

func TestTheGraphsOwnLimit(t *testing.T) {
	b := builder("a b c")
	b.Limit("", 2)
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	s, acts := begin(t, g, Header{})
	equal(t, acts, "a1 b1")
	again, err := Open(g, s.run.Header, records(s.run.Record(0), s.run.Record(1)))
	if err != nil || again.MaxJobs != 2 {
		t.Fatalf("limit %d after a restart, %v", again.MaxJobs, err)
	}
	_, acts = begin(t, g, Header{MaxJobs: 1})
	equal(t, acts, "a1")
}

func TestNoopAndDoneNodes(t *testing.T) {
	b := builder("a > n", "n d > c", "w > x")
	for i := range int32(b.Len()) {
		switch n := b.Node(i); n.Name {
		case "n":
			n.Noop = true
		case "d", "x":
			n.Done = true
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	s, acts := begin(t, g, Header{})
	equal(t, acts, "a1 w1")
	equal(t, s.ran("w", 1), "")
	equal(t, s.ran("a", 0), "c1")
	equal(t, s.ran("c", 0), "failed(1)")
	equal(t, s.states(), "a:done n:done d:done c:done w:failed x:done")

	b = builder("a > b")
	b.Node(0).Noop, b.Node(1).Noop = true, true
	if g, err = b.Graph(); err != nil {
		t.Fatal(err)
	}
	_, acts = begin(t, g, Header{})
	equal(t, acts, "done(0)")
}

func TestRemove(t *testing.T) {
	s, _ := begin(t, build(t, "a b > c", "x"), Header{})
	s.submitted("a", 2)
	equal(t, s.ran("x", 0), "")
	equal(t, s.tell(Remove{}), "-a") // b's submission may be on its way
	equal(t, s.submitted("b", 1), "-b")
	equal(t, s.tell(Remove{}), "-a -b")
	equal(t, s.left("a", ExitRemoved), "-a") // the first of its procs to fail
	equal(t, s.left("b", 0), "")
	equal(t, s.tell(Resume{}), "-a")
	equal(t, s.left("a", ExitRemoved), "removed(2)")
	equal(t, s.states(), "a:failed b:done c:futile x:done")
	equal(t, s.tell(Resume{}), "removed(2)")
	if _, _, err := Step(s.run, Remove{}); grid.CodeOf(err) != grid.Refused {
		t.Fatalf("removing an ended run: %v", err)
	}

	r, err := Open(build(t, "a"), Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s = &story{tb: t, run: r}
	equal(t, s.tell(Remove{}), "removed(2)")
}

func TestAnExitCodeEndsTheRun(t *testing.T) {
	for _, c := range []struct {
		abort Abort
		exit  int32
		end   string
	}{
		{Abort{5, 0}, 5, "done(0)"},
		{Abort{5, 3}, 5, "failed(3)"},
		{Abort{0, 4}, 0, "failed(4)"},
	} {
		b := builder("a b", "a > c")
		b.Node(0).Abort, b.Node(0).Retries = &c.abort, 3
		g, err := b.Graph()
		if err != nil {
			t.Fatal(err)
		}
		s, _ := begin(t, g, Header{})
		s.submitted("b", 1)
		equal(t, s.ran("a", c.exit), "-b")
		equal(t, s.left("b", ExitRemoved), c.end)
	}
}

func TestWhatCannotBe(t *testing.T) {
	s, _ := begin(t, build(t, "a"), Header{})
	for _, c := range []struct {
		h    Happening
		code grid.Code
	}{
		{Begin{}, grid.Refused},
		{Submitted{Node: 1}, grid.NotFound},
		{SubmitFailed{Node: -1}, grid.NotFound},
		{ProcsLeft{Node: 7}, grid.NotFound},
		{Counted{Node: 7}, grid.NotFound},
	} {
		if _, _, err := Step(s.run, c.h); grid.CodeOf(err) != c.code {
			t.Errorf("%#v: %v", c.h, err)
		}
	}
	for _, rec := range []Record{
		{}, {State: grid.NodePre, Attempt: 1}, {State: grid.NodeSubmitted, Attempt: 1}, {State: 99, Attempt: 1},
	} {
		kept := func(yield func(int32, Record) bool) { yield(0, rec) }
		if _, err := Open(s.run.Graph, Header{}, kept); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("record %+v: %v", rec, err)
		}
	}
}

func TestAChangeOfAnOlderRunIsRefused(t *testing.T) {
	s, _ := begin(t, build(t, "a > b"), Header{})
	late, _, err := Step(s.run, Submitted{0, 1, 7, 1})
	if err != nil {
		t.Fatal(err)
	}
	s.tell(SubmitFailed{0, 1, "no"})
	if err := s.run.Apply(late); grid.CodeOf(err) != grid.Conflict {
		t.Fatalf("got %v", err)
	}
}

func TestAThousandBeforeAThousand(t *testing.T) {
	var parents, children []string
	for i := range 1000 {
		parents = append(parents, fmt.Sprint("p", i))
		children = append(children, fmt.Sprint("c", i))
	}
	g := build(t, strings.Join(parents, " ")+" > "+strings.Join(children, " "))
	if g.Edges() != 2000 || g.Joins != 1 || g.Len() != 2000 {
		t.Fatalf("%d edges, %d joins, %d nodes", g.Edges(), g.Joins, g.Len())
	}
	if p := g.Parents(1500); len(p) != 1000 || p[0] != 0 {
		t.Fatalf("c500 has %d parents", len(p))
	}
	s, acts := begin(t, g, Header{})
	if n := len(strings.Fields(acts)); n != MaxAsked {
		t.Fatalf("%d asked for at once", n)
	}
	for _, p := range parents[:999] {
		s.submitted(p, 1)
		s.left(p, 0)
	}
	equal(t, s.run.State(1000).String(), "waiting")
	change, _, err := Step(s.run, Submitted{999, 1, 999_001, 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run.Apply(change); err != nil {
		t.Fatal(err)
	}
	change, actions, err := Step(s.run, ProcsLeft{Node: 999, Cluster: 999_001, At: Position{Index: 5000}, Procs: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(change.Nodes) != 1+MaxAsked || len(actions) != MaxAsked {
		t.Fatalf("%d records change, %d actions", len(change.Nodes), len(actions))
	}
}

func TestCycles(t *testing.T) {
	many := make([]string, 60)
	for i := range many {
		many[i] = fmt.Sprintf("n%d > n%d", i, (i+1)%60)
	}
	wide := func(prefix string) string {
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprint(prefix, i))
		}
		return strings.Join(names, " ")
	}
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{"a > a"}, "nodes wait for each other: a -> a"},
		{[]string{"x > a", "a > b", "b > c", "c > a", "c > y"}, "nodes wait for each other: a -> b -> c -> a"},
		{[]string{"a b > c", "c > d", "d > b"}, "nodes wait for each other: b -> c -> d -> b"},
		{many, "nodes wait for each other: n0 -> n1 -> n2 -> n3 -> n4 -> n5 -> n6 -> n7 -> n8 -> n9 -> (50 more) -> n0"},
		{[]string{wide("p") + " > " + wide("c"), "c3 > p4"}, "nodes wait for each other: p4 -> c3 -> p4"},
	} {
		_, err := builder(c.lines...).Graph()
		var cycle *Cycle
		if !errors.As(err, &cycle) || err.Error() != c.want {
			t.Errorf("%v: got %v", c.lines, err)
			continue
		}
		if len(cycle.Nodes) != len(cycle.Names) {
			t.Errorf("%v: %+v", c.lines, cycle)
		}
	}
}

func TestVars(t *testing.T) {
	b := builder("a b > c")
	n := b.Node(2)
	n.Priority = 4
	n.Vars = []Var{{Name: "x", Value: "$(JOB)-$(retry) $(other) $("}, {Name: "+Y", Value: "$(RETRY)", Append: true}}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(g, Header{Status: RunRunning}, records(
		Record{State: grid.NodeDone, Attempt: 1}, Record{State: grid.NodeDone, Attempt: 1}, Record{State: grid.NodeReady, Asked: true, Attempt: 3}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Var{
		{Name: "JOB", Value: "c"},
		{Name: "RETRY", Value: "2"},
		{Name: "FAILED_COUNT", Value: "0"},
		{Name: "DAG_STATUS", Value: "0"},
		{Name: "+DAGNodeName", Value: `"c"`},
		{Name: "DAG_PARENT_NAMES", Value: "a,b"},
		{Name: "+DAGParentNodeNames", Value: `"a,b"`},
		{Name: "priority", Value: "4"},
		{Name: "x", Value: "c-2 $(other) $("},
		{Name: "+Y", Value: "2", Append: true},
	}
	if diff := cmp.Diff(want, r.Vars(2)); diff != "" {
		t.Fatal(diff)
	}
}

// records are the kept ones of a run, from node 0 on.
func records(recs ...Record) iter.Seq2[int32, Record] {
	return func(yield func(int32, Record) bool) {
		for i, r := range recs {
			if r.kept() && !yield(int32(i), r) {
				return
			}
		}
	}
}
