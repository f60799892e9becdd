package schedd

import (
	"archive/tar"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/ad"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/internal/wire"
	"gridburst/schedd/ledger"
)

// checkpoints keeps what jobs that checkpoint themselves have saved: of each job the newest
// that came whole, as the stream that it came in.
//
//	SPOOL/checkpoints/12.0.3-2.tar        the second of the third attempt of job 12.0
//	SPOOL/checkpoints/123456789.new       one that is on its way
//
// Which one is a job's stands in its ad ([spooledCheckpoint]). It is there, flushed, before
// the ledger hears of it; the one before goes when the ledger has. What a death leaves
// beside those is removed at the next start.
type checkpoints struct {
	d     *Daemon
	dir   string
	locks [64]sync.Mutex // of jobs, before mu: who changes which one is a job's, or removes one

	mu    sync.Mutex
	files map[grid.JobID][]string // that are in place
}

// Attributes of a job that has a checkpoint; all but the first are HTCondor's.
const (
	spooledCheckpoint = "SpooledCheckpoint" // attempt and number: "3-2"
	checkpointNumber  = "CheckpointNumber"  // of a job's checkpoints, from 0
	lastCheckpoint    = "LastCheckpointTime"
	committedTime     = "CommittedTime"
)

const (
	checkpointDir = "checkpoints"
	checkpointExt = ".tar"
	comingExt     = ".new"
)

func openCheckpoints(d *Daemon) (*checkpoints, error) {
	c := &checkpoints{d: d, dir: filepath.Join(d.spool(), checkpointDir), files: map[grid.JobID][]string{}}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, grid.Errorf(grid.Invalid, "make the directory of checkpoints: %w", err)
	}
	coming, err := filepath.Glob(filepath.Join(c.dir, "*"+comingExt))
	for _, f := range coming {
		err = errors.Join(err, os.Remove(f))
	}
	return c, err
}

// checkpointOf is how a job shows that it has taken a checkpoint; nil: it takes none.
func checkpointOf(job *ad.Ad) *wire.Checkpoint {
	truth := func(name string) bool {
		v, _ := job.Literal(name)
		b, ok := v.Bool()
		return ok && b
	}
	if !truth("WantFTOnCheckpoint") {
		return nil
	}
	c := &wire.Checkpoint{Code: int32(job.Int("SuccessCheckpointExitCode", 0)), Files: listOf(job.Text("TransferCheckpoint"))}
	if truth("SuccessCheckpointExitBySignal") {
		c.Signal, c.Code = true, int32(job.Int("SuccessCheckpointExitSignal", 0))
	}
	if c.Code <= 0 {
		return nil // an exit with 0 is an end
	}
	c.Kept = spooledOf(job) != ""
	return c
}

// committed is what the end of a job adds to its ad: after the newest checkpoint nothing is
// lost any more. Of a job without one HTCondor's attribute is not kept.
func committed(job *ad.Ad) []ledger.Attr {
	since := job.Int(lastCheckpoint, 0)
	if since == 0 {
		return nil
	}
	since = max(since, job.Int("JobCurrentStartDate", 0))
	return []ledger.Attr{{Name: committedTime, Expr: strconv.FormatInt(job.Int(committedTime, 0)+max(time.Now().Unix()-since, 0), 10)}}
}

// spooledOf is a job's checkpoint, by its attribute; empty: it has none. A text that is no
// name of one leads nowhere.
func spooledOf(job *ad.Ad) string {
	s := job.Text(spooledCheckpoint)
	if strings.Trim(s, "0123456789-") != "" {
		return ""
	}
	return s
}

// fileOf is the file of a job's checkpoint, by its attribute.
func fileOf(id grid.JobID, spooled string) string { return id.String() + "." + spooled + checkpointExt }

// jobOf is whose checkpoint a file is.
func jobOf(file string) (id grid.JobID, ok bool) {
	stem, ok := strings.CutSuffix(file, checkpointExt)
	if !ok {
		return id, false
	}
	i := strings.LastIndexByte(stem, '.')
	return id, i > 0 && id.UnmarshalText([]byte(stem[:i])) == nil
}

