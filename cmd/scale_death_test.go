package cmd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridburst/cmd/internal/sandbox"
	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/internal/rig/rigtest"
	"gridburst/schedd/api"
)

// scaling are instants at which a schedd dies that brings machines up for a run, or takes them
// away behind it, and when each is armed: before the run asks for them, before it is done, or
// before it is removed.
var scaling = map[string]string{
	"ledger.publish.after": "ask", "claim.want.before": "ask", "claim.want.after": "ask", "claim.create.before": "ask", "claim.create.after": "ask",
	"dag.keep.before": "done", "dag.keep.after": "removed", "claim.stop.before": "removed", "claim.stop.after": "done", "claim.remove.after": "removed", "claim.gone.before": "done",
}

// A run has the machines that it asks for while it goes on, never more, and none when it has
// ended, however often its schedd is killed: the engine's own record says so. The token of its
// service is good until then, and no longer.
func TestADeathLeavesARunTheMachinesThatItAsksFor(t *testing.T) {
	rigtest.Slow(t)
	ctx, r, engine, url := guests(t, []string{"failpoints"}, "gschedd", "gworker", "gdag", "ovirt_gahp", "ovirtsim")
	for _, p := range failpoint.Points {
		if when := scaling[p.Name]; when != "" {
			t.Run(p.Name, func(t *testing.T) {
				s := &scaled{T: t, ctx: ctx, rig: r, dir: filepath.Join(r.Dir, p.Name), engine: engine, url: url}
				s.live(p, when)
			})
		}
	}
}

// scaled is a run that asks for machines, and its schedd.
type scaled struct {
	*testing.T
	ctx    context.Context
	rig    *rig.Rig
	dir    string
	engine string // its directory
	url    string // of the engine
	s      *rig.Schedd
}

const scaledConfig = `
schedd {
  listen = %q
  names  = ["127.0.0.1"]
}
resource "ovirt" "main" {
  url           = %q
  username      = %q
  password_file = %q
  ca_file       = %q
  max_vms       = 5
  burst {
    template  = %q
    cores     = 1
    memory    = "512MiB"
    wait      = "24h"
    idle_time = "1s"
  }
}
`

const scaledRun = `
workflow "scale" {
  provision "main" { max = 3 }
  service "watch" {}
  node "work" {}
}
job "watch" {
  universe   = "local"
  executable = "watch"
}
job "work" {
  universe   = "local"
  executable = "work"
}
`

func (s *scaled) live(p failpoint.Point, when string) {
	s.must(os.MkdirAll(filepath.Join(s.dir, "armed"), 0o755))
	port, err := net.Listen("tcp", "127.0.0.1:0") // a guest finds its schedd again by the same
	s.must(err)
	s.must(port.Close())
	s.write("schedd.hcl", fmt.Sprintf(scaledConfig, port.Addr(), s.url, sandbox.User, sandbox.Dir(s.rig.Dir).Password(), filepath.Join(s.engine, "ca.pem"), sandbox.WorkerTemplate))
	s.write("scale.hcl", scaledRun)
	s.write("watch", fmt.Sprintf("#!/bin/sh\n{ cat \"$GRIDBURST_TOKEN_FILE\"; echo; } >>%s/tokens\nexec sleep 1000\n", s.dir))
	s.write("work", fmt.Sprintf("#!/bin/sh\nuntil [ -e %s/go ]; do sleep 0.1; done\n", s.dir))
	before := s.made()
	s.begin()
	_, err = s.rig.RunIn(s.ctx, s.dir, []string{"GRIDBURST_SCHEDD=" + s.s.Socket, "PATH=" + os.Getenv("PATH")}, filepath.Join(s.rig.Bin, "gdag"), "submit", "scale.hcl")
	s.must(err)
	s.until("its token", func() bool { return s.scale(0) == "" })
	ask := func() error {
		_, err := s.s.Client().ScaleDag(s.ctx, 1, api.DagScale{Pool: "main", Count: 3})
		return err
	}
	s.dies(p, when == "ask", ask)
	s.until("three machines that serve", func() bool {
		claims, err := s.s.Client().Claims(s.ctx, false)
		s.must(err)
		ready := 0
		for _, c := range claims.Claims {
			if c.State == "ready" {
				ready++
			}
		}
		return ready == 3
	})
	s.until("its token to be good", func() bool { return s.scale(3) == "" })
	s.dies(p, when == "removed", func() error {
		if when == "removed" {
			return s.s.Client().RemoveDag(s.ctx, 1)
		}
		return nil
	})
	s.dies(p, when == "done", func() error {
		if when != "removed" {
			s.write("go", "")
		}
		return nil
	})
	s.until("its end", func() bool {
		d, err := s.s.Client().Dag(s.ctx, 1)
		s.must(err)
		return d.Status == "done" || d.Status == "removed"
	})
	s.until("its machines to be gone", func() bool {
		claims, err := s.s.Client().Claims(s.ctx, false)
		s.must(err)
		return len(claims.Claims) == 0
	})
	if code := s.scale(1); code != grid.Unauthorized {
		s.Errorf("the token of a run that has ended: %q", code)
	}
	if err := ask(); err == nil {
		s.Error("a run that has ended asks for machines")
	}
	s.s.Stop(time.Minute)
	there, most := 0, 0
	for _, e := range s.journal()[before:] {
		switch e.What {
		case "created":
			there++
		case "gone":
			there--
		}
		most = max(most, there)
	}
	if there != 0 || most != 3 {
		s.Errorf("there were %d machines at one time, and are %d", most, there)
	}
}

