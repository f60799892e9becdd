package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// newcomers are workers that come over TLS with a one-time token, one after another,
// as from another host. When one has come its line is cut for good: it must power its
// machine off by itself when its lease has ended.
type newcomers struct {
	run  *run
	addr string // the schedd's for workers

	mu    sync.Mutex
	ended int // that powered themselves off
	wrong []string
}

// newcomerName begins their names.
const newcomerName = "newcomer"

// do lets one after another come, until ctx ends.
func (n *newcomers) do(ctx context.Context) {
	for i := 1; ctx.Err() == nil; i++ {
		if err := n.one(ctx, fmt.Sprintf(newcomerName+"%d", i)); err != nil && ctx.Err() == nil {
			n.note(err.Error())
			return
		}
	}
}

func (n *newcomers) note(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wrong = append(n.wrong, s)
}

func (n *newcomers) one(ctx context.Context, name string) error {
	dir := filepath.Join(n.run.rig.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	invitation, err := n.invite(ctx, name)
	if err != nil {
		return err
	}
	for file, text := range map[string]string{"ca": invitation.CA, "token": invitation.Token + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	line, err := newLine(n.addr)
	if err != nil {
		return err
	}
	defer line.cut()
	start := func() (*rig.Process, error) {
		return n.run.rig.Start("newcomers.log", n.run.house.env, filepath.Join(n.run.rig.Bin, "gworker"), "--schedd", "https://"+line.addr(),
			"--ca", filepath.Join(dir, "ca"), "--token-file", filepath.Join(dir, "token"), "--state", filepath.Join(dir, "state"),
			"--name", name, "--cpus", "1", "--memory", "16MiB", "--vm", "--poweroff", "/bin/true", "--log-level", "debug")
	}
	p, err := start()
	if err != nil {
		return err
	}
	came := false
	var limit <-chan time.Time
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.Done():
			if p.Ended() == nil && came {
				n.mu.Lock()
				n.ended++
				n.mu.Unlock()
				return nil
			}
			n.run.house.explain(name, p.Ended())
			if came {
				return nil // it died at its very end; one that starts now waits long for its first lease
			}
			// It was killed: a machine's service manager starts it again, with the
			// same key or, if it had none, the same token.
			if p, err = start(); err != nil {
				return err
			}
		case <-limit:
			p.Kill()
			return fmt.Errorf("%s did not power its machine off in time", name)
		case <-ctx.Done():
			p.Kill()
			return context.Cause(ctx)
		case <-tick.C:
			if !came && n.here(ctx, name) && welcomed(dir) {
				came = true
				line.cut()
				limit = time.After(time.Minute)
			}
		}
	}
}

func (n *newcomers) invite(ctx context.Context, name string) (api.Invitation, error) {
	for {
		out, err := n.run.house.schedd.Invite(ctx, name)
		if err == nil {
			return out, nil
		}
		if pause.For(ctx, 50*time.Millisecond) != nil {
			return out, err
		}
	}
}

// here reports whether the schedd has it.
func (n *newcomers) here(ctx context.Context, name string) bool {
	list, err := n.run.house.schedd.Slots(ctx)
	if err != nil {
		return false
	}
	for _, s := range list.Slots {
		if s.Worker == name && s.State != "lost" {
			return true
		}
	}
	return false
}

// welcomed reports whether a newcomer knows that it was taken in: it keeps the schedd's
// term. One that does not know waits for longer before it gives up.
func welcomed(dir string) bool {
	list, err := filepath.Glob(filepath.Join(dir, "state", "*", "worker.json"))
	return err == nil && len(list) > 0
}

// line is a connection to the schedd that can be cut.
type line struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	conns map[net.Conn]bool
	ended bool
}

func newLine(to string) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &line{l: l, to: to, conns: map[net.Conn]bool{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // cut
			}
			go k.carry(c)
		}
	}()
	return k, nil
}

func (k *line) addr() string { return k.l.Addr().String() }

func (k *line) carry(c net.Conn) {
	defer c.Close()
	far, err := net.Dial("tcp", k.to)
	if err != nil {
		return
	}
	defer far.Close()
	k.mu.Lock()
	if k.ended {
		k.mu.Unlock()
		return
	}
	k.conns[c], k.conns[far] = true, true
	k.mu.Unlock()
	go func() {
		io.Copy(far, c)
		far.Close()
	}()
	io.Copy(c, far)
	k.mu.Lock()
	delete(k.conns, c)
	delete(k.conns, far)
	k.mu.Unlock()
}

// cut closes the line and everything on it.
func (k *line) cut() {
	k.l.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	for c := range k.conns {
		c.Close()
	}
}
