package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/wire"
	"gridburst/internal/worker/runner"
)

// TestMain is also a runner, and an agent that can be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "runner":
			os.Exit(code(asRunner()))
		case "earlier":
			os.Exit(code(asEarlier()))
		case "agent":
			os.Exit(code(asAgent(os.Args[2])))
		}
	}
	status := m.Run()
	for _, as := range []string{"runner", "earlier", "agent"} {
		for pid, cmdline := range processesOf(os.Args[0] + "\x00" + as) {
			fmt.Fprintf(os.Stderr, "left behind by the tests: %d %s\n", pid, cmdline)
			status = 1
		}
	}
	os.Exit(status)
}

func code(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func asRunner() error {
	o, err := runner.ParseArgs(os.Args[2:])
	if err != nil {
		return err
	}
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	o.Log = log
	return runner.Serve(context.Background(), o)
}

// agentArgs is what an agent in a process of its own is told.
type agentArgs struct {
	State, Schedd string
	Isolation     wire.Isolation
}

func asAgent(args string) error {
	var p agentArgs
	if err := json.Unmarshal([]byte(args), &p); err != nil {
		return err
	}
	e, err := wire.ParseEndpoint(p.Schedd)
	if err != nil {
		return err
	}
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	a, err := New(config(p.State, e, p.Isolation), log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return a.Run(ctx)
}

func config(state string, schedd wire.Endpoint, i wire.Isolation) Config {
	return Config{
		State: state, Name: "w1", Schedd: schedd, Version: "test", Isolation: i,
		Runner: []string{os.Args[0], "runner"}, RunnerEnv: []string{"GORACE=atexit_sleep_ms=0"}, // else each end takes a second under the race detector
		Offer: func() (map[string]string, error) { return map[string]string{"Cpus": "2"}, nil },
	}
}

// processesOf are the other processes with a word in their command line.
func processesOf(word string) map[int]string {
	found := map[int]string{}
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(p)))
		if b, err := os.ReadFile(p); err == nil && pid != os.Getpid() && bytes.Contains(b, []byte(word)) {
			found[pid] = string(bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
		}
	}
	return found
}

// patience is how long a test waits for what has to happen.
const patience = time.Minute

// until polls, at the border to other processes, for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }
