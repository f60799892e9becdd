package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/rig"
	"gridburst/schedd/api"
)

// Client hands in jobs and keeps a ledger of its own.
type Client struct {
	schedd *api.Client
	file   *os.File

	mu   sync.Mutex
	subs []*handed
}

// handed is a submission and what is known of it.
type handed struct {
	submission
	Cluster int32 // acknowledged; 0: not yet
}

// note is a line of the client's ledger.
type note struct {
	Key     string `json:"key"`
	Invoke  bool   `json:"invoke,omitempty"`
	Jobs    int    `json:"jobs,omitempty"`
	Cluster int32  `json:"cluster,omitempty"`
	Refused string `json:"refused,omitempty"`
}

func newClient(s *api.Client, path string) (*Client, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &Client{schedd: s, file: f}, nil
}

// note writes a line that is on the disk when it returns.
func (c *Client) note(n note) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if _, err := c.file.Write(append(b, '\n')); err != nil {
		return err
	}
	return c.file.Sync()
}

// handIn hands in one submission, and asks again under its key until it knows.
func (c *Client) handIn(ctx context.Context, s submission) error {
	h := &handed{submission: s}
	c.mu.Lock()
	c.subs = append(c.subs, h)
	c.mu.Unlock()
	if err := c.note(note{Key: s.Key, Invoke: true, Jobs: s.Jobs}); err != nil {
		return err
	}
	cluster, err := c.ask(ctx, s)
	n := note{Key: s.Key, Cluster: cluster}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n.Refused = err.Error()
	}
	c.mu.Lock()
	h.Cluster = cluster
	c.mu.Unlock()
	if err := c.note(n); err != nil {
		return err
	}
	if n.Refused != "" {
		return fmt.Errorf("submission %s was refused: %s", s.Key, n.Refused)
	}
	return nil
}

// ask submits until there is an answer.
func (c *Client) ask(ctx context.Context, s submission) (cluster int32, err error) {
	for {
		specs, err := rig.Lower(ctx, c.schedd, s.Dir, s.Text)
		if err == nil {
			var out api.Submitted
			if out, err = c.schedd.Submit(ctx, api.Submission{Key: s.Key, Specs: specs}); err == nil {
				return out.Clusters[0].Cluster, nil
			}
		}
		switch grid.CodeOf(err) {
		case grid.Unavailable, grid.Unknown:
		default:
			return 0, err
		}
		if err := pause.For(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// again asks for a submission that was acknowledged once more. Its key must give the
// same cluster.
func (c *Client) again(ctx context.Context, h handed) (wrong string, err error) {
	cluster, err := c.ask(ctx, h.submission)
	if err == nil && cluster != h.Cluster {
		wrong = fmt.Sprintf("the key %s gave cluster %d, and now gives %d", h.Key, h.Cluster, cluster)
	}
	return wrong, err
}

// all is what was handed in so far.
func (c *Client) all() []handed {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]handed, len(c.subs))
	for i, h := range c.subs {
		out[i] = *h
	}
	return out
}
