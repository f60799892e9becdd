package serve

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/internal/grid"
	"gridburst/schedd/api"
)

var update = flag.Bool("update", false, "accept the contract as it is now")

// nobody is a backend that nothing may reach.
type nobody struct{ Backend }

func server(t *testing.T) *Server {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	return New(nobody{}, nil, "test", DefaultSubmission, log)
}

// The contract is frozen: a route, a role or a field that changes shows here first.
func TestTheContractIsAsItWas(t *testing.T) {
	s := server(t)
	var b strings.Builder
	for _, r := range s.routes {
		fmt.Fprintf(&b, "%s %s %s\n", r.method, r.path, map[role]string{anybody: "anybody", admin: "admin"}[r.role])
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	slices.Sort(lines)
	spec, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(lines, "\n") + "\n\n" + string(spec) + "\n"
	const path = "testdata/contract.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the contract is another than %s says: run with -update, and look at the difference", path)
	}
}

// Whoever cannot be told apart gets nothing but the contract's description.
func TestARequestThatProvesNobodyIsRefused(t *testing.T) {
	s := server(t)
	for _, r := range s.routes {
		path := strings.NewReplacer("{job}", "1.0", "{claim}", "1", "{verb}", "stop", "{dag}", "1").Replace(r.path)
		w := httptest.NewRecorder()
		req := httptest.NewRequest(r.method, path, strings.NewReader("{}"))
		req.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(w, req)
		var p api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Code != grid.Unauthorized && w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s %s: %d %s", r.method, path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "/v1/jobs") {
		t.Errorf("the description: %d", w.Code)
	}
}

func TestAnAdministratorsRouteIsNotForEverybody(t *testing.T) {
	s := server(t)
	for _, r := range s.routes {
		if r.role != admin {
			continue
		}
		body := `{"worker":"w"}`
		path := strings.NewReplacer("/bursts/{pool}/{verb}", "/bursts/lab/pause", "/routes/{route}/{verb}", "/routes/r/pause", "{claim}", "1", "{verb}", "stop").Replace(r.path)
		if strings.HasSuffix(path, "/pause") || path == "/v1/config" {
			body = "{}"
		}
		w := httptest.NewRecorder()
		req := httptest.NewRequest(r.method, path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req = req.WithContext(context.WithValue(req.Context(), identityKey{}, Identity{Name: "alice", UID: 1000}))
		s.ServeHTTP(w, req)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", r.method, path, w.Code, w.Body)
		}
	}
}

// hasty is a backend that has been asked too often.
type hasty struct{ Backend }

func (hasty) Submit(context.Context, Identity, api.Submission) (api.Submitted, error) {
	return api.Submitted{}, &grid.Error{Code: grid.TooMany, Message: "later", Err: &grid.Later{After: 2500 * time.Millisecond}}
}

func TestARefusalSaysWhenToTryAgainAndALargeBodyIsNotRead(t *testing.T) {
	log := logrus.New()
	log.SetOutput(t.Output())
	s := New(hasty{}, nil, "test", 100, log)
	for _, c := range []struct {
		name, body, after string
		status            int
		want              api.Problem
	}{
		{"too often", `{"specs":[]}`, "3", http.StatusTooManyRequests, api.Problem{Code: grid.TooMany, Message: "later", RetryAfter: 2.5}},
		{"too large", `{"specs":[` + strings.Repeat(" ", 100) + `]}`, "", http.StatusRequestEntityTooLarge, api.Problem{
			Code: grid.TooLarge, Message: "request body is too large limit=100 bytes (limits { max_submission } of the schedd's configuration bounds a submission)",
		}},
	} {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/v1/jobs", strings.NewReader(c.body))
		req.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), identityKey{}, Identity{Name: "ada", UID: 1000})))
		var got api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != c.status || w.Header().Get("Retry-After") != c.after || got.Code != c.want.Code || got.Message != c.want.Message || got.RetryAfter != c.want.RetryAfter {
			t.Errorf("%s: %d, after %q, %s", c.name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
}
