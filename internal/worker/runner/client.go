package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/internal/wire"
)

// Client is an agent's hold on a runner. Its methods may be called from any
// goroutine.
type Client struct {
	cfg     Config
	name    string
	dir     string
	id      Identity
	child   bool // of this process, which has to reap it
	process *process
	ready   Ready // as it was when this agent met it
	news    chan News

	mu   sync.Mutex
	conn net.Conn
	r    *bufio.Reader
	left bool
}

func newClient(cfg Config, name string) *Client {
	return &Client{cfg: cfg, name: name, dir: filepath.Join(cfg.State, RunnerDir, name), news: make(chan News, 16)}
}

// Name is the runner's, and its directory's.
func (c *Client) Name() string { return c.name }

// Isolation is how it contains its jobs.
func (c *Client) Isolation() wire.Isolation { return c.id.Isolation }

// Ready is what the runner said when this agent met it.
func (c *Client) Ready() Ready {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

// News is what the runner says. The channel is closed when its process is dead and
// nothing of its job lives any more. Somebody has to read it while the runner is
// busy; an idle one says nothing.
func (c *Client) News() <-chan News { return c.news }

// Run gives the runner a job. It must be idle.
func (c *Client) Run(j Job) error { return c.order(Order{Run: &j}) }

// Lease says how long the runner's job may run now.
func (c *Client) Lease(l Lease) error { return c.order(Order{Lease: &l}) }

// Kill ends the runner's job, if it is k.Key.
func (c *Client) Kill(k Kill) error { return c.order(Order{Kill: &k}) }

// Suspend stops the runner's job or lets it go on, if it is s.Key.
func (c *Client) Suspend(s Suspend) error { return c.order(Order{Suspend: &s}) }

// Quit ends the runner, if it is idle.
func (c *Client) Quit() error { return c.order(Order{Quit: &Quit{}}) }

// Leave lets go of the runner, which goes on without this agent. The channel of news is
// closed then, and says nothing about its process.
func (c *Client) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.conn.Close()
}

// KillRunner ends the runner's process, and so its job, without its consent: for a
// runner that was stopped and cannot keep its lease.
func (c *Client) KillRunner() error {
	if err := c.process.signal(unix.SIGKILL); err != nil && !errors.Is(err, errGone) {
		return fmt.Errorf("kill runner %s: %w", c.name, err)
	}
	return nil
}

// order sends an order. One that is lost with the connection is no harm: the
// runner says what it does when there is a new one, and the channel of news is
// closed when there is none.
func (c *Client) order(o Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return fmt.Errorf("runner %s: %w", c.name, err)
	}
	if err := send(c.conn, o); err != nil {
		c.conn.Close() // half an order cannot be followed by another
		return fmt.Errorf("runner %s: %w", c.name, err)
	}
	return nil
}

// connect dials the runner and hears what it is.
func (c *Client) connect(ctx context.Context) error {
	dir, err := os.Open(c.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketFile))
	if err != nil {
		return fmt.Errorf("connect to runner %s: %w", c.name, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	r := bufio.NewReader(conn)
	var buf []byte
	var n News
	err = receive(r, &buf, &n)
	switch {
	case err != nil:
		err = fmt.Errorf("hear from runner %s: %w", c.name, errors.Join(ctx.Err(), err))
	case n.Ready == nil:
		err = fmt.Errorf("runner %s did not say what it is", c.name)
	case n.Ready.Problem != "":
		err = fmt.Errorf("runner %s cannot run jobs: %s", c.name, n.Ready.Problem)
	}
	if err != nil {
		conn.Close()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.r, c.ready = conn, r, *n.Ready
	return nil
}

// follow passes the runner's news on until its process is dead.
func (c *Client) follow() {
	defer close(c.news)
	dead := make(chan struct{})
	go func() {
		c.process.wait(context.Background())
		if c.child {
			unix.Wait4(c.id.PID, nil, 0, nil)
		}
		c.process.close()
		close(dead)
		c.mu.Lock()
		defer c.mu.Unlock()
		// What it said last is here by now, and is read to its end. The end does not come
		// if a process between fork and exec still holds the connection.
		if c.conn.SetReadDeadline(time.Now().Add(time.Second)) != nil {
			c.conn.Close()
		}
	}()
	log := c.cfg.Log.WithField("runner", c.name)
	for {
		c.read()
		if c.hasLeft() {
			return
		}
		select {
		case <-dead:
			// Until it is certain that nothing lives, the death is not told.
			for err := c.bury(); err != nil && !c.hasLeft(); err = c.bury() {
				log.WithError(err).Error("what a dead runner's job left could not be killed")
				time.Sleep(time.Second)
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
		// The connection broke and the process lives, or is about to die.
		if err := c.connect(context.Background()); err != nil {
			log.WithError(err).Debug("runner not to be reached")
			continue
		}
		c.catchUp()
	}
}

func (c *Client) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// read passes news on until the connection breaks.
func (c *Client) read() {
	c.mu.Lock()
	r := c.r
	c.mu.Unlock()
	var buf []byte
	for {
		var n News
		if err := receive(r, &buf, &n); err != nil {
			return
		}
		c.news <- n
	}
}

// catchUp makes up for news that were lost with a connection.
func (c *Client) catchUp() {
	c.mu.Lock()
	r := c.ready
	c.mu.Unlock()
	switch {
	case r.Busy != nil && r.Running:
		c.news <- News{Started: r.Busy}
		if r.Checked != nil {
			c.news <- News{Checked: r.Checked}
		}
	case r.Busy != nil:
	case r.Last != nil:
		c.news <- News{Ended: r.Last}
	default:
		// If it was given a job, the order was lost. Its end makes that certain.
		if err := c.KillRunner(); err != nil {
			c.cfg.Log.WithError(err).Error("an idle runner")
		}
	}
}

// bury makes sure that nothing lives of what a dead runner ran. In namespaces the
// kernel has done it.
func (c *Client) bury() error {
	if c.id.Isolation != wire.ProcessGroups {
		return nil
	}
	var errs []error
	if c.id.Cgroup != "" {
		errs = append(errs, buryCgroup(c.id.Cgroup))
	}
	return errors.Join(append(errs, sweep(c.name))...)
}

// discard ends a runner that this process has just started and cannot use.
func (c *Client) discard() error {
	err := c.KillRunner()
	unix.Wait4(c.id.PID, nil, 0, nil)
	c.process.close()
	return errors.Join(err, c.bury(), os.RemoveAll(c.dir))
}

// sweep kills every process that carries the mark of a dead runner in its
// environment, until there is none.
func sweep(runner string) error {
	mark := []byte(Mark + "=" + runner + ".")
	for clean := 0; clean < 2; {
		pids, err := processes()
		if err != nil {
			return fmt.Errorf("look for what a dead runner's job left: %w", err)
		}
		clean++
		for _, pid := range pids {
			start, err := startTime(pid)
			if err != nil || !carries(pid, mark) {
				continue
			}
			p, err := openProcess(pid, start)
			if errors.Is(err, errGone) {
				continue
			}
			if err != nil {
				return err
			}
			err = p.signal(syscall.SIGKILL)
			if err == nil {
				// Until it is dead it may have had a child that this look did not see.
				err = p.wait(context.Background())
			}
			p.close()
			if err != nil && !errors.Is(err, errGone) {
				return fmt.Errorf("kill process %d, which a dead runner's job left: %w", pid, err)
			}
			clean = 0
		}
	}
	return nil
}
