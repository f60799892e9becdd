package schedd

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/target/fake"
)

// node is one node of a job, as it was ordered from a worker.
type node struct {
	*wire.Start
	w *worker
}

func (n *node) number() int {
	_, i := grid.SplitEpoch(n.Epoch)
	return i
}

// nodes takes the orders to start all nodes of a job, as many as each worker is to have, and
// gives them by their numbers.
func nodes(t *testing.T, each map[*worker]int) []node {
	t.Helper()
	var out []node
	for w, n := range each {
		for range n {
			out = append(out, node{w.start(), w})
		}
	}
	slices.SortFunc(out, func(a, b node) int { return a.number() - b.number() })
	for i := range out {
		if out[i].number() != i || int(out[i].Nodes) != len(out) {
			t.Fatalf("node %d is number %d of %d", i, out[i].number(), out[i].Nodes)
		}
	}
	return out
}

func (n *node) started() { n.w.started(n.Start) }

// killed waits for the order to end the node, and carries it out.
func (n *node) killed() {
	n.w.p.t.Helper()
	if k := n.w.kill(); k.Job != n.Job || k.Epoch != n.Epoch {
		n.w.p.t.Fatalf("%s.%x is to be killed, not %s.%x", k.Job, k.Epoch, n.Job, n.Epoch)
	}
	n.w.report(n.Start, wire.Report{Kind: wire.Killed})
}

const several = `
universe = parallel
executable = /bin/sh
transfer_executable = false
should_transfer_files = no
arguments = $(Node)
output = out.$(Node)
log = log
`

// threeNodes is a place where a job of three nodes has been given its workers: two of the nodes
// to a, one to b.
func threeNodes(t *testing.T) (p *place, a, b *worker, all []node) {
	t.Helper()
	p = newPlace(t, nil)
	a, b = p.worker("a"), p.worker("b")
	p.submit(several + "machine_count = 3\nqueue\n")
	return p, a, b, nodes(t, map[*worker]int{a: 2, b: 1})
}

func TestNodesBeginTogetherAndTheJobEndsWithNodeZero(t *testing.T) {
	t.Parallel()
	p, a, b, all := threeNodes(t)
	for i, n := range all {
		if n.Args[0] != fmt.Sprint(i) || n.Out != fmt.Sprint("out.", i) || n.Cpus != 1 {
			t.Errorf("node %d: %q, %q, %d cpus", i, n.Args, n.Out, n.Cpus)
		}
		if !slices.ContainsFunc(n.Env, func(v string) bool { return strings.HasPrefix(v, hostsVariable+"=") && strings.Count(v, ",") == 2 }) {
			t.Errorf("node %d does not know where the others are: %q", i, n.Env)
		}
	}
	all[1].started()
	all[2].started()
	p.until("1.0", "node_started")
	if got := p.job("1.0"); got.Int("JobStatus", 0) != 1 {
		t.Errorf("status %d before all nodes run", got.Int("JobStatus", 0))
	}
	all[0].started()
	p.until("1.0", "job_started")
	if got := p.job("1.0"); got.Int("CurrentHosts", 0) != 3 || got.Int("JobRunCount", 0) != 1 || strings.Count(got.Text("RemoteHosts"), ",") != 2 {
		t.Errorf("%d hosts, run %d, %s", got.Int("CurrentHosts", 0), got.Int("JobRunCount", 0), got.Text("RemoteHosts"))
	}
	all[2].w.exited(all[2].Start, 7) // which is nothing to the job
	all[2].w.forgets()
	all[0].w.exited(all[0].Start, 3)
	all[1].killed()
	p.until("1.0", "job_left")
	got := p.job("1.0")
	if got.Int("JobStatus", 0) != 4 || got.Int("ExitCode", -1) != 3 {
		t.Errorf("status %d, exit code %d", got.Int("JobStatus", 0), got.Int("ExitCode", -1))
	}
	if cpu, _ := got.Literal("RemoteUserCpu"); cpu.String() != "1.0" {
		t.Errorf("user cpu %s, of two nodes that said half a second", cpu)
	}
	text := p.logged("log", "000 014 014 014 001 015 015 005")
	for _, line := range []string{"Node 1 executing on host: <", "Job executing on host: MPI_job", "Node 2 terminated.", "\t(1) Normal termination (return value 7)"} {
		if !strings.Contains(text, line) {
			t.Errorf("the log has no %q:\n%s", line, text)
		}
	}
	// All that they had is free again.
	p.submit(several + "machine_count = 4\nqueue\n")
	nodes(t, map[*worker]int{a: 2, b: 2})
}

