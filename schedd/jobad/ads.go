package jobad

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
)

// Ads makes job ads. It is safe for many goroutines; the ads that it gives belong
// to the caller, and what they are chained to to nobody.
type Ads struct {
	Machine *ledger.Machine
	Domain  string // of users: User is "owner@Domain"
	Name    string // of the schedd, in GlobalJobId

	Exprs ad.Cache // expression texts that were parsed

	mu        sync.Mutex
	templates map[uint32]*template
	items     map[int32][]chunk // of the clusters asked for last
}

// keepTemplates bounds the templates kept decoded: at 5 KB each, some 20 MB.
const keepTemplates = 4_000

// keepItems bounds the clusters whose item rows are kept decoded.
const keepItems = 8

// template is what the ads of many clusters begin with. It does not change.
type template struct {
	base     *ad.Ad
	sections []submit.Section
	logs     bool // it may give its jobs an event log
}

type chunk struct {
	section, first int
	rows           [][]string
}

// Session makes ads from one reading of the ledger: quicker for many.
type Session struct {
	ads *Ads
	r   *ledger.Reader
	v   *ledger.View
}

// Read calls f with a session. f must not wait for anybody.
func (a *Ads) Read(v *ledger.View, f func(*Session) error) error {
	return a.Machine.Read(func(r *ledger.Reader) error { return f(&Session{a, r, v}) })
}

// Job is the whole ad of a job in the queue, with its chain of ads below;
// [grid.NotFound] when it is not there.
func (a *Ads) Job(v *ledger.View, id grid.JobID) (out *ad.Ad, err error) {
	err = a.Read(v, func(s *Session) error {
		out, err = s.Job(id)
		return err
	})
	return out, err
}

// Job is as [Ads.Job].
func (s *Session) Job(id grid.JobID) (*ad.Ad, error) {
	out := ad.New(48)
	if err := s.JobInto(out, id); err != nil {
		return nil, err
	}
	return out, nil
}

// JobInto is Job into an ad that loses what it held.
func (s *Session) JobInto(out *ad.Ad, id grid.JobID) error {
	c, ok := s.v.Cluster(id.Cluster)
	j, there := s.v.Job(id)
	if !ok || !there {
		return grid.Errorf(grid.NotFound, "job %s is not in the queue", id)
	}
	return s.live(out, id, &c, &j)
}

// live makes the ad of a job that is not in the history.
func (s *Session) live(out *ad.Ad, id grid.JobID, c *ledger.Cluster, j *ledger.Job) error {
	later, err := s.r.Attrs(s.v, id)
	if err != nil {
		return grid.Errorf(grid.Internal, "attributes of job %s: %w", id, err)
	}
	return s.make(out, id, c, j, later)
}

// Any is the ad of a job, in the queue or in the history.
func (s *Session) Any(id grid.JobID) (*ad.Ad, error) {
	if _, ok := s.v.Job(id); ok {
		return s.Job(id)
	}
	if j, ok := s.v.LeavingJob(id); ok {
		c, _ := s.v.Leaving(id.Cluster)
		out := ad.New(48)
		if err := s.live(out, id, &c, &j); err != nil {
			return nil, err
		}
		return out, nil
	}
	p, ok, err := s.r.Past(id)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "job %s in the history: %w", id, err)
	}
	if !ok {
		return nil, grid.Errorf(grid.NotFound, "job %s is neither in the queue nor in the history", id)
	}
	return s.Past(&p, id.Proc)
}

// Cluster is the record of a cluster, in the queue or out of it; [grid.NotFound] when
// there is none.
func (s *Session) Cluster(id int32) (ledger.Cluster, error) {
	if c, ok := s.v.Cluster(id); ok {
		return c, nil
	}
	if c, ok := s.v.Leaving(id); ok {
		return c, nil
	}
	c, ok, err := s.r.PastCluster(id)
	if err == nil && !ok {
		err = grid.Errorf(grid.NotFound, "cluster %d is neither in the queue nor in the history", id)
	}
	return c, err
}

// Original is the ad of a job, made or not, with its attributes as they were submitted.
func (s *Session) Original(id grid.JobID, c *ledger.Cluster) (*ad.Ad, error) {
	out := ad.New(48)
	return out, s.make(out, id, c, &c.Base, nil)
}

// ItemsOf is how many items the jobs of a cluster with one section have been made from.
func (s *Session) ItemsOf(c *ledger.Cluster) (int64, error) {
	if !c.HasItems {
		return 0, nil
	}
	t, err := s.template(c.Template)
	if err != nil || len(t.sections) != 1 {
		return 0, err
	}
	each := max(t.sections[0].PerItem, 1)
	return int64((int(c.Procs) + each - 1) / each), nil
}

