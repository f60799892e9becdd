package dag

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
)

// made is a graph whose nodes are completed before it is made.
func made(tb testing.TB, complete func(n *Node), lines ...string) *Graph {
	tb.Helper()
	b := builder(lines...)
	for i := range int32(b.Len()) {
		complete(b.Node(i))
	}
	g, err := b.Graph()
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// script ends the script that a node runs.
func (s *story) script(name string, exit int32) string {
	s.tb.Helper()
	i := s.index(name)
	n := s.run.Record(i)
	if n.Script != ScriptRuns {
		s.tb.Fatalf("%s runs no script: %+v", name, n)
	}
	return s.tell(ScriptEnded{Node: i, Attempt: n.Attempt, Phase: n.State, Try: n.Try, Exit: exit})
}

func scripted(n *Node) {
	n.Pre, n.Post = &Script{Program: "pre"}, &Script{Program: "post"}
}

func TestScriptsStandAroundTheJob(t *testing.T) {
	g := made(t, func(n *Node) {
		if n.Name == "a" {
			scripted(n)
		}
	}, "a > b")
	s, acts := begin(t, g, Header{})
	equal(t, acts, "a1.pre0")
	equal(t, s.script("a", 0), "a1")
	equal(t, s.ran("a", 4), "a1.post0")
	if r := s.run.Record(0); r.Exit != 4 {
		t.Fatalf("its POST script is told %d", r.Exit)
	}
	equal(t, s.tell(Resume{}), "a1.post0")
	equal(t, s.script("a", 0), "b1") // the last part decides
	equal(t, s.ran("b", 0), "done(0)")
	equal(t, s.tell(ScriptEnded{Node: 0, Attempt: 1, Phase: grid.NodePost, Exit: 9}), "")
}

func TestWhatAScriptsExitCodeDoes(t *testing.T) {
	for _, c := range []struct {
		name     string
		node     func(*Node)
		head     Header
		pre, job int32 // job below -9: it does not come to it
		post     int32 // below -9: it does not run
		end      string
	}{
		{"a PRE script that fails is the end", scripted, Header{}, 3, -10, -10, "failed(1)"},
		{"unless POST scripts run always", scripted, Header{AlwaysPost: true}, 3, -10, 0, "done(0)"},
		{"and decide", scripted, Header{AlwaysPost: true}, 3, -10, 1, "failed(1)"},
		{"the PRE script has the rest skipped", func(n *Node) { scripted(n); n.PreSkip = 3 }, Header{}, 3, -10, -10, "done(0)"},
		{"also where POST scripts run always", func(n *Node) { scripted(n); n.PreSkip = 3 }, Header{AlwaysPost: true}, 3, -10, -10, "done(0)"},
		{"the POST script decides", scripted, Header{}, 0, 0, 1, "failed(1)"},
		{"a PRE script ends the run", func(n *Node) { scripted(n); n.Abort, n.Retries = &Abort{3, 4}, 2 }, Header{}, 3, -10, -10, "failed(4)"},
		{"a POST script ends the run", func(n *Node) { scripted(n); n.Abort, n.Retries = &Abort{3, 4}, 2 }, Header{}, 0, 0, 3, "failed(4)"},
		{"a job with a POST script does not", func(n *Node) { scripted(n); n.Abort = &Abort{3, 4} }, Header{}, 0, 3, 0, "done(0)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := begin(t, made(t, c.node, "a"), c.head)
			acts := s.script("a", c.pre)
			if c.job > -10 {
				equal(t, acts, "a1")
				acts = s.ran("a", c.job)
			}
			if c.post > -10 {
				equal(t, acts, "a1.post0")
				acts = s.script("a", c.post)
			}
			equal(t, acts, c.end)
		})
	}
}

func TestARetryIsOfTheWholeNode(t *testing.T) {
	s, _ := begin(t, made(t, func(n *Node) { scripted(n); n.Retries = 1; n.SaveFile = "s" }, "a"), Header{})
	s.script("a", 0)
	s.ran("a", 0)
	equal(t, s.script("a", 1), "a2.pre0")
	equal(t, s.script("a", 0), "a2")
	equal(t, s.ran("a", 0), "a2.post0")
	equal(t, s.script("a", 0), "done(0)")
}

