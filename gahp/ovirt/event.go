package ovirt

import (
	"context"
	"encoding/xml"
	"net/url"
	"strconv"

	ovirtsdk "github.com/ovirt/go-ovirt"

	"gridburst/gahp"
)

// fates are the codes of an engine's events that tell what became of a machine's start. A
// start that was taken is tried on several hosts; of one that fails on all of them nothing
// else is seen than a machine that is down. That one is down by an error (119) is said of
// both, and tells nothing.
var fates = map[int64]string{
	32: gahp.DetailRan, 61: gahp.DetailRan, 33: gahp.DetailRan, 143: gahp.DetailRan,
	54: gahp.DetailNoHost, 151: gahp.DetailNoHost, 818: gahp.DetailNoHost,
}

// newestEvents is how many of a machine's events are asked for: a start makes a few.
const newestEvents = 20

// fate is what became of the last start of a machine that is down, as its events tell it;
// empty when they do not, or cannot be had: a user may not be allowed to see them.
func (e *Engine) fate(ctx context.Context, m *gahp.VM) string {
	query := url.Values{"max": {strconv.Itoa(newestEvents)}}
	if s := search(m.Name, false); s != nil {
		query.Set("search", "event_vm="+m.Name)
	}
	out := ""
	err := e.read(ctx, "/events", query, "events", func(d *document) error {
		return d.each("event", func(start *xml.StartElement) error {
			v, err := one(d, start, ovirtsdk.XMLEventReadOne)
			if err != nil || out != "" {
				return err
			}
			code, _ := v.Code()
			if vm, ok := v.Vm(); ok {
				if id, _ := vm.Id(); id == m.ID {
					out = fates[code] // the newest comes first
				}
			}
			return nil
		})
	})
	if err != nil {
		e.cfg.Log.WithError(err).WithField("vm", m.Name).Debug("the engine does not tell what became of a start")
		return ""
	}
	return out
}
