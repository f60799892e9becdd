package ec2_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
	"gridburst/gahp/ec2"
)

// FuzzServe: whatever a client says, each line has its answer, each request that was
// accepted a result of a form that a gridmanager reads, and the server comes to an end.
func FuzzServe(f *testing.F) {
	for _, s := range []string{
		"EC2_VM_START 4 u /proc/self/comm s worker NULL NULL NULL 1x512 NULL NULL NULL token-1 NULL NULL NULL 1 NULL NULL NULL\r\nEC2_VM_STATUS_ALL 5 u /proc/self/comm s\r\n\r\n\r\n\r\n\r\n\r\n\r\nEC2_VM_STATUS_ALL 6 u /proc/self/comm s\r\n\r\nRESULTS\r\n",
		"EC2_VM_START 4 u /proc/self/comm s worker NULL #cloud-config\\\nx:\\ y NULL NULL NULL NULL NULL t NULL NULL NULL NULL g h NULL NULL n v NULL\nEC2_VM_STOP 9 u /proc/self/comm s fake-2 fake-3\n",
		"ec2_vm_server_type 1 u /proc/self/comm s\nSTATISTICS\nEC2_VM_STATUS 2 u /proc/self/comm s fake-1\nEC2_VM_STATUS_ALL_SPOT 3 u /proc/self/comm s\n\n\n\n\n\nRESULTS\nQUIT\n",
		"EC2_VM_START_SPOT 1 u /proc/self/comm s\nEC2_VM_CREATE_TAGS 2 u /proc/self/comm s i Name=x NULL\nEC2_VM_DESTROY_KEYPAIR 3 u /proc/self/comm s k\nEC2_VM_CREATE_KEYPAIR 4 u /proc/self/comm s k\n",
		"EC2_VM_STATUS_ALL 1 u /proc/self/comm s f v\nEC2_VM_STOP 2 u\nEC2_VM_STOP 18446744073709551616 u /proc/self/comm s i\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		if bytes.Contains(bytes.ToUpper(said), []byte("CREATE_KEYPAIR")) {
			t.Skip("it would write files")
		}
		synctest.Test(t, func(t *testing.T) {
			s := ec2.New(ec2.Options{
				Patience: 10 * time.Second,
				Open:     func(string, string, string) (ec2.Engine, error) { return newEngine(), nil },
			})
			in, out := &slowly{bytes.NewBuffer(said)}, &bytes.Buffer{}
			if err := gahp.Serve(t.Context(), in, out, nil, gahp.ServerOptions{Dialect: s.Dialect(), Linger: time.Minute}); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(out.String(), "\n")
			if last := lines[len(lines)-1]; last != "" {
				t.Fatalf("it ends with half a line: %q", last)
			}
			if bytes.Contains(bytes.ToUpper(said), []byte("PREFIX")) || bytes.Contains(said, []byte("\\\n")) {
				return // what was said comes back among the lines
			}
			left := 0
			for _, line := range lines[1 : len(lines)-1] {
				words := strings.Split(strings.ReplaceAll(line, `\ `, ""), " ")
				switch n, err := strconv.Atoi(words[min(1, len(words)-1)]); {
				case left > 0:
					if left--; len(words) < 2 || words[1] != "0" && (words[1] != "1" || len(words) != 4) {
						t.Fatalf("a result is %q", line)
					}
				case words[0] == "S" && err == nil && len(words) == 2:
					left = n
				case words[0] != "S" && words[0] != "E" && words[0] != "F" && words[0] != "R":
					t.Fatalf("it says %q in\n%s", line, out)
				}
			}
		})
	})
}

// slowly gives a line a second, so that there are results to be asked for.
type slowly struct{ said *bytes.Buffer }

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Second) // of the bubble
	if end := bytes.IndexByte(s.said.Bytes(), '\n') + 1; end > 0 {
		p = p[:min(len(p), end)]
	}
	return s.said.Read(p)
}
