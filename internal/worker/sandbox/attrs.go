package sandbox

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// AttrsName is the file in a job's directory to which the job adds lines "Name = value",
// for attributes of its own ad.
const AttrsName = ".job.attrs"

// maxAttrs bounds what a job says of itself.
const maxAttrs = 64 << 10

// Attrs is what the job has said of itself so far, the last of each name; nil: nothing.
// A line that is not whole yet does not count.
func (s Sandbox) Attrs() map[string]string {
	root, err := os.OpenRoot(s.Work())
	if err != nil {
		return nil
	}
	defer root.Close()
	f, err := root.OpenFile(AttrsName, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	var out map[string]string
	for r := bufio.NewReader(io.LimitReader(f, maxAttrs)); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return out
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
}
