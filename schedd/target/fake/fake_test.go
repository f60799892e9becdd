package fake_test

import (
	"os"
	"testing"

	"gridburst/schedd/target"
	"gridburst/schedd/target/conform"
	"gridburst/schedd/target/fake"
)

func TestConformance(t *testing.T) {
	conforms(t, func(_ *testing.T, f *fake.Target) target.Target { return f })
}

func TestConformanceOfFilesThatTravel(t *testing.T) {
	conforms(t, func(t *testing.T, f *fake.Target) target.Target { return fake.NewSpool(f, t.TempDir()) })
}

func conforms(t *testing.T, of func(*testing.T, *fake.Target) target.Target) {
	conform.Run(t, conform.Harness{Start: func(t *testing.T) conform.World {
		f := &fake.Target{Slots: 2}
		t.Cleanup(f.Close)
		down := []fake.Fault{fake.Down, fake.Down, fake.Down, fake.Down}
		return conform.World{
			Target: of(t, f), Owner: target.Owner{Name: "me", UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}, Dir: t.TempDir(),
			Wait:    func(*target.Job) { f.Slots = 0 },
			Refused: func(*target.Job) { f.Inject(fake.Submit, fake.Refuses) },
			Down: func() {
				for _, op := range []string{fake.Submit, fake.List, fake.Look, fake.Remove, fake.Begin, fake.Fetch} {
					f.Inject(op, down...)
				}
			},
			Up:    f.Heal,
			Evict: func(r target.Ref) { f.Evict(r.ID, false) },
		}
	}})
}
