package fake_test

import (
	"testing"

	"go.uber.org/goleak"

	"gridburst/gahp"
	"gridburst/gahp/conform"
	"gridburst/gahp/fake"
)

func TestMain(m *testing.M) {
	fake.Main()
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		way  func(*testing.T, *fake.Engine) gahp.Provider
	}{
		{"in memory", func(_ *testing.T, e *fake.Engine) gahp.Provider { return gahp.Fenced(e) }},
		{"over a pipe", func(t *testing.T, e *fake.Engine) gahp.Provider {
			return client(t, gahp.Options{Dial: fake.Dial(e)})
		}},
		{"in a process", func(t *testing.T, e *fake.Engine) gahp.Provider {
			return client(t, gahp.Options{Command: fake.Command(t, e), Env: []string{fake.Env}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := conform.Harness{Start: func(t *testing.T) conform.World {
				return fake.NewWorld(func(e *fake.Engine) gahp.Provider { return c.way(t, e) })
			}}
			conform.Run(t, h)
			conform.RunExtra(t, h)
		})
	}
}

func client(t *testing.T, o gahp.Options) *gahp.Client {
	c := gahp.NewClient(o)
	t.Cleanup(func() {
		if s := c.Stats(); s.Starts > 1 {
			t.Errorf("the GAHP was started %d times, the last after: %v", s.Starts, s.Last)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
