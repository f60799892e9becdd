package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/failpoint"
)

// Arg is the first argument of a program that keeps a script; see [Main].
const Arg = "script"

// printing is the second one of a program that becomes a script, after it has opened the
// file for what that prints with its owner's rights.
const printing = "print"

// Exit codes of scripts that could not be run, as a shell gives them.
const (
	exitRefused = 126
	exitMissing = 127
)

// grace is what a script that is to end has after SIGTERM, before SIGKILL.
const grace = 5 * time.Second

// Main is the first thing that a program does whose keepers are itself again: if it was
// started as one, it keeps a script, and ends.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != Arg {
		return
	}
	if len(os.Args) > 6 && os.Args[2] == printing {
		os.Exit(become(os.Args[3], os.Args[4], os.Args[5], os.Args[6:]))
	}
	if err := keep(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bookFD is where a keeper finds the script's file, locked.
const bookFD = 3

// keep is a keeper's whole life.
func keep() error {
	// The script dies with the thread that starts it: it is to be this process's first.
	runtime.LockOSThread()
	syscall.CloseOnExec(bookFD)
	f := os.NewFile(bookFD, "book")
	defer f.Close()
	var s Spec
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		return fmt.Errorf("a keeper is started by a schedd: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of what a script leaves: %w", err)
	}
	// From here on a signal is for the script.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT)
	if err := write(f, entry{Keeper: os.Getpid()}); err != nil {
		return err
	}
	failpoint.Hit("script.begun")
	e := run(&s, stop)
	failpoint.Hit("script.ended")
	return write(f, entry{Ended: &e})
}

// run runs the script to its end, and ends what it leaves.
func run(s *Spec, stop <-chan os.Signal) Ended {
	program := s.Program
	if !strings.Contains(program, "/") {
		program = "./" + program
	}
	argv := append([]string{s.Program}, s.Args...)
	if s.Debug != "" {
		argv = append([]string{"script", Arg, printing, s.Debug, s.Capture, program}, argv...)
		program = "/proc/self/exe"
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return Ended{exitRefused, err.Error()}
	}
	defer null.Close()
	pid, err := syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: s.As},
	})
	if err != nil {
		return unstarted(err)
	}
	over := make(chan struct{})
	go func() {
		select {
		case <-over:
			return
		case <-stop:
		}
		_ = syscall.Kill(-pid, syscall.SIGTERM) // the error is that there is nobody
		select {
		case <-over:
		case <-time.After(grace):
			killAll()
		}
	}()
	var status syscall.WaitStatus
	for {
		var ws syscall.WaitStatus
		got, err := syscall.Wait4(-1, &ws, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			close(over)
			return Ended{exitRefused, "was lost: " + err.Error()}
		}
		if got == pid {
			status = ws
			break
		}
	}
	close(over)
	for {
		killAll()
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			break // nothing is left
		}
	}
	if status.Signaled() {
		return Ended{Exit: -int32(status.Signal())}
	}
	code := int32(status.ExitStatus())
	if s.Debug != "" && (code == exitRefused || code == exitMissing) {
		return Ended{code, "could not be run, or said so"}
	}
	return Ended{Exit: code}
}

func unstarted(err error) Ended {
	if errors.Is(err, syscall.ENOENT) {
		return Ended{exitMissing, "cannot be run: it, its interpreter or its directory is not there"}
	}
	return Ended{exitRefused, "cannot be run: " + err.Error()}
}

// become is the life of a process between keeper and script: it has the owner's rights.
func become(debug, capture, program string, argv []string) int {
	f, err := os.OpenFile(debug, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return exitRefused
	}
	for fd, which := range map[int]string{1: "STDOUT", 2: "STDERR"} {
		if capture == "ALL" || capture == which {
			if err := unix.Dup2(int(f.Fd()), fd); err != nil {
				return exitRefused
			}
		}
	}
	syscall.CloseOnExec(int(f.Fd()))
	err = syscall.Exec(program, argv, os.Environ())
	fmt.Fprintf(f, "%s cannot be run: %v\n", program, err)
	if errors.Is(err, syscall.ENOENT) {
		return exitMissing
	}
	return exitRefused
}

// killAll kills this process's descendants, as far as there are any now.
func killAll() {
	parents := map[int][]int{}
	list, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		// The name, in brackets, may hold anything.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			parents[parent] = append(parents[parent], pid)
		}
	}
	for todo := parents[os.Getpid()]; len(todo) > 0; {
		pid := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], parents[pid]...)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