func TestAJobOfSeveralNodesTakesAllOrNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	a := p.worker("a")
	p.submit(several + "machine_count = 3\nqueue\n")
	p.submit("executable = /bin/sh\ntransfer_executable = false\nshould_transfer_files = no\nqueue\n")
	if s := a.start(); s.Job.Cluster != 2 || s.Nodes != 0 {
		t.Errorf("%s of %d nodes starts", s.Job, s.Nodes)
	}
	why := func() string {
		w, err := p.Why(t.Context(), "1.0")
		if err != nil {
			t.Fatal(err)
		}
		return w.Text
	}
	if got := why(); !strings.Contains(got, "It needs 3 slots at once, and 2 fit even when all slots are empty.") || !strings.Contains(got, "slots for 1 more") {
		t.Error(got)
	}
	b := p.worker("b")
	all := nodes(t, map[*worker]int{a: 1, b: 2})
	p.submit(several + "machine_count = 2\nqueue\n")
	p.until("3.0", "job_submitted")
	w, err := p.Why(t.Context(), "3.0")
	if err != nil || w.Reason != "busy" || !strings.Contains(w.Text, "It needs 2 slots at once, 0 fit now.") {
		t.Error(err, w)
	}
	all[0].w.exited(all[0].Start, 0)
	all[1].killed()
	all[2].killed()
	nodes(t, map[*worker]int{a: 1, b: 1})
}

func TestOneNodeLostIsTheEndOfTheAttempt(t *testing.T) {
	t.Parallel()
	p, a, b, all := threeNodes(t)
	for _, n := range all {
		n.started()
	}
	p.until("1.0", "job_started")
	// The machine of the one that is alone starts anew.
	lost := slices.IndexFunc(all, func(n node) bool { return n.w == b })
	b.hangUp()
	h := b.hello
	h.Boot = "boot-2"
	b = p.connect(h)
	left := slices.Delete(slices.Clone(all), lost, lost+1)
	left[0].killed()
	if j := p.job("1.0"); j.Int("JobStatus", 0) != 2 {
		t.Errorf("status %d while a node lives", j.Int("JobStatus", 0))
	}
	left[1].killed()
	e := p.until("1.0", "job_requeued")
	if want := fmt.Sprintf("node %d: the machine has started anew", lost); e.Text != want {
		t.Errorf("%q, not %q", e.Text, want)
	}
	for _, n := range nodes(t, map[*worker]int{a: 2, b: 1}) {
		if epoch, _ := grid.SplitEpoch(n.Epoch); epoch != 2 {
			t.Errorf("attempt %d", epoch)
		}
	}
	if j := p.job("1.0"); j.Int("NumVacates", 0) != 1 || j.Int("JobRunCount", 0) != 2 {
		t.Errorf("%d evictions, %d runs", j.Int("NumVacates", 0), j.Int("JobRunCount", 0))
	}
}

func TestWhatIsDoneToAJobIsDoneToAllOfItsNodes(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	a, b := p.worker("a"), p.worker("b")
	p.submit(several + "machine_count = 4\nqueue\n")
	begin := func() []node {
		all := nodes(t, map[*worker]int{a: 2, b: 2})
		for i := range all {
			all[i].started()
		}
		return all
	}
	end := func(all []node) {
		t.Helper()
		for range all {
			for _, w := range []*worker{a, b} {
				if len(all) == 0 || !slices.ContainsFunc(all, func(n node) bool { return n.w == w }) {
					continue
				}
				k := w.kill()
				i := slices.IndexFunc(all, func(n node) bool { return n.Epoch == k.Epoch })
				if i < 0 {
					t.Fatalf("%x is none of them", k.Epoch)
				}
				w.report(all[i].Start, wire.Report{Kind: wire.Killed})
				all = slices.Delete(slices.Clone(all), i, i+1)
			}
		}
	}
	all := begin()
	p.until("1.0", "job_started")
	p.act("suspend", "1.0")
	for _, n := range all {
		if m := n.w.next(); m.Suspend == nil || !m.Suspend.On {
			t.Fatalf("not an order to stand still: %+v", m)
		}
	}
	p.act("continue", "1.0")
	for _, n := range all {
		if m := n.w.next(); m.Suspend == nil || m.Suspend.On {
			t.Fatalf("not an order to go on: %+v", m)
		}
	}
	p.act("vacate", "1.0")
	end(all)
	if e := p.until("1.0", "job_requeued"); e.Code != int32(grid.VacateUser) || !strings.HasPrefix(e.Text, "via gvacate") {
		t.Errorf("%+v", e)
	}
	all = begin()
	p.untilEpoch("1.0", "job_started", 2)
	p.act("hold", "1.0")
	end(all)
	p.until("1.0", "job_unplaced")
	if got := p.act("release", "1.0"); got.Changed != 1 {
		t.Errorf("%+v", got)
	}
	all = begin()
	p.untilEpoch("1.0", "job_started", 3)
	p.act("remove", "1.0")
	end(all)
	p.until("1.0", "job_left")
	if j := p.job("1.0"); j.Int("JobStatus", 0) != 3 {
		t.Errorf("status %d", j.Int("JobStatus", 0))
	}
}

