package schedd

import (
	"context"
	"sync"
	"time"

	"gridburst/gahp"
	"gridburst/internal/desk"
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
// when it is first needed.
type engines struct {
	d  *Daemon
	mu sync.Mutex
	by map[Credential]gahp.Provider
}

func newEngines(d *Daemon) *engines { return &engines{d: d, by: map[Credential]gahp.Provider{}} }

// at is the engine asked with that credential.
func (e *engines) at(c Credential) (gahp.Provider, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.by[c]; p != nil {
		return p, nil
	}
	p, err := e.d.c.Engine(c)
	if err != nil {
		return nil, err
	}
	e.by[c] = p
	return p, nil
}

// own is the daemon's own access to a resource.
func (e *engines) own(r *Resource) (gahp.Provider, error) {
	return e.at(Credential{Resource: r.Name, URL: r.URL, CAFile: r.CAFile, Username: r.Username, PasswordFile: r.PasswordFile, User: desk.Owner{Name: "schedd", UID: e.d.self}})
}

// close ends the processes.
func (e *engines) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.by {
		if c, ok := p.(interface{ Close() error }); ok {
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
