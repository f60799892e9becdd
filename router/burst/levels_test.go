package burst

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gridburst/router"
)

const boot = 2 * time.Minute

// learn has a level be needed and not, for gaps of a length.
func learn(l *Levels, now *time.Duration, gap time.Duration, times int) {
	for range times {
		l.Observe(*now, 1, 1)
		*now += time.Minute
		l.Observe(*now, 0, 0)
		*now += gap
	}
}

func TestALevelIsKeptForAsLongAsItIsWorth(t *testing.T) {
	for _, c := range []struct {
		name  string
		gap   time.Duration // 0: none was seen
		times int
		idle  time.Duration
		keep  bool
	}{
		{"nothing is known: about a boot", 0, 0, 30 * time.Second, true},
		{"nothing is known: not for long", 0, 0, 10 * time.Minute, false},
		{"it comes back within minutes", 3 * time.Minute, 20, time.Second, true},
		{"it comes back within minutes, and is nearly there", 3 * time.Minute, 20, 2 * time.Minute, true},
		{"it comes back within hours", 5 * time.Hour, 20, time.Second, false},
		{"it has been away for longer than ever", 3 * time.Minute, 20, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Levels
			now := time.Duration(0)
			learn(&l, &now, c.gap, c.times)
			l.Observe(now, 1, 1)
			l.Observe(now, 0, 0)
			if got := l.Keep(now+c.idle, 0, 0, boot, false); (got > 0) != c.keep {
				t.Errorf("kept for %v", got)
			}
		})
	}
}

// What is said of how long to keep does not depend on when it is asked.
func TestTheEndOfAKeepStaysWhereItIs(t *testing.T) {
	var l Levels
	now := time.Duration(0)
	learn(&l, &now, 5*time.Minute, 30)
	l.Observe(now, 1, 1)
	l.Observe(now, 0, 0)
	end := l.Keep(now, 0, 0, boot, false)
	if end < 4*time.Minute {
		t.Fatalf("kept for %v, and it always comes back after 5 minutes", end)
	}
	for past := time.Duration(0); past < 4*time.Minute; past += 17 * time.Second {
		if l.Keep(now+past, 0, 0, boot, false) == 0 {
			t.Errorf("after %v it is let go", past)
		}
	}
}

// What was started and never needed goes too: the memory is lost with its daemon.
func TestAMachineOfWhichNothingIsKnownGoes(t *testing.T) {
	in := world(t, 0, 9)
	in.Shapes[0].Idle, in.Shapes[0].Boot, in.Shapes[0].Levels = 0, boot, &Levels{}
	in.Members = []Member{{Claim: 1, Idle: time.Second}}
	if d := Decide(in, router.NewMatcher()); len(d.Drain) > 0 || d.Again <= 0 {
		t.Errorf("%+v", d)
	}
	in.Members[0].Idle = 10 * time.Minute
	if d := Decide(in, router.NewMatcher()); len(d.Drain) != 1 {
		t.Errorf("%+v", d)
	}
}

// A clock that stands or starts anew does no harm.
func TestAClockThatGoesBackKeeps(t *testing.T) {
	var l Levels
	now := time.Hour
	learn(&l, &now, time.Minute, 5)
	if l.Keep(0, 0, 0, boot, false) < 0 || l.Keep(0, 99, 0, boot, false) < 0 {
		t.Error("kept for less than nothing")
	}
}

func TestWhatIsLearntDecides(t *testing.T) {
	in := world(t, 0, 9)
	in.Shapes[0].Boot, in.Shapes[0].Idle = boot, 0
	for _, gap := range []time.Duration{3 * time.Minute, 5 * time.Hour} {
		l := &Levels{}
		now := time.Duration(0)
		learn(l, &now, gap, 20)
		l.Observe(now, 1, 1)
		l.Observe(now, 0, 0)
		in.Shapes[0].Levels, in.Clock = l, now+time.Minute
		in.Members = []Member{{Claim: 1, Idle: time.Minute}}
		in.Starting = []Starting{{Claim: 2, Free: in.Shapes[0].Offer}} // nobody waits for 2 any more
		d := Decide(in, router.NewMatcher())
		switch back := gap < time.Hour; {
		case back && (len(d.Drain) > 0 || d.Again <= 0):
			t.Errorf("it comes back after %v, and was let go: %+v", gap, d)
		case !back && (len(d.Drain) != 1 || len(d.Cancel) != 1 || d.Cancel[0] != 2):
			t.Errorf("it comes back after %v, and was kept: %+v", gap, d)
		}
	}
}

