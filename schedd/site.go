package schedd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
	"gridburst/schedd/target"
)

// site is a target, and what its listings show of our jobs. One listing is made for all
// of them: often while something happens there, later and later while nothing does.
type site struct {
	grid string // as a grid_resource names it
	*reached
	d     *Daemon
	leave func()        // ends its listings
	slots chan struct{} // its commands at one time
	desks chan struct{} // and what desks prepare for it
	woken chan struct{}

	moving chan struct{} // jobs whose files travel at one time

	mu        sync.Mutex
	way       TargetWay
	era       int         // grows when it has become another system
	last      siteListing // the last complete one
	err       error       // of the last listing; nil: it was complete
	failed    int         // listings in a row
	quiet     int         // listings in a row that showed nothing new
	stir      time.Time   // when something was last done there
	absent    map[string]time.Time
	back      time.Time // when it last came to answer again
	past      []target.Owner
	strays    map[string]time.Time // by id: jobs of ours that no routing stands for, since when
	forgotten map[string]bool      // by id: such ones that are over, and that it was to forget
	named     string               // the deployment that it is, of a Gridburst that has said so
	asked     time.Time            // when it was last asked for that
}

// gridburst is a target that is another Gridburst.
type gridburst interface {
	// Deployment is which one.
	Deployment(ctx context.Context) (string, error)
}

// siteListing is a complete one.
type siteListing struct {
	era          int // of the site
	began, ended time.Time
	by           map[string]target.Seen   // by name; of several of one name, the one to look at
	more         map[string][]target.Seen // all of those names of which there are several
}

// The pace of listings: between two there is siteSoon at least, four times as long as the
// last one took, and more while nothing happens, up to siteCalm. A target that does not
// answer is asked again after siteSoon, twice that, and so on up to siteLongest.
const (
	siteSoon    = 500 * time.Millisecond
	siteCalm    = 5 * time.Second
	siteLongest = 30 * time.Second
	siteApart   = time.Second // between two listings that show that a job is not there
	siteSlots   = 8           // commands at one time
	doubts      = 10 * time.Minute
	lingers     = time.Minute
)

// sites are the targets that there are jobs for, by what their jobs call them.
type sites struct {
	d     *Daemon
	watch func(*site) // until it is left
	end   func()

	mu sync.Mutex
	by map[string]*site
}

func newSites(d *Daemon) *sites {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	return &sites{
		d: d, by: map[string]*site{},
		watch: func(s *site) {
			ctx, leave := context.WithCancel(ctx)
			s.leave = leave
			wg.Go(func() { s.run(ctx) })
		},
		end: func() { cancel(); wg.Wait() },
	}
}

// siteKey is a grid_resource with one spelling.
func siteKey(resource string) string {
	f := strings.Fields(resource)
	if len(f) > 0 {
		f[0] = strings.ToLower(f[0])
	}
	if len(f) > 1 && f[0] == "batch" {
		f[1] = strings.ToLower(f[1])
	}
	return strings.Join(f, " ")
}

// at is the target that a grid_resource names.
func (s *sites) at(resource string) (*site, error) {
	key := siteKey(resource)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.by[key]; t != nil {
		return t, nil
	}
	c := s.d.config()
	t, err := c.reach(key, desk.Commands{Desks: s.d.desks})
	if err != nil {
		return nil, err
	}
	out := &site{grid: key, reached: reaches(t), way: c.way(key), d: s.d, slots: make(chan struct{}, siteSlots), desks: make(chan struct{}, siteSlots), moving: make(chan struct{}, siteSlots), woken: make(chan struct{}, 1), absent: map[string]time.Time{}, strays: map[string]time.Time{}, forgotten: map[string]bool{}}
	s.by[key] = out
	s.watch(out)
	return out, nil
}

