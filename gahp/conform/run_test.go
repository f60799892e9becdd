package conform_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

// broken fails always, in the same way.
type broken struct{ err error }

func (b broken) Ping(context.Context) error { return b.err }
func (b broken) Create(context.Context, gahp.Order, gahp.Create) (gahp.VM, error) {
	return gahp.VM{}, b.err
}
func (b broken) Start(context.Context, gahp.Order, string, gahp.Start) error { return b.err }
func (b broken) Get(context.Context, string) (gahp.VM, error)                { return gahp.VM{}, b.err }

func (b broken) Find(context.Context, string) (gahp.VM, error)      { return gahp.VM{}, b.err }
func (b broken) List(context.Context, string) ([]gahp.VM, error)    { return nil, b.err }
func (b broken) Shutdown(context.Context, gahp.Order, string) error { return b.err }
func (b broken) Stop(context.Context, gahp.Order, string) error     { return b.err }
func (b broken) Remove(context.Context, gahp.Order, string) error   { return b.err }
func (b broken) Templates(context.Context) ([]gahp.Template, error) { return nil, b.err }

func (b broken) Assign(context.Context, gahp.Order, string, gahp.Assign) error { return b.err }
func (b broken) Copy(context.Context, gahp.Order, string, gahp.Copy) error     { return b.err }
func (b broken) Events(context.Context, string) ([]gahp.Event, error)          { return nil, b.err }

func TestAProviderThatAlwaysFailsPassesNoCase(t *testing.T) {
	errs := []error{errors.New("of no kind"), &gahp.Error{Kind: gahp.NotFound}}
	for _, k := range gahp.Kinds {
		errs = append(errs, &gahp.Error{Kind: k, Text: "always"})
	}
	for _, err := range errs {
		for _, name := range conform.Names() {
			w := fake.NewWorld(func(*fake.Engine) gahp.Provider { return broken{err} })
			if said := conform.Verdict(t, w, name); len(said) == 0 {
				t.Errorf("%q is content with a provider that always says %v", name, err)
			}
		}
	}
}

// mutant is a good provider with one thing wrong.
type mutant struct {
	gahp.Provider
	e        *fake.Engine
	onErr    func(verb string, err error) error
	onCreate func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error)
	onStart  func(m *mutant, ctx context.Context, o gahp.Order, id string, s gahp.Start) error
	onRemove func(m *mutant, ctx context.Context, o gahp.Order, id string) error
	onFind   func(m *mutant, ctx context.Context, name string) (gahp.VM, error)
	onList   func(m *mutant, ctx context.Context, prefix string) ([]gahp.VM, error)
	onVM     func(vm gahp.VM) gahp.VM
	onAssign func(m *mutant, ctx context.Context, o gahp.Order, id string, a gahp.Assign) error
	onCopy   func(m *mutant, ctx context.Context, o gahp.Order, id string, c gahp.Copy) error
}

func (m *mutant) err(verb string, err error) error {
	if m.onErr != nil {
		return m.onErr(verb, err)
	}
	return err
}

func (m *mutant) vm(v gahp.VM, err error) (gahp.VM, error) {
	if m.onVM != nil && err == nil {
		v = m.onVM(v)
	}
	return v, err
}

func (m *mutant) Create(ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
	if m.onCreate != nil {
		return m.onCreate(m, ctx, o, c)
	}
	v, err := m.Provider.Create(ctx, o, c)
	return m.vm(v, m.err("create", err))
}

func (m *mutant) Start(ctx context.Context, o gahp.Order, id string, s gahp.Start) error {
	if m.onStart != nil {
		return m.onStart(m, ctx, o, id, s)
	}
	return m.err("start", m.Provider.Start(ctx, o, id, s))
}

func (m *mutant) Remove(ctx context.Context, o gahp.Order, id string) error {
	if m.onRemove != nil {
		return m.onRemove(m, ctx, o, id)
	}
	return m.err("remove", m.Provider.Remove(ctx, o, id))
}

func (m *mutant) Stop(ctx context.Context, o gahp.Order, id string) error {
	return m.err("stop", m.Provider.Stop(ctx, o, id))
}

func (m *mutant) Shutdown(ctx context.Context, o gahp.Order, id string) error {
	return m.err("shutdown", m.Provider.Shutdown(ctx, o, id))
}

func (m *mutant) Get(ctx context.Context, id string) (gahp.VM, error) {
	v, err := m.Provider.Get(ctx, id)
	return m.vm(v, m.err("get", err))
}

func (m *mutant) Find(ctx context.Context, name string) (gahp.VM, error) {
	if m.onFind != nil {
		return m.onFind(m, ctx, name)
	}
	v, err := m.Provider.Find(ctx, name)
	return m.vm(v, m.err("find", err))
}

