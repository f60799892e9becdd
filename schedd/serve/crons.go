package serve

import (
	"context"

	"gridburst/schedd/api"
)

type nextQuery struct {
	Name  string `query:"name" doc:"Of a timetable, or of a burst by the clock"`
	Count int    `query:"count" minimum:"1" maximum:"1000" default:"10" doc:"How many"`
	From  int64  `query:"from" doc:"After this, seconds since 1970; 0: now"`
}

type occurrencesQuery struct {
	Name  string `query:"name" doc:"Of a timetable, or of a burst by the clock"`
	Limit int    `query:"limit" minimum:"0" maximum:"1000" doc:"At most so many; 0: all that is remembered"`
}

// registerCrons is the part of the table that is about timetables.
func (s *Server) registerCrons() {
	b := s.backend
	get(s, "/v1/crons", "crons", "Timetables, and bursts by the clock", anybody,
		func(ctx context.Context, id Identity, _ *nothing) (api.Crons, error) { return b.Crons(ctx, id) })
	get(s, "/v1/crons/next", "cron-next", "The next occurrences of a timetable", anybody,
		func(ctx context.Context, id Identity, q *nextQuery) (api.Instants, error) {
			return b.CronNext(ctx, id, q.Name, q.Count, q.From)
		})
	get(s, "/v1/crons/history", "cron-history", "What became of a timetable's occurrences", anybody,
		func(ctx context.Context, id Identity, q *occurrencesQuery) (api.Occurrences, error) {
			return b.CronHistory(ctx, id, q.Name, q.Limit)
		})
	post(s, "/v1/crons", "submit-cron", "Hand a timetable in", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.Timetable]) (api.CronAnswer, error) {
			return b.SubmitCron(ctx, id, in.Body)
		})
	post(s, "/v1/crons/run", "run-cron", "Begin a run of a timetable now", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.CronRun]) (api.CronAnswer, error) {
			return b.RunCron(ctx, id, in.Body)
		})
	post(s, "/v1/crons/pause", "pause-cron", "Have a timetable's occurrences passed over", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.CronPause]) (api.CronAnswer, error) {
			return b.PauseCron(ctx, id, in.Body)
		})
	post(s, "/v1/crons/resume", "resume-cron", "End a timetable's pause", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.CronName]) (api.CronAnswer, error) {
			return b.ResumeCron(ctx, id, in.Body)
		})
	post(s, "/v1/crons/remove", "remove-cron", "Take a timetable back", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.CronName]) (api.CronAnswer, error) {
			return b.RemoveCron(ctx, id, in.Body)
		})
	post(s, "/v1/crons/backfill", "backfill-cron", "Run the occurrences of a range of the past", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.CronBackfill]) (api.CronAnswer, error) {
			return b.BackfillCron(ctx, id, in.Body)
		})
}
