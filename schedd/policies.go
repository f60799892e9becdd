package schedd

import (
	"context"
	"slices"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/policy"
)

// policies looks at the periodic policies of all jobs, again and again. A pass goes through
// the queue in small steps, with rests between them: it never has more than a share of a
// processor, however many jobs there are. Jobs with one record and policies that cannot
// tell them apart are looked at once; clusters whose template has no policy, not at all.
type policies struct {
	d   *Daemon
	set *policy.Set // by which this step looks

	byTemplate map[uint32]bool // whether it has a policy of its own

	list    []ledger.Decision // of this step
	decided int               // jobs that they are about
}

func newPolicies(d *Daemon) *policies { return &policies{d: d, byTemplate: map[uint32]bool{}} }

// Bounds of one step: how long it takes, after how many ads the clock is looked at, and how
// many decisions make one command. restFor is how much longer the rest after it is.
const (
	stepTime     = 10 * time.Millisecond
	stepAds      = 64
	maxDecisions = 500
	restFor      = 9
)

// keepTemplates bounds the templates that are known to have a policy or none.
const keepTemplates = 100_000

func (p *policies) run(ctx context.Context) error {
	for {
		if err := p.d.rest(ctx, func(c *Config) time.Duration { return c.PolicyInterval }); err != nil {
			return nil
		}
		for at := (grid.JobID{}); at != end; {
			began := time.Now()
			next, err := p.step(at)
			if err != nil {
				p.d.log.WithError(err).WithField("job", next).Error("policies cannot be evaluated")
				next = grid.JobID{Cluster: next.Cluster + 1} // the others are none the worse
			}
			at = next
			if err := p.propose(ctx); err != nil {
				return ignoreEnd(ctx, err)
			}
			if pause.For(ctx, restFor*time.Since(began)) != nil {
				return nil
			}
		}
	}
}

// end is behind all jobs.
var end = grid.JobID{Cluster: -1}

// step looks at jobs from one on, for a while, and gives the one to go on with, or the one
// that could not be looked at.
func (p *policies) step(from grid.JobID) (next grid.JobID, err error) {
	p.set = &p.d.config().Policies
	v := p.d.ledger.View()
	stop := time.Now().Add(stepTime)
	ads := 0
	now := instant()
	err = p.d.ads.Read(v, func(s *jobad.Session) error {
		for id, c := range v.Clusters(from.Cluster) {
			next = grid.JobID{Cluster: id}
			run := grid.WholeCluster(id)
			if id == from.Cluster {
				run.Lo = from.Proc
			}
			has, err := p.has(s, c)
			if err != nil {
				return err
			}
			for st := range v.Stretches(run) {
				next.Proc = st.Run.Lo
				if st.Job.Status == grid.Removed {
					continue
				}
				if !has {
					if has, err = p.edited(s, &st); err != nil {
						return err
					}
					if !has {
						continue
					}
					has = false // only this one
				}
				for next.Proc < st.Run.Hi {
					if ads++; ads%stepAds == 0 && time.Now().After(stop) || len(p.list) >= maxDecisions || p.decided >= maxJobs {
						return nil
					}
					if err := p.look(s, now, c, &st, &next); err != nil {
						return err
					}
				}
			}
		}
		next = end
		return nil
	})
	return next, err
}

// has reports whether any job of a cluster's template may have a policy.
func (p *policies) has(s *jobad.Session, c *ledger.Cluster) (bool, error) {
	if len(p.set.Systems) > 0 {
		return true, nil
	}
	if has, known := p.byTemplate[c.Template]; known {
		return has, nil
	}
	base, differing, err := s.Shared(c.Template)
	if err != nil {
		return false, err
	}
	has := false
	for _, name := range policy.Periodic() {
		has = has || mayBe(base, name) || slices.ContainsFunc(differing, func(d string) bool { return strings.EqualFold(d, name) })
	}
	if len(p.byTemplate) >= keepTemplates {
		clear(p.byTemplate)
	}
	p.byTemplate[c.Template] = has
	return has, nil
}

// mayBe reports whether an ad has a policy that is not plainly false.
func mayBe(a *ad.Ad, name string) bool {
	v, literal := a.Literal(name)
	return a.Has(name) && !(literal && !ad.Truth(v))
}

// edited reports whether a job was given a policy after its submit.
func (p *policies) edited(s *jobad.Session, st *ledger.Stretch) (bool, error) {
	if st.Job.Flags&ledger.HasAttrs == 0 {
		return false, nil
	}
	later, err := s.Later(st.Run.First())
	return slices.ContainsFunc(later, func(a ledger.Attr) bool {
		return slices.ContainsFunc(policy.Periodic(), func(n string) bool { return strings.EqualFold(n, a.Name) })
	}), err
}

// look evaluates the policies of one job, or of the whole stretch that begins with it, and
// moves next behind that.
func (p *policies) look(s *jobad.Session, now ad.Instant, c *ledger.Cluster, st *ledger.Stretch, next *grid.JobID) error {
	job, err := s.Job(*next)
	if err != nil {
		return err
	}
	run := grid.OneJob(*next)
	if next.Proc == st.Run.Lo && st.Run.Len() > 1 {
		alike := true
		for _, e := range p.set.Evaluated(job) {
			alike = alike && s.Alike(job, c, e)
		}
		if alike {
			run = st.Run
		}
	}
	next.Proc = run.Hi
	verdict := p.set.Periodic(now, job)
	switch {
	case verdict.Verb == "":
		return nil
	case verdict.Verb == grid.Vacate && st.Job.Flags&ledger.Vacating != 0, verdict.Verb == grid.Release && st.Job.Attempt(), verdict.Code == grid.HoldMissedTime && st.Job.Attempt():
		return nil // it is under way; or its last execution has not ended; or its worker sees to it
	}
	if st.Base && run.Len() > 1 {
		run = grid.WholeCluster(run.Cluster) // the others that share the record are alike, too
	} else {
		p.decided += run.Len()
	}
	p.list = append(p.list, ledger.Decision{Version: st.Job.Version, Base: st.Base, Act: ledger.Act{
		Verb: verdict.Verb, Runs: []grid.Run{run}, Code: verdict.Code, Sub: verdict.Sub, Vacate: verdict.Vacate, Reason: verdict.Reason,
	}})
	return nil
}

func (p *policies) propose(ctx context.Context) error {
	if len(p.list) == 0 {
		return nil
	}
	_, err := p.d.propose(ctx, &ledger.Decide{List: p.list})
	p.list, p.decided = nil, 0
	return err
}
