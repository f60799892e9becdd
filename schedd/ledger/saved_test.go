package ledger

import (
	"testing"

	"gridburst/internal/grid"
)

// saver is a history of one job after another on one worker, each with checkpoints.
type saver struct{ *history }

func newSaver(t *testing.T) saver {
	t.Helper()
	s := saver{newHistory(t)}
	s.do(&Begin{Deployment: "5f0c", Host: "host", Version: "0.6", Rules: Rules})
	s.do(&SeeWorker{Worker{Name: "w", Boot: "boot"}})
	return s
}

// place gives a job of its own an attempt.
func (s saver) place() grid.JobID {
	template := []byte("a template")
	id := grid.JobID{Cluster: s.do(&Submit{Owner: Owner{Name: "alice", UID: 1000, GID: 100}, Template: template, Hash: HashTemplate(template), Procs: 1}).Value.(Submitted).Cluster}
	s.again(id)
	return id
}

func (s saver) again(id grid.JobID) {
	j, _ := s.m.View().Job(id)
	s.do(&Place{List: []Placement{{Job: id, Version: j.Version, Kind: OnSlot, At: 1, Where: "slot1@w"}}})
}

func (s saver) report(id grid.JobID, epoch uint32, kind ReportKind) bool {
	r := AttemptReport{Job: id, Epoch: epoch, Kind: kind, Vacate: grid.VacateUser}
	if kind == Saved {
		r.Attrs = []Attr{{Name: "SpooledCheckpoint", Expr: `"1-1"`}}
	}
	return s.do(&Report{List: []AttemptReport{r}}).Value.([]bool)[0]
}

func (s saver) act(id grid.JobID, verb grid.Verb) {
	s.do(&Act{Verb: verb, Runs: []grid.Run{grid.OneJob(id)}, Reason: "because", Code: grid.HoldUser})
}

// writeSaved makes a history of checkpoints, those that count and those that do not.
func writeSaved(t *testing.T, path string) {
	t.Helper()
	s := newSaver(t)
	ends := s.place()
	s.report(ends, 1, Started)
	s.report(ends, 1, Saved)
	s.report(ends, 1, Stopped)
	s.again(ends)
	s.report(ends, 1, Saved) // of an attempt that is over
	s.report(ends, 2, Saved)
	s.report(ends, 2, Ended)
	held := s.place()
	s.report(held, 1, Started)
	s.act(held, grid.Hold)
	s.report(held, 1, Saved)
	removed := s.place()
	s.report(removed, 1, Started)
	s.act(removed, grid.Remove)
	s.report(removed, 1, Saved)
	s.write(path)
}

func TestWhoseCheckpointCounts(t *testing.T) {
	s := newSaver(t)
	for _, c := range []struct {
		name   string
		before func(grid.JobID)
		epoch  uint32
		counts bool
		status grid.Status
	}{
		{"one that runs", func(id grid.JobID) { s.report(id, 1, Started) }, 1, true, grid.Running},
		{"one whose start was not told yet", func(grid.JobID) {}, 1, true, grid.Running},
		{"one that stands still", func(id grid.JobID) { s.report(id, 1, Started); s.act(id, grid.Suspend) }, 1, true, grid.Suspended},
		{"one that is held meanwhile", func(id grid.JobID) { s.report(id, 1, Started); s.act(id, grid.Hold) }, 1, true, grid.Held},
		{"one that is removed meanwhile", func(id grid.JobID) { s.report(id, 1, Started); s.act(id, grid.Remove) }, 1, false, grid.Removed},
		{"one that has exited", func(id grid.JobID) { s.report(id, 1, Ended) }, 1, false, grid.TransferringOutput},
		{"an older attempt", func(id grid.JobID) { s.report(id, 1, Stopped); s.again(id); s.report(id, 2, Started) }, 1, false, grid.Running},
		{"none", func(id grid.JobID) { s.report(id, 1, Stopped) }, 1, false, grid.Idle},
	} {
		id := s.place()
		c.before(id)
		if got := s.report(id, c.epoch, Saved); got != c.counts {
			t.Errorf("%s: a checkpoint counts: %v", c.name, got)
		}
		v := s.m.View()
		j, _ := v.Job(id)
		var attrs []Attr
		must(t, s.m.Read(func(r *Reader) (err error) {
			attrs, err = r.Attrs(v, id)
			return err
		}))
		if has := find(attrs, "SpooledCheckpoint") != ""; j.Status != c.status || has != c.counts {
			t.Errorf("%s: it is %s then, and its ad says so: %v", c.name, j.Status, has)
		}
	}
}
