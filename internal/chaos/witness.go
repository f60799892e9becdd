package chaos

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Execution is one run of a job's program, as the witness saw it.
type Execution struct {
	Job   string // what the program calls itself
	Nonce string
	Begin time.Time
	End   time.Time // when its connection ended; zero: it is alive
	Ended bool      // it said that it has done all
	Done  time.Time // when it said so, which it waits for before it ends
}

// Witness is told by the jobs themselves when they run. Each holds a connection open as
// long as it lives, and the kernel closes it when it dies, however it dies.
type Witness struct {
	l net.Listener

	mu       sync.Mutex
	all      []*Execution
	live     map[string]map[*Execution]net.Conn // by job
	overlaps []string
	wg       sync.WaitGroup
}

// NewWitness listens on a loopback port of its own.
func NewWitness() (*Witness, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Witness{l: l, live: map[string]map[*Execution]net.Conn{}}
	w.wg.Go(w.accept)
	return w, nil
}

// Port is where it listens.
func (w *Witness) Port() int { return w.l.Addr().(*net.TCPAddr).Port }

// Close ends it, when nothing can call any more.
func (w *Witness) Close() {
	w.l.Close()
	w.mu.Lock()
	for _, conns := range w.live {
		for _, c := range conns {
			c.Close()
		}
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// Executions are all so far.
func (w *Witness) Executions() []Execution {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Execution, len(w.all))
	for i, e := range w.all {
		out[i] = *e
	}
	return out
}

// Overlaps are the jobs that began while another execution of them was alive.
func (w *Witness) Overlaps() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.overlaps...)
}

func (w *Witness) accept() {
	for {
		c, err := w.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the machine is short of something; the caller tries again
		}
		w.wg.Go(func() { w.hear(c) })
	}
}

// hear follows one execution: "start JOB NONCE", answered with "go", and "end JOB NONCE
// CODE", answered with "bye".
func (w *Witness) hear(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	f := strings.Fields(line)
	if err != nil || len(f) != 3 || f[0] != "start" {
		return
	}
	e := w.begin(f[1], f[2], c)
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		e.End = time.Now()
		delete(w.live[e.Job], e)
	}()
	if _, err := c.Write([]byte("go\n")); err != nil {
		return
	}
	line, err = r.ReadString('\n')
	f = strings.Fields(line)
	if err != nil || len(f) != 4 || f[0] != "end" {
		return
	}
	w.mu.Lock()
	e.Ended, e.Done = true, time.Now()
	w.mu.Unlock()
	if _, err := c.Write([]byte("bye\n")); err != nil {
		return
	}
	_, _ = r.ReadString('\n') // until it is gone
}

func (w *Witness) begin(job, nonce string, c net.Conn) *Execution {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &Execution{Job: job, Nonce: nonce, Begin: time.Now()}
	for other, conn := range w.live[job] {
		// One that died before this one began has been hung up by the kernel, though
		// the goroutine that reads may not know yet.
		if !hungUp(conn) && !other.Ended {
			w.overlaps = append(w.overlaps, fmt.Sprintf("job %s began as %s while %s was alive", job, nonce, other.Nonce))
		}
	}
	w.all = append(w.all, e)
	if w.live[job] == nil {
		w.live[job] = map[*Execution]net.Conn{}
	}
	w.live[job][e] = c
	return e
}

// hungUp reports whether the other end has closed the connection.
func hungUp(c net.Conn) bool {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = n == 0 && err == nil || errors.Is(err, unix.ECONNRESET)
	})
	return gone || err != nil
}

// program is what jobs run: it tells the witness at 127.0.0.1:$1 that job $2 runs,
// takes $3 seconds, writes the files $5 and on, and exits with $4.
const program = `#!/bin/bash
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 96
read -r nonce </proc/sys/kernel/random/uuid
echo "start $2 $nonce" >&3
read -r -u 3 word || exit 97
sleep "$3" 3>&-
for f in "${@:5}"; do echo "$2 $nonce" >"$f"; done
echo "$2 $nonce"
echo "end $2 $nonce $4" >&3
read -r -u 3 word || exit 97
exit "$4"
`

func writeProgram(path string) error { return os.WriteFile(path, []byte(program), 0o755) }

// steps are how many a job has that checkpoints itself after each.
const steps = 3

// stepper is what such jobs run: it tells the witness at 127.0.0.1:$1 that job $2 runs, does
// the step behind the one in the file reached, which takes $3 seconds, and exits with 85 until
// it has done $4. What it calls itself begins with the step's number.
const stepper = `#!/bin/bash
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 96
read -r nonce </proc/sys/kernel/random/uuid
at=0
[ ! -e reached ] || read -r at <reached
at=$((at + 1)) code=85
nonce=$at-$nonce
[ "$at" -lt "$4" ] || code=0
echo "start $2 $nonce" >&3
read -r -u 3 word || exit 97
sleep "$3" 3>&-
echo "$at" >reached
echo "$2 $nonce"
echo "end $2 $nonce $code" >&3
read -r -u 3 word || exit 97
exit "$code"
`

// step is which one an execution of a stepper did.
func (e *Execution) step() int {
	n, _, _ := strings.Cut(e.Nonce, "-")
	step, err := strconv.Atoi(n)
	if err != nil {
		return -1
	}
	return step
}
