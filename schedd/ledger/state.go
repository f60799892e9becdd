package ledger

import (
	"bytes"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// encodeState is the part of a view that no bucket has.
func (v *View) encodeState() *enc {
	e := newEnc(128)
	e.u(v.Index)
	e.i(v.At)
	e.u(v.Term)
	e.str(v.Deployment)
	e.u(v.Marked)
	e.u(v.Checkpoint)
	e.str(v.CheckpointName)
	e.u(uint64(v.counters.Cluster))
	e.u(uint64(v.counters.Owner))
	e.u(uint64(v.counters.Template))
	e.u(uint64(v.counters.Worker))
	e.u(uint64(v.counters.Stage))
	e.u(uint64(v.counters.Claim))
	e.u(uint64(v.counters.Token))
	e.u(uint64(v.counters.Dag))
	for _, sum := range v.sums[:firstLater] {
		e.u(sum)
	}
	n := len(v.sums)
	for n > int(firstLater) && v.sums[n-1] == 0 {
		n--
	}
	if later := v.sums[firstLater:n]; v.rules != 0 || len(later) > 0 {
		e.u(uint64(v.rules))
		for _, sum := range later {
			e.u(sum)
		}
	}
	return e
}

func (v *View) decodeState(b []byte) error {
	if b == nil {
		return nil
	}
	body, err := unseal(kState, b)
	if err != nil {
		return err
	}
	d := dec{b: body}
	v.Index, v.At, v.Term, v.Deployment = d.u(), d.i(), d.u(), d.str()
	v.Marked, v.Checkpoint, v.CheckpointName = d.u(), d.u(), d.str()
	v.counters = counters{Cluster: d.id(), Owner: d.u32(), Template: d.u32(), Worker: d.u32(), Stage: d.u32(), Claim: d.u32(), Token: d.u32(), Dag: d.u32()}
	for i := range firstLater {
		v.sums[i] = d.u()
	}
	if d.more() { // since there are rules
		v.rules = d.u32()
	}
	for i := int(firstLater); i < len(v.sums) && d.more(); i++ { // those that are not there were empty
		v.sums[i] = d.u()
	}
	return d.err()
}

// Damage is a record that could not be read. It stays on disk as it is; the daemon
// runs without it.
type Damage struct {
	Bucket string
	Key    []byte
	Err    error
}

func (d Damage) String() string { return fmt.Sprintf("%s %x: %v", d.Bucket, d.Key, d.Err) }

// loadView builds the view from the buckets.
func loadView(tx *bolt.Tx) (v *View, damage []Damage, err error) {
	v = &View{}
	if err := v.decodeState(tx.Bucket(bMeta).Get(kState)); err != nil {
		return nil, nil, errorAt("the ledger's state record", err)
	}
	if k, _ := tx.Bucket(bLog).Cursor().First(); k != nil {
		v.LogFirst = be64(k)
	}
	l := loader{tx: tx, v: v, ed: new(editor)}
	l.each(bOwner, l.owner)
	l.each(bWorker, l.worker)
	l.each(bCluster, l.cluster)
	l.each(bFactory, l.factory)
	l.each(bJob, l.job)
	l.each(bLeft, l.left)
	l.each(bClaim, l.claim)
	l.each(bDag, l.dag)
	l.each(bNode, l.node)
	l.each(bCron, l.cron)
	l.each(bTimetable, l.timetable)
	l.each(bRemoval, l.removal)
	l.each(bSteer, l.steering)
	l.each(bRouting, l.routing)
	l.each(bThrottle, l.throttle)
	l.each(bGang, l.gang)
	l.tally()
	return v, l.damage, nil
}

type loader struct {
	tx     *bolt.Tx
	v      *View
	ed     *editor
	damage []Damage
}

func (l *loader) each(b bucket, load func(k, v []byte) error) {
	var sum uint64
	before := len(l.damage)
	in := l.tx.Bucket(stateBuckets[b])
	if in == nil {
		return // in a file that is older than this bucket, and only read
	}
	c := in.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		sum += weight(v)
		if err := load(k, v); err != nil {
			l.damage = append(l.damage, Damage{b.String(), append([]byte(nil), k...), err})
		}
	}
	if sum != l.v.sums[b] && len(l.damage) == before {
		l.damage = append(l.damage, Damage{Bucket: b.String(), Err: errMissing})
	}
}

var errMissing = errors.New("records are missing or doubled")

func (l *loader) owner(k, v []byte) error {
	body, err := unseal(k, v)
	if err != nil {
		return err
	}
	d := dec{b: body}
	o := d.owner()
	if err := d.err(); err != nil {
		return err
	}
	l.v.owners.set(l.ed, be32(k), o)
	if l.v.ownerOf == nil {
		l.v.ownerOf = map[uint32]uint32{}
	}
	l.v.ownerOf[o.UID] = be32(k)
	return nil
}

func (l *loader) worker(k, v []byte) error {
	w, err := decodeWorker(k, v)
	if err != nil {
		return err
	}
	l.v.workers.set(l.ed, be32(k), w)
	if l.v.workerOf == nil {
		l.v.workerOf = map[string]uint32{}
	}
	l.v.workerOf[w.Name] = be32(k)
	return nil
}

func (l *loader) claim(k, v []byte) error {
	c, err := decodeClaim(k, v)
	if err != nil {
		return err
	}
	l.v.claims.set(l.ed, be32(k), c)
	return nil
}

func (l *loader) dag(k, v []byte) error {
	g, err := decodeDag(k, v)
	if err != nil {
		return err
	}
	l.v.dags.set(l.ed, be32(k), g)
	return nil
}

