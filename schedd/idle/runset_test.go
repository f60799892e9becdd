package idle

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gridburst/internal/grid"
)

func TestRunsetIsASetOfJobs(t *testing.T) {
	run := rapid.Custom(func(t *rapid.T) grid.Run {
		lo := rapid.Int32Range(0, 40).Draw(t, "lo")
		return grid.Run{Cluster: rapid.Int32Range(1, 400).Draw(t, "cluster") % 7 * 60, Lo: lo, Hi: lo + rapid.Int32Range(1, 9).Draw(t, "len")}
	})
	rapid.Check(t, func(t *rapid.T) {
		var s runset
		want := map[grid.JobID]bool{}
		// Enough single jobs that there are several blocks.
		for i := range rapid.IntRange(0, 700).Draw(t, "many") {
			r := grid.Run{Cluster: int32(i + 1), Lo: 0, Hi: 1}
			s.add(r)
			want[r.First()] = true
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			r := run.Draw(t, "run")
			in := rapid.Bool().Draw(t, "in")
			n := 0
			for p := r.Lo; p < r.Hi; p++ {
				id := grid.JobID{Cluster: r.Cluster, Proc: p}
				if want[id] {
					n++
				}
				if in {
					want[id] = true
				} else {
					delete(want, id)
				}
			}
			if in {
				s.add(r)
			} else if got := s.remove(r); got != n {
				t.Fatalf("removed %d jobs of %v, want %d", got, r, n)
			}
		}
		got := slices.Collect(s.runs())
		if s.n != len(want) || !slices.IsSortedFunc(got, compare) {
			t.Fatalf("%d jobs, want %d; sorted %v", s.n, len(want), slices.IsSortedFunc(got, compare))
		}
		have := map[grid.JobID]bool{}
		for i, r := range got {
			if i > 0 && got[i-1].Cluster == r.Cluster && got[i-1].Hi >= r.Lo {
				t.Fatalf("%v and %v overlap or touch", got[i-1], r)
			}
			for p := r.Lo; p < r.Hi; p++ {
				have[grid.JobID{Cluster: r.Cluster, Proc: p}] = true
			}
		}
		for id := range want {
			if !have[id] {
				t.Fatalf("%v is missing", id)
			}
		}
		if len(have) != len(want) {
			t.Fatalf("%d jobs in runs, want %d", len(have), len(want))
		}
	})
}