func TestRunTimesAreBelievedWhenThereAreEnough(t *testing.T) {
	var r Runtimes
	if _, ok := r.Awaits("a", 0, boot); ok {
		t.Error("nothing is known of a")
	}
	for range 2 {
		r.Observe("a", time.Minute)
	}
	if _, ok := r.Awaits("a", 0, boot); ok {
		t.Error("two are not enough")
	}
	for range 20 {
		r.Observe("a", time.Minute)
		r.Observe("b", time.Hour)
	}
	if in, ok := r.Awaits("a", 30*time.Second, boot); !ok || in > 40*time.Second {
		t.Errorf("half a minute is left, not %v (%v)", in, ok)
	}
	if _, ok := r.Awaits("a", 2*time.Minute, boot); ok {
		t.Error("it has run for longer than any: nobody knows")
	}
	if _, ok := r.Awaits("b", 0, boot); ok {
		t.Error("an hour is longer than a boot")
	}
	for range maxRuns {
		r.Observe("b", time.Minute)
	}
	if _, ok := r.Awaits("b", 0, boot); !ok {
		t.Error("what was long ago counts still")
	}
}

// Of kinds that nobody has seen the kinds that have ended tell: the one in the middle of them and
// a boot, and of two in the middle the longer one.
func TestAKindThatNobodyHasSeenIsAsOthersAre(t *testing.T) {
	for _, c := range []struct {
		name  string
		kinds [][]int // seconds
		jobs  []int   // of others that are no nodes
		want  time.Duration
	}{
		{"nothing has ended", nil, nil, boot},
		{"one that is short says nothing", [][]int{{2}}, nil, boot},
		{"one that is long does", [][]int{{900}}, nil, 900 * time.Second},
		{"a boot is in the middle", [][]int{{2}, {900}}, nil, boot},
		{"two that are short", [][]int{{2}, {70}}, nil, 70 * time.Second},
		{"four alike", [][]int{{73}, {64}, {70}, {68}}, nil, 70 * time.Second},
		{"each kind counts once, by its own middle", [][]int{{1, 60, 61}, {50}, {1, 1, 1, 1, 1, 1, 1}}, nil, 60 * time.Second},
		{"jobs that are no nodes say nothing of them", nil, []int{5, 6, 7}, boot},
	} {
		var r Runtimes
		for i, runs := range c.kinds {
			for _, s := range runs {
				r.ObserveNode(string(rune('a'+i)), time.Duration(s)*time.Second)
			}
		}
		for i, s := range c.jobs {
			r.Observe(string(rune('A'+i)), time.Duration(s)*time.Second)
		}
		if got := r.Unseen(boot); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What is kept of kinds is as if it were worked out anew, also when run times are forgotten.
func TestTheMiddleOfKindsFollowsThem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var r Runtimes
		for range rapid.IntRange(0, 200).Draw(rt, "nodes") {
			run := time.Duration(rapid.IntRange(0, 5).Draw(rt, "run")) * time.Minute
			if kind := rapid.SampledFrom([]string{"a", "b", "c", "d", ""}).Draw(rt, "kind"); rapid.Bool().Draw(rt, "node") {
				r.ObserveNode(kind, run)
			} else {
				r.Observe(kind, run)
			}
		}
		all := []time.Duration{boot}
		for _, c := range r.by {
			if c.kind {
				all = append(all, c.sorted[(len(c.sorted)-1)/2])
			}
		}
		if slices.Sort(all); r.Unseen(boot) != all[len(all)/2] {
			rt.Fatalf("%v of %v", r.Unseen(boot), all)
		}
	})
}

