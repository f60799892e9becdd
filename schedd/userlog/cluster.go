package userlog

import (
	"fmt"
	"strings"

	"gridburst/internal/grid"
)

// ClusterSubmit is 035: a cluster is in the queue whose jobs are told of one by one,
// later.
type ClusterSubmit struct {
	Host      string
	LogNotes  string
	UserNotes string
}

func (c *ClusterSubmit) number() grid.EventNumber { return grid.EventClusterSubmit }
func (c *ClusterSubmit) name() string             { return "ClusterSubmitEvent" }
func (c *ClusterSubmit) write(t *text) {
	t.line("Cluster submitted from host: ", c.Host)
	t.notes(c.LogNotes, c.UserNotes)
}

func (c *ClusterSubmit) read(l *lines) bool {
	if !l.headed("Cluster submitted from host: ", &c.Host) {
		return false
	}
	c.LogNotes, c.UserNotes, _ = l.notes()
	return true
}

func (c *ClusterSubmit) attributes(a *attributes) {
	a.text("SubmitHost", &c.Host)
	a.text("LogNotes", &c.LogNotes)
	a.text("UserNotes", &c.UserNotes)
}

// Completion is how far a cluster's jobs had been made; an error if negative.
type Completion int64

// HTCondor's numbers.
const (
	Incomplete Completion = 0
	Complete   Completion = 1
	Paused     Completion = 2
)

// ClusterRemove is 036: nothing of the cluster is left in the queue.
type ClusterRemove struct {
	Jobs, Items int64 // how many jobs were made from how many items
	Completion  Completion
	Notes       string
}

func (c *ClusterRemove) number() grid.EventNumber { return grid.EventClusterRemove }
func (c *ClusterRemove) name() string             { return "ClusterRemoveEvent" }
func (c *ClusterRemove) write(t *text) {
	t.line("", "Cluster removed")
	how := "Incomplete"
	switch {
	case c.Completion < 0:
		how = fmt.Sprintf("Error %d", c.Completion)
	case c.Completion == Complete:
		how = "Complete"
	case c.Completion == Paused:
		how = "Paused"
	}
	t.line("\t", fmt.Sprintf("Materialized %d jobs from %d items.\t%s", c.Jobs, c.Items, how))
	t.optional("\t", c.Notes)
}

func (c *ClusterRemove) read(l *lines) bool {
	if !l.is("Cluster removed") {
		return false
	}
	made, _ := l.next()
	made, how, _ := strings.Cut(strings.TrimSpace(made), "items.")
	if n, _ := fmt.Sscanf(made, "Materialized %d jobs from %d", &c.Jobs, &c.Items); n != 2 {
		return false
	}
	switch how = strings.TrimSpace(how); how {
	case "Complete":
		c.Completion = Complete
	case "Paused":
		c.Completion = Paused
	default:
		if code, failed := strings.CutPrefix(how, "Error "); failed && !integer(code, (*int64)(&c.Completion)) {
			return false
		}
	}
	return l.optional("\t", &c.Notes)
}

func (c *ClusterRemove) attributes(a *attributes) {
	a.text("Notes", &c.Notes)
	a.int("NextProcId", &c.Jobs)
	a.int("NextRow", &c.Items)
	a.int("Completion", (*int64)(&c.Completion))
}

// FactoryPaused is 037: no more jobs of the cluster are made for now.
type FactoryPaused struct {
	Reason      string
	Pause, Hold int64 // codes; 0: none
}

// PausedByHold is the pause code of a cluster that was held.
const PausedByHold = 1

func (f *FactoryPaused) number() grid.EventNumber { return grid.EventFactoryPaused }
func (f *FactoryPaused) name() string             { return "FactoryPausedEvent" }
func (f *FactoryPaused) write(t *text) {
	t.line("", "Job Materialization Paused")
	if f.Reason != "" || f.Pause != 0 {
		t.line("\t", f.Reason)
	}
	if f.Pause != 0 {
		t.line("\tPauseCode ", fmt.Sprint(f.Pause))
	}
	if f.Hold != 0 {
		t.line("\tHoldCode ", fmt.Sprint(f.Hold))
	}
}

func (f *FactoryPaused) read(l *lines) bool {
	if !l.is("Job Materialization Paused") {
		return false
	}
	if !l.starts("\tHoldCode ") {
		l.optional("\t", &f.Reason)
	}
	var pause, hold string
	l.optional("\tPauseCode ", &pause)
	l.optional("\tHoldCode ", &hold)
	return (pause == "" || integer(pause, &f.Pause)) && (hold == "" || integer(hold, &f.Hold))
}

func (f *FactoryPaused) attributes(a *attributes) {
	a.text("Reason", &f.Reason)
	a.int("PauseCode", &f.Pause)
	a.int("HoldCode", &f.Hold)
}

// FactoryResumed is 038: jobs of the cluster are made again.
type FactoryResumed struct {
	Reason string
}

func (f *FactoryResumed) number() grid.EventNumber { return grid.EventFactoryResumed }
func (f *FactoryResumed) name() string             { return "FactoryResumedEvent" }
func (f *FactoryResumed) write(t *text) {
	t.line("", "Job Materialization Resumed")
	t.optional("\t", f.Reason)
}

func (f *FactoryResumed) read(l *lines) bool {
	return l.is("Job Materialization Resumed") && l.optional("\t", &f.Reason)
}
func (f *FactoryResumed) attributes(a *attributes) { a.text("Reason", &f.Reason) }
