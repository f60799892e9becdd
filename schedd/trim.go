package schedd

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory that is given back when nothing more is asked for.
const (
	trimEvery = 3 * time.Second
	trimCalm  = 1 << 20  // bytes that are allocated between two looks at most
	trimWorth = 16 << 20 // bytes to be given back at least
)

// trim gives the memory back that a burst of work has taken, as a large submission does. By
// itself Go keeps garbage until there is as much of it as of all else, or for two minutes, and
// what was garbage as long as it may need it again.
func (d *Daemon) trim(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	var m memory
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if m.look() {
			debug.FreeOSMemory()
		}
	}
}

// memory is what was seen of this process's heap.
type memory struct{ allocated uint64 }

// look reports whether there is memory to be given back, garbage and what was garbage, and no
// more is asked for.
func (m *memory) look() bool {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	before := m.allocated
	m.allocated = s[0].Value.Uint64()
	live, held := s[1].Value.Uint64(), s[2].Value.Uint64()+s[3].Value.Uint64()
	return m.allocated-before < trimCalm && held > live+trimWorth
}
