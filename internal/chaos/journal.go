package chaos

import (
	"io"
	"sync"
)

// journal is where what happens is told, which many do at one time.
type journal struct {
	mu sync.Mutex
	w  io.Writer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.w.Write(p)
}
