package schedd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// lab is an engine and a schedd that may have machines of it.
type lab struct {
	*place
	engine *fake.Engine
}

func newLab(t *testing.T, mod func(*Config)) *lab {
	t.Helper()
	stock := conform.Stock()
	stock.Machines = append(stock.Machines, conform.Machine{Name: "kvm_test_image_64", State: gahp.Down, MemoryMB: 512, Cores: 1})
	e := fake.New(fake.Config{Inventory: stock, Lock: time.Millisecond, Launch: time.Millisecond, Boot: time.Millisecond, PowerOff: time.Millisecond, Remove: time.Millisecond})
	return &lab{engine: e, place: newPlace(t, func(c *Config) {
		c.Resources = []Resource{{
			Name: "lab", URL: "https://engine.test/ovirt-engine/api", Username: "grid@internal", PasswordFile: "/pwd", MaxVMs: 5, Create: true, Borrow: []string{"kvm_*"},
		}}
		c.Listen, c.Names = "127.0.0.1:0", []string{"127.0.0.1"}
		c.Engine = func(Credential) (gahp.Provider, error) { return gahp.Fenced(e), nil }
		c.Sweep = 20 * time.Millisecond
		if mod != nil {
			mod(c)
		}
	})}
}

// bursting lets the pool have machines of the lab.
func bursting(c *Config) {
	c.Resources[0].Burst = &Burst{Template: conform.Worker, Cores: 2, MemoryMB: 1024, Idle: 50 * time.Millisecond, JoinTimeout: patience}
}

// ours are the names and states of the engine's machines but for the foreign one.
func (l *lab) ours() (out []string) {
	for _, m := range l.engine.Machines() {
		if m.Name != conform.Foreign {
			out = append(out, m.Name+" "+string(m.State))
		}
	}
	return out
}

func (l *lab) vm(more string) grid.JobID {
	l.t.Helper()
	l.file("pwd", "secret\n", 0o600)
	return grid.JobID{Cluster: l.submit("universe = grid\ngrid_resource = ovirt https://Engine.test/ovirt-engine/api/\novirt_username = me@internal\novirt_password_file = pwd\nlog = vm.log\n" + more + "\nqueue\n")}
}

func (l *lab) deltacloud(more string) grid.JobID {
	l.t.Helper()
	l.file("pwd", "secret\n", 0o600)
	return grid.JobID{Cluster: l.submit("universe = grid\ngrid_resource = deltacloud https://engine.test/ovirt-engine/api\nexecutable = kvm_test\ndeltacloud_username = me@internal\ndeltacloud_password_file = pwd\n" + more + "\nqueue\n")}
}

func (l *lab) gone(claim uint32) {
	l.t.Helper()
	l.waitFor(fmt.Sprint("claim ", claim, " to be gone"), func(e *api.Event) bool {
		return e.Type == "claim_moved" && e.ID == claim && (e.To == "gone" || e.To == "failed")
	})
}

func TestAJobThatIsAMachineEndsWithItsGuest(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.engine.Inject(conform.GuestPowersOff)
	id := l.vm("ovirt_template = worker")
	if e := l.left(id); e.Type != "job_left" || e.To != "completed" {
		t.Fatalf("the job: %+v", e)
	}
	l.gone(1)
	if vms := l.ours(); !slices.Equal(vms, []string{"kvm_test_image_64 down"}) {
		t.Errorf("at the engine there is %v", vms)
	}
	log := l.logged("vm.log", "000 027 001 005")
	if !strings.Contains(log, "GridResource: ovirt") {
		t.Errorf("the log says %s", log)
	}
}

func TestABorrowedMachineIsGivenBack(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.engine.Inject(conform.GuestPowersOff)
	first := l.deltacloud("deltacloud_instance_name = kvm_test_image_64")
	second := l.deltacloud("deltacloud_instance_name = kvm_test_image_64") // waits for the first
	for _, id := range []grid.JobID{first, second} {
		if e := l.left(id); e.To != "completed" {
			t.Fatalf("job %s: %+v", id, e)
		}
	}
	l.gone(1)
	l.gone(2)
	if vms := l.ours(); !slices.Equal(vms, []string{"kvm_test_image_64 down"}) {
		t.Errorf("at the engine there is %v", vms)
	}
}

