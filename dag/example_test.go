package dag_test

import (
	"fmt"

	"gridburst/dag"
)

// A node's life: it is asked for, submitted, and its job leaves the queue.
func ExampleStep() {
	b := dag.NewBuilder("example")
	split, _ := b.Add(dag.Node{Name: "split", File: "split.sub"})
	merge, _ := b.Add(dag.Node{Name: "merge", File: "merge.sub"})
	b.Order([]int32{split}, []int32{merge})
	graph, err := b.Graph()
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := dag.Open(graph, dag.Header{}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, h := range []dag.Happening{
		dag.Begin{},
		dag.Submitted{Node: split, Attempt: 1, Cluster: 12, Procs: 1},
		dag.ProcsLeft{Node: split, Cluster: 12, At: dag.Position{Index: 90}, Procs: 1, Exit: 0},
	} {
		change, actions, err := dag.Step(run, h)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, c := range change.Nodes { // to be kept before anything is done
			fmt.Printf("%s: %s, attempt %d, asked %t\n", graph.Nodes[c.Node].Name, c.Record.State, c.Record.Attempt, c.Record.Asked)
		}
		if err := run.Apply(change); err != nil {
			fmt.Println(err)
			return
		}
		for _, a := range actions {
			fmt.Printf("%+v\n", a)
		}
	}
	// Output:
	// split: ready, attempt 1, asked true
	// {Node:0 Attempt:1}
	// split: submitted, attempt 1, asked false
	// split: done, attempt 1, asked false
	// merge: ready, attempt 1, asked true
	// {Node:1 Attempt:1}
}
