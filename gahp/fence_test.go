package gahp_test

import (
	"context"
	"fmt"
	"testing"

	"gridburst/gahp"
)

// willing is a provider that does whatever it is told, and counts.
type willing struct {
	gahp.Provider
	done int
}

func (w *willing) Create(_ context.Context, _ gahp.Order, c gahp.Create) (gahp.VM, error) {
	w.done++
	if c.Template == "lost" {
		return gahp.VM{}, &gahp.Error{Kind: gahp.Unknown, Text: "lost"}
	}
	return gahp.VM{ID: "id-" + c.Name, Name: c.Name}, nil
}

func (w *willing) Find(_ context.Context, name string) (gahp.VM, error) {
	return gahp.VM{ID: "id-" + name, Name: name}, nil
}

func (w *willing) Get(_ context.Context, id string) (gahp.VM, error) {
	return gahp.VM{ID: id, Name: id[len("id-"):]}, nil
}

func (w *willing) Start(context.Context, gahp.Order, string, gahp.Start) error { w.done++; return nil }

func (w *willing) Shutdown(context.Context, gahp.Order, string) error { w.done++; return nil }

func (w *willing) Stop(context.Context, gahp.Order, string) error { w.done++; return nil }

func (w *willing) Remove(context.Context, gahp.Order, string) error { w.done++; return nil }

func TestAnOldOrderIsStale(t *testing.T) {
	type step struct {
		term         uint64
		claim, epoch uint32
		verb, what   string
		stale        bool
	}
	for _, c := range []struct {
		why   string
		steps []step
	}{
		{"the same order again passes", []step{{1, 1, 1, "create", "a", false}, {1, 1, 1, "create", "a", false}, {1, 1, 1, "start", "id-a", false}}},
		{"an earlier epoch does not", []step{{1, 1, 2, "stop", "id-a", false}, {1, 1, 1, "start", "id-a", true}}},
		{"whatever it asks for", []step{
			{1, 1, 2, "stop", "id-a", false}, {1, 1, 1, "stop", "id-a", true}, {1, 1, 1, "shutdown", "id-a", true}, {1, 1, 1, "remove", "id-a", true},
		}},
		{"of another machine it does", []step{{1, 1, 2, "stop", "id-a", false}, {1, 2, 1, "start", "id-ab", false}}},
		{"a machine is known by name and id once it was made", []step{{1, 1, 2, "create", "a", false}, {1, 1, 1, "stop", "id-a", true}}},
		{"and once it was found", []step{{1, 1, 3, "lost", "a", false}, {1, 1, 1, "stop", "id-a", false}, {0, 0, 0, "find", "a", false}, {1, 1, 2, "stop", "id-a", true}, {1, 1, 3, "stop", "id-a", false}}},
		{"and once it was looked at", []step{{1, 1, 3, "stop", "id-a", false}, {1, 1, 1, "lost", "a", false}, {0, 0, 0, "get", "id-a", false}, {1, 1, 2, "create", "a", true}}},
		{"a later claim of one machine begins anew", []step{{1, 1, 9, "start", "id-a", false}, {1, 2, 1, "start", "id-a", false}, {1, 1, 10, "stop", "id-a", true}}},
		{"a later term begins anew", []step{{1, 7, 9, "start", "id-a", false}, {2, 1, 1, "start", "id-a", false}, {1, 7, 10, "stop", "id-a", true}, {1, 1, 1, "create", "b", true}}},
		{"what is of no claim is of a term", []step{{2, 1, 9, "start", "id-a", false}, {2, 0, 0, "stop", "id-a", false}, {1, 0, 0, "stop", "id-a", true}}},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := &willing{}
			p := gahp.Fenced(w)
			ctx := t.Context()
			passed := 0
			for i, s := range c.steps {
				o := gahp.Order{Term: s.term, Claim: s.claim, Epoch: s.epoch}
				var err error
				switch s.verb {
				case "create":
					_, err = p.Create(ctx, o, gahp.Create{Name: s.what})
				case "lost":
					if _, err = p.Create(ctx, o, gahp.Create{Name: s.what, Template: "lost"}); kindOf(err) == gahp.Unknown {
						err = nil
					}
				case "find":
					_, err = p.Find(ctx, s.what)
					passed--
				case "get":
					_, err = p.Get(ctx, s.what)
					passed--
				case "start":
					err = p.Start(ctx, o, s.what, gahp.Start{})
				case "shutdown":
					err = p.Shutdown(ctx, o, s.what)
				case "stop":
					err = p.Stop(ctx, o, s.what)
				case "remove":
					err = p.Remove(ctx, o, s.what)
				}
				if err == nil {
					passed++
				}
				if s.stale && kindOf(err) != gahp.Stale || !s.stale && err != nil {
					t.Errorf("step %d, %s %s of %+v: %v", i, s.verb, s.what, o, err)
				}
				if w.done != passed {
					t.Fatalf("after step %d the provider had %d orders, want %d", i, w.done, passed)
				}
			}
		})
	}
}

func TestAFenceRemembersManyMachinesAndNotAllForEver(t *testing.T) {
	p := gahp.Fenced(&willing{})
	for i := range 200_000 {
		if _, err := p.Create(t.Context(), gahp.Order{Term: 1, Claim: uint32(i + 1), Epoch: 2}, gahp.Create{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	const late = 199_999 - 30_000
	err := p.Stop(t.Context(), gahp.Order{Term: 1, Claim: late + 1, Epoch: 1}, fmt.Sprintf("id-%d", late))
	wantKind(t, "a stop of a machine that was made not long ago", err, gahp.Stale)
	err = p.Stop(t.Context(), gahp.Order{Term: 1, Claim: 1, Epoch: 1}, "id-0")
	wantKind(t, "a stop of one made long ago", err, "")
}
