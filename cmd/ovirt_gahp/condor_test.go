package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/gahp/ovirtsim"
	"gridburst/internal/grid"
	"gridburst/internal/rig"
)

// condorEnv names a program beside which HTCondor lies in tree: .ci/condor makes it.
const condorEnv = "GRIDBURST_CONDOR"

// HTCondor itself, its schedd and its gridmanager, has machines of an engine through this
// command as its EC2 GAHP. In the end there are none of its machines, and those of others
// are as they were.
func TestHTCondorHasMachines(t *testing.T) {
	p := newPool(t)
	called, answer := make(chan string, 1), make(chan struct{})
	home := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case called <- r.URL.Path:
		default: // once more
		}
		select {
		case <-answer:
		case <-r.Context().Done():
		}
	}))
	defer home.Close()
	host, port, err := net.SplitHostPort(home.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// A machine whose guest has something to do, says so, hears that it may go, and powers
	// off.
	p.write("task", fmt.Sprintf("#!/bin/bash\nexec 3<>/dev/tcp/%s/%s\nprintf 'GET /%%s HTTP/1.0\\r\\n\\r\\n' \"$(hostname)\" >&3\ncat <&3\npoweroff\n", host, port), 0o644)
	done := p.submit("done", "ec2_ami_id = guest\nec2_user_data_file = task\nec2_instance_type = 1x256\nec2_keypair_file = key")
	// One that stays up until it is removed.
	stays := p.submit("stays", "ec2_ami_id = worker\nec2_instance_type = small\nec2_tag_names = Name\nec2_tag_Name = x")
	// One that cannot be.
	p.submit("never", "ec2_ami_id = ami-42\nec2_instance_type = 1x256")

	// The GAHP dies in the midst of a start, and later when all is up, and with it the
	// gridmanager; the schedd starts another, which finds what there is.
	p.until("there is a machine", func() bool { return len(p.ours()) > 0 })
	p.killGAHPs()
	p.event("stays", "001")
	p.event("never", "012")
	if log := p.log("never"); !strings.Contains(log, "InvalidAMIID.NotFound") || !strings.Contains(log, "no template ami-42") {
		t.Errorf("a job without a template is held so:\n%s", log)
	}
	p.killGAHPs()
	p.tool("condor_rm", stays)
	p.event("stays", "009")
	p.event("done", "027")
	p.event("done", "001")
	close(answer) // before, HTCondor might never see it up
	p.event("done", "005")
	select {
	case path := <-called:
		if !strings.HasPrefix(path, "/ec2-") {
			t.Errorf("the guest is %s", path)
		}
	default:
		t.Errorf("job %s is done, and its guest has not called", done)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key of a job that is done is left: %v", err)
	}
	p.judge(2)
	t.Logf("HTCondor ran a grid job to its end, and removed another, in %s", time.Since(p.began).Round(time.Second))
}

// pool is an HTCondor of one's own, at an engine.
type pool struct {
	*cloud
	dir   string // its user's
	tree  string // where HTCondor was unpacked
	uid   int    // whose daemons and jobs they are
	began time.Time
}