func TestWhatCannotBeIsHeldWithItsReason(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.engine.Inject(conform.HostLost)()
	for name, c := range map[string]struct {
		id   func() grid.JobID
		code grid.HoldCode
		says string
	}{
		"a template that there is not":  {func() grid.JobID { return l.vm("ovirt_template = nosuch") }, grid.HoldCloudUser, "nosuch"},
		"a machine that there is not":   {func() grid.JobID { return l.vm("ovirt_vm = kvm_nosuch") }, grid.HoldCloudUser, "kvm_nosuch"},
		"a machine that is not to lend": {func() grid.JobID { return l.vm("ovirt_vm = " + conform.Foreign) }, grid.HoldCloudAdmin, "borrow"},
		"an engine that is not configured": {func() grid.JobID {
			l.file("pwd", "secret\n", 0o600)
			return grid.JobID{Cluster: l.submit("universe = grid\ngrid_resource = ovirt https://other/api\novirt_username = me\novirt_password_file = pwd\novirt_template = worker\nqueue\n")}
		}, grid.HoldCloudAdmin, "https://other/api"},
	} {
		if e := l.left(c.id()); e.Type != "job_held" || e.Code != int32(c.code) || !strings.Contains(e.Text, c.says) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
}

func TestARefusedCredentialHoldsTheJob(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	l.engine.Inject(conform.BadCredential)
	if e := l.left(l.vm("ovirt_template = worker")); e.Type != "job_held" || e.Code != int32(grid.HoldCloudUser) {
		t.Errorf("the job: %+v", e)
	}
}

func TestARemovedJobTakesItsMachineAlong(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	id := l.vm("ovirt_template = worker")
	l.waitFor("the machine", func(e *api.Event) bool { return e.Type == "job_started" })
	why, err := l.Why(t.Context(), id.String())
	if err != nil || !strings.Contains(why.Text, "claim 1, ready") {
		t.Errorf("why says %q (%v)", why.Text, err)
	}
	l.act("remove", id.String())
	if e := l.left(id); e.To != "removed" {
		t.Fatalf("the job: %+v", e)
	}
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("the job is gone, and at the engine there is %v", vms)
	}
}

// Whatever answer is lost, there is one machine of a claim, and none in the end.
func TestLostAnswersLeaveNoMachine(t *testing.T) {
	t.Parallel()
	for _, verb := range []fake.Verb{fake.Create, fake.Start, fake.Shutdown, fake.Stop, fake.Remove} {
		t.Run(string(verb), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, nil)
			l.engine.Add(fake.Rule{Verbs: []fake.Verb{verb}, Times: 1, Lost: true})
			most := 0
			id := l.vm("ovirt_template = worker")
			l.waitFor("the machine", func(e *api.Event) bool {
				most = max(most, len(l.ours()))
				return e.Type == "job_started"
			})
			l.act("remove", id.String())
			l.left(id)
			if vms := l.ours(); len(vms) != 1 || most > 2 {
				t.Errorf("at the engine there were %d and are %v", most, vms)
			}
		})
	}
}

