package ovirtsim

import (
	"fmt"
	"testing"
)

func BenchmarkListing(b *testing.B) {
	s := scaled(b, 10_000)
	w := &recorder{}
	for b.Loop() {
		w.body.Reset()
		request(b, s, w, "GET", "/vms", "")
	}
}

func BenchmarkCreateAmongThousands(b *testing.B) {
	s := scaled(b, 10_000)
	n := 0
	for b.Loop() {
		n++
		request(b, s, &recorder{}, "POST", "/vms", newVM(fmt.Sprintf("new-%d", n), ""))
	}
}

// scaled is an engine with n machines.
func scaled(b *testing.B, n int) *Sim {
	b.Helper()
	m := Model{}
	for i := range n {
		m.VMs = append(m.VMs, VM{Name: fmt.Sprintf("vm-%d", i), Status: Up})
	}
	s, err := Open(m, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}
