package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gridburst/internal/desk"
	"gridburst/internal/failpoint"
	"gridburst/internal/rig"
	"gridburst/internal/script"
	"gridburst/schedd/api"
)

// house is the programs of a run. Each is started again when it dies.
type house struct {
	rig    *rig.Rig
	env    []string // that arms failpoints
	armed  string   // the directory of armed failpoints
	hits   string   // the file of those that were come by
	config string   // the schedd's

	wg      sync.WaitGroup
	socket  string // the schedd's
	schedd  *api.Client
	mu      sync.Mutex
	up      map[string]*rig.Process // by what they are called
	strange []string                // ends that no kill explains
}

func newHouse(r *rig.Rig) (*house, error) {
	h := &house{
		rig: r, armed: filepath.Join(r.Dir, "armed"), hits: filepath.Join(r.Dir, "hits"), config: filepath.Join(r.Dir, "schedd.hcl"),
		up: map[string]*rig.Process{},
	}
	h.env = []string{"GRIDBURST_FAILPOINT_DIR=" + h.armed, "GRIDBURST_FAILPOINT_LOG=" + h.hits}
	h.socket = filepath.Join(r.Dir, "schedd", "schedd.sock")
	h.schedd = api.NewClient(h.socket)
	return h, os.MkdirAll(h.armed, 0o777)
}

// keep starts a program, and again whenever it ends, until ctx ends. It returns when it
// is up the first time.
func (h *house) keep(ctx context.Context, name string, start func(context.Context) (*rig.Process, error)) error {
	p, err := start(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	h.set(name, p)
	h.wg.Go(func() {
		for {
			select {
			case <-p.Done():
			case <-ctx.Done():
				return
			}
			h.explain(name, p.Ended())
			for {
				next, err := start(ctx)
				if err == nil {
					p = next
					break
				}
				if ctx.Err() != nil {
					return
				}
				// It may have died at a failpoint before it was up.
				h.explain(name, err)
			}
			h.set(name, p)
		}
	})
	return nil
}

func (h *house) set(name string, p *rig.Process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up[name] = p
}

// get is a program that runs; nil when it does not just now.
func (h *house) get(name string) *rig.Process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.up[name]
}

// explain notes an end that is not by SIGKILL.
func (h *house) explain(name string, err error) {
	if rig.Killed(err) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.strange = append(h.strange, fmt.Sprintf("%s ended, and nobody killed it: %v", name, err))
}

func (h *house) startSchedd(ctx context.Context) (*rig.Process, error) {
	s, err := h.rig.Schedd(ctx, "schedd", h.env, "--config", h.config, "--log-level", "debug")
	if err != nil {
		return nil, err
	}
	return s.Process, nil
}

// startWorker starts one of the pool's workers. Each is a machine of the pool, though
// they are one: so its name and its state are its own.
func (h *house) startWorker(name string, cpus int) func(context.Context) (*rig.Process, error) {
	return func(context.Context) (*rig.Process, error) {
		return h.rig.Start(name+".log", h.env, filepath.Join(h.rig.Bin, "gworker"), "--schedd", h.socket,
			"--state", filepath.Join(h.rig.Dir, name), "--name", name, "--cpus", strconv.Itoa(cpus), "--memory", "4GiB",
			"--attr", "Pool=true", "--log-level", "debug")
	}
}

// victims are the processes that are that program now, apart from those of guests, and
// from newcomers, whose agents have nobody who starts them again once they are cut off.
func (h *house) victims(of failpoint.Program) ([]rig.Proc, error) {
	all, err := h.rig.Below()
	if err != nil {
		return nil, err
	}
	guests, lines := map[int]bool{}, map[int][]string{}
	if p := h.get("ovirtsim"); p != nil {
		guests[p.PID] = true
	}
	var out []rig.Proc
	for _, p := range all { // parents come first
		if guests[p.Parent] {
			guests[p.PID] = true
		}
		lines[p.PID] = p.Args
		unborn := slices.Equal(lines[p.Parent], p.Args) // a child that is not yet what it will be: a runner's is a job
		if guests[p.PID] || p.Zombie || unborn || programOf(&p) != of || slices.ContainsFunc(p.Args, isNewcomer) {
			continue
		}
		out = append(out, p)
	}
	return out, nil
}

func isNewcomer(arg string) bool { return strings.HasPrefix(arg, newcomerName) }

// programOf tells what a process is by its command line.
func programOf(p *rig.Proc) failpoint.Program {
	second := ""
	if len(p.Args) > 1 {
		second = p.Args[1]
	}
	switch name := p.Command(); {
	case name == "gschedd" && strings.HasPrefix(second, "--"):
		return failpoint.Schedd
	case second == desk.Arg:
		return failpoint.Desk
	case second == script.Arg:
		return failpoint.Keeper
	case name == "gworker" && second == "runner":
		return failpoint.Runner
	case name == "gworker":
		return failpoint.Agent
	case name == "ovirt_gahp":
		return failpoint.GAHP
	}
	return ""
}

// arm makes the next process that comes by the point die there.
func (h *house) arm(p failpoint.Point) error {
	f, err := os.Create(filepath.Join(h.armed, p.Name))
	if err != nil {
		return err
	}
	return f.Close()
}

// armedNow reports whether nobody has died at the point yet.
func (h *house) armedNow(name string) bool {
	_, err := os.Lstat(filepath.Join(h.armed, name))
	return err == nil
}

// disarm takes back what nobody has died at.
func (h *house) disarm() error {
	names, err := os.ReadDir(h.armed)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := os.Remove(filepath.Join(h.armed, n.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// disarmOne takes one back.
func (h *house) disarmOne(name string) error {
	if err := os.Remove(filepath.Join(h.armed, name)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil // somebody has died there just now
}

// passed counts, by point, the processes that came by and those that died there.
func (h *house) passed() (hit, killed map[string]int, err error) {
	hit, killed = map[string]int{}, map[string]int{}
	b, err := os.ReadFile(h.hits)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for line := range strings.Lines(string(b)) {
		name, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch what {
		case "hit":
			hit[name]++
		case "killed":
			killed[name]++
		}
	}
	return hit, killed, nil
}
