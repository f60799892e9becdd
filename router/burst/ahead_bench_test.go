package burst

import (
	"testing"
	"time"

	"gridburst/router"
)

// What a decision costs that looks ahead to a thousand jobs, with a thousand machines at work.
func BenchmarkLookAhead(b *testing.B) {
	in := world(b, 0, 1000)
	in.Shapes[0].Boot, in.Shapes[0].Late = boot, 3*time.Minute
	for i := range 1000 {
		s := router.Slot{ID: uint32(i + 1), Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer}
		in.Members = append(in.Members, Member{Claim: uint32(i + 1), Slot: s, Told: true})
		in.Busy = append(in.Busy, Busy{Slot: s, Claim: uint32(i + 1), Due: []Due{{In: time.Duration(i) * time.Second / 3, Part: in.Shapes[0].Offer}}})
		in.Soon = append(in.Soon, Soon{Owner: 1, Group: in.Queues[0].Group, In: time.Duration(i) * time.Second / 3, Run: 30 * time.Second})
	}
	m := router.NewMatcher()
	for b.Loop() {
		Decide(in, m)
	}
}
