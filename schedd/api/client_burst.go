package api

import (
	"context"
	"net/url"
	"strconv"
)

// Bursts tells of the pools of machines that come and go by demand.
func (c *Client) Bursts(ctx context.Context) (out Bursts, err error) {
	return out, c.do(ctx, "GET", "/v1/bursts", nil, &out)
}

// PlanBursts tells what would be started and let go now, and why. Nothing is done.
func (c *Client) PlanBursts(ctx context.Context) (out BurstPlan, err error) {
	return out, c.do(ctx, "GET", "/v1/bursts/plan", nil, &out)
}

// SteerBurst pauses, resumes, drains or caps a pool.
func (c *Client) SteerBurst(ctx context.Context, pool, verb string, s Steer) error {
	return c.do(ctx, "POST", "/v1/bursts/"+url.PathEscape(pool)+"/"+url.PathEscape(verb), s, nil)
}

// SteerRoute pauses, resumes or caps a route.
func (c *Client) SteerRoute(ctx context.Context, route, verb string, s Steer) error {
	return c.do(ctx, "POST", "/v1/routes/"+url.PathEscape(route)+"/"+url.PathEscape(verb), s, nil)
}

// Journal tells what was done about machines and not done, and why.
func (c *Client) Journal(ctx context.Context, q JournalQuery) (out Journal, err error) {
	v := url.Values{}
	for name, text := range map[string]string{"job": q.Job, "vm": q.VM, "pool": q.Pool} {
		if text != "" {
			v.Set(name, text)
		}
	}
	if q.Since > 0 {
		v.Set("since", strconv.FormatInt(q.Since, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return out, c.do(ctx, "GET", "/v1/bursts/log?"+v.Encode(), nil, &out)
}

// Configuration is the configuration that is in force, or an earlier version.
func (c *Client) Configuration(ctx context.Context, version int) (out Configuration, err error) {
	return out, c.do(ctx, "GET", "/v1/config?version="+strconv.Itoa(version), nil, &out)
}

// Configure puts a configuration in force.
func (c *Client) Configure(ctx context.Context, q Configure) (out Configured, err error) {
	return out, c.do(ctx, "POST", "/v1/config", q, &out)
}

// BurstReceipts tells what bursts have used and cost.
func (c *Client) BurstReceipts(ctx context.Context, q ReceiptsQuery) (out BurstReceipts, err error) {
	v := url.Values{}
	if q.Pool != "" {
		v.Set("pool", q.Pool)
	}
	if q.Since > 0 {
		v.Set("since", strconv.FormatInt(q.Since, 10))
	}
	return out, c.do(ctx, "GET", "/v1/bursts/receipts?"+v.Encode(), nil, &out)
}
