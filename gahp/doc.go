// Package gahp is the line protocol between a schedd and the process that starts
// virtual machines for it.
//
// [Provider] is what can be asked of an engine. [Serve] drives one for whoever types
// at its input; [Client] is one, in a process of its own that it starts, watches and
// replaces. A [Provider] of one engine lives in a room below; package conform holds
// what all of them must do, package fake is one in memory.
//
// # Why a process
//
// It has the engine's password, and rights of its own to read it. It can be killed
// when a library hangs or prints where it should not, and the schedd goes on. Its
// death is an answer too: see [Client].
//
// # Lines
//
// The protocol is HTCondor's GAHP, so that a person can type it. Words are separated
// by blanks; a blank, backslash, CR or LF inside a word has a backslash before it;
// the word NULL is an empty one, and \NULL is that word. A client's lines end with
// CR LF, a server's with LF, and each takes the other; none is longer than [MaxLine].
// Verbs may be in lower case.
//
//	$GahpVersion: 1.0.0 Jan 31 2026 Gridburst GAHP $
//	> VM_FIND 7 20000 gb-1
//	S
//	> RESULTS
//	S 1
//	7 not_found there\ is\ no\ machine\ gb-1
//
// The server greets with its version. It answers each line with S (done, or taken
// in), E (makes no sense) or F (not now). These have their whole answer there:
//
//	COMMANDS                  S and every verb
//	VERSION                   S and the greeting
//	RESULTS                   S and how many lines of results follow
//	ASYNC_MODE_ON             from now on a line R says, once until the next RESULTS, that there are some
//	ASYNC_MODE_OFF            that no longer
//	RESPONSE_PREFIX prefix    every later line of the server begins with it: others are not the server's
//	CONDOR_VERSION version    the client is HTCondor's, of that version
//	VM_CANCEL request         the request's result is waited for no more; one comes all the same, soon
//	QUIT                      S, and the server ends
//
// The others are requests. REQUEST is a number that the client chooses; it is free
// again when its result has been taken. TIME is how long the server may be at it, in
// milliseconds; 0 is as long as the server allows. ORDER is TERM.CLAIM.EPOCH, of an
// [Order]: a server fences.
//
//	VM_PING      REQUEST TIME
//	VM_CREATE    REQUEST TIME ORDER name template cluster memory cores description mark user-data host-name [instance-type quota]
//	VM_START     REQUEST TIME ORDER id user-data
//	VM_GET       REQUEST TIME id
//	VM_FIND      REQUEST TIME name
//	VM_LIST      REQUEST TIME prefix
//	VM_SHUTDOWN  REQUEST TIME ORDER id
//	VM_STOP      REQUEST TIME ORDER id
//	VM_REMOVE    REQUEST TIME ORDER id
//	VM_TEMPLATES REQUEST TIME
//	VM_ASSIGN    REQUEST TIME ORDER id affinity-groups tags
//	VM_COPY      REQUEST TIME ORDER id template mark
//	VM_EVENTS    REQUEST TIME id
//	VM_CHECK     REQUEST TIME template cluster memory cores machines
//
// A good result is the request, NULL, and for VM_CREATE, VM_GET and VM_FIND a
// machine: id name state detail mark template addresses created started stopped
// stop-reason description, its addresses separated by commas and its times in RFC
// 3339. A listing is all its machines, templates (id name version state memory
// cores), events (time severity text) or findings (topic grade text), and then their number; a long one has parts before, with MORE in NULL's
// place. Memory is in MiB. A bad result is the request, a [Kind], and a sentence.
//
// A server may have further verbs, a [Dialect], for clients that know nothing of a
// Provider: package ec2 has those of HTCondor's EC2 GAHP.
//
// # What survives a crash
//
// Nothing here, and nothing needs to: the schedd has written down what it wants
// before it asks, and looks for the machine by its name when it has no answer. A
// server whose input ends finishes what its provider is at, if that is soon, and
// begins nothing. A child of a Client does not even that: it is killed with its
// parent.
package gahp
