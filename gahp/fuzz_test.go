package gahp_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
)

// FuzzServe: whatever is typed at a server, it answers each line that is one with a
// line of its own, and comes to an end.
func FuzzServe(f *testing.F) {
	for _, s := range []string{
		"VM_PING 1 0\nRESULTS\nQUIT\n",
		"COMMANDS\r\nVERSION\r\nASYNC_MODE_ON\r\nRESPONSE_PREFIX x\r\nVM_LIST 1 0 NULL\r\nRESULTS\r\n",
		"VM_CREATE 1 10 1.1.1 m worker NULL 0 0 NULL NULL #cloud-config\\\nx:\\ y NULL\nVM_FIND 2 10 m\nRESULTS\nVM_CANCEL 1\n",
		"VM_START 7 0 1.2.3 fake-1 NULL\nVM_STOP 7 0 1.2.3 fake-1\nVM_REMOVE 8 0 1.2 fake-1\n",
		"\x00\nS\nR\n\\", "ASYNC_MODE_OFF\nquit", "vm_templates 99999999999999999999 1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, typed []byte) {
		var out bytes.Buffer
		if err := gahp.Serve(t.Context(), bytes.NewReader(typed), &out, newEngine(), gahp.ServerOptions{Linger: time.Minute}); err != nil {
			t.Fatal(err)
		}
		said := strings.Split(out.String(), "\n")
		if last := said[len(said)-1]; last != "" {
			t.Fatalf("it ends with half a line: %q", last)
		}
		// A reply, an R, or results; a prefix may stand before any of it. Escaped line ends
		// come from what was typed.
		if !bytes.Contains(bytes.ToUpper(typed), []byte("PREFIX")) && !bytes.Contains(typed, []byte("\\\n")) {
			left := 0
			for _, line := range said[1 : len(said)-1] {
				word, rest, _ := strings.Cut(line, " ")
				switch n, err := strconv.Atoi(rest); {
				case left > 0:
					left--
				case word == "S" && err == nil:
					left = n
				case word != "S" && word != "E" && word != "F" && word != "R":
					t.Fatalf("it says %q in\n%s", line, out.String())
				}
			}
		}
	})
}

// FuzzClient: whatever a GAHP says, a call ends with an answer or an error of a kind.
func FuzzClient(f *testing.F) {
	for _, s := range []string{
		"S\nR\nS 1\n1 NULL\n", "S\nR\nS 2\n1 MORE a b\n1 NULL 0\n", "E what\n", "F\n", "R\nR\n", "S\nR\nS 99999999999\n",
		"S\nR\nS 1\n1 no_such_kind text\n", "noise\\\nS\n", "S\nR\nS 1\n1 NULL id n up NULL NULL NULL NULL NULL NULL NULL NULL NULL 1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		synctest.Test(t, func(t *testing.T) { // for the pauses between starts
			c := gahp.NewClient(gahp.Options{Dial: saying(says)})
			defer c.Close()
			if err := c.Stop(t.Context(), order, "x"); err != nil && kindOf(err) == "" {
				t.Errorf("stop: %v", err)
			}
			if _, err := c.List(t.Context(), ""); err != nil && kindOf(err) == "" {
				t.Errorf("list: %v", err)
			}
		})
	})
}
