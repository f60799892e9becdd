package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"gridburst/gahp/ovirtsim"
)

// admin is the simulator's own door, by which things go wrong there.
type admin struct{ http http.Client }

func newAdmin(socket string) *admin {
	var d net.Dialer
	return &admin{http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
		// A simulator that was killed leaves connections that nobody answers.
		DisableKeepAlives: true,
	}}}
}

func (a *admin) ask(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://sim"+path, &body)
	if err != nil {
		return err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= 300:
		return fmt.Errorf("the simulator answers %s %s with %s: %s", method, path, resp.Status, bytes.TrimSpace(b))
	case out == nil:
		return nil
	}
	return json.Unmarshal(b, out)
}

// add puts a rule to work.
func (a *admin) add(ctx context.Context, r *ovirtsim.Rule) (id int, err error) {
	var out struct{ ID int }
	err = a.ask(ctx, http.MethodPost, "/rules", r, &out)
	return out.ID, err
}

// hits is how many calls each rule in force has met.
func (a *admin) hits(ctx context.Context) (map[int]int, error) {
	var list []struct{ ID, Hits int }
	if err := a.ask(ctx, http.MethodGet, "/rules", nil, &list); err != nil {
		return nil, err
	}
	out := map[int]int{}
	for _, r := range list {
		out[r.ID] = r.Hits
	}
	return out, nil
}

func (a *admin) takeBack(ctx context.Context, id int) error {
	return a.ask(ctx, http.MethodDelete, "/rules/"+strconv.Itoa(id), nil, nil)
}

// machines is the truth about all machines.
func (a *admin) machines(ctx context.Context) (list []ovirtsim.Machine, err error) {
	return list, a.ask(ctx, http.MethodGet, "/machines", nil, &list)
}
