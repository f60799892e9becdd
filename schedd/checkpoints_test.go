package schedd

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
	"gridburst/schedd/submit"
	"gridburst/schedd/target/fake"
)

// savingJob is one that checkpoints itself.
const savingJob = "executable = /bin/true\ncheckpoint_exit_code = 85\ntransfer_checkpoint_files = reached\nlog = log\n"

// saver is a worker that keeps checkpoints.
func (p *place) saver(name string) *worker {
	p.t.Helper()
	return p.connect(wire.Hello{
		Version: wire.Version, Worker: name, Boot: "boot-1", Session: name + "-session", Agent: "test", Isolation: wire.ProcessGroups,
		Advert: wire.Advert{Attrs: map[string]string{
			"Cpus": "2", "Memory": "1000", "Disk": "1000000", "Arch": `"X86_64"`, "OpSys": `"LINUX"`, "FileSystemDomain": `"dom"`, "HasFileTransfer": "true",
			"HasSelfCheckpointTransfers": "true", "CondorVersion": `"$CondorVersion: ` + submit.Compatible + ` $"`,
		}},
	})
}

// stream is a checkpoint with one file.
func stream(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// saves sends a checkpoint, and gives the answer to it, or its refusal's code.
func (w *worker) saves(s *wire.Start, number int, body []byte) (kept wire.Kept, refused grid.Code) {
	w.p.t.Helper()
	status, answer := w.files(http.MethodPut, s, fmt.Sprintf("checkpoint?number=%d&wall_ms=2500", number), bytes.NewReader(body))
	var problem wire.Problem
	into := any(&kept)
	if status != http.StatusOK {
		into = &problem
	}
	if err := json.Unmarshal(answer, into); err != nil {
		w.p.t.Fatalf("%d %s: %v", status, answer, err)
	}
	return kept, problem.Code
}

// begins is the next order to start; one to end what ends already may come twice.
func (w *worker) begins() *wire.Start {
	w.p.t.Helper()
	for {
		m := w.next()
		if m.Start != nil {
			return m.Start
		}
		if m.Kill == nil {
			w.p.t.Fatalf("not a start: %+v", m)
		}
	}
}

// spooled are the files of checkpoints.
func (p *place) spooled() []string {
	p.t.Helper()
	files, err := os.ReadDir(filepath.Join(p.c.Dir, SpoolName, checkpointDir))
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func (p *place) spoolIs(want ...string) {
	p.t.Helper()
	if got := p.spooled(); strings.Join(got, " ") != strings.Join(want, " ") {
		p.t.Fatalf("the spool has the checkpoints %v, not %v", got, want)
	}
}

// spoolEmpties waits until there is no checkpoint any more.
func (p *place) spoolEmpties() {
	p.t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(patience); len(p.spooled()) > 0; {
		select {
		case <-look.C:
		case <-late:
			p.t.Fatalf("the spool has the checkpoints %v still", p.spooled())
		}
	}
}

// A job's checkpoint is the newest that came whole, over evictions and starts of the
// schedd, until the job is over; an older attempt's counts no more.
func TestTheNewestCheckpointThatCameWholeIsTheJobs(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(savingJob + "queue")
	w := p.saver("w1")
	s := w.start()
	if c := s.Checkpoint; !s.Transfer || c == nil || c.Code != 85 || c.Signal || c.Kept || len(c.Files) != 1 || c.Files[0] != "reached" {
		t.Fatalf("%+v %+v", s, s.Checkpoint)
	}
	first, second := stream(t, "out/reached", "1"), stream(t, "out/reached", "2")
	if kept, refused := w.saves(s, 1, first); refused != "" || kept.Bytes != int64(len(first)) || kept.Leave != "" { // before the start was told of
		t.Fatalf("%+v %s", kept, refused)
	}
	w.started(s)
	p.until("1.0", "job_started")
	for range 2 { // its answer was lost
		if _, refused := w.saves(s, 2, second); refused != "" {
			t.Fatal(refused)
		}
	}
	p.spoolIs("1.0.1-2.tar")
	a := p.job("1.0")
	if a.Int(checkpointNumber, -1) != 1 || a.Int(committedTime, 0) != 4 || a.Int(lastCheckpoint, 0) == 0 || a.Int("NumJobStarts", 0) != 1 {
		t.Fatal(a)
	}

	// What does not come whole, or is none, is not.
	for _, body := range [][]byte{second[:512], second[:700], second[:1024], []byte(strings.Repeat("no tar", 500)), stream(t, "out/../../x", "3"), stream(t, "reached", "3")} {
		if _, refused := w.saves(s, 3, body); refused == "" {
			t.Fatalf("a stream of %d bytes was kept", len(body))
		}
	}
	p.spoolIs("1.0.1-2.tar")

	p.act("vacate", "1.0")
	w.kill()
	w.report(s, wire.Report{Kind: wire.Killed})
	p.until("1.0", "job_requeued")
	next := w.begins()
	if next.Epoch != 2 || next.Checkpoint == nil || !next.Checkpoint.Kept {
		t.Fatalf("%+v", next)
	}
	if _, refused := w.saves(s, 3, first); refused != grid.NotFound {
		t.Fatalf("an older attempt's checkpoint: %q", refused)
	}
	if status, body := w.files(http.MethodGet, next, "checkpoint", nil); status != http.StatusOK || !bytes.Equal(body, second) {
		t.Fatalf("%d, %d bytes", status, len(body))
	}
	w.hangUp()

	// A start finds what a death has left, and removes what is nobody's.
	p.stop()
	for _, name := range []string{"1.0.1-1.tar", "1.0.2-1.tar", "9.0.1-1.tar", "123.new"} {
		if err := os.WriteFile(filepath.Join(p.c.Dir, SpoolName, checkpointDir, name), first, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	w = p.saver("w1") // it has never heard of the attempt
	next = w.start()
	if _, refused := w.saves(next, 1, first); refused != "" {
		t.Fatal(refused)
	}
	p.spoolIs("1.0.2-1.tar")
	if a = p.job("1.0"); a.Int(checkpointNumber, -1) != 2 || a.Text(spooledCheckpoint) != "2-1" {
		t.Fatal(a)
	}
	w.started(next)
	w.exited(next, 0)
	p.until("1.0", "job_completed")
	p.spoolEmpties()
	p.logged("log", "000 001 040 040 004 001 040 005")
}

func TestACheckpointOfAJobThatIsNotToGoOn(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(savingJob + "queue 3")
	w := p.saver("w1")
	body := stream(t, wire.StdoutName, "so far")
	begin := func() *wire.Start {
		s := w.begins()
		w.started(s)
		p.until(s.Job.String(), "job_started")
		return s
	}
	held, removed := begin(), begin()
	p.act("hold", held.Job.String())
	w.kill()
	if _, refused := w.saves(held, 1, body); refused != "" {
		t.Fatal(refused)
	}
	w.report(held, wire.Report{Kind: wire.Killed})
	w.forgets()
	p.act("remove", removed.Job.String())
	w.kill()
	if _, refused := w.saves(removed, 1, body); refused != grid.Refused {
		t.Fatalf("a removed job's checkpoint: %q", refused)
	}
	w.report(removed, wire.Report{Kind: wire.Killed})
	w.forgets()
	p.spoolIs(held.Job.String() + ".1-1.tar")

	// On a machine that is drained it is kept, and the job leaves.
	third := begin()
	worker := p.live.d.ledger.View().WorkerOf("w1")
	p.live.d.pool.Drain(worker, true)
	kept, refused := w.saves(third, 1, body)
	if refused != "" || !strings.Contains(kept.Leave, "drained") {
		t.Fatalf("%+v %s", kept, refused)
	}
	w.report(third, wire.Report{Kind: wire.Killed, Vacate: grid.VacateSaved, Reason: kept.Leave})
	e := p.until(third.Job.String(), "job_requeued")
	if e.Code != int32(grid.VacateSaved) {
		t.Fatalf("%+v", e)
	}
	if a := p.job(third.Job.String()); a.Int("VacateReasonCode", 0) != int64(grid.VacateSaved) || a.Text("VacateReason") != kept.Leave {
		t.Fatal(a)
	}

	// Released, the held one goes on; without its file it says what may be done.
	if err := os.Remove(filepath.Join(p.c.Dir, SpoolName, checkpointDir, held.Job.String()+".1-1.tar")); err != nil {
		t.Fatal(err)
	}
	p.act("hold", third.Job.String())
	p.live.d.pool.Drain(worker, false)
	p.act("release", held.Job.String())
	again := w.begins()
	if again.Job != held.Job || !again.Checkpoint.Kept {
		t.Fatalf("%+v", again)
	}
	if status, answer := w.files(http.MethodGet, again, "checkpoint", nil); status != http.StatusBadRequest || !strings.Contains(string(answer), "gqedit "+held.Job.String()+" SpooledCheckpoint undefined") {
		t.Fatalf("%d %s", status, answer)
	}
	edit := func(value string) error {
		_, err := p.Edit(t.Context(), api.Edit{Selection: api.Selection{IDs: []string{held.Job.String()}}, Attrs: []submit.Attr{{Name: "SpooledCheckpoint", Expr: value}}})
		return err
	}
	if err := edit(`"1-1"`); grid.CodeOf(err) != grid.Forbidden {
		t.Fatal(err)
	}
	if err := edit("undefined"); err != nil {
		t.Fatal(err)
	}
	w.report(again, wire.Report{Kind: wire.Lost})
	if fresh := w.begins(); fresh.Job != held.Job || fresh.Checkpoint == nil || fresh.Checkpoint.Kept {
		t.Fatalf("%+v", fresh)
	}
}

// A backup has no checkpoints, and tells how many there are. A restored job goes on from the one
// that it had then if it is there still, and begins from the start if it is not: it is not held.
func TestARestoredJobWithoutItsCheckpointBeginsAnew(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(savingJob + "queue 2")
	w := p.saver("w1")
	body := stream(t, "out/reached", "1")
	var begun []*wire.Start
	for range 2 {
		s := w.begins()
		w.started(s)
		if _, refused := w.saves(s, 1, body); refused != "" {
			t.Fatal(refused)
		}
		begun = append(begun, s)
	}
	copied := filepath.Join(t.TempDir(), "b.db")
	f, err := os.Create(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := p.Backup(t.Context(), f)
	if err != nil || b.Checkpoints != 2 || b.CheckpointBytes != int64(2*len(body)) {
		t.Fatalf("%+v (%v)", b, err)
	}
	described, err := json.Marshal(b)
	if err == nil {
		err = os.WriteFile(copied+".json", described, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	// One goes on, and its checkpoint of then is another by now.
	lost, kept := begun[0], begun[1]
	if _, refused := w.saves(lost, 2, body); refused != "" {
		t.Fatal(refused)
	}
	p.spoolIs(slices.Sorted(slices.Values([]string{lost.Job.String() + ".1-2.tar", kept.Job.String() + ".1-1.tar"}))...)
	p.stop()
	if _, err := ledger.Restore(copied, filepath.Join(p.c.Dir, SpoolName)); err != nil {
		t.Fatal(err)
	}
	p.start()
	w = p.saver("w1") // which knows nothing of them any more
	for range 2 {
		s := w.begins()
		if s.Checkpoint == nil || s.Checkpoint.Kept != (s.Job == kept.Job) {
			t.Errorf("job %s begins with %+v", s.Job, s.Checkpoint)
		}
		if status, got := w.files(http.MethodGet, s, "checkpoint", nil); s.Job == kept.Job && (status != http.StatusOK || !bytes.Equal(got, body)) {
			t.Errorf("job %s goes on from %d %q", s.Job, status, got)
		}
		w.started(s)
		w.exited(s, 0)
		w.forgets()
		p.until(s.Job.String(), "job_completed")
	}
	p.spoolEmpties()
	p.eventually("its log to say so", func() bool {
		text, err := os.ReadFile(filepath.Join(p.dir, "log"))
		return err == nil && strings.Contains(string(text), "SpooledCheckpoint")
	})
}

// Nobody's attribute leads to another's checkpoint.
func TestAnAttributeIsNoPathToACheckpoint(t *testing.T) {
	p := newPlace(t, nil)
	p.submit(savingJob + `+SpooledCheckpoint = "../2.0.1-1"` + "\nqueue")
	w := p.saver("w1")
	if s := w.start(); s.Checkpoint == nil || s.Checkpoint.Kept {
		t.Fatalf("%+v", s.Checkpoint)
	}
}

func TestACheckpointLeavesRoomForTheQueue(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	body := stream(t, "out/reached", "1")
	if _, err := receive(&roomy{f: f, least: 1 << 60}, bytes.NewReader(body)); grid.CodeOf(err) != grid.NoSpace {
		t.Fatal(err)
	}
	if s, err := receive(&roomy{f: f}, bytes.NewReader(body)); err != nil || s.Bytes != int64(len(body)) || s.Files != 1 {
		t.Fatal(s, err)
	}
}

// A job that exits by a signal for its checkpoints, and what is no such job.
func TestHowAJobShowsItsCheckpoint(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"checkpoint_exit_code = 85", "85 false []"},
		{"checkpoint_exit_code = 85\ntransfer_checkpoint_files = a, b/c", "85 false [a b/c]"},
		{"+WantFTOnCheckpoint = true\n+SuccessCheckpointExitBySignal = true\n+SuccessCheckpointExitSignal = 12", "12 true []"},
		{"+WantFTOnCheckpoint = true", "none"},
		{"+SuccessCheckpointExitCode = 85", "none"},
		{"should_transfer_files = YES", "none"},
	} {
		p := newPlace(t, nil)
		p.submit("executable = /bin/true\n" + c.text + "\nqueue")
		s := p.saver("w1").start()
		got := "none"
		if x := s.Checkpoint; x != nil {
			got = fmt.Sprint(x.Code, x.Signal, x.Files)
		}
		if got != c.want {
			t.Errorf("%s: %s, not %s", c.text, got, c.want)
		}
	}
}

// A target would take the exit for a checkpoint as the job's end: such a job waits for a
// worker, though a route would take it.
func TestARouteTakesNoJobThatCheckpointsItself(t *testing.T) {
	p := away(t, &fake.Target{Slots: 2}, toSlurm)
	p.submit(savingJob + "queue")
	p.submit(p.sh("exit 0"))
	p.until("2.0", "job_completed") // by then the other was looked at, too
	if j, ok := p.live.d.ledger.View().Job(grid.JobID{Cluster: 1}); !ok || j.Status != grid.Idle || j.Epoch != 0 {
		t.Fatalf("%+v", j)
	}
	why, err := p.Why(t.Context(), "1.0")
	if err != nil || !strings.Contains(why.Text, "No route: nobody would keep its checkpoints there.") {
		t.Fatal(why.Text, err)
	}
	if s := p.saver("w1").start(); s.Job.Cluster != 1 || s.Checkpoint == nil {
		t.Fatalf("%+v", s)
	}
}

// The refusal arrives though most of the checkpoint was not read, and the queue goes on.
func TestACheckpointForWhichThereIsNoRoom(t *testing.T) {
	var st unix.Statfs_t
	if err := unix.Statfs(t.TempDir(), &st); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, func(c *Config) { c.Reserve = int64(st.Bavail) * st.Bsize / 4 * 3 })
	p.submit(savingJob + "queue")
	w := p.saver("w1")
	s := w.start()
	if _, refused := w.saves(s, 1, stream(t, "out/reached", strings.Repeat("x", 32<<20))); refused != grid.NoSpace {
		t.Fatalf("refused: %q", refused)
	}
	p.spoolIs()
	w.started(s)
	p.until("1.0", "job_started")
	p.submit("executable = /bin/true\nqueue")
}
