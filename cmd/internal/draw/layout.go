package draw

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// placed is where a node stands, in pixels: the middle of its box, and how wide that is.
type placed struct{ x, y, width float64 }

// Sizes of the drawing, in pixels.
const (
	letter  = 7.2
	boxHigh = 28.0
	gapX    = 18.0
	gapY    = 52.0
	margin  = 20.0
	sweeps  = 6
)

// layout puts every node into the layer below all that it waits for, and orders the layers
// so that few edges cross: each node goes to the middle of its neighbours, down and up some
// times (Sugiyama's way). Nodes that wait for nothing and that nothing waits for, such as
// services, come first; a final node comes last.
func (p *picture) layout() (at []placed, width, height float64) {
	n := len(p.nodes)
	parents, children := make([][]int, n), make([][]int, n)
	for i := range p.nodes {
		for _, q := range p.nodes[i].Parents {
			if q < 0 {
				q = -1 - q
			}
			parents[i] = append(parents[i], int(q))
			children[q] = append(children[q], i)
		}
	}
	layers := layered(parents, children)
	for i := range p.nodes {
		if p.nodes[i].Kind == "final" {
			k := slices.IndexFunc(layers, func(l []int) bool { return slices.Contains(l, i) })
			layers[k] = slices.DeleteFunc(layers[k], func(j int) bool { return j == i })
			layers = append(layers, []int{i})
		}
	}
	layers = slices.DeleteFunc(layers, func(l []int) bool { return len(l) == 0 })

	place := make([]float64, n) // in its layer, as a share of it
	number := func() {
		for _, l := range layers {
			for k, i := range l {
				place[i] = (float64(k) + 0.5) / float64(len(l))
			}
		}
	}
	number()
	for s := range sweeps {
		near := parents
		if s%2 == 1 {
			near = children
		}
		for _, l := range layers {
			middle := map[int]float64{}
			for _, i := range l {
				middle[i] = place[i]
				if len(near[i]) > 0 {
					sum := 0.0
					for _, q := range near[i] {
						sum += place[q]
					}
					middle[i] = sum / float64(len(near[i]))
				}
			}
			slices.SortStableFunc(l, func(a, b int) int { return cmp.Compare(middle[a], middle[b]) })
		}
		number()
	}

	at = make([]placed, n)
	wide := make([]float64, len(layers))
	for k, l := range layers {
		for _, i := range l {
			at[i].width = letter*float64(utf8.RuneCountInString(p.nodes[i].Name)) + 20
			wide[k] += at[i].width + gapX
		}
		width = max(width, wide[k]-gapX)
	}
	for k, l := range layers {
		x := margin + (width-(wide[k]-gapX))/2
		for _, i := range l {
			at[i].x = x + at[i].width/2
			at[i].y = margin + boxHigh/2 + float64(k)*(boxHigh+gapY)
			x += at[i].width + gapX
		}
	}
	return at, width + 2*margin, 2*margin + float64(len(layers))*(boxHigh+gapY) - gapY
}

// layered are the nodes by the longest way to them. There are no cycles.
func layered(parents, children [][]int) (layers [][]int) {
	missing, depth := make([]int, len(parents)), make([]int, len(parents))
	var free []int
	for i := range parents {
		if missing[i] = len(parents[i]); missing[i] == 0 {
			free = append(free, i)
		}
	}
	for len(free) > 0 {
		i := free[0]
		free = free[1:]
		for len(layers) <= depth[i] {
			layers = append(layers, nil)
		}
		layers[depth[i]] = append(layers[depth[i]], i)
		for _, c := range children[i] {
			depth[c] = max(depth[c], depth[i]+1)
			if missing[c]--; missing[c] == 0 {
				free = append(free, c)
			}
		}
	}
	for _, l := range layers {
		slices.Sort(l)
	}
	return layers
}