// peer is whether a grid_resource leads to a Gridburst, and to which; empty: it has not said.
func (s *sites) peer(resource string) (is bool, deployment string) {
	if kind, _, _ := strings.Cut(siteKey(resource), " "); kind != "gridburst" {
		return false, ""
	}
	t, err := s.at(resource)
	if err != nil {
		return true, ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return true, t.named
}

// known are the targets by name.
func (s *sites) known() []*site {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*site
	for _, k := range slices.Sorted(maps.Keys(s.by)) {
		out = append(out, s.by[k])
	}
	return out
}

// slot waits for leave to give the target an order, or a desk one for it. end gives it back.
func slot(ctx context.Context, slots chan struct{}) (end func(), err error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// turn waits for leave to give the target an order, which limited bounds. end gives it back.
func (s *site) turn(ctx context.Context) (limited context.Context, end func(), err error) {
	leave, err := slot(ctx, s.slots)
	if err != nil {
		return nil, nil, err
	}
	limited, cancel := siteContext(ctx)
	return limited, func() {
		cancel()
		leave()
	}, nil
}

// stirs notes that something was done at the target: the next listing is wanted soon.
func (s *site) stirs() {
	s.mu.Lock()
	s.stir, s.quiet = time.Now(), 0
	s.mu.Unlock()
	s.wake()
}

func (s *site) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// siteLook is what came of a look at a job.
type siteLook uint8

const (
	lookNotYet siteLook = iota // no complete listing has begun since then, or only one that does not show it
	lookHere
	lookAbsent // two complete listings, apart in time, do not show it
)

// look is a job by its name as it was at some time after since. Of several, id is the one
// that was taken for it.
func (s *site) look(name, id string, since time.Time) (target.Seen, siteLook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.began.After(since) {
		return target.Seen{}, lookNotYet
	}
	if seen, ok := s.last.by[name]; ok {
		delete(s.absent, name)
		for _, other := range s.last.more[name] {
			if other.ID == id && seen.State != target.Running {
				seen = other
			}
		}
		return seen, lookHere
	}
	first, known := s.absent[name]
	switch {
	case !known || !first.After(since):
		s.absent[name] = s.last.began
		return target.Seen{}, lookNotYet
	case s.last.began.Sub(first) < siteApart:
		return target.Seen{}, lookNotYet
	}
	return target.Seen{}, lookAbsent
}

// doubles are further jobs of a name, beside the one with that id, that have not begun.
func (s *site) doubles(name, id string) (out []target.Seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.last.more[name] {
		if other.ID != id && (other.State == target.Waiting || other.State == target.Held) {
			out = append(out, other)
		}
	}
	return out
}

// doubtful reports whether what the target says of jobs that run may be of before it went
// away: what ended meanwhile it may have missed, and learn of late.
func (s *site) doubtful() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.back) < doubts
}

// missing is when the job was first missing in a row.
func (s *site) missing(name string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.absent[name]
}

func (s *site) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.absent, name)
}

// blind says why nothing is known of the jobs there; nil: they are seen.
func (s *site) blind() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	since := "has not shown its jobs yet"
	if !s.last.began.IsZero() {
		since = "has not shown its jobs since " + s.last.began.Format(time.TimeOnly)
	}
	return fmt.Errorf("%s %s: %w", s.grid, since, s.err)
}

// down reports whether the target does not answer: two listings in a row have failed.
func (s *site) down() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed >= 2
}

// run makes the listings until ctx ends.
func (s *site) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if unnamed := s.name(ctx); unnamed > 0 {
			timer.Reset(unnamed)
		}
		if wait := s.rest(); wait > 0 {
			timer.Reset(wait)
		} else if owners := s.wanted(); len(owners) > 0 {
			s.list(ctx, owners)
			continue
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.woken:
		}
	}
}

// name asks a Gridburst which one it is, and says when to ask again; 0: it has said so.
func (s *site) name(ctx context.Context) time.Duration {
	s.mu.Lock()
	g, is := s.is().(gridburst)
	era, known, rest := s.era, s.named != "", siteCalm-time.Since(s.asked)
	if rest <= 0 {
		s.asked = time.Now()
	}
	s.mu.Unlock()
	switch {
	case !is || known:
		return 0
	case rest > 0:
		return rest
	}
	limited, cancel := siteContext(ctx)
	defer cancel()
	named, err := g.Deployment(limited)
	if err != nil {
		s.d.log.WithError(err).WithField("target", s.grid).Debug("the Gridburst does not say which it is")
		return siteCalm
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.era == era {
		s.named = named
	}
	return 0
}

// rest is how long the target is left alone now.
func (s *site) rest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := s.last.ended.Sub(s.last.began)
	rest := max(siteSoon, 4*took)
	if s.quiet > 4 {
		rest = max(rest, min(siteSoon<<min(s.quiet/4, 10), siteCalm))
	}
	if s.failed > 0 {
		rest = max(rest, min(siteSoon<<min(s.failed, 10), siteLongest))
	}
	return time.Until(s.last.ended.Add(rest))
}

// wanted are those whose jobs are to be listed: those who have any there, and for a while
// those who had when the target went away. What it forgot of an end then, it has again.
func (s *site) wanted() []target.Owner {
	owners := s.owners()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(owners) > 0 {
		s.past = owners
		return owners
	}
	if len(s.strays) > 0 || time.Since(s.back) < lingers {
		return s.past
	}
	return nil
}

// owners are those who have jobs there.
func (s *site) owners() []target.Owner {
	v := s.d.ledger.View()
	has := map[uint32]bool{}
	for _, r := range v.Routings() {
		if !has[r.Owner] && r.Target == s.grid {
			has[r.Owner] = true
		}
	}
	var out []target.Owner
	for _, id := range slices.Sorted(maps.Keys(has)) {
		if o, ok := v.Owner(id); ok {
			out = append(out, target.Owner(o))
		}
	}
	return out
}

