package burst

import (
	"testing"
	"time"

	"gridburst/router"
)

// comingFor has nodes come, guessed to be there within a boot, that fill so many machines.
func comingFor(in *Input, machines int) {
	for range machines {
		in.Soon = append(in.Soon, Soon{Of: 3, Owner: 1, Group: in.Queues[0].Group, In: boot, Guess: boot})
		in.Soon = append(in.Soon, Soon{Of: 3, Owner: 1, Group: in.Queues[0].Group, In: boot, Guess: boot})
	}
}

// Of several machines that nodes need, and may need before all are there, one comes late: one
// more is started beside them, where that is worth while and may be.
func TestOneMachineMoreIsStartedForOneThatComesLate(t *testing.T) {
	for _, c := range []struct {
		name          string
		with          func(*Input)
		want, reserve int
	}{
		{"three are few", func(in *Input) { comingFor(in, 3) }, 3, 0},
		{"of four one is likely to", func(in *Input) { comingFor(in, 4) }, 5, 1},
		{"one is enough for more", func(in *Input) { comingFor(in, 7) }, 8, 1},
		{"those that are on their way for jobs count", func(in *Input) {
			comingFor(in, 1)
			for i := range 3 {
				in.Starting = append(in.Starting, Starting{Claim: uint32(i + 1)})
			}
		}, 2, 1},
		{"nodes that are known to come later than nearly all boots", func(in *Input) {
			comingFor(in, 4)
			for i := range in.Soon {
				in.Soon[i].In, in.Soon[i].Guess = in.Shapes[0].Late, 0
			}
		}, 4, 0},
		{"nodes that are known to come sooner", func(in *Input) {
			comingFor(in, 4)
			for i := range in.Soon {
				in.Soon[i].Guess = 0
			}
		}, 5, 1},
		{"boots are alike", func(in *Input) {
			comingFor(in, 4)
			in.Shapes[0].Late = boot + boot/4
		}, 4, 0},
		{"nobody knows whether they are", func(in *Input) {
			comingFor(in, 4)
			in.Shapes[0].Late = 0
		}, 4, 0},
		{"a whole hour of it would be paid for", func(in *Input) {
			comingFor(in, 4)
			in.Shapes[0].Period = time.Hour
		}, 4, 0},
		{"one that was in reserve is taken for them first", func(in *Input) {
			comingFor(in, 5)
			in.Starting = []Starting{{Claim: 1, Free: in.Shapes[0].Offer}}
		}, 5, 1},
		{"there is no room for it", func(in *Input) {
			comingFor(in, 4)
			in.Shapes[0].Room = 4
		}, 4, 0},
		{"nor money", func(in *Input) {
			comingFor(in, 4)
			in.Shapes[0].Cost, in.Purses = 10, []Purse{{Left: 49}}
		}, 4, 0},
		{"nor of their owner's", func(in *Input) {
			comingFor(in, 4)
			in.Shapes[0].Cost, in.Purses = 10, []Purse{{Left: 90}, {Owner: 1, HasOwner: true, Left: 49}}
		}, 4, 0},
		{"jobs that wait have none", func(in *Input) {
			for i := range 12 {
				in.Queues[0].Jobs = append(in.Queues[0].Jobs, job(int32(i+1)))
			}
		}, 6, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world(t, 0, 20)
			in.Shapes[0].Boot, in.Shapes[0].Late = boot, boot*3/2
			c.with(in)
			d := Decide(in, router.NewMatcher())
			reserve := 0
			for _, w := range d.Want {
				if w.Reserve {
					reserve++
					if len(w.Jobs) > 0 || w.For.Jobs == 0 || w.For.Of != 3 || w.Owner != 1 || !w.HasOwner {
						t.Errorf("it is for %+v", w)
					}
				}
			}
			if len(d.Want) != c.want || reserve != c.reserve {
				t.Errorf("%d machines, %d of them in reserve, want %d and %d: %+v", len(d.Want), reserve, c.want, c.reserve, d.Want)
			}
		})
	}
}

// It is on its way for as long as those are that it is beside, and goes with them.
func TestTheReserveIsGivenUpWhenTheOthersAreThere(t *testing.T) {
	for _, c := range []struct {
		name           string
		needed, others int // on their way
		cancel         int
	}{
		{"four are needed", 4, 1, 0},
		{"one of them is there", 3, 1, 1},
		{"one in reserve is enough", 4, 3, 2},
		{"none is needed any more", 0, 2, 2},
	} {
		in := world(t, 0, 20)
		in.Shapes[0].Boot, in.Shapes[0].Late, in.Shapes[0].Idle, in.Shapes[0].Levels = boot, boot*3/2, 0, &Levels{}
		comingFor(in, c.needed)
		for i := range c.needed + c.others {
			in.Starting = append(in.Starting, Starting{Claim: uint32(i + 1), Free: in.Shapes[0].Offer, Up: time.Minute, Told: true})
		}
		if d := Decide(in, router.NewMatcher()); len(d.Cancel) != c.cancel || len(d.Want) > 0 {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}
