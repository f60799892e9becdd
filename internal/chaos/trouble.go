package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/gahp/ovirtsim"
	"gridburst/internal/failpoint"
	"gridburst/internal/freeze"
	"gridburst/internal/pause"
)

// trouble is a kind of fault of an engine, or of what stands between it and the queue.
type trouble struct {
	name string
	// rules are put to work at the simulator, and taken back together. The fault was one
	// when a call met them.
	rules func(*rand.Rand) []ovirtsim.Rule
	// does is anything else. undo, if any, comes after a while. The fault was none when
	// there is an error.
	does func(context.Context, *wrecker, *rand.Rand) (undo func(), err error)
	// lasts is how long it stays at least, once it has befallen somebody.
	lasts time.Duration
}

// errNobody: there was nobody and nothing for a fault to befall.
var errNobody = errors.New("there was nothing for it to befall")

type ruleMaker = func(*rand.Rand) []ovirtsim.Rule

// meets makes one rule, that some calls meet a few times.
func meets(op ovirtsim.Op, r ovirtsim.Rule) ruleMaker {
	return func(rnd *rand.Rand) []ovirtsim.Rule {
		r := r
		r.Ops = []ovirtsim.Op{op}
		if r.Times == 0 {
			r.Times = 1 + rnd.IntN(3)
		}
		return []ovirtsim.Rule{r}
	}
}

// while makes a rule that is in force, or that calls meet, as long as it is there.
func while(r ovirtsim.Rule) ruleMaker {
	return func(*rand.Rand) []ovirtsim.Rule { return []ovirtsim.Rule{r} }
}

func refuses(op ovirtsim.Op, fault string) ruleMaker {
	return meets(op, ovirtsim.Rule{Fault: fault})
}