// Who waits for nodes that nobody knows is foreseen by what others took; the slot of such a
// node is held for a boot at least.
func TestAnOutlookGuessesByWhatHasEnded(t *testing.T) {
	var r Runtimes
	for i, s := range []int{64, 68, 70, 73} {
		r.ObserveNode(string(rune('a'+i)), time.Duration(s)*time.Second)
	}
	g := group(t, 1, nil)
	got, _ := r.Outlook(&Flow{Nodes: []Node{
		{Group: g, Class: "new", State: Runs, Ran: 10 * time.Second, Lane: -1},
		{Group: g, Class: "newer", Parents: []int32{0}, Lane: -1},
		{Group: g, Class: "a", Parents: []int32{1}, Lane: -1},
	}}, boot, time.Hour)
	want := []Soon{
		{Group: g, In: 80 * time.Second, Guess: 80 * time.Second, Run: boot},
		{Group: g, In: 150 * time.Second, Guess: 150 * time.Second, Run: 64 * time.Second},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	part := router.Resources{Cpus: 1}
	b := r.Busy(router.Slot{}, 0, []Running{{Class: "new", Ran: 10 * time.Second, Part: part}, {Class: "a", Ran: 10 * time.Second, Part: part}}, boot, nil)
	if due := []Due{{10*time.Second + boot, part, true}, {54 * time.Second, part, true}}; !slices.Equal(b.Due, due) {
		t.Errorf("slots are held for %+v, want %+v", b.Due, due)
	}
}

func TestAnOutlookFollowsTheGraph(t *testing.T) {
	var r Runtimes
	for range 5 {
		r.Observe("split", time.Minute)
		r.Observe("work", 10*time.Minute)
	}
	g := group(t, 1, nil)
	f := &Flow{Of: 7, Nodes: []Node{
		{Group: g, Class: "split", State: Runs, Ran: 40 * time.Second, Lane: -1},
		{Group: g, Class: "work", Parents: []int32{0}, Lane: -1},
		{State: Passes, Parents: []int32{1}, Lane: -1},
		{Group: g, Class: "other", Parents: []int32{2}, Lane: -1},
		{Group: g, Class: "after", Parents: []int32{3}, Lane: -1},
		{Group: g, Class: "beyond", Parents: []int32{4}, Lane: -1},
		{Group: g, Class: "split", State: Waits, Starts: 5 * time.Minute, Lane: -1},
		{Group: g, Class: "work", Parents: []int32{6}, Procs: 2, Lane: -1},
		{Group: g, Class: "split", State: Stalls, Lane: -1},
		{Group: g, Class: "work", Parents: []int32{8}, Lane: -1},
		{Group: g, Class: "far", Parents: []int32{5}, Lane: -1},
	}}
	got, all := r.Outlook(f, boot, time.Hour)
	type soon struct {
		in               time.Duration
		unsure, whenever bool
	}
	want := []soon{
		{20 * time.Second, false, false},                      // 1
		{time.Minute, false, true},                            // 9, behind one of which nobody can say when it goes on
		{6 * time.Minute, false, false},                       // 7
		{6 * time.Minute, false, false},                       // its other job
		{10*time.Minute + 20*time.Second, false, false},       // 3, past what takes no time
		{10*time.Minute + 20*time.Second + boot, true, false}, // 4, behind one that nobody knows
		{10*time.Minute + 20*time.Second + 2*boot, true, false},
		{10*time.Minute + 20*time.Second + 3*boot, true, true}, // 10, behind three of those
	}
	if len(got) != len(want) || !all {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i].In != want[i].in || (got[i].Guess > 0) != want[i].unsure || got[i].Whenever != want[i].whenever || got[i].Of != 7 {
			t.Errorf("%d: %+v, want %v", i, got[i], want[i])
		}
	}
	if far, _ := r.Outlook(f, boot, 30*time.Second); len(far) != 1 {
		t.Errorf("within half a minute: %+v", far)
	}
	f.Nodes[1].Group = nil
	if got, all := r.Outlook(f, boot, time.Hour); all || len(got) != len(want)-1 {
		t.Errorf("nobody knows what a node asks for, and there are %+v (all: %v)", got, all)
	}
}

// Of nodes that a limit lets go one after the other, each comes when one before has ended.
func TestAnOutlookKeepsToLimits(t *testing.T) {
	var r Runtimes
	for range 5 {
		r.Observe("work", time.Minute)
	}
	g := group(t, 1, nil)
	for _, c := range []struct {
		name    string
		maxJobs int
		lanes   []int
		want    []int // seconds
	}{
		{"none", 0, []int{0}, []int{0, 0, 0, 0}},
		{"two of the run", 2, []int{0}, []int{0, 40, 60, 100}},
		{"one of a lane, and one node in none", 0, []int{1}, []int{0, 40, 100, 160}},
	} {
		f := &Flow{MaxJobs: c.maxJobs, Lanes: c.lanes, Nodes: []Node{{Group: g, Class: "work", State: Runs, Ran: 20 * time.Second}}}
		for i := range 4 {
			f.Nodes = append(f.Nodes, Node{Group: g, Class: "work", Lane: min(0, 2-i)})
		}
		got, _ := r.Outlook(f, boot, time.Hour)
		var in []int
		for _, s := range got {
			in = append(in, int(s.In.Seconds()))
		}
		if !slices.Equal(in, c.want) {
			t.Errorf("%s: %v, want %v", c.name, in, c.want)
		}
	}
}