// Leaving yields jobs that are on their way to the history as they will be there, the
// highest proc first.
func (s *Session) Leaving(r grid.Run) iter.Seq[ledger.Past] {
	return func(yield func(ledger.Past) bool) {
		c, _ := s.v.Leaving(r.Cluster)
		at := s.v.LeftAt(r.Cluster, &c)
		for proc := min(r.Hi, c.Procs) - 1; proc >= r.Lo; proc-- {
			id := grid.JobID{Cluster: r.Cluster, Proc: proc}
			j, ok := s.v.LeavingJob(id)
			if !ok {
				continue
			}
			j.Last, j.Status = j.Status, grid.Removed
			later, err := s.r.Attrs(s.v, id)
			if err != nil {
				continue // damage is found and told by the checks
			}
			if !yield(ledger.Past{Run: grid.OneJob(id), Job: j, Left: at, Attrs: later}) {
				return
			}
		}
	}
}

// InHistory reports whether a job is in the history by now: the view may be older.
func (s *Session) InHistory(id grid.JobID) bool {
	_, ok, err := s.r.Past(id)
	return ok && err == nil
}

// Instances is as [ledger.Reader.Instances].
func (s *Session) Instances(before grid.JobID, epoch uint32) iter.Seq2[ledger.Instance, error] {
	return s.r.Instances(before, epoch)
}

// Instance is the ad that a job had when an execution of it had ended.
func (s *Session) Instance(i *ledger.Instance) (*ad.Ad, error) {
	c, err := s.Cluster(i.Job.Cluster)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "the cluster of job %s cannot be read: %w", i.Job, err)
	}
	out := ad.New(48)
	if err := s.make(out, i.Job, &c, &i.Rec, i.Attrs); err != nil {
		return nil, err
	}
	out.SetInt("CompletionDate", completion(&i.Rec))
	out.SetString("EpochAdType", "EPOCH")
	out.SetInt("RunInstanceID", int64(i.Epoch))
	out.SetInt("EpochWriteDate", i.Ended/1000)
	before, known := ledger.Instance{}, i.Epoch == 1
	if !known {
		if before, known, err = s.r.Instance(i.Job, i.Epoch-1); err != nil {
			return nil, err
		}
	}
	if known {
		out.SetInt("LastRemoteWallClockTime", int64(i.Rec.Wall-before.Rec.Wall))
	}
	return out, nil
}

// History is as [ledger.Reader.History].
func (s *Session) History(q ledger.PastQuery) iter.Seq2[ledger.Past, error] {
	return s.r.History(q)
}

// PastByID is as [ledger.Reader.PastByID].
func (s *Session) PastByID(before uint64) iter.Seq2[ledger.Past, error] {
	return s.r.PastByID(before)
}

// LogBegins is when the first entry was made that the ledger's log still has, in ms since
// 1970.
func (s *Session) LogBegins() (at int64, err error) {
	for e, err := range s.r.Entries(s.v.LogFirst, 0) {
		return e.At, err
	}
	return s.v.At, nil
}

// Later are the attributes that were set after the submit, of a job in the queue.
func (s *Session) Later(id grid.JobID) ([]ledger.Attr, error) { return s.r.Attrs(s.v, id) }

// Past is the ad that a job had when it left the queue.
func (s *Session) Past(p *ledger.Past, proc int32) (*ad.Ad, error) {
	id := grid.JobID{Cluster: p.Run.Cluster, Proc: proc}
	c, err := s.Cluster(id.Cluster)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "the cluster of job %s cannot be read: %w", id, err)
	}
	out := ad.New(48)
	if err := s.make(out, id, &c, &p.Job, p.Attrs); err != nil {
		return nil, err
	}
	out.SetInt("CompletionDate", completion(&p.Job))
	return out, nil
}

func completion(j *ledger.Job) int64 {
	if j.Status == grid.Completed {
		return j.EnteredSec()
	}
	return 0
}

func (s *Session) make(out *ad.Ad, id grid.JobID, c *ledger.Cluster, j *ledger.Job, later []ledger.Attr) error {
	t, err := s.template(c.Template)
	if err != nil {
		return err
	}
	out.Reset()
	out.Chain(t.base)
	if err := s.own(out, t, id, c); err != nil {
		return grid.Errorf(grid.Internal, "the ad of job %s: %w", id, err)
	}
	for _, at := range later {
		e, err := s.ads.Exprs.Parse(at.Expr)
		if err != nil {
			return grid.Errorf(grid.Internal, "attribute %s of job %s: %w", at.Name, id, err)
		}
		out.SetExpr(at.Name, e)
	}
	owner, _ := s.v.Owner(c.Owner)
	s.ads.record(out, id, c, j, owner)
	return nil
}

