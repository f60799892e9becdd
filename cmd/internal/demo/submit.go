package demo

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"gridburst/cmd/internal/cli"
	"gridburst/internal/grid"
	"gridburst/internal/jobfile"
	"gridburst/internal/pause"
	"gridburst/schedd/api"
)

// The examples, and the URL in the old submit file that stands for an engine's.
const (
	wordcount    = "wordcount"
	workflowFile = "wordcount.dag"
	machineFile  = "vm.hcl"
	oldFile      = "deltacloud.sub"
	oldURL       = "http://localhost:3002/api"
)

// layOut copies the examples to where the jobs work, with the engine's URL in the old
// submit file, and the password that the jobs' machines need.
func (r *run) layOut() error {
	if err := os.CopyFS(r.work, os.DirFS(r.Examples)); err != nil {
		return grid.Errorf(grid.Invalid, "copy the examples: %w; name their directory with --examples", err)
	}
	old := filepath.Join(r.work, oldFile)
	text, err := os.ReadFile(old)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), oldURL) {
		return grid.Errorf(grid.Invalid, "%s does not name the engine %s", filepath.Join(r.Examples, oldFile), oldURL)
	}
	if err := os.WriteFile(old, []byte(strings.ReplaceAll(string(text), oldURL, r.house.Engine)), 0o644); err != nil {
		return err
	}
	password, err := os.ReadFile(r.house.Dir.Password())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.work, "user_pwd"), password, 0o600)
}

// submit hands everything in.
func (r *run) submit(ctx context.Context) error {
	file := filepath.Join(r.work, wordcount, workflowFile)
	g, diags, err := jobfile.Workflow(file, workflowFile)
	if err != nil {
		return err
	}
	if diags.HasErrors() {
		return diags.Err()
	}
	var begun api.DagSubmitted
	e, err := r.handIn(ctx, workflowFile, &begun, filepath.Dir(file), "gdag", "submit", workflowFile)
	if err != nil {
		return err
	}
	e.Dag, e.Jobs = begun.Dag, g.Len()
	if err := r.ledger.note(e); err != nil {
		return err
	}
	for _, args := range [][]string{{machineFile, "engine=" + r.house.Engine}, {oldFile}} {
		var out api.Submitted
		e, err := r.handIn(ctx, args[0], &out, r.work, "gsubmit", args...)
		if err != nil {
			return err
		}
		if len(out.Clusters) != 1 || out.Clusters[0].Procs != 1 {
			return grid.Errorf(grid.Internal, "gsubmit %s made %+v, not one job", args[0], out.Clusters)
		}
		e.First, e.Jobs = out.Clusters[0].Cluster, 1
		if err := r.ledger.note(e); err != nil {
			return err
		}
	}
	return nil
}

// retryWait is how long a client waits when nobody answers just now.
const retryWait = 200 * time.Millisecond

// handIn runs a command until it gets an answer, always with the same key: a command
// whose schedd is killed may be run again. The answer is decoded into out; the entry is
// of its acknowledgement, for the ledger.
func (r *run) handIn(ctx context.Context, what string, out any, dir, command string, args ...string) (entry, error) {
	e := entry{Key: api.NewKey(), What: what}
	if err := r.ledger.note(e); err != nil {
		return e, err
	}
	for {
		b, err := r.house.Run(ctx, dir, command, append(args, "--json", "--key", e.Key)...)
		if err == nil {
			e.Acked = true
			r.tell("%s %s: acknowledged", command, what)
			return e, json.Unmarshal(b, out)
		}
		var exit *exec.ExitError
		if ctx.Err() != nil {
			return e, context.Cause(ctx)
		}
		if !errors.As(err, &exit) || exit.ExitCode() != cli.ExitFailed {
			return e, grid.Errorf(grid.Internal, "%w", err)
		}
		r.tell("%v; it is tried again", err)
		if err := pause.For(ctx, retryWait); err != nil {
			return e, err
		}
	}
}