func TestAScriptIsPutOff(t *testing.T) {
	g := made(t, func(n *Node) { n.Post = &Script{Defer: new(5), DeferSeconds: 7} }, "a b")
	s, _ := begin(t, g, Header{MaxPost: 1})
	equal(t, s.ran("a", 0), "a1.post0")
	equal(t, s.ran("b", 0), "")
	equal(t, s.script("a", 5), "a wait 7s b1.post0") // it counts no more
	equal(t, s.tell(Resume{}), "a wait 7s b1.post0")
	equal(t, s.tell(Waited{0, 1, 0, ""}), "") // of another time
	equal(t, s.tell(Waited{0, 1, 1, ""}), "")
	equal(t, s.script("b", 0), "a1.post1")
	equal(t, s.script("a", 0), "done(0)")
}

func TestOnlySoManyScriptsRun(t *testing.T) {
	s, acts := begin(t, made(t, scripted, "a b c d"), Header{MaxPre: 2, MaxPost: 1})
	equal(t, acts, "a1.pre0 b1.pre0")
	equal(t, s.script("b", 0), "b1 c1.pre0")
	equal(t, s.script("a", 0), "a1 d1.pre0")
	equal(t, s.ran("a", 0), "a1.post0")
	equal(t, s.ran("b", 0), "")
	equal(t, s.tell(Throttle{Limits{MaxPost: 3}}), "b1.post0")
}

func TestANodeWithoutAJobRunsItsScripts(t *testing.T) {
	s, acts := begin(t, made(t, func(n *Node) { scripted(n); n.Noop = true }, "a"), Header{})
	equal(t, acts, "a1.pre0")
	equal(t, s.script("a", 0), "a1.post0")
	equal(t, s.script("a", 0), "done(0)")
	s, acts = begin(t, made(t, func(n *Node) { n.Post = &Script{}; n.Noop = true }, "a"), Header{})
	equal(t, acts, "a1.post0")
	equal(t, s.script("a", 2), "failed(1)")
}

func TestAFailedSubmissionHasItsPostScript(t *testing.T) {
	s, _ := begin(t, made(t, func(n *Node) { n.Post = &Script{} }, "a"), Header{})
	equal(t, s.tell(SubmitFailed{0, 1, "no"}), "a1.post0")
	if r := s.run.Record(0); r.Exit != ExitSubmit {
		t.Fatalf("its POST script is told %d", r.Exit)
	}
	equal(t, s.script("a", 0), "done(0)")
}

func final(n *Node) {
	if n.Name == "f" {
		n.Kind = FinalNode
	}
}

func TestTheFinalNodeRunsLastAndDecides(t *testing.T) {
	for _, c := range []struct {
		name      string
		job, last int32
		end       string
		condition Condition
	}{
		{"all is well", 0, 0, "done(0)", ConditionOK},
		{"it fails alone", 0, 1, "failed(1)", ConditionFailed},
		{"it mends a failure", 1, 0, "done(0)", ConditionFailed},
		{"it does not", 1, 1, "failed(1)", ConditionFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, acts := begin(t, made(t, final, "f", "a > b"), Header{})
			equal(t, acts, "a1")
			if acts = s.ran("a", c.job); c.job == 0 {
				equal(t, acts, "b1")
				acts = s.ran("b", 0)
			}
			equal(t, acts, "f1")
			equal(t, s.ran("f", c.last), c.end)
			if got := s.run.Fares(); got != c.condition {
				t.Errorf("DAG_STATUS is %d", got)
			}
		})
	}
	_, acts := begin(t, made(t, final, "f"), Header{})
	equal(t, acts, "f1")
	_, acts = begin(t, made(t, func(n *Node) { final(n); n.Noop = true }, "a f"), Header{})
	equal(t, acts, "done(0)")
}

