package schedd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// byUser names a person as a proposer.
func byUser(uid uint32) string { return "user:" + strconv.FormatUint(uint64(uid), 10) }

// Submit implements [serve.Backend].
func (d *Daemon) Submit(ctx context.Context, who serve.Identity, s api.Submission) (out api.Submitted, err error) {
	if len(s.Specs) == 0 {
		return out, grid.Errorf(grid.Invalid, "a submission without jobs")
	}
	if d.personal() && who.UID != d.self {
		return out, grid.Errorf(grid.Forbidden, "this schedd runs as user %d and cannot act for %s: hand the jobs to the machine's schedd", d.self, who.Name)
	}
	if len(s.Key) > ledger.MaxKey-8 {
		return out, grid.Errorf(grid.Invalid, "the idempotency key has %d bytes: at most %d", len(s.Key), ledger.MaxKey-8)
	}
	// All are looked at before any is taken.
	procs := 0
	for i := range s.Specs {
		if err := d.admit(&s.Specs[i]); err != nil {
			return out, err
		}
		if b, _ := boundsOf(&s.Specs[i]); b == nil { // else they come when there is room
			procs += s.Specs[i].Len()
		}
		warnings, err := d.require(who.Name, &s.Specs[i])
		if err != nil {
			return out, err
		}
		out.Warnings = append(out.Warnings, warnings...)
		warning, err := d.checkTimes(&s.Specs[i])
		if err != nil {
			return out, err
		}
		if warning != "" {
			out.Warnings = append(out.Warnings, warning)
		}
	}
	leave := func(int) {}
	if !d.knows(byUser(who.UID), s.Key) {
		if err := d.intake.pace(who.UID, time.Now()); err != nil {
			return out, err
		}
		leave, err = d.intake.room(who.UID, procs)
		if err != nil {
			return out, err
		}
		defer func() { leave(procs) }() // those that were not taken
	}
	failpoint.Hit("submit.admitted")
	// Then all are on their way together, in their order.
	var taken []offered
	for i := range s.Specs {
		key := s.Key
		if key != "" && i > 0 {
			key += "/" + strconv.Itoa(i)
		}
		o, offerErr := d.offer(ctx, submission{
			spec: &s.Specs[i], key: key, by: byUser(who.UID), owner: ledger.Owner{Name: who.Name, UID: who.UID, GID: who.GID}, wait: true,
			taken: func(n int) { leave(n); procs -= n },
		})
		if err = offerErr; err != nil {
			break
		}
		taken = append(taken, o)
	}
	for i := range taken {
		done, warning, settleErr := d.settle(ctx, &taken[i])
		if settleErr != nil {
			return out, settleErr
		}
		out.Clusters = append(out.Clusters, api.Cluster{Cluster: done.Cluster, Procs: done.Procs})
		if warning != "" {
			out.Warnings = append(out.Warnings, warning)
		}
		if i < len(s.Specs)-1 {
			failpoint.Hit("submit.some")
		}
	}
	return out, err
}

// knows reports whether a submission of that key has been taken: asked for again, it is
// answered and costs nothing.
func (d *Daemon) knows(by, key string) (known bool) {
	if key == "" {
		return false
	}
	err := d.ledger.Read(func(r *ledger.Reader) error {
		known = r.HasKey(by, key)
		return nil
	})
	return known && err == nil
}

// admit refuses a spec that the queue cannot take.
func (d *Daemon) admit(s *submit.Spec) error {
	s.Sort()
	if err := s.Check(&d.ads.Exprs); err != nil {
		return err
	}
	if n := s.Len(); n > d.config().MaxProcs {
		return grid.Errorf(grid.TooLarge, "a submission of %d jobs: at most %d (limits { max_procs })", n, d.config().MaxProcs)
	}
	if _, err := boundsOf(s); err != nil {
		return err
	}
	if err := submit.CheckSet(s); err != nil {
		return err
	}
	if n, most := len(s.Attrs), d.config().MaxAttributes; n > most {
		return grid.Errorf(grid.TooLarge, "jobs with %d attributes: at most %d (limits { max_attributes })", n, most)
	}
	if universe, _ := submit.Find(s.Attrs, "JobUniverse"); universe == strconv.Itoa(int(grid.Local)) && len(d.c.LocalWorker) == 0 {
		return grid.Errorf(grid.Refused, "this schedd runs no jobs of the local universe")
	}
	if came, ok := submit.Find(s.Attrs, grid.PathAttr); ok {
		path, _ := ad.Unquote(came)
		if v := d.ledger.View(); slices.Contains(strings.Fields(path), v.Deployment) {
			return grid.Errorf(grid.Refused, "the job has been at this Gridburst before: it came by %s, and this is %s", strings.Join(strings.Fields(path), ", then "), v.Deployment)
		}
	}
	return nil
}

// submission is one spec on its way into the queue.
type submission struct {
	spec  *submit.Spec
	key   string
	by    string
	owner ledger.Owner
	wait  bool            // for the event log
	taken func(procs int) // is told when they are in the view; nil: nobody
	dag   uint32
	node  int32
	try   uint32
}

