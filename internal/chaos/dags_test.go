package chaos

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// A workflow of sixty nodes, with scripts, retries and a service, and thirty kills. gchaos
// dags has two thousand nodes and a hundred.
func TestWorkflowsAreKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs with failpoints and starts a few hundred of them")
	}
	var log bytes.Buffer
	rep, err := Dags(t.Context(), DagOptions{Dir: t.TempDir(), Seed: rand.Uint64()>>40 + 1, Nodes: 60, Kills: 30, Pause: 60 * time.Millisecond, Limit: 8 * time.Minute, Log: &log})
	if err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	for _, w := range rep.Wrong {
		t.Error(w)
	}
	if rep.Doubled+rep.Twice+rep.Disorder > 0 {
		t.Errorf("%d doubled, %d scripts twice, %d out of order", rep.Doubled, rep.Twice, rep.Disorder)
	}
	if rep.Kills() < 30 || rep.Nodes < 60 || rep.Post < 15 {
		t.Errorf("%+v: that is no trial", rep)
	}
	t.Logf("seed %d: %d runs, %d nodes, %d attempts, %d PRE and %d POST scripts, %d kills (%v)", rep.Seed, rep.Runs, rep.Nodes, rep.Attempts, rep.Pre, rep.Post, rep.Kills(), rep.Killed)
}
