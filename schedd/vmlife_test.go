package schedd

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// becomes looks until it is so.
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
	t.Parallel()
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
	t.Parallel()
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

func TestAJobThatIsAMachineIsVacated(t *testing.T) {
	t.Parallel()
	for _, fast := range []bool{false, true} {
		l := newLab(t, nil)
		if fast {
			l.engine.Inject(conform.DeafGuest)
		}
		id := l.vm("ovirt_template = worker")
		l.up(id)
		first := l.machine(id)
		if _, err := l.Act(t.Context(), api.Action{Verb: "vacate", Selection: api.Selection{IDs: []string{id.String()}}, Fast: fast, Reason: "the host is needed"}); err != nil {
			t.Fatal(err)
		}
		if e := l.until(id.String(), "job_requeued"); !strings.Contains(e.Text, "the host is needed") || e.Code != int32(grid.VacateUser) {
			t.Errorf("it is requeued: %+v", e)
		}
		l.untilEpoch(id.String(), "job_started", 2)
		l.gone(1)
		if again := l.machine(id); again.Name == first.Name {
			t.Errorf("it runs again as %s, which was to go", again.Name)
		}
		log := l.logged("vm.log", "000 027 001 004 027 001")
		if !strings.Contains(log, "the host is needed") {
			t.Errorf("the log does not say why:\n%s", log)
		}
	}
}

func TestAJobThatIsAMachineIsNotSuspended(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	id := l.vm("ovirt_template = worker")
	l.up(id)
	if got := l.act("suspend", id.String()); got.Refused != 1 || got.Changed != 0 || !strings.Contains(got.Why, "is a virtual machine") {
		t.Errorf("suspend: %+v", got)
	}
}

// Whenever a job is held or removed, nothing is left of its machine, and released it runs.
func TestAJobIsHeldAndRemovedAtAnyMoment(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]struct {
		fault conform.Fault
		shows string
	}{
		"while its disks are made":  {conform.LongLock, "image_locked"},
		"while it finds a host":     {conform.SlowBoot, "wait_for_launch"},
		"while it is up":            {"", "up"},
		"while its host is unknown": {conform.HostLost, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			heal := func() {}
			if at.fault != "" && at.fault != conform.HostLost {
				heal = l.engine.Inject(at.fault)
			}
			id := l.vm("ovirt_template = worker")
			if at.fault == conform.HostLost {
				l.up(id)
				heal = l.engine.Inject(at.fault)
			}
			l.adOf(id, at.shows, func(a *ad.Ad) bool { return a.Text("GridJobStatus") == at.shows })
			l.act("hold", id.String())
			if at.fault == conform.LongLock || at.fault == conform.HostLost { // nothing can be done to it meanwhile
				heal()
			}
			l.gone(1)
			if vms := l.ours(); len(vms) != 1 {
				t.Fatalf("the job is held, and at the engine there is %v", vms)
			}
			heal()
			l.becomes("it can be released", func() bool { return l.act("release", id.String()).Changed == 1 })
			l.adOf(id, "that it is another machine, and up", func(a *ad.Ad) bool {
				return a.Text("GridJobStatus") == "up" && strings.HasSuffix(a.Text("GridJobId"), l.machine(id).ID)
			})
			l.act("remove", id.String())
			if e := l.waitFor("its end", func(e *api.Event) bool { return e.Type == "job_left" }); e.To != "removed" {
				t.Errorf("it ended as %+v", e)
			}
			if vms := l.ours(); len(vms) != 1 {
				t.Errorf("the job is removed, and at the engine there is %v", vms)
			}
		})
	}
}

func TestAMachineThatFailedIsKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	broken := l.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Start}, Kind: gahp.Refused})
	id := l.vm("ovirt_template = worker\novirt_keep_on_failure = 3600")
	if e := l.left(id); e.Type != "job_held" {
		t.Fatalf("the job: %+v", e)
	}
	broken()
	l.claimWaits(1, "it is kept as it is until")
	l.restart() // which knows it again
	l.claimWaits(1, "it is kept as it is until")
	if m := l.machine(id); m.State != gahp.Down {
		t.Errorf("it is %+v", m)
	}
	l.act("remove", id.String())
	l.gone(1)
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("its job is removed, and at the engine there is %v", vms)
	}
}

// A user's hold is no failure, though the stop that it leads to may have its millisecond.
func TestAMachineWhoseJobIsHeldIsNotKept(t *testing.T) {
	t.Parallel()
	const machines = 30
	l := newLab(t, func(c *Config) { c.Resources[0].MaxVMs = machines })
	id := l.vm("ovirt_template = worker\novirt_keep_on_failure = 3600\nqueue " + strconv.Itoa(machines-1))
	for id.Proc = range int32(machines) {
		l.up(id)
	}
	for id.Proc = range int32(machines) {
		l.act("hold", id.String())
	}
	for claim := range machines {
		l.gone(uint32(claim) + 1)
	}
}

