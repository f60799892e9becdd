package schedd

import (
	"testing"

	"gridburst/internal/grid"
)

// Outputs of very many jobs may wait while files do not answer. Each has its turn, once, in the
// order of coming: nobody asks for it again.
func TestNoTakeoverIsForgottenHoweverManyWait(t *testing.T) {
	const many = 20_000
	takes := newTakeovers(nil)
	for proc := range int32(many) {
		for range 2 { // it may be told twice
			takes.begin(takeover{job: grid.JobID{Cluster: 1, Proc: proc}, epoch: 1})
		}
	}
	for proc := range int32(many) {
		if o, ok := takes.next(); !ok || o.job.Proc != proc {
			t.Fatalf("in the place of 1.%d comes %v (%t)", proc, o.job, ok)
		}
	}
	if o, ok := takes.next(); ok {
		t.Errorf("%v comes twice", o.job)
	}
}