func TestTheFinalNodeRunsAfterARemovalAndAnAbort(t *testing.T) {
	s, _ := begin(t, made(t, final, "f a b"), Header{})
	s.submitted("a", 1)
	equal(t, s.tell(Remove{}), "-a")
	equal(t, s.submitted("b", 1), "-b")
	equal(t, s.left("a", ExitRemoved), "")
	equal(t, s.left("b", ExitRemoved), "f1")
	if c := s.run.Fares(); c != ConditionRemoved {
		t.Errorf("DAG_STATUS is %d", c)
	}
	s.submitted("f", 1)
	equal(t, s.left("f", 0), "removed(0)")

	s, _ = begin(t, made(t, final, "f a"), Header{})
	s.submitted("a", 1)
	s.tell(Remove{})
	s.left("a", ExitRemoved)
	s.submitted("f", 1)
	equal(t, s.tell(Remove{}), "-f") // once more: not even that
	equal(t, s.left("f", ExitRemoved), "removed(2)")

	s, _ = begin(t, made(t, func(n *Node) {
		final(n)
		if n.Name == "a" {
			n.Abort = &Abort{2, 5}
		}
	}, "f a b"), Header{})
	s.submitted("b", 1)
	equal(t, s.ran("a", 2), "-b")
	equal(t, s.left("b", ExitRemoved), "f1")
	equal(t, s.ran("f", 1), "failed(1)")
}

func service(n *Node) {
	final(n)
	switch {
	case strings.HasPrefix(n.Name, "s"):
		n.Kind = ServiceNode
	case n.Name == "p":
		n.Kind = ProvisionerNode
	}
}

func TestServicesRunBesideTheRest(t *testing.T) {
	s, acts := begin(t, made(t, service, "a f s t"), Header{MaxJobs: 1})
	equal(t, acts, "s1")
	equal(t, s.submitted("s", 1), "a1") // now it is there
	equal(t, s.ran("a", 0), "t1")
	equal(t, s.ran("t", 0), "f1")
	equal(t, s.ran("f", 0), "-s")
	equal(t, s.tell(Resume{}), "-s")
	if n := s.run.Count(grid.NodeSubmitted); n != 0 {
		t.Errorf("%d nodes are counted", n)
	}
	equal(t, s.left("s", ExitRemoved), "done(0)")

	s, _ = begin(t, made(t, service, "a s"), Header{})
	equal(t, s.tell(SubmitFailed{1, 1, "no"}), "a1") // it is not needed
	equal(t, s.ran("a", 0), "done(0)")

	s, _ = begin(t, made(t, func(n *Node) { service(n); n.Retries = 1 }, "a s"), Header{})
	s.submitted("s", 1)
	equal(t, s.left("s", 1), "s2") // its attempts are for that
	equal(t, s.ran("a", 0), "")    // its submission is on its way
	equal(t, s.submitted("s", 1), "-s")
	equal(t, s.left("s", ExitRemoved), "done(0)")
}

