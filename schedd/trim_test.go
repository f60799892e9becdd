package schedd

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// No test beside it: others make garbage too.
func TestMemoryIsGivenBackWhenNoMoreIsAskedFor(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var m memory
	debug.FreeOSMemory()
	m.look()
	if m.look() {
		t.Error("there is something to give back that was given back")
	}
	for range 3 {
		garbage := make([]byte, trimWorth)
		runtime.KeepAlive(garbage)
	}
	if m.look() {
		t.Error("it is given back while more is asked for")
	}
	if !m.look() {
		t.Error("garbage is not given back")
	}
	runtime.GC()
	m.look()
	if !m.look() {
		t.Error("what was garbage is not given back")
	}
	debug.FreeOSMemory()
	if m.look() {
		t.Error("it is given back twice")
	}
}