func TestOverflowMachinesJoinServeAndGo(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	id := l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nlog = a.log\nqueue 3\n")
	// Two cpus a machine: two machines. Each guest is carried out by the test.
	joined := map[string]bool{}
	for len(joined) < 2 {
		l.waitFor("a machine to boot", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
		for _, m := range l.engine.Machines() {
			if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign && m.State == gahp.Up && !joined[m.Name] {
				joined[m.Name] = true
				l.boot(m)
			}
		}
	}
	for proc := range int32(3) {
		job := grid.JobID{Cluster: id, Proc: proc}
		if e := l.waitFor("job "+job.String(), func(e *api.Event) bool { return e.Type == "job_started" && e.Jobs == job.String() }); !strings.Contains(e.Text, "@gb-") {
			t.Errorf("job %s started on %s", job, e.Text)
		}
	}
	l.gone(1)
	l.gone(2)
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
	out, err := l.Claims(t.Context(), true)
	if err != nil || len(out.Claims) != 2 || out.Claims[0].State != "gone" || out.Claims[0].Worker == "" {
		t.Errorf("the claims: %+v (%v)", out, err)
	}
}

// boot carries a guest's cloud-config out: its worker joins with what it was given. Its
// jobs end as failed transfers do not: at once.
func (l *lab) boot(m conform.Machine) {
	l.t.Helper()
	l.t.Cleanup(l.worker(m).hangUp)
}

// worker is the worker of a machine, joined.
func (l *lab) worker(m conform.Machine) *worker {
	l.t.Helper()
	return l.busyWorker(m, func(wire.Start) int32 { return 0 })
}

// busyWorker is one whose jobs do something.
func (l *lab) busyWorker(m conform.Machine, job func(wire.Start) int32) *worker {
	l.t.Helper()
	token, ca := handedOver(l.t, m.UserData)
	at, err := l.live.d.address()
	if err != nil {
		l.t.Fatal(err)
	}
	g := newGuest(l.t, api.Invitation{Schedd: at, CA: ca})
	if err := g.join(m.Name, token); err != nil {
		l.t.Fatal(err)
	}
	return l.crew(m.Name, 2, &g.at, job)
}

// A machine whose worker has died, and has nobody to power it off, goes when the lease
// has ended: nothing will come of it any more.
func TestAMachineWhoseWorkerIsNotHeardGoes(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.Idle = patience
	})
	l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.waitFor("the machine to boot", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	var w *worker
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign {
			w = l.worker(m)
		}
	}
	l.waitFor("its worker", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "ready" })
	w.hangUp()
	l.leases(300*time.Millisecond, 100*time.Millisecond)
	e := l.waitFor("its end", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "stopping" })
	if !strings.Contains(e.Text, "was not heard") {
		t.Errorf("it is stopped because %s", e.Text)
	}
	l.gone(1)
}

// A guest that joins after its machine is not wanted any more is not let in.
func TestWhoJoinsTooLateIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	id := l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.waitFor("the machine to boot", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	machines := l.engine.Machines()
	m := machines[slices.IndexFunc(machines, func(m conform.Machine) bool { return strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign })]
	l.act("remove", fmt.Sprint(id))
	if err := l.ActOnClaim(t.Context(), 1, "stop"); err != nil {
		t.Fatal(err)
	}
	token, ca := handedOver(t, m.UserData)
	at, err := l.live.d.address()
	if err != nil {
		t.Fatal(err)
	}
	join := func() grid.Code {
		return grid.CodeOf(newGuest(t, api.Invitation{Schedd: at, CA: ca}).join(m.Name, token))
	}
	if code := join(); code != grid.Unauthorized && code != grid.Refused {
		t.Errorf("while its machine is stopped, a guest joins: %q", code)
	}
	l.gone(1)
	if code := join(); code != grid.Unauthorized && code != grid.Refused {
		t.Errorf("after its machine is gone, a guest joins: %q", code)
	}
}

// As long as the engine does not show its machines, none is let go: who cannot see does
// not tidy up.
func TestWhatIsNotSeenIsNotLetGo(t *testing.T) {
	t.Parallel()
	l := newLab(t, bursting)
	l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.waitFor("the machine to boot", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "booting" })
	done := make(chan struct{})
	finish := sync.OnceFunc(func() { close(done) })
	for _, m := range l.engine.Machines() {
		if strings.HasPrefix(m.Name, "gb-") && m.Name != conform.Foreign {
			t.Cleanup(l.busyWorker(m, func(wire.Start) int32 { <-done; return 0 }).hangUp)
		}
	}
	t.Cleanup(finish)
	l.waitFor("its worker", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "ready" })
	heal := l.engine.Inject(conform.Down)
	claim := func() api.Claim {
		out, err := l.Claims(t.Context(), false)
		if err != nil || len(out.Claims) != 1 {
			t.Fatalf("the claims are %+v (%v)", out, err)
		}
		return out.Claims[0]
	}
	late := time.After(patience)
	for !strings.Contains(claim().Waits, "has not shown its machines since") {
		select {
		case <-late:
			t.Fatalf("nobody says that the engine is not seen: %+v", claim())
		case <-time.After(5 * time.Millisecond):
		}
	}
	finish()
	for range 100 { // many times the machine's idle time
		if c := claim(); c.State != "ready" {
			t.Fatalf("the engine is not seen, and the machine is let go: %+v", c)
		}
		<-time.After(5 * time.Millisecond)
	}
	heal()
	l.gone(1)
}