// list makes one listing, and tells of its news.
func (s *site) list(ctx context.Context, owners []target.Owner) {
	s.mu.Lock()
	t, n := s.is(), siteListing{era: s.era, began: time.Now(), by: map[string]target.Seen{}, more: map[string][]target.Seen{}}
	s.mu.Unlock()
	all, err := t.List(ctx, ledger.RoutingPrefix(s.d.ledger.View().Deployment), owners)
	if ctx.Err() != nil {
		return
	}
	n.ended = time.Now()
	all = s.genuine(all)
	for _, seen := range all {
		old, twice := n.by[seen.Name]
		if twice {
			if n.more[seen.Name] == nil {
				n.more[seen.Name] = []target.Seen{old}
			}
			n.more[seen.Name] = append(n.more[seen.Name], seen)
		}
		if !twice || livelier(seen, old) {
			n.by[seen.Name] = seen
		}
	}
	down := s.down()
	before, lost, stale := s.take(n, err)
	if stale {
		return
	}
	if lost {
		s.d.log.WithError(err).WithField("target", s.grid).Warn("the target does not show its jobs: nothing is concluded from that")
	}
	turned := s.down() != down
	if err == nil {
		s.sweep(ctx, t, all)
	}
	s.d.routings.shown(s, func(name string) bool {
		was, had := before[name]
		is, has := n.by[name]
		return turned || err == nil && (had != has || was != is)
	})
}

// genuine are the jobs of a listing that have no name of another user's job: names can be
// known, and anybody who may submit there may give his jobs such.
func (s *site) genuine(all []target.Seen) []target.Seen {
	v := s.d.ledger.View()
	owners := map[string]string{}
	for id, r := range v.Routings() {
		o, _ := v.Owner(r.Owner)
		owners[ledger.RoutingName(v.Deployment, id, r.Epoch)] = o.Name
	}
	return slices.DeleteFunc(all, func(seen target.Seen) bool {
		owner, ours := owners[seen.Name]
		return ours && seen.Owner != "" && seen.Owner != owner
	})
}

// sweep takes away jobs of ours that no routing stands for, as a target has them that went back
// in time when it was restored, or killed: those that two listings, apart in time, have shown.
// One that is over it lets the target forget, once: not every target can.
func (s *site) sweep(ctx context.Context, t target.Target, all []target.Seen) {
	v := s.d.ledger.View()
	names := map[string]bool{}
	for id, r := range v.Routings() {
		names[ledger.RoutingName(v.Deployment, id, r.Epoch)] = true
	}
	now := time.Now()
	var away []target.Seen
	s.mu.Lock()
	strays, forgotten := map[string]time.Time{}, map[string]bool{}
	for _, seen := range all {
		if names[seen.Name] {
			continue
		}
		if seen.State == target.Ended && s.forgotten[seen.ID] {
			forgotten[seen.ID] = true
			continue
		}
		since, known := s.strays[seen.ID]
		if !known {
			since = now
		}
		strays[seen.ID] = since
		if known && now.Sub(since) >= siteApart {
			away = append(away, seen)
		}
	}
	s.strays, s.forgotten = strays, forgotten
	s.mu.Unlock()
	for _, seen := range away {
		ref := target.Ref{Owner: target.Owner{Name: "schedd", UID: s.d.self}, Name: seen.Name, ID: seen.ID}
		do := t.Remove
		if seen.State == target.Ended {
			do = t.Forget
		}
		limited, cancel := siteContext(ctx)
		err := do(limited, ref)
		cancel()
		if seen.State == target.Ended && err == nil {
			s.mu.Lock()
			delete(s.strays, seen.ID)
			s.forgotten[seen.ID] = true
			s.mu.Unlock()
			continue
		}
		log := s.d.log.WithFields(map[string]any{"target": s.grid, "remote": seen.ID, "name": seen.Name})
		if err != nil && grid.CodeOf(err) != grid.NotFound {
			log.WithError(err).Warn("a job of ours at a target, of which nobody knows any more, is not removed")
			return // the next listing shows it again
		}
		log.Warn("a job of ours at a target, of which nobody knows any more, was removed")
	}
}

// livelier reports whether of two jobs of one name, of which only one runs the job, a is
// the one to look at.
func livelier(a, b target.Seen) bool {
	rank := func(s target.Seen) int {
		switch s.State {
		case target.Running:
			return 3
		case target.Waiting:
			return 2
		case target.Held:
			return 1
		}
		return 0
	}
	if rank(a) != rank(b) {
		return rank(a) > rank(b)
	}
	return len(a.ID) < len(b.ID) || len(a.ID) == len(b.ID) && a.ID < b.ID
}

// take puts a listing in the last one's place, and gives what that showed. A stale one is of
// another system.
func (s *site) take(n siteListing, err error) (before map[string]target.Seen, lost, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.era != s.era {
		return nil, false, true
	}
	before = s.last.by
	if err != nil {
		s.failed++
		s.err = err
		s.last.ended = n.ended // it rests from here
		return before, s.failed == 1, false
	}
	if s.err != nil || !maps.Equal(n.by, before) || len(s.absent) > 0 || !s.last.began.After(s.stir) {
		s.quiet = 0
	} else {
		s.quiet++
	}
	if s.err != nil {
		s.back = n.began
	}
	s.err, s.failed, s.last = nil, 0, n
	return before, false, false
}

// errSlow ends a wait for a target's command.
var errSlow = errors.New("the target takes long")

// siteLimit bounds one order to a target.
const siteLimit = time.Minute

func siteContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, siteLimit, errSlow)
}
