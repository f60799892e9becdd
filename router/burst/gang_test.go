package burst

import (
	"slices"
	"testing"
	"time"

	"gridburst/router"
)

// several is a world in which one job takes whole machines, so many at once.
func several(t *testing.T, nodes, room int) *Input {
	in := world(t, 1, room)
	in.Queues[0].Group = group(t, 7, map[string]string{"RequestCpus": "2"})
	in.Queues[0].Group.Nodes = nodes
	return in
}

func TestJobsOfSeveralNodesGetAllOrNothing(t *testing.T) {
	whole := router.Resources{Cpus: 2, MemoryMB: 2000, DiskKB: 1 << 20}
	member := func(in *Input, claim uint32, idle time.Duration, drains bool) {
		s := router.Slot{ID: claim, Class: in.Shapes[0].Class, Total: whole, Free: whole}
		if idle == 0 {
			s.Free.Cpus = 0
		}
		in.Members = append(in.Members, Member{Claim: claim, Slot: s, Idle: idle, Draining: drains})
	}
	for _, c := range []struct {
		name    string
		room    int
		with    func(*Input)
		want    int
		undrain []uint32
		drain   []uint32
		refused bool
	}{
		{name: "all are started", room: 4, want: 4},
		{name: "there is room for three of four", room: 3, refused: true},
		{name: "what is idle is set aside, and not let go", room: 3, want: 3, with: func(in *Input) { member(in, 1, time.Hour, false) }},
		{name: "there are not enough, and what is idle goes", room: 2, refused: true, drain: []uint32{1}, with: func(in *Input) { member(in, 1, time.Hour, false) }},
		{name: "drains are taken back", room: 3, want: 3, undrain: []uint32{1}, with: func(in *Input) { member(in, 1, time.Hour, true) }},
		{name: "what is on its way counts when nobody has it", room: 2, want: 2, with: func(in *Input) {
			in.Starting = []Starting{{Claim: 5, Free: whole}, {Claim: 6, Free: whole}, {Claim: 7, Free: router.Resources{Cpus: 1}}}
		}},
		{name: "busy ones that end before a machine is up count", room: 3, want: 3, with: func(in *Input) {
			in.Shapes[0].Boot = time.Minute
			member(in, 1, 0, false)
			in.Busy = []Busy{{Slot: in.Members[0].Slot, Claim: 1, Due: []Due{{In: 30 * time.Second, Part: router.Resources{Cpus: 2}}}}}
		}},
		{name: "those that end later do not", room: 3, refused: true, with: func(in *Input) {
			in.Shapes[0].Boot = time.Minute
			member(in, 1, 0, false)
			in.Busy = []Busy{{Slot: in.Members[0].Slot, Claim: 1, Due: []Due{{In: 90 * time.Second, Part: router.Resources{Cpus: 2}}}}}
		}},
		{name: "what is free in the pool counts", room: 3, want: 3, with: func(in *Input) {
			in.Free = []router.Slot{{ID: 9, Class: in.Shapes[0].Class, Total: whole, Free: whole}}
		}},
		{name: "a machine counts for as many nodes as it holds", room: 2, want: 2, with: func(in *Input) {
			in.Queues[0].Group = group(t, 7, map[string]string{"RequestCpus": "1"})
			in.Queues[0].Group.Nodes = 4
		}},
		{name: "the last machine may have some left over", room: 2, want: 2, with: func(in *Input) {
			in.Queues[0].Group = group(t, 7, map[string]string{"RequestCpus": "1"})
			in.Queues[0].Group.Nodes = 3
		}},
		{name: "there is room for fewer nodes than it has", room: 2, refused: true, with: func(in *Input) {
			in.Queues[0].Group = group(t, 7, map[string]string{"RequestCpus": "1"})
			in.Queues[0].Group.Nodes = 5
		}},
		{name: "money for three of four", room: 9, refused: true, with: func(in *Input) {
			in.Shapes[0].Cost = 10
			in.Purses = []Purse{{Left: 39}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := several(t, 4, c.room)
			if c.with != nil {
				c.with(in)
			}
			d := Decide(in, router.NewMatcher())
			if len(d.Want) != c.want || !slices.Equal(d.Undrain, c.undrain) || !slices.Equal(d.Drain, c.drain) || (d.Unmet > 0) != c.refused || (len(d.Refused) > 0) != c.refused {
				t.Errorf("%+v", d)
			}
		})
	}
}