// troubles are all kinds.
var troubles = []trouble{
	// The answer is lost, the request is lost, or half of the answer comes.
	{name: "create: its answer is lost", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Drop: ovirtsim.DropAnswer})},
	{name: "create: it is lost", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Drop: ovirtsim.DropRequest})},
	{name: "create: half of its answer comes", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Truncate: true})},
	{name: "start: its answer is lost", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Drop: ovirtsim.DropAnswer})},
	{name: "start: it is lost", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Drop: ovirtsim.DropRequest})},
	{name: "shutdown: its answer is lost", rules: meets(ovirtsim.OpShutdown, ovirtsim.Rule{Drop: ovirtsim.DropAnswer})},
	{name: "remove: its answer is lost", rules: meets(ovirtsim.OpRemove, ovirtsim.Rule{Drop: ovirtsim.DropAnswer})},
	{name: "remove: it is lost", rules: meets(ovirtsim.OpRemove, ovirtsim.Rule{Drop: ovirtsim.DropRequest})},
	{name: "listing: it is lost", rules: meets(ovirtsim.OpList, ovirtsim.Rule{Drop: ovirtsim.DropRequest})},
	{name: "listing: it breaks off", rules: meets(ovirtsim.OpList, ovirtsim.Rule{Truncate: true, Times: 3})},
	{name: "listing: it lacks machines once", rules: meets(ovirtsim.OpList, ovirtsim.Rule{Omit: "gb-*", Times: 1})},
	{name: "listing: it lacks machines for a while", rules: while(ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpList}, Omit: "gb-*[13579]"}), lasts: 4 * time.Second},
	{name: "listing: it is a page", rules: meets(ovirtsim.OpList, ovirtsim.Rule{ContentType: "text/html"})},

	// The engine, or what is before it, cannot.
	{name: "create: 500", rules: refuses(ovirtsim.OpCreate, "INTERNAL")},
	{name: "create: 503", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Status: http.StatusServiceUnavailable})},
	{name: "start: 500", rules: refuses(ovirtsim.OpStart, "INTERNAL")},
	{name: "start: 503", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Status: http.StatusServiceUnavailable})},
	{name: "remove: 500", rules: refuses(ovirtsim.OpRemove, "INTERNAL")},
	{name: "remove: 503", rules: meets(ovirtsim.OpRemove, ovirtsim.Rule{Status: http.StatusServiceUnavailable})},
	{name: "listing: 500", rules: refuses(ovirtsim.OpList, "INTERNAL")},
	{name: "too many calls", rules: while(ovirtsim.Rule{Chance: 0.3, Status: http.StatusTooManyRequests})},
	{name: "a bad gateway", rules: while(ovirtsim.Rule{Chance: 0.3, Status: http.StatusBadGateway})},
	{name: "slow", rules: while(ovirtsim.Rule{Delay: 700 * time.Millisecond})},
	{name: "create: it hangs", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Hang: true})},
	{name: "listing: it hangs", rules: meets(ovirtsim.OpList, ovirtsim.Rule{Hang: true, Times: 1})},
	{name: "create: it is long at it, and its answer is lost", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Busy: 2 * time.Second, Drop: ovirtsim.DropAnswer})},

	// It will not.
	{name: "create: the storage quota is used up", rules: refuses(ovirtsim.OpCreate, "QUOTA_STORAGE_LIMIT")},
	{name: "start: the cluster quota is used up", rules: refuses(ovirtsim.OpStart, "QUOTA_CLUSTER_LIMIT")},
	{name: "create: the storage is full", rules: refuses(ovirtsim.OpCreate, "DISK_SPACE_LOW")},
	{name: "create: no address is left", rules: refuses(ovirtsim.OpCreate, "NOT_ENOUGH_MAC")},
	{name: "create: it is not allowed", rules: refuses(ovirtsim.OpCreate, "NOT_AUTHORIZED")},
	{name: "create: the template is gone", rules: refuses(ovirtsim.OpCreate, "TEMPLATE_DOES_NOT_EXIST")},
	{name: "create: the template is locked", rules: refuses(ovirtsim.OpCreate, "TEMPLATE_IMAGE_IS_LOCKED")},
	{name: "start: no host is up", rules: refuses(ovirtsim.OpStart, "NO_HOSTS")},
	{name: "start: no host has room", rules: refuses(ovirtsim.OpStart, "ALL_HOSTS_FILTERED_OUT")},
	{name: "start: it has no disk", rules: refuses(ovirtsim.OpStart, "WITHOUT_DISK")},
	{name: "remove: it is locked", rules: refuses(ovirtsim.OpRemove, "OBJECT_LOCKED")},
	{name: "remove: its disks are locked", rules: refuses(ovirtsim.OpRemove, "DISKS_LOCKED")},
	{name: "shutdown: not in this state", rules: refuses(ovirtsim.OpShutdown, "VM_STATUS_ILLEGAL")},
	{name: "maintenance", rules: while(ovirtsim.Rule{Method: http.MethodPost, Ops: []ovirtsim.Op{ovirtsim.OpCreate, ovirtsim.OpStart, ovirtsim.OpStop, ovirtsim.OpShutdown}, Fault: "ENGINE_MAINTENANCE"})},

	// Machines do not do as they were told.
	{name: "create: it is taken back", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{RollBack: true})},
	{name: "create: it stays locked", rules: meets(ovirtsim.OpCreate, ovirtsim.Rule{Hold: true})},
	{name: "start: it does not boot", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Hold: true})},
	{name: "start: then no host can run it", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Fail: true})},
	{name: "start: its guest powers off soon", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Lifetime: time.Second})},
	{name: "start: its answer is lost, and its guest powers off soon", rules: meets(ovirtsim.OpStart, ovirtsim.Rule{Drop: ovirtsim.DropAnswer, Lifetime: time.Second})},
	{name: "shutdown: the guest is deaf", rules: meets(ovirtsim.OpShutdown, ovirtsim.Rule{Deaf: true, Times: 1})},
	{name: "a machine is paused", does: shows(ovirtsim.Paused)},
	{name: "a machine is unknown", does: shows(ovirtsim.Unknown)},
	{name: "a machine does not respond", does: shows(ovirtsim.NotResponding)},

	// People at the engine.
	{name: "an administrator stops a machine", does: administer(http.MethodPost, "/stop")},
	{name: "an administrator removes a machine", does: administer(http.MethodDelete, "")},
	{name: "a machine that was removed comes back", does: comeBack},
	{name: "a machine of a claim that never was", does: ghost},
	{name: "the next name is another's", does: nameTaken},
	{name: "a machine has our mark and another name", does: stranger},
	{name: "a machine in another data center has the name of ours", does: namesake},

	// Who we are.
	{name: "sessions end", does: endSessions},
	{name: "the password is another", does: wrongPassword},
	{name: "login: the service fails", does: noLogin},

	// Programs.
	{name: "the engine restarts", rules: while(ovirtsim.Rule{Restart: true})},
	{name: "the engine takes no connections", rules: while(ovirtsim.Rule{Refuse: true})},
	{name: "the engine is killed", does: killEngine},
	{name: "the engine stands still", does: stopEngine},
	{name: "the GAHP is killed", does: kill(failpoint.GAHP)},
	{name: "the GAHP stands still", does: stop(failpoint.GAHP)},
	{name: "the GAHP is killed while a create is at the engine", does: killAtCreate},
	{name: "the schedd is killed", does: kill(failpoint.Schedd)},
	{name: "the schedd stands still", does: stop(failpoint.Schedd)},
	{name: "the schedd dies before a create", does: dieAt("claim.create.before")},
	{name: "the schedd dies after a create", does: dieAt("claim.create.after")},
	{name: "the schedd dies before a start", does: dieAt("claim.start.before")},
	{name: "the schedd dies after a start", does: dieAt("claim.start.after")},
	{name: "the schedd dies after a stop", does: dieAt("claim.stop.after")},
	{name: "the schedd dies after a removal", does: dieAt("claim.remove.after")},
	{name: "the schedd dies before a claim is closed", does: dieAt("claim.gone.before")},
	{name: "the schedd dies in its sweep", does: dieInSweep},
	{name: "the GAHP dies before an order", does: dieAt("gahp.order.before")},
	{name: "the GAHP dies after an order", does: dieAt("gahp.order.after")},
}

