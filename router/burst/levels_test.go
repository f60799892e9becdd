package burst

import (
	"testing"
	"time"

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
			if got := l.Keep(now+c.idle, 0, 0, boot); (got > 0) != c.keep {
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
	end := l.Keep(now, 0, 0, boot)
	if end < 4*time.Minute {
		t.Fatalf("kept for %v, and it always comes back after 5 minutes", end)
	}
	for past := time.Duration(0); past < 4*time.Minute; past += 17 * time.Second {
		if l.Keep(now+past, 0, 0, boot) == 0 {
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
	if l.Keep(0, 0, 0, boot) < 0 || l.Keep(0, 99, 0, boot) < 0 {
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

func TestAnOutlookFollowsTheGraph(t *testing.T) {
	var r Runtimes
	for range 5 {
		r.Observe("split", time.Minute)
		r.Observe("work", 10*time.Minute)
	}
	g := group(t, 1, nil)
	nodes := []Node{
		{Group: g, Class: "split", State: Runs, Ran: 40 * time.Second},
		{Group: g, Class: "work", Parents: []int{0}},
		{Group: g, Class: "other", Parents: []int{1}},
		{Group: g, Class: "after", Parents: []int{2}},
		{Group: g, Class: "beyond", Parents: []int{3}},
		{Group: g, Class: "work", State: Over},
		{Group: g, Class: "split", Starts: 5 * time.Minute}, // a timetable's
		{Group: g, Class: "work", Parents: []int{6, 5}},
	}
	got := r.Outlook(nodes, boot, time.Hour)
	type soon struct {
		in     time.Duration
		unsure bool
	}
	want := []soon{
		{20 * time.Second, false},                      // 1
		{5 * time.Minute, false},                       // 6
		{6 * time.Minute, false},                       // 7
		{10*time.Minute + 20*time.Second, false},       // 2
		{10*time.Minute + 20*time.Second + boot, true}, // 3, behind one that nobody knows
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i].In != want[i].in || (got[i].Guess > 0) != want[i].unsure {
			t.Errorf("%d: in %v (%v of it guessed), want %v", i, got[i].In, got[i].Guess, want[i])
		}
	}
	if far := r.Outlook(nodes, boot, time.Minute); len(far) != 1 {
		t.Errorf("within a minute: %+v", far)
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
		{"nobody knows when, and it is likely", func(in *Input) { soon(in, 4, 4*boot, true) }, 2, 0, false},
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
		{"there is no room for more", func(in *Input) {
			soon(in, 40, boot, false)
			in.Shapes[0].Room = 3
		}, 3, 0, false},
		{"nor money", func(in *Input) {
			soon(in, 40, boot, false)
			in.Shapes[0].Cost = 10
			in.Purses = []Purse{{Left: 15}}
		}, 1, 0, false},
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
				if len(w.Jobs) > 0 {
					t.Errorf("it is bound to jobs that are not there: %+v", w)
				}
			}
		})
	}
}