func (c *checkpoints) lock(id grid.JobID) *sync.Mutex {
	l := &c.locks[(id.Cluster*31+id.Proc)&63]
	l.Lock()
	return l
}

// run removes checkpoints that nobody needs any more.
func (c *checkpoints) run(ctx context.Context) error {
	seen := c.d.ledger.View().Index
	rebuild := func() error {
		seen = c.d.ledger.View().Index
		return c.sweep()
	}
	if err := c.sweep(); err != nil {
		return err
	}
	for {
		// In this order: a file that comes meanwhile is of a job that leaves later.
		if now := c.d.ledger.View().Index; c.none() {
			seen = now
		}
		err := c.d.follow(ctx, &seen, rebuild, func(_ *ledger.View, events []ledger.Event) error {
			for i := range events {
				if e := &events[i]; e.Type == ledger.JobLeft || e.Type == ledger.JobCompleted {
					c.over(e.Jobs)
				}
			}
			return nil
		})
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.d.ledger.Changed(seen):
		}
	}
}

func (c *checkpoints) none() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.files) == 0
}

// sweep looks at all files.
func (c *checkpoints) sweep() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("look for checkpoints: %w", err)
	}
	for _, e := range entries {
		if id, ok := jobOf(e.Name()); ok {
			c.judge(id, e.Name())
		}
	}
	return nil
}

// over looks at the checkpoints of jobs that are done with.
func (c *checkpoints) over(r grid.Run) {
	var ids []grid.JobID
	c.mu.Lock()
	if first := r.First(); r.Len() == 1 {
		ids = append(ids, first)
	} else {
		for id := range c.files {
			if id.Cluster == r.Cluster && id.Proc >= r.Lo && id.Proc < r.Hi {
				ids = append(ids, id)
			}
		}
	}
	c.mu.Unlock()
	for _, id := range ids {
		for _, file := range c.others(id, "") {
			c.judge(id, file)
		}
	}
}

// judge keeps a file that is the checkpoint of a job that may run again, and removes any
// other.
func (c *checkpoints) judge(id grid.JobID, file string) {
	defer c.lock(id).Unlock()
	v := c.d.ledger.View()
	if j, ok := v.Job(id); ok && j.Status != grid.Completed {
		job, err := c.d.ads.Job(v, id)
		if err != nil || fileOf(id, spooledOf(job)) == file { // one that cannot be read now may be later
			c.note(id, file)
			return
		}
	}
	c.remove(id, file)
}

// note remembers a file that is in place.
func (c *checkpoints) note(id grid.JobID, file string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.files[id], file) {
		c.files[id] = append(c.files[id], file)
	}
}

// remove takes files away. One that cannot be is tried again by the next start.
func (c *checkpoints) remove(id grid.JobID, files ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, file := range files {
		if err := os.Remove(filepath.Join(c.dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.d.log.WithError(err).WithField("job", id).Warn("a checkpoint is left behind")
		}
	}
	left := slices.DeleteFunc(slices.Clone(c.files[id]), func(f string) bool { return slices.Contains(files, f) })
	if c.files[id] = left; len(left) == 0 {
		delete(c.files, id)
	}
}

// all is how many checkpoints there are, and their bytes.
func (c *checkpoints) all() (n int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, files := range c.files {
		for _, file := range files {
			if info, err := os.Stat(filepath.Join(c.dir, file)); err == nil {
				n, bytes = n+1, bytes+info.Size()
			}
		}
	}
	return n, bytes
}

// beginAnew has the jobs of a restored queue begin from the start whose checkpoint is not there:
// a backup has none, and those that came since belong to the history that was left. Jobs say so
// in their logs.
func (c *checkpoints) beginAnew(ctx context.Context) error {
	const most = 500 // in a command
	v := c.d.ledger.View()
	lost := &ledger.Alter{Attrs: []ledger.Attr{{Name: spooledCheckpoint, Expr: "undefined"}, {Name: checkpointNumber}, {Name: lastCheckpoint}, {Name: committedTime}}}
	alter := func(least int) error {
		if len(lost.Runs) < least {
			return nil
		}
		_, err := c.d.propose(ctx, lost)
		c.d.log.WithField("jobs", len(lost.Runs)).Warn("jobs of the restored queue begin anew, for their checkpoints are not there")
		lost.Runs = nil
		return err
	}
	for id := range v.Clusters(0) {
		for s := range v.Stretches(grid.WholeCluster(id)) {
			if s.Base || s.Job.Status == grid.Completed {
				continue // it has never run, or does not again
			}
			job, err := c.d.ads.Job(v, s.Run.First())
			if err != nil || spooledOf(job) == "" {
				continue // one that cannot be read is told of elsewhere
			}
			if _, err := os.Stat(filepath.Join(c.dir, fileOf(s.Run.First(), spooledOf(job)))); err == nil {
				continue
			}
			lost.Runs = append(lost.Runs, s.Run)
			if err := alter(most); err != nil {
				return err
			}
		}
	}
	return alter(1)
}

// others are the files of a job beside one; "": all.
func (c *checkpoints) others(id grid.JobID, file string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.files[id]), func(f string) bool { return f == file })
}