func TestNodesWaitForTheProvisioner(t *testing.T) {
	s, acts := begin(t, made(t, service, "a p s f"), Header{})
	equal(t, acts, "p1")
	equal(t, s.submitted("p", 1), "")
	equal(t, s.tell(Supplied{SupplyStarted}), "")
	equal(t, s.tell(Supplied{SupplyComplete}), "s1")
	equal(t, s.submitted("s", 1), "a1")
	equal(t, s.ran("a", 0), "f1")
	equal(t, s.ran("f", 0), "-s p wait 10m0s")
	equal(t, s.left("s", ExitRemoved), "")
	equal(t, s.tell(Supplied{SupplyReleasing}), "")
	equal(t, s.tell(Supplied{SupplyReleased}), "-p")
	equal(t, s.left("p", ExitRemoved), "done(0)")

	// Its time is over.
	s, _ = begin(t, made(t, service, "a p"), Header{})
	s.submitted("p", 1)
	s.tell(Supplied{SupplyComplete})
	equal(t, s.ran("a", 0), "p wait 10m0s")
	equal(t, s.tell(Resume{}), "p wait 10m0s")
	equal(t, s.tell(Waited{1, 1, 0, ""}), "-p")
	equal(t, s.left("p", ExitRemoved), "done(0)")

	// It ends before it has brought anything up.
	s, _ = begin(t, made(t, service, "a p f"), Header{})
	equal(t, s.ran("p", 0), "f1")
	equal(t, s.ran("f", 1), "failed(1)")
	equal(t, s.states(), "a:ready p:done f:failed")

	// It is no cluster.
	s, _ = begin(t, made(t, service, "a p"), Header{})
	equal(t, s.submitted("p", 2), "-p")
	s.left("p", ExitRemoved)
	equal(t, s.left("p", ExitRemoved), "failed(1)")

	// A removal does not wait for its deadline.
	s, _ = begin(t, made(t, service, "a p"), Header{})
	s.submitted("p", 1)
	equal(t, s.tell(Remove{}), "-p")
	equal(t, s.left("p", ExitRemoved), "removed(2)")
	if ProvisionerDeadline < time.Minute {
		t.Error("no provisioner gives back in that time")
	}
}

func TestASubdagIsARun(t *testing.T) {
	g := made(t, func(n *Node) { n.Subdag = n.Name == "a"; n.Retries = 1 }, "a > b")
	s, acts := begin(t, g, Header{})
	equal(t, acts, "a1.run")
	equal(t, s.tell(RunEnded{0, 1, 7, 3}), "a2.run") // told before its start was
	equal(t, s.tell(RunStarted{0, 1, 7}), "")
	equal(t, s.tell(RunStarted{0, 2, 8}), "")
	equal(t, s.tell(RunEnded{0, 2, 7, 0}), "")
	equal(t, s.tell(RunEnded{0, 2, 8, 0}), "b1")
	equal(t, s.ran("b", 0), "done(0)")

	s, _ = begin(t, g, Header{})
	s.tell(RunStarted{0, 1, 9})
	equal(t, s.tell(Remove{}), "-a.run9")
	equal(t, s.tell(RunEnded{0, 1, 9, 2}), "removed(2)")
}

func TestHaltsAndPauses(t *testing.T) {
	g := made(t, func(n *Node) {
		if n.Name == "a" {
			n.Post = &Script{}
		}
	}, "a > b", "c")
	s, _ := begin(t, g, Header{})
	s.submitted("a", 1)
	s.submitted("c", 1)
	equal(t, s.tell(Hold{Halted}), "")
	equal(t, s.left("a", 0), "a1.post0")
	equal(t, s.script("a", 0), "")
	equal(t, s.left("c", 0), "failed(1)")
	if c := s.run.Fares(); c != ConditionHalted {
		t.Errorf("DAG_STATUS is %d", c)
	}

	s, _ = begin(t, g, Header{})
	s.submitted("a", 1)
	s.submitted("c", 1)
	equal(t, s.tell(Hold{Paused}), "")
	equal(t, s.left("a", 0), "")
	equal(t, s.left("c", 0), "")
	equal(t, s.tell(Hold{Halted}), "a1.post0")
	equal(t, s.tell(Hold{Unhalted}), "")
	equal(t, s.script("a", 0), "b1")
	equal(t, s.ran("b", 0), "done(0)")
}

func TestScriptsOfARunThatStopsAreEnded(t *testing.T) {
	s, _ := begin(t, made(t, scripted, "a b c d"), Header{MaxPre: 3, MaxPost: 1})
	for _, n := range []string{"a", "b"} {
		s.script(n, 0)
		s.ran(n, 0)
	}
	s.script("c", 0)
	equal(t, s.tell(Remove{}), "-a.post -d.pre")
	equal(t, s.tell(Resume{}), "-a.post c1 -d.pre")
	equal(t, s.submitted("c", 1), "-c")
	equal(t, s.left("c", 0), "")
	equal(t, s.script("a", 0), "") // it has ended well before it was to be killed
	equal(t, s.script("d", -15), "removed(2)")
	equal(t, s.states(), "a:done b:failed c:failed d:failed")
}

