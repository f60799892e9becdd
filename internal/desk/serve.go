package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/wire"
	"gridburst/schedd/target"
)

// Arg is the only argument of a program that is a desk; see [Main].
const Arg = "desk"

// socketFD is where a desk finds its socket.
const socketFD = 3

// operation does one thing as this process's user. file is what came with the
// request; the operation need not close it. What must end with the schedd looks whether it
// is there: logs (see [alone]) and commands.
type operation func(args json.RawMessage, file *os.File) (any, error)

var operations = map[string]operation{
	opSync:      func(args json.RawMessage, _ *os.File) (any, error) { return with(args, syncLogs) },
	opNewer:     func(args json.RawMessage, _ *os.File) (any, error) { return with(args, upToDate) },
	opRead:      func(args json.RawMessage, _ *os.File) (any, error) { return with(args, readFile) },
	opWorkflow:  func(args json.RawMessage, _ *os.File) (any, error) { return with(args, readWorkflow) },
	opTimetable: func(args json.RawMessage, _ *os.File) (any, error) { return with(args, readTimetable) },
	opLower:     func(args json.RawMessage, _ *os.File) (any, error) { return with(args, lowerJobs) },
	opCommit:    func(args json.RawMessage, _ *os.File) (any, error) { return with(args, commitOutputs) },
	opWrite:     func(args json.RawMessage, _ *os.File) (any, error) { return with(args, replaceFile) },
	opRescue:    func(args json.RawMessage, _ *os.File) (any, error) { return with(args, keepRescue) },
	opSave:      func(args json.RawMessage, _ *os.File) (any, error) { return with(args, keepSave) },
	opLines:     func(args json.RawMessage, _ *os.File) (any, error) { return with(args, addLines) },
	opDrop:      func(args json.RawMessage, _ *os.File) (any, error) { return with(args, dropOutputs) },
	opRevoke:    func(args json.RawMessage, _ *os.File) (any, error) { return with(args, revokeAway) },
	opForget:    func(args json.RawMessage, _ *os.File) (any, error) { return with(args, forgetAway) },
}

func with[A, R any](args json.RawMessage, do func(A) (R, error)) (any, error) {
	var a A
	if err := json.Unmarshal(args, &a); err != nil {
		return nil, err
	}
	return do(a)
}

func withFile[A, R any](args json.RawMessage, f *os.File, do func(A, *os.File) (R, error)) (any, error) {
	if f == nil {
		return nil, errors.New("the request came without its pipe")
	}
	return with(args, func(a A) (R, error) { return do(a, f) })
}

// moving are operations that may take long with files, and say that the desk lives meanwhile.
var moving = map[string]func(args json.RawMessage, f *os.File, a *alive) (any, error){
	opPack: func(args json.RawMessage, f *os.File, a *alive) (any, error) {
		return withFile(args, f, func(in Inputs, f *os.File) (struct{}, error) { return packInputs(in, a.writer(f)) })
	},
	opStage: func(args json.RawMessage, f *os.File, a *alive) (any, error) {
		return withFile(args, f, func(o Outputs, f *os.File) (wire.Staged, error) { return stageOutputs(o, a.reader(f)) })
	},
	opPrepare: func(args json.RawMessage, _ *os.File, a *alive) (any, error) {
		return with(args, func(away Away) (struct{}, error) { return prepareAway(away, a) })
	},
	opConclude: func(args json.RawMessage, _ *os.File, a *alive) (any, error) {
		return with(args, func(dir string) (Concluded, error) { return concludeAway(dir, a) })
	},
}

// concurrent bounds the requests that a desk works on at once.
const concurrent = 16

// Main is the first thing that a program does whose desks are itself again: if it was
// started as one, it serves, and ends when the schedd has hung up.
func Main() {
	if len(os.Args) != 2 || os.Args[1] != Arg {
		return
	}
	if err := attend(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// attend is a desk's whole life.
func attend() error {
	syscall.Umask(0o022)
	f := os.NewFile(socketFD, "schedd")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("a desk is started by a schedd: %w", err)
	}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("a desk is started by a schedd")
	}
	return serve(c)
}

func serve(c *net.UnixConn) error {
	defer c.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	var writing sync.Mutex
	slots := make(chan struct{}, concurrent)
	for {
		var q request
		file, err := readFrame(c, &q)
		if err != nil {
			return nil // the schedd is gone, and nobody would read a complaint
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			say := func(r response) {
				writing.Lock()
				defer writing.Unlock()
				if writeFrame(c, r, nil) != nil {
					c.Close()
				}
			}
			r := answer(c, q, file, func() { say(response{}) }) // which answers no request
			if file != nil {
				file.Close()
			}
			say(r)
		})
	}
}

// answer carries a request out. lives tells the schedd meanwhile that this desk does not hang.
func answer(c *net.UnixConn, q request, file *os.File, lives func()) response {
	r := response{ID: q.ID}
	op, ok := operations[q.Op]
	switch {
	case q.Op == opAppend:
		op = func(args json.RawMessage, _ *os.File) (any, error) {
			return with(args, func(logs []LogAppend) ([]LogAppended, error) { return appendLogs(c, logs) })
		}
	case q.Op == opRun:
		op = func(args json.RawMessage, _ *os.File) (any, error) {
			return with(args, func(cmd target.Command) (target.Output, error) { return runCommand(c, cmd, lives, q.Lives) })
		}
	case moving[q.Op] != nil:
		a := &alive{say: lives, often: q.Lives, last: time.Now()}
		op = func(args json.RawMessage, f *os.File) (any, error) { return moving[q.Op](args, f, a) }
	case !ok:
		r.Code, r.Error = grid.Internal, "a desk does not know how to "+q.Op
		return r
	}
	result, err := op(q.Args, file)
	if err == nil {
		r.Result, err = json.Marshal(result)
	}
	if err != nil {
		r.Code, r.Error = grid.CodeOf(err), err.Error()
		var no syscall.Errno
		if errors.As(err, &no) {
			r.Errno = int(no)
			if r.Code == grid.Internal {
				r.Code = codeOf(no)
			}
		}
		var diags *grid.DiagnosticsError
		if errors.As(err, &diags) {
			r.Diags = diags.Diagnostics
		}
	}
	return r
}

// codeOf sorts what a file system says.
func codeOf(no syscall.Errno) grid.Code {
	switch no {
	case syscall.ENOENT, syscall.ENOTDIR:
		return grid.NotFound
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return grid.Forbidden
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG:
		return grid.NoSpace
	}
	return grid.Refused
}
