package serve

import (
	"encoding/json"
	"net/http"

	"gridburst/schedd/api"
)

// Monitor answers those who watch a schedd, whoever they are: its metrics and its
// health, and nothing else.
func Monitor(b Backend) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/health", func(w http.ResponseWriter, r *http.Request) { health(b, w, r) })
	m.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { b.Metrics().ServeHTTP(w, r) })
	return m
}

func health(b Backend, w http.ResponseWriter, r *http.Request) {
	h := b.Health()
	w.Header().Set("Content-Type", "application/json")
	if !passes(h, r.URL.Query().Get("live") == "true") {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // whoever asked has gone
}

func passes(h api.Health, live bool) bool {
	if live {
		return h.Live
	}
	return h.Ready
}
