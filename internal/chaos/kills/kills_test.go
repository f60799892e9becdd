package kills

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// One round at each point. gchaos kills has twenty, of each work that comes by.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs with failpoints and starts a hundred of them")
	}
	var log bytes.Buffer
	rep, err := Run(t.Context(), Options{Dir: t.TempDir(), Seed: rand.Uint64(), Rounds: 1, Short: true, Parallel: 8, Log: &log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	t.Logf("seed %d", rep.Seed)
	points, all := rep.Sum()
	for _, w := range all.Wrong {
		t.Error(w)
	}
	if points < 55 || all.Killed < 40 || all.Acked < 100 {
		t.Errorf("%d points, %d kills, %d acknowledged: that is no trial", points, all.Killed, all.Acked)
	}
	t.Logf("%d points, %d kills, %d acknowledged, %d lost, %d halves", points, all.Killed, all.Acked, all.Lost, all.Halves)
}