func TestMachinesAreThereWhenJobsCome(t *testing.T) {
	soon := func(in *Input, n int, after time.Duration, unsure bool) {
		for range n {
			s := Soon{Owner: 1, Group: in.Queues[0].Group, In: after}
			if unsure {
				s.Guess = after
			}
			in.Soon = append(in.Soon, s)
		}
	}
	for _, c := range []struct {
		name        string
		with        func(*Input)
		want, drain int
		again       bool
	}{
		{"it is time", func(in *Input) { soon(in, 4, boot, false) }, 2, 0, false},
		{"it is early", func(in *Input) { soon(in, 4, time.Hour, false) }, 0, 0, true},
		{"nobody knows when, and it is likely", func(in *Input) { soon(in, 4, boot, true) }, 2, 0, false},
		{"it is guessed to be later than a boot", func(in *Input) { soon(in, 4, 2*boot-time.Second, true) }, 2, 0, false},
		{"it is guessed to be later than two, and nothing is ground for that", func(in *Input) { soon(in, 4, 2*boot, true) }, 0, 0, false},
		{"they come at once, and are looked at when they have", func(in *Input) { soon(in, 4, time.Second, false) }, 0, 0, true},
		{"nobody can say when", func(in *Input) {
			soon(in, 4, boot, true)
			for i := range in.Soon {
				in.Soon[i].Whenever = true
			}
		}, 0, 0, false},
		{"nobody knows when, and it may be long", func(in *Input) { soon(in, 4, 100*boot, true) }, 0, 0, false},
		{"it is known to be early, and not how early", func(in *Input) {
			in.Soon = []Soon{{Owner: 1, Group: in.Queues[0].Group, In: time.Hour + boot, Guess: boot}}
		}, 0, 0, true},
		{"an idle machine is kept for them", func(in *Input) {
			soon(in, 2, time.Minute, false)
			in.Members = []Member{{Claim: 1, Idle: time.Hour, Slot: router.Slot{Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer, Free: in.Shapes[0].Offer}}}
		}, 0, 0, false},
		{"one that is idle too early is let go meanwhile", func(in *Input) {
			soon(in, 2, time.Hour, false)
			in.Members = []Member{{Claim: 1, Idle: time.Hour, Slot: router.Slot{Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer, Free: in.Shapes[0].Offer}}}
		}, 0, 1, true},
		{"a busy one is free by then", func(in *Input) {
			soon(in, 1, boot, false)
			s := router.Slot{Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer, Free: in.Shapes[0].Offer}
			s.Free.Cpus = 0
			in.Members = []Member{{Claim: 1, Slot: s}}
			in.Busy = []Busy{{Slot: s, Claim: 1, Due: []Due{{In: time.Minute, Part: router.Resources{Cpus: 1}, Unsure: true}}}}
		}, 0, 0, false},
		{"a busy one is free so soon after that it is worth the wait", func(in *Input) {
			soon(in, 1, boot, false)
			s := router.Slot{Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer}
			in.Members = []Member{{Claim: 1, Slot: s}}
			in.Busy = []Busy{{Slot: s, Claim: 1, Due: []Due{{In: boot + boot/10, Part: in.Shapes[0].Offer}}}}
		}, 0, 0, false},
		{"a busy one is free too late for them", func(in *Input) {
			soon(in, 1, boot, false)
			s := router.Slot{Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer}
			in.Members = []Member{{Claim: 1, Slot: s}}
			in.Busy = []Busy{{Slot: s, Claim: 1, Due: []Due{{In: boot + boot/2, Part: in.Shapes[0].Offer}}}}
		}, 1, 0, false},
		{"one job after the other on one machine", func(in *Input) {
			for i := range 3 {
				in.Soon = append(in.Soon, Soon{Owner: 1, Group: in.Queues[0].Group, In: boot + time.Duration(i)*boot/10, Run: boot / 10})
			}
		}, 1, 0, false},
		{"there is no room for more", func(in *Input) {
			soon(in, 40, boot, false)
			in.Shapes[0].Room = 3
		}, 3, 0, false},
		{"nor money", func(in *Input) {
			soon(in, 40, boot, false)
			in.Shapes[0].Cost = 10
			in.Purses = []Purse{{Left: 15}}
		}, 1, 0, false},
		{"nor of their owner's", func(in *Input) {
			soon(in, 40, boot, false)
			in.Shapes[0].Cost = 10
			in.Purses = []Purse{{Left: 25, Owner: 1, HasOwner: true}, {Left: 0, Owner: 2, HasOwner: true}}
		}, 2, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world(t, 0, 9)
			in.Shapes[0].Boot, in.Shapes[0].Late = boot, 3*time.Minute
			c.with(in)
			d := Decide(in, router.NewMatcher())
			if len(d.Want) != c.want || len(d.Drain) != c.drain || (d.Again > 0) != c.again {
				t.Errorf("%+v", d)
			}
			for _, w := range d.Want {
				if len(w.Jobs) > 0 || w.For.Jobs == 0 {
					t.Errorf("it is bound to jobs that are not there, or for nothing: %+v", w)
				}
			}
		})
	}
}