func newPool(t *testing.T) *pool {
	t.Helper()
	run := os.Getenv(condorEnv)
	if run == "" {
		t.Skip("no HTCondor: .ci/condor DIR unpacks one, and " + condorEnv + " names DIR/run")
	}
	model := ovirtsim.Model{
		Templates: []ovirtsim.Template{{Name: "worker", MemoryMB: 512}, {Name: "guest", MemoryMB: 512, Body: ovirtsim.Process}},
		Users:     []ovirtsim.User{{Name: "admin@internal", Password: password}},
		Times:     ovirtsim.Times{Lock: time.Second, Launch: 200 * time.Millisecond, Boot: 200 * time.Millisecond, PowerOff: 200 * time.Millisecond, Remove: 200 * time.Millisecond},
	}
	for _, name := range foreign {
		model.VMs = append(model.VMs, ovirtsim.VM{Name: name, Status: ovirtsim.Up, Comment: "somebody else's"})
	}
	probe, err := ovirtsim.Open(model, ovirtsim.Options{})
	if grid.CodeOf(err) == grid.Refused {
		t.Skipf("a guest needs root or user namespaces: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	// Names of sockets in it are short, and its user is to reach it.
	dir, err := os.MkdirTemp("", "pool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &pool{cloud: &cloud{t: t, sim: ovirtsim.Start(t, model, ovirtsim.Options{State: t.TempDir()})}, dir: dir, uid: os.Getuid(), began: time.Now()}
	p.tree = filepath.Join(filepath.Dir(run), "tree")
	if p.uid == 0 { // root may not submit, and its directories are not everybody's
		p.uid = 65534
		p.mkdir("tree")
	}
	for _, d := range []string{"sbin", "log", "spool", "execute", "lock", "run", "tmp"} {
		p.mkdir(d)
	}
	if err := rig.Build(t.Context(), filepath.Join(dir, "sbin"), nil, "ovirt_gahp"); err != nil {
		t.Fatal(err)
	}
	if out, err := p.command(t.Context(), p.program("usr/bin/condor_version")...).CombinedOutput(); err != nil {
		t.Skipf("HTCondor does not run here: %v: %s", err, out)
	}
	p.write("user", "admin@internal\n", 0o644)
	p.write("password", password+"\n", 0o600)
	p.write("ca.pem", string(p.sim.CA), 0o644)
	p.start()
	return p
}

func (p *pool) mkdir(name string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.Mkdir(path, 0o755); err != nil {
		p.t.Fatal(err)
	}
	p.give(path)
}

func (p *pool) write(name, text string, mode os.FileMode) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
	p.give(path)
}

func (p *pool) give(path string) {
	p.t.Helper()
	if err := errors.Join(os.Chown(path, p.uid, p.uid), os.Chown(p.dir, p.uid, p.uid)); p.uid != os.Getuid() && err != nil {
		p.t.Fatal(err)
	}
}

// seen is where its user sees the tree.
func (p *pool) seen() string {
	if p.uid != os.Getuid() {
		return filepath.Join(p.dir, "tree")
	}
	return p.tree
}

// program is one of HTCondor's, by the loader and the libraries of its own release.
func (p *pool) program(path string) []string {
	p.t.Helper()
	libs, err := filepath.Glob(filepath.Join(p.tree, "usr/lib/*-linux-gnu"))
	if err != nil || len(libs) != 1 {
		p.t.Fatalf("libraries in %s: %v (%v)", p.tree, libs, err)
	}
	loaders, err := filepath.Glob(filepath.Join(libs[0], "ld-linux-*.so.?"))
	if err != nil || len(loaders) != 1 {
		p.t.Fatalf("a loader in %s: %v (%v)", libs[0], loaders, err)
	}
	inside := func(path string) string { return p.seen() + strings.TrimPrefix(path, p.tree) }
	return []string{inside(loaders[0]), "--library-path", inside(libs[0]) + ":" + p.seen() + "/usr/lib", filepath.Join(p.seen(), path)}
}

// command runs something as the pool's user.
func (p *pool) command(ctx context.Context, argv ...string) *exec.Cmd {
	if p.uid != os.Getuid() {
		argv = append([]string{
			"sh", "-c", `mount --bind "$1" "$2" && shift 2 && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`, "sh", p.tree, p.seen(),
		}, argv...)
	}
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Env = p.dir, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + p.dir, "CONDOR_CONFIG=" + filepath.Join(p.dir, "config")}
	if p.uid != os.Getuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	return c
}

// until looks until it is so. HTCondor's daemons wait for each other, for seconds each.
func (p *pool) until(what string, is func() bool) {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(4 * patience); !is(); {
		select {
		case <-tick.C:
		case <-late:
			p.t.Fatalf("it does not come to be that %s; the machines are %+v", what, p.sim.Machines())
		}
	}
}

// tool runs one of HTCondor's commands, until it succeeds: daemons come up meanwhile.
func (p *pool) tool(name string, args ...string) (said string) {
	p.t.Helper()
	p.until(name+" succeeds", func() bool {
		var errs bytes.Buffer
		c := p.command(p.t.Context(), append(p.program("usr/bin/"+name), args...)...)
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil {
			p.t.Logf("%s %v: %v: %s%s", name, args, err, out, &errs)
		}
		said = string(out)
		return err == nil
	})
	return said
}

// start starts a master, a collector and a schedd, until the test ends.
func (p *pool) start() {
	t := p.t
	t.Helper()
	for _, d := range []string{"master", "collector", "schedd", "gridmanager", "shadow", "procd"} {
		p.write("sbin/condor_"+d, "#!/bin/sh\nexec "+strings.Join(p.program("usr/sbin/condor_"+d), " ")+" \"$@\"\n", 0o755)
	}
	config := []string{"DAEMON_LIST = MASTER, COLLECTOR, SCHEDD", "RELEASE_DIR = " + p.seen() + "/usr", "LOCAL_DIR = " + p.dir}
	for name, value := range map[string]string{
		"SBIN": "sbin", "LOG": "log", "SPOOL": "spool", "EXECUTE": "execute", "LOCK": "lock", "RUN": "run", "TMP_DIR": "tmp", "TEMP_DIR": "tmp",
		"MASTER": "sbin/condor_master", "COLLECTOR": "sbin/condor_collector", "SCHEDD": "sbin/condor_schedd",
		"GRIDMANAGER": "sbin/condor_gridmanager", "SHADOW": "sbin/condor_shadow", "PROCD": "sbin/condor_procd",
		"EC2_GAHP": "sbin/ovirt_gahp", "GAHP_SSL_CAFILE": "ca.pem",
	} {
		config = append(config, name+" = "+filepath.Join(p.dir, value))
	}
	config = append(config,
		"CONDOR_HOST = 127.0.0.1", "COLLECTOR_HOST = 127.0.0.1:0", "NETWORK_INTERFACE = 127.0.0.1",
		"USE_SHARED_PORT = False",
		"SEC_DEFAULT_AUTHENTICATION_METHODS = FS", "ALLOW_READ = *", "ALLOW_WRITE = *", "ALLOW_DAEMON = *", "ALLOW_ADMINISTRATOR = *",
		"GRIDMANAGER_DEBUG = D_FULLDEBUG",
		// It looks often, and starts again soon.
		"SCHEDD_INTERVAL = 2", "SCHEDD_MIN_INTERVAL = 1", "GRIDMANAGER_JOB_PROBE_INTERVAL = 2", "GRIDMANAGER_CONTACT_SCHEDD_DELAY = 1", "GRIDMANAGER_EMPTY_RESOURCE_DELAY = 1",
	)
	p.write("config", strings.Join(config, "\n")+"\n", 0o644)
	// What loses its parent is ours to end.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	master := p.command(context.Background(), append(p.program("usr/sbin/condor_master"), "-f")...)
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		below, err := rig.Below(master.Process.Pid)
		if err != nil {
			t.Error(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- master.Wait() }()
		if err := master.Process.Signal(syscall.SIGQUIT); err != nil { // the fast end
			t.Error(err)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("condor_master does not end")
			master.Process.Kill()
			<-ended
		}
		for i := range below {
			below[i].Kill()
		}
		if t.Failed() {
			p.tell()
		}
	})
}