// own adds what is the cluster's, the section's and the proc's.
func (s *Session) own(out *ad.Ad, t *template, id grid.JobID, c *ledger.Cluster) error {
	blob, err := s.r.Own(id.Cluster)
	if err != nil {
		return err
	}
	p := open(blob)
	if err := submit.Load(out, p.blob(), &s.ads.Exprs, nil); err != nil {
		return err
	}
	index := int(id.Proc)
	for i := range t.sections {
		sec := &t.sections[i]
		items, attrs := int(p.uvarint()), p.blob()
		if err := p.err("cluster " + fmt.Sprint(id.Cluster)); err != nil {
			return err
		}
		n := sec.PerItem * max(items, 1)
		if index >= n {
			index -= n
			continue
		}
		for _, at := range sec.Attrs {
			e, err := s.ads.Exprs.Parse(at.Expr)
			if err != nil {
				return err
			}
			out.SetExpr(at.Name, e)
		}
		if err := submit.Load(out, attrs, &s.ads.Exprs, nil); err != nil {
			return err
		}
		return s.columns(out, sec, i, index, id, items)
	}
	return fmt.Errorf("proc %d is beyond what was submitted", id.Proc)
}

func (s *Session) columns(out *ad.Ad, sec *submit.Section, number, index int, id grid.JobID, items int) error {
	if len(sec.Columns) == 0 {
		return nil
	}
	var row []string
	if items > 0 {
		var err error
		if row, err = s.row(id.Cluster, number, index/sec.PerItem); err != nil {
			return err
		}
	}
	attrs, err := sec.Expand(id, index, row)
	if err != nil {
		return err
	}
	for _, at := range attrs {
		// Most are as many as there are jobs: not worth a place in the cache.
		if err := out.Set(at.Name, at.Expr); err != nil {
			return err
		}
	}
	return nil
}

// row finds one item.
func (s *Session) row(cluster int32, section, item int) ([]string, error) {
	chunks, err := s.chunks(cluster)
	if err != nil {
		return nil, err
	}
	for _, c := range chunks {
		if c.section == section && item >= c.first && item < c.first+len(c.rows) {
			return c.rows[item-c.first], nil
		}
	}
	return nil, fmt.Errorf("item %d of section %d is missing", item, section)
}

func (s *Session) chunks(cluster int32) ([]chunk, error) {
	s.ads.mu.Lock()
	chunks, ok := s.ads.items[cluster]
	s.ads.mu.Unlock()
	if ok {
		return chunks, nil
	}
	for blob, err := range s.r.Items(cluster) {
		if err != nil {
			return nil, err
		}
		p := open(blob)
		c := chunk{section: int(p.uvarint()), first: int(p.uvarint())}
		if err := p.err("item data"); err != nil {
			return nil, err
		}
		if c.rows, err = submit.DecodeItems(p.b); err != nil {
			return nil, err
		}
		chunks = append(chunks, c)
	}
	s.ads.mu.Lock()
	defer s.ads.mu.Unlock()
	if len(s.ads.items) >= keepItems {
		s.ads.items = nil
	}
	if s.ads.items == nil {
		s.ads.items = map[int32][]chunk{}
	}
	s.ads.items[cluster] = chunks
	return chunks, nil
}

func (s *Session) template(id uint32) (*template, error) {
	s.ads.mu.Lock()
	t := s.ads.templates[id]
	s.ads.mu.Unlock()
	if t != nil {
		return t, nil
	}
	blob, err := s.r.Template(id)
	if err != nil {
		return nil, err
	}
	t, err = decodeTemplate(blob, &s.ads.Exprs)
	if err != nil {
		return nil, grid.Errorf(grid.Internal, "template %d: %w", id, err)
	}
	s.ads.mu.Lock()
	defer s.ads.mu.Unlock()
	if len(s.ads.templates) >= keepTemplates {
		s.ads.templates = nil
	}
	if s.ads.templates == nil {
		s.ads.templates = map[uint32]*template{}
	}
	s.ads.templates[id] = t
	return t, nil
}

