package fake_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

func kindOf(err error) gahp.Kind {
	var e *gahp.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

var order = gahp.Order{Term: 1}

func create(t *testing.T, e *fake.Engine, name string) gahp.VM {
	t.Helper()
	m, err := e.Create(t.Context(), order, gahp.Create{Name: name, Template: conform.Worker})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMachinesLiveByTheBubblesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New(fake.Config{
			Inventory: conform.Stock(), Lock: 10 * time.Second, Launch: 2 * time.Second, Boot: time.Minute, PowerOff: 30 * time.Second, Remove: 5 * time.Second,
		})
		e.Add(fake.Rule{Verbs: []fake.Verb{fake.Start}, Name: "short", Lifetime: time.Hour})
		m := create(t, e, "short")
		begin := time.Now()
		at := func(after time.Duration, want gahp.State) gahp.VM {
			t.Helper()
			time.Sleep(time.Until(begin.Add(after)))
			m, err := e.Get(t.Context(), m.ID)
			if err != nil || m.State != want {
				t.Fatalf("after %s: %s, %v; want %s", after, m.State, err, want)
			}
			return m
		}
		at(9*time.Second, gahp.ImageLocked)
		at(10*time.Second, gahp.Down)
		if err := e.Start(t.Context(), order, m.ID, gahp.Start{}); err != nil {
			t.Fatal(err)
		}
		at(11*time.Second, gahp.WaitForLaunch)
		at(12*time.Second, gahp.PoweringUp)
		at(72*time.Second, gahp.Up)
		at(time.Hour+71*time.Second, gahp.Up)
		// Nobody looks for a day, and its end was when it was.
		if m := at(25*time.Hour, gahp.Down); !m.Stopped.Equal(begin.Add(time.Hour + 72*time.Second)) {
			t.Errorf("stopped %s after the beginning", m.Stopped.Sub(begin))
		}
		if err := e.Remove(t.Context(), order, m.ID); err != nil {
			t.Fatal(err)
		}
		at(25*time.Hour+4*time.Second, gahp.ImageLocked)
		time.Sleep(time.Second)
		if _, err := e.Get(t.Context(), m.ID); kindOf(err) != gahp.NotFound {
			t.Errorf("get of what is gone: %v", err)
		}
	})
}

func TestHostsAndQuotasAreFull(t *testing.T) {
	e := fake.New(fake.Config{Inventory: conform.Stock(), MemoryMB: 512 + 2*1024, Quota: 4})
	var ids []string
	for i := range 3 {
		ids = append(ids, create(t, e, fmt.Sprint("m", i)).ID)
	}
	if _, err := e.Create(t.Context(), order, gahp.Create{Name: "m3", Template: conform.Worker}); kindOf(err) != gahp.Quota {
		t.Errorf("one machine too many: %v", err)
	}
	for i, id := range ids {
		err := e.Start(t.Context(), order, id, gahp.Start{})
		if i < 2 && err != nil || i == 2 && kindOf(err) != gahp.NoCapacity {
			t.Errorf("start of machine %d: %v", i, err)
		}
	}
	if err := errors.Join(e.Stop(t.Context(), order, ids[0]), e.Start(t.Context(), order, ids[2], gahp.Start{})); err != nil {
		t.Errorf("a machine where another was: %v", err)
	}
}

func TestRulesMeetTheCallsThatTheyName(t *testing.T) {
	e := fake.New(fake.Config{Inventory: conform.Stock()})
	ctx := t.Context()
	takeBack := e.Add(fake.Rule{Verbs: []fake.Verb{fake.Find, fake.Get}, Name: conform.Foreign, After: 1, Times: 2, Kind: gahp.Forbidden})
	var id string
	for i, want := range []gahp.Kind{"", gahp.Forbidden, gahp.Forbidden, ""} {
		m, err := e.Find(ctx, conform.Foreign)
		if kindOf(err) != want {
			t.Errorf("call %d: %v, want %q", i, err, want)
		}
		if err == nil {
			id = m.ID
		}
		if _, err := e.Find(ctx, "nobody"); kindOf(err) != gahp.NotFound {
			t.Errorf("another name: %v", err)
		}
		if err := e.Ping(ctx); err != nil {
			t.Errorf("another verb: %v", err)
		}
	}
	takeBack()
	takeBack()
	takeBack = e.Add(fake.Rule{Verbs: []fake.Verb{fake.Stop}, Lost: true})
	if err := e.Stop(ctx, order, id); kindOf(err) != gahp.Unknown {
		t.Errorf("a lost answer: %v", err)
	}
	takeBack()
	if m, err := e.Get(ctx, id); err != nil || m.State != gahp.Down {
		t.Errorf("after it: %+v, %v", m, err)
	}
}

func TestACreateThatWasCutOffIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New(fake.Config{Inventory: conform.Stock()})
		e.Add(fake.Rule{Verbs: []fake.Verb{fake.Create}, Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := e.Create(ctx, order, gahp.Create{Name: "m", Template: conform.Worker}); kindOf(err) != gahp.Unknown {
			t.Errorf("create: %v", err)
		}
		if _, err := e.Find(t.Context(), "m"); err != nil {
			t.Errorf("find: %v", err)
		}
	})
}
