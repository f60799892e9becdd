package chaos

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gridburst/internal/replay/trace"
)

const traceFiles = "../replay/testdata/workflows/"

// A chain of five nodes and a deep workflow of thirty-six, as others ran them, over machines
// that come for them. gchaos traces runs all eleven.
func TestWorkflowsOfTracesRunOverMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs and starts a few machines")
	}
	if err := guests(); err != nil {
		t.Skip("the engine's guests need namespaces, and this user has none here: ", err)
	}
	var log bytes.Buffer
	rep, err := Traces(t.Context(), TraceOptions{
		Dir: t.TempDir(), Files: []string{traceFiles + "helloworld-chain-5-chameleon.json", traceFiles + "methylseq-dirt02-001.json"},
		Work: 10 * time.Second, Path: 2 * time.Second, Limit: 5 * time.Minute, Log: &log,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, w := range rep.Wrong {
		t.Error(w)
	}
	if len(rep.Runs) != 2 || rep.Runs[0].Nodes != 5 || rep.Runs[0].Edges != 4 || rep.Runs[1].Nodes != 36 || rep.Runs[1].Edges != 70 {
		t.Errorf("%+v: that is no trial", rep.Runs)
	}
	t.Logf("%+v", rep.Runs)
}

// guests reports whether an engine's guests can have the namespaces that they need.
func guests() error {
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return c.Run()
}

// The judge sees a node that ran twice or not at all, and one that began too soon.
func TestTheJudgeOfTraces(t *testing.T) {
	file, err := os.Open(traceFiles + "helloworld-chain-5-chameleon.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	tr, err := trace.Parse("chain.json", file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := asDag("chain", tr, 10*time.Second, 2*time.Second)
	if err != nil || w.Nodes != 5 || w.Scale <= 0 || w.Path > 2*time.Second {
		t.Fatalf("%+v %v", w, err)
	}
	begun := time.Unix(1_800_000_000, 0)
	good := func() (all []Execution) {
		for i := range w.Nodes {
			at := begun.Add(time.Duration(2*i) * time.Second)
			all = append(all, Execution{Job: "chain." + w.graph.Nodes[i].Name, Begin: at, Done: at.Add(time.Second), Ended: true})
		}
		return all
	}
	for want, spoil := range map[string]func(all []Execution) []Execution{
		"":                         func(all []Execution) []Execution { return all },
		"t2 of chain ran 0 times":  func(all []Execution) []Execution { return append(all[:2:2], all[3:]...) },
		"t2 of chain ran 2 times":  func(all []Execution) []Execution { return append(all, all[2]) },
		"t2 of chain ran 1 times":  func(all []Execution) []Execution { all[2].Ended = false; return all },
		"t3 of chain began before": func(all []Execution) []Execution { all[3].Begin = all[2].Done.Add(-time.Millisecond); return all },
	} {
		rep := &TraceReport{}
		w.judge(rep, spoil(good()))
		if said := strings.Join(rep.Wrong, "\n"); want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("the judge says %q, and should say %q", said, want)
		}
	}
	if w.Makespan != 9*time.Second {
		t.Errorf("the makespan is %s", w.Makespan)
	}
}
