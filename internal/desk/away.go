package desk

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/whole"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
	"gridburst/schedd/target"
)

const (
	opPrepare  = "prepare"
	opConclude = "conclude"
	opRevoke   = "revoke"
	opForget   = "forget"
)

// Away is a job that runs at a target: in a directory that its owner's files and the
// target's machines share.
type Away struct {
	Job       string         `json:"job"` // for people
	Dir       string         `json:"dir"` // of this attempt, made by Prepare
	Execution wire.Execution `json:"execution"`
	Inputs    Inputs         `json:"inputs"`
	Outputs   Outputs        `json:"outputs"`
	Spool     *Spool         `json:"spool,omitempty"` // the directory is not the target's: files travel
}

// Concluded is how a job ended at its target, with its outputs staged.
type Concluded struct {
	Result target.Result `json:"result"`
	Staged wire.Staged   `json:"staged"`
	Hold   *wire.Hold    `json:"hold,omitempty"` // the job is to be held when its outputs are in place
}

// PrepareAway makes the job's directory with its inputs and what the target is to run. Done
// again it leaves what is there: the job may have begun.
func (d *Desks) PrepareAway(ctx context.Context, owner Owner, a Away) error {
	return d.call(ctx, owner, opPrepare, a, nil, nil)
}

// ConcludeAway reads how the job of a directory ended, and stages its outputs.
// [grid.NotFound] when it has left no result. It may be repeated.
func (d *Desks) ConcludeAway(ctx context.Context, owner Owner, dir string) (c Concluded, err error) {
	return c, d.call(ctx, owner, opConclude, dir, nil, &c)
}

// RevokeAway keeps the job from beginning at its target, wherever that still has it. begun:
// it has begun before.
func (d *Desks) RevokeAway(ctx context.Context, owner Owner, dir string) (begun bool, err error) {
	return begun, d.call(ctx, owner, opRevoke, dir, nil, &begun)
}

// ForgetAway removes the job's directory, and what was staged of it and is not to be put in
// place any more.
func (d *Desks) ForgetAway(ctx context.Context, owner Owner, dir string) error {
	return d.call(ctx, owner, opForget, dir, nil, nil)
}

func (a *Away) sandbox() sandbox.Sandbox { return sandbox.Sandbox{Dir: a.Dir, User: sandbox.Self()} }

// awayPrefix is what the names of such directories begin with.
const awayPrefix = ".gb-"

func checkAway(dir string) error {
	if !filepath.IsAbs(dir) || !strings.HasPrefix(filepath.Base(dir), awayPrefix) || filepath.Clean(dir) != dir {
		return grid.Errorf(grid.Invalid, "%q is no directory of a job at a target", dir)
	}
	return nil
}

func prepareAway(a Away, lives *alive) (struct{}, error) {
	if err := checkAway(a.Dir); err != nil {
		return struct{}{}, err
	}
	script := filepath.Join(a.Dir, target.ScriptName)
	if _, err := os.Lstat(script); err == nil {
		return struct{}{}, nil
	}
	s := a.sandbox()
	if err := s.Create(); err != nil {
		return struct{}{}, grid.Errorf(codeOfPath(err), "make the job's directory for its target: %w", err)
	}
	if a.Execution.Transfer {
		if err := a.unpack(s, lives); err != nil {
			return struct{}{}, ofSandbox(err)
		}
	}
	err := s.Capture(a.Execution)
	if err == nil && a.Execution.Transfer {
		err = errors.Join(s.WriteAd(a.Execution.Ad), s.Remember())
	}
	if err == nil && a.Spool != nil {
		if err := a.packs(s, lives); err != nil {
			return struct{}{}, err
		}
	}
	if err == nil {
		err = a.keep()
	}
	if err == nil {
		failpoint.Hit("desk.away.script")
		err = whole.Write(script, target.Script(a.work(s)), 0o700)
	}
	if err != nil {
		return struct{}{}, grid.Errorf(codeOfPath(err), "make the job's directory for its target: %w", err)
	}
	return struct{}{}, nil
}

// unpack puts the job's inputs into its directory.
func (a *Away) unpack(s sandbox.Sandbox, lives *alive) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	packed := make(chan error, 1)
	go func() {
		_, err := packInputs(a.Inputs, lives.writer(w))
		w.Close()
		packed <- err
	}()
	n, err := s.Unpack(r, sandbox.Limits{})
	r.Close()
	if perr := <-packed; perr != nil && !errors.Is(perr, os.ErrClosed) && err == nil {
		err = perr
	}
	if err == nil {
		err = a.Spool.fits(n)
	}
	return err
}

// ofSandbox makes a reason to hold a job a refusal.
func ofSandbox(err error) error {
	var h *sandbox.HoldError
	if errors.As(err, &h) {
		return grid.Errorf(grid.Refused, "%s", h.Reason)
	}
	return err
}

