package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gridburst/dag"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
)

// Client asks the schedd on a Unix socket. It is safe for many goroutines.
type Client struct {
	socket string
	token  string // of a run, with which it asks; empty: as the user whose process it is
	http   http.Client
}

// WithToken has the client ask as a node of a run, by its token.
func (c *Client) WithToken(token string) *Client {
	c.token = token
	return c
}

// NewClient is a client of the schedd at that socket.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,
	}
	return c
}

// NewKey is a new idempotency key: the time in milliseconds and 80 random bits. As with a
// UUID of version 7 (RFC 9562), keys of one time are neighbours in the schedd's file, where
// wholly random ones would have it write as many pages as keys.
func NewKey() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixMilli())<<16)
	b = append(b[:6], make([]byte, 10)...)
	rand.Read(b[6:])
	return hex.EncodeToString(b)
}

// do sends a request and decodes the answer into out, if it is not nil.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return c.unreachable(ctx, method, err) // it has done what was asked, but what was that?
	}
	return nil
}

// send gives an answer of success; others become errors.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // expressions are full of && and <
		if err := e.Encode(in); err != nil {
			return nil, err
		}
		body = &b
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://schedd"+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, method, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, problem(resp)
}

func (c *Client) unreachable(ctx context.Context, method string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		e := grid.Errorf(grid.Unavailable, "no schedd answers at %s: start one with gschedd, or name another with --schedd or GRIDBURST_SCHEDD", c.socket)
		e.Err = err
		return e
	case errors.Is(err, os.ErrPermission):
		return grid.Errorf(grid.Forbidden, "you may not talk to the schedd at %s", c.socket)
	case method == http.MethodGet:
		return grid.Errorf(grid.Unavailable, "the schedd at %s broke off: %w", c.socket, err)
	}
	return grid.Errorf(grid.Unknown, "the schedd at %s broke off, and whether it did what was asked is not known: %w", c.socket, err)
}

func problem(resp *http.Response) error {
	var p Problem
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(b, &p) != nil || p.Code == "" {
		return grid.Errorf(grid.Internal, "the schedd answered %s: %s", resp.Status, strings.TrimSpace(string(b)))
	}
	e := &grid.Error{Code: p.Code, Message: p.Message}
	switch {
	case len(p.Diagnostics) > 0:
		e.Err = &grid.DiagnosticsError{Diagnostics: p.Diagnostics}
	case p.RetryAfter > 0:
		e.Err = &grid.Later{After: time.Duration(p.RetryAfter * float64(time.Second))}
	}
	return e
}

// Status asks what the schedd is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.do(ctx, "GET", "/v1/status", nil, &s)
}

// Submit adds jobs. When the outcome is not known it asks again, with the same key,
// until ctx ends.
func (c *Client) Submit(ctx context.Context, s Submission) (out Submitted, err error) {
	if s.Key == "" {
		s.Key = NewKey()
	}
	return out, c.again(ctx, func() error { return c.do(ctx, "POST", "/v1/jobs", s, &out) })
}

// again repeats a request that may be repeated, from the moment that its outcome is
// not known.
func (c *Client) again(ctx context.Context, do func() error) error {
	var unknown error
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := do()
		switch code := grid.CodeOf(err); {
		case code == grid.Unknown:
			unknown = err
		case unknown == nil || code != grid.Unavailable && ctx.Err() == nil:
			return err
		}
		if pause.For(ctx, wait) != nil {
			return unknown
		}
	}
}

// SubmitDag begins a run of a workflow. When the outcome is not known it asks again, with
// the same key, until ctx ends.
func (c *Client) SubmitDag(ctx context.Context, s DagSubmission) (out DagSubmitted, err error) {
	if s.Key == "" {
		s.Key = NewKey()
	}
	if s.Graph.Len() > largeGraph {
		if s.Packed, err = s.Graph.Pack(); err != nil {
			return out, err
		}
		s.Graph = dag.Graph{}
	}
	return out, c.again(ctx, func() error { return c.do(ctx, "POST", "/v1/dags", s, &out) })
}

// largeGraph is how many nodes go as they are: for a person who looks on.
const largeGraph = 1000

// Dags lists runs of workflows; with past also those that have ended.
func (c *Client) Dags(ctx context.Context, past bool) (out Dags, err error) {
	return out, c.do(ctx, "GET", fmt.Sprintf("/v1/dags?past=%t", past), nil, &out)
}

// Dag is a run with its nodes.
func (c *Client) Dag(ctx context.Context, id uint32) (out DagDetail, err error) {
	return out, c.do(ctx, "GET", fmt.Sprintf("/v1/dags/%d", id), nil, &out)
}

// DagEdges is a run with its nodes and what each waits for.
func (c *Client) DagEdges(ctx context.Context, id uint32) (out DagDetail, err error) {
	return out, c.do(ctx, "GET", fmt.Sprintf("/v1/dags/%d?edges=true", id), nil, &out)
}

