package replay

import (
	"time"

	"gridburst/internal/replay/trace"
)

// recorder follows what happens, and measures.
type recorder struct {
	never int // tasks that no machine could run

	need  need
	ready int // machines that serve and are not being let go
	idle  int

	starts, unused, again int
	bootTime, idleTime    time.Duration // of all machines
	lostTime              time.Duration // of machines that never served
	billed                []time.Duration
	money                 float64
	lastStop              []time.Duration // by shape
	peak, over            int

	waits []time.Duration
	slow  float64 // sum of bounded slowdowns
	work  time.Duration
	done  time.Duration // when the last task ended

	elastic elastic
	points  []Point
}

// need is how many machines jobs that run or wait would fill.
type need struct {
	cpus  int64 // of those that share machines
	nodes int64 // whole machines of others
	size  int64
}

func (n *need) machines() int { return int(n.nodes + (n.cpus+n.size-1)/n.size) }

// Point is how demand and supply are from a time on.
type Point struct {
	At             time.Duration
	Demand, Supply int // machines
}

func (r *recorder) begin(w *world) {
	r.need.size = w.widest
	r.billed = make([]time.Duration, len(w.set.Shapes))
	r.lastStop = make([]time.Duration, len(w.set.Shapes))
	for i := range r.lastStop {
		r.lastStop[i] = -1 << 40
	}
}

// pass lets time go by.
func (r *recorder) pass(w *world, to time.Duration) {
	d := to - w.now
	if d <= 0 {
		return
	}
	demand := r.need.machines()
	r.elastic.pass(w.now, to, demand, r.ready)
	if n := len(r.points); n == 0 || r.points[n-1].Demand != demand || r.points[n-1].Supply != r.ready {
		r.points = append(r.points, Point{w.now, demand, r.ready})
	}
	r.idleTime += d * time.Duration(r.idle)
}

// demand takes in tasks that came, or one that ended.
func (r *recorder) demand(w *world, j *trace.Job, n int) {
	if n < 0 {
		r.done = w.now
	}
	if nodes := nodesOf(j.Cpus, w.widest); nodes > 1 {
		r.need.nodes += int64(nodes * n)
	} else {
		r.need.cpus += j.Cpus * int64(n)
	}
}

func (r *recorder) asked(w *world, v *vm) {
	r.starts++
	open := 0
	for _, o := range w.vms {
		if o.shape == v.shape {
			open++
		}
	}
	r.peak = max(r.peak, len(w.vms))
	r.over = max(r.over, open-w.set.Shapes[v.shape].Max)
	if v.asked-r.lastStop[v.shape] < w.set.Shapes[v.shape].Boot {
		r.again++
	}
}

func (r *recorder) joined(w *world, v *vm) {
	r.ready++
	r.idle++
	r.bootTime += w.now - v.asked
}

func (r *recorder) works() { r.idle-- }

func (r *recorder) rests() { r.idle++ }

// stopped: a machine is stopped that has nothing to do.
func (r *recorder) stopped(w *world, v *vm) {
	r.lastStop[v.shape] = w.now
	if v.state == booting {
		r.lostTime += max(w.now-v.asked, 0)
	} else {
		r.ready--
		r.idle--
	}
	if v.ran == 0 {
		r.unused++
	}
}

func (r *recorder) left(w *world, v *vm) {
	b := max(w.now-v.asked, 0)
	r.billed[v.shape] += b
	s := &w.set.Shapes[v.shape]
	if s.Period > 0 {
		b = (b + s.Period - 1) / s.Period * s.Period
	}
	r.money += s.Price * b.Hours()
}

func (r *recorder) started(w *world, t *task) {
	d := t.start - t.ready
	r.waits = append(r.waits, d)
	run := max(w.trace.Jobs[t.job].Run, time.Millisecond)
	r.slow += max(1, float64(d+run)/float64(max(run, 10*time.Second)))
	r.work += run * time.Duration(w.trace.Jobs[t.job].Cpus)
}

func (r *recorder) finish(w *world) {
	r.points = append(r.points, Point{w.now, 0, 0})
}