// dies does something, by which its schedd dies if that is armed, and is begun anew; what was
// not answered is done again.
func (s *scaled) dies(p failpoint.Point, armed bool, do func() error) {
	s.Helper()
	if !armed {
		s.must(do())
		return
	}
	s.write(filepath.Join("armed", p.Name), "")
	err := do()
	select {
	case <-s.s.Done():
	case <-s.ctx.Done():
		s.Fatalf("nothing dies at %s", p.Name)
	}
	s.begin()
	if err != nil {
		if err = do(); grid.CodeOf(err) != grid.NotFound { // it was removed all the same
			s.must(err)
		}
	}
}

// scale has the service's newest token ask for machines.
func (s *scaled) scale(n int) grid.Code {
	text, err := os.ReadFile(filepath.Join(s.dir, "tokens"))
	tokens := strings.Fields(string(text))
	if err != nil || len(tokens) == 0 {
		return grid.NotFound
	}
	_, err = s.s.Client().WithToken(tokens[len(tokens)-1]).ScaleDag(s.ctx, 1, api.DagScale{Pool: "main", Count: n})
	return grid.CodeOf(err)
}

// happened is an entry of the engine's journal.
type happened struct {
	What string `json:"what"`
}

func (s *scaled) journal() (all []happened) {
	s.Helper()
	f, err := os.Open(filepath.Join(s.engine, "journal"))
	s.must(err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e happened
		if json.Unmarshal(lines.Bytes(), &e) == nil { // the last may be on its way
			all = append(all, e)
		}
	}
	s.must(lines.Err())
	return all
}

// made is how much has happened by now.
func (s *scaled) made() int { return len(s.journal()) }

func (s *scaled) begin() {
	s.Helper()
	var err error
	name := filepath.Join(filepath.Base(s.dir), "g")
	s.s, err = s.rig.Schedd(s.ctx, name, []string{"GRIDBURST_FAILPOINT_DIR=" + filepath.Join(s.dir, "armed")}, "--config", filepath.Join(s.dir, "schedd.hcl"))
	s.must(err)
}

func (s *scaled) write(name, text string) {
	s.Helper()
	s.must(os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o755))
}

func (s *scaled) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scaled) until(what string, yes func() bool) {
	s.Helper()
	for !yes() {
		if pause.For(s.ctx, 50*time.Millisecond) != nil {
			log, _ := os.ReadFile(filepath.Join(s.dir, "g.log"))
			s.Fatalf("waited in vain for %s\n%s", what, log[max(0, len(log)-3000):])
		}
	}
}
