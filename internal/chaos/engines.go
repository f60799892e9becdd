package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gridburst/gahp/ovirtsim"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
)

// EngineOptions say how a run goes whose faults are an engine's. The zero value of each
// means what is named here.
type EngineOptions struct {
	Dir     string // the sandbox; what an earlier run left in it goes
	Bin     string // programs built with the tag failpoints; empty: they are built
	Tags    []string
	Seed    uint64
	Faults  int           // at least so many; 0: 300
	VMs     int           // of jobs that are machines, at one time; 0: 200
	Foreign int           // machines of other people, with names like ours; 0: 100
	Kinds   []string      // only these faults, by their names; none: all
	Pause   time.Duration // between faults; 0: 500 ms
	Limit   time.Duration // of the faults; 0: 20 min
	Drain   time.Duration // of what comes after the last fault; 0: 5 min
	Log     io.Writer
}

func (o *EngineOptions) complete() {
	o.Log = &journal{w: o.Log}
	if o.Faults == 0 {
		o.Faults = 300
	}
	if o.VMs == 0 {
		o.VMs = 200
	}
	if o.Foreign == 0 {
		o.Foreign = 100
	}
	if o.Pause == 0 {
		o.Pause = 500 * time.Millisecond
	}
	if o.Limit == 0 {
		o.Limit = 20 * time.Minute
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Minute
	}
}

const (
	// otherUser is somebody else at the engine: he makes what the schedd has not made.
	otherUser = "other@internal"
	theirs    = "somebody else's"
	// Speed is how much faster than the real time the engine's machines live.
	Speed = 5
	// burstVMs is how many machines with guests there may be, beside those on paper.
	burstVMs = 4
	// minKinds is how many kinds of faults there are at least in a run of all kinds.
	minKinds = 30
)

// engines is one run.
type engines struct {
	EngineOptions
	rig      *rig.Rig
	house    *house
	witness  *Witness
	client   *Client
	load     *load
	fleet    *fleetJobs
	wrecker  *wrecker
	dir      string // the engine's
	door     *door
	pace     ovirtsim.Pace
	deployed string
	workers  string // where guests find the schedd
}

// Engines has a schedd keep machines at an engine that goes wrong in every way that we
// know of, and judges by the engine's own record. Jobs that are machines come and go, on
// paper; others run in guests, and tell the witness. The machines live faster than we do.
func Engines(ctx context.Context, o EngineOptions) (rep *EngineReport, err error) {
	o.complete()
	e := &engines{EngineOptions: o}
	kinds, err := chosen(o.Kinds)
	if err != nil {
		return nil, err
	}
	e.rig, err = rig.Fresh(ctx, o.Dir, o.Bin, append([]string{"failpoints"}, o.Tags...), "gschedd", "gworker", "gadm", "ovirtsim", "ovirt_gahp")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		cancel(nil)
		err = errors.Join(err, e.rig.Close(20*time.Second))
		if e.house != nil {
			e.house.wg.Wait()
		}
		if e.witness != nil {
			e.witness.Close()
		}
	}()
	// A path of a socket is short.
	sockets, err := os.MkdirTemp("", "gchaos")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(sockets)
	if err := e.open(ctx, filepath.Join(sockets, "admin"), kinds); err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	wg.Go(func() { e.rig.Tidy(ctx) })
	begun := time.Now()
	if err := e.storm(ctx); err != nil {
		return nil, err
	}
	fmt.Fprintf(o.Log, "the last fault was after %s\n", time.Since(begun).Round(time.Second))
	calm := time.Now()
	stuck := e.drain(ctx)
	fmt.Fprintf(o.Log, "all was quiet after %s more\n", time.Since(calm).Round(time.Second))
	return e.judge(ctx, stuck)
}