// submit proposes one cluster. The warning says what is wrong with its event log.
func (d *Daemon) submit(ctx context.Context, s submission) (done ledger.Submitted, warning string, err error) {
	o, err := d.offer(ctx, s)
	if err != nil {
		return done, "", err
	}
	return d.settle(ctx, &o)
}

// offered is a submission that has its place in the ledger's log.
type offered struct {
	submission
	command  ledger.Command
	template []byte
	pending  ledger.Pending
}

// offer begins to submit one cluster.
func (d *Daemon) offer(ctx context.Context, s submission) (o offered, err error) {
	st := jobad.Encode(s.spec)
	bounds, err := boundsOf(s.spec)
	if err != nil {
		return o, err
	}
	c := &ledger.Submit{
		Owner: s.owner, Template: st.Template, Hash: st.Hash, Own: st.Own, Items: st.Items, Procs: st.Procs,
		Universe: universeOf(s.spec), Prio: prioOf(s.spec), Held: held(s.spec), Dag: s.dag, Node: s.node, Attempt: s.try,
		Bounds: bounds,
	}
	if c.Stage, err = d.stage(ctx, s.by, c); err != nil {
		return o, err
	}
	if c.Stage != 0 {
		failpoint.Hit("submit.staged")
	}
	o = offered{submission: s, command: ledger.Command{Key: s.key, By: s.by, At: d.now(), Body: c}, template: c.Template}
	if d.knownTemplate(c.Hash) {
		c.Template = nil
	}
	o.pending, err = d.ledger.Offer(ctx, o.command)
	return o, err
}

// settle waits until a submission is durable, and its log has its first event.
func (d *Daemon) settle(ctx context.Context, o *offered) (done ledger.Submitted, warning string, err error) {
	r, err := d.ledger.Await(ctx, o.pending)
	if c := o.command.Body.(*ledger.Submit); grid.CodeOf(err) == grid.Conflict && c.Template == nil {
		whole := *c
		whole.Template = o.template // it was known a moment ago
		o.command.Body = &whole
		r, err = d.ledger.Propose(ctx, o.command)
	}
	if err != nil {
		return done, "", err
	}
	done = r.Value.(ledger.Submitted)
	if o.taken != nil && o.command.Body.(*ledger.Submit).Bounds == nil {
		o.taken(int(done.Procs))
	}
	failpoint.Hit("submit.durable")
	path, _ := submit.Find(o.spec.Attrs, "UserLog")
	if o.wait && (path != "" || columnOf(o.spec, "UserLog")) {
		path, _ = ad.Unquote(path)
		limited, cancel := context.WithTimeout(ctx, d.config().LogWait)
		defer cancel()
		if w := d.logs.wait(limited, o.owner.UID, r.Index, path); w != "" {
			warning = fmt.Sprintf("the jobs are in the queue, but their log %s cannot be written: %s", path, w)
		}
	}
	failpoint.Hit("submit.logged")
	return done, warning, nil
}

// stage puts item data aside that does not fit the submit's own entry.
func (d *Daemon) stage(ctx context.Context, by string, c *ledger.Submit) (uint32, error) {
	size := len(c.Template) + len(c.Own)
	for _, p := range c.Items {
		size += len(p)
	}
	if size < ledger.MaxEntry-4096 {
		return 0, nil
	}
	chunks := c.Items
	c.Items = nil
	return d.stageChunks(ctx, by, chunks)
}

// stageChunks puts chunks aside for a later command.
func (d *Daemon) stageChunks(ctx context.Context, by string, chunks [][]byte) (uint32, error) {
	r, err := d.ledger.Propose(ctx, ledger.Command{By: by, At: d.now(), Body: &ledger.Stage{}})
	if err != nil {
		return 0, err
	}
	stage := r.Value.(uint32)
	failpoint.Hit("stage.begun")
	for i, p := range chunks {
		if _, err := d.ledger.Propose(ctx, ledger.Command{By: by, At: d.now(), Body: &ledger.Stage{Stage: stage, Seq: uint32(i), Data: p}}); err != nil {
			return 0, err
		}
		failpoint.Hit("stage.some")
	}
	return stage, nil
}

func (d *Daemon) knownTemplate(hash [16]byte) (known bool) {
	err := d.ledger.Read(func(r *ledger.Reader) error {
		known = r.HasTemplate(hash)
		return nil
	})
	return known && err == nil
}

func universeOf(s *submit.Spec) grid.Universe {
	u, _ := submit.Find(s.Attrs, "JobUniverse")
	n, _ := strconv.Atoi(u)
	return grid.Universe(n)
}

func prioOf(s *submit.Spec) int32 {
	p, _ := submit.Find(s.Attrs, "JobPrio")
	n, _ := strconv.ParseInt(p, 10, 32)
	return int32(n)
}

func held(s *submit.Spec) bool {
	for i := range s.Sections {
		if s.Sections[i].Hold {
			return true
		}
	}
	return false
}

func columnOf(s *submit.Spec, attr string) bool {
	for i := range s.Sections {
		if _, ok := submit.Find(s.Sections[i].Attrs, attr); ok {
			return true
		}
		for _, c := range s.Sections[i].Columns {
			if c.Attr == attr {
				return true
			}
		}
	}
	return false
}

// instant is now, for expressions.
func instant() ad.Instant { return ad.At(time.Now()) }