func (m *mutant) List(ctx context.Context, prefix string) ([]gahp.VM, error) {
	if m.onList != nil {
		return m.onList(m, ctx, prefix)
	}
	return m.Provider.List(ctx, prefix)
}

func (m *mutant) Assign(ctx context.Context, o gahp.Order, id string, a gahp.Assign) error {
	if m.onAssign != nil {
		return m.onAssign(m, ctx, o, id, a)
	}
	return m.err("assign", gahp.ExtraOf(m.Provider).Assign(ctx, o, id, a))
}

func (m *mutant) Copy(ctx context.Context, o gahp.Order, id string, c gahp.Copy) error {
	if m.onCopy != nil {
		return m.onCopy(m, ctx, o, id, c)
	}
	return m.err("copy", gahp.ExtraOf(m.Provider).Copy(ctx, o, id, c))
}

func (m *mutant) Events(ctx context.Context, id string) ([]gahp.Event, error) {
	es, err := gahp.ExtraOf(m.Provider).Events(ctx, id)
	return es, m.err("events", err)
}

func kindOf(err error) gahp.Kind {
	var e *gahp.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// confuse says one kind in another's place.
func confuse(a, b gahp.Kind) func(string, error) error {
	return func(_ string, err error) error {
		if kindOf(err) == a {
			return &gahp.Error{Kind: b, Text: err.Error()}
		}
		return err
	}
}

func TestTheSuiteFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		wrong string
		m     mutant
		found string // by this case; empty: by none
	}{
		{"nothing", mutant{}, ""},
		{"another machine is made when a name is in use", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			v, err := m.Provider.Create(ctx, o, c)
			if kindOf(err) == gahp.NameInUse {
				c.Name += "-2"
				return m.Provider.Create(ctx, o, c)
			}
			return v, err
		}}, "a name is given once"},
		{"a create whose answer was lost is repeated", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			v, err := m.Provider.Create(ctx, o, c)
			if kindOf(err) == gahp.Unknown {
				return m.Provider.Create(ctx, o, c)
			}
			return v, err
		}}, "a lost answer leaves what was done to be found"},
		{"a lost answer counts as nothing done", mutant{onErr: confuse(gahp.Unknown, gahp.EngineDown)}, "a lost answer leaves what was done to be found"},
		{"what was not done counts as unknown", mutant{onErr: confuse(gahp.EngineDown, gahp.Unknown)}, "an engine that is not reached has done nothing"},
		{"a lost order counts as done", mutant{onErr: func(verb string, err error) error {
			if verb != "create" && kindOf(err) == gahp.Unknown {
				return nil
			}
			return err
		}}, "a lost request leaves nothing to be found"},
		{"locked is taken for the wrong state", mutant{onErr: confuse(gahp.Locked, gahp.WrongState)}, "a machine whose disks are being made is locked"},
		{"the wrong state is taken for locked", mutant{onErr: confuse(gahp.WrongState, gahp.Locked)}, "a machine that runs is not removed"},
		{"a full cluster is taken for the wrong state", mutant{onErr: confuse(gahp.NoCapacity, gahp.WrongState)}, "no host stops a start and leaves the machine down"},
		{"what is gone is removed without a word", mutant{onErr: func(verb string, err error) error {
			if verb == "remove" && kindOf(err) == gahp.NotFound {
				return nil
			}
			return err
		}}, "nothing is found where nothing is"},
		{"errors have no kind", mutant{onErr: func(_ string, err error) error {
			if err != nil {
				return errors.New(err.Error())
			}
			return nil
		}}, "there is no machine without its template or cluster"},
		{"a remove switches the machine off", mutant{onRemove: func(m *mutant, ctx context.Context, o gahp.Order, id string) error {
			if err := m.Provider.Stop(ctx, o, id); err != nil {
				return err
			}
			return m.Provider.Remove(ctx, o, id)
		}}, "a machine that runs is not removed"},
		{"a create also stops what is not ours", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			if v, err := m.e.Find(ctx, conform.Foreign); err == nil {
				m.e.Stop(ctx, o, v.ID)
			}
			return m.Provider.Create(ctx, o, c)
		}}, "what was asked for is what was made"},
		{"user data is trimmed", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			c.UserData = strings.TrimSpace(c.UserData)
			return m.Provider.Create(ctx, o, c)
		}}, "user data arrives as it was written"},
		{"user data is escaped twice", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			c.UserData = strings.ReplaceAll(c.UserData, "&", "&amp;")
			return m.Provider.Create(ctx, o, c)
		}}, "user data arrives as it was written"},
		{"user data of a start is dropped", mutant{onStart: func(m *mutant, ctx context.Context, o gahp.Order, id string, _ gahp.Start) error {
			return m.Provider.Start(ctx, o, id, gahp.Start{})
		}}, "user data of a start is for that boot"},
		{"a start waits for the lock by itself", mutant{onStart: func(m *mutant, ctx context.Context, o gahp.Order, id string, s gahp.Start) error {
			err := m.Provider.Start(ctx, o, id, s)
			if kindOf(err) == gahp.Locked {
				return nil
			}
			return err
		}}, "a machine whose disks are being made is locked"},
		{"names are found by their beginning", mutant{onFind: func(m *mutant, ctx context.Context, name string) (gahp.VM, error) {
			all, err := m.Provider.List(ctx, name)
			if err == nil && len(all) > 0 {
				return all[0], nil
			}
			return m.Provider.Find(ctx, name)
		}}, "a machine is found by its whole name alone"},
		{"case does not count", mutant{onFind: func(m *mutant, ctx context.Context, name string) (gahp.VM, error) {
			return m.Provider.Find(ctx, strings.ToLower(name))
		}}, "a machine is found by its whole name alone"},
		{"a listing ends with its first page", mutant{onList: func(m *mutant, ctx context.Context, prefix string) ([]gahp.VM, error) {
			all, err := m.Provider.List(ctx, prefix)
			return all[:min(len(all), 100)], err
		}}, "a listing is of all machines, many as they are"},
		{"a listing that breaks off is what had come", mutant{onList: func(m *mutant, ctx context.Context, prefix string) ([]gahp.VM, error) {
			all, err := m.Provider.List(ctx, prefix)
			if kindOf(err) == gahp.EngineDown {
				return nil, nil
			}
			return all, err
		}}, "a listing that breaks off is none"},
		{"a machine is called up too soon", mutant{onVM: func(v gahp.VM) gahp.VM {
			if v.State == gahp.PoweringUp || v.State == gahp.WaitForLaunch {
				v.State = gahp.Up
			}
			return v
		}}, "a machine that is on its way up, or there, is not started again"},
		{"a machine that is not seen is called down", mutant{onVM: func(v gahp.VM) gahp.VM {
			if v.State == gahp.UnknownState {
				v.State = gahp.Down
			}
			return v
		}}, "a machine whose host is not seen is in no certain state"},
		{"the size of an instance type is not heeded", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			if c.InstanceType != "" && c.MemoryMB == 0 {
				c.MemoryMB = 1024
			}
			return m.Provider.Create(ctx, o, c)
		}}, "an instance type is a size, and what is asked for counts before it"},
		{"a quota is forgotten", mutant{onCreate: func(m *mutant, ctx context.Context, o gahp.Order, c gahp.Create) (gahp.VM, error) {
			c.Quota = ""
			return m.Provider.Create(ctx, o, c)
		}}, "a machine counts in the quota that it is asked for in"},
		{"tags are all that is given", mutant{onAssign: func(m *mutant, ctx context.Context, o gahp.Order, id string, a gahp.Assign) error {
			a.Affinity = nil
			return gahp.ExtraOf(m.Provider).Assign(ctx, o, id, a)
		}}, "a machine is in its groups once"},
		{"a copy is ready when it is ordered", mutant{onCopy: func(m *mutant, ctx context.Context, o gahp.Order, id string, c gahp.Copy) error {
			err := gahp.ExtraOf(m.Provider).Copy(ctx, o, id, c)
			if kindOf(err) == gahp.Locked {
				return nil
			}
			return err
		}}, "a copy outlives its machine"},
		{"any template of the name is a copy", mutant{onErr: func(verb string, err error) error {
			if verb == "copy" && kindOf(err) == gahp.NameInUse {
				return nil
			}
			return err
		}}, "another's template is not taken for a copy"},
		{"marks are forgotten", mutant{onVM: func(v gahp.VM) gahp.VM { v.Mark = ""; return v }}, "a machine lives from its order to its end"},
	} {
		t.Run(c.wrong, func(t *testing.T) {
			way := func(e *fake.Engine) gahp.Provider {
				m := c.m
				m.Provider, m.e = gahp.Fenced(e), e
				return &m
			}
			if c.found != "" {
				if said := conform.Verdict(t, fake.NewWorld(way), c.found); len(said) == 0 {
					t.Errorf("%q is content", c.found)
				}
				return
			}
			for _, name := range conform.Names() {
				if said := conform.Verdict(t, fake.NewWorld(way), name); len(said) > 0 {
					t.Errorf("%q says %v", name, said)
				}
			}
		})
	}
	t.Run("no fence", func(t *testing.T) {
		w := fake.NewWorld(func(e *fake.Engine) gahp.Provider { return e })
		if said := conform.Verdict(t, w, "an order of an earlier step is stale"); len(said) == 0 {
			t.Error("not found")
		}
	})
}
