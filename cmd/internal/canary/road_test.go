package canary

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gridburst/cmd/internal/cli"
	"gridburst/cmd/internal/manual"
	"gridburst/gahp/ovirtsim"
	"gridburst/gahp/ovirtsim/guest"
	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/internal/script"
	"gridburst/schedd/api"
	"gridburst/schedd/submit"
)

// TestMain is also every command, a desk of the schedd, a guest of the engine's probe, and a
// program that leaks.
func TestMain(m *testing.M) {
	desk.Main()
	script.Main()
	guest.Main()
	if os.Getenv(asLeaky) != "" {
		leak()
	}
	for _, c := range manual.Commands {
		if filepath.Base(os.Args[0]) == c.Name {
			os.Exit(cli.Main(c.Make))
		}
	}
	os.Exit(m.Run())
}

// programs makes the directory of all programs: this one under the names of those that it
// is, and the two that are programs of their own.
func programs(t *testing.T, bin string) {
	t.Helper()
	if built := os.Getenv("GRIDBURST_BIN"); built != "" { // by somebody who may build
		link(t, filepath.Join(built, "ovirt_gahp"), filepath.Join(bin, "ovirt_gahp"))
		link(t, filepath.Join(built, "ovirtsim"), filepath.Join(bin, "ovirtsim"))
	} else if err := rig.Build(t.Context(), bin, nil, "ovirt_gahp", "ovirtsim"); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range manual.Commands {
		link(t, self, filepath.Join(bin, c.Name))
	}
}

// link gives a program another name. Not a symbolic one: a program finds itself, and what
// it starts, by its own name.
func link(t *testing.T, program, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(program, name); err != nil {
		t.Fatal(err)
	}
}

// patience bounds what is waited for; nothing is asserted about it.
const patience = 2 * time.Minute

// What the secrets are called.
const (
	password  = "the engine's password"
	wrong     = "a password that the engine refuses"
	session   = "a session of the engine"
	fileData  = "user data of a file"
	inData    = "user data of a submit file"
	edited    = "user data of an edit"
	joinToken = "the token of a machine"
	invited   = "the token of a worker"
	scheddKey = "a key of the schedd"
	workerKey = "a key of a worker"
	runToken  = "the token of a run"
)

// road is a grid of real programs, and a search for what they should keep.
type road struct {
	*Search
	t   *testing.T
	dir string // of all that they write
	bin string
	rig *rig.Rig
	api *api.Client

	body   string // of the engine's machines
	engine string // its URL, as the schedd has it
	env    []string
	last   uint64 // of the events that were waited for
}

// The road of every secret, with every program at its most talkative: an engine with guests,
// a schedd, its GAHP, workers here and in a guest, jobs that are machines and jobs that run
// on one. All the while, and in the end, nothing shows a secret that should not.
func TestNoSecretLeavesItsPlace(t *testing.T) {
	r := open(t)
	ctx := t.Context()
	watched := make(chan error, 1)
	watching, stop := context.WithCancel(ctx)
	go func() { watched <- r.watch(watching) }()

	r.worker(ctx)
	pool := r.submit(ctx, "pool.sub")
	machine := r.submit(ctx, "machine.sub")
	held := r.submit(ctx, "inline.sub")
	refused := r.submit(ctx, "refused.sub")
	r.event(ctx, "job_held", refused)
	r.event(ctx, "job_started", held)
	r.event(ctx, "job_left", machine)
	r.event(ctx, "job_left", pool)
	ended := []string{pool, machine}
	if r.body == "process" {
		burst := r.submit(ctx, "burst.sub")
		r.event(ctx, "job_left", burst)
		ended = append(ended, burst)
		out, err := os.ReadFile(filepath.Join(r.dir, "work", "found"))
		if err != nil || !bytes.Contains(out, []byte("looked")) {
			t.Errorf("the job in the guest did not look around: %v, %s", err, out)
		}
	}
	r.workflow(ctx)
	r.edit(ctx, held)
	r.crawl(ctx, append(ended, held, refused))
	r.run(ctx, "grm", held, refused)
	r.event(ctx, "job_left", held)
	r.crawl(ctx, append(ended, held, refused))
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
	r.keys()
	if err := r.rig.Close(patience); err != nil {
		t.Fatal(err)
	}
	r.tree()
	for _, f := range r.Found() {
		t.Error(f)
	}
	t.Logf("%d texts were searched", r.Looked())
	r.proof()
}

