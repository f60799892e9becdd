package schedd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
	"gridburst/schedd/ledger"
)

// verifySoon is how long after a start the queue is proven first, if it is to be proven
// less often: one that is started every day would never come to it otherwise.
const verifySoon = time.Hour

// verify has the queue proven now and then, beside everything else: a copy of it, by a
// process of its own with the lowest priority, because damage of a file's structure ends
// the process that reads it.
func (d *Daemon) verify(ctx context.Context) error {
	scratch := filepath.Join(d.spool(), "verify")
	every := func(c *Config) time.Duration { return min(c.VerifyEvery, verifySoon) }
	for d.rest(ctx, every) == nil {
		every = func(c *Config) time.Duration { return c.VerifyEvery }
		v, err := d.prove(ctx, scratch)
		if left := os.RemoveAll(scratch); err == nil {
			err = left
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			d.log.WithError(err).Warn("the queue could not be verified")
			continue
		}
		d.verified.Store(&v)
		if v.Found == "" {
			d.log.WithField("index", v.Index).WithField("seconds", v.Seconds).Info("the queue was verified")
			continue
		}
		d.log.WithField("found", v.Found).Error("the queue file is damaged")
		d.trouble.add("the queue file is damaged: " + v.Found)
	}
	return nil
}

// prove verifies a copy of the queue, for which there must be room: the copy, and the two
// that the proof makes.
func (d *Daemon) prove(ctx context.Context, scratch string) (v api.Verified, err error) {
	begun := time.Now()
	info, err := os.Stat(filepath.Join(d.spool(), ledger.FileName))
	if err != nil {
		return v, err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(d.spool(), &disk); err != nil {
		return v, err
	}
	if free, need := int64(disk.Bavail)*disk.Bsize, 3*info.Size()+4*d.c.Reserve; free < need {
		return v, grid.Errorf(grid.NoSpace, "the disk has %s left, and the proof needs %s", grid.FormatSize(free), grid.FormatSize(need))
	}
	if err := os.RemoveAll(scratch); err != nil {
		return v, err
	}
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return v, err
	}
	// Where the file lies is where its checkpoint is looked for.
	path := filepath.Join(scratch, "copy.db")
	name := d.ledger.View().CheckpointName
	b, err := d.ledger.WriteBackup(path)
	switch {
	case err != nil:
		return v, err
	case d.ledger.View().CheckpointName != name:
		return v, grid.Errorf(grid.Unavailable, "a checkpoint was made meanwhile")
	}
	if name != "" {
		for _, end := range []string{"", ".json"} {
			if err := os.Link(filepath.Join(d.spool(), name+end), filepath.Join(scratch, name+end)); err != nil {
				return v, err
			}
		}
	}
	v = api.Verified{At: begun.Unix(), Index: b.Index}
	var out, said bytes.Buffer
	c := exec.CommandContext(ctx, d.c.Verifier[0], append(d.c.Verifier[1:len(d.c.Verifier):len(d.c.Verifier)], path)...)
	c.Dir, c.Stdout, c.Stderr = "/", &out, &said
	c.Env = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + scratch, "GOMAXPROCS=1"}
	if err := c.Start(); err != nil {
		return v, err
	}
	// Best effort: a proof in a hurry is one all the same.
	_ = unix.Setpriority(unix.PRIO_PROCESS, c.Process.Pid, 19)
	err = c.Wait()
	v.Seconds = int64(time.Since(begun).Seconds())
	var told struct {
		Entries int      `json:"entries"`
		Found   []string `json:"found"`
	}
	switch parsed := json.Unmarshal(out.Bytes(), &told); {
	case parsed == nil && len(told.Found) > 0:
		v.Found = fmt.Sprintf("%s (%d findings)", told.Found[0], len(told.Found))
	case err != nil && c.ProcessState.ExitCode() != 2 && c.ProcessState.Exited():
		return v, grid.Errorf(grid.Internal, "%s: %s", c.Path, bytes.TrimSpace(said.Bytes()))
	case err != nil: // what it read ended it: a panic, or a signal
		v.Found = fmt.Sprintf("%v: %s", err, bytes.TrimSpace(said.Bytes()[:min(said.Len(), 500)]))
	}
	v.Entries = told.Entries
	return v, nil
}