// Kinds are the names of all faults.
func Kinds() (names []string) {
	for _, t := range troubles {
		names = append(names, t.name)
	}
	return names
}

// ours picks a machine that the schedd has made and that is as wanted.
func (w *wrecker) ours(ctx context.Context, rnd *rand.Rand, want func(*ovirtsim.Machine) bool) (*ovirtsim.Machine, error) {
	all, err := w.admin.machines(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m ovirtsim.Machine) bool {
		_, ok := claimOf(w.deployed, m.Comment)
		return m.Foreign || !ok || !strings.HasPrefix(m.Name, prefixOf(w.deployed)) || want != nil && !want(&m)
	})
	if len(all) == 0 {
		return nil, errNobody
	}
	return &all[rnd.IntN(len(all))], nil
}

// shows has the engine say of one of ours that runs that it is in another state.
func shows(s ovirtsim.Status) func(context.Context, *wrecker, *rand.Rand) (func(), error) {
	return func(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
		m, err := w.ours(ctx, rnd, func(m *ovirtsim.Machine) bool { return m.Status == ovirtsim.Up })
		if err != nil {
			return nil, err
		}
		id, err := w.admin.add(ctx, &ovirtsim.Rule{Show: s, Name: m.Name})
		return func() { w.takeBack(id) }, err
	}
}

// administer has an administrator do something to one of ours.
func administer(method, end string) func(context.Context, *wrecker, *rand.Rand) (func(), error) {
	return func(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
		m, err := w.ours(ctx, rnd, func(m *ovirtsim.Machine) bool { return end == "" || m.Status == ovirtsim.Up })
		if err != nil {
			return nil, err
		}
		return nil, w.admin.ask(ctx, method, "/machines/"+m.ID+end, nil, nil)
	}
}

// comeBack makes a machine as one was that is gone, with its name and mark.
func comeBack(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	list, err := readJournal(w.journal)
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, e := range list {
		if e.What == "gone" && e.By == "" && !e.Foreign {
			if claim, ok := claimOf(w.deployed, e.Comment); ok && e.Name == nameOf(w.deployed, claim) {
				gone = append(gone, e.Comment)
			}
		}
	}
	open, err := w.openClaims(ctx)
	gone = slices.DeleteFunc(gone, func(mark string) bool {
		claim, _ := claimOf(w.deployed, mark)
		return open[claim]
	})
	if err != nil || len(gone) == 0 {
		return nil, errors.Join(err, errNobody)
	}
	mark := gone[rnd.IntN(len(gone))]
	claim, _ := claimOf(w.deployed, mark)
	return nil, w.door.make(ctx, otherUser, nameOf(w.deployed, claim), mark, "Default")
}

// ghost makes a machine of ours that no claim ever stood for.
func ghost(ctx context.Context, w *wrecker, _ *rand.Rand) (func(), error) {
	claim := 900_000 + w.count()
	return nil, w.door.make(ctx, otherUser, nameOf(w.deployed, claim), markOf(w.deployed, claim), "Default")
}

// nameTaken gives the name of a claim to come to a machine of somebody else.
func nameTaken(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	open, err := w.openClaims(ctx)
	if err != nil {
		return nil, err
	}
	last := uint32(0)
	for id := range open {
		last = max(last, id)
	}
	name := nameOf(w.deployed, last+2+rnd.Uint32N(4))
	return nil, w.door.make(ctx, otherUser, name, theirs, "Default")
}

// stranger makes a machine with our mark under a name that is not its claim's: somebody
// has copied it.
func stranger(ctx context.Context, w *wrecker, _ *rand.Rand) (func(), error) {
	n := w.count()
	return nil, w.door.make(ctx, otherUser, fmt.Sprintf("%scopy-%d", prefixOf(w.deployed), n), markOf(w.deployed, n), "Default")
}

// namesake makes a machine of one of ours' name where names are others'.
func namesake(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	m, err := w.ours(ctx, rnd, nil)
	if err != nil {
		return nil, err
	}
	if err := w.door.make(ctx, otherUser, m.Name, theirs, "Elsewhere"); err != nil {
		return nil, err
	}
	return func() { w.clearStrangers(m.Name) }, nil
}