// work is what the target's script does.
func (a *Away) work(s sandbox.Sandbox) target.Work {
	x := &a.Execution
	w := target.Work{Job: a.Job, Dir: a.Dir, In: x.Iwd, Env: x.Env, Stdin: x.In}
	cmd := x.Cmd
	if x.Transfer {
		w.In = s.Work()
	}
	if a.Spool != nil {
		s.Dir, w.In, w.Spool = "", target.WorkName, a.Spool.travels(x)
		if !filepath.IsAbs(cmd) {
			cmd = "./" + cmd
		}
	}
	if !filepath.IsAbs(cmd) && a.Spool == nil {
		cmd = filepath.Join(w.In, cmd)
	}
	w.Argv = append([]string{cmd}, x.Args...)
	if x.Out != "" {
		w.Stdout = s.Stdout()
	}
	switch {
	case x.Err == "":
	case x.Err == x.Out:
		w.Stderr = w.Stdout
	default:
		w.Stderr = s.Stderr()
	}
	return w
}

// awayName is the file of a job's directory that says what it is: what became of the queue
// or its configuration meanwhile makes no difference to its end.
const awayName = "away.json"

func (a *Away) keep() error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return whole.Write(filepath.Join(a.Dir, awayName), text, 0o600)
}

// awayAt is the job of a directory; [grid.NotFound] when there is none.
func awayAt(dir string) (a Away, err error) {
	if err := checkAway(dir); err != nil {
		return a, err
	}
	text, err := os.ReadFile(filepath.Join(dir, awayName))
	if err != nil {
		return a, grid.Errorf(codeOfPath(err), "read what the job at a target is: %w", err)
	}
	if err := json.Unmarshal(text, &a); err != nil || a.Dir != dir {
		return a, grid.Errorf(grid.Invalid, "%s is not what was written there", filepath.Join(dir, awayName))
	}
	return a, nil
}

func concludeAway(dir string, lives *alive) (c Concluded, err error) {
	a, err := awayAt(dir)
	if err != nil {
		return c, err
	}
	s := a.sandbox()
	if a.Spool != nil {
		var end func()
		s, end, err = a.back(lives)
		defer end()
		if err != nil {
			return c, err
		}
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, target.ResultName))
	if errors.Is(err, fs.ErrNotExist) {
		return c, grid.Errorf(grid.NotFound, "job %s has left no result in %s", a.Job, dir)
	}
	if err != nil {
		return c, grid.Errorf(codeOfPath(err), "read the job's result: %w", err)
	}
	if c.Result, err = target.ParseResult(text); err != nil || c.Result.HoldCode != 0 {
		return c, err
	}
	x := a.Execution
	if !x.Transfer {
		x.NoOutput = true // its files are in place
	}
	r, w, err := os.Pipe()
	if err != nil {
		return c, err
	}
	defer r.Close()
	collected := make(chan error, 1)
	go func() {
		defer w.Close()
		_, err := s.Collect(w, x, sandbox.Limits{})
		collected <- err
	}()
	c.Staged, err = stageOutputs(a.Outputs, lives.reader(r))
	if err != nil {
		io.Copy(io.Discard, r)
		<-collected
		return c, err
	}
	var h *sandbox.HoldError
	switch err := <-collected; {
	case errors.As(err, &h):
		c.Hold = &h.Hold
	case err != nil:
		return c, grid.Errorf(codeOfPath(err), "take the job's outputs: %w", err)
	}
	return c, nil
}

func revokeAway(dir string) (begun bool, err error) {
	if err := checkAway(dir); err != nil {
		return false, err
	}
	f, err := os.OpenFile(filepath.Join(dir, target.StartedName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil // there is no directory: nothing can begin in it
	case errors.Is(err, fs.ErrExist):
		text, err := os.ReadFile(filepath.Join(dir, target.StartedName))
		if err != nil {
			return false, grid.Errorf(codeOfPath(err), "see whether the job has begun: %w", err)
		}
		return string(text) != revoked, nil
	case err != nil:
		return false, grid.Errorf(codeOfPath(err), "keep the job from beginning: %w", err)
	}
	_, err = f.WriteString(revoked)
	return false, errors.Join(err, f.Sync(), f.Close())
}

// revoked is what stands where a job says that it has begun, if it is not to begin.
const revoked = "revoked\n"

func forgetAway(dir string) (struct{}, error) {
	if err := checkAway(dir); err != nil {
		return struct{}{}, err
	}
	if a, err := awayAt(dir); err == nil { // it was removed or held after that
		if _, err := dropOutputs(a.Outputs); err != nil {
			return struct{}{}, grid.Errorf(codeOfPath(err), "remove what was staged of a job at a target: %w", err)
		}
	}
	// Its target may begin the job this late, and what says that it may not lies in there: so
	// that is moved away with the directory, where no script looks for it, and goes last.
	gone := sandbox.Sandbox{Dir: dir + goneExt, User: sandbox.Self()}
	err := gone.RemoveAround(target.StartedName) // who was here before has died over it
	if err == nil {
		if err = os.Rename(dir, gone.Dir); errors.Is(err, fs.ErrNotExist) {
			return struct{}{}, nil
		}
	}
	if err == nil {
		err = gone.RemoveAround(target.StartedName)
	}
	if err != nil {
		return struct{}{}, grid.Errorf(codeOfPath(err), "remove the job's directory at its target: %w", err)
	}
	return struct{}{}, nil
}

// goneExt ends the name of such a directory that is about to be removed.
const goneExt = ".gone"
