package serve

import (
	"context"
	"io"
	"iter"
	"net/http"

	"gridburst/schedd/api"
)

// Identity is who asks, as the connection proves.
type Identity struct {
	Name  string
	UID   uint32
	GID   uint32
	Admin bool   // root, or the user that the schedd runs as
	Run   uint32 // it is a node of that run of the user's, which may ask little; 0: it is the user
}

// Backend is a schedd. Errors are grid.Errors.
type Backend interface {
	Status(Identity) api.Status
	Health() api.Health
	Metrics() http.Handler
	Submit(context.Context, Identity, api.Submission) (api.Submitted, error)
	Act(context.Context, Identity, api.Action) (api.Acted, error)
	Edit(context.Context, Identity, api.Edit) (api.Acted, error)
	Jobs(context.Context, Identity, api.JobsQuery) (api.Jobs, error)
	History(context.Context, Identity, api.HistoryQuery) (api.Jobs, error)
	Batches(context.Context, Identity, api.BatchesQuery) (api.Batches, error)
	Factories(context.Context, Identity, api.FactoriesQuery) (api.Factories, error)
	JobSets(context.Context, Identity, api.JobSetsQuery) (api.JobSets, error)
	Totals(context.Context, Identity) (api.QueueTotals, error)
	Why(ctx context.Context, who Identity, job string) (api.Why, error)
	Slots(context.Context, Identity) (api.Slots, error)
	Routes(ctx context.Context, who Identity) (api.Routes, error)
	Claims(ctx context.Context, who Identity, past bool) (api.Claims, error)
	Boots(context.Context, Identity) (api.Boots, error)
	Bursts(context.Context, Identity) (api.Bursts, error)
	PlanBursts(context.Context, Identity) (api.BurstPlan, error)
	SteerRoute(ctx context.Context, who Identity, route, verb string, s api.Steer) error
	SteerBurst(ctx context.Context, who Identity, pool, verb string, s api.Steer) error
	Journal(context.Context, Identity, api.JournalQuery) (api.Journal, error)
	BurstReceipts(context.Context, Identity, api.ReceiptsQuery) (api.BurstReceipts, error)
	Configuration(ctx context.Context, who Identity, version int) (api.Configuration, error)
	Configure(context.Context, Identity, api.Configure) (api.Configured, error)
	ActOnClaim(ctx context.Context, who Identity, id uint32, verb string) error
	Strays(ctx context.Context, who Identity) (api.Strays, error)
	ActOnStrays(ctx context.Context, who Identity, verb string) error
	SubmitDag(context.Context, Identity, api.DagSubmission) (api.DagSubmitted, error)
	Dags(ctx context.Context, who Identity, past bool) (api.Dags, error)
	Dag(ctx context.Context, who Identity, id uint32, edges bool) (api.DagDetail, error)
	ControlDag(ctx context.Context, who Identity, id uint32, what api.DagControl) (api.DagControlled, error)
	ScaleDag(ctx context.Context, who Identity, id uint32, s api.DagScale) (api.DagScaled, error)
	RemoveDag(ctx context.Context, who Identity, id uint32) error
	Crons(context.Context, Identity) (api.Crons, error)
	CronNext(ctx context.Context, who Identity, name string, n int, from int64) (api.Instants, error)
	CronHistory(ctx context.Context, who Identity, name string, most int) (api.Occurrences, error)
	SubmitCron(context.Context, Identity, api.Timetable) (api.CronAnswer, error)
	RunCron(context.Context, Identity, api.CronRun) (api.CronAnswer, error)
	PauseCron(context.Context, Identity, api.CronPause) (api.CronAnswer, error)
	ResumeCron(context.Context, Identity, api.CronName) (api.CronAnswer, error)
	RemoveCron(context.Context, Identity, api.CronName) (api.CronAnswer, error)
	BackfillCron(context.Context, Identity, api.CronBackfill) (api.CronAnswer, error)
	Bearer(token string) (Identity, error) // who has a token of a run
	Invite(context.Context, Identity, api.Invite) (api.Invitation, error)

	// Events are those of entries after an index that who may see; next is the index
	// to go on from. Changed is closed when there may be more.
	Events(ctx context.Context, who Identity, after uint64) (events []api.Event, next uint64, err error)
	Changed(after uint64) <-chan struct{}

	// RetellEvents writes the event log of jobs that who may read.
	RetellEvents(ctx context.Context, who Identity, q api.EventsQuery, w io.Writer) error

	Log(ctx context.Context, from uint64) iter.Seq2[api.LogEntry, error]
	Backup(ctx context.Context, w io.Writer) (api.Backup, error)
}
