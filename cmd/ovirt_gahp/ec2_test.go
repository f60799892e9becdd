package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gridburst/gahp/ovirtsim"
)

// gridmanager speaks with the command as HTCondor's does.
type gridmanager struct {
	*cloud
	in    io.Writer
	lines *bufio.Reader
	last  int
}

func (c *cloud) gridmanager() *gridmanager {
	t := c.t
	t.Helper()
	cmd := exec.Command(self(t), "-f", filepath.Join(c.dir, "log"), "-w", "1", "-m", "5", "-d", "D_PID,D_FULLDEBUG")
	cmd.Env = []string{asCommand + "=1", "GAHP_SSL_CAFILE=" + filepath.Join(c.dir, "ca.pem")}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("it ended with %v", err)
		}
		if text := log.String(); !strings.Contains(text, "engine call") || strings.Contains(text, password) {
			t.Errorf("its log: %s", text)
		}
	})
	g := &gridmanager{cloud: c, in: in, lines: bufio.NewReader(out)}
	g.hear() // the banner
	return g
}

func (g *gridmanager) hear() string {
	g.t.Helper()
	line, err := g.lines.ReadString('\n')
	if err != nil {
		g.t.Fatalf("it says no more: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (g *gridmanager) say(line string) string {
	g.t.Helper()
	if _, err := io.WriteString(g.in, line+"\r\n"); err != nil {
		g.t.Fatal(err)
	}
	return g.hear()
}

// ask hands a request in, and waits for its result.
func (g *gridmanager) ask(verb, more string) (words []string) {
	g.t.Helper()
	g.last++
	if said := g.say(fmt.Sprintf("%s %d %s %s %s %s", verb, g.last, g.sim.URL, filepath.Join(g.dir, "user"), filepath.Join(g.dir, "password"), more)); said != "S" {
		g.t.Fatalf("%s is answered with %q", verb, said)
	}
	g.until(verb+" has a result", func() bool {
		if g.say("RESULTS") == "S 0" {
			return false
		}
		words = strings.Split(g.hear(), " ")[1:]
		return true
	})
	return words
}

func TestServedToAGridmanager(t *testing.T) {
	c := newCloud(t)
	write(t, c.dir, "user", "admin@internal\n")
	g := c.gridmanager()
	if said := g.say("COMMANDS"); !strings.Contains(said, " EC2_VM_START ") || strings.Contains(said, "VM_PING") {
		t.Errorf("it knows %s", said)
	}
	if words := g.ask("EC2_VM_SERVER_TYPE", ""); strings.Join(words, " ") != "0 Nimbus" {
		t.Fatalf("the engine is %q", words)
	}
	const start = "worker NULL #cloud-config\\\nruncmd:\\ [date] NULL 3x700 NULL NULL NULL t-1 NULL NULL NULL 1 NULL NULL NULL"
	words := g.ask("EC2_VM_START", start)
	if len(words) != 2 || words[0] != "0" {
		t.Fatalf("the start gives %q", words)
	}
	id := words[1]
	for _, m := range c.sim.Machines() {
		if m.ID == id && (m.Name != "ec2-t-1" || m.Comment != "gridburst-ec2 t-1 started" || m.Cores != 3 || m.MemoryMB != 700 || !strings.Contains(m.Booted, "runcmd: [date]")) {
			t.Errorf("the machine is %+v", m)
		}
	}
	if words := g.ask("EC2_VM_START", start); strings.Join(words, " ") != "0 "+id {
		t.Errorf("the start again gives %q, want %s", words, id)
	}
	// Its guest is switched off by somebody, as by itself, and is over.
	if err := c.sim.Administer("ec2-t-1", ovirtsim.OpStop); err != nil {
		t.Fatal(err)
	}
	c.until("it is down", func() bool {
		for _, m := range c.sim.Machines() {
			if m.ID == id {
				return m.Status == ovirtsim.Down
			}
		}
		return false
	})
	if words := g.ask("EC2_VM_STATUS_ALL", ""); len(words) != 9 || words[1] != id || words[2] != "stopped" || words[3] != "t-1" {
		t.Errorf("the listing is %q", words)
	}
	if words := g.ask("EC2_VM_STOP", id); strings.Join(words, " ") != "0" {
		t.Errorf("the stop gives %q", words)
	}
	if words := g.ask("EC2_VM_STATUS_ALL", ""); strings.Join(words, " ") != "0" {
		t.Errorf("the listing is %q", words)
	}
	if words := g.ask("EC2_VM_START", "worker NULL NULL NULL NULL elsewhere NULL NULL t-2 NULL NULL NULL 1 NULL NULL NULL"); words[1] != "InvalidAMIID.NotFound" {
		t.Errorf("a start in a cluster that is not there gives %q", words)
	}
	c.judge(1)
	// A wrong password is said in the words on which a gridmanager holds its jobs.
	if err := os.WriteFile(filepath.Join(c.dir, "password"), []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.sim.EndSessions()
	if words := g.ask("EC2_VM_SERVER_TYPE", ""); !strings.HasPrefix(strings.Join(words, " "), `1 E_HTTP_RESPONSE_NOT_200\ (401) AuthFailure:`) {
		t.Errorf("a wrong password gives %q", words)
	}
}