func TestAWorkerThatComesBackIsToldWhichNodesCount(t *testing.T) {
	t.Parallel()
	p, a, b, all := threeNodes(t)
	// What a has begun, and b has not heard of any more, when the schedd ends.
	var mine []node
	for _, n := range all {
		if n.w == a {
			n.started()
			mine = append(mine, n)
		}
	}
	p.until("1.0", "node_started")
	a.hangUp()
	b.hangUp()
	p.restart()
	a = p.worker("a", holds(mine[0].Start, wire.Report{Kind: wire.Started}), holds(mine[1].Start, wire.Report{Kind: wire.Started}))
	b = p.worker("b")
	last := b.start()
	b.started(last)
	p.until("1.0", "job_started")
	// b loses it, and its schedd hears of that only from what it does not hold.
	b.hangUp()
	b = p.worker("b")
	a.kill()
	a.kill()
	a.hangUp()
	// a comes back without its kills having been carried out, for another time.
	a = p.worker("a", holds(mine[0].Start, wire.Report{Kind: wire.Started}), holds(mine[1].Start, wire.Report{Kind: wire.Killed}))
	if k := a.kill(); k.Epoch != mine[0].Epoch {
		t.Errorf("%x is to be killed", k.Epoch)
	}
	a.report(mine[0].Start, wire.Report{Kind: wire.Killed})
	p.until("1.0", "job_requeued")
	fresh := nodes(t, map[*worker]int{a: 2, b: 1})
	// One of the attempt before is none of the job's any more.
	a.hangUp()
	a = p.worker("a", holds(mine[0].Start, wire.Report{Kind: wire.Started}))
	for range 3 { // two starts that it has not got, and that
		switch m := a.next(); {
		case m.Kill != nil && m.Kill.Fast && m.Kill.Epoch == mine[0].Epoch:
		case m.Start != nil && slices.ContainsFunc(fresh, func(n node) bool { return n.Epoch == m.Start.Epoch }):
		default:
			t.Errorf("%+v", m)
		}
	}
}

func TestNodesOfSilentWorkersAreGivenUpAfterTheirLease(t *testing.T) {
	t.Parallel()
	p, a, b, all := threeNodes(t)
	for _, n := range all {
		n.started()
	}
	p.until("1.0", "job_started")
	a.hangUp()
	b.hangUp()
	p.leases(300*time.Millisecond, 100*time.Millisecond)
	if e := p.until("1.0", "job_requeued"); e.Code != int32(grid.VacateReconnect) {
		t.Errorf("it was given up with %+v", e)
	}
	p.leases(0, 0)
	// Now one comes that has both of its nodes still: they are none of the job's.
	a = p.worker("a", holds(all[0].Start, wire.Report{Kind: wire.Started}))
	if k := a.kill(); !k.Fast || k.Epoch != all[0].Epoch {
		t.Errorf("%+v", k)
	}
}

// A node that exits while nobody hears it is known by its end alone: with it the job runs, as
// if its start had been heard.
func TestAJobRunsWhenItsLastNodeIsKnownByItsEndAlone(t *testing.T) {
	t.Parallel()
	p, _, b, all := threeNodes(t)
	// Node 0 goes on, and the last that is heard of is another.
	last := slices.IndexFunc(all, func(n node) bool { return n.w == b })
	if last == 0 {
		last = 1
	}
	for i := range all {
		if i != last {
			all[i].started()
			p.waitFor("that to be known", func(e *api.Event) bool { return e.Type == "node_started" && e.Node == int32(i) })
		}
	}
	all[last].w.exited(all[last].Start, 5)
	p.until("1.0", "job_started")
	if j := p.job("1.0"); j.Int("JobStatus", 0) != 2 || j.Int("NumJobStarts", 0) != 1 {
		t.Errorf("status %d, begun %d times", j.Int("JobStatus", 0), j.Int("NumJobStarts", 0))
	}
	if got := p.act("suspend", "1.0"); got.Changed != 1 {
		t.Errorf("it cannot be told to stand still: %+v", got)
	}
}

