package ledger

import "gridburst/internal/grid"

// ReportKind says what became of an attempt.
type ReportKind uint8

const (
	Started  ReportKind = 1 // it runs
	Ended    ReportKind = 2 // it exited by itself
	Taken    ReportKind = 3 // the results of an ended one are in place
	Stopped  ReportKind = 4 // it was ended on our order
	Failed   ReportKind = 5 // it could not run: hold the job
	Vanished ReportKind = 6 // its end is certain, its result is not known
	Skipped  ReportKind = 7 // its work had been done before: it did not start

	// Of an attempt that is a machine of an engine. It goes on, and its ad learns Attrs.
	Mirrored  ReportKind = 8  // nothing is told
	Accepted  ReportKind = 9  // the engine has taken it. Where: what that calls it
	Unreached ReportKind = 10 // the engine does not answer. Reason: why
	Reached   ReportKind = 11 // it does again
	Unseen    ReportKind = 12 // the engine does not know what has become of the machine
	Seen      ReportKind = 13 // it does again

	Saved ReportKind = 14 // it has a checkpoint that the schedd keeps, and goes on. Attrs: which

	Delivered ReportKind = 15 // of a node of a job of several: its outputs are in place, or, with Park, could not be
)

// Verdict is what an ended attempt means for its job. It was worked out from the
// job's policies by the proposer: apply evaluates nothing.
type Verdict uint8

const (
	TakeOver Verdict = 0 // results have to be put in place first; a Taken follows
	Complete Verdict = 1 // done; it leaves the queue
	Keep     Verdict = 2 // done; it stays in the queue, completed
	Again    Verdict = 3 // back to idle
	Park     Verdict = 4 // held, with HoldCode, HoldSub and Reason
	Drop     Verdict = 5 // removed, for Reason
)

// Report tells what became of attempts. Each stands alone: one of an attempt that
// is not the job's current one is refused, the others go on. The result is a
// []bool: which of them counted.
type Report struct{ List []AttemptReport }

// AttemptReport is one attempt's.
type AttemptReport struct {
	Job      grid.JobID
	Epoch    uint32
	Kind     ReportKind
	Verdict  Verdict // of Ended and Taken
	Exit     Exit    // of Ended, Taken, Stopped, Vanished
	HoldCode grid.HoldCode
	HoldSub  int32
	Vacate   grid.VacateCode // of Again, Stopped and Vanished
	Reason   string
	Where    string // of Started: the slot, or the resource
	Attrs    []Attr // what the job's ad learns from it
}

func (*Report) Kind() Kind { return KindReport }
func (c *Report) encode(e *enc) {
	e.u(uint64(len(c.List)))
	for i := range c.List {
		r := &c.List[i]
		e.job(r.Job)
		e.u(uint64(r.Epoch))
		e.byte(byte(r.Kind))
		e.byte(byte(r.Verdict))
		e.exit(&r.Exit)
		e.i(int64(r.HoldCode))
		e.i(int64(r.HoldSub))
		e.i(int64(r.Vacate))
		e.str(r.Reason)
		e.str(r.Where)
		e.attrs(r.Attrs)
	}
}

func (c *Report) decode(d *dec) {
	if n := d.count(22); n > 0 {
		c.List = make([]AttemptReport, n)
		for i := range c.List {
			c.List[i] = AttemptReport{
				Job: d.job(), Epoch: d.u32(), Kind: ReportKind(d.byte()), Verdict: Verdict(d.byte()), Exit: *d.exit(),
				HoldCode: d.holdCode(), HoldSub: d.i32(), Vacate: grid.VacateCode(d.i32()),
				Reason: d.str(), Where: d.str(), Attrs: d.attrs(),
			}
		}
	}
}
