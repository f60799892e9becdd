package ovirtsim

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"gridburst/internal/grid"
)

// Admin is what the engine's users do not see, for those who drive a test:
//
//	GET    /summary             the journal, counted
//	GET    /journal?after=N     entries as lines of JSON; &wait=true: when there is one
//	GET    /calls               how often each operation was asked for
//	GET    /machines            the truth about all machines
//	POST   /machines/NAME/stop  an administrator switches it off; NAME may be its id
//	DELETE /machines/NAME       an administrator removes it, whatever its state
//	GET    /rules               what is in force
//	POST   /rules               puts a rule (YAML or JSON) to work: {"id":N}
//	DELETE /rules/N             takes it back
//	DELETE /rules               takes all back
//	POST   /sessions/end        ends all sessions
//
// It asks nobody who they are: serve it where only they can reach it.
func (s *Sim) Admin() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /summary", func(w http.ResponseWriter, _ *http.Request) { tell(w, s.Summary()) })
	m.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) { tell(w, s.Calls()) })
	m.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) { tell(w, s.Machines()) })
	m.HandleFunc("GET /rules", func(w http.ResponseWriter, _ *http.Request) { tell(w, s.Rules()) })
	m.HandleFunc("GET /journal", s.tellJournal)
	m.HandleFunc("POST /machines/{name}/stop", func(w http.ResponseWriter, r *http.Request) {
		done(w, s.Administer(r.PathValue("name"), OpStop))
	})
	m.HandleFunc("DELETE /machines/{name}", func(w http.ResponseWriter, r *http.Request) {
		done(w, s.Administer(r.PathValue("name"), OpRemove))
	})
	m.HandleFunc("POST /rules", func(w http.ResponseWriter, r *http.Request) {
		var rule Rule
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			err = decode(b, &rule)
		}
		id := 0
		if err == nil {
			id, err = s.addRule(rule)
		}
		if err != nil {
			done(w, grid.Errorf(grid.Invalid, "the rule: %w", err))
			return
		}
		tell(w, map[string]int{"id": id})
	})
	m.HandleFunc("DELETE /rules/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || !s.removeRule(id) {
			done(w, grid.Errorf(grid.NotFound, "there is no rule %s in force", r.PathValue("id")))
			return
		}
		done(w, nil)
	})
	m.HandleFunc("DELETE /rules", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearRules()
		done(w, nil)
	})
	m.HandleFunc("POST /sessions/end", func(w http.ResponseWriter, _ *http.Request) {
		s.EndSessions()
		done(w, nil)
	})
	return m
}

func (s *Sim) tellJournal(w http.ResponseWriter, r *http.Request) {
	after := int64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseInt(text, 10, 64); err != nil {
			done(w, grid.Errorf(grid.Invalid, "after=%s is not a number", text))
			return
		}
	}
	entries, more := s.Journal(after)
	if len(entries) == 0 && r.URL.Query().Get("wait") == "true" {
		select {
		case <-more:
		case <-r.Context().Done():
		case <-s.closing:
		}
		entries, _ = s.Journal(after)
	}
	w.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(w)
	for _, e := range entries {
		if lines.Encode(e) != nil {
			return
		}
	}
}

func tell(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever has gone does not hear it
}

// done answers with nothing, or with what went wrong.
func done(w http.ResponseWriter, err error) {
	status := http.StatusNoContent
	switch grid.CodeOf(err) {
	case "":
		w.WriteHeader(status)
		return
	case grid.NotFound:
		status = http.StatusNotFound
	case grid.Invalid:
		status = http.StatusBadRequest
	default:
		status = http.StatusInternalServerError
	}
	http.Error(w, grid.MessageOf(err), status)
}
