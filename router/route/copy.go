package route

import (
	"slices"
	"strconv"
	"strings"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/internal/macro"
)

// Attributes that routing itself writes.
const (
	RoutedFrom = "RoutedFromJobId" // of a copy: the job that it was made of
	RoutedBy   = "RoutedBy"        // of a copy: the router's name
	RouteName  = "RouteName"       // of a copy: the route's name
	RoutedTo   = "RoutedToJobId"   // of a job: its copy
	RoutePath  = "RoutePath"       // of a copy: every route that it came through, "router/route", oldest first, with ", " between
)

// former are the attributes that belonged to the job's life where it was, and are not
// the copy's.
var former = [...]string{
	"ClusterId", "ProcId", "GlobalJobId", "QDate", "TotalSubmitProcs", "User", "ServerTime", "ClaimId", "DAGManNodesLog", "DAGManNodesMask",
	"AutoClusterId", "AutoClusterAttrs", "BufferBlockSize", "BufferSize", "CondorPlatform", "CondorVersion", "CoreSize",
	"RemoteWallClockTime", "LastRemoteWallClockTime", "StageInStart", "StageInFinish", "SUBMIT_Iwd", "TimerRemove",
	"Managed", "ManagedManager", RoutedTo,
}

// anew are the attributes that a copy begins with, whatever the job has lived through.
var anew = [...]struct {
	name  string
	value ad.Value
}{
	{"JobStatus", ad.IntValue(int64(grid.Idle))},
	{"CommittedSlotTime", ad.IntValue(0)},
	{"CommittedSuspensionTime", ad.IntValue(0)},
	{"CommittedTime", ad.IntValue(0)},
	{"CompletionDate", ad.IntValue(0)},
	{"CumulativeSlotTime", ad.IntValue(0)},
	{"CumulativeSuspensionTime", ad.IntValue(0)},
	{"ExitBySignal", ad.BoolValue(false)},
	{"ExitStatus", ad.IntValue(0)},
	{"LastSuspensionTime", ad.IntValue(0)},
	{"NumCkpts", ad.IntValue(0)},
	{"NumRestarts", ad.IntValue(0)},
	{"NumSystemHolds", ad.IntValue(0)},
	{"RemoteSysCpu", ad.RealValue(0)},
	{"RemoteUserCpu", ad.RealValue(0)},
	{"TotalSuspensions", ad.IntValue(0)},
}

// Step is one thing that was done to make the routed job's ad.
type Step struct {
	By     string `json:"by"`               // "copy", "transform X", "route A"
	Text   string `json:"text"`             // as it was carried out: SET Foo 3
	Attr   string `json:"attr,omitempty"`   // what it changed; empty: nothing
	Before string `json:"before,omitempty"` // empty: it was not there
	After  string `json:"after,omitempty"`  // empty: it is not there any more
}

// editing is a routed job's ad in the making.
type editing struct {
	table *Table
	ad    *ad.Ad
	id    string                   // of the job
	vars  map[string]macro.Meaning // macros that the transforms have set, by folded name
	now   ad.Instant
	by    string
	text  string
	steps []Step
	calls uint64 // of random functions
}

// transform makes the routed job of a route. The steps are those up to the error.
func (t *Table) transform(r *Route, job *ad.Ad, inPlace, sandboxed bool, now ad.Instant) (*ad.Ad, []Step, error) {
	from := grid.JobID{Cluster: int32(job.Int("ClusterId", 0)), Proc: int32(job.Int("ProcId", 0))}.String()
	e := &editing{table: t, ad: job.Flat(), id: from, vars: map[string]macro.Meaning{}, now: now}
	ways := waysOf(job)
	if way := t.Name + "/" + r.Name; !slices.Contains(ways, way) {
		ways = append(ways, way)
	}
	path := strings.Join(ways, wayBetween)
	if !inPlace {
		e.by = "copy"
		e.copied(r, sandboxed)
	}
	for _, x := range t.Pre {
		if err := e.apply("transform "+x.Name, x, true); err != nil {
			return nil, e.steps, err
		}
	}
	if err := e.apply("route "+r.Name, r.Transform, false); err != nil {
		return nil, e.steps, err
	}
	for _, x := range t.Post {
		if err := e.apply("transform "+x.Name, x, true); err != nil {
			return nil, e.steps, err
		}
	}
	e.by, e.text = "copy", ""
	e.set(RoutePath, ad.Literal(ad.StringValue(path)))
	if !inPlace {
		e.set(RoutedFrom, ad.Literal(ad.StringValue(from)))
		e.set(RoutedBy, ad.Literal(ad.StringValue(t.Name)))
		e.set(RouteName, ad.Literal(ad.StringValue(r.Name)))
	}
	return e.ad, e.steps, nil
}

