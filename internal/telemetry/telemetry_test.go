package telemetry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// busy is a schedd of which every metric has something to say.
func busy(state State) *Schedd {
	s := New("1.2.3")
	s.Watch(func() State { return state })
	s.Committed(3, time.Millisecond)
	s.Planned(time.Millisecond)
	s.Placed(time.Minute)
	s.Engine("CREATE", "no_capacity", time.Second)
	s.Desk("append", "", time.Millisecond)
	s.Mail("sent")
	return s
}

var full = State{
	Jobs:    map[string]map[string]int{"ada": {"idle": 3}},
	Workers: map[string]int{"idle": 1}, CPUs: map[string]int64{"free": 4}, MemoryBytes: map[string]int64{"free": 1 << 30},
	Claims: map[[2]string]int{{"main", "ready"}: 2}, Stopping: map[string]time.Duration{"main": time.Minute}, Strays: map[string]int{"main": 1},
	Ready: true, Verified: 1_800_000_000, Sound: true,
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("a scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsAreNamedAsPrometheusWantsAndDocumented(t *testing.T) {
	s := busy(full)
	api := s.Requests(http.NewServeMux())
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v1/jobs", nil)) // no route: not counted
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/jobs", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() })
	api = s.Requests(mux)
	for _, path := range []string{"/v1/jobs", "/v1/events", "/v1/nosuch"} {
		api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	problems, err := testutil.GatherAndLint(s.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	text := scrape(t, s.Handler())
	for _, want := range []string{
		`gridburst_jobs{owner="ada",state="idle"} 3`, `gridburst_ledger_batch_commands_sum 3`, `gridburst_ready 1`,
		`gridburst_gahp_call_seconds_count{outcome="no_capacity",verb="CREATE"} 1`, `gridburst_desk_request_seconds_count{operation="append",outcome="ok"} 1`,
		`gridburst_api_request_seconds_count{route="GET /v1/jobs",status="418"} 1`, `gridburst_build_info{version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("a scrape does not say %s", want)
		}
	}
	if strings.Contains(text, "/v1/events") || strings.Contains(text, "nosuch") {
		t.Error("a stream, or a route that is none, is counted")
	}

	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var served, documented []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (gridburst_\w+)`).FindAllStringSubmatch(text, -1) {
		served = append(served, m[1])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(gridburst_\\w+)").FindAllStringSubmatch(string(manual), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("docs/operations.md explains\n%s\nand served are\n%s", strings.Join(documented, "\n"), strings.Join(served, "\n"))
	}
}

func TestOwnersAreBoundedAndNoJobIsLost(t *testing.T) {
	state := State{Jobs: map[string]map[string]int{}}
	total := 0
	for i := range 3 * maxOwners {
		state.Jobs[fmt.Sprintf("user%d", i)] = map[string]int{"idle": i, "held": 1}
		total += i + 1
	}
	got := state.byOwner()
	if len(got) != maxOwners+1 || got["user149"] == nil || got["user0"] != nil {
		t.Errorf("%d owners", len(got))
	}
	for _, states := range got {
		total -= states["idle"] + states["held"]
	}
	if total != 0 {
		t.Errorf("%d jobs are not counted", total)
	}
}
