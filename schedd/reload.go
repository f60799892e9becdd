package schedd

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/serve"
)

// A configuration takes the place of another whole, or not at all: it is parsed and checked,
// kept as a version, written in the place of the file, and only then it is in force. Who dies
// between finds the new file at the next start, which is the one that was asked for.
//
// What it was checked against may become another thing until then: a job goes to a target, a
// machine is wished for. So that is looked at again when nobody can do either any more.

// reloads keeps one from being done while another is.
type reloads struct {
	mu sync.Mutex

	// placing is held by whoever places jobs at targets or wishes for machines, and alone
	// while another configuration takes the place of the one that this rests on.
	placing sync.RWMutex
}

// changeable are the fields of [Config] that may change while the daemon runs, and what
// comes with the text.
var changeable = []string{
	"Resources", "Budget", "Concurrency", "MaxRunning", "MaxRunningPerOwner", "MaxProcs", "MaxPerOwner", "KeepHistory", "KeepKeys",
	"Routes", "Target", "Targets", "Crons", "Windows",
	"Policies", "PolicyInterval", "Requirements", "Commands", "DagLimits", "MaxAttributes", "SubmitsPerMinute", "SubmitBurst", "TimeZone", "LogWait", "VerifyEvery", "Sweep",
	"Engine", "Parse", "Text", "Telemetry", "crons", "windows", "since", "over",
}

// keysOf names fields of [Config] as the file does, where that is not the field's name.
var keysOf = map[string]string{"LogForm": "log_format", "MaxSubmission": "limits { max_submission }"}

// Fixed names what differs between two configurations and cannot change while a daemon
// runs, as the file calls it.
func Fixed(old, fresh *Config) (keys []string) {
	a, b := reflect.ValueOf(old).Elem(), reflect.ValueOf(fresh).Elem()
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		if slices.Contains(changeable, name) || same(a.Field(i), b.Field(i)) {
			continue
		}
		key := keysOf[name]
		if key == "" {
			key = grid.SnakeCase(name)
		}
		keys = append(keys, key)
	}
	return keys
}

// same compares values; expressions by their texts.
func same(a, b reflect.Value) bool {
	if e, ok := valueOf(a).(*ad.Expr); ok {
		f, _ := valueOf(b).(*ad.Expr)
		return e == nil && f == nil || e != nil && f != nil && e.String() == f.String()
	}
	switch a.Kind() {
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Func:
		return a.IsNil() == b.IsNil()
	case reflect.Map:
		return reflect.DeepEqual(valueOf(a), valueOf(b))
	}
	return a.Equal(b)
}

func valueOf(v reflect.Value) any {
	if !v.CanInterface() {
		return nil
	}
	return v.Interface()
}

// Reload reads the configuration file again, and puts it in force.
func (d *Daemon) Reload(ctx context.Context, read func() (string, error)) error {
	_, err := d.apply(ctx, "schedd", read, "the file was read again", false)
	return err
}

// unchanged tells that the configuration stays, and why.
func (d *Daemon) unchanged(ctx context.Context, by string, err error) error {
	text := "A configuration was refused, and the one before stays in force: " + grid.MessageOf(err)
	if _, told := d.ledger.Propose(ctx, ledger.Command{By: by, At: d.now(), Body: &ledger.Tell{Notes: []ledger.Note{{What: ledger.NoteConfig, Reason: "refused", Text: text, By: ledger.Asker(by)}}}}); told != nil {
		d.log.WithError(told).Warn("that a configuration was refused is not in the journal")
	}
	return err
}

// apply puts a text in force, and says which version it is. With check nothing is done but
// to look whether it could be. The text is read when nothing else is being put in force: a file
// that was read before another took its place would bring back what was there.
func (d *Daemon) apply(ctx context.Context, by string, read func() (string, error), reason string, check bool) (out api.Configured, err error) {
	d.reload.mu.Lock()
	defer d.reload.mu.Unlock()
	text, err := read()
	var fresh *Config
	if err == nil {
		fresh, err = d.weigh(text)
	}
	if err != nil || check {
		switch {
		case err == nil:
			out.Notes = d.outcomes(fresh)
		case !check:
			err = d.unchanged(ctx, by, err)
		}
		return out, err
	}
	if now := d.config().Text; now != "" { // in case it is not kept yet
		if _, err = d.keepVersion(now, "", ""); err != nil {
			return out, err
		}
	}
	out.Notes = d.outcomes(fresh)
	if out.Version, err = d.swap(ctx, fresh, by, reason); err != nil {
		return api.Configured{}, d.unchanged(ctx, by, err)
	}
	d.log.WithField("version", out.Version).Info("another configuration is in force")
	text = fmt.Sprintf("Version %d of the configuration is in force%s.", out.Version, because(reason))
	_, err = d.ledger.Propose(ctx, ledger.Command{By: by, At: d.now(), Body: &ledger.Tell{Notes: []ledger.Note{{
		What: ledger.NoteConfig, Reason: "applied", Text: strings.Join(append([]string{text}, out.Notes...), " "), By: ledger.Asker(by),
	}}}})
	return out, err
}