func endSessions(ctx context.Context, w *wrecker, _ *rand.Rand) (func(), error) {
	return nil, w.admin.ask(ctx, http.MethodPost, "/sessions/end", nil, nil)
}

// wrongPassword has the password file hold another for a while, with which nobody gets in.
func wrongPassword(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	w.password.Lock() // one at a time
	write := func(text string) error { return os.WriteFile(w.passwordFile, []byte(text+"\n"), 0o600) }
	if err := write("not it"); err != nil {
		w.password.Unlock()
		return nil, err
	}
	undo := func() {
		if err := write(enginePassword); err != nil {
			fmt.Fprintf(w.Log, "the password is not put back: %v\n", err)
		}
		w.password.Unlock()
	}
	if _, err := endSessions(ctx, w, rnd); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// noLogin ends sessions while nobody can log in.
func noLogin(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	id, err := w.admin.add(ctx, &ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpLogin}, User: engineUser, Status: http.StatusInternalServerError})
	if err != nil {
		return nil, err
	}
	undo := func() { w.takeBack(id) }
	if _, err = endSessions(ctx, w, rnd); err != nil {
		undo()
	}
	return undo, err
}

func killEngine(_ context.Context, w *wrecker, _ *rand.Rand) (func(), error) {
	p := w.house.get("ovirtsim")
	if p == nil || !p.Kill() {
		return nil, errNobody
	}
	return nil, nil
}

func stopEngine(_ context.Context, w *wrecker, _ *rand.Rand) (func(), error) {
	p := w.house.get("ovirtsim")
	if p == nil || freeze.Process(p.PID) != nil {
		return nil, errNobody
	}
	return func() { p.Signal(unix.SIGCONT) }, nil
}

func kill(of failpoint.Program) func(context.Context, *wrecker, *rand.Rand) (func(), error) {
	return func(_ context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
		list, err := w.house.victims(of)
		if err != nil || len(list) == 0 || !list[rnd.IntN(len(list))].Kill() {
			return nil, errors.Join(err, errNobody)
		}
		return nil, nil
	}
}

func stop(of failpoint.Program) func(context.Context, *wrecker, *rand.Rand) (func(), error) {
	return func(_ context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
		list, err := w.house.victims(of)
		if err != nil || len(list) == 0 {
			return nil, errors.Join(err, errNobody)
		}
		p := list[rnd.IntN(len(list))]
		if freeze.Process(p.PID) != nil {
			return nil, errNobody
		}
		return func() { p.Signal(unix.SIGCONT) }, nil
	}
}

// killAtCreate kills the GAHPs while the engine is at a create, which it goes on with.
func killAtCreate(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	rule := ovirtsim.Rule{Ops: []ovirtsim.Op{ovirtsim.OpCreate}, User: engineUser, Times: 1, Delay: 1500 * time.Millisecond}
	id, err := w.admin.add(ctx, &rule)
	if err != nil {
		return nil, err
	}
	// The rule stays until the delay is over: taken back, it would delay nothing.
	undo := func() { w.takeBack(id) }
	if !w.met(ctx, []int{id}) {
		undo()
		return nil, errNobody
	}
	list, err := w.house.victims(failpoint.GAHP)
	if err != nil || len(list) == 0 {
		undo()
		return nil, errors.Join(err, errNobody)
	}
	for i := range list {
		list[i].Kill()
	}
	_ = pause.For(ctx, rule.Delay)
	return undo, nil
}

// dieInSweep gives the sweep something to do, and has it die of that.
func dieInSweep(ctx context.Context, w *wrecker, rnd *rand.Rand) (func(), error) {
	if _, err := ghost(ctx, w, rnd); err != nil {
		return nil, err
	}
	return dieAt("sweep.remove.before")(ctx, w, rnd)
}

// dieAt has a process die at a named instant.
func dieAt(point string) func(context.Context, *wrecker, *rand.Rand) (func(), error) {
	i := slices.IndexFunc(failpoint.Points, func(p failpoint.Point) bool { return p.Name == point })
	return func(ctx context.Context, w *wrecker, _ *rand.Rand) (func(), error) {
		p := failpoint.Points[i]
		if w.house.armedNow(p.Name) {
			return nil, errNobody
		}
		if err := w.house.arm(p); err != nil {
			return nil, err
		}
		for until := time.Now().Add(metWithin); w.house.armedNow(p.Name); {
			if time.Now().After(until) || pause.For(ctx, 20*time.Millisecond) != nil {
				return nil, errors.Join(w.house.disarmOne(p.Name), errNobody)
			}
		}
		return nil, nil
	}
}