// open starts everything.
func (e *engines) open(ctx context.Context, socket string, kinds []trouble) (err error) {
	if e.house, err = newHouse(e.rig); err != nil {
		return err
	}
	if e.witness, err = NewWitness(); err != nil {
		return err
	}
	if e.load, err = newLoad(filepath.Join(e.rig.Dir, "jobs"), e.witness.Port(), e.Seed); err != nil {
		return err
	}
	if e.client, err = newClient(e.house.schedd, filepath.Join(e.rig.Dir, "client.ledger")); err != nil {
		return err
	}
	// The port is one that was free a moment ago.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.workers = l.Addr().String()
	l.Close()
	if err := e.deploy(ctx); err != nil {
		return err
	}
	if err := e.openEngine(ctx, socket); err != nil {
		return err
	}
	if err := os.WriteFile(e.house.config, []byte(e.config()), 0o644); err != nil {
		return err
	}
	if err := e.house.keep(ctx, "gschedd", e.house.startSchedd); err != nil {
		return err
	}
	e.load.only, e.load.engine = []shape{anywhere}, e.door.url
	e.fleet = &fleetJobs{
		schedd: e.house.schedd, client: e.client, rand: rand.New(rand.NewPCG(e.Seed, 12)), dir: filepath.Join(e.rig.Dir, "jobs"),
		most: e.VMs, engine: e.door.url, secret: e.load.password, pause: 300 * time.Millisecond,
	}
	e.wrecker = &wrecker{
		house: e.house, admin: newAdmin(socket), door: e.door, journal: filepath.Join(e.dir, "journal"), passwordFile: e.load.password,
		deployed: e.deployed, seed: e.Seed, kinds: kinds, pause: e.Pause, Log: e.Log,
	}
	return nil
}

// deploy has a schedd make its directory, so that it is known how it will name its
// machines: other people's are to be named like that.
func (e *engines) deploy(ctx context.Context) error {
	s, err := e.rig.Schedd(ctx, "schedd", nil)
	if err != nil {
		return err
	}
	defer s.Stop(20 * time.Second)
	status, err := e.house.schedd.Status(ctx)
	e.deployed = status.Deployment
	return err
}

// openEngine starts the simulator.
func (e *engines) openEngine(ctx context.Context, socket string) error {
	e.dir = filepath.Join(e.rig.Dir, "engine")
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return err
	}
	e.pace = ovirtsim.Pace{From: time.Now().UTC().Truncate(time.Second), Speed: Speed}
	model, err := json.MarshalIndent(e.model(), "", "  ")
	if err != nil {
		return err
	}
	e.load.password = filepath.Join(e.dir, "password")
	for path, text := range map[string][]byte{filepath.Join(e.dir, "model.json"): model, e.load.password: []byte(enginePassword + "\n")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	start := func(ctx context.Context) (*rig.Process, error) {
		return e.rig.Engine(ctx, e.dir, "--admin-socket", socket)
	}
	if err := e.house.keep(ctx, "ovirtsim", start); err != nil {
		return err
	}
	e.door, err = openDoor(e.dir)
	return err
}

// model is what the engine has at first: among others machines of other people, of which
// some have our names of some time to come, some our prefix, and some a mark of another
// deployment.
func (e *engines) model() any {
	type object = map[string]any
	var foreign []object
	for i := range e.Foreign {
		m := object{"name": fmt.Sprintf("%s%d", prefixOf(e.deployed), 1_000_000+i), "status": "down", "comment": theirs, "template": desktopName}
		switch i % 5 {
		case 0:
			m["status"] = "up"
		case 1:
			m["name"], m["comment"] = fmt.Sprintf("%sdesk-%d", prefixOf(e.deployed), i), markOf("0"+e.deployed[1:]+"0", uint32(i))
		case 2:
			m["comment"] = ""
		case 3:
			m["name"], m["status"] = nameOf(e.deployed, uint32(3+7*i)), "up"
		}
		foreign = append(foreign, m)
	}
	return object{
		"data_centers": []object{{"name": "Default"}, {"name": "Elsewhere"}},
		"clusters":     []object{{"name": "Default"}, {"name": "Elsewhere", "data_center": "Elsewhere"}},
		"users":        []object{{"name": engineUser, "password": enginePassword}, {"name": otherUser, "password": enginePassword}},
		"templates": []object{
			{"name": desktopName, "body": "paper"},
			{"name": templateName, "memory_mb": 512, "cores": 2, "body": "process", "os": "rhel_9x64", "image": object{
				"files": map[string]string{"/usr/local/bin/gworker": filepath.Join(e.rig.Bin, "gworker")},
			}},
		},
		"vms":   foreign,
		"body":  "paper",
		"seed":  e.Seed,
		"pace":  object{"from": e.pace.From, "speed": e.pace.Speed},
		"times": object{"lock": "3s", "launch": "2s", "boot": "5s", "power_off": "5s", "remove": "3s"},
	}
}

