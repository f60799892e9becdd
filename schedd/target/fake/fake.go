// Package fake is a target in this process that runs scripts, and goes wrong as a test says:
// it refuses, loses answers, forgets, lies, and answers twice.
package fake

import (
	"context"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"gridburst/internal/grid"
	"gridburst/schedd/target"
)

// Fault is something that goes wrong with one call.
type Fault uint8

// Faults.
const (
	Down       Fault = 1 // the call is not heard
	LostBefore Fault = 2 // the answer is unknown, and nothing was done
	LostAfter  Fault = 3 // the answer is unknown, and it was done
	Refuses    Fault = 4 // it is refused
	Twice      Fault = 5 // of a submit: two jobs are made of it, and the second's id is told
	Lies       Fault = 6 // of a submit: it is refused in words, and done; of a listing: it shows nothing; of an order: it is taken, and not done
	Half       Fault = 7 // of a submit: the answer is unknown, and the job is there without its files
	Cut        Fault = 8 // of a fetch: half of it comes
	Full       Fault = 9 // there is no room: of a submit, the job is there without its files; of a fetch, nothing comes
)

// Operations, by the methods that they go through.
const (
	Submit  = "submit"
	List    = "list"
	Look    = "look"
	Hold    = "hold"
	Release = "release"
	Remove  = "remove"
	Forget  = "forget"
	Begin   = "begin"
	Fetch   = "fetch"
)

// Target is one. The zero value starts nothing by itself.
type Target struct {
	Slots int  // jobs that run at one time; 0: none starts but by [Target.Start]
	Paper bool // jobs only have states: no script is run

	spool string // of a [Spool]: where its machine has its files

	mu     sync.Mutex
	jobs   []*job
	next   int
	faults map[string][]Fault
	asked  map[string]int
	wg     sync.WaitGroup
}

type job struct {
	target.Job
	seen    target.Seen
	command *exec.Cmd
	cancel  bool
	secret  bool // neither listed nor known
}

var _ target.Target = (*Target)(nil)

// Inject lets the next calls of an operation go wrong, one after the other.
func (f *Target) Inject(op string, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults == nil {
		f.faults = map[string][]Fault{}
	}
	f.faults[op] = append(f.faults[op], faults...)
}

// Heal ends all faults that have not happened.
func (f *Target) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
}

// Asked is how often an operation was called.
func (f *Target) Asked(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[op]
}

// Jobs are those that were ever taken in, the first first, as they are.
func (f *Target) Jobs() (all []target.Seen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		all = append(all, j.seen)
	}
	return all
}

// Lose makes the target forget a job, by its id, which goes on if it runs.
func (f *Target) Lose(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.find(id); j != nil {
		j.secret = true
	}
}

// Set makes a job's state another, as an administrator of the target does.
func (f *Target) Set(id string, s target.State, e target.End, word string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.find(id); j != nil {
		j.seen.State, j.seen.End, j.seen.Word = s, e, word
		if s == target.Ended {
			j.stop()
		}
	}
	f.schedule()
}

// Start starts a job that waits.
func (f *Target) Start(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.find(id); j != nil && j.seen.State == target.Waiting {
		f.start(j)
	}
}

// Close ends what runs, and waits for that.
func (f *Target) Close() {
	f.mu.Lock()
	f.Slots = 0
	for _, j := range f.jobs {
		j.stop()
	}
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *Target) find(id string) *job {
	if i := slices.IndexFunc(f.jobs, func(j *job) bool { return j.seen.ID == id }); i >= 0 {
		return f.jobs[i]
	}
	return nil
}

// known is a job that the target tells of.
func (f *Target) known(id string) *job {
	if j := f.find(id); j != nil && !j.secret {
		return j
	}
	return nil
}

// goes takes the next fault of an operation. done is false when the call is to have no
// effect.
func (f *Target) goes(op string) (fault Fault, done bool, err error) {
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[op]++
	if len(f.faults[op]) > 0 {
		fault, f.faults[op] = f.faults[op][0], f.faults[op][1:]
	}
	switch fault {
	case Down:
		return fault, false, grid.Errorf(grid.Unavailable, "the target is down")
	case LostBefore:
		return fault, false, grid.Errorf(grid.Unknown, "the target did not answer")
	case LostAfter, Half:
		return fault, true, grid.Errorf(grid.Unknown, "the target did not answer")
	case Full:
		return fault, true, grid.Errorf(grid.NoSpace, "there is no room for its files")
	case Refuses:
		return fault, false, grid.Errorf(grid.Refused, "the target does not want that")
	}
	return fault, true, nil
}

// Submit implements [target.Target].
func (f *Target) Submit(_ context.Context, j target.Job) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, done, err := f.goes(Submit)
	if !done {
		return "", err
	}
	if fault == Lies {
		err = grid.Errorf(grid.Refused, "the target does not want that")
	}
	id := f.take(j, fault == Half || fault == Full)
	if fault == Twice {
		id = f.take(j, false)
	}
	f.schedule()
	if err != nil {
		return "", err
	}
	return id, nil
}

