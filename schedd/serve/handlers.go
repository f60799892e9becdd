package serve

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

type nothing struct{}

type jobPath struct {
	Job string `path:"job" doc:"A job (12.0)"`
}

type pastQuery struct {
	Past bool `query:"past" doc:"Also what has ended"`
}

type straysPath struct {
	Verb string `path:"verb"`
}

type claimPath struct {
	Claim uint32 `path:"claim"`
	Verb  string `path:"verb" enum:"drain,undrain,stop"`
}

type dagControl struct {
	Dag  uint32 `path:"dag"`
	Body api.DagControl
}

type dagScale struct {
	Dag  uint32 `path:"dag"`
	Body api.DagScale
}

type dagPath struct {
	Dag uint32 `path:"dag"`
}

type dagQuery struct {
	Dag   uint32 `path:"dag"`
	Edges bool   `query:"edges" doc:"Also what each node waits for"`
}

type body[T any] struct{ Body T }

// register is the table of all routes.
func (s *Server) register() {
	b := s.backend
	get(s, "/v1/status", "status", "What this schedd is, and who you are", nodes,
		func(_ context.Context, id Identity, _ *nothing) (api.Status, error) { return b.Status(id), nil })
	s.registerSubmit()
	get(s, "/v1/jobs", "jobs", "Ads of jobs in the queue", anybody,
		func(ctx context.Context, id Identity, q *api.JobsQuery) (api.Jobs, error) { return b.Jobs(ctx, id, *q) })
	post(s, "/v1/jobs/act", "act", "Hold, release, remove, vacate, suspend or continue jobs", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.Action]) (api.Acted, error) {
			return b.Act(ctx, id, in.Body)
		})
	post(s, "/v1/jobs/edit", "edit", "Change the ads of jobs", anybody, maxBody,
		func(ctx context.Context, id Identity, in *body[api.Edit]) (api.Acted, error) {
			return b.Edit(ctx, id, in.Body)
		})
	get(s, "/v1/jobs/{job}/why", "why", "What stands between a job and its start", anybody,
		func(ctx context.Context, id Identity, in *jobPath) (api.Why, error) { return b.Why(ctx, id, in.Job) })
	get(s, "/v1/history", "history", "Ads of jobs that have left the queue, newest first", anybody,
		func(ctx context.Context, id Identity, q *api.HistoryQuery) (api.Jobs, error) {
			return b.History(ctx, id, *q)
		})
	get(s, "/v1/batches", "batches", "The queue by batches", anybody,
		func(ctx context.Context, id Identity, q *api.BatchesQuery) (api.Batches, error) {
			return b.Batches(ctx, id, *q)
		})
	get(s, "/v1/factories", "factories", "Clusters whose jobs are made little by little", anybody,
		func(ctx context.Context, id Identity, q *api.FactoriesQuery) (api.Factories, error) {
			return b.Factories(ctx, id, *q)
		})
	get(s, "/v1/jobsets", "jobsets", "Job sets that have jobs in the queue", anybody,
		func(ctx context.Context, id Identity, q *api.JobSetsQuery) (api.JobSets, error) {
			return b.JobSets(ctx, id, *q)
		})
	get(s, "/v1/totals", "totals", "The queue in numbers", anybody,
		func(ctx context.Context, id Identity, _ *nothing) (api.QueueTotals, error) { return b.Totals(ctx, id) })
	get(s, "/v1/slots", "slots", "The pool", nodes,
		func(ctx context.Context, id Identity, _ *nothing) (api.Slots, error) { return b.Slots(ctx, id) })

	get(s, "/v1/routes", "routes", "What goes on on the routes to targets outside of the pool", anybody,
		func(ctx context.Context, id Identity, _ *nothing) (api.Routes, error) { return b.Routes(ctx, id) })
	post(s, "/v1/routes/{route}/{verb}", "steer-route", "Pause or cap a route, or let it go on", admin, maxBody,
		func(ctx context.Context, id Identity, in *steerRoutePath) (nothing, error) {
			return nothing{}, b.SteerRoute(ctx, id, in.Route, in.Verb, in.Body)
		})
	get(s, "/v1/claims", "claims", "Virtual machines of ours", nodes,
		func(ctx context.Context, id Identity, in *pastQuery) (api.Claims, error) {
			return b.Claims(ctx, id, in.Past)
		})
	get(s, "/v1/boots", "boots", "How long machines take from the wish for one until it serves", nodes,
		func(ctx context.Context, id Identity, _ *nothing) (api.Boots, error) { return b.Boots(ctx, id) })
	s.registerBursts()
	post(s, "/v1/claims/{claim}/{verb}", "act-on-claim", "Drain or stop a virtual machine of ours", admin, maxBody,
		func(ctx context.Context, id Identity, in *claimPath) (nothing, error) {
			return nothing{}, b.ActOnClaim(ctx, id, in.Claim, in.Verb)
		})
	get(s, "/v1/strays", "strays", "Virtual machines of ours that no claim stands for", anybody,
		func(ctx context.Context, id Identity, _ *nothing) (api.Strays, error) { return b.Strays(ctx, id) })
	post(s, "/v1/strays/{verb}", "act-on-strays", "Say what becomes of machines whose claims a restored queue does not know", admin, maxBody,
		func(ctx context.Context, id Identity, in *straysPath) (nothing, error) {
			return nothing{}, b.ActOnStrays(ctx, id, in.Verb)
		})
	post(s, "/v1/workers/invite", "invite", "A one-time token for a worker of another host", admin, maxBody,
		func(ctx context.Context, id Identity, in *body[api.Invite]) (api.Invitation, error) {
			return b.Invite(ctx, id, in.Body)
		})
	post(s, "/v1/dags", "submit-dag", "Begin a run of a workflow", anybody, s.maxSubmission,
		func(ctx context.Context, id Identity, in *body[api.DagSubmission]) (api.DagSubmitted, error) {
			return b.SubmitDag(ctx, id, in.Body)
		})
	post(s, "/v1/dags/{dag}/scale", "scale-dag", "Set how many machines of a pool a run wants to be there", nodes, maxBody,
		func(ctx context.Context, id Identity, in *dagScale) (api.DagScaled, error) {
			return b.ScaleDag(ctx, id, in.Dag, in.Body)
		})
	get(s, "/v1/dags", "dags", "Runs of workflows", anybody,
		func(ctx context.Context, id Identity, in *pastQuery) (api.Dags, error) {
			return b.Dags(ctx, id, in.Past)
		})
	get(s, "/v1/dags/{dag}", "dag", "A run and its nodes", anybody,
		func(ctx context.Context, id Identity, in *dagQuery) (api.DagDetail, error) {
			return b.Dag(ctx, id, in.Dag, in.Edges)
		})
	post(s, "/v1/dags/{dag}/control", "control-dag", "Halt a run, pause it, let it go on, limit it, or do something to a node", anybody, maxBody,
		func(ctx context.Context, id Identity, in *dagControl) (api.DagControlled, error) {
			return b.ControlDag(ctx, id, in.Dag, in.Body)
		})
	post(s, "/v1/dags/{dag}/remove", "remove-dag", "End a run", anybody, maxBody,
		func(ctx context.Context, id Identity, in *dagPath) (nothing, error) {
			return nothing{}, b.RemoveDag(ctx, id, in.Dag)
		})
	s.registerCrons()

	integer := &huma.Schema{Type: huma.TypeInteger}
	s.stream("/v1/events", "events", "What happens, as server-sent events; a stream resumes behind an index", "text/event-stream", anybody,
		[]*huma.Param{{Name: "after", In: "query", Description: "Begin behind this log entry; without it, with what happens now", Schema: integer}}, s.events)
	s.stream("/v1/health", "health", "Whether the schedd works; 503 when it is not ready, or with live=true when it is not live", "application/json", anybody,
		[]*huma.Param{{Name: "live", In: "query", Schema: &huma.Schema{Type: huma.TypeBoolean}}},
		func(w http.ResponseWriter, r *http.Request, _ Identity) { health(b, w, r) })
	s.stream("/metrics", "metrics", "What the schedd does, for Prometheus", "text/plain", anybody, nil,
		func(w http.ResponseWriter, r *http.Request, _ Identity) { b.Metrics().ServeHTTP(w, r) })
	text := &huma.Schema{Type: huma.TypeString}
	s.stream("/v1/eventlog", "eventlog", "The event log of jobs, from what is known of them", "text/plain; charset=utf-8", anybody,
		[]*huma.Param{
			{Name: "id", In: "query", Description: "Clusters, jobs and ranges, separated by commas; none: all", Schema: text},
			{Name: "format", In: "query", Description: "text, xml or json; without it, text", Schema: text},
		}, s.retell)
	s.stream("/v1/log", "log", "Entries of the ledger's log, one JSON object a line", "application/x-ndjson", admin,
		[]*huma.Param{{Name: "from", In: "query", Description: "Begin with this entry", Schema: integer}}, s.entries)
	s.stream("/v1/backup", "backup", "A copy of the queue file; the trailer "+api.BackupTrailer+" describes it", "application/octet-stream", admin, nil, s.backup)
}