func TestAMachineServesOneJobAfterAnother(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Resources[0].MaxVMs = 1 })
	l.engine.Inject(conform.GuestPowersOff)
	const reuse = "ovirt_template = worker\novirt_reuse = 3600\novirt_user_data = "
	ids := []grid.JobID{l.vm(reuse + "one"), l.vm(reuse + "two"), l.vm(reuse + "three")}
	names := map[string]bool{}
	for _, id := range ids {
		if e := l.left(id); e.To != "completed" {
			t.Fatalf("job %s: %+v", id, e)
		}
		names[strings.Fields(l.job(id.String()).Text("GridJobId"))[2]] = true
	}
	if len(names) != 1 {
		t.Errorf("they were the machines %v, and should be one", names)
	}
	l.claimWaits(1, "its disks wait for another job of its kind")
	if m := l.ours(); len(m) != 2 {
		t.Errorf("at the engine there is %v", m)
	}
	booted := ""
	for _, m := range l.engine.Machines() {
		if names[m.Name] {
			booted = m.Booted
		}
	}
	if booted != "three" {
		t.Errorf("its guest was last given %q", booted)
	}
	// What needs its room, and cannot be it, has it.
	other := l.vm("ovirt_template = worker\novirt_memory = 2048\novirt_reuse = 3600")
	if e := l.left(other); e.To != "completed" {
		t.Fatalf("job %s: %+v", other, e)
	}
	l.gone(1)
	l.claimWaits(2, "its disks wait for another job of its kind")
	l.restart() // which offers it again
	again := l.vm("ovirt_template = worker\novirt_memory = 2048\novirt_reuse = 1")
	if e := l.left(again); e.To != "completed" {
		t.Fatalf("job %s: %+v", again, e)
	}
	if a, b := l.job(other.String()).Text("GridJobId"), l.job(again.String()).Text("GridJobId"); a != b {
		t.Errorf("%s is %s, and %s is %s", other, a, again, b)
	}
	l.gone(2)
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
}

// A job that is vacated is the same machine again.
func TestAVacatedJobReusesItsMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	id := l.vm("ovirt_template = worker\novirt_reuse = 3600")
	l.up(id)
	l.act("vacate", id.String())
	l.untilEpoch(id.String(), "job_started", 2)
	l.logged("vm.log", "000 027 001 004 027 001")
	if vms := l.ours(); len(vms) != 2 {
		t.Errorf("at the engine there is %v", vms)
	}
	// Its disks are not left to others when it is removed.
	l.act("remove", id.String())
	l.gone(1)
}

func TestACopyAndAReportAreKeptOfAMachine(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.engine.Inject(conform.GuestPowersOff)
	heal := l.engine.Add(fake.Rule{Verbs: []fake.Verb{fake.Copy}, Times: 1, Lost: true}) // the answer to the first order
	defer heal()
	id := l.vm("ovirt_template = worker\novirt_snapshot = kept-$(Cluster)\novirt_machine_log = machine.log")
	if e := l.left(id); e.To != "completed" {
		t.Fatalf("the job: %+v", e)
	}
	l.gone(1)
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
	ts, err := l.engine.Templates(t.Context())
	if n := len(slices.DeleteFunc(ts, func(t gahp.Template) bool { return t.Name != "kept-1" || t.State != "ok" })); n != 1 || err != nil {
		t.Errorf("there are %d templates of its name (%v)", n, err)
	}
	b, err := os.ReadFile(filepath.Join(l.dir, "machine.log"))
	if lines := strings.Split(strings.TrimSpace(string(b)), "\n"); err != nil || len(lines) < 3 || !strings.Contains(lines[0], " normal VM gb-") {
		t.Errorf("what is told of it is %q (%v)", b, err)
	}
}

// What cannot be kept of a machine does not keep the machine.
func TestAMachineGoesThoughNothingCanBeKeptOfIt(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.engine.Inject(conform.GuestPowersOff)
	id := l.vm("ovirt_template = worker\novirt_snapshot = worker\novirt_machine_log = nosuch/machine.log")
	if e := l.left(id); e.To != "completed" {
		t.Fatalf("the job: %+v", e)
	}
	l.gone(1)
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
}

