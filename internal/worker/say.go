package worker

import (
	"context"
	"maps"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/wire"
)

// sayEvery is how often it is looked what a job says of itself; sayAgain is after how
// many looks it is passed on anew.
const (
	sayEvery = time.Second
	sayAgain = 30
)

// say passes on what the job says of itself, until ctx ends.
func (t *attempt) say(ctx context.Context) {
	var said map[string]string
	for looks := 1; pause.For(ctx, sayEvery) == nil; looks++ {
		if now := t.box.Attrs(); !maps.Equal(now, said) || now != nil && looks%sayAgain == 0 {
			said = now
			t.a.update(wire.Update{Job: t.entry.Key.Job, Epoch: t.entry.Key.Epoch, Attrs: now})
		}
	}
}

func (a *Agent) update(u wire.Update) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.send(wire.Message{Update: &u})
}
