package schedd

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/schedd/ledger"
)

// slow is an engine whose first listing takes long, and which remembers when it showed a
// machine first and when that was to go.
type slow struct {
	gahp.Provider
	takes time.Duration

	mu            sync.Mutex
	listed        bool
	shown, doomed time.Time
}

func (s *slow) List(ctx context.Context, prefix string) ([]gahp.VM, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listed {
		time.Sleep(s.takes)
		s.listed = true
	}
	vms, err := s.Provider.List(ctx, prefix)
	if len(vms) > 0 && s.shown.IsZero() {
		s.shown = time.Now()
	}
	return vms, err
}

func (s *slow) Remove(ctx context.Context, o gahp.Order, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doomed.IsZero() {
		s.doomed = time.Now()
	}
	return s.Provider.Remove(ctx, o, id)
}

// A machine that no claim stands for is shown by two listings before it is taken away, and
// these are apart also when an engine was slow to answer one before.
func TestTheListingsThatCondemnAMachineAreApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := newHour(t, dir)
		const every = 10 * time.Second
		s := &slow{Provider: gahp.Fenced(h.engine), takes: every * 19 / 10}
		h.d.c.Sweep, h.d.c.Resources = every, h.d.c.Resources[:1]
		h.d.c.Engine = func(Credential) (gahp.Provider, error) { return s, nil }
		end := h.run()
		time.Sleep(every * 7 / 2) // the rounds that are late come one after the other now
		deployed := h.d.ledger.View().Deployment
		name := ledger.ClaimName(deployed, 900)
		there := func() bool {
			return slices.ContainsFunc(h.engine.Machines(), func(m conform.Machine) bool { return m.Name == name })
		}
		if _, err := h.engine.Create(t.Context(), gahp.Order{}, gahp.Create{
			Name: name, Mark: markOf(deployed, 900), Template: conform.Worker, Cluster: "Default",
		}); err != nil {
			t.Fatal(err)
		}
		for began := time.Now(); there() && time.Since(began) < time.Hour; {
			time.Sleep(time.Second)
		}
		end()
		if there() {
			t.Error("it is still there")
		}
		if apart := s.doomed.Sub(s.shown); apart < every {
			t.Errorf("it was taken away %s after it was shown first", apart)
		}
	})
}
