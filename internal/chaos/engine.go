package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gridburst/internal/pause"
	"gridburst/internal/rig"
)

// What the simulated engine has.
const (
	engineUser     = "admin@internal"
	enginePassword = "chaos-canary-2b7e"
	templateName   = "worker"
	desktopName    = "desktop"
	foreignVMs     = 20
)

// engine is the simulator, with what is known of it from outside.
type engine struct {
	run *run
	*door
	journal string

	mu     sync.Mutex
	ghosts map[string]bool // marks of machines that this run has made behind the schedd's back
}

// openEngine starts the simulator, with machines of other people on it.
func (r *run) openEngine(ctx context.Context) error {
	dir := filepath.Join(r.rig.Dir, "engine")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	e := &engine{run: r, journal: file("journal"), ghosts: map[string]bool{}}
	model, err := json.MarshalIndent(e.model(), "", "  ")
	if err != nil {
		return err
	}
	r.load.password = file("password")
	for path, text := range map[string][]byte{file("model.json"): model, r.load.password: []byte(enginePassword + "\n")} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	err = r.house.keep(ctx, "ovirtsim", func(ctx context.Context) (*rig.Process, error) { return r.rig.Engine(ctx, dir) })
	if err != nil {
		return err
	}
	if e.door, err = openDoor(dir); err != nil {
		return err
	}
	r.engine = e
	r.load.engine, r.load.paper = e.url, r.Paper
	return nil
}

// model is what the engine has at first.
func (e *engine) model() any {
	type object = map[string]any
	var foreign []object
	for i := range foreignVMs {
		status := "down"
		if i%2 == 0 {
			status = "up"
		}
		foreign = append(foreign, object{"name": fmt.Sprintf("gb-foreign-%d", i), "status": status, "comment": "somebody else's"})
	}
	body := "process"
	if e.run.Paper {
		body = "paper"
	}
	return object{
		"users": []object{{"name": engineUser, "password": enginePassword}},
		"templates": []object{
			{"name": desktopName, "body": "paper"},
			{"name": templateName, "memory_mb": 512, "cores": 2, "body": body, "os": "rhel_9x64", "image": object{
				"files": map[string]string{"/usr/local/bin/gworker": filepath.Join(e.run.rig.Bin, "gworker")},
			}},
		},
		"vms":   foreign,
		"body":  "paper",
		"times": object{"lock": "300ms", "launch": "200ms", "boot": "300ms", "power_off": "300ms", "remove": "200ms"},
	}
}

// config is the schedd's of it; workers is where guests find the schedd.
func (e *engine) config(workers string) string {
	join := "30s"
	if e.run.Paper {
		join = "3s" // nobody will come
	}
	return fmt.Sprintf(`resource "ovirt" "sim" {
  url           = %q
  username      = %q
  password_file = %q
  ca_file       = %q
  max_vms       = 6
  create        = true
  burst {
    template     = %q
    memory       = "512MiB"
    cores        = 2
    max_vms      = 4
    idle_time    = "3s"
    join_timeout = %q
    disk         = "1GiB"
    schedd       = "https://%s"
  }
}
`, e.url, engineUser, e.run.load.password, e.ca, templateName, join, workers)
}

// entry is a line of the engine's journal.
type entry struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	VM      string    `json:"vm"`
	Name    string    `json:"name"`
	Comment string    `json:"comment"`
	Foreign bool      `json:"foreign"`

	Description string `json:"description"`
	Status      string `json:"status"`
	By          string `json:"by"` // whose order it was
}

func (e *engine) read() ([]entry, error) { return readJournal(e.journal) }

func readJournal(path string) (list []entry, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var n entry
		if err := d.Decode(&n); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
}

// left says how many machines of ours there are; empty: none.
func (e *engine) left() string {
	list, err := e.read()
	if err != nil {
		return err.Error()
	}
	if n := len(alive(list)); n > 0 {
		return fmt.Sprintf("%d machines of ours are at the engine", n)
	}
	return ""
}

// alive is the machines that were made and are not gone, by id, with their marks.
func alive(list []entry) map[string]string {
	there := map[string]string{}
	for _, n := range list {
		switch {
		case n.Foreign:
		case n.What == "created":
			there[n.VM] = n.Comment
		case n.What == "gone":
			delete(there, n.VM)
		}
	}
	return there
}

// judge reads the engine's own record.
func (e *engine) judge(rep *Report, q *queue) error {
	list, err := e.read()
	if err != nil {
		return err
	}
	created, ended := map[string]entry{}, map[string]bool{}
	by := map[string]map[string]bool{} // marks of machines that are there
	for _, n := range list {
		switch {
		case n.Foreign:
			switch n.What {
			case "started", "told-off", "stopped", "updated", "removed", "gone":
				rep.Foreign++
				rep.wrong("machine %s of somebody else was %s", n.Name, n.What)
			}
			continue
		case n.What == "created":
			created[n.VM] = n
			e.intended(rep, q, n)
			if by[n.Comment] == nil {
				by[n.Comment] = map[string]bool{}
			}
			if by[n.Comment][n.VM] = true; len(by[n.Comment]) > 1 {
				rep.wrong("%s has %d machines at one time, the last is %s", n.Comment, len(by[n.Comment]), n.Name)
			}
		case n.What == "started":
			rep.VMs++
		case n.What == "gone":
			delete(by[created[n.VM].Comment], n.VM)
		}
		c := created[n.VM]
		if (n.What == "stopped" || n.What == "removed") && e.ghost(c.Comment) && !ended[n.VM] {
			ended[n.VM] = true
			rep.Ghosts++
			if age := n.At.Sub(c.At); age < sweepEvery*3/4 {
				rep.wrong("machine %s, which no claim stood for, was taken away after %s: that is one listing", c.Name, age)
			}
		}
	}
	there := alive(list)
	rep.Orphans = len(there)
	for vm, mark := range there {
		rep.wrong("machine %s is left: %s", created[vm].Name, mark)
	}
	return nil
}

// intended looks whether a machine was wished for before it was made.
func (e *engine) intended(rep *Report, q *queue, n entry) {
	if e.ghost(n.Comment) {
		return
	}
	id, ok := claimOf(q.deployed, n.Comment)
	if !ok {
		rep.wrong("machine %s was made without a mark of ours: %q", n.Name, n.Comment)
		return
	}
	wished, known := q.wished[id]
	switch {
	case !known:
		rep.wrong("machine %s was made, and claim %d was never wished for", n.Name, id)
	case n.At.Before(wished):
		rep.wrong("machine %s was made %s before it was wished for", n.Name, wished.Sub(n.At))
	}
}

func (e *engine) ghost(mark string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ghosts[mark]
}

// haunt makes a machine with our mark now and then for which no claim stands, as a
// queue that was lost would leave it. The sweep has to find it.
func (e *engine) haunt(ctx context.Context) {
	for n := 900_001; pause.For(ctx, 3*time.Second) == nil; n++ {
		if err := e.makeGhost(ctx, n); err != nil && ctx.Err() == nil {
			fmt.Fprintf(e.run.Log, "no ghost: %v\n", err)
		}
	}
}

func (e *engine) makeGhost(ctx context.Context, n int) error {
	status, err := e.run.house.schedd.Status(ctx)
	if err != nil {
		return err
	}
	mark := markOf(status.Deployment, uint32(n))
	e.mu.Lock()
	e.ghosts[mark] = true
	e.mu.Unlock()
	return e.make(ctx, engineUser, nameOf(status.Deployment, uint32(n)), mark, "Default")
}
