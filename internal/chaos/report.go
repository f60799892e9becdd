package chaos

import (
	"fmt"
	"maps"
	"slices"

	"gridburst/internal/failpoint"
)

// Passed is how often a point was come by, and how often it killed.
type Passed struct {
	failpoint.Point
	Hit    int `json:"hit"`
	Killed int `json:"killed"`
}

// Report is what came of a run.
type Report struct {
	Seed        uint64                    `json:"seed"`
	Faults      int                       `json:"faults"`
	Acked       int                       `json:"acked"`
	Lost        int                       `json:"lost"`
	Unexpected  int                       `json:"unexpected"`
	Duplicated  int                       `json:"duplicated"`
	Overlap     int                       `json:"overlap"`
	VMs         int                       `json:"vms_started"`
	Orphans     int                       `json:"orphans_at_end"`
	Foreign     int                       `json:"foreign_touched"`
	Late        int                       `json:"late_reports"`
	Ghosts      int                       `json:"ghosts_swept"`
	Workflows   int                       `json:"workflows"`
	Occurrences int                       `json:"timetable_occurrences"`
	PoweredOff  int                       `json:"workers_powered_off"`
	Held        int                       `json:"held"`    // and released
	Removed     int                       `json:"removed"` // by a client
	Random      map[failpoint.Program]int `json:"killed_at_random"`
	Stopped     map[failpoint.Program]int `json:"stopped"` // for a while
	Points      []Passed                  `json:"points"`
	Wrong       []string                  `json:"wrong"`
}

func (r *Report) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// Line is the run in one line.
func (r *Report) Line() string {
	return fmt.Sprintf("faults %d | acked %d held %d removed %d lost %d unexpected %d | duplicated %d overlap %d | vms started %d orphans-at-end %d foreign-touched %d",
		r.Faults, r.Acked, r.Held, r.Removed, r.Lost, r.Unexpected, r.Duplicated, r.Overlap, r.VMs, r.Orphans, r.Foreign)
}

// Missed are the points where nobody died.
func (r *Report) Missed() (out []string) {
	for _, p := range r.Points {
		if p.Killed == 0 {
			out = append(out, p.Name)
		}
	}
	return out
}

// Programs are those that were killed, or stood still, at random instants.
func (r *Report) Programs() []failpoint.Program {
	all := maps.Clone(r.Random)
	maps.Copy(all, r.Stopped)
	return slices.Sorted(maps.Keys(all))
}