// swap puts a configuration in the place of the file and in force. Nobody decides by the one
// before meanwhile what would not hold any more.
func (d *Daemon) swap(ctx context.Context, fresh *Config, by, reason string) (version int, err error) {
	clocks, err := d.crons.handOver(ctx, fresh.crons, fresh.windows)
	if err != nil {
		return 0, err
	}
	defer func() { clocks.done(err == nil) }()
	failpoint.Hit("config.followed")
	d.reload.placing.Lock()
	defer d.reload.placing.Unlock()
	if err := d.keepsSight(fresh); err != nil {
		return 0, err
	}
	if version, err = d.keepVersion(fresh.Text, by, reason); err != nil {
		return 0, err
	}
	failpoint.Hit("config.kept")
	file, err := whole.Lay(d.c.File, []byte(fresh.Text), 0o644)
	if err != nil {
		return 0, grid.Errorf(grid.Forbidden, "write %s: %w", d.c.File, err)
	}
	if err := clocks.passOver(ctx); err != nil {
		return 0, err
	}
	failpoint.Hit("config.passed")
	if err := file.Place(); err != nil {
		return 0, grid.Errorf(grid.Forbidden, "write %s: %w", d.c.File, err)
	}
	failpoint.Hit("config.written")
	d.force(fresh)
	return version, nil
}

// weigh makes a configuration of a text, if it may take the place of the one in force.
func (d *Daemon) weigh(text string) (*Config, error) {
	if d.c.Parse == nil || d.c.File == "" {
		return nil, grid.Errorf(grid.Refused, "this schedd runs without a configuration file: start it with one (--config)")
	}
	fresh, err := d.c.Parse(text)
	if err != nil {
		return nil, err
	}
	fresh.File, fresh.Text = d.c.File, text
	if err := fresh.complete(); err != nil {
		return nil, err
	}
	if old := d.config(); old.Routes.Same(fresh.Routes) {
		fresh.Routes = old.Routes // what is decided by them holds
	}
	if keys := Fixed(&d.c, &fresh); len(keys) > 0 {
		return nil, grid.Errorf(grid.Refused, "what cannot change while the schedd runs: %s; leave it as it was, or write the file and start the schedd anew", strings.Join(keys, ", "))
	}
	return &fresh, d.keepsSight(&fresh)
}

// keepsSight has a configuration keep all jobs at targets, and all machines, in sight, or
// refuses it.
func (d *Daemon) keepsSight(fresh *Config) error {
	if err := d.reachable(fresh); err != nil {
		return err
	}
	return d.retire(fresh)
}

// retire keeps what is needed of resources that are not configured any more and have
// machines: these are drained, and taken away.
func (d *Daemon) retire(fresh *Config) error {
	machines := map[string]int{}
	for _, c := range d.ledger.View().Claims() {
		machines[c.Resource]++
	}
	old := d.config().Resources
	for i := range old {
		r := &old[i]
		n := machines[r.Name]
		if n == 0 {
			continue
		}
		k := slices.IndexFunc(fresh.Resources, func(o Resource) bool { return o.Name == r.Name })
		if k < 0 {
			fresh.Resources = append(fresh.Resources, r.gone())
			continue
		}
		if !sameURL(fresh.Resources[k].URL, r.URL) {
			return grid.Errorf(grid.Refused, "resource %s has machines of ours (%d) at %s, and would lose sight of them at %s: give the other engine another name", r.Name, n, r.URL, fresh.Resources[k].URL)
		}
	}
	return nil
}

