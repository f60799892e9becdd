package gahp

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Checker is what a [Provider] may be that can say, before anything is made, what would
// fail. It changes nothing at its engine.
type Checker interface {
	// Check looks at all that the wish needs. What cannot be looked at after something
	// has failed is left out. The error is of the question itself.
	Check(ctx context.Context, w Wish) ([]Finding, error)
}

// Wish is machines that somebody would like to have.
type Wish struct {
	Template string // empty: none is to be made, and only the way to the engine is looked at
	Cluster  string // empty: the template's
	MemoryMB int64  // of each; 0: the template's
	Cores    int    // of each; 0: the template's
	Machines int    // at one time
}

// Finding is one thing that was looked at.
type Finding struct {
	Topic string // login, template, disk, network, cluster, quota
	Grade Grade
	Text  string // what was found; of what is not good, also what to do
}

// Grade says how good a finding is.
type Grade string

// Grades.
const (
	Good Grade = "ok"
	Odd  Grade = "warn" // it may do, or cannot be told
	Bad  Grade = "fail" // it would fail
)

var grades = []Grade{Good, Odd, Bad}

const findingWords = 3

func appendFinding(dst []string, f Finding) []string {
	return append(dst, f.Topic, string(f.Grade), f.Text)
}

func (w *words) finding() Finding {
	f := Finding{Topic: w.named("topic"), Grade: Grade(w.text("grade")), Text: w.text("text")}
	if w.err == nil && !slices.Contains(grades, f.Grade) {
		w.fail("the grade is %.40q", string(f.Grade))
	}
	return f
}

func (w *words) wish() Wish {
	return Wish{
		Template: w.text("template"), Cluster: w.text("cluster"), MemoryMB: int64(w.number("memory", 1<<62)),
		Cores: int(w.number("cores", 1<<31-1)), Machines: int(w.number("machines", 1<<31-1)),
	}
}

func checkWork(w *words) work {
	wish := w.wish()
	return func(ctx context.Context, p Provider) (answer, error) {
		found, err := check(ctx, p, wish)
		return listing(found, appendFinding), err
	}
}

func check(ctx context.Context, p Provider, w Wish) ([]Finding, error) {
	c, ok := p.(Checker)
	if !ok {
		return nil, &Error{Kind: Refused, Text: fmt.Sprintf("this GAHP cannot say what would fail (%T)", p)}
	}
	return c.Check(ctx, w)
}

// Check implements [Checker].
func (f *fence) Check(ctx context.Context, w Wish) ([]Finding, error) {
	return check(ctx, f.Provider, w)
}

// Check asks the GAHP what would fail: see [Checker].
func (c *Client) Check(ctx context.Context, w Wish) ([]Finding, error) {
	got, err := c.call(ctx, verbCheck, w.Template, w.Cluster, strconv.FormatInt(w.MemoryMB, 10), strconv.Itoa(w.Cores), strconv.Itoa(w.Machines))
	return takeList(got, err, findingWords, (*words).finding)
}
