package condor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/internal/desk"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/target"
	"gridburst/schedd/target/condor"
	"gridburst/schedd/target/conform"
)

var record = flag.Bool("record", false, "write what a real HTCondor says to testdata/said.json")

// TestMain is also a desk.
func TestMain(m *testing.M) {
	desk.Main()
	os.Exit(m.Run())
}

// pool is a real HTCondor, which GRIDBURST_CONDOR_POOL starts: .ci/condor-pool.
type pool struct {
	t     *testing.T
	dir   string // that all may enter
	owner target.Owner
	desks desk.Commands
}

func newPool(t *testing.T) *pool {
	t.Helper()
	if os.Getenv("GRIDBURST_CONDOR_POOL") == "" || os.Getenv("GRIDBURST_CONDOR") == "" {
		t.Skip("no HTCondor: GRIDBURST_CONDOR_POOL is to be .ci/condor-pool, and GRIDBURST_CONDOR what .ci/condor has made, as in make test-real")
	}
	dir := rigtest.Dir(t)
	p := &pool{t: t, dir: dir, owner: own(), desks: desk.Commands{Desks: desk.New(desk.Options{})}}
	if p.owner.UID == 0 { // whose jobs HTCondor does not take
		p.owner = target.Owner{Name: "daemon", UID: 1, GID: 1}
	}
	t.Cleanup(p.desks.Close)
	p.do("up", filepath.Join(filepath.Dir(os.Getenv("GRIDBURST_CONDOR")), "tree"), p.dir+"/condor", "4")
	t.Cleanup(func() { p.do("down", p.dir+"/condor") })
	return p
}