// What a machine was needed for is known to be over: it is let go at once, unless others have
// come back to it, or more may come.
func TestAMachineGoesWithTheTailOfItsWorkflow(t *testing.T) {
	for _, c := range []struct {
		name        string
		with        func(*Input)
		drain, keep int
	}{
		{"nobody can explain its work", func(in *Input) { in.Members[0].Told = false }, 0, 0},
		{"nothing more comes", func(*Input) {}, 1, 0},
		{"more comes than is known", func(in *Input) { in.Vague = true }, 0, 0},
		{"a node will need it", func(in *Input) { in.Soon = []Soon{{Of: 3, Owner: 1, Group: in.Queues[0].Group, In: time.Minute}} }, 0, 1},
		{"a node may, and nobody can say when", func(in *Input) {
			in.Soon = []Soon{{Owner: 1, Group: in.Queues[0].Group, In: time.Minute, Guess: time.Minute, Whenever: true}}
		}, 0, 0},
		{"others have come back each time", func(in *Input) {
			now := time.Duration(0)
			learn(in.Shapes[0].Levels, &now, 2*time.Minute, 20)
			in.Shapes[0].Levels.Observe(now, 1, 1)
			in.Shapes[0].Levels.Observe(now, 0, 0)
			in.Clock = now + 10*time.Second
		}, 0, 0},
	} {
		in := world(t, 0, 9)
		in.Shapes[0].Boot, in.Shapes[0].Levels, in.Shapes[0].Idle = boot, &Levels{}, 0
		in.Members = []Member{{Claim: 1, Idle: time.Second, Told: true, Slot: router.Slot{Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer, Free: in.Shapes[0].Offer}}}
		c.with(in)
		d := Decide(in, router.NewMatcher())
		if len(d.Drain) != c.drain || len(d.Keep) != c.keep || c.keep > 0 && d.Keep[0] != (Keep{1, Ahead{3, 1, time.Minute, 0}}) {
			t.Errorf("%s: %+v", c.name, d)
		}
		// So does one that is on its way, however far.
		m := in.Members[0]
		in.Members, in.Starting = nil, []Starting{{Claim: 1, Free: in.Shapes[0].Offer, Up: boot - time.Second, Told: m.Told}}
		if d := Decide(in, router.NewMatcher()); len(d.Cancel) != c.drain || len(d.Keep) != c.keep {
			t.Errorf("%s, on its way: %+v", c.name, d)
		}
	}
}

// What is on its way may be there before what others wait for: it is given up when nobody waits
// who could use it.
func TestAMachineOnItsWayStaysWhileJobsWait(t *testing.T) {
	for _, c := range []struct {
		name   string
		with   func(*Input)
		cancel int
	}{
		{"nobody waits", func(*Input) {}, 1},
		{"jobs are bound to another that is on its way", func(in *Input) {
			s := Starting{Claim: 2, Free: in.Shapes[0].Offer, Told: true}
			s.Free.Cpus--
			in.Starting = append(in.Starting, s)
		}, 0},
		{"jobs wait for what is busy, and will soon be free", func(in *Input) {
			s := router.Slot{ID: 5, Class: in.Shapes[0].Class, Total: in.Shapes[0].Offer}
			in.Busy = []Busy{{Slot: s, Turns: 10}}
			in.Queues[0].Jobs = []router.Job{job(1), job(2)}
		}, 0},
		{"what waits no such machine could run", func(in *Input) {
			in.Queues[0].Jobs = []router.Job{job(1)}
			in.Queues[0].Group = group(t, 2, map[string]string{"RequestCpus": "64"})
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := world(t, 0, 0)
			in.Shapes[0].Boot, in.Shapes[0].Levels, in.Shapes[0].Idle = boot, &Levels{}, 0
			in.Starting = []Starting{{Claim: 1, Free: in.Shapes[0].Offer, Up: boot - time.Second, Told: true}}
			c.with(in)
			if d := Decide(in, router.NewMatcher()); len(d.Cancel) != c.cancel || len(d.Drain) > 0 {
				t.Errorf("%+v", d)
			}
		})
	}
}
