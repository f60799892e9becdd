package schedd

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// localWorker is the agent that serves the local universe on this host: a worker like
// any other, started when a job first needs it. It is not the daemon's to keep: it
// outlives a crash of the daemon, comes back to the next one, and ends when it is
// told to.
type localWorker struct {
	mu    sync.Mutex
	since time.Time // when it was last started
}

// localAgain is how long a start is given before another is tried.
const localAgain = 10 * time.Second

// wantLocal starts the local worker unless it is on its way.
func (c *connections) wantLocal(context.Context) {
	l := &c.local
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(c.d.c.LocalWorker) == 0 || time.Since(l.since) < localAgain {
		return
	}
	l.since = time.Now()
	cmd := exec.Command(c.d.c.LocalWorker[0], c.d.c.LocalWorker[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		c.d.log.WithError(err).Error("the local worker cannot be started")
		c.d.trouble.add("the local worker cannot be started: " + err.Error())
		return
	}
	go func() {
		if err := cmd.Wait(); err != nil {
			c.d.log.WithError(err).Warn("the local worker has ended")
		}
	}()
}

// dismissLocal lets the local worker end with the daemon when it runs nothing, and
// waits for it a little. One that runs something stays, and comes back to the next
// daemon.
func (c *connections) dismissLocal() {
	soon := time.After(2 * time.Second)
	for _, w := range c.d.pool.Workers() {
		k := c.get(w.ID)
		if !w.Info.Local || len(w.Jobs) > 0 || k == nil {
			continue
		}
		c.quit(w.ID)
		select {
		case <-k.gone:
		case <-soon:
		}
	}
}
