package ec2_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/ec2"
	"gridburst/gahp/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const url = "https://engine/ovirt-engine/api"

// newEngine is one whose machines take about a second for each of their steps.
func newEngine() *fake.Engine {
	return fake.New(fake.Config{
		Inventory: conform.Stock(),
		Lock:      time.Second, Launch: time.Second, Boot: time.Second, PowerOff: time.Second, Remove: time.Second,
	})
}

// client speaks with a server as a gridmanager does.
type client struct {
	t      *testing.T
	conn   net.Conn
	lines  *bufio.Reader
	access string // the files of its credential
	secret string
	last   int // request
}

// newService is one for the engine e.
func newService(e ec2.Engine) *ec2.Service {
	return ec2.New(ec2.Options{Open: func(where, name, _ string) (ec2.Engine, error) {
		if where != url || name != "admin@internal" {
			return nil, fmt.Errorf("no engine for %s at %s", name, where)
		}
		return e, nil
	}})
}

// connect starts a server over a service, which ends with the test or with hangUp.
func connect(t *testing.T, s *ec2.Service) *client {
	t.Helper()
	dir := t.TempDir()
	c := &client{t: t, access: write(t, dir, "user", "admin@internal\n"), secret: write(t, dir, "password", "secret\n")}
	ours, theirs := net.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- gahp.Serve(t.Context(), theirs, theirs, nil, gahp.ServerOptions{Dialect: s.Dialect(), Linger: time.Millisecond})
		theirs.Close()
	}()
	c.conn, c.lines = ours, bufio.NewReader(ours)
	t.Cleanup(func() {
		ours.Close()
		<-done
	})
	if banner := c.hear(); !strings.HasPrefix(banner, "$GahpVersion: ") {
		t.Fatalf("the banner is %q", banner)
	}
	return c
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *client) hear() string {
	c.t.Helper()
	line, err := c.lines.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the server said no more: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *client) say(line string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		c.t.Fatalf("say %.80q: %v", line, err)
	}
}

// begin hands a request in; what is not given is NULL.
func (c *client) begin(verb string, words ...string) int {
	c.t.Helper()
	c.last++
	line := fmt.Sprintf("%s %d %s %s %s", verb, c.last, url, c.access, c.secret)
	for _, w := range words {
		if w == "" {
			w = "NULL"
		}
		line += " " + strings.NewReplacer(`\`, `\\`, " ", `\ `, "\n", "\\\n").Replace(w)
	}
	c.say(line)
	if got := c.hear(); got != "S" {
		c.t.Fatalf("%.80q is answered with %q", line, got)
	}
	return c.last
}

// result waits for a request's.
func (c *client) result(request int) []string {
	c.t.Helper()
	for {
		c.say("RESULTS")
		var n int
		if _, err := fmt.Sscanf(c.hear(), "S %d", &n); err != nil {
			c.t.Fatal(err)
		}
		for range n {
			words := strings.Split(strings.ReplaceAll(c.hear(), `\ `, "\x00"), " ")
			for i := range words {
				words[i] = strings.ReplaceAll(words[i], "\x00", " ")
			}
			if words[0] == fmt.Sprint(request) {
				return words[1:]
			}
		}
		time.Sleep(100 * time.Millisecond) // of the bubble
	}
}

// ask is a request and its result.
func (c *client) ask(verb string, words ...string) []string {
	c.t.Helper()
	return c.result(c.begin(verb, words...))
}

const token = "723699cb-7f72-4397-bc70-f984b4231c63"

// wanted are the words of a start; mod changes them.
func wanted(mod func(map[string]string)) []string {
	w := map[string]string{"image": conform.Worker, "token": token, "count": "1"}
	if mod != nil {
		mod(w)
	}
	return []string{
		w["image"], w["pair"], w["data"], w["file"], w["type"], w["zone"], w["subnet"], w["ip"], w["token"],
		w["disks"], w["arn"], w["role"], w["count"], "", "", "",
	}
}

// start is a start's result.
func (c *client) start() []string {
	c.t.Helper()
	return c.ask("EC2_VM_START", wanted(nil)...)
}

// states are the states of all instances, by their tokens.
func (c *client) states() map[string]string {
	c.t.Helper()
	words := c.ask("EC2_VM_STATUS_ALL")
	if words[0] != "0" || len(words)%8 != 1 {
		c.t.Fatalf("the listing is %q", words)
	}
	out := map[string]string{}
	for i := 1; i < len(words); i += 8 {
		out[words[i+2]] = words[i+1]
	}
	return out
}

// ours are the machines beside the one of somebody else, which is as it was.
func ours(t *testing.T, e *fake.Engine) (out []conform.Machine) {
	t.Helper()
	foreign := 0
	for _, m := range e.Machines() {
		if m.Name != conform.Foreign {
			out = append(out, m)
		} else if m.State == gahp.Up && m.Mark == "" {
			foreign++
		}
	}
	if foreign != 1 {
		t.Errorf("the machine of somebody else is not as it was: %+v", e.Machines())
	}
	return out
}

// wantResult compares the beginning of a result.
func wantResult(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(got) < len(want) || strings.Join(got[:len(want)], "|") != strings.Join(want, "|") {
		t.Errorf("%s: the result is %q, want %q", what, got, want)
	}
}
