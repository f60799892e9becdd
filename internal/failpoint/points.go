package failpoint

// Point is a named instant.
type Point struct {
	Name string
	Of   Program
	When string // what has been done, and what has not
	// Test is the test that dies there, for points that no load reaches by itself;
	// empty: a chaos run must.
	Test string
}

// Program is what dies at a point.
type Program string

// Programs. A desk is a gschedd and a runner is a gworker by another name, but they die
// alone.
const (
	Schedd Program = "gschedd"
	Desk   Program = "desk"
	Agent  Program = "gworker"
	Runner Program = "runner"
	GAHP   Program = "ovirt_gahp"
)

// Points is all of them, in the order of a job's and a machine's life.
var Points = []Point{
	{Name: "submit.staged", Of: Schedd, When: "item data of a large submission is in the queue file, the submission is not"},
	{Name: "submit.logged", Of: Schedd, When: "a submission is durable and in its event log, and not answered"},
	{Name: "ledger.apply.before", Of: Schedd, When: "commands were taken, and nothing was done"},
	{Name: "ledger.commit.before", Of: Schedd, When: "commands were applied, and not committed"},
	{Name: "ledger.commit.after", Of: Schedd, When: "commands are durable, and not visible"},
	{Name: "ledger.publish.after", Of: Schedd, When: "commands are durable and visible, and not announced"},
	{Name: "ledger.answer.before", Of: Schedd, When: "commands are durable and announced, and not answered"},
	{Name: "logs.append.before", Of: Schedd, When: "events are durable, and no event log was asked to have them"},
	{Name: "logs.append.after", Of: Schedd, When: "events are in their logs, and nothing remembers it"},
	{Name: "logs.mark.before", Of: Schedd, When: "events are in their logs, and the ledger is about to be told"},
	{Name: "desk.append.before", Of: Desk, When: "the owner's desk was asked to write events"},
	{Name: "desk.append.after", Of: Desk, When: "the owner's desk has written events, and not answered"},
	{Name: "dispatch.place.before", Of: Schedd, When: "a plan is made, and not proposed"},
	{Name: "dispatch.place.after", Of: Schedd, When: "jobs are placed, and no worker knows"},
	{Name: "worker.order.before", Of: Schedd, When: "an order to begin is about to be sent"},
	{Name: "worker.order.after", Of: Schedd, When: "an order to begin was sent"},
	{Name: "worker.welcome.before", Of: Schedd, When: "a worker that came is recorded, and not answered"},
	{Name: "worker.welcome.after", Of: Schedd, When: "a worker is welcome, and what it holds was not compared"},
	{Name: "transfer.inputs.before", Of: Schedd, When: "a worker asked for a job's inputs"},
	{Name: "transfer.outputs.after", Of: Schedd, When: "a job's outputs are staged, and the worker does not know"},
	{Name: "worker.journal.before", Of: Agent, When: "an order to begin arrived, and is written nowhere"},
	{Name: "worker.journal.after", Of: Agent, When: "an attempt is in the journal, and nothing was done about it"},
	{Name: "worker.inputs.after", Of: Agent, When: "a job's inputs are in its sandbox, or could not be had"},
	{Name: "worker.run.before", Of: Agent, When: "an attempt has its sandbox and inputs, and no runner"},
	{Name: "worker.run.after", Of: Agent, When: "a runner was given an attempt, and the agent has heard nothing of it"},
	{Name: "worker.outputs.before", Of: Agent, When: "a job has ended, and its outputs are about to be sent"},
	{Name: "worker.outputs.after", Of: Agent, When: "outputs are sent, and the schedd was told nothing of the end"},
	{Name: "worker.decide.after", Of: Agent, When: "an attempt's end is noted, and was not reported"},
	{Name: "worker.erase.before", Of: Agent, When: "an attempt's sandbox is gone, and its entry is not"},
	{Name: "worker.join.before", Of: Agent, When: "a worker is about to redeem its token"},
	{Name: "worker.join.after", Of: Agent, When: "a worker has its certificate, and not kept it"},
	{Name: "worker.poweroff.before", Of: Agent, When: "a machine of ours is about to power itself off"},
	{Name: "runner.ready", Of: Runner, When: "a runner is set up, and has no order"},
	{Name: "runner.taken", Of: Runner, When: "an order to run a job was read"},
	{Name: "runner.prepared", Of: Runner, When: "a job's files are open and its mounts made, and it was not begun"},
	{Name: "runner.started", Of: Runner, When: "a job runs, and nobody was told"},
	{Name: "runner.ended", Of: Runner, When: "nothing of a job is left, and its result is not written"},
	{Name: "runner.result", Of: Runner, When: "a result is written, and nobody was told"},
	{Name: "report.propose.before", Of: Schedd, When: "a report arrived, and is not proposed"},
	{Name: "report.propose.after", Of: Schedd, When: "a report counts, and the worker does not know"},
	{Name: "takeover.commit.before", Of: Schedd, When: "an attempt is over, and its outputs are about to be put in place"},
	{Name: "takeover.commit.after", Of: Schedd, When: "outputs are in place, and the ledger does not know"},
	{Name: "desk.stage.manifest", Of: Desk, When: "outputs are staged, and their list is about to be written"},
	{Name: "desk.commit.one", Of: Desk, When: "one of several outputs is in place"},
	{Name: "node.submit.before", Of: Schedd, When: "a node of a workflow is about to be submitted"},
	{Name: "node.submit.after", Of: Schedd, When: "a node's jobs are in the queue, and its run does not know"},
	{Name: "cron.fire.before", Of: Schedd, When: "a timetable's instant has come, and nothing was started"},
	{Name: "cron.fire.after", Of: Schedd, When: "a timetable's run is started, or passed over"},
	{Name: "claim.want.before", Of: Schedd, When: "a machine is about to be wished for"},
	{Name: "claim.want.after", Of: Schedd, When: "a machine is wished for, and nothing else"},
	{Name: "claim.create.before", Of: Schedd, When: "an engine is about to be asked for a machine"},
	{Name: "gahp.order.before", Of: GAHP, When: "an order was taken in, and no engine knows"},
	{Name: "gahp.order.after", Of: GAHP, When: "an engine has carried an order out or refused it, and the schedd does not know"},
	{Name: "claim.create.after", Of: Schedd, When: "an engine has answered, and the claim does not know"},
	{Name: "claim.start.before", Of: Schedd, When: "a machine is about to be started"},
	{Name: "claim.start.after", Of: Schedd, When: "a machine was started, and the claim does not know"},
	{Name: "join.redeem.after", Of: Schedd, When: "a token is spent, and its worker has no certificate"},
	{Name: "claim.stop.before", Of: Schedd, When: "a machine is about to be stopped"},
	{Name: "claim.stop.after", Of: Schedd, When: "a machine was told to stop, and nobody has looked"},
	{Name: "claim.remove.before", Of: Schedd, When: "a machine is down, and about to be removed"},
	{Name: "claim.remove.after", Of: Schedd, When: "a machine was removed, and nobody has looked"},
	{Name: "claim.gone.before", Of: Schedd, When: "a machine was seen gone, and its claim is open"},
	{Name: "sweep.remove.before", Of: Schedd, When: "a machine of ours without a claim is about to be taken away"},
	{Name: "ledger.backup.described", Of: Schedd, When: "a copy is described, and not written", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.compact.copied", Of: Schedd, When: "a compacted copy is made, and not in its place", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.compact.renamed", Of: Schedd, When: "a compacted copy is in its place, perhaps not for good", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.restore.marked", Of: Schedd, When: "a restored directory is marked, and has no queue file", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.checkpoint.written", Of: Schedd, When: "a checkpoint is written, and the ledger does not know", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.checkpoint.trimmed", Of: Schedd, When: "the log was cut, and older checkpoints lie about", Test: "TestCopiesSurviveDeath"},
}