// open starts the engine, with a wire that is read, and the schedd.
func open(t *testing.T) *road {
	root, err := os.MkdirTemp("", "gbc") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil { // jobs of root are another user's
		t.Fatal(err)
	}
	dir := filepath.Join(root, "d")
	r := &road{Search: New(), t: t, dir: dir, bin: filepath.Join(root, "bin"), body: "process"}
	if probe, err := ovirtsim.Open(ovirtsim.Model{Body: ovirtsim.Process}, ovirtsim.Options{}); err == nil {
		err = probe.Close()
		r.check(err)
	} else if grid.CodeOf(err) == grid.Refused {
		t.Logf("without guests, and so without a worker in one: %v", err)
		r.body = "paper"
	} else {
		t.Fatal(err)
	}
	programs(t, r.bin)
	r.rig, err = rig.New(dir, r.bin)
	r.check(err)
	t.Cleanup(func() {
		if err := r.rig.Close(patience); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, log := range []string{"schedd.log", "worker.log"} {
				b, _ := os.ReadFile(filepath.Join(dir, log))
				t.Logf("%s:\n%s", log, b[max(0, len(b)-3000):])
			}
		}
	})
	for _, sub := range []string{"engine", "work", "etc"} {
		r.check(os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	secret := func(name string) string {
		value := "canary" + rand.Text()
		r.check(r.Plant(name, value))
		return value
	}
	right := secret(password)
	r.write("etc/password", right+"\n")
	r.write("work/password", right+"\n")
	r.write("work/wrong", secret(wrong)+"\n")
	r.write("work/data", "#cloud-config\nwrite_files:\n  - {path: /root/key, content: "+secret(fileData)+"}\nruncmd: [poweroff]\n")
	r.model(right)
	if _, err := r.rig.Engine(t.Context(), filepath.Join(dir, "engine"), "--log-level", "debug"); err != nil {
		t.Fatal(err)
	}
	r.tap()
	r.jobs(secret(inData))
	r.config()
	s, err := r.rig.Schedd(t.Context(), "schedd", nil, "--log-level", "debug", "--config", filepath.Join(dir, "etc", "schedd.hcl"))
	r.check(err)
	r.api, r.env = s.Client(), []string{"GRIDBURST_SCHEDD=" + s.Socket}
	return r
}

func (r *road) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *road) write(name, text string) {
	r.t.Helper()
	r.check(os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600))
}

func (r *road) model(right string) {
	template := func(name string) map[string]any {
		files := map[string]string{"/usr/local/bin/gworker": filepath.Join(r.bin, "gworker")}
		return map[string]any{"name": name, "memory_mb": 512, "os": "debian_9", "body": r.body, "image": map[string]any{"files": files}}
	}
	b, err := json.Marshal(map[string]any{
		"users":     []map[string]any{{"name": "admin@internal", "password": right}},
		"templates": []map[string]any{template("worker"), {"name": "paper"}},
		"rules":     []map[string]any{{"ops": []string{"start"}, "name": "*", "lifetime": "100ms"}},
	})
	r.check(err)
	r.write("engine/model.json", string(b))
}

// tap stands between the schedd's GAHP and the engine, and learns the secrets that only
// they know: the sessions that the engine gives, the token in what a guest is given.
func (r *road) tap() {
	at, err := os.ReadFile(filepath.Join(r.dir, "engine", "url"))
	r.check(err)
	ca, err := os.ReadFile(filepath.Join(r.dir, "engine", "ca.pem"))
	r.check(err)
	engine, err := url.Parse(strings.TrimSpace(string(at)))
	r.check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: engine.Scheme, Host: engine.Host}) },
		ModifyResponse: func(a *http.Response) error {
			if !strings.HasSuffix(a.Request.URL.Path, "/sso/oauth/token") {
				return nil
			}
			b, err := io.ReadAll(a.Body)
			a.Body = io.NopCloser(bytes.NewReader(b))
			var answer struct {
				Token string `json:"access_token"`
			}
			if err == nil && json.Unmarshal(b, &answer) == nil && answer.Token != "" {
				err = r.Plant(session, answer.Token)
			}
			return err
		},
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, err := io.ReadAll(q.Body)
		q.Body = io.NopCloser(bytes.NewReader(b))
		if err == nil {
			err = r.hear(b)
		}
		if err != nil {
			r.t.Error(err)
		}
		proxy.ServeHTTP(w, q)
	}))
	r.t.Cleanup(s.Close)
	r.engine = s.URL + engine.Path
	r.write("etc/ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
}

