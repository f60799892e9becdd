package dag

import (
	"math"
	"strconv"
	"strings"
)

// setting is what a DAG's configuration says of a name.
func (g *Graph) setting(name string) (string, bool) {
	for _, v := range g.Settings {
		if strings.EqualFold(v.Name, name) {
			return strings.TrimSpace(v.Value), true
		}
	}
	return "", false
}

// Begins is the header that a run of g begins with: what its own configuration says,
// which what a submitter asks for overrides.
func (g *Graph) Begins(asked Header) Header {
	number := func(to *int32, name string) {
		text, ok := g.setting(name)
		if n, err := strconv.ParseInt(text, 10, 32); ok && err == nil && *to == 0 && n > 0 {
			*to = int32(n)
		}
	}
	if asked.MaxJobs == 0 {
		asked.MaxJobs = int32(min(g.MaxJobs, math.MaxInt32))
	}
	number(&asked.MaxJobs, "DAGMAN_MAX_JOBS_SUBMITTED")
	number(&asked.MaxIdle, "DAGMAN_MAX_JOBS_IDLE")
	number(&asked.MaxPre, "DAGMAN_MAX_PRE_SCRIPTS")
	number(&asked.MaxPost, "DAGMAN_MAX_POST_SCRIPTS")
	number(&asked.MaxHold, "DAGMAN_MAX_HOLD_SCRIPTS")
	if text, ok := g.setting("DAGMAN_ALWAYS_RUN_POST"); ok {
		always := strings.EqualFold(text, "true") || strings.EqualFold(text, "yes") || text == "1"
		asked.AlwaysPost = asked.AlwaysPost || always
	}
	return asked
}

// Within is l within the bounds of an administrator: no limit at all is none where there
// is a bound.
func (l Limits) Within(bounds Limits) Limits {
	within := func(n, bound int32) int32 {
		if n < 0 {
			n = 0
		}
		if bound > 0 && (n == 0 || n > bound) {
			return bound
		}
		return n
	}
	return Limits{
		within(l.MaxJobs, bounds.MaxJobs), within(l.MaxIdle, bounds.MaxIdle), within(l.MaxPre, bounds.MaxPre),
		within(l.MaxPost, bounds.MaxPost), within(l.MaxHold, bounds.MaxHold),
	}
}