func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		name string
		t    Tolerance
		acts []string // for a second and a third failure of four procs
		end  string
	}{
		{"one may fail", Tolerance{Procs: 1}, []string{"-a", ""}, "failed(1)"},
		{"one may, and the others go on", Tolerance{Procs: 1, Wait: true}, []string{"", ""}, "failed(1)"},
		{"half of them may", Tolerance{Procs: 50, Percent: true}, []string{"", "-a"}, "failed(1)"},
		{"all may", Tolerance{Procs: 100, Percent: true}, []string{"", ""}, "done(0)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := begin(t, made(t, func(n *Node) { n.Tolerance = &c.t }, "a"), Header{})
			equal(t, s.left("a", 1), "") // before it is known of how many
			equal(t, s.submitted("a", 4), "")
			equal(t, s.left("a", 1), c.acts[0])
			equal(t, s.left("a", 1), c.acts[1])
			equal(t, s.left("a", 0), c.end)
		})
	}
}

func TestWeakParentsHaveOnlyToEnd(t *testing.T) {
	g := build(t, "a > b", "x y > c")
	g.Nodes[1].Weak = []int32{0}
	g.Nodes[4].Weak = []int32{2}
	s, _ := begin(t, g, Header{})
	equal(t, s.ran("a", 1), "b1")
	equal(t, s.ran("x", 1), "")
	equal(t, s.ran("y", 0), "c1")
	s.ran("b", 0)
	equal(t, s.ran("c", 0), "failed(1)")

	g = build(t, "a > b", "b > c")
	g.Nodes[2].Weak = []int32{1}
	s, _ = begin(t, g, Header{})
	equal(t, s.ran("a", 1), "failed(1)") // b never ran, which is no end
	equal(t, s.states(), "a:failed b:futile c:futile")
}

func TestSomebodyRetriesAndSkips(t *testing.T) {
	g := build(t, "a > b", "b > c", "x", "q > c")
	s, _ := begin(t, g, Header{})
	s.submitted("x", 1)
	s.submitted("q", 1)
	s.ran("a", 1)
	equal(t, s.states(), "a:failed b:futile c:futile x:submitted q:submitted")
	equal(t, s.tell(Retry{s.index("a")}), "a2")
	equal(t, s.states(), "a:ready b:waiting c:waiting x:submitted q:submitted")
	equal(t, s.ran("a", 1), "")
	equal(t, s.states(), "a:failed b:futile c:futile x:submitted q:submitted")
	equal(t, s.tell(Skip{s.index("a")}), "b1")
	equal(t, s.ran("b", 1), "")
	equal(t, s.tell(Skip{s.index("c")}), "")
	equal(t, s.tell(Skip{s.index("b")}), "")
	equal(t, s.left("x", 0), "")
	for _, h := range []Happening{Skip{s.index("q")}, Skip{s.index("a")}, Retry{s.index("a")}} {
		if _, _, err := Step(s.run, h); grid.CodeOf(err) != grid.Refused {
			t.Errorf("%#v: %v", h, err)
		}
	}
	again, err := Open(g, s.run.Header, s.run.records())
	if err != nil {
		t.Fatal(err)
	}
	if got := (&story{tb: t, run: again}).states(); got != s.states() {
		t.Errorf("kept as %s, is %s", got, s.states())
	}
	equal(t, s.left("q", 0), "done(0)")

	// A node that waits is skipped before its parents are done.
	s, _ = begin(t, build(t, "a > b", "b > c"), Header{})
	equal(t, s.tell(Skip{1}), "c1")
	equal(t, s.ran("c", 0), "")
	equal(t, s.ran("a", 0), "done(0)")
}

func TestIdleProcsBoundWhatIsSubmitted(t *testing.T) {
	s, acts := begin(t, build(t, "a b c d e"), Header{MaxIdle: 2})
	equal(t, acts, "a1 b1")
	equal(t, s.submitted("a", 1), "")
	s.run.Waiting(1) // one of them runs
	equal(t, s.tell(Look{}), "c1")
	s.run.Waiting(0)
	equal(t, s.tell(Look{}), "d1 e1")
}

