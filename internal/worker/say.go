package worker

import (
	"context"
	"maps"
	"strings"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// sayEvery is how often it is looked what a job says of itself; sayAgain is after how
// many looks it is passed on anew, and answerEvery after how many another answer of its
// check, each of which the schedd has to keep.
const (
	sayEvery    = time.Second
	sayAgain    = 30
	answerEvery = 10
)

// say passes on what the job says of itself, and what its check has come to, until ctx ends.
func (t *attempt) say(ctx context.Context) {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	var said map[string]string
	var told runner.Checked
	toldAt := -answerEvery
	for looks := 0; ; {
		again := false
		select {
		case <-ctx.Done():
			return
		case <-t.news:
		case <-tick.C:
			looks++
			again = looks%sayAgain == 0
		}
		now := t.box.Attrs()
		if !maps.Equal(now, said) || now != nil && again {
			said = now
			t.a.update(wire.Update{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Attrs: now})
		}
		// By itself: what the job says is refused as a whole if it may not say all of it.
		c := t.check()
		if c != told && (c.Ready || looks >= toldAt+answerEvery) || c != (runner.Checked{}) && again {
			told, toldAt = c, looks
			t.a.update(wire.Update{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Attrs: t.found(c, now)})
		}
	}
}

// found is what the check of the job says in its ad: what the job would say by itself.
// The job's own word for its address, if there is one, is the better one.
func (t *attempt) found(c runner.Checked, said map[string]string) map[string]string {
	attrs := map[string]string{wire.ReadyAnswer: ad.Quote(c.Answer)}
	if !c.Ready {
		return attrs
	}
	attrs[wire.ServiceReady] = "true"
	address := ""
	if x := t.entry.Exec.Ready; x != nil {
		address = x.Address
	}
	for name := range said {
		if strings.EqualFold(name, wire.ServiceAddress) {
			address = ""
		}
	}
	if address != "" {
		attrs[wire.ServiceAddress] = ad.Quote(address)
	}
	return attrs
}

// heard takes in what the job's runner says of its check.
func (t *attempt) heard(c runner.Checked) {
	t.mu.Lock()
	t.checked = c
	t.mu.Unlock()
	select {
	case t.news <- struct{}{}:
	default:
	}
}

func (t *attempt) check() runner.Checked {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.checked
}

func (a *Agent) update(u wire.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.send(wire.Message{Update: &u})
}