// hear learns a machine's token from the order to make it.
func (r *road) hear(body []byte) error {
	var order struct {
		Script string `xml:"initialization>custom_script"`
	}
	if xml.Unmarshal(body, &order) != nil {
		return nil // a login's form, or nothing
	}
	_, list, ok := strings.Cut(order.Script, "\nwrite_files: ")
	if !ok {
		return nil // of a job that is a machine
	}
	var files []struct{ Path, Content string }
	if err := json.NewDecoder(strings.NewReader(list)).Decode(&files); err != nil {
		return fmt.Errorf("what a machine's guest is given: %w", err)
	}
	for _, f := range files {
		if f.Path == "/etc/gridburst/token" {
			return r.Plant(joinToken, strings.TrimSpace(f.Content))
		}
	}
	return nil
}

// jobs are what will be handed in.
func (r *road) jobs(data string) {
	vm := func(name, template, extra string) {
		r.write("work/"+name+".sub", fmt.Sprintf(`universe = grid
grid_resource = ovirt %s
log = jobs.log
job_ad_information_attrs = Owner OvirtUserData OvirtPasswordFile
ovirt_username = admin@internal
ovirt_template = %s
%s
queue
`, r.engine, template, extra))
	}
	vm("machine", "worker", "ovirt_password_file = password\novirt_user_data_file = data")
	if r.body == "paper" {
		vm("machine", "paper", "ovirt_password_file = password\novirt_user_data_file = data")
	}
	vm("inline", "Blank", "")
	// Never up for long enough to end by itself: its guest is a piece of paper without an end.
	vm("inline", "worker", "ovirt_password_file = password\novirt_user_data = write_files: [{path: /root/k, content: "+data+"}]")
	vm("refused", "worker", "ovirt_password_file = wrong\novirt_user_data = write_files: [{path: /root/k, content: "+data+"}]")
	common := "log = jobs.log\nshould_transfer_files = yes\nrequest_memory = 100\n"
	r.write("work/pool.sub", common+"executable = /usr/bin/env\ntransfer_executable = false\noutput = pool.out\nqueue\n")
	r.write("work/look.sh", `#!/bin/sh
env
cat /proc/*/cmdline /proc/*/environ 2>/dev/null
cat /etc/gridburst/* /var/lib/gridburst/*.log /var/log/* 2>/dev/null
echo looked
`)
	r.write("work/watch.sh", "#!/bin/sh\nenv\ncat /proc/*/cmdline /proc/*/environ 2>/dev/null\ntrap 'exit 0' TERM\necho looked\nwhile :; do sleep 0.1; done\n")
	r.check(os.Chmod(filepath.Join(r.dir, "work/watch.sh"), 0o755))
	r.write("work/watch.sub", "universe = local\nexecutable = watch.sh\noutput = watched\nqueue\n")
	r.write("work/gate.sub", common+"executable = /bin/sleep\narguments = 1000\ntransfer_executable = false\nqueue\n")
	r.write("work/watch.dag", "SERVICE watch watch.sub\nJOB gate gate.sub\nSCRIPT POST gate /bin/true\n")
	r.write("work/burst.sub", common+"executable = look.sh\noutput = found\nrequirements = TARGET.FromBurst\nqueue\n")
}

func (r *road) config() {
	r.write("etc/schedd.hcl", fmt.Sprintf(`schedd {
  listen  = "127.0.0.1:0"
  names   = ["127.0.0.1"]
  metrics = "127.0.0.1:0"
  sweep   = "1s"
  event_log { path = "EventLog" }
}
resource "ovirt" "engine" {
  url           = %q
  username      = "admin@internal"
  password_file = "password"
  ca_file       = "ca.pem"
  gahp          = [%q, "--log-level", "debug"]
  create        = true
  burst {
    template   = "worker"
    memory     = "512MiB"
    cores      = 1
    attributes = ["FromBurst = true"]
  }
}
`, r.engine, filepath.Join(r.bin, "ovirt_gahp")))
}

