package trigger_test

import (
	"fmt"
	"time"

	"gridburst/dag/trigger"
)

// A nightly run after a day on which nobody looked.
func ExampleDue() {
	s, err := trigger.Parse("30 2 * * *", "Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	watermark := time.Date(2026, 11, 18, 2, 30, 0, 0, s.Zone())
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, s.Zone())
	plan := trigger.Due(s, watermark, now, trigger.Policy{Missed: trigger.MissedOnce})
	for _, at := range plan.Start {
		fmt.Println("start", at)
	}
	for _, skip := range plan.Skipped {
		fmt.Println("skip", skip.At, "as", skip.Why)
	}
	fmt.Println("next", plan.Next)
	// Output:
	// start 2026-11-20 02:30:00 +0100 CET
	// skip 2026-11-19 02:30:00 +0100 CET as a later one is started in its place
	// next 2026-11-21 02:30:00 +0100 CET
}
