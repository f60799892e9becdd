package schedd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
	"gridburst/schedd/target/fake"
)

// checker is a worker that makes checks.
func (p *place) checker(name string) *worker {
	p.t.Helper()
	return p.connect(wire.Hello{
		Version: wire.Version, Worker: name, Boot: "boot-1", Session: name + "-session", Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": "2", "Memory": "1000", "Disk": "1000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true",
			"HasReadyCheck": "true", "Machine": `"here"`,
		}},
	})
}

func TestAJobIsCheckedByAWorkerThatCan(t *testing.T) {
	p := newPlace(t, nil)
	p.worker("w1") // of an earlier release
	p.submit("executable = /bin/true\nready_http = http://$$(Machine):80/x\nready_every = 2\nready_address = $$(Machine):80\nqueue")
	p.submit("executable = /bin/true\nready_command = \"probe '$$(Machine) it''s' -x\"\nready_timeout = 7\nqueue")
	why, err := p.Why(t.Context(), "1.0")
	if err != nil || !strings.Contains(why.Text, "TARGET.HasReadyCheck") {
		t.Fatal(why.Text, err)
	}
	w := p.checker("w2")
	got := map[int32]*wire.Check{}
	for range 2 {
		s := w.start()
		got[s.Job.Cluster] = s.Ready
	}
	want := map[int32]*wire.Check{
		1: {HTTP: "http://here:80/x", Address: "here:80", EveryMS: 2000, TimeoutMS: 5000},
		2: {Command: []string{"probe", "here it's", "-x"}, EveryMS: 1000, TimeoutMS: 7000},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What was a check when the job was submitted may be none any more.
func TestACheckThatIsNoneHoldsTheJob(t *testing.T) {
	p := newPlace(t, nil)
	p.submit("executable = /bin/true\nready_tcp = 7000\nqueue")
	if _, err := p.Edit(t.Context(), api.Edit{Selection: api.Selection{IDs: []string{"1"}}, Attrs: []submit.Attr{{Name: "ReadyTcp", Expr: "70000"}}}); err != nil {
		t.Fatal(err)
	}
	p.checker("w1")
	if e := p.until("1.0", "job_held"); !strings.Contains(e.Text, "readiness check: ready_tcp is a port from 1 to 65535, not 70000") {
		t.Error(e.Text)
	}
}

// A target would never find it ready.
func TestARouteTakesNoJobThatIsChecked(t *testing.T) {
	p := away(t, &fake.Target{Slots: 2}, toSlurm)
	p.submit("executable = /bin/true\nready_tcp = 7000\nqueue")
	p.submit(p.sh("exit 0"))
	p.until("2.0", "job_completed") // by then the other was looked at, too
	if j, ok := p.live.d.ledger.View().Job(grid.JobID{Cluster: 1}); !ok || j.Status != grid.Idle || j.Epoch != 0 {
		t.Fatalf("%+v", j)
	}
	why, err := p.Why(t.Context(), "1.0")
	if err != nil || !strings.Contains(why.Text, "No route: nobody would find out there whether it is ready.") {
		t.Fatal(why.Text, err)
	}
	if s := p.checker("w1").start(); s.Job.Cluster != 1 || s.Ready == nil {
		t.Fatalf("%+v", s)
	}
}
