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
		path := strings.NewReplacer("{claim}", "1", "{verb}", "stop").Replace(r.path)
		w := httptest.NewRecorder()
		req := httptest.NewRequest(r.method, path, strings.NewReader(`{"worker":"w"}`))
		req.Header.Set("Content-Type", "application/json")
		req = req.WithContext(context.WithValue(req.Context(), identityKey{}, Identity{Name: "alice", UID: 1000}))
		s.ServeHTTP(w, req)
		if w.Code != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", r.method, path, w.Code, w.Body)
		}
	}
}
