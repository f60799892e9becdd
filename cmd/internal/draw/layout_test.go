package draw

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gridburst/schedd/api"
)

// Whatever the graph, nobody stands above what it waits for, and no two boxes meet.
func TestBoxesStandBelowWhatTheyWaitForAndApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p picture
		for i := range rapid.IntRange(1, 40).Draw(t, "nodes") {
			n := api.DagNode{Name: strings.Repeat("n", rapid.IntRange(1, 12).Draw(t, "name")), State: "waiting"}
			for q := range i {
				switch rapid.IntRange(0, 9).Draw(t, "edge") {
				case 0:
					n.Parents = append(n.Parents, int32(q))
				case 1:
					n.Parents = append(n.Parents, -1-int32(q))
				}
			}
			p.nodes = append(p.nodes, n)
		}
		at, width, height := p.layout()
		for i, n := range p.nodes {
			if at[i].x-at[i].width/2 < 0 || at[i].x+at[i].width/2 > width || at[i].y < 0 || at[i].y > height {
				t.Fatalf("node %d is outside of the drawing: %+v", i, at[i])
			}
			for _, q := range n.Parents {
				if q < 0 {
					q = -1 - q
				}
				if at[q].y >= at[i].y {
					t.Fatalf("node %d is not below %d", i, q)
				}
			}
			for j := range i {
				if at[i].y == at[j].y && max(at[i].x-at[i].width/2, at[j].x-at[j].width/2) < min(at[i].x+at[i].width/2, at[j].x+at[j].width/2) {
					t.Fatalf("nodes %d and %d meet", i, j)
				}
			}
		}
		if svg, err := p.svg(); err != nil || strings.Count(string(svg), "<rect x=") != len(p.nodes) {
			t.Fatalf("the drawing is %s (%v)", svg, err)
		}
	})
}