// Jobs wait for a claim that never joins; it is given up, the jobs are free, and no
// machine is left. Then the resource rests.
func TestAMachineThatDoesNotJoinIsGivenUp(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) {
		bursting(c)
		c.Resources[0].Burst.JoinTimeout = 300 * time.Millisecond
	})
	id := l.submit("executable = /bin/true\nshould_transfer_files = yes\ntransfer_executable = false\nrequest_memory = 100\nqueue\n")
	l.waitFor("the binding", func(e *api.Event) bool { return e.Type == "job_placed" && e.ID == 1 })
	l.gone(1)
	l.waitFor("the job to be free", func(e *api.Event) bool { return e.Type == "job_unplaced" && e.ID == 1 })
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
	why, err := l.Why(t.Context(), fmt.Sprintf("%d.0", id))
	if err != nil || !strings.Contains(why.Text, "came to nothing lately") {
		t.Errorf("why says %q (%v)", why.Text, err)
	}
}

// A queue that was restored may have forgotten claims: their machines are told of and left
// alone. Those of claims that it knows as closed go.
func TestARestoredQueueRemovesNothingThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	id := l.vm("ovirt_template = worker")
	l.waitFor("the machine", func(e *api.Event) bool { return e.Type == "job_started" })
	l.act("remove", id.String())
	l.gone(1)
	deployment := l.status().Deployment
	l.stop()
	mark := filepath.Join(l.c.Dir, "spool", ledger.RestoredMark)
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, claim := range []uint32{1, 2} {
		c := gahp.Create{Name: ledger.ClaimName(deployment, claim), Template: conform.Worker, Mark: markOf(deployment, claim)}
		if _, err := l.engine.Create(t.Context(), gahp.Order{}, c); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a second start remembers the restore
		l.start()
		late := time.After(patience)
		for vms := l.ours(); len(vms) > 2; vms = l.ours() {
			select {
			case <-late:
				t.Fatalf("at the engine there still is %v", vms)
			case <-time.After(5 * time.Millisecond):
			}
		}
		if vms := l.ours(); !slices.ContainsFunc(vms, func(s string) bool { return strings.HasPrefix(s, ledger.ClaimName(deployment, 2)+" ") }) {
			t.Errorf("at the engine there is %v", vms)
		}
		l.stop()
		if _, err := l.engine.Create(t.Context(), gahp.Order{}, gahp.Create{Name: ledger.ClaimName(deployment, 1), Template: conform.Worker, Mark: markOf(deployment, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	// An hour later nobody has wanted it.
	then := time.Now().Add(-2 * reportOnly)
	if err := os.Chtimes(filepath.Join(l.c.Dir, "spool", restoredLately), then, then); err != nil {
		t.Fatal(err)
	}
	l.start()
	late := time.After(patience)
	for vms := l.ours(); len(vms) > 1; vms = l.ours() {
		select {
		case <-late:
			t.Fatalf("an hour after the restore there still is %v", vms)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// An administrator says what becomes of machines that a restored queue does not know:
// at once, and for longer than the hour.
func TestAnAdministratorDecidesAboutStrays(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	deployment := l.status().Deployment
	lately := filepath.Join(l.c.Dir, "spool", restoredLately)
	if err := os.WriteFile(lately, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ours := len(l.ours())
	c := gahp.Create{Name: ledger.ClaimName(deployment, 7), Template: conform.Worker, Mark: markOf(deployment, 7)}
	if _, err := l.engine.Create(t.Context(), gahp.Order{}, c); err != nil {
		t.Fatal(err)
	}
	until := func(what string, is func(api.Strays) bool) {
		t.Helper()
		for late := time.After(patience); ; {
			out, err := l.Strays(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if is(out) {
				return
			}
			select {
			case <-late:
				t.Fatalf("it does not come to be that %s: %+v, and at the engine is %v", what, out, l.ours())
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	until("the machine is left alone for an hour", func(s api.Strays) bool {
		return len(s.Strays) == 1 && s.Strays[0].Unknown && s.Strays[0].Name == c.Name && s.KeptUntil > 0 && !s.Kept
	})
	if err := l.ActOnStrays(t.Context(), "keep"); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-2 * reportOnly)
	if err := os.Chtimes(lately, then, then); err != nil {
		t.Fatal(err)
	}
	l.restart()
	until("it is left alone for good", func(s api.Strays) bool { return len(s.Strays) == 1 && s.Strays[0].Unknown && s.Kept })
	if err := l.ActOnStrays(t.Context(), "adopt"); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("to adopt it: %v", err)
	}
	if n := len(l.ours()); n != ours+1 {
		t.Errorf("at the engine there is %v", l.ours())
	}
	if err := l.ActOnStrays(t.Context(), "remove"); err != nil {
		t.Fatal(err)
	}
	until("it is removed", func(s api.Strays) bool { return len(s.Strays) == 0 && !s.Kept && len(l.ours()) == ours })
}

// A machine with our mark and without a claim is taken away, and nothing else is.
func TestWhatNoClaimStandsForIsSweptAway(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	deployment := l.status().Deployment
	ctx := t.Context()
	stray := func(name, mark string) {
		vm, err := l.engine.Create(ctx, gahp.Order{}, gahp.Create{Name: name, Template: conform.Worker, Mark: mark})
		if err != nil {
			t.Fatal(err)
		}
		for {
			err := l.engine.Start(ctx, gahp.Order{}, vm.ID, gahp.Start{})
			if err == nil {
				return
			}
			if kindOf(err) != gahp.Locked {
				t.Fatal(err)
			}
		}
	}
	prefix := "gb-" + deployment[:8] + "-"
	stray(prefix+"77", markOf(deployment, 77))           // ours
	stray(prefix+"78", "")                               // a name like ours
	stray(prefix+"79", markOf("another deployment", 79)) // somebody else's
	stray("theirs", markOf(deployment, 80))              // our mark under another name
	late := time.After(patience)
	for {
		if vms := l.ours(); !slices.ContainsFunc(vms, func(s string) bool { return strings.HasPrefix(s, prefix+"77 ") }) {
			if len(vms) != 4 {
				t.Errorf("at the engine there is %v", vms)
			}
			return
		}
		select {
		case <-late:
			t.Fatalf("at the engine there still is %v", l.ours())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestAClaimGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	heal := l.engine.Inject(conform.LongLock)
	id := l.vm("ovirt_template = worker")
	l.waitFor("the launch", func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "launching" })
	l.restart()
	heal()
	l.waitFor("the machine", func(e *api.Event) bool { return e.Type == "job_started" && e.Jobs == id.String() })
	l.restart()
	l.act("hold", id.String())
	l.gone(1)
	if vms := l.ours(); len(vms) != 1 {
		t.Errorf("at the engine there is %v", vms)
	}
	l.act("release", id.String())
	l.engine.Inject(conform.GuestPowersOff)
	l.waitFor("its second machine to end", func(e *api.Event) bool { return e.Type == "job_left" && e.Jobs == id.String() && e.To == "completed" })
}

func (l *lab) status() api.Status {
	l.t.Helper()
	s, err := l.Status(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func TestEachOccurrenceStartsOneRun(t *testing.T) {
	t.Parallel()
	me, err := currentUser()
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	p := newPlace(t, func(c *Config) {
		dir = filepath.Dir(c.Dir)
		c.Crons = []Cron{{Name: "often", Schedule: "@every 1s", Owner: me, Dag: filepath.Join(dir, "w.dag"), Overlap: "allow"}}
	})
	p.file("node.sub", "executable = /bin/true\nshould_transfer_files = no\nqueue\n", 0o644)
	p.file("w.dag", "JOB a node.sub\n", 0o644)
	p.crew("w1", 2, nil, nil)
	for n := 0; n < 2; n++ {
		seen := 0
		p.waitFor("a run", func(e *api.Event) bool {
			if e.Type == "dag_moved" && e.To == "done" {
				seen++
			}
			return seen > n
		})
		p.restart()
		p.crew("w1", 2, nil, nil)
	}
	out, err := p.Dags(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	due := map[int64]uint32{}
	for _, g := range out.Dags {
		if g.Cron != "often" || due[g.Due] != 0 {
			t.Errorf("runs %d and %d are both of %s at %d", g.ID, due[g.Due], g.Cron, g.Due)
		}
		due[g.Due] = g.ID
	}
}