func own() target.Owner {
	return target.Owner{Name: "me", UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
}

// do drives the pool.
func (p *pool) do(args ...string) {
	p.t.Helper()
	if out, err := exec.Command(os.Getenv("GRIDBURST_CONDOR_POOL"), args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// tool runs one of HTCondor's commands, as who may do everything.
func (p *pool) tool(name string, args ...string) {
	p.t.Helper()
	cmd := exec.Command(filepath.Join(p.dir, "condor", "bin", name), args...)
	cmd.Env = append(os.Environ(), "CONDOR_CONFIG="+p.dir+"/condor/config")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

func (p *pool) options() condor.Options {
	p.t.Helper()
	address, err := os.ReadFile(p.dir + "/condor/pool")
	if err != nil {
		p.t.Fatal(err)
	}
	return condor.Options{
		Name: "sched@here", Pool: strings.TrimSpace(string(address)), Bin: p.dir + "/condor/bin",
		Env: []string{"CONDOR_CONFIG=" + p.dir + "/condor/config"}, Own: own(),
	}
}

// jobs is a directory that the jobs' owner may write.
func (p *pool) jobs() string {
	p.t.Helper()
	dir, err := os.MkdirTemp(p.dir, "case")
	if err == nil {
		err = os.Chown(dir, int(p.owner.UID), int(p.owner.GID))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return dir
}

// waits makes a job one that no machine is for.
func waits(j *target.Job) { j.Extra = append(j.Extra, "-append", "requirements = false") }

// refused makes a job one that condor_submit does not take.
func refused(j *target.Job) { j.Extra = append(j.Extra, "-append", "universe = nosuch") }

func TestConformance(t *testing.T) {
	p := newPool(t)
	t.Run("shared", func(t *testing.T) { p.conforms(t, condor.New(p.desks, p.options())) })
	t.Run("spool", func(t *testing.T) { p.conforms(t, condor.NewSpool(p.desks, p.options())) })
}

func (p *pool) conforms(t *testing.T, c target.Target) {
	conform.Run(t, conform.Harness{Start: func(*testing.T) conform.World {
		return conform.World{
			Target: c, Owner: p.owner, Dir: p.jobs(), Wait: waits, Refused: refused,
			Evict: func(r target.Ref) { p.tool("condor_vacate_job", "-fast", "-name", "sched@here", r.ID) },
			Down:  func() { p.do("kill", p.dir+"/condor") },
			Up:    func() { p.do("start", p.dir+"/condor") },
		}
	}})
}

// said is what one of HTCondor's commands has said.
type said struct {
	Case   string
	Argv   []string // what it was, for people
	Code   int
	Stdout string
	Stderr string
}

// recorder notes what commands say, in a case.
type recorder struct {
	target.Commands
	name string
	all  []said
}

func (r *recorder) Run(ctx context.Context, o target.Owner, c target.Command) (target.Output, error) {
	out, err := r.Commands.Run(ctx, o, c)
	c.Argv[0] = filepath.Base(c.Argv[0])
	r.all = append(r.all, said{r.name, c.Argv, out.Code, string(out.Stdout), string(out.Stderr)})
	return out, err
}

// player says again what was said in a case, one after the other.
type player struct {
	t    *testing.T
	name string
	all  []said
}

func (p *player) Run(_ context.Context, _ target.Owner, c target.Command) (target.Output, error) {
	if len(p.all) == 0 || p.all[0].Case != p.name || p.all[0].Argv[0] != c.Argv[0] {
		p.t.Fatalf("%s runs %q, which was not recorded", p.name, c.Argv)
	}
	s := p.all[0]
	p.all = p.all[1:]
	return target.Output{Code: s.Code, Stdout: []byte(s.Stdout), Stderr: []byte(s.Stderr)}, nil
}

// story is what cases, one after the other, know of the jobs of earlier ones.
type story struct {
	t   *testing.T
	c   *condor.Condor
	job target.Job // that waits
	ref target.Ref
}

// shows asserts what a listing has of the story's job.
func (s *story) shows(want target.Seen) {
	s.t.Helper()
	all, err := s.c.List(s.t.Context(), s.job.Name, []target.Owner{s.job.Owner})
	if err != nil || len(all) != 1 {
		s.t.Fatalf("%+v, %v", all, err)
	}
	s.same(all[0], want)
}

func (s *story) same(got, want target.Seen) {
	s.t.Helper()
	want.ID, want.Name, got.Owner = s.ref.ID, s.ref.Name, ""
	if !strings.Contains(got.Word, want.Word) || want.Word == "" {
		s.t.Errorf("its word is %q, want %q", got.Word, want.Word)
	}
	got.Word, want.Word = "", ""
	if got != want {
		s.t.Errorf("it is %+v, want %+v", got, want)
	}
}

func (s *story) code(err error, want grid.Code, words string) {
	s.t.Helper()
	if grid.CodeOf(err) != want || err != nil && !strings.Contains(err.Error(), words) {
		s.t.Errorf("%q: %v, want %q and the words %q", grid.CodeOf(err), err, want, words)
	}
}

// cases are told of a real HTCondor and of what one has said before.
var cases = []struct {
	name string
	down bool // the schedd is killed before it
	tell func(context.Context, *story)
}{
	{"a job that waits", false, func(ctx context.Context, s *story) {
		id, err := s.c.Submit(ctx, s.job)
		if err != nil {
			s.t.Fatal(err)
		}
		s.ref = target.Ref{Owner: s.job.Owner, Name: s.job.Name, ID: id}
		s.shows(target.Seen{State: target.Waiting, Word: "idle"})
	}},
	{"is held", false, func(ctx context.Context, s *story) {
		s.code(s.c.Hold(ctx, s.ref), "", "")
		s.shows(target.Seen{State: target.Held, Word: "held (held at Gridburst (by user "})
		s.code(s.c.Hold(ctx, s.ref), "", "")
	}},
	{"and released", false, func(ctx context.Context, s *story) {
		s.code(s.c.Release(ctx, s.ref), "", "")
		s.shows(target.Seen{State: target.Waiting, Word: "idle"})
		s.code(s.c.Release(ctx, s.ref), "", "")
	}},
	{"and removed", false, func(ctx context.Context, s *story) {
		s.code(s.c.Remove(ctx, s.ref), "", "")
		seen, err := s.c.Look(ctx, s.ref)
		for err == nil && seen.State != target.Ended && pause.For(ctx, 10*time.Millisecond) == nil { // it is on its way out
			seen, err = s.c.Look(ctx, s.ref)
		}
		s.code(err, "", "")
		s.same(seen, target.Seen{State: target.Ended, End: target.Cancelled, Word: "removed (via condor_rm (by user "})
		s.code(s.c.Remove(ctx, s.ref), "", "")
		s.code(s.c.Forget(ctx, s.ref), "", "")
	}},
	{"an id that is another's", false, func(ctx context.Context, s *story) {
		r := s.ref
		r.Name += "-other"
		s.code(s.c.Remove(ctx, r), grid.NotFound, "does not know job "+r.ID)
	}},
	{"an id that nobody has", false, func(ctx context.Context, s *story) {
		r := s.ref
		r.ID = "999999.0"
		_, err := s.c.Look(ctx, r)
		s.code(err, grid.NotFound, "does not know job 999999.0")
		s.code(s.c.Hold(ctx, r), grid.NotFound, "")
		s.code(s.c.Release(ctx, r), grid.NotFound, "")
	}},
	{"a job that is not taken", false, func(ctx context.Context, s *story) {
		j := s.job
		refused(&j)
		_, err := s.c.Submit(ctx, j)
		s.code(err, grid.Refused, "I don't know about the 'nosuch' universe")
	}},
	{"a directory that is not there", false, func(ctx context.Context, s *story) {
		j := s.job
		j.Dir = "/nonexistent/directory"
		_, err := s.c.Submit(ctx, j)
		s.code(err, grid.Refused, "No such directory: /nonexistent/directory")
	}},
	{"a schedd that is down", true, func(ctx context.Context, s *story) {
		_, err := s.c.List(ctx, "gb-", []target.Owner{s.job.Owner})
		s.code(err, grid.Unavailable, "")
		_, err = s.c.Look(ctx, s.ref)
		s.code(err, grid.Unavailable, "")
		_, err = s.c.Submit(ctx, s.job)
		s.code(err, grid.Unavailable, "Failed to connect to queue manager")
		s.code(s.c.Hold(ctx, s.ref), grid.Unavailable, "Failed to connect to schedd")
		s.code(s.c.Release(ctx, s.ref), grid.Unavailable, "Failed to connect to schedd")
		s.code(s.c.Remove(ctx, s.ref), grid.Unavailable, "Failed to connect to schedd")
	}},
}

const recorded = "testdata/said.json"

// What HTCondor's commands say is understood: as a real one says it, with -record kept, and as
// HTCondor 23.9.6 said it.
func TestWhatHTCondorSaysIsUnderstood(t *testing.T) {
	if !*record {
		text, err := os.ReadFile(recorded)
		if err != nil {
			t.Fatal(err)
		}
		var all []said
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		s := story{job: target.Job{Name: "gb-said-1.0-1", Owner: own(), Dir: "/d", Script: "/d/job.sh"}}
		for _, k := range cases {
			t.Run(strings.ReplaceAll(k.name, " ", "_"), func(t *testing.T) {
				p := &player{t: t, name: k.name, all: all}
				s.t, s.c = t, condor.New(p, condor.Options{Name: "sched@here"})
				k.tell(t.Context(), &s)
				all = p.all
			})
		}
		if len(all) > 0 {
			t.Errorf("%d answers were not asked for, from %+v on", len(all), all[0])
		}
		return
	}
	p := newPool(t)
	dir := p.jobs()
	script := filepath.Join(dir, target.ScriptName)
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r := &recorder{Commands: p.desks}
	s := story{c: condor.New(r, p.options()), job: target.Job{Name: "gb-said-1.0-1", Owner: p.owner, Dir: dir, Script: script}}
	waits(&s.job)
	for _, k := range cases {
		r.name, s.t = k.name, t
		if k.down {
			p.do("kill", p.dir+"/condor")
		}
		k.tell(t.Context(), &s)
	}
	text, err := json.MarshalIndent(r.all, "", " ")
	if err == nil {
		err = os.WriteFile(recorded, append(bytes.ReplaceAll(text, []byte(p.dir), []byte("/dir")), '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAnswerThatIsNotWholeIsNone(t *testing.T) {
	const whole = "[\n{\n  \"ClusterId\": 4,\n  \"GridburstJob\": \"gb-1-4.0-1\",\n  \"JobStatus\": 2,\n  \"ProcId\": 0,\n  \"RemoteHost\": \"slot1@n\"\n}\n]\n"
	list := func(text string) ([]target.Seen, error) {
		return condor.New(conform.Says{Out: target.Output{Stdout: []byte(text)}}, condor.Options{}).List(t.Context(), "gb-1-", []target.Owner{{UID: 7}})
	}
	all, err := list(whole)
	if want := (target.Seen{Name: "gb-1-4.0-1", ID: "4.0", State: target.Running, Word: "running", Host: "slot1@n"}); err != nil || len(all) != 1 || all[0] != want {
		t.Errorf("%+v, %v", all, err)
	}
	for i := 1; i < len(whole)-1; i++ {
		if all, err := list(whole[:i]); grid.CodeOf(err) != grid.Unavailable {
			t.Errorf("%q is %+v, %v", whole[:i], all, err)
		}
	}
	for name, c := range map[string]struct {
		a    conform.Says
		want grid.Code
	}{
		"killed":             {conform.Says{Out: target.Output{Code: -1}}, grid.Unknown},
		"its end is unknown": {conform.Says{Err: grid.Errorf(grid.Unknown, "time was up")}, grid.Unknown},
		"not begun":          {conform.Says{Err: grid.Errorf(grid.Unavailable, "no such command")}, grid.Unavailable},
		"no id":              {conform.Says{Out: target.Output{Stdout: []byte("hello\n")}}, grid.Unknown},
		"a commit that did not come back": {
			conform.Says{Out: target.Output{Code: 1, Stderr: []byte("\nERROR: Failed to commit job submission into the queue.\n")}}, grid.Unknown,
		},
		"no right": {
			conform.Says{Out: target.Output{Code: 1, Stderr: []byte("\nERROR: Failed to connect to queue manager s\nSECMAN:2010:Received \"DENIED\" from server for user x using method FS.\n")}}, grid.Refused,
		},
	} {
		if _, err := condor.New(c.a, condor.Options{}).Submit(t.Context(), target.Job{Name: "gb-x", Script: "/x"}); grid.CodeOf(err) != c.want {
			t.Errorf("%s: %q (%v), want %q", name, grid.CodeOf(err), err, c.want)
		}
		_, err := condor.New(c.a, condor.Options{}).List(t.Context(), "gb-", []target.Owner{{UID: 7}})
		if grid.CodeOf(err) != grid.Unavailable {
			t.Errorf("%s: a listing is %q (%v)", name, grid.CodeOf(err), err)
		}
	}
}

// answers is commands that come to what a test has written, by their names.
type answers map[string]target.Output

func (a answers) Run(_ context.Context, _ target.Owner, c target.Command) (target.Output, error) {
	return a[filepath.Base(c.Argv[0])], nil
}

// What is said of files that do not come, as a real HTCondor 23.9.6 has said it.
func TestWhatHTCondorSaysOfFilesIsSorted(t *testing.T) {
	const one = `[{"ClusterId": 3, "ProcId": 0, "GridburstJob": "gb-x", "JobStatus": 4}]`
	for name, c := range map[string]struct {
		command string // whose end it is
		stderr  string
		want    grid.Code
	}{
		"no room there for the inputs": {
			"condor_submit", "DCSchedd::spoolJobFiles:7002:File transfer failed for target job 1.0: SUBMIT at 127.0.0.1 failed to send file(s) to <127.0.0.1:46215>; SCHEDD at 127.0.0.1 - |Error: writing to file /spool/1/0/cluster1.proc0.subproc0.tmp/inputs.tar: (errno 28) No space left on device\nERROR: Failed to spool job files.\n", grid.NoSpace,
		},
		"it has the job, and went away": {"condor_submit", "DCSchedd::spoolJobFiles:6001:Failed to connect to schedd\nERROR: Failed to spool job files.\n", grid.Unknown},
		"it was not reached":            {"condor_submit", "\nERROR: Failed to connect to queue manager sched@here\nCEDAR:6001:Failed to connect to <127.0.0.1:34757>\n", grid.Unavailable},
		"no room here for what is left": {
			"condor_transfer_data", "DCSchedd::receiveJobSandbox:7003:File transfer failed for target job 3.0: TOOL at 127.0.0.1 - |Error: writing to file /j/outputs: (errno 28) No space left on device\nERROR: Failed to spool job files.\n", grid.NoSpace,
		},
		"it is away": {"condor_transfer_data", "DCSchedd::receiveJobSandbox:6001:Failed to connect to schedd\nERROR: Failed to spool job files.\n", grid.Unknown},
		"what is left is not there": {
			"condor_transfer_data", "DCSchedd::receiveJobSandbox:7003:File transfer failed for target job 3.0: SCHEDD at 127.0.0.1 failed to send file(s) to <127.0.0.1:36317>: |Error: reading from file /spool/outputs: (errno 2) No such file or directory; TOOL failed to receive file(s) from <127.0.0.1:34757>\nERROR: Failed to spool job files.\n", grid.Unknown,
		},
		"no such job": {"condor_qedit", "Failed to set attribute \"GridburstGo\" by constraint: ( (ClusterId == 77) )\nQueue transaction failed.  No attributes were set.\n", grid.NotFound},
	} {
		a := answers{"condor_q": {Stdout: []byte(one)}, c.command: {Code: 1, Stderr: []byte(c.stderr)}}
		s, r := condor.NewSpool(a, condor.Options{}), target.Ref{Name: "gb-x", ID: "3.0"}
		var err error
		switch c.command {
		case "condor_submit":
			_, err = s.Submit(t.Context(), target.Job{Name: "gb-x", Script: "/x", Spool: true})
		case "condor_qedit":
			err = s.Begin(t.Context(), r)
		default:
			err = s.Fetch(t.Context(), r, "/j")
		}
		if grid.CodeOf(err) != c.want {
			t.Errorf("%s: %q (%v), want %q", name, grid.CodeOf(err), err, c.want)
		}
	}
	// Of a job that is not there it says nothing, and exits with 0.
	gone := answers{"condor_q": {}, "condor_transfer_data": {Stdout: []byte("Fetching data files...\n")}}
	if err := condor.NewSpool(gone, condor.Options{}).Fetch(t.Context(), target.Ref{Name: "gb-x", ID: "3.0"}, "/j"); grid.CodeOf(err) != grid.NotFound {
		t.Errorf("of no job: %v", err)
	}
}

// How a job stands whose files travel.
func TestWhatASpooledJobWants(t *testing.T) {
	for ad, want := range map[string]target.Seen{
		`"JobStatus": 5, "HoldReasonCode": 16, "HoldReason": "Spooling input data files"`: {State: target.Held, Wants: target.WantsFiles, Word: "held (Spooling input data files)"},
		`"JobStatus": 1`:                                             {State: target.Waiting, Wants: target.WantsBegin, Word: "idle"},
		`"JobStatus": 5, "HoldReasonCode": 1`:                        {State: target.Held, Wants: target.WantsBegin, Word: "held"},
		`"JobStatus": 1, "GridburstGo": true`:                        {State: target.Waiting, Word: "idle"},
		`"JobStatus": 2, "GridburstGo": true, "NumShadowStarts": 1`:  {State: target.Running, Starts: 1, Word: "running"},
		`"JobStatus": 4, "GridburstGo": true, "NumShadowStarts": 1`:  {State: target.Ended, Starts: 1, Word: "completed"},
		`"JobStatus": 1, "GridburstGo": "yes", "NumShadowStarts": 0`: {State: target.Waiting, Wants: target.WantsBegin, Word: "idle"},
	} {
		out := target.Output{Stdout: []byte(`[{"ClusterId": 1, "ProcId": 0, "GridburstJob": "gb-x", ` + ad + `}]`)}
		want.Name, want.ID = "gb-x", "1.0"
		all, err := condor.NewSpool(conform.Says{Out: out}, condor.Options{}).List(t.Context(), "gb-", []target.Owner{{UID: 7}})
		if err != nil || len(all) != 1 || all[0] != want {
			t.Errorf("%s: %+v, %v, want %+v", ad, all, err, want)
		}
	}
}

// How jobs end of which HTCondor has its own opinion.
func TestEndsOfJobs(t *testing.T) {
	for name, c := range map[string]struct {
		ad   string
		want target.Seen
	}{
		"by itself":                   {`"JobStatus": 4, "ExitCode": 3, "NumJobStarts": 1`, target.Seen{State: target.Ended, Word: "completed"}},
		"not the first of two":        {`"JobStatus": 4, "ExitCode": 112, "NumJobStarts": 1`, target.Seen{State: target.Ended, Word: "completed"}},
		"started again":               {`"JobStatus": 4, "ExitCode": 112, "NumJobStarts": 2`, target.Seen{State: target.Ended, End: target.Lost, Word: "completed (it was started again)"}},
		"on its way out":              {`"JobStatus": 3, "RemoveReason": "via condor_rm"`, target.Seen{State: target.Running, Word: "removed (via condor_rm)"}},
		"too long":                    {`"JobStatus": 5, "HoldReasonCode": 46, "HoldReason": "exceeded"`, target.Seen{State: target.Ended, End: target.TimeUp, Word: "held (exceeded)"}},
		"too large":                   {`"JobStatus": 5, "HoldReasonCode": 34, "HoldReasonSubCode": 102`, target.Seen{State: target.Ended, End: target.OutOfMemory, Word: "held"}},
		"too much on its disk":        {`"JobStatus": 5, "HoldReasonCode": 34, "HoldReasonSubCode": 104`, target.Seen{State: target.Held, Word: "held"}},
		"of attributes that are none": {`"JobStatus": 1, "Owner": "ada", "ExitCode": "x", "HoldReason": [1], "HoldReasonCode": 99999999999, "RemoteHost": {"a": null}`, target.Seen{State: target.Waiting, Owner: "ada", Word: "idle"}},
		"suspended":                   {`"JobStatus": 7, "RemoteHost": "n"`, target.Seen{State: target.Running, Host: "n", Word: "suspended"}},
	} {
		text := `[{"ClusterId": 1, "ProcId": 0, "GridburstJob": "gb-x", ` + c.ad + `}]`
		c.want.Name, c.want.ID = "gb-x", "1.0"
		all, err := condor.New(conform.Says{Out: target.Output{Stdout: []byte(text)}}, condor.Options{}).List(t.Context(), "gb-", []target.Owner{{UID: 7}})
		if err != nil || len(all) != 1 || all[0] != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, all, err, c.want)
		}
	}
}

// given is a command that keeps what it was given.
type given struct{ stdin string }

func (g *given) Run(_ context.Context, _ target.Owner, c target.Command) (target.Output, error) {
	g.stdin = string(c.Stdin)
	return target.Output{Stdout: []byte("7.0 - 7.0\n")}, nil
}

func TestAJobIsDescribedInHTCondorsLanguage(t *testing.T) {
	g := &given{}
	j := target.Job{
		Name: "gb-x", Dir: `/a b/$(Process)`, Script: "/a b/job.sh", Cpus: 2, MemoryMB: 512, DiskKB: 1024, Runtime: 90 * time.Second,
		Queue: `q"x`, Project: "physics.higgs", Label: "gridburst job 1.0",
	}
	if id, err := condor.New(g, condor.Options{}).Submit(t.Context(), j); err != nil || id != "7.0" {
		t.Fatal(id, err)
	}
	for _, line := range []string{
		"initialdir = /a b/$(DOLLAR)(Process)", `My.GridburstJob = "gb-x"`, `My.BatchQueue = "q\"x"`, "request_cpus = 2", "request_memory = 512", "request_disk = 1024",
		"allowed_job_duration = 90", "accounting_group = physics.higgs", "description = gridburst job 1.0",
	} {
		if !strings.Contains("\n"+g.stdin, "\n"+line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, g.stdin)
		}
	}
	j.Spool = true
	if _, err := condor.NewSpool(g, condor.Options{}).Submit(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"should_transfer_files = YES", "transfer_executable = true", "transfer_input_files = inputs.tar", "transfer_output_files = outputs"} {
		if !strings.Contains("\n"+g.stdin, "\n"+line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, g.stdin)
		}
	}
	j.Dir = "/a\nqueue 1000"
	if _, err := condor.New(g, condor.Options{}).Submit(t.Context(), j); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("a directory of two lines: %v", err)
	}
}
