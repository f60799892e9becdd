package schedd

import (
	"context"
	"encoding/json"
	"io"
	"iter"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/jobad"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
	"gridburst/schedd/submit"
)

// Events implements [serve.Backend]. Everybody may see what happens to whom; texts
// only of their own jobs.
func (d *Daemon) Events(ctx context.Context, who serve.Identity, after uint64) (out []api.Event, next uint64, err error) {
	events, next, err := d.ledger.Events(ctx, after, 1000)
	if err != nil {
		return nil, 0, err
	}
	v := d.ledger.View()
	for i := range events {
		e := eventOf(&events[i])
		if !who.Admin && !d.belongs(v, &events[i], v.OwnerOf(who.UID)) {
			e.Text = ""
		}
		out = append(out, e)
	}
	return out, next, nil
}

// belongs reports whether an event is of something that the owner has, or of nobody's.
func (d *Daemon) belongs(v *ledger.View, e *ledger.Event, owner uint32) bool {
	switch {
	case e.Jobs.Cluster != 0:
		c, ok := v.Cluster(e.Jobs.Cluster)
		return ok && c.Owner == owner
	case e.Type == ledger.DagMoved, e.Type == ledger.NodeMoved, e.Type == ledger.DagScaled:
		g, ok := v.Dag(e.ID)
		return ok && g.Owner == owner
	}
	return true
}

// Changed implements [serve.Backend].
func (d *Daemon) Changed(after uint64) <-chan struct{} { return d.ledger.Changed(after) }

func eventOf(e *ledger.Event) api.Event {
	out := api.Event{
		Index: e.Index, Time: e.At, Type: e.Type.String(), Epoch: e.Epoch, Code: e.Code, Sub: e.Sub, ID: e.ID, Node: e.Node, Text: e.Text,
	}
	if e.Jobs.Cluster != 0 {
		out.Jobs = e.Jobs.String()
	}
	name := func(n uint8) string {
		switch {
		case e.Type == ledger.DagMoved:
			return dag.RunStatus(n).String()
		case n == 0 && e.Type != ledger.NodeMoved:
			return ""
		case e.Type == ledger.ClaimMoved:
			return grid.ClaimState(n).String()
		case e.Type == ledger.RouteMoved:
			return grid.RouteState(n).String()
		case e.Type == ledger.NodeMoved:
			return grid.NodeState(n).String()
		}
		return grid.Status(n).String()
	}
	out.From, out.To = name(e.From), name(e.To)
	if x := e.Exit; x != nil {
		out.Exit = &api.Exit{Code: x.Code, Signal: x.Signal, WallMS: x.WallMS, UserMS: x.UserMS, SysMS: x.SysMS}
	}
	return out
}

// logPage bounds how long one reading of the log keeps pages of the file.
const logPage = 1000

// Log implements [serve.Backend].
func (d *Daemon) Log(ctx context.Context, from uint64) iter.Seq2[api.LogEntry, error] {
	return func(yield func(api.LogEntry, error) bool) {
		from = max(from, d.ledger.View().LogFirst)
		for {
			var page []ledger.Record
			err := d.ledger.Read(func(r *ledger.Reader) error {
				for rec, err := range r.Entries(from, 0) {
					if err != nil {
						return err
					}
					if page = append(page, rec); len(page) == logPage {
						break
					}
				}
				return ctx.Err()
			})
			if err != nil {
				yield(api.LogEntry{}, err)
				return
			}
			for i := range page {
				e, err := EntryOf(&page[i])
				if !yield(e, err) || err != nil {
					return
				}
				from = e.Index + 1
			}
			if len(page) < logPage {
				return
			}
		}
	}
}

// EntryOf is a log entry as people and programs read it.
func EntryOf(r *ledger.Record) (api.LogEntry, error) {
	body, err := json.Marshal(shown(r.Body))
	if err != nil {
		return api.LogEntry{}, err
	}
	e := api.LogEntry{Index: r.Index, Time: r.Time, Kind: r.Body.Kind().String(), By: r.By, Key: r.Key, Body: body}
	if r.Err != nil {
		e.Refused = string(r.Err.Code) + ": " + r.Err.Message
	}
	for i := range r.Events {
		e.Events = append(e.Events, eventOf(&r.Events[i]))
	}
	return e, nil
}

// shown is a command's body without the values that nobody is shown.
func shown(body ledger.Body) any {
	switch c := body.(type) {
	case *ledger.Submit:
		s := *c
		s.Template, s.Own = jobad.HideTemplate(s.Template), jobad.HideOwn(s.Own)
		return &s
	case *ledger.Edit:
		s := *c
		s.Attrs = submit.HideAttrs(s.Attrs)
		return &s
	case *ledger.Alter:
		s := *c
		s.Attrs = submit.HideAttrs(s.Attrs)
		return &s
	}
	return body
}

// Backup implements [serve.Backend].
func (d *Daemon) Backup(_ context.Context, w io.Writer) (api.Backup, error) {
	b, err := d.ledger.Snapshot(w)
	out := api.Backup{Format: b.Format, Deployment: b.Deployment, Index: b.Index, Digest: b.Digest.String(), Size: b.Size}
	out.Checkpoints, out.CheckpointBytes = d.saved.all()
	return out, err
}