// open opens a job's checkpoint for its next attempt.
func (c *checkpoints) open(id grid.JobID, job *ad.Ad) (*os.File, error) {
	file := fileOf(id, spooledOf(job))
	f, err := os.Open(filepath.Join(c.dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, grid.Errorf(grid.Invalid, "the checkpoint of job %s is not in the schedd's spool any more (%s); to begin from the start: gqedit %s %s undefined, and grelease %s",
			id, filepath.Join(checkpointDir, file), id, spooledCheckpoint, id)
	}
	if err != nil {
		return nil, grid.Errorf(grid.Unavailable, "open the checkpoint of job %s: %w", id, err)
	}
	return f, nil
}

// savedCheckpoint is one that a worker sends.
type savedCheckpoint struct {
	transferred
	number uint32        // within the attempt, from 1
	ran    time.Duration // how long the job ran to it
}

func (s *savedCheckpoint) name() string { return fmt.Sprintf("%d-%d", s.epoch, s.number) }

// take keeps what comes as a job's checkpoint. One that the job has already is not stored
// again.
func (c *checkpoints) take(ctx context.Context, s *savedCheckpoint, r io.Reader) (kept wire.Kept, err error) {
	f, err := os.CreateTemp(c.dir, "*"+comingExt)
	if err != nil {
		return kept, grid.Errorf(grid.Unavailable, "keep a checkpoint: %w", err)
	}
	defer os.Remove(f.Name()) // there is none of that name once it is in place
	defer f.Close()
	if kept.Staged, err = receive(&roomy{f: f, least: 2 * cmp.Or(c.d.c.Reserve, ledger.DefaultReserve)}, r); err != nil {
		return kept, err
	}
	if err := f.Sync(); err != nil {
		return kept, grid.Errorf(grid.Unavailable, "keep a checkpoint: %w", err)
	}
	defer c.lock(s.id).Unlock()
	if err := c.place(ctx, s, f.Name()); err != nil {
		return kept, err
	}
	if w, ok := c.d.pool.Worker(s.worker); ok && w.Drains {
		kept.Leave = "it has taken a checkpoint, and its machine is drained"
	}
	return kept, nil
}

// place makes a file that is whole the job's checkpoint.
func (c *checkpoints) place(ctx context.Context, s *savedCheckpoint, from string) error {
	job, err := c.d.ads.Job(c.d.ledger.View(), s.id)
	if err != nil {
		return err
	}
	file := fileOf(s.id, s.name())
	if spooledOf(job) == s.name() {
		return nil
	}
	if err := errors.Join(os.Rename(from, filepath.Join(c.dir, file)), whole.SyncDir(c.dir)); err != nil {
		return grid.Errorf(grid.Unavailable, "keep a checkpoint: %w", err)
	}
	c.note(s.id, file)
	failpoint.Hit("checkpoint.placed")
	number := int64(0)
	if job.Has(checkpointNumber) {
		number = job.Int(checkpointNumber, 0) + 1
	}
	counted, err := c.d.reports.said(ctx, ledger.AttemptReport{
		Job: s.id, Epoch: s.epoch, Kind: ledger.Saved, Where: c.d.slotOf(s.id, s.epoch, s.worker, ""),
		Attrs: []ledger.Attr{
			{Name: spooledCheckpoint, Expr: ad.Quote(s.name())},
			{Name: checkpointNumber, Expr: strconv.FormatInt(number, 10)},
			{Name: lastCheckpoint, Expr: strconv.FormatInt(time.Now().Unix(), 10)},
			{Name: committedTime, Expr: strconv.FormatInt(job.Int(committedTime, 0)+int64(s.ran/time.Second), 10)},
		},
	})
	if err != nil {
		return err // it may be told yet: both files are there, and the next to look at the job sees
	}
	failpoint.Hit("checkpoint.kept")
	if !counted {
		c.remove(s.id, file)
		return grid.Errorf(grid.NotFound, "attempt %d of job %s is over", s.epoch, s.id)
	}
	c.remove(s.id, c.others(s.id, file)...)
	return nil
}

// receive writes a stream, which has to be one of a checkpoint, whole.
func receive(w *roomy, r io.Reader) (s wire.Staged, err error) {
	sum := sha256.New()
	all := &counted{r: io.TeeReader(r, io.MultiWriter(w, sum))}
	for t := tar.NewReader(all); ; s.Files++ {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return s, brokenOff(all, err)
		}
		name := path.Clean(h.Name)
		below, ok := strings.CutPrefix(name, wire.OutputDir)
		if name != wire.StdoutName && name != wire.StderrName && (!ok || !filepath.IsLocal(below)) {
			return s, grid.Errorf(grid.Invalid, "the checkpoint holds %q, which is no path of one", h.Name)
		}
	}
	if _, err := io.Copy(io.Discard, all); err != nil { // what pads the archive
		return s, brokenOff(all, err)
	}
	end := make([]byte, 2*512) // of zeros: a reader takes one without for a sloppy archive
	if _, err := w.f.ReadAt(end, max(all.n-int64(len(end)), 0)); err != nil || slices.Max(end) != 0 {
		return s, grid.Errorf(grid.Unavailable, "the checkpoint has no end")
	}
	s.Bytes, s.SHA256 = all.n, hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

// brokenOff is why a stream is not whole: its way's fault, or its own.
func brokenOff(all *counted, err error) error {
	switch {
	case grid.CodeOf(all.err) == grid.NoSpace:
		return all.err
	case all.err != nil || errors.Is(err, io.ErrUnexpectedEOF):
		return grid.Errorf(grid.Unavailable, "the checkpoint broke off: %w", err)
	}
	return grid.Errorf(grid.Invalid, "read the checkpoint: %w", err)
}

// counted counts what is read, and remembers why no more could be.
type counted struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// roomy writes as long as that leaves at least so many bytes of the disk free: what is in
// the queue, and new submits, need them.
type roomy struct {
	f       *os.File
	least   int64
	written int64 // since it was looked
}

const lookAfter = 4 << 20

func (r *roomy) Write(p []byte) (int, error) {
	if r.written -= int64(len(p)); r.written <= 0 {
		r.written = lookAfter
		var st unix.Statfs_t
		if err := unix.Fstatfs(int(r.f.Fd()), &st); err != nil {
			return 0, grid.Errorf(grid.Unavailable, "look at the free space for a checkpoint: %w", err)
		}
		if free := int64(st.Bavail) * st.Bsize; free < r.least+lookAfter {
			return 0, grid.Errorf(grid.NoSpace, "the disk of the queue has %s left, which is too little for another checkpoint", grid.FormatSize(free))
		}
	}
	n, err := r.f.Write(p)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = grid.Errorf(grid.NoSpace, "keep a checkpoint: %w", err)
	}
	return n, err
}