func TestAJobMayEndWithItsLastNode(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	a := p.worker("a")
	p.submit(several + "machine_count = 2\n+ParallelShutdownPolicy = \"WAIT_FOR_ALL\"\nqueue\n")
	all := nodes(t, map[*worker]int{a: 2})
	for i := range all {
		all[i].started()
	}
	a.exited(all[0].Start, 4)
	p.until("1.0", "node_ended")
	if j := p.job("1.0"); j.Int("JobStatus", 0) != 2 {
		t.Errorf("status %d when node 0 has exited", j.Int("JobStatus", 0))
	}
	p.restart() // and that is known
	a = p.worker("a", holds(all[1].Start, wire.Report{Kind: wire.Started}))
	a.exited(all[1].Start, 0)
	p.until("1.0", "job_left")
	if j := p.job("1.0"); j.Int("ExitCode", -1) != 4 {
		t.Errorf("exit code %d", j.Int("ExitCode", -1))
	}
}

func TestOutputsOfEachNodeAreItsOwn(t *testing.T) {
	t.Parallel()
	p := newPlace(t, nil)
	a := p.worker("a")
	for i := range 2 {
		if err := os.WriteFile(filepath.Join(p.dir, fmt.Sprint("in.", i)), []byte(fmt.Sprint("for ", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.submit(strings.Replace(several, "should_transfer_files = no", "should_transfer_files = yes", 1) +
		"transfer_input_files = in.$(Node)\nmachine_count = 2\n+ParallelShutdownPolicy = \"WAIT_FOR_ALL\"\nqueue\n")
	all := nodes(t, map[*worker]int{a: 2})
	send := func(n node, text string) *wire.Staged {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		if err := tw.WriteHeader(&tar.Header{Name: wire.StdoutName, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(tw, text)
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		status, answer := a.files("PUT", n.Start, "outputs", &b)
		var staged wire.Staged
		if err := json.Unmarshal(answer, &staged); status != 200 || err != nil {
			t.Fatalf("%d: %s", status, answer)
		}
		return &staged
	}
	for i := range all {
		status, inputs := a.files("GET", all[i].Start, "inputs", nil)
		if status != 200 || !bytes.Contains(inputs, []byte(fmt.Sprint("for ", i))) || bytes.Contains(inputs, []byte(fmt.Sprint("for ", 1-i))) {
			t.Errorf("node %d has inputs %d %q", i, status, inputs)
		}
		all[i].started()
	}
	// Node 0's are in place while those of the other are on their way.
	first, second := send(all[0], "zero"), send(all[1], "one")
	a.report(all[0].Start, wire.Report{Kind: wire.Exited, Staged: first})
	a.forgets()
	a.report(all[1].Start, wire.Report{Kind: wire.Exited, Staged: second})
	a.forgets()
	p.until("1.0", "job_left")
	for i, want := range []string{"zero", "one"} {
		if got, err := os.ReadFile(filepath.Join(p.dir, fmt.Sprint("out.", i))); err != nil || string(got) != want {
			t.Errorf("out.%d holds %q, %v", i, got, err)
		}
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".gridburst-") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

func TestARouteTakesNoJobOfSeveralNodes(t *testing.T) {
	t.Parallel()
	p := away(t, &fake.Target{Slots: 2}, toSlurm)
	p.submit(several + "machine_count = 2\nqueue\n")
	p.submit(p.sh("exit 0"))
	p.until("2.0", "job_completed") // by then the other was looked at, too
	if j, ok := p.live.d.ledger.View().Job(grid.JobID{Cluster: 1}); !ok || j.Status != grid.Idle || j.Epoch != 0 {
		t.Fatalf("%+v", j)
	}
	why, err := p.Why(t.Context(), "1.0")
	if err != nil || !strings.Contains(why.Text, "No route: a job of several nodes begins in this pool, or nowhere.") {
		t.Fatal(why.Text, err)
	}
	nodes(t, map[*worker]int{p.worker("a"): 2})
}
