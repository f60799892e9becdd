//go:build failpoints

package failpoint

import (
	"os"
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
}

func init() {
	state.armed, state.seen = map[string]int{}, map[string]bool{}
	state.log = os.Getenv("GRIDBURST_FAILPOINT_LOG")
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
	n, armed := state.armed[name]
	if !state.seen[name] || armed && n == 1 {
		state.seen[name] = true
		note(name, armed && n == 1)
	}
	if !armed {
		return
	}
	if n--; n == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	state.armed[name] = n
}

// note appends in one write, which O_APPEND keeps whole among processes.
func note(name string, fatal bool) {
	if state.log == "" {
		return
	}
	f, err := os.OpenFile(state.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return
	}
	defer f.Close()
	line := name + " hit\n"
	if fatal {
		line = name + " killed\n"
	}
	f.WriteString(line)
}
