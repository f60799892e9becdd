package ovirtsim

import (
	"os"
	"testing"

	"gridburst/internal/grid"
)

func TestRealGuestsNeedAKernel(t *testing.T) {
	if _, err := Open(Model{Body: QEMU, Hardware: Hardware{Kernel: t.TempDir()}}, Options{}); grid.CodeOf(err) != grid.Refused {
		t.Errorf("without one: %v", err)
	}
	if _, err := Open(Model{Hardware: Hardware{Reach: map[string]string{"10.0.2.2:1": "127.0.0.1:1"}}}, Options{}); grid.CodeOf(err) != grid.Invalid {
		t.Errorf("with an address that is QEMU's: %v", err)
	}
}

func TestARealGuestIsSwitchedOffAndRemoved(t *testing.T) {
	kernel := os.Getenv("GRIDBURST_KERNEL")
	if kernel == "" {
		t.Skip("GRIDBURST_KERNEL names no directory with a kernel for guests: make test-real does")
	}
	state := t.TempDir()
	model := Model{Body: QEMU, Templates: []Template{{Name: "worker", MemoryMB: 128}}, Hardware: Hardware{Kernel: kernel}}
	s := Start(t, model, Options{State: state})
	c := logged(t, s)
	v := scripted(t, s, c, "gb-1", "runcmd: [sleep 1000]\n")
	// order gives one, and waits until it has led to a status.
	order := func(what, with string, want Status) (last Entry) {
		before, _ := s.Journal(0)
		c.do("POST", "/vms/"+v.ID+"/"+what, with, 200)
		await(t, s, func(e Entry) bool {
			last = e
			return e.N > before[len(before)-1].N && e.What == Moved && e.Status == want
		})
		return last
	}
	order("start", cloudInitStart, Up)
	if e := order("stop", "<action/>", Down); e.Why != "its guest was killed" {
		t.Errorf("after a stop %s", e.Why)
	}
	order("start", cloudInitStart, Up)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.boots()); err == nil {
		t.Error("what guests boot from is left")
	}
	s = Start(t, model, Options{State: state})
	if got := s.Machines()[0].Status; got != Down {
		t.Errorf("after the simulator's end the machine is %s", got)
	}
	c = logged(t, s)
	order("start", cloudInitStart, Up)
	order("stop", "<action/>", Down)
	c.do("DELETE", "/vms/"+v.ID, "", 200)
	await(t, s, func(e Entry) bool { return e.What == Gone })
	if err := s.Close(); err != nil { // which waits for what is removed
		t.Fatal(err)
	}
	if left, err := os.ReadDir(s.guests()); err != nil || len(left) > 0 {
		t.Errorf("of its guests %v is left (%v)", left, err)
	}
}
