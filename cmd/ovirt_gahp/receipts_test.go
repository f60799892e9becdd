package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gridburst/schedd"
	"gridburst/schedd/api"
)

// What a machine was for stays to be told when it is gone, and how long machines took is
// learnt from that: from five on, also by a schedd that starts anew.
func TestReceiptsAndBootTimes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	h := c.house(func(s *schedd.Config) {
		s.Resources[0].Price, s.Resources[0].Currency = 3600, "EUR" // a euro a second
		s.Resources[0].Burst = &schedd.Burst{Template: "worker", Cores: 1, MemoryMB: 512, BootTime: 90 * time.Second}
	})
	boot := func(kind string) api.Boot {
		t.Helper()
		out, err := h.Boots(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range out.Boots {
			if b.Resource == "sim" && b.Template == "worker" && b.Kind == kind {
				return b
			}
		}
		return api.Boot{}
	}
	if b := boot("overflow"); b.Samples != 0 || b.Learned || b.P50 != 90 {
		t.Errorf("of machines for the pool, which there were none of: %+v", b)
	}
	for i := range 5 {
		if b := boot("made"); b.Samples != i || b.Learned || i > 0 && b.P99 != 90 {
			t.Errorf("after %d machines: %+v", i, b)
		}
		id := h.running()
		h.remove(id)
		h.moved(uint32(i+1), "gone")
	}
	if b := boot("made"); b.Samples != 5 || !b.Learned || b.P50 <= 0 || b.P50 > b.P90 || b.P90 > b.P99 || b.P99 == 90 {
		t.Errorf("after 5 machines: %+v", b)
	}
	out, err := h.Claims(t.Context(), true)
	if err != nil || len(out.Claims) != 5 {
		t.Fatalf("%d claims (%v)", len(out.Claims), err)
	}
	for i, cl := range out.Claims {
		r := cl.Receipt
		if r == nil {
			t.Fatalf("claim %d has no receipt", cl.ID)
		}
		job := fmt.Sprintf("%d.0", i+1)
		if r.Why != "job "+job+" is the machine" || r.Template != "worker" || r.Runs != 1 || strings.Join(r.Jobs, " ") != job {
			t.Errorf("claim %d: %+v", cl.ID, r)
		}
		if r.Made == 0 || r.Started < r.Made || r.Ready < r.Started || r.Ended < r.Ready || r.Gone < r.Ended || r.Seen != "the engine shows it no more" {
			t.Errorf("claim %d came and went: %+v", cl.ID, r)
		}
		if r.Currency != "EUR" || r.Cost <= 0 {
			t.Errorf("claim %d cost %v %s", cl.ID, r.Cost, r.Currency)
		}
	}
	c.judge(4)
}