func TestAMachineIsWhatItsJobSays(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	id := l.vm("ovirt_template = worker\novirt_instance_type = Medium\novirt_quota = project\novirt_affinity_groups = apart\novirt_tags = grid, alice")
	l.up(id)
	m := l.machine(id)
	if m.InstanceType != conform.Medium || m.MemoryMB != 4096 || m.Quota != conform.Project || m.Affinity != conform.Apart || m.Tags != "alice,grid" {
		t.Errorf("it is %+v", m)
	}
	wrong := l.vm("ovirt_template = worker\novirt_affinity_groups = nosuch")
	if e := l.left(wrong); e.Type != "job_held" || !strings.Contains(e.Text, "nosuch") {
		t.Errorf("a job in a group that there is not: %+v", e)
	}
	l.gone(2)
}

// claimWaits waits until a claim says that it waits for something.
func (l *lab) claimWaits(claim uint32, what string) {
	l.t.Helper()
	l.becomes(what, func() bool {
		out, err := l.Claims(l.t.Context(), false)
		if err != nil {
			l.t.Fatal(err)
		}
		return slices.ContainsFunc(out.Claims, func(c api.Claim) bool { return c.ID == claim && strings.Contains(c.Waits, what) })
	})
}

// Machines come up before any job needs one, and stay; one that is lost is replaced.
func TestMachinesOfThePoolAreStartedAhead(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		b := c.Resources[0].Burst
		b.MinVMs, b.InstanceType, b.Quota, b.Affinity, b.Tags = 2, conform.Medium, conform.Project, []string{conform.Apart}, []string{"grid"}
		b.UserData = "runcmd:\n  - mount /data\nfinal_message: hello\n"
	})
	join := func(n int) {
		l.t.Helper()
		joined := map[string]bool{}
		l.becomes("the machines boot", func() bool {
			for _, m := range l.engine.Machines() {
				if strings.HasPrefix(m.Description, "overflow worker") && m.State == gahp.Up && !joined[m.Name] {
					joined[m.Name] = true
					if strings.Contains(m.UserData, "final_message: hello\n") && strings.Contains(m.UserData, `runcmd: ["mount /data",["mkdir",`) {
						continue
					}
					t.Errorf("%s is given %s", m.Name, m.UserData)
				}
			}
			return len(joined) == n
		})
	}
	join(2)
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Description, "overflow worker") {
			if m.InstanceType != conform.Medium || m.MemoryMB != 1024 || m.Quota != conform.Project || m.Affinity != conform.Apart || m.Tags != "grid" {
				t.Errorf("it is %+v", m)
			}
			l.boot(m)
		}
	}
	l.becomes("both serve", func() bool {
		out, err := l.Claims(t.Context(), false)
		return err == nil && len(out.Claims) == 2 && out.Claims[0].State == "ready" && out.Claims[1].State == "ready"
	})
	if err := l.ActOnClaim(t.Context(), 1, "stop"); err != nil {
		t.Fatal(err)
	}
	l.gone(1)
	l.waitFor("another", func(e *api.Event) bool { return e.Type == "claim_moved" && e.ID == 3 && e.To == "booting" })
}

func TestNoUserHasMoreMachinesThanMayBe(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Resources[0].MaxVMsPerUser = 1 })
	first, second := l.vm("ovirt_template = worker"), l.vm("ovirt_template = worker")
	l.up(first)
	l.whySays(second, "as many as one may have")
	l.act("remove", first.String())
	l.up(second)
}

func TestNoMoreMachinesAreAskedForInAnHourThanMayBe(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		c.Resources[0].MaxVMsPerHour = 2
		bursting(c)
	})
	l.engine.Inject(conform.GuestPowersOff)
	for range 2 {
		if e := l.left(l.vm("ovirt_template = worker")); e.To != "completed" {
			t.Fatalf("the job: %+v", e)
		}
	}
	l.gone(1)
	l.gone(2)
	l.whySays(l.vm("ovirt_template = worker"), "within an hour")
	l.restart() // which counts them still
	l.whySays(l.vm("ovirt_template = worker"), "within an hour")
	l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.becomes("an overflow machine is not asked for either", func() bool {
		why, err := l.Why(t.Context(), "5.0")
		return err == nil && strings.Contains(why.Text, "there may be no more of them now")
	})
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
}

// A machine whose worker does not join is left for somebody to look at, and counts.
func TestAMachineThatDidNotJoinIsKept(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.JoinTimeout, c.Resources[0].Burst.KeepFailed = 4*time.Second, time.Hour
	})
	l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.claimWaits(1, "it is kept as it is until")
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Description, "overflow worker") && strings.HasSuffix(m.Name, "-1") && m.State != gahp.Up {
			t.Errorf("it is %+v", m)
		}
	}
}

// whySays waits until what a job waits for is told so.
func (l *lab) whySays(id grid.JobID, says string) {
	l.t.Helper()
	l.becomes(id.String()+" waits because "+says, func() bool {
		why, err := l.Why(l.t.Context(), id.String())
		return err == nil && strings.Contains(why.Text, says)
	})
}
