package ovirtsim

import (
	"net/http"
	"slices"
	"time"
)

// job is work that an order has set off, as the engine's task list has it. It is not
// kept: a restart of the engine ends what it was doing.
type job struct {
	id, description, correlation, by string
	started, ended                   time.Time
	pending                          func() bool // nil: it is over
}

// jobsFor is how long a job is shown after it has ended.
const jobsFor = 10 * time.Minute

// job writes down what c has set off, until pending (nil: at once) says no. s.mu is held.
func (c *call) job(description string, pending func() bool) {
	s := c.s
	now := s.clock.Now()
	s.settleJobs()
	j := &job{id: newID(), description: description, correlation: c.correlation, by: c.user, started: now, pending: pending}
	if pending == nil {
		j.ended = now
	}
	c.work = j
	s.jobs = append(s.jobs, j)
}

// settleJobs sees which jobs are over, and forgets those that long are. s.mu is held.
func (s *Sim) settleJobs() {
	now := s.clock.Now()
	s.jobs = slices.DeleteFunc(s.jobs, func(j *job) bool {
		if j.pending != nil && !j.pending() {
			j.pending, j.ended = nil, now
		}
		return j.pending == nil && now.Sub(j.ended) > jobsFor
	})
}

func (j *job) status() string {
	if j.pending != nil {
		return "started"
	}
	return "finished"
}

func (c *call) listJobs() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleJobs()
	return show(c, "job", s.jobs, []string{"correlation_id"},
		func(j *job) fields { return fields{"id": j.id, "correlation_id": j.correlation} },
		func(j *job) *node {
			n := object("job", at("jobs", j.id), j.id, []string{"clear", "end"}, []*node{tx("description", j.description)}, []string{"steps"},
				yes("auto_cleared", true), yes("external", false), when("last_updated", s.clock.Now()),
				when("start_time", j.started), tx("status", j.status()))
			n.addIf(j.pending == nil, when("end_time", j.ended))
			return n.add(ref("owner", "users", idOf("user", j.by)))
		})
}

// listSteps shows a job's steps: each has one, which is all of it.
func (c *call) listSteps() *reply {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleJobs()
	i := slices.IndexFunc(s.jobs, func(j *job) bool { return j.id == c.id })
	if i < 0 {
		return &reply{status: http.StatusNotFound}
	}
	j := s.jobs[i]
	id := idOf("step", j.id)
	n := object("step", at("jobs", j.id)+"/steps/"+id, id, []string{"end"}, []*node{tx("description", j.description)}, []string{"statistics"},
		yes("external", false), num("number", 0), when("start_time", j.started), tx("status", j.status()), tx("type", "executing"))
	n.addIf(j.pending == nil, when("end_time", j.ended))
	return xmlReply(http.StatusOK, el("steps", n.add(ref("job", "jobs", j.id))))
}

// complete says that an order is carried out, and where its work can be watched.
func (c *call) complete() *reply {
	n := el("action")
	n.addIf(c.work != nil, c.workRef())
	return xmlReply(http.StatusOK, n.add(tx("status", "complete")))
}

func (c *call) workRef() *node {
	if c.work == nil {
		return el("job")
	}
	return ref("job", "jobs", c.work.id)
}

// made says that a thing was made, or is being made.
func (c *call) made(where string, n *node, making bool) *reply {
	status := http.StatusCreated
	if making {
		status = http.StatusAccepted
	}
	out := xmlReply(status, n)
	out.header["Location"] = "https://" + c.r.Host + where
	return out
}
