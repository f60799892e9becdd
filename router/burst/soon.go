package burst

import (
	"time"

	"gridburst/router"
)

// soon takes out the jobs that slots in use will serve before a machine could be up, or so
// little later that a machine is not worth it.
func (d *decision) soon() {
	for turn, left := 1, -1; d.jobs() != left; turn++ { // what a turn does not place, no later one does
		var slots []router.Slot
		for i := range d.in.Busy {
			b := &d.in.Busy[i]
			s := b.Slot
			switch {
			case b.Turns >= turn:
				s.Free = s.Total
			case turn == 1 && b.Turns == 0 && len(b.Due) > 0 && !d.aside[b.Claim]:
				for _, due := range b.Due {
					if due.In <= d.patience && !due.Unsure {
						s.Free = s.Free.Plus(due.Part)
					}
				}
			default:
				continue
			}
			slots = append(slots, s)
		}
		left = d.jobs()
		d.match(slots)
	}
}

// wait is how long a job waits at most for a slot in use before a machine is started for
// it: as long as one boots, and so much longer as would be worth less than that.
func (d *decision) wait() time.Duration {
	boot := time.Duration(-1)
	for i := range d.in.Shapes {
		if s := &d.in.Shapes[i]; boot < 0 || s.Boot < boot {
			boot = s.Boot
		}
	}
	return max(boot, 0)
}
