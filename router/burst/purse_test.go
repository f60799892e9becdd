package burst

import (
	"slices"
	"testing"
	"time"

	"gridburst/router"
)

// owned is a world of two owners, with n jobs each, and machines for one job.
func owned(t *testing.T, n int) *Input {
	in := world(t, n, 20)
	in.Shapes[0].Offer.Cpus = 1
	in.Shapes[0].Cost, in.Shapes[0].Price = 10, 10
	other := in.Queues[0]
	other.Owner, other.Jobs = 2, nil
	for i := range n {
		other.Jobs = append(other.Jobs, job(int32(100+i)))
	}
	in.Queues = append(in.Queues, other)
	return in
}

func TestPursesAreNotOverdrawn(t *testing.T) {
	for _, c := range []struct {
		name   string
		purses []Purse
		want   map[uint32]int // machines by owner
		why    []Refusal
	}{
		{"there is none", nil, map[uint32]int{1: 4, 2: 4}, nil},
		{"one for all", []Purse{{Name: "day", Left: 35}}, map[uint32]int{1: 2, 2: 1}, []Refusal{
			{Owner: 1, Jobs: 2, Why: NoMoney}, {Owner: 2, Jobs: 3, Why: NoMoney},
		}},
		{"one owner's", []Purse{{Name: "ada", Owner: 1, HasOwner: true, Left: 19}}, map[uint32]int{1: 1, 2: 4}, []Refusal{
			{Owner: 1, Jobs: 3, Why: NoMoney},
		}},
		{"an owner's that is empty, and one for all", []Purse{{Name: "bob", Owner: 2, HasOwner: true, Left: -5}, {Name: "day", Left: 20}}, map[uint32]int{1: 2}, []Refusal{
			{Owner: 1, Jobs: 2, Why: NoMoney, Purse: 1}, {Owner: 2, Jobs: 4, Why: NoMoney},
		}},
		{"one of another shape", []Purse{{Name: "other", Shapes: []int{1}}}, map[uint32]int{1: 4, 2: 4}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := owned(t, 4)
			in.Purses = c.purses
			d := Decide(in, router.NewMatcher())
			got := map[uint32]int{}
			for _, w := range d.Want {
				got[w.Owner]++
			}
			if len(got) != len(c.want) || got[1] != c.want[1] || got[2] != c.want[2] {
				t.Errorf("wanted %v, not %v", got, c.want)
			}
			if !slices.Equal(d.Refused, c.why) {
				t.Errorf("refused %+v, not %+v", d.Refused, c.why)
			}
		})
	}
}

// Who has no money may have what is left over of another's machine.
func TestWhoCannotPayRidesAlong(t *testing.T) {
	in := owned(t, 1)
	in.Shapes[0].Offer.Cpus = 2
	in.Purses = []Purse{{Owner: 1, HasOwner: true}}
	d := Decide(in, router.NewMatcher())
	if len(d.Want) != 1 || d.Want[0].Owner != 2 || len(d.Want[0].Jobs) != 2 || len(d.Refused) > 0 || d.Unmet > 0 {
		t.Errorf("one machine is for both: %+v", d)
	}
}

func TestMachinesAreStartedAheadOnlyWithMoney(t *testing.T) {
	in := world(t, 0, 9)
	in.Shapes[0].Min, in.Shapes[0].Cost = 5, 10
	in.Purses = []Purse{{Left: 29}, {Owner: 1, HasOwner: true}} // of an owner's there is no question
	if d := Decide(in, router.NewMatcher()); len(d.Want) != 2 {
		t.Errorf("wanted %d", len(d.Want))
	}
}