// gone is a resource that is kept only for the machines that it has.
func (r Resource) gone() Resource {
	r.Burst, r.Create, r.Borrow, r.retired = nil, false, nil, true
	return r
}

// enters notes that a configuration comes to be in force.
func (c *Config) enters() { c.since, c.over = time.Now(), make(chan struct{}) }

// supersede puts a configuration in the place of the one in force, and lets go of who rests by
// that.
func (d *Daemon) supersede(c *Config) {
	c.enters()
	before := d.config()
	d.live.Store(c)
	close(before.over)
}

// rest waits for as long as the configuration says, also one that takes its place meanwhile. The
// error is the cause of ctx's end, if it has ended by then.
func (d *Daemon) rest(ctx context.Context, long func(*Config) time.Duration) error {
	for began := time.Now(); ; {
		c := d.config()
		left := time.NewTimer(long(c) - time.Since(began))
		select {
		case <-left.C:
			return context.Cause(ctx)
		case <-c.over:
			left.Stop()
		case <-ctx.Done():
			left.Stop()
			return context.Cause(ctx)
		}
	}
}

// force puts a configuration in force, and has everybody look who goes by it.
func (d *Daemon) force(c *Config) {
	d.supersede(c)
	d.sites.renew(c)
	d.routings.again()
	d.claims.wake()
	d.vms.wake()
	d.pool.Wake()
}

// remember keeps the configuration that this daemon has begun with as a version, and finds in
// earlier ones the resources whose machines are there, and which it does not have.
func (d *Daemon) remember() {
	if text := d.c.Text; text != "" {
		if _, err := d.keepVersion(text, "", "found at a start"); err != nil {
			d.log.WithError(err).Warn("the configuration is not kept as a version")
		}
	}
	missing := map[string]bool{}
	for _, c := range d.ledger.View().Claims() {
		if d.resource(c.Resource) == nil {
			missing[c.Resource] = true
		}
	}
	if len(missing) == 0 || d.c.Parse == nil {
		return
	}
	fresh := *d.config()
	fresh.Resources = slices.Clone(fresh.Resources)
	versions, err := d.versions()
	for i := len(versions) - 1; i >= 0 && len(missing) > 0; i-- {
		text, readErr := d.versionText(versions[i].Version)
		if err = errors.Join(err, readErr); readErr != nil {
			continue
		}
		old, parseErr := d.c.Parse(text)
		if parseErr != nil || old.complete() != nil {
			continue // an older program's
		}
		for k := range old.Resources {
			if r := &old.Resources[k]; missing[r.Name] {
				fresh.Resources = append(fresh.Resources, r.gone())
				delete(missing, r.Name)
			}
		}
	}
	if err != nil {
		d.log.WithError(err).Warn("earlier versions of the configuration cannot be read")
	}
	if len(fresh.Resources) > len(d.config().Resources) {
		d.log.Warn("machines are there of resources that are not configured any more: they are drained, as an earlier version of the configuration knows them")
		if fresh.Engine == nil {
			return
		}
		d.live.Store(&fresh)
	}
}

// Configuration implements [serve.Backend].
func (d *Daemon) Configuration(_ context.Context, _ serve.Identity, version int) (out api.Configuration, err error) {
	d.reload.mu.Lock()
	defer d.reload.mu.Unlock()
	c := d.config()
	out = api.Configuration{File: c.File, Text: c.Text, Since: c.since.Unix()}
	if out.Versions, err = d.versions(); err != nil {
		return out, err
	}
	for i := range out.Versions {
		v := &out.Versions[i]
		v.By = d.asker(d.ledger.View(), v.By)
		if text, readErr := d.versionText(v.Version); readErr == nil && text == c.Text {
			out.Version = v.Version
		}
	}
	if version != 0 {
		out.Version = version
		out.Text, err = d.versionText(version)
	}
	return out, err
}

// Configure implements [serve.Backend].
func (d *Daemon) Configure(ctx context.Context, who serve.Identity, q api.Configure) (out api.Configured, err error) {
	text := q.Text
	if q.Version != 0 {
		if text, err = d.versionText(q.Version); err != nil {
			return out, err
		}
	}
	if text == "" {
		return out, grid.Errorf(grid.Invalid, "a configuration without a text")
	}
	return d.apply(ctx, byUser(who.UID), func() (string, error) { return text, nil }, q.Reason, q.Check)
}
