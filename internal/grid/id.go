package grid

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// JobID names one job: the Proc-th process of a submission.
type JobID struct {
	Cluster int32 // 1, 2, 3, ...: never reused
	Proc    int32 // 0, 1, 2, ...
}

// String is HTCondor's notation, "12.0".
func (id JobID) String() string {
	return strconv.Itoa(int(id.Cluster)) + "." + strconv.Itoa(int(id.Proc))
}

// Key orders jobs by cluster, then proc.
func (id JobID) Key() uint64 { return uint64(uint32(id.Cluster))<<32 | uint64(uint32(id.Proc)) }

// JobIDOfKey is the inverse of [JobID.Key].
func JobIDOfKey(k uint64) JobID { return JobID{Cluster: int32(k >> 32), Proc: int32(uint32(k))} }

// MarshalText makes a JobID a JSON string.
func (id JobID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what [JobID.String] wrote.
func (id *JobID) UnmarshalText(b []byte) error {
	r, err := ParseRun(string(b))
	if err != nil {
		return err
	}
	if r.Lo != r.Hi-1 {
		return Errorf(Invalid, "%q is not a job id: it needs a cluster and a proc, as in 12.0", b)
	}
	*id = JobID{Cluster: r.Cluster, Proc: r.Lo}
	return nil
}

// MaxProcs bounds the procs of one cluster.
const MaxProcs = 1 << 24

// Run is the procs Lo <= proc < Hi of one cluster. A whole cluster is
// [WholeCluster].
type Run struct {
	Cluster int32 `json:"cluster"`
	Lo      int32 `json:"lo"`
	Hi      int32 `json:"hi"`
}

// WholeCluster is every proc that cluster c has or can have.
func WholeCluster(c int32) Run { return Run{Cluster: c, Lo: 0, Hi: MaxProcs} }

// OneJob is the run that holds only id.
func OneJob(id JobID) Run { return Run{Cluster: id.Cluster, Lo: id.Proc, Hi: id.Proc + 1} }

// Whole reports whether r means every proc of its cluster.
func (r Run) Whole() bool { return r.Lo == 0 && r.Hi == MaxProcs }

// Has reports whether the job is one of r.
func (r Run) Has(id JobID) bool {
	return r.Cluster == id.Cluster && r.Lo <= id.Proc && id.Proc < r.Hi
}

// Len is the number of procs in r.
func (r Run) Len() int { return int(r.Hi - r.Lo) }

// First is the job with r's lowest proc.
func (r Run) First() JobID { return JobID{Cluster: r.Cluster, Proc: r.Lo} }

// String is "12" for a whole cluster, "12.3" for one job, "12.3-7" otherwise.
func (r Run) String() string {
	switch {
	case r.Whole():
		return strconv.Itoa(int(r.Cluster))
	case r.Len() == 1:
		return r.First().String()
	}
	return fmt.Sprintf("%d.%d-%d", r.Cluster, r.Lo, r.Hi-1)
}

// ParseRun reads "12" (a whole cluster), "12.3" or "12.3-7".
func ParseRun(s string) (Run, error) {
	bad := func() (Run, error) {
		return Run{}, Errorf(Invalid, "%q is not a job id: write a cluster (12), a job (12.0) or a range (12.0-9)", s)
	}
	c, rest, isJob := strings.Cut(s, ".")
	cluster, ok := number(c)
	if !ok || cluster == 0 {
		return bad()
	}
	if !isJob {
		return WholeCluster(cluster), nil
	}
	first, last, isRange := strings.Cut(rest, "-")
	lo, ok := number(first)
	if !ok || lo >= MaxProcs {
		return bad()
	}
	hi := lo
	if isRange {
		if hi, ok = number(last); !ok || hi < lo || hi >= MaxProcs {
			return bad()
		}
	}
	return Run{Cluster: cluster, Lo: lo, Hi: hi + 1}, nil
}

func number(s string) (int32, bool) {
	if s == "" || len(s) > 10 || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err == nil
}

// Runs sorts ids and joins neighbours into the fewest runs.
func Runs(ids []JobID) []Run {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b JobID) int { return cmp.Compare(a.Key(), b.Key()) })
	var runs []Run
	for _, id := range ids {
		if n := len(runs) - 1; n >= 0 && runs[n].Cluster == id.Cluster && id.Proc <= runs[n].Hi {
			runs[n].Hi = max(runs[n].Hi, id.Proc+1)
			continue
		}
		runs = append(runs, OneJob(id))
	}
	return runs
}