func TestShapesAreChosenByPriceForWhatIsUsed(t *testing.T) {
	sizes := func(prices ...int64) func(*Input) {
		return func(in *Input) {
			in.Shapes = in.Shapes[:0]
			for i, p := range prices {
				cpus := int64(2) << (2 * i) // 2, 8, 32
				in.Shapes = append(in.Shapes, Shape{
					Class: class(t, uint32(20+i), nil), Offer: router.Resources{Cpus: cpus, MemoryMB: 1 << 20, DiskKB: 1 << 20},
					Room: 10, Price: p, Cost: p, Boot: time.Minute,
				})
			}
		}
	}
	for _, c := range []struct {
		name string
		jobs int
		with func(*Input)
		want []int // machines of each shape
	}{
		{"the same for a cpu: the first that is full", 2, sizes(20, 80, 320), []int{1, 0, 0}},
		{"one job is for the smallest", 1, sizes(20, 80, 320), []int{1, 0, 0}},
		{"a large one is cheap, and filled", 8, sizes(20, 60, 320), []int{0, 1, 0}},
		{"what is left over is for a small one", 9, sizes(20, 60, 320), []int{1, 1, 0}},
		{"a large one costs less even for one job", 1, sizes(20, 10, 320), []int{0, 1, 0}},
		{"nobody says a price: as configured", 9, sizes(0, 0, 0), []int{5, 0, 0}},
		{"what costs nothing is taken first", 3, sizes(20, 0, 320), []int{0, 1, 0}},
		{"of the cheap one there is no room", 4, func(in *Input) {
			sizes(20, 10, 320)(in)
			in.Shapes[1].Room = 0
		}, []int{2, 0, 0}},
		{"one that boots for long wastes more", 2, func(in *Input) {
			sizes(20, 80, 320)(in)
			in.Shapes = append(in.Shapes, in.Shapes[0])
			in.Shapes[0].Boot = time.Hour
		}, []int{0, 0, 0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world(t, c.jobs, 0)
			c.with(in)
			got := make([]int, len(in.Shapes))
			jobs := 0
			d := Decide(in, router.NewMatcher())
			for _, w := range d.Want {
				got[w.Shape]++
				jobs += len(w.Jobs)
			}
			if !slices.Equal(got, c.want) || jobs != c.jobs {
				t.Errorf("wanted %v for %d jobs, not %v", got, jobs, c.want)
			}
		})
	}
}

// A machine that is paid for until its period ends stays until then, and goes in time.
func TestMachinesGoAtTheEndOfWhatIsPaid(t *testing.T) {
	for _, c := range []struct {
		up, idle time.Duration
		again    time.Duration // 0: it goes now
	}{
		{10 * time.Minute, 5 * time.Minute, 48 * time.Minute},
		{58*time.Minute + time.Second, 5 * time.Minute, 0},
		{59 * time.Minute, time.Second, 59 * time.Second},
		{61 * time.Minute, 50 * time.Minute, 57 * time.Minute},
	} {
		in := world(t, 0, 9)
		in.Shapes[0].Period, in.Shapes[0].Stop = time.Hour, 2*time.Minute
		in.Members = []Member{{Claim: 1, Idle: c.idle, Up: c.up}}
		d := Decide(in, router.NewMatcher())
		if gone := len(d.Drain) == 1; gone != (c.again == 0) || d.Again != c.again {
			t.Errorf("up for %v, idle for %v: drained %v, again in %v, want %v", c.up, c.idle, d.Drain, d.Again, c.again)
		}
	}
}

// Who asks for machines gets those that are lacking on an account of their own; what is there
// counts for the first that ask, and is kept.
func TestWhoAsksForMachinesPays(t *testing.T) {
	in := world(t, 0, 9)
	in.Shapes[0].Cost = 10
	in.Members = []Member{{Claim: 2, Idle: time.Hour}}
	in.Purses = []Purse{{Left: 100}, {Owner: 1, HasOwner: true, Left: 19}, {Owner: 2, HasOwner: true, Left: 100}}
	in.Shapes[0].Asked = []Asked{{Of: 7, Owner: 1, Count: 4}, {Of: 8, Owner: 2, Count: 2}}
	d := Decide(in, router.NewMatcher())
	got := map[uint32]int{}
	for _, w := range d.Want {
		if !w.HasOwner || w.Owner != map[uint32]uint32{7: 1, 8: 2}[w.Asked] {
			t.Errorf("wanted %+v", w)
		}
		got[w.Asked]++
	}
	if got[7] != 1 || got[8] != 2 || len(d.Drain) > 0 {
		t.Errorf("of three that the first lacks and two of the second there are %v; drained %v", got, d.Drain)
	}
	in.Shapes[0].Asked = in.Shapes[0].Asked[:0]
	if d := Decide(in, router.NewMatcher()); len(d.Want) > 0 || len(d.Drain) != 1 {
		t.Errorf("nobody asks, and it is %+v", d)
	}
}