// ControlDag halts a run, pauses it, lets it go on, limits it, or does something to a node.
func (c *Client) ControlDag(ctx context.Context, id uint32, what DagControl) (out DagControlled, err error) {
	return out, c.do(ctx, "POST", fmt.Sprintf("/v1/dags/%d/control", id), what, &out)
}

// ScaleDag sets how many machines of a pool a run wants to be there.
func (c *Client) ScaleDag(ctx context.Context, id uint32, s DagScale) (out DagScaled, err error) {
	return out, c.do(ctx, http.MethodPost, "/v1/dags/"+strconv.Itoa(int(id))+"/scale", s, &out)
}

// RemoveDag ends a run: its jobs are removed, and nothing more of it is begun.
func (c *Client) RemoveDag(ctx context.Context, id uint32) error {
	return c.do(ctx, "POST", fmt.Sprintf("/v1/dags/%d/remove", id), nil, nil)
}

// Act does something to jobs.
func (c *Client) Act(ctx context.Context, a Action) (out Acted, err error) {
	return out, c.do(ctx, "POST", "/v1/jobs/act", a, &out)
}

// Edit changes the ads of jobs in the queue.
func (c *Client) Edit(ctx context.Context, e Edit) (out Acted, err error) {
	return out, c.do(ctx, "POST", "/v1/jobs/edit", e, &out)
}

// Totals counts the queue.
func (c *Client) Totals(ctx context.Context) (t QueueTotals, err error) {
	return t, c.do(ctx, "GET", "/v1/totals", nil, &t)
}

// Why asks what stands between a job and its start.
func (c *Client) Why(ctx context.Context, id string) (w Why, err error) {
	return w, c.do(ctx, "GET", "/v1/jobs/"+url.PathEscape(id)+"/why", nil, &w)
}

// Slots lists the pool.
func (c *Client) Slots(ctx context.Context) (s Slots, err error) {
	return s, c.do(ctx, "GET", "/v1/slots", nil, &s)
}

// Routes tells what goes on on the routes to targets outside of the pool.
func (c *Client) Routes(ctx context.Context) (out Routes, err error) {
	return out, c.do(ctx, "GET", "/v1/routes", nil, &out)
}

// Claims lists virtual machines of ours; with past also those that are gone.
func (c *Client) Claims(ctx context.Context, past bool) (out Claims, err error) {
	return out, c.do(ctx, "GET", fmt.Sprintf("/v1/claims?past=%t", past), nil, &out)
}

// Boots tells how long machines take from the wish for one until it serves.
func (c *Client) Boots(ctx context.Context) (out Boots, err error) {
	return out, c.do(ctx, "GET", "/v1/boots", nil, &out)
}

// ActOnClaim drains a virtual machine of ours, takes that back, or has it stopped.
func (c *Client) ActOnClaim(ctx context.Context, id uint32, verb string) error {
	return c.do(ctx, "POST", fmt.Sprintf("/v1/claims/%d/%s", id, url.PathEscape(verb)), nil, nil)
}

// Strays lists machines of ours that no claim stands for.
func (c *Client) Strays(ctx context.Context) (out Strays, err error) {
	return out, c.do(ctx, "GET", "/v1/strays", nil, &out)
}

// ActOnStrays says what becomes of those whose claims a restored queue does not know: keep
// or remove.
func (c *Client) ActOnStrays(ctx context.Context, verb string) error {
	return c.do(ctx, "POST", "/v1/strays/"+url.PathEscape(verb), nil, nil)
}

// Invite asks for a one-time token for a worker of another host.
func (c *Client) Invite(ctx context.Context, worker string) (out Invitation, err error) {
	return out, c.do(ctx, "POST", "/v1/workers/invite", Invite{Worker: worker}, &out)
}

// Jobs yields the ads of jobs in the queue, page by page.
func (c *Client) Jobs(ctx context.Context, q JobsQuery) iter.Seq2[json.RawMessage, error] {
	return c.pages(ctx, "/v1/jobs", q.values())
}

// Batches is the queue by batches.
func (c *Client) Batches(ctx context.Context, q BatchesQuery) (out Batches, err error) {
	jobs := JobsQuery{IDs: q.IDs, Owner: q.Owner, Constraint: q.Constraint, Limit: q.Limit}
	return out, c.do(ctx, "GET", "/v1/batches?"+jobs.values().Encode(), nil, &out)
}

// Factories lists clusters whose jobs are made little by little.
func (c *Client) Factories(ctx context.Context, q FactoriesQuery) (out Factories, err error) {
	jobs := JobsQuery{IDs: q.IDs, Owner: q.Owner}
	return out, c.do(ctx, "GET", "/v1/factories?"+jobs.values().Encode(), nil, &out)
}

// JobSets lists job sets that have jobs in the queue.
func (c *Client) JobSets(ctx context.Context, q JobSetsQuery) (out JobSets, err error) {
	v := url.Values{}
	for name, value := range map[string]string{"owner": q.Owner, "name": q.Name} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return out, c.do(ctx, "GET", "/v1/jobsets?"+v.Encode(), nil, &out)
}