// Shared says what the ads of all clusters with that template have in common: the
// shared attributes, and the names of those that differ from proc to proc or between
// sections.
func (s *Session) Shared(templateID uint32) (base *ad.Ad, differing []string, err error) {
	t, err := s.template(templateID)
	if err != nil {
		return nil, nil, err
	}
	base = t.base
	for i := range t.sections {
		for _, c := range t.sections[i].Columns {
			differing = append(differing, c.Attr)
		}
		if len(t.sections) == 1 { // all procs are of it
			base = ad.New(len(t.sections[i].Attrs))
			base.Chain(t.base)
		}
		for _, a := range t.sections[i].Attrs {
			if len(t.sections) > 1 {
				differing = append(differing, a.Name)
				continue
			}
			e, err := s.ads.Exprs.Parse(a.Expr)
			if err != nil {
				return nil, nil, grid.Errorf(grid.Internal, "attribute %s of template %d: %w", a.Name, templateID, err)
			}
			base.SetExpr(a.Name, e)
		}
	}
	return base, differing, nil
}

// BatchName is the batch name of a cluster's jobs; empty when they have none, or one
// that must be evaluated.
func (s *Session) BatchName(c *ledger.Cluster) (string, error) {
	t, err := s.template(c.Template)
	if err != nil {
		return "", err
	}
	for i := range t.sections {
		if expr, ok := submit.Find(t.sections[i].Attrs, "JobBatchName"); ok {
			name, _ := ad.Unquote(expr)
			return name, nil
		}
	}
	return t.base.Text("JobBatchName"), nil
}

// SetName is the name of the job set that a cluster belongs to; empty when it is in none.
func (s *Session) SetName(c *ledger.Cluster) (string, error) {
	t, err := s.template(c.Template)
	if err != nil {
		return "", err
	}
	return t.base.Text(submit.SetAttr), nil
}

// Notifies reports whether jobs of a cluster may ask for mail (JobNotification).
func (s *Session) Notifies(cluster int32) (bool, error) {
	c, err := s.Cluster(cluster)
	if err != nil {
		return false, err
	}
	t, err := s.template(c.Template)
	if err != nil {
		return false, err
	}
	for i := range t.sections {
		if _, ok := submit.Find(t.sections[i].Attrs, "JobNotification"); ok {
			return true, nil
		}
	}
	return t.base.Int("JobNotification", 0) != 0, nil
}

// Logs reports whether jobs of a cluster may have an event log; it costs less than one
// of their ads.
func (s *Session) Logs(id int32, c *ledger.Cluster) (bool, error) {
	t, err := s.template(c.Template)
	if err != nil || t.logs {
		return true, err
	}
	blob, err := s.r.Own(id)
	if err != nil {
		return true, err
	}
	own := ad.New(1)
	p := open(blob)
	for i := -1; i < len(t.sections); i++ {
		if i >= 0 {
			p.uvarint() // its items
		}
		if err := submit.Load(own, p.blob(), &s.ads.Exprs, isLog); err != nil {
			return true, err
		}
	}
	return own.Has("UserLog") || own.Has("DAGManNodesLog"), p.err("cluster " + fmt.Sprint(id))
}

func isLog(name string) bool {
	return strings.EqualFold(name, "UserLog") || strings.EqualFold(name, "DAGManNodesLog")
}

// baseline is what every job's ad rests on.
var baseline = sync.OnceValues(func() (*ad.Ad, error) {
	base := ad.New(len(submit.Baseline()))
	for _, at := range submit.Baseline() {
		if err := base.Set(at.Name, at.Expr); err != nil {
			return nil, err
		}
	}
	return base, nil
})

func decodeTemplate(blob []byte, exprs *ad.Cache) (*template, error) {
	base, err := baseline()
	if err != nil {
		return nil, err
	}
	p := open(blob)
	t := &template{base: ad.New(24)}
	t.base.Chain(base)
	if err := submit.Load(t.base, p.blob(), exprs, nil); err != nil {
		return nil, err
	}
	n := p.uvarint()
	if n > submit.MaxSections {
		p.bad = true
	}
	for range n {
		b := p.blob()
		if p.bad {
			break
		}
		sec, err := submit.DecodeSection(b)
		if err != nil {
			return nil, err
		}
		t.sections = append(t.sections, sec)
		t.logs = t.logs || slices.ContainsFunc(sec.Attrs, func(a submit.Attr) bool { return isLog(a.Name) }) ||
			slices.ContainsFunc(sec.Columns, func(c submit.Column) bool { return isLog(c.Attr) })
	}
	t.logs = t.logs || t.base.Has("UserLog") || t.base.Has("DAGManNodesLog")
	return t, p.err("a template")
}
