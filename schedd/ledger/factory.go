package ledger

import (
	"iter"

	"gridburst/internal/grid"
)

// Factory makes the jobs of a cluster little by little: they do not exist before. Its
// cluster's Base is the pattern of those to come, and each that is made has a record of
// its own. Cluster.Procs is how many have been made.
type Factory struct {
	Jobs    int32 // that it makes in all
	Limit   int32 // at most so many of them are in the queue at a time
	MaxIdle int32 // at most so many of them are idle or held at a time
	Waiting int32 // so many are idle or held now; counted, not stored
	Paused  bool
	Stopped bool // it makes no more: its cluster was removed
}

// Coming is how many jobs of c the factory has yet to make.
func (f *Factory) Coming(c *Cluster) int32 {
	if f.Stopped {
		return 0
	}
	return f.Jobs - c.Procs
}

// Room is how many jobs of c the factory may make now.
func (f *Factory) Room(c *Cluster) int32 {
	if f.Paused {
		return 0
	}
	return max(min(f.Coming(c), f.Limit-c.Live, f.MaxIdle-f.Waiting), 0)
}

// waits reports whether a job counts against a factory's MaxIdle.
func waits(s grid.Status) bool { return s == grid.Idle || s == grid.Held }

func (f *Factory) encode() *enc {
	e := newEnc(32)
	e.u(uint64(f.Jobs))
	e.u(uint64(f.Limit))
	e.u(uint64(f.MaxIdle))
	e.bool(f.Paused)
	e.bool(f.Stopped)
	return e
}

func decodeFactory(k, v []byte) (f Factory, err error) {
	body, err := unseal(k, v)
	if err != nil {
		return f, err
	}
	d := dec{b: body}
	f = Factory{Jobs: d.id(), Limit: d.id(), MaxIdle: d.id(), Paused: d.bool(), Stopped: d.bool()}
	return f, d.err()
}

// Factory is that of a cluster in the queue, if it has one.
func (v *View) Factory(cluster int32) (Factory, bool) {
	if _, ok := v.Cluster(cluster); !ok {
		return Factory{}, false
	}
	return v.factories.get(uint32(cluster))
}

// Factories yields those of clusters in the queue by ascending cluster, also those that
// have made all.
func (v *View) Factories() iter.Seq2[int32, *Factory] {
	return func(yield func(int32, *Factory) bool) {
		for id, f := range v.factories.from(0) {
			if _, ok := v.Cluster(int32(id)); ok && !yield(int32(id), f) {
				return
			}
		}
	}
}

// coming is how many jobs of a cluster are still to be made.
func (v *View) coming(id int32, c *Cluster) int32 {
	if f := v.factories.at(uint32(id)); f != nil {
		return f.Coming(c)
	}
	return 0
}

// Bounds are those of a factory; -1: as it is.
type Bounds struct{ Limit, MaxIdle int32 }

// bounds come last in a command, if there are any.
func (e *enc) bounds(b *Bounds) {
	if b != nil {
		e.i(int64(b.Limit))
		e.i(int64(b.MaxIdle))
	}
}

func (d *dec) bounds() *Bounds {
	if !d.more() {
		return nil
	}
	return &Bounds{Limit: d.i32(), MaxIdle: d.i32()}
}

// Materialize makes jobs of a factory: those from From up to, and without, To. The result
// is how many, an int32.
type Materialize struct {
	Cluster int32
	From    int32 // how many had been made when it was proposed
	To      int32
}

// MaxMaterialize is the most jobs that one [Materialize] makes: its entry has an event for
// all of them, and a record for each.
const MaxMaterialize = 1000

func (*Materialize) Kind() Kind { return KindMaterialize }
func (c *Materialize) encode(e *enc) {
	e.u(uint64(c.Cluster))
	e.u(uint64(c.From))
	e.u(uint64(c.To))
}
func (c *Materialize) decode(d *dec) { *c = Materialize{Cluster: d.id(), From: d.id(), To: d.id()} }