// History yields the ads of jobs that have left the queue, newest first.
func (c *Client) History(ctx context.Context, q HistoryQuery) iter.Seq2[json.RawMessage, error] {
	v := q.values()
	if q.Since > 0 {
		v.Set("since", strconv.FormatInt(q.Since, 10))
	}
	if q.Forward {
		v.Set("forward", "true")
	}
	if q.Epochs {
		v.Set("epochs", "true")
	}
	return c.pages(ctx, "/v1/history", v)
}

func (c *Client) pages(ctx context.Context, path string, q url.Values) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for {
			var page Jobs
			if err := c.do(ctx, "GET", path+"?"+q.Encode(), nil, &page); err != nil {
				yield(nil, err)
				return
			}
			for _, j := range page.Jobs {
				if !yield(j, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Set("after", page.Next)
		}
	}
}

func (q *JobsQuery) values() url.Values {
	v := url.Values{}
	// Several in one parameter, separated by commas, as the contract has them.
	if len(q.IDs) > 0 {
		v.Set("id", strings.Join(q.IDs, ","))
	}
	if len(q.Attributes) > 0 {
		v.Set("attribute", strings.Join(q.Attributes, ","))
	}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("owner", q.Owner)
	set("constraint", q.Constraint)
	set("after", q.After)
	if q.Evaluate {
		v.Set("evaluate", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// Events yields what happens after an index, for ever: it waits for more, and
// connects again when the schedd was away. It ends with ctx, or with [grid.Gone] when
// the log begins later.
func (c *Client) Events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		wait := 50 * time.Millisecond
		for {
			more, err := c.events(ctx, &after, &wait, yield)
			if !more {
				return
			}
			code := grid.CodeOf(err)
			if ctx.Err() != nil || err != nil && code != grid.Unavailable && code != grid.Unknown {
				yield(Event{}, cause(ctx, err))
				return
			}
			_ = pause.For(ctx, wait) // the next request tells of its end
			wait = min(2*wait, 2*time.Second)
		}
	}
}

// Happened waits until something has happened behind an index. Other than [Client.Events]
// it fails when the schedd goes away.
func (c *Client) Happened(ctx context.Context, after uint64) error {
	wait, seen := time.Duration(0), false
	_, err := c.events(ctx, &after, &wait, func(Event, error) bool {
		seen = true
		return false
	})
	if err == nil && !seen {
		err = grid.Errorf(grid.Unavailable, "the schedd at %s broke off", c.socket)
	}
	return cause(ctx, err)
}

func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// events reads one stream; more is false when the reader has had enough.
func (c *Client) events(ctx context.Context, after *uint64, wait *time.Duration, yield func(Event, error) bool) (more bool, err error) {
	resp, err := c.send(ctx, "GET", fmt.Sprintf("/v1/events?after=%d", *after), nil)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				// The id comes behind the last event of its entry.
				if n, err := strconv.ParseUint(id, 10, 64); err == nil {
					*after = n
				}
			}
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return true, grid.Errorf(grid.Internal, "an event that cannot be read: %w", err)
		}
		*wait = 50 * time.Millisecond
		if !yield(e, nil) {
			return false, nil
		}
	}
	if err := lines.Err(); err != nil {
		return true, c.unreachable(ctx, http.MethodGet, err)
	}
	return true, nil
}

// Log yields entries of the log, from an index on.
func (c *Client) Log(ctx context.Context, from uint64) iter.Seq2[LogEntry, error] {
	return func(yield func(LogEntry, error) bool) {
		resp, err := c.send(ctx, "GET", fmt.Sprintf("/v1/log?from=%d", from), nil)
		if err != nil {
			yield(LogEntry{}, err)
			return
		}
		defer resp.Body.Close()
		d := json.NewDecoder(resp.Body)
		for {
			var e LogEntry
			if err := d.Decode(&e); err == io.EOF {
				return
			} else if err != nil {
				yield(e, grid.Errorf(grid.Unavailable, "the log broke off: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// RetellEvents writes an event log of jobs to w, from what the schedd knows of them.
func (c *Client) RetellEvents(ctx context.Context, q EventsQuery, w io.Writer) error {
	v := url.Values{}
	v.Set("id", strings.Join(q.IDs, ","))
	v.Set("format", q.Format)
	resp, err := c.send(ctx, "GET", "/v1/eventlog?"+v.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return grid.Errorf(grid.Unavailable, "the events broke off: %w", err)
	}
	return nil
}

// BackupTrailer is the HTTP trailer that describes a backup when it is whole.
const BackupTrailer = "Gridburst-Backup"

// Backup writes a copy of the queue file to w.
func (c *Client) Backup(ctx context.Context, w io.Writer) (b Backup, err error) {
	resp, err := c.send(ctx, "GET", "/v1/backup", nil)
	if err != nil {
		return b, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return b, grid.Errorf(grid.Unavailable, "the backup broke off: %w", err)
	}
	if err := json.Unmarshal([]byte(resp.Trailer.Get(BackupTrailer)), &b); err != nil {
		return b, grid.Errorf(grid.Unavailable, "the backup broke off: its description is missing")
	}
	return b, nil
}
