package failpoint

// Point is a named instant.
type Point struct {
	Name string
	Of   Program
	When string // what has been done, and what has not
	// Test is the test that dies there, for points that no load reaches by itself;
	// empty: a chaos run must.
	Test string
	// In is during what of a queue's work a process comes by, for a run that kills
	// there; none: such a run does not.
	In []Work
}

// Work is what people, or the daemon for them, do with a queue.
type Work string

// Works.
const (
	Submit  Work = "submit"
	Several Work = "submit several" // clusters at once
	Large   Work = "submit large"   // item data that does not fit one entry
	Hold    Work = "hold"
	Release Work = "release"
	Remove  Work = "remove"
	Backup  Work = "backup"
	Restore Work = "restore"
	Start   Work = "start" // after a death

	RemoveAll Work = "remove all" // at once, and moved to the history afterwards
	Clear     Work = "clear"      // that move, of jobs whose removal was acknowledged
	Compact   Work = "compact"
	Rotate    Work = "rotate"     // of the event log of all jobs
	Turned    Work = "log turned" // an event log is moved away by whoever it belongs to
)

var (
	act    = []Work{Hold, Release, Remove, RemoveAll}
	change = append([]Work{Submit}, act...)
	batch  = append([]Work{Clear}, change...)
	log    = append([]Work{Clear, Rotate, Turned}, change...)
	own    = append([]Work{Clear, Turned}, change...) // logs of users
)

// Program is what dies at a point.
type Program string

// Programs. A desk is a gschedd and a runner is a gworker by another name, but they die
// alone.
const (
	Schedd Program = "gschedd"
	Desk   Program = "desk"
	Keeper Program = "script" // of a workflow's script
	Agent  Program = "gworker"
	Runner Program = "runner"
	GAHP   Program = "ovirt_gahp"
	Admin  Program = "gadm"
)

