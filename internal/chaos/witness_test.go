package chaos

import (
	"bufio"
	"fmt"
	"net"
	"testing"
)

// caller is a job's program, as the witness sees one.
type caller struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func call(t *testing.T, w *Witness, job, nonce string) *caller {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.Port()))
	if err != nil {
		t.Fatal(err)
	}
	k := &caller{t, c, bufio.NewReader(c)}
	k.say("start "+job+" "+nonce, "go\n")
	return k
}

func (c *caller) say(line, want string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c, line); err != nil {
		c.t.Fatal(err)
	}
	if got, err := c.r.ReadString('\n'); got != want || err != nil {
		c.t.Fatalf("%q was answered with %q, %v", line, got, err)
	}
}

func TestWitnessSeesWhoRunsAtOneTime(t *testing.T) {
	for name, c := range map[string]struct {
		first func(*caller) // what becomes of the first execution before the second
		want  int
	}{
		"one that lives on overlaps":            {func(*caller) {}, 1},
		"one that was killed does not":          {func(c *caller) { c.Close() }, 0},
		"one that has done all does not":        {func(c *caller) { c.say("end 1.0 a 0", "bye\n"); c.Close() }, 0},
		"one that was cut off in its midst too": {func(c *caller) { c.Conn.(*net.TCPConn).SetLinger(0); c.Close() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWitness()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			a := call(t, w, "1.0", "a")
			defer a.Close()
			c.first(a)
			b := call(t, w, "1.0", "b")
			defer b.Close()
			other := call(t, w, "2.0", "c")
			defer other.Close()
			if got := w.Overlaps(); len(got) != c.want {
				t.Errorf("overlaps: %v", got)
			}
			if n := len(w.Executions()); n != 3 {
				t.Errorf("%d executions", n)
			}
		})
	}
}

func TestSameSeedSameJobs(t *testing.T) {
	texts := func(dir string) (out []string) {
		l, err := newLoad(dir, 1, 42)
		if err != nil {
			t.Fatal(err)
		}
		l.engine, l.password = "https://engine", "/password"
		for range 60 {
			s, err := l.next()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s.Text)
		}
		return out
	}
	dir := t.TempDir()
	a, b := texts(dir), texts(dir)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("submission %d differs:\n%s\n%s", i+1, a[i], b[i])
		}
	}
}
