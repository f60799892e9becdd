package schedd

import (
	"context"
	"sync"
	"time"

	"gridburst/gahp"
	"gridburst/internal/desk"
	"gridburst/schedd/ledger"
	"gridburst/schedd/watch"
)

// Credential is what an engine is asked with. The password file is opened by the
// process that speaks to the engine, with the rights of User.
type Credential struct {
	Resource     string
	URL          string
	CAFile       string
	Username     string
	PasswordFile string
	User         desk.Owner // whose rights the process has; UID of the daemon for its own
}

// engines are the processes that speak to engines: one for each credential, started
// when it is first needed, and what they show of machines.
type engines struct {
	d     *Daemon
	watch func(*watch.Watch) // keeps one going
	end   func()             // ends those

	mu sync.Mutex
	by map[Credential]*engine
}

// engine is an engine asked with one credential.
type engine struct {
	gahp.Provider
	*watch.Watch
}

func newEngines(d *Daemon) *engines {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	return &engines{
		d: d, by: map[Credential]*engine{},
		watch: func(w *watch.Watch) { wg.Go(func() { w.Run(ctx) }) },
		end:   func() { cancel(); wg.Wait() },
	}
}

// at is the engine asked with that credential.
func (e *engines) at(c Credential) (*engine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.by[c]; p != nil {
		return p, nil
	}
	p, err := e.d.config().Engine(c)
	if err != nil {
		return nil, err
	}
	out := &engine{Provider: p}
	out.Watch = watch.New(watch.Options{
		List: func(ctx context.Context) ([]gahp.VM, error) {
			limited, cancel := engineContext(ctx)
			defer cancel()
			return p.List(limited, ledger.ClaimPrefix(e.d.ledger.View().Deployment))
		},
		News: e.d.claims.poke,
		Lost: func(err error) {
			e.d.log.WithError(err).WithField("resource", c.Resource).Warn("the engine does not show its machines: none is let go meanwhile")
		},
		Turn: func() { e.d.claims.pokeAll(out) },
	})
	e.by[c] = out
	e.watch(out.Watch)
	return out, nil
}

// own is the daemon's own access to a resource.
func (e *engines) own(r *Resource) (*engine, error) {
	return e.at(Credential{Resource: r.Name, URL: r.URL, CAFile: r.CAFile, Username: r.Username, PasswordFile: r.PasswordFile, User: desk.Owner{Name: "schedd", UID: e.d.self}})
}

// blind says why the daemon knows nothing of its machines of a resource; nil: it sees them,
// or has none.
func (d *Daemon) blind(resource string) error {
	r := d.resource(resource)
	if r == nil || r.Username == "" {
		return nil
	}
	p, err := d.engines.own(r)
	if err != nil {
		return err
	}
	return p.Blind()
}

// forget: a claim is closed.
func (e *engines) forget(claim uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.by {
		p.Forget(claim)
	}
}

// close ends the processes.
func (e *engines) close() {
	e.end()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.by {
		if c, ok := p.Provider.(interface{ Close() error }); ok {
			if err := c.Close(); err != nil {
				e.d.log.WithError(err).Warn("a gahp did not end well")
			}
		}
	}
}

// engineLimit bounds one question to an engine.
const engineLimit = 2 * time.Minute

func engineContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, engineLimit)
}
