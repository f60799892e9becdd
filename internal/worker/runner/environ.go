package runner

import (
	"bytes"
	"os"
	"strconv"
)

// carries reports whether a variable of a process's environment begins with mark.
// It is that of the process's last exec; a process may have overwritten it since.
func carries(pid int, mark []byte) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false // another user's, or gone
	}
	return bytes.HasPrefix(b, mark) || bytes.Contains(b, append([]byte{0}, mark...))
}
