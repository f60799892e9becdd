package gahp_test

import (
	"context"
	"slices"
	"testing"

	"gridburst/gahp"
	"gridburst/gahp/fake"
)

// checked is a provider that says what would fail.
type checked struct {
	gahp.Provider
	asked chan gahp.Wish
	says  []gahp.Finding
}

func (c checked) Check(_ context.Context, w gahp.Wish) ([]gahp.Finding, error) {
	c.asked <- w
	return c.says, nil
}

func TestAWishTravelsAndSoDoesWhatIsFound(t *testing.T) {
	wish := gahp.Wish{Template: "a b", Cluster: "", MemoryMB: 2048, Cores: 2, Machines: 7}
	says := []gahp.Finding{{Topic: "login", Grade: gahp.Good, Text: "let in"}, {Topic: "quota", Grade: gahp.Bad, Text: "no \"room\"\nat all"}}
	p := checked{Provider: newEngine(), asked: make(chan gahp.Wish, 1), says: says}
	got, err := served(t, p).Check(t.Context(), wish)
	if err != nil || !slices.Equal(got, says) {
		t.Errorf("found %+v (%v)", got, err)
	}
	if w := <-p.asked; w != wish {
		t.Errorf("asked about %+v", w)
	}
}

func TestAProviderThatCannotCheckSaysSo(t *testing.T) {
	if _, err := served(t, newEngine()).Check(t.Context(), gahp.Wish{}); gahp.KindOf(err) != gahp.Refused {
		t.Errorf("it says %v", err)
	}
}

// served is a client of a server of p.
func served(t *testing.T, p gahp.Provider) *gahp.Client {
	t.Helper()
	c := gahp.NewClient(gahp.Options{Dial: fake.Dial(p)})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
