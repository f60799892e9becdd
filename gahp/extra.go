package gahp

import (
	"context"
	"time"
)

// Extra is what a [Provider] may be able to do for its machines beside keeping them: one
// that is none has nothing of it. [ExtraOf] finds it. What is said of a Provider's methods
// and errors holds here too.
type Extra interface {
	// Assign puts a machine into groups of its cluster and gives it tags. Done twice it
	// is done once. A group that there is not is [Refused]; tags that the credential may
	// not make or give are left out, for they are for people.
	Assign(ctx context.Context, o Order, id string, a Assign) error

	// Copy makes a template of a machine that is Down, which goes on to be when the
	// machine has been removed. It is nil when that template is ready. While it is being
	// made the machine is not to be touched, and Copy fails with [Locked]: ask again.
	// Another's template of that name makes it fail with [NameInUse].
	Copy(ctx context.Context, o Order, id string, c Copy) error

	// Events are what the engine tells of a machine, oldest first; of very many, the
	// last.
	Events(ctx context.Context, id string) ([]Event, error)
}

// Assign names what a machine belongs to.
type Assign struct {
	Affinity []string // names of affinity groups of the machine's cluster
	Tags     []string // letters, digits, '-' and '_'
}

// Copy names a template to be made.
type Copy struct {
	Name string
	Mark string // ours, by which a second call knows it again
}

// Event is a line of what an engine tells.
type Event struct {
	At       time.Time
	Severity string // normal, warning, error, alert
	Text     string
}

// ExtraOf is what p can do beside, or what refuses all of it.
func ExtraOf(p Provider) Extra {
	if x, ok := p.(Extra); ok {
		return x
	}
	return noExtra{}
}

type noExtra struct{}

var errNoExtra = &Error{Kind: Refused, Text: "machines of this engine have no groups, tags, copies and events"}

func (noExtra) Assign(context.Context, Order, string, Assign) error { return errNoExtra }
func (noExtra) Copy(context.Context, Order, string, Copy) error     { return errNoExtra }
func (noExtra) Events(context.Context, string) ([]Event, error)     { return nil, errNoExtra }

// Assign implements [Extra] behind the fence.
func (f *fence) Assign(ctx context.Context, o Order, id string, a Assign) error {
	if err := f.pass(o, "id "+id); err != nil {
		return err
	}
	return ExtraOf(f.Provider).Assign(ctx, o, id, a)
}

// Copy implements [Extra] behind the fence.
func (f *fence) Copy(ctx context.Context, o Order, id string, c Copy) error {
	if err := f.pass(o, "id "+id); err != nil {
		return err
	}
	return ExtraOf(f.Provider).Copy(ctx, o, id, c)
}

// Events implements [Extra].
func (f *fence) Events(ctx context.Context, id string) ([]Event, error) {
	return ExtraOf(f.Provider).Events(ctx, id)
}

// Assign puts a machine into groups: see [Extra].
func (c *Client) Assign(ctx context.Context, o Order, id string, a Assign) error {
	_, err := c.call(ctx, verbAssign, orderWord(o), id, listWord(a.Affinity), listWord(a.Tags))
	return err
}

// Copy makes a template of a machine: see [Extra].
func (c *Client) Copy(ctx context.Context, o Order, id string, t Copy) error {
	_, err := c.call(ctx, verbCopy, orderWord(o), id, t.Name, t.Mark)
	return err
}

// Events are what the engine tells of a machine.
func (c *Client) Events(ctx context.Context, id string) ([]Event, error) {
	w, err := c.call(ctx, verbEvents, id)
	return takeList(w, err, eventWords, (*words).event)
}

const eventWords = 3

func appendEvent(dst []string, e Event) []string {
	return append(dst, timeWord(e.At), e.Severity, e.Text)
}

func (w *words) event() Event {
	return Event{At: w.time("time"), Severity: w.text("severity"), Text: w.text("text")}
}
