package dag

import (
	"math/bits"
	"slices"

	"gridburst/internal/grid"
)

// next is the first place of a set from at on that waits, -1 when there is none.
func next(set []uint64, at int) int {
	w := at / 64
	if w >= len(set) {
		return -1
	}
	word := set[w] >> (at % 64) << (at % 64)
	for word == 0 {
		if w++; w == len(set) {
			return -1
		}
		word = set[w]
	}
	return w*64 + bits.TrailingZeros64(word)
}

// admit begins what waits, as much as the limits allow: jobs, PRE scripts, POST scripts.
// The nodes are those of the run's queues and those that came to wait in this step,
// which are not in them yet.
func (s *step) admit() {
	if s.head.Status != RunRunning && s.head.Status != RunFinishing {
		return
	}
	type front struct {
		queue int32
		want  want
		at    int
	}
	var fronts []front
	for q := range s.ready {
		for w, set := range s.ready[q].sets {
			if !s.shut(int32(q), want(w)) {
				if at := next(set, 0); at >= 0 {
					fronts = append(fronts, front{int32(q), want(w), at})
				}
			}
		}
	}
	for {
		slices.SortFunc(s.fresh, s.order)
		fresh := slices.Compact(s.fresh)
		s.fresh = nil
		for {
			for len(fresh) > 0 && s.shut(s.place[fresh[0]].queue, s.wanted(fresh[0])) {
				fresh = fresh[1:]
			}
			best, from := int32(-1), -1
			if len(fresh) > 0 {
				best = fresh[0]
			}
			for k := range fronts {
				f := &fronts[k]
				q := &s.ready[f.queue]
				for f.at >= 0 && s.wanted(q.nodes[f.at]) != f.want {
					f.at = next(q.sets[f.want], f.at+1)
				}
				if f.at < 0 || s.shut(f.queue, f.want) {
					continue
				}
				if i := q.nodes[f.at]; best < 0 || s.order(i, best) < 0 {
					best, from = i, k
				}
			}
			if best < 0 {
				break
			}
			if from < 0 {
				fresh = fresh[1:]
			}
			s.ask(best)
		}
		if len(s.fresh) == 0 {
			return
		}
	}
}

// wanted is what node i waits for.
func (s *step) wanted(i int32) want {
	n := s.get(i)
	return s.wants(i, &n.Record)
}

// shut reports whether nothing of that kind may be begun now in a queue.
func (s *step) shut(queue int32, w want) bool {
	if w == wantNothing {
		return true
	}
	c := &s.count
	switch w {
	case wantPre:
		if c.scripts[w] >= atMost(s.head.MaxPre) {
			return true
		}
	case wantPost:
		if c.scripts[w] >= atMost(s.head.MaxPost) {
			return true
		}
	case wantJob:
		if c.asked >= MaxAsked {
			return true
		}
	}
	if s.head.Status == RunFinishing {
		return queue != s.queueOf(FinalNode)
	}
	switch {
	case s.head.Halt == Paused:
		return true
	case w == wantPost:
		return false
	case s.head.Halt == Halted:
		return true
	case s.unsupplied():
		return queue != s.queueOf(ProvisionerNode)
	case queue == s.queueOf(ServiceNode):
		return false
	case queue > s.queueOf(ServiceNode):
		return !s.served(s.ready[queue].nodes[0])
	case c.unserved > 0:
		return true
	}
	if w == wantPre && queue != s.queueOf(FinalNode) {
		return false // as in DAGMan, limits are about jobs: a node is ready for its own with its PRE script behind it
	}
	limit := s.ready[queue].limit
	return queue == s.queueOf(FinalNode) ||
		s.head.MaxJobs > 0 && c.active >= s.head.MaxJobs ||
		limit > 0 && c.used[queue] >= limit ||
		s.head.MaxIdle > 0 && s.idle+s.since+s.asks >= s.head.MaxIdle
}

// atMost is how many scripts of a kind may run.
func atMost(limit int32) int32 {
	if limit <= 0 {
		return MaxScripts
	}
	return limit
}

// unsupplied reports whether the run's provisioner has yet to bring up what it needs.
func (s *step) unsupplied() bool {
	if s.first < 0 || s.head.Supply >= SupplyComplete {
		return false
	}
	n := s.get(s.first)
	return n.Attempt > 0 || n.State != grid.NodeDone
}

// ask begins what node i waits for.
func (s *step) ask(i int32) {
	n := s.get(i)
	w := s.wants(i, &n.Record)
	if n.State == grid.NodeReady {
		n.Attempt++
		n.Cluster, n.Procs, n.Left, n.Bad, n.Exit, n.Pre, n.Try, n.Script, n.Progress = 0, 0, 0, 0, 0, 0, 0, ScriptNone, ProgressNone
		s.save(i, &n)
	}
	switch w {
	case wantJob:
		if s.Graph.Nodes[i].Noop {
			s.put(i, n)
			s.jobEnded(i, "")
			return
		}
		n.Asked = true
		s.asks++
		s.put(i, n)
		s.act(s.submission(i, &n))
	case wantPre:
		if n.State == grid.NodeReady {
			n.on(grid.NodeRunPre)
		}
		s.runScript(i, n)
	case wantPost:
		s.runScript(i, n)
	}
}

// save asks for the save point of a node that begins for the first time.
func (s *step) save(i int32, n *node) {
	if n.Attempt == 1 && s.Graph.Nodes[i].SaveFile != "" {
		s.act(Save{i})
	}
}

// submission is how the job of node i comes into being.
func (s *step) submission(i int32, n *node) Action {
	if s.Graph.Nodes[i].Subdag {
		return StartRun{i, n.Attempt}
	}
	return Submit{i, n.Attempt}
}

func (s *step) runScript(i int32, n node) {
	n.Script = ScriptRuns
	s.put(i, n)
	s.act(RunScript{i, n.Attempt, n.State, n.Try})
}