func TestAHeldJobHasItsScript(t *testing.T) {
	s, _ := begin(t, made(t, func(n *Node) { n.Hold = &Script{Args: []string{"$JOB", "$NODE_COUNT"}} }, "a"), Header{})
	s.submitted("a", 1)
	equal(t, s.tell(ProcHeld{0, 1}), "a.hold")
	equal(t, s.tell(ProcHeld{0, 9}), "")
	if got := s.run.Args(0, grid.NodeSubmitted, 7, Ends{}); !slices.Equal(got, []string{"a", "1"}) {
		t.Errorf("its arguments are %q", got)
	}
}

func TestArgumentsOfScripts(t *testing.T) {
	words := "$NODE $RETRY $MAX_RETRIES $DAGID $DAG_STATUS $NODE_COUNT $QUEUED_COUNT $DONE_COUNT $FAILED_COUNT $FUTILE_COUNT " +
		"$JOBID $CLUSTERID $JOB_COUNT $JOB_ABORT_COUNT $SUCCESS $RETURN $EXIT_CODES $EXIT_CODE_LIST $EXIT_CODE_COUNTS $PRE_SCRIPT_RETURN $OTHER x$NODE"
	g := made(t, func(n *Node) {
		if n.Name == "c" {
			n.Post, n.Retries = &Script{Args: strings.Fields(words)}, 4
			n.Pre = &Script{Args: []string{"$job", "$RETURN"}}
		}
	}, "a > b", "c", "d")
	rec := Record{State: grid.NodePost, Script: ScriptRuns, Attempt: 3, Cluster: 12, Procs: 4, Bad: 2, Exit: 5, Pre: 0}
	r, err := Open(g, Header{Status: RunRunning}, records(Record{State: grid.NodeFailed, Attempt: 1}, Record{}, rec, Record{State: grid.NodeDone, Attempt: 1}))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(r.Args(2, grid.NodePost, 7, Ends{Exits: []int32{0, 5, ExitRemoved, 0}}), " ")
	equal(t, got, "c 2 4 7 2 4 0 1 1 1 12.3 12 4 1 false 5 -1002,0,5 0,5,-1002,0 -1002:1,0:2,5:1 0 $OTHER x$NODE")
	equal(t, strings.Join(r.Args(2, grid.NodePre, 7, Ends{}), " "), "c $RETURN")
}

// A node waits between its attempts, longer each time; a restart waits as long again.
func TestAttemptsAreApart(t *testing.T) {
	g := made(t, func(n *Node) { n.Retries, n.RetryWait = 4, 1000 }, "a", "b")
	s, acts := begin(t, g, Header{})
	equal(t, acts, "a1 b1")
	for k, want := range []string{"a wait 16m40s", "a wait 33m20s", "a wait 1h0m0s", "a wait 1h0m0s"} {
		equal(t, s.ran("a", 3), want)
		equal(t, s.tell(Look{}), "")
		if acts := s.tell(Resume{}); !strings.Contains(acts, want) {
			t.Errorf("after a restart: %s", acts)
		}
		n := s.run.Record(0)
		equal(t, s.tell(Waited{Node: 0, Attempt: n.Attempt, Try: n.Try + 1}), "")
		equal(t, s.tell(Waited{Node: 0, Attempt: n.Attempt, Try: n.Try}), "a"+strconv.Itoa(k+2))
		equal(t, s.tell(Waited{Node: 0, Attempt: n.Attempt, Try: n.Try}), "")
	}
	equal(t, s.ran("a", 3), "")
	equal(t, s.states(), "a:failed b:ready")
	// One that waits is removed with the run.
	s, _ = begin(t, g, Header{})
	s.ran("a", 3)
	s.submitted("b", 1)
	equal(t, s.tell(Remove{}), "-b")
	equal(t, s.left("b", ExitRemoved), "removed(2)")
}
