package api

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"gridburst/internal/grid"
)

// served is a client of a handler on a Unix socket.
func served(t *testing.T, h http.Handler) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	var done sync.WaitGroup
	done.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); done.Wait() })
	return NewClient(socket)
}

// breakOff answers with the beginning of a body, and hangs up.
func breakOff(w http.ResponseWriter, begin string) {
	fmt.Fprint(w, begin)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestSubmitWhoseAnswerIsLostIsAskedForAgainWithTheSameKey(t *testing.T) {
	var keys []string
	c := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var s Submission
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			t.Error(err)
		}
		keys = append(keys, s.Key)
		switch len(keys) {
		case 1:
			panic(http.ErrAbortHandler) // nothing came back
		case 2:
			breakOff(w, `{"clusters":[{"cluster":`)
		}
		fmt.Fprint(w, `{"clusters":[{"cluster":7,"procs":3}]}`)
	}))
	out, err := c.Submit(t.Context(), Submission{})
	if err != nil || len(out.Clusters) != 1 || out.Clusters[0] != (Cluster{Cluster: 7, Procs: 3}) {
		t.Fatalf("%+v, %v", out, err)
	}
	if len(keys) != 3 || keys[0] == "" || keys[1] != keys[0] || keys[2] != keys[0] {
		t.Errorf("the keys were %q", keys)
	}
}

func TestSubmitThatIsRefusedIsNotAskedForAgain(t *testing.T) {
	n := 0
	c := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"code":"refused","message":"no","diagnostics":[{"summary":"bad","line":3}]}`)
	}))
	_, err := c.Submit(t.Context(), Submission{})
	if grid.CodeOf(err) != grid.Refused || n != 1 {
		t.Errorf("asked %d times: %v", n, err)
	}
}

func TestEventsResumeBehindTheLastWholeEntry(t *testing.T) {
	var from []string
	c := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from = append(from, r.URL.Query().Get("after"))
		switch len(from) {
		case 1: // the second entry is not whole
			breakOff(w, "data: {\"index\":5,\"type\":\"a\"}\nid: 5\n\ndata: {\"index\":6,\"type\":\"b\"}\n\n")
		case 2:
			fmt.Fprint(w, "data: {\"index\":6,\"type\":\"b\"}\n\ndata: {\"index\":6,\"type\":\"c\"}\nid: 6\n\n")
		default:
			w.WriteHeader(http.StatusGone)
			fmt.Fprint(w, `{"code":"gone","message":"the log begins later"}`)
		}
	}))
	got := ""
	var last error
	for e, err := range c.Events(t.Context(), 4) {
		if last = err; err == nil {
			got += e.Type
		}
	}
	if got != "abbc" || grid.CodeOf(last) != grid.Gone {
		t.Errorf("events %q, then %v", got, last)
	}
	if len(from) != 3 || from[0] != "4" || from[1] != "5" || from[2] != "6" {
		t.Errorf("asked for events after %q", from)
	}
}

func TestBackupWithoutItsDescriptionIsNone(t *testing.T) {
	c := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "half a fi") }))
	if _, err := c.Backup(t.Context(), &discard{}); grid.CodeOf(err) != grid.Unavailable {
		t.Errorf("%v", err)
	}
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
