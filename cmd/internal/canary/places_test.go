package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// crawl asks the schedd for everything that it says, by its own description, and by the
// commands.
func (r *road) crawl(ctx context.Context, jobs []string) {
	r.t.Helper()
	get := func(path string) []byte {
		c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(r.dir, "schedd", "schedd.sock"))
		}}}
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://schedd"+path, nil)
		r.check(err)
		a, err := c.Do(q)
		r.check(err)
		defer a.Body.Close()
		var b []byte
		if path == "/v1/events" { // it never ends
			for e, err := range r.api.Events(ctx, 0) {
				r.check(err)
				text, err := json.Marshal(e)
				r.check(err)
				b = append(b, text...)
				if e.Index >= r.last {
					break
				}
			}
		} else {
			b, err = io.ReadAll(a.Body)
			r.check(err)
		}
		var belongs []string
		if strings.HasPrefix(path, "/v1/backup") { // what it is for
			belongs = []string{inData, edited}
		}
		r.Text("the answer to "+path, b, belongs...)
		return b
	}
	var contract struct {
		Paths map[string]map[string]any
	}
	r.check(json.Unmarshal(get("/openapi.json"), &contract))
	if len(contract.Paths) < 15 {
		r.t.Errorf("the contract has %d paths", len(contract.Paths))
	}
	for path, methods := range contract.Paths {
		if methods["get"] == nil {
			continue
		}
		switch {
		case strings.Contains(path, "{job}"):
			for _, j := range jobs {
				get(strings.ReplaceAll(path, "{job}", j))
			}
		case strings.Contains(path, "{"):
			get(regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "1"))
		default:
			get(path)
			if path == "/v1/events" {
				continue
			}
			get(path + "?past=true&evaluate=true")
		}
	}
	if ad := get("/v1/jobs"); slices.Contains(jobs, "") || bytes.Contains(ad, []byte("OvirtUserData")) && !bytes.Contains(ad, []byte(`"OvirtUserData":"***"`)) {
		r.t.Errorf("user data are shown as something else than stars: %s", ad)
	}
	for _, c := range [][]string{
		{"gq"},
		{"gq", "-long"},
		{"gq", "--json"},
		{"gq", "-af", "OvirtUserData", "OvirtPasswordFile"},
		{"gq", "-constraint", `regexp("canary", OvirtUserData)`, "-long"},
		{"ghistory", "-long"},
		{"ghistory", "--json"},
		{"gvm", "--all"},
		{"gvm", "--all", "--json"},
		{"gvm", "--receipts"},
		{"gvm", "--boot"},
		{"gstatus", "-long"},
		{"gstatus", "--json"},
		{"gadm", "log"},
		{"gadm", "status", "--json"},
		{"gadm", "events", "--rebuild"},
	} {
		out := r.run(ctx, c[0], c[1:]...)
		r.Text(strings.Join(c, " "), out)
		if slices.Contains(c, "-constraint") && len(bytes.TrimSpace(out)) > 0 {
			r.t.Errorf("a constraint sees what is hidden: %s", out)
		}
	}
}

// keys plants what the programs made for themselves.
func (r *road) keys() {
	for name, glob := range map[string]string{scheddKey: "schedd/*.key", workerKey: "worker/*/*.key"} {
		files, err := filepath.Glob(filepath.Join(r.dir, glob))
		r.check(err)
		if len(files) == 0 {
			r.t.Errorf("there is no file %s", glob)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			r.check(err)
			if block, _ := pem.Decode(b); block != nil {
				lines := strings.Split(string(b), "\n")
				r.check(r.Plant(name, lines[2])) // what keys have in common stands in the first
				b = block.Bytes[len(block.Bytes)/2:]
			}
			r.check(r.Plant(name, string(b)))
		}
	}
}

// tree looks at all that is left behind: logs, event logs, the queue file, spools, sandboxes.
func (r *road) tree() {
	engine := []string{fileData, inData, joinToken} // what it gives its guests
	r.check(r.Tree(r.dir, func(path string) []string {
		switch {
		case path == "etc/password", path == "work/password", path == "engine/model.json":
			return []string{password}
		case path == "work/wrong":
			return []string{wrong}
		case path == "work/data":
			return []string{fileData}
		case path == "work/inline.sub", path == "work/refused.sub":
			return []string{inData}
		case path == "etc/token":
			return []string{invited}
		case strings.HasPrefix(path, "engine/state/vms/"):
			return engine
		case strings.HasPrefix(path, "engine/state/guests/") && strings.HasSuffix(path, "/disk/root/key"):
			return []string{fileData}
		case strings.HasPrefix(path, "engine/state/guests/") && strings.HasSuffix(path, "/disk/root/k"):
			return []string{inData}
		case strings.HasPrefix(path, "schedd/") && strings.HasSuffix(path, ".key"):
			return []string{scheddKey}
		case strings.HasPrefix(path, "worker/") && strings.HasSuffix(path, ".key"):
			return []string{workerKey}
		case path == "schedd/spool/queue.db":
			return []string{inData, edited} // the jobs' own, as they were handed in
		}
		return nil
	}))
}

// proof is that each of the secrets was there to be found.
func (r *road) proof() {
	r.t.Helper()
	all := New()
	all.forms = r.forms
	r.check(all.Tree(r.dir, func(string) []string { return nil }))
	want := []string{password, wrong, fileData, inData, edited, invited, scheddKey, workerKey}
	found := strings.Join(all.Found(), "\n")
	for _, name := range want {
		if !strings.Contains(found, name+" is in ") {
			r.t.Errorf("%s is nowhere: its search proves nothing", name)
		}
	}
	for _, name := range []string{session, joinToken, runToken} {
		if len(r.forms[name]) == 0 && (name != joinToken || r.body == "process") {
			r.t.Errorf("%s was never seen: its search proves nothing", name)
		}
	}
}