// worker has a worker of another host join, by a token.
func (r *road) worker(ctx context.Context) {
	out := r.run(ctx, "gtoken", "--json", "pool")
	var i api.Invitation
	r.check(json.Unmarshal(out, &i))
	r.check(r.Plant(invited, i.Token))
	r.write("etc/token", i.Token+"\n")
	r.write("etc/schedd.pem", i.CA)
	_, err := r.rig.Start("worker.log", nil, filepath.Join(r.bin, "gworker"), "--log-level", "debug", "--schedd", i.Schedd,
		"--ca", filepath.Join(r.dir, "etc/schedd.pem"), "--token-file", filepath.Join(r.dir, "etc/token"), "--state", filepath.Join(r.dir, "worker"), "--name", "pool")
	r.check(err)
}

// run runs a command in the directory of the jobs and gives what it printed.
func (r *road) run(ctx context.Context, command string, args ...string) []byte {
	r.t.Helper()
	out, err := r.rig.RunIn(ctx, filepath.Join(r.dir, "work"), r.env, append([]string{filepath.Join(r.bin, command)}, args...)...)
	r.check(err)
	return out
}

var clusterOf = regexp.MustCompile(`submitted to cluster (\d+)`)

func (r *road) submit(ctx context.Context, file string) (job string) {
	r.t.Helper()
	r.Text("gsubmit --dry-run", r.run(ctx, "gsubmit", "--dry-run", file))
	out := r.run(ctx, "gsubmit", file)
	r.Text("gsubmit", out)
	m := clusterOf.FindSubmatch(out)
	if m == nil {
		r.t.Fatalf("gsubmit says %s", out)
	}
	return string(m[1]) + ".0"
}

// event waits for an event of a job.
func (r *road) event(ctx context.Context, kind, job string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for e, err := range r.api.Events(ctx, 0) {
		if err != nil {
			claims, _ := r.api.Claims(r.t.Context(), true)
			r.t.Fatalf("waiting for %s of %s: %v; the claims are %+v", kind, job, err, claims.Claims)
		}
		if e.Type == kind && e.Jobs == job {
			r.last = max(r.last, e.Index)
			return
		}
	}
}

// workflow has a run whose service has a token.
func (r *road) workflow(ctx context.Context) {
	r.t.Helper()
	r.Text("gdag submit", r.run(ctx, "gdag", "submit", "watch.dag"))
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for looked := false; !looked; {
		b, _ := os.ReadFile(filepath.Join(r.dir, "work", "watched"))
		looked = bytes.HasSuffix(b, []byte("looked\n"))
		r.check(pause.For(limited, 20*time.Millisecond))
	}
	var tokens []string
	r.check(filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == ".run.token" {
			tokens = append(tokens, path)
		}
		return nil // what is not there any more is no matter
	}))
	for _, f := range tokens {
		info, err := os.Stat(f)
		r.check(err)
		if info.Mode().Perm() != 0o600 {
			r.t.Errorf("%s may be read by %v", f, info.Mode())
		}
		b, err := os.ReadFile(f)
		r.check(err)
		r.check(r.Plant(runToken, string(b)))
		// What proves it is a secret by itself.
		r.check(r.Plant(runToken, string(b[bytes.LastIndexByte(b, '.')+1:])))
	}
	r.Text("gdag status", r.run(ctx, "gdag", "status", "1", "--json"))
	d, err := r.api.Dag(ctx, 1)
	r.check(err)
	for _, n := range d.Detail {
		if n.Name == "gate" {
			r.run(ctx, "grm", fmt.Sprint(n.Cluster))
		}
	}
	r.Text("gdag wait", r.run(ctx, "gdag", "wait", "1"))
	out, err := os.ReadFile(filepath.Join(r.dir, "work", "watched"))
	if err != nil || !bytes.Contains(out, []byte("GRIDBURST_TOKEN_FILE=")) {
		r.t.Errorf("the service has seen no path of a token: %v, %s", err, out)
	}
}

// edit gives a job other user data.
func (r *road) edit(ctx context.Context, job string) {
	secret := "canary" + rand.Text()
	r.check(r.Plant(edited, secret))
	_, err := r.api.Edit(ctx, api.Edit{Selection: api.Selection{IDs: []string{job}}, Attrs: []submit.Attr{{Name: "OvirtUserData", Expr: `"` + secret + `"`}}})
	r.check(err)
}

// watch looks at the processes again and again.
func (r *road) watch(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := r.Processes(os.Getpid()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