// copied makes the job's ad a copy's that has not been edited yet.
func (e *editing) copied(r *Route, sandboxed bool) {
	for _, name := range former {
		e.drop(name)
	}
	for _, a := range anew {
		e.set(a.name, ad.Literal(a.value))
	}
	if old, ok := e.ad.Expr("JobUniverse"); ok {
		e.set("Remote_JobUniverse", old)
	}
	e.set("JobUniverse", ad.Literal(ad.IntValue(int64(r.Universe))))
	if r.Universe != int(grid.Grid) {
		return
	}
	e.drop("CurrentHosts")
	if r.GridResource != "" {
		e.set("GridResource", ad.Literal(ad.StringValue(r.GridResource)))
	}
	// A grid job's Out and Err are where they shall be at the end; a pool's job has names
	// within its sandbox, and remaps.
	remaps := e.ad.Text("TransferOutputRemaps")
	if sandboxed || remaps == "" {
		return
	}
	e.drop("TransferOutputRemaps")
	for _, name := range []string{"Out", "Err"} {
		if to, ok := remapped(remaps, e.ad.Text(name)); ok {
			e.set(name, ad.Literal(ad.StringValue(to)))
		}
	}
}

// remapped is where remaps, "a=b;c=d" with backslashes before what stands for itself,
// put a file.
func remapped(remaps, file string) (to string, ok bool) {
	if file == "" {
		return "", false
	}
	var name, value strings.Builder
	at := &name
	flush := func() bool {
		found := strings.TrimSpace(name.String()) == file
		if found {
			to = strings.TrimSpace(value.String())
		}
		name.Reset()
		value.Reset()
		at = &name
		return found
	}
	for i := 0; i < len(remaps); i++ {
		switch c := remaps[i]; {
		case c == '\\' && i+1 < len(remaps):
			i++
			at.WriteByte(remaps[i])
		case c == '=' && at == &name:
			at = &value
		case c == ';':
			if flush() {
				return to, true
			}
		default:
			at.WriteByte(c)
		}
	}
	return to, flush()
}

// set gives an attribute an expression, and notes it.
func (e *editing) set(name string, x *ad.Expr) {
	before, had := e.ad.Source(name)
	e.ad.SetExpr(name, x)
	if after := x.String(); !had || after != before {
		e.note(name, before, after)
	}
}

// drop takes an attribute away, and notes it if it was there.
func (e *editing) drop(name string) bool {
	before, had := e.ad.Source(name)
	if had {
		e.ad.Delete(name)
		e.note(name, before, "")
	}
	return had
}

func (e *editing) note(name, before, after string) {
	text := e.text
	if text == "" && after == "" {
		text = "DELETE " + name
	} else if text == "" {
		text = "SET " + name + " " + after
	}
	e.steps = append(e.steps, Step{By: e.by, Text: text, Attr: name, Before: before, After: after})
}

// wayBetween stands between the routes of a RoutePath.
const wayBetween = ", "

// waysOf are the routes that a job came through, oldest first.
func waysOf(job *ad.Ad) []string {
	path := job.Text(RoutePath)
	if path == "" {
		return nil
	}
	return strings.Split(path, wayBetween)
}

// passed is the way by which a job came through a route already; empty: it did not.
func (t *Table) passed(job *ad.Ad, r *Route) string {
	ways := waysOf(job)
	if !slices.Contains(ways, t.Name+"/"+r.Name) {
		return ""
	}
	return "it came by " + strings.Join(ways, ", then ")
}

// universes are the names of universes.
var universes = map[string]int{
	"vanilla": 5, "scheduler": 7, "grid": 9, "java": 10, "parallel": 11, "local": 12, "vm": 13,
	"docker": 5, "container": 5,
}

// UniverseName is a universe's name.
func UniverseName(n int) string {
	if u := grid.Universe(n); int(u) == n && u.String() != "unknown" {
		return u.String()
	}
	return strconv.Itoa(n)
}