// Points is all of them, in the order of a job's and a machine's life.
var Points = []Point{
	{Name: "submit.admitted", Of: Schedd, When: "a submission was looked at, and nothing was done", In: []Work{Submit, Several, Large}},
	{Name: "stage.begun", Of: Schedd, When: "a place for item data is in the queue file, and no data", In: []Work{Large}},
	{Name: "stage.some", Of: Schedd, When: "some of the item data of a submission is in the queue file", In: []Work{Large}},
	{Name: "submit.staged", Of: Schedd, When: "item data of a large submission is in the queue file, the submission is not", In: []Work{Large}},
	{Name: "submit.durable", Of: Schedd, When: "a submission is durable, and its event log is waited for", In: []Work{Submit, Several, Large}},
	{Name: "submit.logged", Of: Schedd, When: "a submission is durable and in its event log, and not answered", In: []Work{Submit, Several}},
	{Name: "submit.some", Of: Schedd, When: "one of several clusters of a submission is in the queue and its log", Test: "TestKills", In: []Work{Several}},
	{Name: "act.before", Of: Schedd, When: "it is known which jobs an action means, and nothing was done", In: act},
	{Name: "act.after", Of: Schedd, When: "an action is durable, and not answered", In: act},
	{Name: "ledger.apply.before", Of: Schedd, When: "commands were taken, and nothing was done", In: batch},
	{Name: "ledger.apply.some", Of: Schedd, When: "one of a batch of commands was applied", In: change},
	{Name: "ledger.commit.before", Of: Schedd, When: "commands were applied, and not committed", In: batch},
	{Name: "ledger.commit.after", Of: Schedd, When: "commands are durable, and not visible", In: batch},
	{Name: "ledger.publish.after", Of: Schedd, When: "commands are durable and visible, and not announced", In: batch},
	{Name: "ledger.clear.begun", Of: Schedd, When: "a step of the move of removed jobs to the history is applied, and nothing is moved", Test: "TestKills", In: []Work{RemoveAll}},
	{Name: "ledger.clear.some", Of: Schedd, When: "some of the jobs of a step are moved, and nothing of it is durable", Test: "TestKills", In: []Work{RemoveAll}},
	{Name: "ledger.answer.before", Of: Schedd, When: "commands are durable and announced, and not answered", In: change},
	{Name: "ledger.answer.some", Of: Schedd, When: "one of a batch of commands was answered", In: change},
	{Name: "ledger.answer.after", Of: Schedd, When: "a batch of commands was answered, and the next was not begun", In: change},
	{Name: "clear.before", Of: Schedd, When: "removed jobs are out of the queue, and no step to the history is proposed", Test: "TestKills", In: []Work{RemoveAll}},
	{Name: "clear.after", Of: Schedd, When: "a step of removed jobs is in the history, and their events are not on their way", Test: "TestKills", In: []Work{RemoveAll}},
	{Name: "clear.routed", Of: Schedd, When: "the events of a step are queued for their writers, and the next step is not begun", Test: "TestKills", In: []Work{RemoveAll}},
	{Name: "logs.routed", Of: Schedd, When: "the texts of events are made and queued for their writers", In: batch},
	{Name: "logs.append.before", Of: Schedd, When: "events are durable, and no event log was asked to have them", In: log},
	{Name: "logs.append.after", Of: Schedd, When: "events are in their logs, and nothing remembers it", In: log},
	{Name: "logs.settled", Of: Schedd, When: "events are in their logs, which is remembered in memory alone", In: log},
	{Name: "logs.mark.before", Of: Schedd, When: "events are in their logs, and the ledger is about to be told", In: log},
	{Name: "logs.mark.after", Of: Schedd, When: "the ledger was told how far event logs are written", In: log},
	{Name: "rotate.full", Of: Schedd, When: "the event log of all jobs is full, and does not say so", Test: "TestKills", In: []Work{Rotate}},
	{Name: "rotate.before", Of: Schedd, When: "the event log of all jobs is full and says so, and is not moved", In: []Work{Rotate}},
	{Name: "rotate.some", Of: Schedd, When: "older event logs of all jobs are moved on, or some of them", Test: "TestKills", In: []Work{Rotate}},
	{Name: "rotate.after", Of: Schedd, When: "the event log of all jobs is moved, and there is no new one", In: []Work{Rotate}},
	{Name: "rotate.fresh", Of: Schedd, When: "there is a new event log of all jobs, with its header alone", Test: "TestKills", In: []Work{Rotate}},
	{Name: "desk.append.before", Of: Desk, When: "the owner's desk was asked to write events", In: own},
	{Name: "desk.append.after", Of: Desk, When: "the owner's desk has written events, and not answered", In: own},
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
	{Name: "worker.checkpoint.before", Of: Agent, When: "a job has exited for a checkpoint, and that is about to be sent", Test: "TestADeathLosesNoCheckpoint"},
	{Name: "checkpoint.placed", Of: Schedd, When: "a checkpoint is in the spool, and the ledger does not know", Test: "TestADeathLosesNoCheckpoint"},
	{Name: "checkpoint.kept", Of: Schedd, When: "a checkpoint is the job's, the one before is there, and the worker does not know", Test: "TestADeathLosesNoCheckpoint"},
	{Name: "worker.checkpoint.after", Of: Agent, When: "the schedd has a checkpoint, and the agent has noted nothing", Test: "TestADeathLosesNoCheckpoint"},
	{Name: "worker.checkpoint.noted", Of: Agent, When: "it is noted that a job is to begin again, and what its runner wrote last is there", Test: "TestADeathLosesNoCheckpoint"},
	{Name: "worker.checkpoint.again", Of: Agent, When: "a runner is about to be told to begin a job again", Test: "TestADeathLosesNoCheckpoint"},
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
	{Name: "takeover.close.before", Of: Schedd, When: "nothing is left of any node of a job, and it is about to end", Test: "TestADeathLeavesNoNodeAlone"},
	{Name: "desk.stage.manifest", Of: Desk, When: "outputs are staged, and their list is about to be written"},
	{Name: "desk.commit.one", Of: Desk, When: "one of several outputs is in place"},
	{Name: "dag.keep.before", Of: Schedd, When: "it is known what changes of a workflow, and nothing was kept", Test: "TestWorkflowsAreKilled"},
	{Name: "dag.keep.after", Of: Schedd, When: "what changes of a workflow is durable, and nothing of it was done", Test: "TestWorkflowsAreKilled"},
	{Name: "dag.previous.before", Of: Schedd, When: "a run is about to be told of the run before it, whose change is durable", Test: "TestADeathBetweenTwoRunsOfATimetable"},
	{Name: "dag.child.before", Of: Schedd, When: "the file of a sub-DAG was read, and its run is not in the queue", Test: "TestWorkflowsAreKilled"},
	{Name: "dag.child.after", Of: Schedd, When: "the run of a sub-DAG is in the queue, and its node does not know", Test: "TestWorkflowsAreKilled"},
	{Name: "dag.files.written", Of: Schedd, When: "what a workflow leaves is written, and its end is not durable", Test: "TestWorkflowsAreKilled"},
	{Name: "script.begin", Of: Schedd, When: "a script is due and has its file, and no keeper was started", Test: "TestWorkflowsAreKilled"},
	{Name: "script.begun", Of: Keeper, When: "a script is about to begin, as its file says", Test: "TestWorkflowsAreKilled"},
	{Name: "script.ended", Of: Keeper, When: "a script has ended, and its file does not say so", Test: "TestWorkflowsAreKilled"},
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
	{Name: "config.followed", Of: Schedd, When: "timetables are followed up to now, for others to take their place, and nothing of a configuration is kept", Test: "TestAConfigurationSurvivesDeath"},
	{Name: "config.kept", Of: Schedd, When: "a configuration is kept as a version, and not in the place of the file", Test: "TestAConfigurationSurvivesDeath"},
	{Name: "config.passed", Of: Schedd, When: "instants that waited are passed over, and a configuration lies beside the file", Test: "TestAConfigurationSurvivesDeath"},
	{Name: "config.written", Of: Schedd, When: "a configuration is in the place of the file, and not in force", Test: "TestAConfigurationSurvivesDeath"},
	{Name: "route.place.before", Of: Schedd, When: "jobs are about to be given to a target, and nothing says so", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.place.after", Of: Schedd, When: "jobs are given to a target, which has not heard of them", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "desk.away.script", Of: Desk, When: "a job's directory for its target is made, and what is to run is not in it", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.submit.before", Of: Schedd, When: "a target is about to be asked to take a job", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.submit.after", Of: Schedd, When: "a target has answered, and the routing does not know", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.order.before", Of: Schedd, When: "a hold, release or removal is about to be carried to a target", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.order.after", Of: Schedd, When: "a hold, release or removal was carried to a target, and nobody has looked", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.fetch.before", Of: Schedd, When: "a job is over at its target, and what it left is about to be fetched", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.fetch.after", Of: Schedd, When: "what a job left at its target is here, and nobody has looked whether it is whole", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "desk.spool.packed", Of: Desk, When: "the inputs of a job are packed that travel, and nothing else of it is there for its target", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "desk.spool.command", Of: Desk, When: "a command has begun with which files of a job travel", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "desk.spool.back", Of: Desk, When: "what has come back of a job is unpacked beside its place", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.end.before", Of: Schedd, When: "a job is over at its target, its outputs are staged, and the ledger does not know", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.end.after", Of: Schedd, When: "a job is over at its target, and its outputs are about to be put in place", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.clean.before", Of: Schedd, When: "a job has its end, and what it left at its target is about to be taken away", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "route.clean.after", Of: Schedd, When: "what a job left at its target is taken away, and the ledger does not know", Test: "TestADeathOfTheScheddLosesNoRoutedJob"},
	{Name: "daemon.opened", Of: Schedd, When: "the queue file is open and locked, and nobody can ask", In: []Work{Start}},
	{Name: "daemon.listening", Of: Schedd, When: "the socket is there, and no term was begun", In: []Work{Start}},
	{Name: "daemon.begun", Of: Schedd, When: "a term was begun, and nothing in it", In: []Work{Start}},
	{Name: "ledger.snapshot.begun", Of: Schedd, When: "a copy is about to be written", Test: "TestKills", In: []Work{Backup}},
	{Name: "backup.sent", Of: Schedd, When: "a copy was sent, and not its description", Test: "TestKills", In: []Work{Backup}},
	{Name: "gadm.backup.fetched", Of: Admin, When: "a copy arrived, and its description is not written", Test: "TestKills", In: []Work{Backup}},
	{Name: "gadm.backup.proven", Of: Admin, When: "a copy was proven, and has no name", Test: "TestKills", In: []Work{Backup}},
	{Name: "gadm.backup.named", Of: Admin, When: "a copy or its description is about to get its name", Test: "TestKills", In: []Work{Backup}},
	{Name: "gadm.backup.done", Of: Admin, When: "a copy and its description have their names", Test: "TestKills", In: []Work{Backup}},
	{Name: "ledger.file.begun", Of: Admin, When: "a file has its name for the meantime, and nothing in it", Test: "TestKills", In: []Work{Restore}},
	{Name: "ledger.file.written", Of: Admin, When: "a file is written, and not on the disk", Test: "TestKills", In: []Work{Restore}},
	{Name: "ledger.file.synced", Of: Admin, When: "a file is on the disk, and has no name", Test: "TestKills", In: []Work{Restore}},
	{Name: "ledger.file.renamed", Of: Admin, When: "a file has its name, which may not be on the disk", Test: "TestKills", In: []Work{Restore}},
	{Name: "ledger.restore.kept", Of: Admin, When: "the queue file from before a restore has its second name", Test: "TestKills", In: []Work{Restore}},
	{Name: "ledger.restore.placed", Of: Admin, When: "a queue file is restored, and checkpoints of the one before lie about", Test: "TestKills", In: []Work{Restore}},
	{Name: "daemon.restored", Of: Schedd, When: "a term of a restored queue was begun, and its mark lies about", Test: "TestKills", In: []Work{Restore}},
	{Name: "ledger.backup.described", Of: Schedd, When: "a copy is described, and not written", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.compact.begun", Of: Admin, When: "a queue file is locked and proven, and nothing of a compacted copy is there", Test: "TestKills", In: []Work{Compact}},
	{Name: "ledger.compact.written", Of: Admin, When: "a compacted copy is written, and not on the disk", Test: "TestKills", In: []Work{Compact}},
	{Name: "ledger.compact.copied", Of: Admin, When: "a compacted copy is made, and not in its place", Test: "TestCopiesSurviveDeath", In: []Work{Compact}},
	{Name: "ledger.compact.proven", Of: Admin, When: "a compacted copy holds the same, and is not in its place", Test: "TestKills", In: []Work{Compact}},
	{Name: "ledger.compact.renamed", Of: Admin, When: "a compacted copy is in its place, perhaps not for good", Test: "TestCopiesSurviveDeath", In: []Work{Compact}},
	{Name: "ledger.compact.done", Of: Admin, When: "a compacted copy is in its place for good", Test: "TestKills", In: []Work{Compact}},
	{Name: "ledger.restore.marked", Of: Admin, When: "a restored directory is marked, and has no queue file", Test: "TestCopiesSurviveDeath", In: []Work{Restore}},
	{Name: "ledger.checkpoint.written", Of: Schedd, When: "a checkpoint is written, and the ledger does not know", Test: "TestCopiesSurviveDeath"},
	{Name: "ledger.checkpoint.trimmed", Of: Schedd, When: "the log was cut, and older checkpoints lie about", Test: "TestCopiesSurviveDeath"},
}
