package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// peer is a second real schedd, as a target. It has no machine until jobs are let go.
type peer struct {
	*death
	there  *rig.Schedd
	worker *rig.Process
}

func newPeer(d *death) far {
	p := &peer{death: d}
	d.must(os.MkdirAll(filepath.Join(d.dir, "theirs"), 0o755))
	d.write("far.hcl", "schedd {\n  policy_interval = \"1s\"\n}\n", 0o644)
	p.begin()
	return p
}

func (p *peer) begin() {
	p.Helper()
	env := []string{"GRIDBURST_FAILPOINT_DIR=" + filepath.Join(p.dir, "theirs")}
	s, err := p.rig.Schedd(p.ctx, filepath.Join(filepath.Base(p.dir), "far"), env, "--config", filepath.Join(p.dir, "far.hcl"))
	p.must(err)
	p.there = s
}

func (p *peer) block() (resource, keys string) {
	return "gridburst far", fmt.Sprintf("  schedd = %q\n  bin = %q\n", filepath.Join(p.dir, "far"), p.rig.Bin)
}

func (p *peer) arm(at failpoint.Point) { p.write(filepath.Join("theirs", at.Name), "", 0o644) }

func (p *peer) died(at failpoint.Point) {
	p.Helper()
	p.until("a death there at "+at.Name, func() bool {
		_, err := os.Stat(filepath.Join(p.dir, "theirs", at.Name))
		return err != nil
	})
	if at.Of == failpoint.Schedd {
		p.gone()
	}
}

// gone waits until the schedd has died, and starts it again.
func (p *peer) gone() {
	p.Helper()
	select {
	case <-p.there.Done():
	case <-p.ctx.Done():
		p.Fatal("the other gschedd lives")
	}
	p.begin()
}

func (p *peer) shake() {
	p.Helper()
	p.there.Kill()
	p.gone()
}

func (p *peer) letGo() {
	p.Helper()
	if p.worker != nil {
		return
	}
	log := filepath.Join(filepath.Base(p.dir), "worker.log")
	w, err := p.rig.Start(log, nil, filepath.Join(p.rig.Bin, "gworker"), "--schedd", p.there.Socket, "--state", filepath.Join(p.dir, "worker"), "--cpus", "4", "--name", "pool")
	p.must(err)
	p.worker = w
}

// taken asks queue and history; none while the schedd does not answer.
func (p *peer) taken() (names []string) {
	q := api.JobsQuery{Attributes: []string{"GridburstJob"}, Evaluate: true}
	add := func(text json.RawMessage, err error) bool {
		var ad struct{ GridburstJob string }
		if err != nil || json.Unmarshal(text, &ad) != nil {
			names = nil
			return false
		}
		names = append(names, ad.GridburstJob)
		return true
	}
	for text, err := range p.there.Client().Jobs(p.ctx, q) {
		if !add(text, err) {
			return nil
		}
	}
	for text, err := range p.there.Client().History(p.ctx, api.HistoryQuery{JobsQuery: q}) {
		if !add(text, err) {
			return nil
		}
	}
	return names
}

func (p *peer) end() {
	if n := len(p.taken()); n < 3 { // what was removed may not have come there
		p.Errorf("it has had %d jobs", n)
	}
	t, err := p.there.Client().Totals(p.ctx)
	if a := t.All; err != nil || a.Idle+a.Running+a.Held+a.Completed+a.Removed+a.Transferring+a.Suspended > 0 {
		p.Errorf("it keeps %+v, %v", a, err)
	}
	p.worker.Stop(time.Minute)
	p.there.Stop(time.Minute)
}