func (l *loader) node(k, v []byte) error {
	if l.v.dags.at(be32(k)) == nil {
		return nil // of a run that has ended
	}
	n, err := decodeNode(k, v)
	if err != nil {
		return err
	}
	l.v.nodes.set(l.ed, be32(k), be32(k[4:]), n)
	return nil
}

func (l *loader) cron(k, v []byte) error {
	body, err := unseal(k, v)
	if err != nil {
		return err
	}
	d := dec{b: body}
	at := d.i()
	if err := d.err(); err != nil {
		return err
	}
	l.v.crons = with(l.v.crons, string(k), at)
	return nil
}

func (l *loader) timetable(k, v []byte) error {
	if bytes.IndexByte(k, 0) >= 0 {
		return nil // an occurrence, which stays on disk
	}
	c, err := decodeTimetable(k, v)
	if err != nil {
		return err
	}
	l.v.timetables = with(l.v.timetables, string(k), &c)
	return nil
}

func (l *loader) cluster(k, v []byte) error {
	c, err := decodeCluster(k, v)
	if err != nil {
		return err
	}
	l.v.clusters.set(l.ed, be32(k), c)
	return nil
}

func (l *loader) factory(k, v []byte) error {
	f, err := decodeFactory(k, v)
	if err != nil {
		return err
	}
	if l.v.clusters.at(be32(k)) == nil {
		return noCluster(be32(k))
	}
	l.v.factories.set(l.ed, be32(k), f)
	return nil
}

func noCluster(id uint32) error { return fmt.Errorf("belongs to cluster %d, which is not there", id) }

func (l *loader) steering(k, v []byte) error {
	s, err := decodeSteering(k, v)
	if err == nil {
		l.v.steered = with(l.v.steered, string(k), s)
	}
	return err
}

func (l *loader) throttle(k, v []byte) error {
	t, err := decodeThrottle(k, v)
	if err == nil {
		l.v.throttles = with(l.v.throttles, string(k), t)
	}
	return err
}

func (l *loader) routing(k, v []byte) error {
	r, err := decodeRouting(k, v)
	if err != nil {
		return err
	}
	l.v.routings.set(l.ed, be32(k), be32(k[4:]), r)
	return nil
}

// gang reads the head of a gang, and then its nodes: so they are sorted.
func (l *loader) gang(k, v []byte) error {
	cluster, proc := be32(k), be32(k[4:])
	if len(k) == 8 {
		g, err := decodeGang(k, v)
		if err == nil {
			l.v.gangs.set(l.ed, cluster, proc, g)
		}
		return err
	}
	n, err := decodeGangNode(k, v)
	if err != nil {
		return err
	}
	g, _ := l.v.gangs.get(cluster, proc)
	if g == nil || len(k) != 12 || int(be32(k[8:])) >= len(g.Nodes) {
		return errMalformed
	}
	g.Nodes[be32(k[8:])] = n // nobody else has it yet
	return nil
}

func (l *loader) removal(k, v []byte) error {
	r, err := decodeRemoval(k, v)
	if err == nil {
		l.v.removals = append(l.v.removals, r)
	}
	return err
}

// procs are those of a cluster that loaded; a record of another is kept from view.
func (l *loader) procs(cluster uint32) (*procs, error) {
	if l.v.clusters.at(cluster) == nil {
		return nil, noCluster(cluster)
	}
	p, _ := l.v.procs.get(cluster)
	if p == nil {
		p = p.own(l.ed)
		l.v.procs.set(l.ed, cluster, p)
	}
	return p, nil
}

func (l *loader) job(k, v []byte) error {
	body, err := unseal(k, v)
	if err != nil {
		return err
	}
	d := dec{b: body}
	j := d.jobRec()
	if err := d.err(); err != nil {
		return err
	}
	p, err := l.procs(be32(k))
	if err != nil {
		return err
	}
	p.recs.set(l.ed, be32(k[4:]), j)
	return nil
}

func (l *loader) left(k, v []byte) error {
	body, err := unseal(k, v)
	if err != nil {
		return err
	}
	var page leftPage
	if len(body) != 8*len(page) {
		return errMalformed
	}
	for i := range page {
		page[i] = be64(body[8*i:])
	}
	p, err := l.procs(be32(k))
	if err != nil {
		return err
	}
	p.left.set(l.ed, be32(k[4:]), page)
	return nil
}

// tally counts what was loaded.
func (l *loader) tally() {
	var all Tally
	owners := map[uint32]*Tally{}
	for id, f := range l.v.factories.from(0) {
		counted := *f
		if p, _ := l.v.procs.get(id); p != nil {
			for _, j := range p.recs.from(0) {
				if waits(j.Status) {
					counted.Waiting++
				}
			}
		}
		l.v.factories.set(l.ed, id, counted)
	}
	for id, c := range l.v.clusters.from(0) {
		if l.v.leaves(int32(id), c) {
			continue
		}
		o := owners[c.Owner]
		if o == nil {
			o = new(Tally)
			owners[c.Owner] = o
		}
		n := c.Untouched()
		all[c.Base.Status] += n
		o[c.Base.Status] += n
		if p, _ := l.v.procs.get(id); p != nil {
			for _, j := range p.recs.from(0) {
				all[j.Status]++
				o[j.Status]++
			}
		}
	}
	l.v.tallies.set(l.ed, 0, all)
	for id, t := range owners {
		l.v.tallies.set(l.ed, id, *t)
	}
}
