package replay

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gridburst/internal/replay/trace"
)

func labSetup(max int) *Setup {
	return &Setup{Shapes: []Shape{{Name: "m16", Cpus: 16, MemoryMB: 1 << 30, Max: max, Boot: 120 * time.Second}}, Seed: 1}
}

func TestLab(t *testing.T) {
	if os.Getenv("LAB") == "" {
		t.Skip()
	}
	for _, f := range strings.Fields(os.Getenv("LAB")) {
		tr, err := trace.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if e := os.Getenv("EVERY"); e != "" {
			tr = tr.Repeat(5, 24*time.Hour)
		}
		max := 32
		if m := os.Getenv("MAX"); m != "" {
			fmt.Sscan(m, &max)
		}
		show := func(r *Result, took time.Duration, ratio float64) {
			fmt.Printf("%-12.12s %-14s jobs %6d hours %9.1f wait %8.1f p50 %6.0f p95 %7.0f starts %5d unused %4d flaps %4d idle %.0f lost %.0f boot %.0f  %.2fs  RATIO %.3f\n", r.Trace, r.Policy, r.Jobs, r.Hours, r.MeanWait, r.P50, r.P95, r.Starts, r.Unused, r.Flaps, r.Idle, r.Lost, r.Boot, took.Seconds(), ratio)
		}
		seeds := 1
		if m := os.Getenv("SEEDS"); m != "" {
			fmt.Sscan(m, &seeds)
		}
		worths := []float64{5}
		ratio := map[float64][]float64{}
		mean := map[float64][2]float64{}
		for seed := range seeds {
			set := labSetup(max)
			set.Seed = uint64(seed + 1)
			var front []*Result
			for _, h := range []int{0, 30, 60, 120, 300, 600, 1200, 1800, 3600} {
				begun := time.Now()
				r, err := Run(set, tr, fmt.Sprint("reactive ", h), &reactive{hold: time.Duration(h) * time.Second, every: 250 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				front = append(front, r)
				if seeds == 1 {
					show(r, time.Since(begun), 0)
				}
			}
			for _, x := range worths {
				worth = x
				begun := time.Now()
				r, err := Run(set, tr, fmt.Sprint("standard ", x), &standard{worth: x})
				if err != nil {
					t.Fatal(err)
				}
				q := r.MeanWait / at(front, r.Hours)
				ratio[x] = append(ratio[x], q)
				mean[x] = [2]float64{mean[x][0] + r.Hours/float64(seeds), mean[x][1] + r.MeanWait/float64(seeds)}
				if seeds == 1 {
					show(r, time.Since(begun), q)
				}
			}
		}
		for _, x := range worths {
			sum := 0.0
			for _, q := range ratio[x] {
				sum += q
			}
			fmt.Printf("standard %-12.12s worth %4.1f hours %9.1f wait %8.1f ratio %.3f of %.3f\n", tr.Name, x, mean[x][0], mean[x][1], sum/float64(len(ratio[x])), ratio[x])
		}
	}
}

// at is the frontier's wait at a cost: the lower hull.
func at(front []*Result, hours float64) float64 {
	best := 1e18
	for i, a := range front {
		if a.Hours <= hours {
			best = min(best, a.MeanWait)
		}
		for _, b := range front[i+1:] {
			if lo, hi := a, b; lo.Hours <= hours && hours <= hi.Hours && hi.Hours > lo.Hours {
				f := (hours - lo.Hours) / (hi.Hours - lo.Hours)
				best = min(best, lo.MeanWait+f*(hi.MeanWait-lo.MeanWait))
			}
		}
	}
	return best
}
