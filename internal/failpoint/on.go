//go:build failpoints

package failpoint

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Enabled reports whether this build has failpoints.
const Enabled = true

var state struct {
	sync.Mutex
	armed map[string]int // name -> hits left
	seen  map[string]bool
	log   string
	dir   string
}

func init() {
	state.armed, state.seen = map[string]int{}, map[string]bool{}
	state.log, state.dir = os.Getenv("GRIDBURST_FAILPOINT_LOG"), os.Getenv("GRIDBURST_FAILPOINT_DIR")
	for _, f := range strings.Split(os.Getenv("GRIDBURST_FAILPOINTS"), ",") {
		if name, n, ok := strings.Cut(f, "="); ok {
			if hits, err := strconv.Atoi(n); err == nil {
				state.armed[name] = hits
			}
		}
	}
}

// Hit marks an instant, and is the end of this process when it is the armed one.
func Hit(name string) {
	state.Lock()
	defer state.Unlock()
	if !state.seen[name] {
		state.seen[name] = true
		note(name + " hit\n")
	}
	if state.armed[name] > 0 {
		if state.armed[name]--; state.armed[name] == 0 {
			die(name)
		}
	}
	// Whoever removes the file is the one that dies.
	if state.dir != "" && os.Remove(filepath.Join(state.dir, name)) == nil {
		die(name)
	}
}

func die(name string) {
	note(name + " killed\n")
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	// The first process of a namespace is not killed by itself.
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 128+uintptr(syscall.SIGKILL), 0, 0)
}

// Environ is the variables that a child with an environment of its own needs for its
// failpoints.
func Environ() (env []string) {
	for _, name := range []string{"GRIDBURST_FAILPOINTS", "GRIDBURST_FAILPOINT_DIR", "GRIDBURST_FAILPOINT_LOG"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// note appends in one write, which O_APPEND keeps whole among processes.
func note(line string) {
	if state.log == "" {
		return
	}
	f, err := os.OpenFile(state.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString(line)
}