func (f *Target) take(j target.Job, half bool) string {
	f.next++
	id := strconv.Itoa(f.next)
	n := &job{Job: j, seen: target.Seen{Name: j.Name, ID: id, Owner: j.Owner.Name, State: target.Waiting, Word: "pending"}}
	f.jobs = append(f.jobs, n)
	if f.spool != "" {
		f.receive(n, half)
	}
	return id
}

// schedule starts jobs for which there is room.
func (f *Target) schedule() {
	running := 0
	for _, j := range f.jobs {
		if j.seen.State == target.Running {
			running++
		}
	}
	for _, j := range f.jobs {
		if running >= f.Slots {
			return
		}
		if j.seen.State == target.Waiting && j.seen.Wants == target.WantsNothing {
			f.start(j)
			running++
		}
	}
}

func (f *Target) start(j *job) {
	j.seen.State, j.seen.Word, j.seen.Host = target.Running, "running", "fake-node"
	j.seen.Starts++
	if f.Paper {
		return
	}
	cmd := exec.Command(j.Script)
	cmd.Dir = j.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	j.command = cmd
	if err := cmd.Start(); err != nil {
		j.command = nil
		j.seen.State, j.seen.End, j.seen.Word = target.Ended, target.Lost, "cannot be started: "+err.Error()
		return
	}
	f.wg.Go(func() {
		err := cmd.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if j.seen.State != target.Ended && j.command == cmd {
			j.seen.State, j.seen.Word = target.Ended, "completed"
			if err != nil {
				j.seen.Word = "failed"
			}
			if j.cancel {
				j.seen.End, j.seen.Word = target.Cancelled, "cancelled"
			}
		}
		f.schedule()
	})
}

// stop ends a job that runs.
func (j *job) stop() {
	if j.command != nil {
		syscall.Kill(-j.command.Process.Pid, syscall.SIGKILL)
	}
}

// List implements [target.Target].
func (f *Target) List(_ context.Context, prefix string, owners []target.Owner) (all []target.Seen, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, _, err := f.goes(List)
	if err != nil {
		return nil, grid.Errorf(grid.Unavailable, "%w", err)
	}
	if fault == Lies {
		return nil, nil
	}
	for _, j := range f.jobs {
		if !j.secret && strings.HasPrefix(j.Name, prefix) && slices.ContainsFunc(owners, func(o target.Owner) bool { return o.UID == j.Owner.UID }) {
			all = append(all, j.seen)
		}
	}
	return all, nil
}

// Look implements [target.Target].
func (f *Target) Look(_ context.Context, r target.Ref) (target.Seen, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, _, err := f.goes(Look); err != nil {
		return target.Seen{}, err
	}
	j := f.known(r.ID)
	if j == nil {
		return target.Seen{}, grid.Errorf(grid.NotFound, "there is no job %s", r.ID)
	}
	return j.seen, nil
}

// order is what orders have in common.
func (f *Target) order(op string, r target.Ref, do func(*job) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, done, err := f.goes(op)
	if !done || fault == Lies {
		return err
	}
	j := f.known(r.ID)
	if j == nil {
		return grid.Errorf(grid.NotFound, "there is no job %s", r.ID)
	}
	if failed := do(j); failed != nil {
		return failed
	}
	f.schedule()
	return err
}

// Hold implements [target.Target].
func (f *Target) Hold(_ context.Context, r target.Ref) error {
	return f.order(Hold, r, func(j *job) error {
		if j.seen.State != target.Waiting && j.seen.State != target.Held {
			return grid.Errorf(grid.Refused, "job %s is %s: only one that waits can be held", r.ID, j.seen.State)
		}
		j.seen.State, j.seen.Word = target.Held, "pending (held)"
		return nil
	})
}

// Release implements [target.Target].
func (f *Target) Release(_ context.Context, r target.Ref) error {
	return f.order(Release, r, func(j *job) error {
		if j.seen.State == target.Held {
			j.seen.State, j.seen.Word = target.Waiting, "pending"
		}
		return nil
	})
}

// Remove implements [target.Target].
func (f *Target) Remove(_ context.Context, r target.Ref) error {
	return f.order(Remove, r, func(j *job) error {
		switch j.seen.State {
		case target.Ended:
		case target.Running:
			if j.command == nil {
				j.seen.State, j.seen.End, j.seen.Word = target.Ended, target.Cancelled, "cancelled"
			}
			j.cancel = true
			j.stop()
		default:
			j.seen.State, j.seen.End, j.seen.Word = target.Ended, target.Cancelled, "cancelled"
		}
		return nil
	})
}

// Forget implements [target.Target].
func (f *Target) Forget(_ context.Context, r target.Ref) error {
	err := f.order(Forget, r, func(j *job) error {
		j.secret = j.seen.State == target.Ended
		return nil
	})
	if grid.CodeOf(err) == grid.NotFound {
		return nil
	}
	return err
}

// Recall makes a job be there again in a state that is past, as after a target's restore.
func (f *Target) Recall(id string, s target.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.find(id); j != nil {
		j.seen.State, j.seen.End, j.seen.Word, j.command, j.secret = s, 0, "recalled", nil, false
	}
}

// Taken are the jobs that were ever taken in, the first first, as they were handed in.
func (f *Target) Taken() (all []target.Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		all = append(all, j.Job)
	}
	return all
}
