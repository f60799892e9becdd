package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

// role is what a caller must be to use a route.
type role uint8

const (
	anybody role = iota // who has an identity at all, and is no node of a run
	admin
	nodes // anybody, nodes of runs too
)

// Limits of requests.
const (
	// DefaultSubmission is how large a submission may be, in bytes, as it is sent.
	DefaultSubmission = 16 << 20
	maxBody           = 1 << 20
)

// Server answers requests for a backend.
type Server struct {
	backend Backend
	log     logrus.FieldLogger
	mux     *http.ServeMux
	api     huma.API
	routes  []route

	maxSubmission int64 // bytes
}

type route struct {
	method, path string
	role         role
}

// New makes the handler of a schedd's contract. worker handles what begins with
// /worker/v1/, by its own rules of who may. A submission that is larger than
// maxSubmission bytes is refused before it is read.
func New(b Backend, worker http.Handler, version string, maxSubmission int64, log logrus.FieldLogger) *Server {
	problemsOnce.Do(func() { huma.NewError = newProblem })
	s := &Server{backend: b, log: log, mux: http.NewServeMux(), maxSubmission: maxSubmission}
	config := huma.DefaultConfig("Gridburst schedd", version)
	config.DocsPath = ""     // no page that fetches scripts from elsewhere
	config.CreateHooks = nil // no $schema in every answer
	s.api = humago.New(s.mux, config)
	s.register()
	if worker != nil {
		s.mux.Handle("/worker/v1/", worker)
	}
	return s
}

// problemsOnce: huma has one maker of errors for the whole process; ours is the same
// for every server.
var problemsOnce sync.Once

// OpenAPI is the contract's description, as JSON.
func (s *Server) OpenAPI() ([]byte, error) { return json.MarshalIndent(s.api.OpenAPI(), "", "  ") }

// ServeHTTP takes who has a token of a run for that, whoever's connection it is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if header := r.Header.Get("Authorization"); header != "" {
		token, ok := strings.CutPrefix(header, "Bearer ")
		id, err := Identity{}, error(nil)
		if ok {
			id, err = s.backend.Bearer(strings.TrimSpace(token))
		}
		if !ok || err != nil {
			s.refuse(w, cmp.Or(err, error(grid.Errorf(grid.Unauthorized, "the token of a run comes as a bearer token"))))
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), identityKey{}, id))
	}
	s.mux.ServeHTTP(w, r)
}

// problem is a failed request's answer.
type problem struct {
	api.Problem
	status int
}

func (p *problem) GetStatus() int { return p.status }
func (p *problem) Error() string  { return p.Message }

// newProblem is how huma's own refusals (a parameter that is no number) look.
func newProblem(status int, message string, errs ...error) huma.StatusError {
	p := &problem{Problem: api.Problem{Code: grid.Invalid, Message: message}, status: status}
	for _, e := range errs {
		var detail *huma.ErrorDetail
		switch {
		case errors.As(e, &detail): // without the value, which may be the whole request
			p.Message += ": " + detail.Message + " (" + detail.Location + ")"
		case e != nil:
			p.Message += ": " + e.Error()
		}
	}
	switch status {
	case http.StatusRequestEntityTooLarge:
		p.Code = grid.TooLarge
		p.Message += " (limits { max_submission } of the schedd's configuration bounds a submission)"
	case http.StatusInternalServerError:
		p.Code = grid.Internal
	}
	return p
}

// fail turns a backend's error into an answer. What no border has put into words goes
// to the daemon's log.
func (s *Server) fail(err error) error {
	var e *grid.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) {
			return &problem{Problem: api.Problem{Code: grid.Unavailable, Message: "the request was given up"}, status: 499}
		}
		s.log.WithError(err).Error("request failed")
	}
	p := &problem{Problem: api.Problem{Code: grid.CodeOf(err), Message: grid.MessageOf(err)}}
	p.status = api.HTTPStatus(p.Code)
	var diags *grid.DiagnosticsError
	if errors.As(err, &diags) {
		p.Diagnostics = diags.Diagnostics
	}
	if after, ok := grid.RetryAfter(err); ok {
		p.RetryAfter = after.Seconds()
	}
	return p
}

// GetHeaders gives huma the headers of the answer.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter))))
	}
	return h
}

// caller is who asks, if the role allows it.
func caller(ctx context.Context, need role) (Identity, error) {
	id, ok := Caller(ctx)
	if !ok {
		return id, grid.Errorf(grid.Unauthorized, "this connection does not prove who you are: use the schedd's Unix socket, as a user of this machine")
	}
	if id.Run != 0 && need != nodes {
		return id, grid.Errorf(grid.Forbidden, "the token of workflow %d is for gstatus, gvm and gdag scale %d alone", id.Run, id.Run)
	}
	if need == admin && !id.Admin {
		return id, grid.Errorf(grid.Forbidden, "only an administrator may do that")
	}
	return id, nil
}

type output[T any] struct{ Body T }

// get and post add a route to the table. A function of the backend is all there is
// to most.
func get[In, Out any](s *Server, path, id, summary string, need role, do func(context.Context, Identity, *In) (Out, error)) {
	handle(s, http.MethodGet, path, id, summary, need, 0, do)
}

func post[In, Out any](s *Server, path, id, summary string, need role, limit int64, do func(context.Context, Identity, *In) (Out, error)) {
	handle(s, http.MethodPost, path, id, summary, need, limit, do)
}

func handle[In, Out any](s *Server, method, path, id, summary string, need role, limit int64, do func(context.Context, Identity, *In) (Out, error)) {
	s.routes = append(s.routes, route{method, path, need})
	op := huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, MaxBodyBytes: limit, DefaultStatus: http.StatusOK}
	// A body that is taken as it came is not for huma to judge.
	_, op.SkipValidateBody = reflect.TypeFor[In]().FieldByName("RawBody")
	huma.Register(s.api, op, func(ctx context.Context, in *In) (*output[Out], error) {
		id, err := caller(ctx, need)
		if err != nil {
			return nil, s.fail(err)
		}
		out, err := do(ctx, id, in)
		if err != nil {
			return nil, s.fail(err)
		}
		return &output[Out]{out}, nil
	})
}

// stream adds a route whose answer is written as it comes.
func (s *Server) stream(path, id, summary, contentType string, need role, params []*huma.Param, do func(http.ResponseWriter, *http.Request, Identity)) {
	s.routes = append(s.routes, route{http.MethodGet, path, need})
	s.api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Parameters: params,
		Responses: map[string]*huma.Response{"200": {Description: "A stream", Content: map[string]*huma.MediaType{contentType: {}}}},
	})
	s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		id, err := caller(r.Context(), need)
		if err != nil {
			s.refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", contentType)
		do(w, r, id)
	})
}

// refuse answers a request outside huma.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	p := s.fail(err).(*problem)
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	json.NewEncoder(w).Encode(p.Problem)
}

var submissionType = reflect.TypeFor[api.Submission]()
