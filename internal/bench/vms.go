package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// machines is what a thousand jobs that are machines cost: they are started, watched for a
// minute, and removed. The engine is the simulator, its machines are on paper, and it counts
// what it is asked.
func (b *bench) machines(ctx context.Context) ([]Row, error) {
	n := b.count(1000)
	s, engine, end, err := b.cloud(ctx, n)
	if err != nil {
		return nil, err
	}
	defer end()
	job, err := b.shapeOf(ctx, s, fmt.Sprintf("universe = grid\ngrid_resource = ovirt %s\novirt_username = admin@internal\novirt_password_file = password\novirt_template = worker\nqueue %d\n", engine.url, n))
	if err != nil {
		return nil, err
	}
	client := s.Client()
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	out, err := client.Submit(ctx, api.Submission{Specs: []submit.Spec{job.with()}})
	if err != nil {
		return nil, err
	}
	if err := count(ctx, client, status.Index, n, func(e *api.Event) bool { return e.Type == "job_started" }); err != nil {
		return nil, err
	}
	up := time.Since(begun)
	before, err := engine.calls(ctx)
	if err != nil {
		return nil, err
	}
	if err := pause.For(ctx, time.Minute); err != nil {
		return nil, err
	}
	after, err := engine.calls(ctx)
	if err != nil {
		return nil, err
	}
	if status, err = client.Status(ctx); err != nil {
		return nil, err
	}
	begun = time.Now()
	if _, err := client.Act(ctx, api.Action{Verb: "remove", Selection: api.Selection{IDs: []string{fmt.Sprint(out.Clusters[0].Cluster)}}}); err != nil {
		return nil, err
	}
	if err := count(ctx, client, status.Index, n, func(e *api.Event) bool { return e.Type == "claim_moved" && e.To == "gone" }); err != nil {
		return nil, err
	}
	gone := time.Since(begun)
	all, err := engine.calls(ctx)
	if err != nil {
		return nil, err
	}
	p, err := rig.Look(s.PID)
	if err != nil {
		return nil, err
	}
	row := func(name, unit string, value float64, bar *float64, note string, args ...any) Row {
		return Row{Name: name, Unit: unit, Less: true, Value: value, Runs: []float64{value}, Bar: bar, Note: fmt.Sprintf(note, args...)}
	}
	var each []string
	for _, op := range slices.Sorted(maps.Keys(all)) {
		each = append(each, fmt.Sprintf("%s %d", op, all[op]))
	}
	return []Row{
		row("vm_engine_calls", "/VM", float64(all.sum()-after.sum()+before.sum())/float64(n), nil, "to start and remove %d machines, without the minute between: %s", n, strings.Join(each, ", ")),
		row("vm_watch_calls_per_min", "/min", float64(after.sum()-before.sum()), number(100), "for all %d machines together", n),
		row("vm_schedd_cpu_s", "s", p.CPU.Seconds(), nil, "of gschedd for all of it; all were up after %.1f s, and gone %.1f s after their removal", up.Seconds(), gone.Seconds()),
	}, nil
}

// count waits for n events of a kind.
func count(ctx context.Context, c *api.Client, after uint64, n int, is func(*api.Event) bool) error {
	for e, err := range c.Events(ctx, after) {
		switch {
		case err != nil:
			return err
		case e.Type == "job_held":
			return fmt.Errorf("%s: %s %s", e.Jobs, e.Type, e.Text)
		case is(&e):
			if n--; n == 0 {
				return nil
			}
		}
	}
	return context.Cause(ctx)
}

// cloud is a simulated engine of some machines, and a schedd that may have them.
func (b *bench) cloud(ctx context.Context, machines int) (*rig.Schedd, *simulator, func(), error) {
	dir, err := b.fresh("engine")
	if err != nil {
		return nil, nil, nil, err
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for path, text := range map[string]string{
		file("model.json"):                   `{"hosts": [{"name": "h", "memory_mb": 100000000}], "times": {"lock": "300ms", "launch": "200ms", "boot": "300ms", "power_off": "300ms", "remove": "200ms"}}`,
		filepath.Join(b.rig.Dir, "password"): "not-a-secret\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, nil, nil, err
		}
	}
	sim, err := b.rig.Engine(ctx, dir, "--admin-socket", file("admin"))
	if err != nil {
		return nil, nil, nil, err
	}
	end := func() { sim.Stop(calm) }
	url, err := os.ReadFile(file("url"))
	if err != nil {
		return nil, nil, end, err
	}
	e := &simulator{url: strings.TrimSpace(string(url)), admin: http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", file("admin"))
		},
	}}}
	config := fmt.Sprintf("resource \"ovirt\" \"sim\" {\n  url = %q\n  username = \"admin@internal\"\n  password_file = %q\n  ca_file = %q\n  max_vms = %d\n  create = true\n}\n", e.url, filepath.Join(b.rig.Dir, "password"), file("ca.pem"), machines)
	if err := os.WriteFile(file("schedd.hcl"), []byte(config), 0o600); err != nil {
		return nil, nil, end, err
	}
	b.names++
	s, err := b.rig.Schedd(ctx, fmt.Sprintf("schedd%d", b.names), nil, "--log-level", "warn", "--config", file("schedd.hcl"))
	if err != nil {
		return nil, nil, end, err
	}
	return s, e, func() { s.Stop(calm); end() }, nil
}

// simulator is an engine that counts what it is asked.
type simulator struct {
	url   string
	admin http.Client
}

// asked is how often it was asked for each operation.
type asked map[string]int

func (a asked) sum() (n int) {
	for _, c := range a {
		n += c
	}
	return n
}

func (e *simulator) calls(ctx context.Context) (out asked, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://sim/calls", nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.admin.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return out, json.NewDecoder(resp.Body).Decode(&out)
}
