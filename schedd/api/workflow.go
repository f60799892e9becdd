package api

import "gridburst/dag"

// DagSubmission asks for a run of a workflow.
type DagSubmission struct {
	Key    string    `json:"key,omitempty" doc:"Made by the client: the same key again gives the same run"`
	File   string    `json:"file" doc:"Where the workflow was written; full path"`
	Dir    string    `json:"dir" doc:"Where its nodes' files are found; full path"`
	Graph  dag.Graph `json:"graph,omitzero" required:"false"`
	Packed []byte    `json:"packed,omitempty" doc:"The graph in gdag's compact form, instead: for large ones"`

	DagLimits
	Priority   int32 `json:"priority,omitempty" doc:"Is added to that of each node"`
	AlwaysPost bool  `json:"always_post,omitempty" doc:"POST scripts run also when the PRE script has failed"`
	Rescue     int32 `json:"rescue,omitempty" doc:"The number of the rescue file that is in the graph"`
}

// DagLimits are how much of a run may go on at a time; 0: as much as the administrator
// allows.
type DagLimits struct {
	MaxJobs int32 `json:"max_jobs,omitempty" doc:"Nodes with a job in the queue"`
	MaxIdle int32 `json:"max_idle,omitempty" doc:"Jobs that wait"`
	MaxPre  int32 `json:"max_pre,omitempty" doc:"PRE scripts"`
	MaxPost int32 `json:"max_post,omitempty" doc:"POST scripts"`
	MaxHold int32 `json:"max_hold,omitempty" doc:"HOLD scripts"`
}

// DagControl is something to be done to a run of a workflow.
type DagControl struct {
	Verb  string     `json:"verb" enum:"halt,pause,resume,throttle,retry,skip" doc:"halt: nothing is begun, and when what runs has ended so has the run; pause: neither are POST scripts, and the run waits; retry, skip: a node"`
	Node  string     `json:"node,omitempty" doc:"The node that is tried again, or counts as done"`
	Limit *DagLimits `json:"limit,omitempty" doc:"Of throttle: all of them"`
}

// DagControlled is how a run stands after a [DagControl].
type DagControlled struct {
	Status string    `json:"status"`
	Halt   string    `json:"halt,omitempty" doc:"halted or paused"`
	Limit  DagLimits `json:"limit" doc:"Within what the administrator allows"`
}

// DagSubmitted is the answer to a [DagSubmission].
type DagSubmitted struct {
	Dag uint32 `json:"dag"`
}

// Dags is runs of workflows.
type Dags struct {
	Dags []Dag `json:"dags"`
}

// Dag is a run of a workflow.
type Dag struct {
	ID      uint32 `json:"id"`
	Name    string `json:"name"`
	File    string `json:"file"`
	Owner   string `json:"owner"`
	Status  string `json:"status" enum:"new,running,stopping,done,failed,removed,finishing,closing"`
	Nodes   int    `json:"nodes"`
	Done    int    `json:"done"`
	Failed  int    `json:"failed"`
	Started int64  `json:"started" doc:"Seconds since 1970"`
	Ended   int64  `json:"ended,omitempty"`
	Cron    string `json:"cron,omitempty" doc:"The trigger that began it"`
	Due     int64  `json:"due,omitempty" doc:"And for which occurrence"`
	Exit    int32  `json:"exit" doc:"Its exit code, once it has ended"`
	Halt    string `json:"halt,omitempty" doc:"halted or paused"`
	Parent  uint32 `json:"parent,omitempty" doc:"The run whose sub-DAG it is"`
	Rescue  int32  `json:"rescue,omitempty" doc:"The number of the rescue file that it began with"`
	Fares   int    `json:"dag_status" doc:"DAGMan's DAG_STATUS: 0 well, 1 error, 2 a node failed, 3 aborted, 4 removed, 6 halted"`
}

// DagDetail is a run with its nodes.
type DagDetail struct {
	Dag
	Limit     DagLimits      `json:"limit"`
	Provision []DagProvision `json:"provision,omitempty" doc:"Machines that it wants to be there"`

	Attrs  []dag.Var `json:"attrs,omitempty" doc:"Of the run itself: SET_JOB_ATTR"`
	Detail []DagNode `json:"detail"`

	Categories map[string]int `json:"categories,omitempty" doc:"With edges: how many nodes of each may have a job"`
}

// DagNode is a node of a run.
type DagNode struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Attempt uint32 `json:"attempt,omitempty" doc:"Attempts begun"`
	Cluster int32  `json:"cluster,omitempty" doc:"Of the last attempt's jobs"`
	Exit    int32  `json:"exit,omitempty" doc:"Of the first of its jobs that failed, or of the script that decided"`
	Kind    string `json:"kind,omitempty" enum:"final,provisioner,service,subdag,previous" doc:"Empty: a job"`
	Run     uint32 `json:"run,omitempty" doc:"Of a sub-DAG: its run"`
	Skipped bool   `json:"skipped,omitempty" doc:"It counts as done and has not run: by its condition, or because somebody said so"`
	Ready   bool   `json:"ready,omitempty" doc:"Of a service: nobody waits for it"`
	Awaits  string `json:"awaits,omitempty" doc:"Of a service that has been submitted and is not ready: for what it waits, such as the last answer of its check. For its owner alone"`

	Previous *DagPrevious `json:"previous,omitempty" doc:"Of kind previous: the node of the run before that it stands for"`

	Category string  `json:"category,omitempty" doc:"With edges alone, as the following"`
	Retries  int     `json:"retries,omitempty" doc:"Attempts after the first"`
	Parents  []int32 `json:"parents,omitempty" doc:"By their places in the list; below zero, -1 minus the place: they need only have ended"`
}

// DagPrevious is a node of the run before, of the same timetable.
type DagPrevious struct {
	Node  string `json:"node"`
	Run   uint32 `json:"run,omitempty" doc:"0: there is none before"`
	Due   int64  `json:"due,omitempty" doc:"The instant of that run, seconds since 1970"`
	State string `json:"state,omitempty" doc:"Of the node; empty: that run has no such node, or is not known any more"`
	Ended bool   `json:"ended,omitempty" doc:"That run has ended"`
	Any   bool   `json:"any,omitempty" doc:"The node need only have ended"`
}

// DagScale asks for machines of a pool to be there as long as a run goes on.
type DagScale struct {
	Pool  string `json:"pool" doc:"One of the workflow's provision blocks"`
	Count int    `json:"count" doc:"All of them, from 0 to what the block says"`
}

// DagScaled is the answer to a [DagScale].
type DagScaled struct {
	Was int `json:"was" doc:"How many it wanted before"`
	Max int `json:"max"`
}

// DagProvision is how many machines of a pool a run wants.
type DagProvision struct {
	Pool  string `json:"pool"`
	Count int    `json:"count"`
	Max   int    `json:"max"`
}