// tell logs what HTCondor says of a test that has failed.
func (p *pool) tell() {
	logs, _ := filepath.Glob(filepath.Join(p.dir, "log", "*Log*"))
	for _, path := range logs {
		b, err := os.ReadFile(path)
		p.t.Logf("%s (%v):\n%s", filepath.Base(path), err, b[max(0, len(b)-200000):])
	}
}

var clusterSaid = regexp.MustCompile(`submitted to cluster (\d+)`)

// submit hands a job in.
func (p *pool) submit(name, more string) (cluster string) {
	p.t.Helper()
	p.write(name+".sub", fmt.Sprintf("universe = grid\ngrid_resource = ec2 %s\nexecutable = %s\nec2_access_key_id = user\nec2_secret_access_key = password\nlog = %s.log\n%s\nqueue\n",
		p.sim.URL, name, name, more), 0o644)
	m := clusterSaid.FindStringSubmatch(p.tool("condor_submit", name+".sub"))
	if m == nil {
		p.t.Fatalf("%s is submitted, and condor_submit does not say where", name)
	}
	return m[1]
}

func (p *pool) log(name string) string {
	b, err := os.ReadFile(filepath.Join(p.dir, name+".log"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.t.Error(err)
	}
	return string(b)
}

// event waits until a job's log has an event.
func (p *pool) event(name, number string) {
	p.t.Helper()
	p.until(name+" has event "+number, func() bool { return strings.Contains("\n"+p.log(name), "\n"+number+" (") })
}

// killGAHPs kills those of the pool.
func (p *pool) killGAHPs() {
	p.t.Helper()
	all, err := rig.Below(os.Getpid())
	if err != nil {
		p.t.Fatal(err)
	}
	n := 0
	for i := range all {
		if len(all[i].Args) > 0 && all[i].Args[0] == filepath.Join(p.dir, "sbin/ovirt_gahp") && all[i].Kill() {
			n++
		}
	}
	if n == 0 {
		p.t.Error("there is no GAHP to kill")
	}
}
