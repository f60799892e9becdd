package demo

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/schedd/api"
)

// story is what the schedd's events tell, from the first one on.
type story struct {
	mu      sync.Mutex
	changed chan struct{} // closed when there is more
	jobs    map[string]*job
	claims  map[uint32]*claim
	workers map[string]bool
	dags    map[uint32]string // the status of each run
	heard   uint64            // the last event's index
}

// job is one as its events tell it.
type job struct {
	id        string
	runs      []span // its executions
	completed []time.Time
	left      bool
	held      string // why, while it is
}

// span is a time in one state or place.
type span struct {
	what     string
	from, to time.Time // to is zero while it lasts
}

// claim is a machine.
type claim struct {
	id     uint32
	kind   string // overflow, made or borrowed; "" until it was asked for
	name   string
	states []span
}

func (c *claim) state() string {
	if len(c.states) == 0 {
		return ""
	}
	return c.states[len(c.states)-1].what
}

// was reports whether the claim has been in a state.
func (c *claim) was(state string) bool {
	return slices.ContainsFunc(c.states, func(s span) bool { return s.what == state })
}

func (c *claim) closed() bool { return c.state() == "gone" || c.state() == "failed" }

func newStory() *story {
	return &story{changed: make(chan struct{}), jobs: map[string]*job{}, claims: map[uint32]*claim{}, workers: map[string]bool{}, dags: map[uint32]string{}}
}

// follow takes in events until ctx ends. The client connects again by itself when the
// schedd was away. tell is told of what a person would want to hear.
func (s *story) follow(ctx context.Context, c *api.Client, tell func(format string, args ...any)) error {
	for e, err := range c.Events(ctx, 0) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if e.Type == "claim_moved" && s.nameless(e.ID) {
			s.name(ctx, c)
		}
		if line := s.hear(&e); line != "" {
			tell("%s", line)
		}
	}
	return nil
}

// nameless reports whether a claim's name has to be asked for.
func (s *story) nameless(id uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims[id] == nil || s.claims[id].name == ""
}

// name asks for the claims' names. When nobody answers, the next event asks again.
func (s *story) name(ctx context.Context, c *api.Client) {
	all, err := c.Claims(ctx, true)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range all.Claims {
		known := s.claim(all.Claims[i].ID)
		known.kind, known.name = all.Claims[i].Kind, all.Claims[i].Name
	}
}

func (s *story) claim(id uint32) *claim {
	if s.claims[id] == nil {
		s.claims[id] = &claim{id: id}
	}
	return s.claims[id]
}

func (s *story) job(id string) *job {
	if s.jobs[id] == nil {
		s.jobs[id] = &job{id: id}
	}
	return s.jobs[id]
}

// hear takes in one event, and says what a person would want to hear of it.
func (s *story) hear(e *api.Event) (line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake()
	s.heard = max(s.heard, e.Index)
	at := time.UnixMilli(e.Time)
	switch e.Type {
	case "worker_seen":
		s.workers[e.Text] = true
	case "dag_moved":
		s.dags[e.ID] = e.To
		return "workflow is " + e.To
	case "claim_moved":
		c := s.claim(e.ID)
		if n := len(c.states); n > 0 {
			c.states[n-1].to = at
		}
		c.states = append(c.states, span{what: e.To, from: at})
		return c.title() + " is " + e.To + because(e.Text)
	}
	if !strings.HasPrefix(e.Type, "job_") || e.Jobs == "" {
		return ""
	}
	j := s.job(e.Jobs)
	switch e.Type {
	case "job_started":
		j.runs = append(j.runs, span{what: machineOf(e.Text), from: at})
	case "job_completed":
		j.completed = append(j.completed, at)
		j.end(at)
		return "job " + j.id + " is completed" + j.on()
	case "job_requeued":
		j.end(at)
		return "job " + j.id + " goes back to the queue" + because(e.Text)
	case "job_held":
		j.end(at)
		j.held = cmp.Or(e.Text, "no reason was given")
		return "job " + j.id + " is held" + because(e.Text)
	case "job_released":
		j.held = ""
	case "job_left":
		j.left, j.held = true, ""
		j.end(at)
	}
	return ""
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func (c *claim) title() string { return cmp.Or(c.name, "a machine") }

// end ends the execution that goes on.
func (j *job) end(at time.Time) {
	if n := len(j.runs); n > 0 && j.runs[n-1].to.IsZero() {
		j.runs[n-1].to = at
	}
}

func (j *job) on() string {
	if len(j.runs) == 0 || j.runs[len(j.runs)-1].what == "" {
		return ""
	}
	return " on " + j.runs[len(j.runs)-1].what
}

// machineOf is the machine of a slot's name.
func machineOf(slot string) string {
	if _, machine, ok := strings.Cut(slot, "@"); ok {
		return machine
	}
	return slot
}

func (s *story) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// until waits for something to be true of the story. cond is called with the lock held.
func (s *story) until(ctx context.Context, cond func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := cond(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// counts are how many jobs are in which way now.
type counts struct{ jobs, completed, running, waiting, held int }

func (s *story) counts() (n counts) {
	for _, j := range s.jobs {
		n.jobs++
		switch {
		case len(j.completed) > 0:
			n.completed++
		case j.held != "":
			n.held++
		case len(j.runs) > 0 && j.runs[len(j.runs)-1].to.IsZero():
			n.running++
		case !j.left:
			n.waiting++
		}
	}
	return n
}

// machines are the claims, the oldest first.
func (s *story) machines() []*claim {
	out := make([]*claim, 0, len(s.claims))
	for _, c := range s.claims {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *claim) int { return cmp.Compare(a.id, b.id) })
	return out
}

// running are the executions that go on, by machine.
func (s *story) running() map[string]int {
	out := map[string]int{}
	for _, j := range s.jobs {
		if n := len(j.runs); n > 0 && j.runs[n-1].to.IsZero() {
			out[j.runs[n-1].what]++
		}
	}
	return out
}
