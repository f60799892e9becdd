package router

import (
	"fmt"
	"strings"

	"gridburst/internal/grid"
)

// String is the explanation in words, a few lines.
func (e *Explanation) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch {
	case e.Slots == 0:
		line("There is no slot in the pool.")
		return b.String()
	case e.BadRequest != "":
		line("A request is not an amount: %s.", e.BadRequest)
		return b.String()
	case e.Nodes > 1 && e.Could > 0:
		e.several(line)
	case e.Now > 0:
		line("%s would take it now: it is about to start, or others go first.", slots(e.Now, e.Slots))
	case e.Busy > 0:
		line("%s would take it and %s busy with other jobs.", slots(e.Busy, e.Slots), is(e.Busy))
	case e.Slots == 1:
		line("The only slot does not take it, not even when empty.")
	default:
		line("None of %d slots takes it, not even when empty.", e.Slots)
	}
	clauses(&b, "Its Requirements rule slots out", e.Clauses)
	clauses(&b, "Requirements of slots rule it out", e.SlotClauses)
	if e.TooSmall > 0 {
		line("%s too small: it asks for %s.", slots(e.TooSmall, e.Slots)+" "+is(e.TooSmall), amounts(e.Part))
	}
	if help := e.Help(); help != "" {
		line("%s", help)
	}
	return b.String()
}

// several tells of a job of several nodes some of which the pool could take.
func (e *Explanation) several(line func(string, ...any)) {
	switch {
	case e.Fit == e.Nodes:
		line("It needs %d slots at once, and all of them fit now: it is about to start, or others go first.", e.Nodes)
	case e.Could == e.Nodes:
		line("It needs %d slots at once, %d %s now.", e.Nodes, e.Fit, fit(e.Fit))
		if e.Turn {
			line("It is its turn: what comes free is kept for it until all fit.")
		}
	default:
		line("It needs %d slots at once, and %d %s even when all slots are empty.", e.Nodes, e.Could, fit(e.Could))
	}
}

func fit(n int) string {
	if n == 1 {
		return "fits"
	}
	return "fit"
}

func clauses(b *strings.Builder, title string, list []Clause) {
	any := false
	for _, c := range list {
		if c.Removes == 0 {
			continue
		}
		if !any {
			fmt.Fprintf(b, "%s:\n", title)
			any = true
		}
		fmt.Fprintf(b, "  %d by  %s\n", c.Removes, grid.Printable(c.Text))
		if c.Values != "" {
			fmt.Fprintf(b, "        %s\n", grid.Printable(c.Values))
		}
		if c.Undefined > 0 {
			fmt.Fprintf(b, "        on %d of them it is undefined: an attribute that it names is not there\n", c.Undefined)
		}
	}
}

// Help names what would have to change where no slot takes the job, not even when empty;
// empty: nothing.
func (e *Explanation) Help() string {
	switch {
	case e.Slots == 0:
		return "It would help to start a worker: gworker on a machine that is to run jobs."
	case e.Nodes > 1 && e.Could > 0 && e.Could < e.Nodes:
		return fmt.Sprintf("It would help to add slots for %d more, or to ask for fewer nodes (machine_count).", e.Nodes-e.Could)
	case e.Now > 0 || e.Busy > 0:
		return ""
	case e.BadRequest != "":
		return "It would help to request an amount: a number from 0 on, such as 1 or 512."
	}
	var ask []string
	if e.Part.Cpus > e.Most.Cpus {
		ask = append(ask, fmt.Sprintf("at most %d cpus (it asks for %d)", e.Most.Cpus, e.Part.Cpus))
	}
	if e.Part.MemoryMB > e.Most.MemoryMB {
		ask = append(ask, fmt.Sprintf("at most %d MiB of memory (it asks for %d)", e.Most.MemoryMB, e.Part.MemoryMB))
	}
	if e.Part.DiskKB > e.Most.DiskKB {
		ask = append(ask, fmt.Sprintf("at most %d KiB of disk (it asks for %d)", e.Most.DiskKB, e.Part.DiskKB))
	}
	switch {
	case len(ask) > 0:
		return "It would help to ask for " + strings.Join(ask, ", ") + ", or to add a slot that has more."
	case e.TooSmall > 0:
		return "It would help to ask for less: no slot has all of it at once."
	}
	for _, list := range [][]Clause{e.Clauses, e.SlotClauses} {
		for _, c := range list {
			if c.Undefined > 0 {
				return "It would help to correct the name in " + grid.Printable(c.Text) + ", or to have slots offer that attribute (gworker --attr NAME=VALUE; gstatus --long shows what they offer)."
			}
		}
	}
	if most := tightest(e.Clauses); most != "" {
		return "It would help to change the job's Requirements, above all " + grid.Printable(most) + ", or to add a slot on which they are true."
	}
	if most := tightest(e.SlotClauses); most != "" {
		return "It would help to change what slots ask of jobs, above all " + grid.Printable(most) + ", or to submit what they ask for."
	}
	return ""
}

// tightest is the clause that removes the most slots.
func tightest(list []Clause) (text string) {
	most := 0
	for _, c := range list {
		if c.Removes > most {
			most, text = c.Removes, c.Text
		}
	}
	return text
}

func slots(n, of int) string {
	if n == of {
		if n == 1 {
			return "The only slot"
		}
		return fmt.Sprintf("%d slots", n)
	}
	return fmt.Sprintf("%d of %d slots", n, of)
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func amounts(r Resources) string {
	return fmt.Sprintf("%d cpus, %d MiB of memory and %d KiB of disk", r.Cpus, r.MemoryMB, r.DiskKB)
}
