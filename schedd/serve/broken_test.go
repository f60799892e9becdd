package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sirupsen/logrus"

	"gridburst/schedd/api"
)

// counting is a backend that counts submissions, and panics when it is asked for totals.
type counting struct {
	Backend
	submits atomic.Int32
}

func (c *counting) Submit(context.Context, Identity, api.Submission) (api.Submitted, error) {
	c.submits.Add(1)
	return api.Submitted{}, nil
}

func (c *counting) Totals(context.Context, Identity) (api.QueueTotals, error) {
	panic("a defect")
}

func serving(t *testing.T, b Backend) *httptest.Server {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := New(b, nil, "test", DefaultSubmission, log)
	l := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, Identity{Name: "alice", UID: 1000})))
	}))
	l.Config.ErrorLog = nil
	t.Cleanup(l.Close)
	return l
}

// A client that dies while it hands in has handed in nothing; the whole of it is one
// request.
func TestSubmissionThatBreaksOffIsNone(t *testing.T) {
	b := &counting{}
	l := serving(t, b)
	whole := `{"specs":[{}]}`
	for cut := range len(whole) + 1 {
		c, err := net.Dial("tcp", l.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(whole), whole[:cut])
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(c) // it has been dealt with when the other end closes
		c.Close()
		if n, want := b.submits.Load(), map[bool]int32{true: 1}[cut == len(whole)]; n != want {
			t.Errorf("after %d of %d bytes: %d submissions; %s", cut, len(whole), n, answer)
		}
	}
}

// A defect in one request ends that request; the next is answered.
func TestPanicEndsOneRequest(t *testing.T) {
	l := serving(t, &counting{})
	for range 3 {
		if resp, err := http.Get(l.URL + "/v1/totals"); err == nil {
			resp.Body.Close()
			if resp.StatusCode < 500 {
				t.Errorf("the answer to a defect is %s", resp.Status)
			}
		}
		resp, err := http.Post(l.URL+"/v1/jobs", "application/json", strings.NewReader(`{"specs":[{}]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode >= 300 {
			t.Errorf("after a defect: %s", resp.Status)
		}
	}
}
