package dagfile

// command is a keyword and what becomes of it: it has a run, or is reported.
type command struct {
	name  string
	usage string
	first bool // run when it is read, not when all nodes are known
	run   func(*reader, *line, *command)

	idle  string // why it has no effect here: a warning
	why   string // what to do while it is not supported: the file is refused
	names int    // which word behind the keyword defines a node
}

// language is DAGMan's commands, as of HTCondor 25, by name.
func language() map[string]*command {
	commands := map[string]*command{}
	for _, c := range []command{
		{name: "JOB", usage: "JOB name submit-file [DIR directory] [NOOP] [DONE]", first: true, run: (*reader).job},
		{name: "INCLUDE", usage: "INCLUDE file", first: true, run: (*reader).include},
		{name: "REJECT", usage: "REJECT", first: true, run: (*reader).reject},

		{name: "PARENT", usage: "PARENT name ... CHILD name ...", run: (*reader).parent},
		{name: "VARS", usage: `VARS node [PREPEND | APPEND] name="value" ...`, run: (*reader).setVars},
		{name: "RETRY", usage: "RETRY node times [UNLESS-EXIT code]", run: (*reader).retry},
		{name: "ABORT-DAG-ON", usage: "ABORT-DAG-ON node exit-code [RETURN code]", run: (*reader).abort},
		{name: "PRIORITY", usage: "PRIORITY node number", run: (*reader).priority},
		{name: "CATEGORY", usage: "CATEGORY node name", run: (*reader).category},
		{name: "MAXJOBS", usage: "MAXJOBS category number", run: (*reader).maxJobs},
		{name: "DONE", usage: "DONE node", run: (*reader).done},

		{name: "CONFIG", idle: "It names DAGMan's configuration, which is not read; limits are given when the DAG is submitted."},
		{name: "DOT", idle: "No file is written for it; a run can be drawn at any time."},
		{name: "NODE_STATUS_FILE", idle: "No file is written for it; a run's state can be asked for at any time."},
		{name: "JOBSTATE_LOG", idle: "No file is written for it; a run's events can be asked for at any time."},
		{name: "SAVE_POINT_FILE", idle: "No file is written for it; a run's state is always kept."},
		{name: "SET_JOB_ATTR", idle: "It sets an attribute of DAGMan's own job, and a run here is no job."},

		{name: "SCRIPT", why: "Put what the script does into a node of its own, before or behind this one."},
		{name: "PRE_SKIP", why: "It belongs to SCRIPT PRE."},
		{name: "SUBDAG", why: "INCLUDE takes another file's nodes into this DAG.", names: 2},
		{name: "SPLICE", why: "INCLUDE takes another file's nodes into this DAG, under the names they have.", names: 1},
		{name: "CONNECT", why: "It belongs to SPLICE."},
		{name: "PIN_IN", why: "It belongs to SPLICE."},
		{name: "PIN_OUT", why: "It belongs to SPLICE."},
		{name: "FINAL", why: "A node behind all others runs only if they all succeed.", names: 1},
		{name: "PROVISIONER", why: "A node before all others can start what they need.", names: 1},
		{name: "SERVICE", why: "Submit the service beside the DAG.", names: 1},
		{name: "SUBMIT-DESCRIPTION", why: "Write it into a submit file of its own."},
		{name: "TOLERANCE", why: "A node fails with the first of its procs that does."},
		{name: "WEAK", why: "A child begins when its parents have succeeded."},
		{name: "ENV", why: "Write the variables into the submit files: environment = ..."},
		{name: "DATA", why: "DAGMan itself no longer knows it.", names: 1},
	} {
		commands[c.name] = &c
	}
	return commands
}
