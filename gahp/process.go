package gahp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"gridburst/internal/failpoint"
)

// process is a GAHP as a child of this process.
//
// It must not outlive us: it would go on making machines, beside the GAHP that the
// next schedd starts. The end of its input tells it that we are gone, but it may be
// stopped, or busy for a while; so the kernel also kills it (PR_SET_PDEATHSIG). That
// signal comes when the *thread* ends that forked the child, and Go ends threads
// at will: one that forks and then stays locked until the child is dead is the price,
// one for each GAHP.
type process struct {
	in   io.WriteCloser
	out  io.ReadCloser
	dead chan struct{} // closed when it has been reaped
	cmd  *exec.Cmd
	how  string // of its end; set before dead is closed

	heard chan struct{} // closed when its log has ended, with last
	last  string        // what it said in its log
}

func startProcess(o Options) (*process, error) {
	p := &process{dead: make(chan struct{}), heard: make(chan struct{})}
	// Only PATH and the language come from us: what else is in our environment is none
	// of its business, and could be a secret.
	env := append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"}, o.Env...)
	env = append(env, failpoint.Environ()...)
	p.cmd = exec.Command(o.Command[0], o.Command[1:]...)
	p.cmd.Env, p.cmd.Dir = env, o.Dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, // a terminal's ^C is for us, who then end it in order
		// Set after the change of user, which would clear it.
		Pdeathsig: syscall.SIGKILL, Credential: o.Credential,
	}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, theirOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stderr, theirErr, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, stdout.Close(), theirOut.Close())
	}
	p.out, p.cmd.Stdout, p.cmd.Stderr = stdout, theirOut, theirErr
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with this goroutine
		err := p.cmd.Start()
		theirOut.Close()
		theirErr.Close()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait()
		p.how = p.cmd.ProcessState.String()
		close(p.dead)
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", o.Command[0], err), p.in.Close(), stdout.Close(), stderr.Close())
	}
	go p.listen(stderr, o.Log.WithField("pid", p.cmd.Process.Pid))
	return p, nil
}

func (p *process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }

// hangUp closes its input, which it should heed.
func (p *process) hangUp() { p.in.Close() }

// kill ends it without its consent. A process that is already reaped is not hit, nor
// is another that has its number now.
func (p *process) kill() { _ = p.cmd.Process.Kill() }

// ended is when it is reaped. Its output is closed then: a child of its own that
// still holds the other end is not waited for.
func (p *process) ended() <-chan struct{} { return p.dead }

func (p *process) epitaph() string {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-p.dead:
	case <-t.C:
		return "it closed its output"
	}
	select {
	case <-p.heard:
		if p.last != "" {
			return p.how + ", having said: " + p.last
		}
	case <-t.C:
	}
	return p.how
}

func (p *process) release() { p.out.Close() }

// A GAHP's own log goes into ours, line by line.
const (
	maxLogLine   = 2000 // bytes
	maxLastWords = 500  // bytes, of what an error says of its end
	linesAtOnce  = 200
	linesPerSec  = 20
)

func (p *process) listen(stderr io.ReadCloser, log logrus.FieldLogger) {
	defer close(p.heard)
	defer stderr.Close()
	r := bufio.NewReaderSize(stderr, maxLogLine)
	limit := rate.NewLimiter(linesPerSec, linesAtOnce)
	dropped := 0
	for {
		line, cut, err := r.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for cut && err == nil {
			_, cut, err = r.ReadLine()
		}
		p.last = text[:min(len(text), maxLastWords)]
		if !limit.Allow() {
			dropped++
			continue
		}
		if dropped > 0 {
			log.WithField("lines", dropped).Warn("gahp said too much to be logged")
			dropped = 0
		}
		log.WithField("line", text).Info("gahp says")
	}
}