// config is the schedd's: one resource for jobs that are machines, another at the same
// engine for those that need one.
func (e *engines) config() string {
	access := fmt.Sprintf("  url           = %q\n  username      = %q\n  password_file = %q\n  ca_file       = %q\n", e.door.url, engineUser, e.load.password, e.door.ca)
	return fmt.Sprintf(`schedd {
  name         = "chaos"
  worker_lease = "10s"
  lease_margin = "3s"
  sweep        = %q
  listen       = %q
  names        = ["127.0.0.1"]
}
resource "ovirt" "fleet" {
%s  max_vms = %d
  create  = true
}
resource "ovirt" "burst" {
%s  max_vms = %d
  burst {
    template     = %q
    memory       = "512MiB"
    cores        = 2
    idle_time    = "5s"
    join_timeout = "30s"
    disk         = "1GiB"
    schedd       = "https://%s"
  }
}
`, sweepEvery, e.workers, access, e.VMs, access, burstVMs, templateName, e.workers)
}

// storm lets jobs come and go, and makes faults until there were enough.
func (e *engines) storm(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		if failed = e.fleet.do(ctx); failed != nil {
			cancel()
		}
	})
	wg.Go(func() { e.fleet.release(ctx) })
	wg.Go(func() { e.guests(ctx) })
	limited, end := context.WithTimeout(ctx, e.Limit)
	defer end()
	kinds := minKinds
	if len(e.Kinds) > 0 {
		kinds = len(e.Kinds)
	}
	// The first machines come up undisturbed: before, most faults befall nobody.
	for limited.Err() == nil && !e.full(limited) {
		_ = pause.For(limited, 100*time.Millisecond)
	}
	fmt.Fprintf(e.Log, "the fleet is up\n")
	e.fleet.churn.Store(true)
	e.wrecker.run(limited, e.Faults, kinds)
	cancel()
	wg.Wait()
	return failed
}

// full reports whether the fleet has as many machines as it may.
func (e *engines) full(ctx context.Context) bool {
	all, err := e.wrecker.admin.machines(ctx)
	up := 0
	for i := range all {
		if _, ours := claimOf(e.deployed, all[i].Comment); ours && !all[i].Foreign && all[i].Status == ovirtsim.Up {
			up++
		}
	}
	return err == nil && up >= e.VMs*9/10
}

// guests hands in jobs that run in guests, a few at a time.
func (e *engines) guests(ctx context.Context) {
	for pause.For(ctx, 300*time.Millisecond) == nil {
		waiting := 0
		q, err := e.house.schedd.Totals(ctx)
		if err != nil {
			continue
		}
		for _, h := range e.client.all() {
			if h.Shape == anywhere {
				waiting += h.Jobs
			}
		}
		if fleet := e.VMs + e.VMs/8 + 2; q.All.Total()-fleet > 10 || waiting > 20+e.Faults*2 {
			continue
		}
		s, err := e.load.next()
		if err == nil {
			err = e.client.handIn(ctx, s)
		}
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(e.Log, "no job for guests: %v\n", err)
		}
	}
}

// drain mends everything, ends the fleet, and waits until nothing is in the queue and no
// machine of ours at the engine. The text says what would not go.
func (e *engines) drain(ctx context.Context) (stuck string) {
	ctx, cancel := context.WithTimeout(ctx, e.Drain)
	defer cancel()
	if err := errors.Join(e.wrecker.calm(ctx), e.fleet.removeAll(ctx)); err != nil {
		return err.Error()
	}
	for {
		left := e.left(ctx)
		if left == "" {
			return ""
		}
		if pause.For(ctx, 200*time.Millisecond) != nil {
			return left
		}
	}
}

func (e *engines) left(ctx context.Context) string {
	t, err := e.house.schedd.Totals(ctx)
	if err != nil {
		return "the schedd does not answer: " + err.Error()
	}
	if n := t.All.Total(); n > 0 {
		return fmt.Sprintf("%d jobs are in the queue: %+v", n, t.All)
	}
	list, err := readJournal(filepath.Join(e.dir, "journal"))
	if err != nil {
		return err.Error()
	}
	lives := newLives(e.deployed, list)
	if i := slices.IndexFunc(lives, func(l *life) bool { return l.ours && l.gone.IsZero() }); i >= 0 {
		return "machine " + lives[i].name + " is at the engine: " + lives[i].mark
	}
	return ""
}
