package serve

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
)

// bearing is a backend that knows one token.
type bearing struct{ Backend }

func (bearing) Bearer(token string) (Identity, error) {
	if token != "good" {
		return Identity{}, grid.Errorf(grid.Unauthorized, "no")
	}
	return Identity{Name: "ada", UID: 1000, Run: 7}, nil
}

// The token of a run opens what it is for and nothing else, whoever's connection it comes on;
// one that is none opens nothing.
func TestTheTokenOfARunIsForFewRoutes(t *testing.T) {
	log := logrus.New()
	log.SetOutput(t.Output())
	s := New(bearing{}, nil, "test", DefaultSubmission, log)
	ask := func(method, path, header string) int {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(method, path, strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", header)
		defer func() { recover() }() // what is let through finds no backend
		s.ServeHTTP(w, req)
		return w.Code
	}
	var open []string
	for _, r := range s.routes {
		if r.role == nodes {
			open = append(open, r.method+" "+r.path)
			continue
		}
		path := strings.NewReplacer("{job}", "1.0", "{claim}", "1", "{verb}", "drain", "{dag}", "1", "{route}", "x", "{pool}", "x").Replace(r.path)
		if code := ask(r.method, path, "Bearer good"); code != http.StatusForbidden && code != http.StatusUnprocessableEntity {
			t.Errorf("%s %s answers a token with %d", r.method, path, code)
		}
	}
	slices.Sort(open)
	want := []string{"GET /v1/boots", "GET /v1/claims", "GET /v1/slots", "GET /v1/status", "POST /v1/dags/{dag}/scale"}
	if !slices.Equal(open, want) {
		t.Errorf("a token opens %v", open)
	}
	for _, header := range []string{"Bearer bad", "Bearer", "Basic Z29vZA==", "good"} {
		if code := ask(http.MethodGet, "/v1/status", header); code != http.StatusUnauthorized {
			t.Errorf("%q is answered with %d", header, code)
		}
	}
}
