package dagfile

import "strings"

// command is a keyword and what becomes of it.
type command struct {
	name  string
	usage string
	first bool // run when it is read; the others when all nodes are known
	whole bool // concerns the run as a whole, so it has no effect in a splice
	run   func(*reader, *line, *command)
}

// language is DAGMan's commands, as of HTCondor 25, by name.
func language() map[string]*command {
	commands := map[string]*command{}
	for _, c := range []command{
		{name: "JOB", usage: "JOB name submit-file [DIR directory] [NOOP] [DONE]", first: true, run: (*reader).job},
		{name: "FINAL", usage: "FINAL name submit-file [DIR directory] [NOOP]", first: true, run: (*reader).job},
		{name: "PROVISIONER", usage: "PROVISIONER name submit-file [DIR directory]", first: true, run: (*reader).job},
		{name: "SERVICE", usage: "SERVICE name submit-file [DIR directory]", first: true, run: (*reader).job},
		{name: "SUBDAG", usage: "SUBDAG EXTERNAL name dag-file [DIR directory] [NOOP] [DONE]", first: true, run: (*reader).subdag},
		{name: "SPLICE", usage: "SPLICE name dag-file [DIR directory]", first: true, run: (*reader).splice},
		{name: "SUBMIT-DESCRIPTION", usage: "SUBMIT-DESCRIPTION name {, then the description, then a line }", first: true, run: (*reader).description},
		{name: "INCLUDE", usage: "INCLUDE file", first: true, run: (*reader).include},
		{name: "REJECT", usage: "REJECT", first: true, run: (*reader).reject},
		{name: "CONFIG", usage: "CONFIG file", first: true, whole: true, run: (*reader).config},
		{name: "DATA", usage: "JOB name submit-file", first: true, run: (*reader).data},

		{name: "PARENT", usage: "PARENT name ... CHILD name ...", run: (*reader).parent},
		{name: "WEAK", usage: "WEAK PARENT name ... CHILD name ...", run: (*reader).weak},
		{name: "CONNECT", usage: "CONNECT splice splice", run: (*reader).connect},
		{name: "PIN_IN", usage: "PIN_IN node number", run: (*reader).pin},
		{name: "PIN_OUT", usage: "PIN_OUT node number", run: (*reader).pin},

		{name: "SCRIPT", usage: "SCRIPT [DEFER exit-code seconds] [DEBUG file STDOUT | STDERR | ALL] PRE | POST | HOLD node program argument ...", run: (*reader).script},
		{name: "PRE_SKIP", usage: "PRE_SKIP node exit-code", run: (*reader).preSkip},
		{name: "VARS", usage: `VARS node [PREPEND | APPEND] name="value" ...`, run: (*reader).setVars},
		{name: "RETRY", usage: "RETRY node times [UNLESS-EXIT code]", run: (*reader).retry},
		{name: "ABORT-DAG-ON", usage: "ABORT-DAG-ON node exit-code [RETURN code]", run: (*reader).abort},
		{name: "TOLERANCE", usage: "TOLERANCE node number[%] [FAIL-FAST | WAIT]", run: (*reader).tolerance},
		{name: "PRIORITY", usage: "PRIORITY node number", run: (*reader).priority},
		{name: "CATEGORY", usage: "CATEGORY node name", run: (*reader).category},
		{name: "MAXJOBS", usage: "MAXJOBS category number", run: (*reader).maxJobs},
		{name: "DONE", usage: "DONE node", run: (*reader).done},
		{name: "SAVE_POINT_FILE", usage: "SAVE_POINT_FILE node [file]", run: (*reader).savePoint},

		{name: "ENV", usage: "ENV GET name ... or ENV SET name=value;name=value", whole: true, run: (*reader).env},
		{name: "SET_JOB_ATTR", usage: "SET_JOB_ATTR name = value", whole: true, run: (*reader).setJobAttr},
		{name: "NODE_STATUS_FILE", usage: "NODE_STATUS_FILE file [seconds] [ALWAYS-UPDATE]", whole: true, run: (*reader).statusFile},
		{name: "JOBSTATE_LOG", usage: "JOBSTATE_LOG file", whole: true, run: (*reader).stateLog},
		{name: "DOT", usage: "DOT file [UPDATE | DONT-UPDATE] [OVERWRITE | DONT-OVERWRITE] [INCLUDE file]", whole: true, run: (*reader).dot},
	} {
		commands[c.name] = &c
		commands[spelled(c.name)] = &c
	}
	return commands
}

// spelled is a keyword in the form in which they are compared: - and _ are one.
func spelled(keyword string) string {
	return strings.ReplaceAll(strings.ToUpper(keyword), "-", "_")
}

// find is the command of a keyword. Spellings are remembered: a file has few.
func (r *reader) command(keyword string) *command {
	c, ok := r.commands[keyword]
	if !ok {
		if c = r.commands[spelled(keyword)]; c != nil {
			r.commands[strings.Clone(keyword)] = c
		}
	}
	return c
}
