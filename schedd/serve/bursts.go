package serve

import (
	"context"

	"gridburst/schedd/api"
)

type steerPath struct {
	Pool string `path:"pool" doc:"The resource's name"`
	Verb string `path:"verb" enum:"pause,resume,drain,cap"`
	Body api.Steer
}

type steerRoutePath struct {
	Route string `path:"route" doc:"Its name"`
	Verb  string `path:"verb" enum:"pause,resume,cap"`
	Body  api.Steer
}

// registerBursts is the routes about machines that come and go by demand.
func (s *Server) registerBursts() {
	b := s.backend
	get(s, "/v1/bursts", "bursts", "Pools of machines that come and go by demand", anybody,
		func(ctx context.Context, id Identity, _ *nothing) (api.Bursts, error) { return b.Bursts(ctx, id) })
	get(s, "/v1/bursts/plan", "plan-bursts", "What would be started and let go now, and why; nothing is done", anybody,
		func(ctx context.Context, id Identity, _ *nothing) (api.BurstPlan, error) {
			return b.PlanBursts(ctx, id)
		})
	get(s, "/v1/bursts/log", "journal", "What was done about machines and not done, and why", anybody,
		func(ctx context.Context, id Identity, q *api.JournalQuery) (api.Journal, error) {
			return b.Journal(ctx, id, *q)
		})
	get(s, "/v1/bursts/receipts", "burst-receipts", "What bursts have used and cost", anybody,
		func(ctx context.Context, id Identity, q *api.ReceiptsQuery) (api.BurstReceipts, error) {
			return b.BurstReceipts(ctx, id, *q)
		})
	get(s, "/v1/config", "configuration", "The configuration that is in force, and those before", admin,
		func(ctx context.Context, id Identity, q *api.ConfigQuery) (api.Configuration, error) {
			return b.Configuration(ctx, id, q.Version)
		})
	post(s, "/v1/config", "configure", "Put a configuration in force, whole or not at all", admin, maxBody,
		func(ctx context.Context, id Identity, in *body[api.Configure]) (api.Configured, error) {
			return b.Configure(ctx, id, in.Body)
		})
	post(s, "/v1/bursts/{pool}/{verb}", "steer-burst", "Pause, drain or cap a pool, or let it go on", admin, maxBody,
		func(ctx context.Context, id Identity, in *steerPath) (nothing, error) {
			return nothing{}, b.SteerBurst(ctx, id, in.Pool, in.Verb, in.Body)
		})
}
