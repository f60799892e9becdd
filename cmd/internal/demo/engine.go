package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"gridburst/cmd/internal/sandbox"
	"gridburst/internal/grid"
)

// record is what the engine itself has seen of its machines. It was told by nobody but
// those who gave the orders.
type record struct {
	created  []string // names of machines that were made, each as often as it was
	removed  []string // of those that exist no more
	left     []string // of those that do
	borrowed []string // machines of others, each start of one
	returned []string // and those of them that are down now, and as they were
	touched  []string // machines of others that orders were carried out on, apart from those
}

// readRecord asks the engine's simulator for its journal.
func readRecord(ctx context.Context, socket string) (*record, error) {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/journal", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, grid.Errorf(grid.Unavailable, "read the engine's record: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the engine's record: it answers %s", resp.Status)
	}
	return parseRecord(resp.Body)
}

// happened is an entry of the engine's journal.
type happened struct {
	What    string `json:"what"`
	VM      string `json:"vm"`
	Name    string `json:"name"`
	Foreign bool   `json:"foreign"` // it was there before
	Status  string `json:"status"`  // after this
}

// parseRecord reads the journal, entry by entry.
func parseRecord(r io.Reader) (*record, error) {
	out := &record{}
	there := map[string]string{} // names of machines that were made and exist, by id
	foreign := map[string]happened{}
	changed := map[string]bool{}
	for d := json.NewDecoder(r); ; {
		var e happened
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, grid.Errorf(grid.Unavailable, "read the engine's record: %w", err) // it broke off
		}
		switch {
		case e.VM == "":
		case e.Foreign:
			foreign[e.Name] = e
			switch e.What {
			case "started", "told-off", "stopped":
				if e.Name != sandbox.Borrowed {
					out.touched = append(out.touched, e.Name)
				} else if e.What == "started" {
					out.borrowed = append(out.borrowed, e.Name)
				}
			case "updated", "removed":
				changed[e.Name] = true
				out.touched = append(out.touched, e.Name)
			}
		case e.What == "created":
			there[e.VM] = e.Name
			out.created = append(out.created, e.Name)
		case e.What == "gone":
			delete(there, e.VM)
			out.removed = append(out.removed, e.Name)
		}
	}
	for _, name := range there {
		out.left = append(out.left, name)
	}
	slices.Sort(out.left)
	for _, name := range out.borrowed {
		if foreign[name].Status == "down" && !changed[name] {
			out.returned = append(out.returned, name)
		}
	}
	return out, nil
}
