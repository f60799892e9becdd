package schedd

import (
	"testing"
	"time"

	"gridburst/schedd/ledger"
)

func TestQuantilesAreTimesThatWereSeen(t *testing.T) {
	times := func(seconds ...int) (out []time.Duration) {
		for _, s := range seconds {
			out = append(out, time.Duration(s)*time.Second)
		}
		return out
	}
	for _, c := range []struct {
		of   []time.Duration
		part float64
		want int
	}{
		{times(7), 0.5, 7},
		{times(1, 2, 3, 4, 5), 0.5, 3},
		{times(1, 2, 3, 4), 0.5, 2},
		{times(1, 2, 3, 4, 5), 0.9, 5},
		{times(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.9, 9},
		{times(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 0.99, 10},
		{times(1, 2), 0, 1},
	} {
		if got := quantile(c.of, c.part); got != time.Duration(c.want)*time.Second {
			t.Errorf("%v of %v is %v, not %ds", c.part, c.of, got, c.want)
		}
	}
}

// Decisions go by what earlier machines of the template have shown, by what the last ones
// did while those are few, and by the configuration before there are any.
func TestBurstsGoByBootTimesThatWereLearnt(t *testing.T) {
	r := Resource{Name: "lab", URL: "https://e/api", Username: "u", PasswordFile: "p", Burst: &Burst{Template: "worker", Cores: 1, MemoryMB: 512, BootTime: 90 * time.Second}}
	b := &bursts{p: &dispatcher{d: &Daemon{c: Config{Resources: []Resource{r}}}}, boot: map[string]time.Duration{}, boots: boots{}}
	expect := func(when string, want time.Duration) {
		t.Helper()
		if got := b.bootOf(&r); got != want {
			t.Errorf("%s: %v, not %v", when, got, want)
		}
	}
	expect("before any machine", 90*time.Second)
	for range enoughBoots - 1 {
		b.booted("lab", 20*time.Second)
	}
	expect("after a few machines", 20*time.Second)
	b.booted("lab", 60*time.Second)
	expect("after enough machines, of which one was slow", 20*time.Second)
	b.booted("other", time.Second)
	expect("after one of another resource", 20*time.Second)
	r.Burst.Template = "younger"
	expect("of a template that is new", 30*time.Second) // what the last machines did
	if n := len(b.boots[bootKey{"lab", "worker", ledger.Overflow}]); n != enoughBoots {
		t.Errorf("%d machines are known", n)
	}
}
