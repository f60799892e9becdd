package schedd

import (
	"strings"
	"testing"
	"time"

	"gridburst/gahp/conform"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// until looks until it is so.
func (l *lab) becomes(what string, is func() bool) {
	l.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !is(); {
		select {
		case <-tick.C:
		case <-late:
			l.t.Fatalf("it does not come to be that %s; at the engine there is %v", what, l.ours())
		}
	}
}

// adOf waits until a job's ad is so.
func (l *lab) adOf(id grid.JobID, what string, is func(*ad.Ad) bool) {
	l.t.Helper()
	l.becomes("the ad of "+id.String()+" says "+what, func() bool { return is(l.job(id.String())) })
}

// up waits until a job's machine is up.
func (l *lab) up(id grid.JobID) {
	l.t.Helper()
	l.waitFor("the machine of "+id.String(), func(e *api.Event) bool { return e.Type == "job_started" && e.Jobs == id.String() })
}

func TestAnAdShowsItsMachineAsItsEngineDoes(t *testing.T) {
	l := newLab(t, nil)
	slow := l.engine.Inject(conform.SlowBoot)
	id := l.vm("ovirt_template = worker")
	l.adOf(id, "wait_for_launch", func(a *ad.Ad) bool { return a.Text("GridJobStatus") == "wait_for_launch" })
	slow()
	l.adOf(id, "up, with an address", func(a *ad.Ad) bool {
		return a.Text("GridJobStatus") == "up" && a.Text("OvirtAddresses") == "192.0.2.1" && a.Int("LastRemoteStatusUpdate", 0) > 0
	})
	vm := l.machine(id)
	want := "ovirt https://Engine.test/ovirt-engine/api/ " + vm.Name + " " + vm.ID
	if got := l.job(id.String()).Text("GridJobId"); got != want {
		t.Errorf("GridJobId is %q, want %q", got, want)
	}

	lost := l.engine.Inject(conform.HostLost)
	l.adOf(id, "that nobody knows", func(a *ad.Ad) bool { return a.Text("GridJobStatus") == "unknown" && a.Has("CurrentStatusUnknown") })
	lost()
	l.adOf(id, "up again", func(a *ad.Ad) bool { return a.Text("GridJobStatus") == "up" && !a.Has("CurrentStatusUnknown") })

	gone := l.engine.Inject(conform.Down)
	l.adOf(id, "that the engine does not answer", func(a *ad.Ad) bool { return a.Has("GridResourceUnavailableTime") })
	gone()
	l.adOf(id, "that it does again", func(a *ad.Ad) bool { return !a.Has("GridResourceUnavailableTime") })

	log := l.logged("vm.log", "000 027 001 029 030 026 025")
	for _, line := range []string{
		"Job submitted to grid resource\n    GridResource: ovirt https://Engine.test/ovirt-engine/api/\n    GridJobId: " + want + "\n",
		"The job's remote status is unknown\n", "The job's remote status is known again\n",
		"Detected Down Grid Resource\n    GridResource: ovirt https://Engine.test/ovirt-engine/api/\n",
		"Grid Resource Back Up\n    GridResource: ovirt https://Engine.test/ovirt-engine/api/\n",
	} {
		if !strings.Contains(log, line) {
			t.Errorf("the log lacks %q:\n%s", line, log)
		}
	}
}

// An engine that cannot be reached when a machine is asked for is told of, too, and the job
// goes on when it is back.
func TestAJobWhoseMachineCannotBeAskedForSaysSo(t *testing.T) {
	l := newLab(t, nil)
	gone := l.engine.Inject(conform.Down)
	id := l.vm("ovirt_template = worker")
	l.adOf(id, "that the engine does not answer", func(a *ad.Ad) bool { return a.Has("GridResourceUnavailableTime") })
	gone()
	l.up(id)
	l.logged("vm.log", "000 026 027 025 001")
}

// machine is the one of a job.
func (l *lab) machine(id grid.JobID) conform.Machine {
	l.t.Helper()
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Description, "job "+id.String()+" ") {
			return m
		}
	}
	l.t.Fatalf("job %s has no machine; at the engine there is %v", id, l.ours())
	return conform.Machine{}
}