// registerSubmit: the body of a submission is decoded by us. huma would decode it
// twice, and a submission is the one request whose cost counts.
func (s *Server) registerSubmit() {
	type raw struct {
		RawBody []byte `contentType:"application/json"`
	}
	post(s, "/v1/jobs", "submit", "Add jobs", anybody, s.maxSubmission,
		func(ctx context.Context, id Identity, in *raw) (api.Submitted, error) {
			sub, err := api.DecodeSubmission(in.RawBody)
			if err != nil {
				return api.Submitted{}, grid.Errorf(grid.Invalid, "the submission is not what /openapi.json says: %w", err)
			}
			return s.backend.Submit(ctx, id, sub)
		})
	op := s.api.OpenAPI().Paths["/v1/jobs"].Post
	op.RequestBody.Content["application/json"] = &huma.MediaType{Schema: huma.SchemaFromType(s.api.OpenAPI().Components.Schemas, submissionType)}
}

// heartbeat keeps a quiet stream from being taken for a dead one.
const heartbeat = 15 * time.Second

func (s *Server) events(w http.ResponseWriter, r *http.Request, id Identity) {
	after, err := number(r, "after")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		after, err = strconv.ParseUint(last, 10, 64) // a browser that connects again
	}
	if err != nil {
		s.refuse(w, grid.Errorf(grid.Invalid, "after is not a number: %w", err))
		return
	}
	if !r.URL.Query().Has("after") && r.Header.Get("Last-Event-ID") == "" {
		after = s.backend.Status(id).Index
	}
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	begun := false
	var buf []byte
	for {
		events, next, err := s.backend.Events(r.Context(), id, after)
		if err != nil {
			if !begun {
				s.refuse(w, err)
			}
			return
		}
		begun = true
		buf = buf[:0]
		for i := range events {
			data, err := json.Marshal(&events[i])
			if err != nil {
				return
			}
			buf = append(append(append(buf, "data: "...), data...), '\n')
			// An id ends an entry: to resume between two events of one would
			// repeat the first.
			if i == len(events)-1 || events[i+1].Index != events[i].Index {
				buf = strconv.AppendUint(append(buf, "id: "...), events[i].Index, 10)
				buf = append(buf, '\n')
			}
			buf = append(buf, '\n')
		}
		if len(buf) > 0 || next == after {
			if _, err := w.Write(buf); err != nil {
				return
			}
			if out.Flush() != nil {
				return
			}
		}
		if next > after {
			after = next
			continue
		}
		select {
		case <-s.backend.Changed(after):
		case <-beat.C:
			if _, err := w.Write([]byte(": \n\n")); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func number(r *http.Request, name string) (uint64, error) {
	if v := r.URL.Query().Get(name); v != "" {
		return strconv.ParseUint(v, 10, 64)
	}
	return 0, nil
}

func (s *Server) entries(w http.ResponseWriter, r *http.Request, _ Identity) {
	from, err := number(r, "from")
	if err != nil {
		s.refuse(w, grid.Errorf(grid.Invalid, "from is not a number: %w", err))
		return
	}
	out := json.NewEncoder(w)
	begun := false
	for e, err := range s.backend.Log(r.Context(), from) {
		if err != nil {
			if !begun {
				s.refuse(w, err)
				return
			}
			panic(http.ErrAbortHandler) // the reader must not take this for the end
		}
		begun = true
		if out.Encode(e) != nil {
			return
		}
	}
}

func (s *Server) retell(w http.ResponseWriter, r *http.Request, id Identity) {
	q := api.EventsQuery{Format: r.URL.Query().Get("format")}
	if ids := r.URL.Query().Get("id"); ids != "" {
		q.IDs = strings.Split(ids, ",")
	}
	begun := &begins{w: w}
	if err := s.backend.RetellEvents(r.Context(), id, q, begun); err != nil {
		if !begun.yes {
			s.refuse(w, err)
			return
		}
		s.log.WithError(err).Error("events broke off")
		panic(http.ErrAbortHandler) // the reader must not take this for the end
	}
}

// begins notes whether an answer has begun.
type begins struct {
	w   io.Writer
	yes bool
}

func (b *begins) Write(p []byte) (int, error) {
	b.yes = true
	return b.w.Write(p)
}

func (s *Server) backup(w http.ResponseWriter, r *http.Request, _ Identity) {
	w.Header().Set("Trailer", api.BackupTrailer)
	b, err := s.backend.Backup(r.Context(), w)
	if err != nil {
		s.log.WithError(err).Error("backup failed")
		panic(http.ErrAbortHandler)
	}
	failpoint.Hit("backup.sent")
	text, err := json.Marshal(b)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set(api.BackupTrailer, string(text))
}
