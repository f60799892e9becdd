package grid

import (
	"fmt"
	"strings"
)

// edge is one line of a life cycle.
type edge[S, V comparable] struct {
	From S
	On   V
	To   S
}

// table is a whole life cycle. It is small: a scan is quicker than a map.
type table[S, V comparable] []edge[S, V]

func (t table[S, V]) next(s S, v V) (S, bool) {
	for _, e := range t {
		if e.From == s && e.On == v {
			return e.To, true
		}
	}
	return s, false
}

func (t table[S, V]) markdown(b *strings.Builder) {
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, e := range t {
		fmt.Fprintf(b, "    %v --> %v : %v\n", e.From, e.To, e.On)
	}
	b.WriteString("```\n\n| from | on | to |\n|---|---|---|\n")
	for _, e := range t {
		fmt.Fprintf(b, "| %v | %v | %v |\n", e.From, e.On, e.To)
	}
	b.WriteString("\n")
}

// StatesMarkdown is docs/states.md: the tables as they are enforced.
func StatesMarkdown() string {
	var b strings.Builder
	b.WriteString("# Life cycles\n\nGenerated from the tables in `internal/grid` by `go generate ./internal/grid`; a test compares.\n\n## Job\n\n")
	statusNext.markdown(&b)
	b.WriteString("## Claim\n\nA claim is a virtual machine that somebody wished for, from the wish to the proof that it is gone.\n\n")
	claimNext.markdown(&b)
	b.WriteString("## Routing\n\nA routing is a job that runs at a target outside of the pool, from the intent to the proof that nothing of it is left there.\n\n")
	routeNext.markdown(&b)
	b.WriteString("## DAG node\n\n")
	nodeNext.markdown(&b)
	return strings.TrimRight(b.String(), "\n") + "\n"
}
