package schedd

import (
	"slices"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/jobad"
	"gridburst/schedd/submit"
)

// Requirement is a rule of the administrator's for every job that is submitted.
type Requirement struct {
	Name    string
	When    *ad.Expr // must be true of the job's ad; undefined and error are not
	Reason  *ad.Expr // gives the text of the refusal; nil: it names the rule
	Warning bool     // the job is taken all the same, and the submitter is told
}

// require holds a spec against the rules. One job that breaks a rule refuses all.
func (d *Daemon) require(owner string, s *submit.Spec) (warnings []string, err error) {
	rules := d.config().Requirements
	if len(rules) == 0 {
		return nil, nil
	}
	now := instant()
	proc := int32(0)
	for i := range s.Sections {
		sec := &s.Sections[i]
		for index := range sec.Len() {
			id := grid.JobID{Cluster: 1, Proc: proc + int32(index)}
			columns, err := sec.Expand(id, index, sec.Row(index))
			if err != nil {
				return nil, err
			}
			job, err := d.jobOf(owner, submit.Merge(submit.Baseline(), s.Attrs, sec.Attrs, columns))
			if err != nil {
				return nil, err
			}
			varies := false
			for r := range rules {
				rule := &rules[r]
				varies = varies || jobad.Reaches(job, rule.When, func(n string) bool {
					return slices.ContainsFunc(sec.Columns, func(c submit.Column) bool { return strings.EqualFold(c.Attr, n) })
				})
				if ad.Truth(now.Eval(rule.When, job, nil)) {
					continue
				}
				why := rule.text(now, job)
				if !rule.Warning {
					return nil, grid.Errorf(grid.Refused, "%s", why)
				}
				if !slices.Contains(warnings, why) {
					warnings = append(warnings, why)
				}
			}
			if !varies {
				break // the others are alike
			}
		}
		proc += int32(sec.Len())
	}
	return warnings, nil
}

// jobOf is the ad that a job with these attributes will have, as far as it is known.
func (d *Daemon) jobOf(owner string, attrs []submit.Attr) (*ad.Ad, error) {
	job := ad.New(len(attrs) + 1)
	for _, a := range attrs {
		e, err := d.ads.Exprs.Parse(a.Expr)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "attribute %s: %w", a.Name, err)
		}
		job.SetExpr(a.Name, e)
	}
	job.SetString("Owner", owner)
	return job, nil
}

func (r *Requirement) text(now ad.Instant, job *ad.Ad) string {
	if r.Reason != nil {
		if s, ok := now.Eval(r.Reason, job, nil).Text(); ok && s != "" {
			return s
		}
	}
	return "the jobs do not fulfil the submit requirement " + r.Name + ": " + r.When.String()
}
