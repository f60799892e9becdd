package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"gridburst/internal/failpoint"
	"gridburst/internal/grid"
	"gridburst/internal/pause"
	"gridburst/internal/wire"
	"gridburst/internal/worker/sandbox"
)

// client asks the schedd beside the line.
func (a *Agent) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		// TLS, where there is any, is the endpoint's own work.
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return a.schedd().DialContext(ctx) },
		DisableCompression: true, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
	}}
}

func (a *Agent) request(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, "http://schedd"+path, body)
	if err != nil {
		return nil, err
	}
	q.Header.Set(wire.SessionHeader, a.session)
	resp, err := a.files.Do(q)
	if err != nil {
		return nil, err
	}
	if err := wire.Refusal(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// ownError is a failure of this machine's in the midst of a transfer.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// patiently repeats f until it succeeds, fails for good, or ctx ends. What the schedd
// calls invalid is for good, and a fault of the job's; this machine's own failures are
// for good after some tries; all else may be the schedd's, or the way's.
func (t *attempt) patiently(ctx context.Context, what string, f func() error) error {
	const ownTries = 5
	own := 0
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := f()
		var hold *sandbox.HoldError
		var mine *ownError
		if errors.As(err, &mine) {
			own++
		}
		if err == nil || errors.As(err, &hold) || grid.CodeOf(err) == grid.Invalid || own == ownTries {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.a.log.WithError(err).WithField("job", t.entry.Key.Job).Info(what + " did not succeed, and is tried again")
		if pause.For(ctx, wait) != nil {
			return context.Cause(ctx)
		}
	}
}

// fetch fills the sandbox.
func (t *attempt) fetch(ctx context.Context) error {
	k := t.entry.Key
	again := false
	err := t.patiently(ctx, "fetching inputs", func() error {
		if again { // what an earlier try has left there goes
			if err := t.box.Create(); err != nil {
				return &ownError{err}
			}
		}
		again = true
		resp, err := t.a.request(ctx, http.MethodGet, wire.InputsPath(k.Job, k.Epoch), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		t.received, err = t.box.Unpack(resp.Body, sandbox.Limits{})
		return err
	})
	if grid.CodeOf(err) == grid.Invalid {
		return sandbox.Hold(grid.HoldInput, nil, "%s", grid.MessageOf(err))
	}
	if err == nil {
		err = t.box.Capture(t.entry.Exec)
	}
	var restored []string
	if c := t.entry.Exec.Checkpoint; err == nil && c != nil && c.Kept {
		restored, err = t.restore(ctx)
	}
	if err == nil {
		err = t.box.WriteAd(t.entry.Exec.Ad)
	}
	if err == nil {
		err = t.box.Remember(restored...)
	}
	failpoint.Hit("worker.inputs.after")
	return err
}

// maxToken bounds a token.
const maxToken = 4 << 10

// fetchToken puts the token of the job's run into the sandbox. It is in no journal: who comes
// after this agent finds it there.
func (t *attempt) fetchToken(ctx context.Context) error {
	k := t.entry.Key
	err := t.patiently(ctx, "fetching a token", func() error {
		resp, err := t.a.request(ctx, http.MethodGet, wire.TokenPath(k.Job, k.Epoch), nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		token, err := io.ReadAll(io.LimitReader(resp.Body, maxToken))
		if err != nil {
			return err
		}
		if err := t.box.WriteToken(token); err != nil {
			return &ownError{err}
		}
		return nil
	})
	if grid.CodeOf(err) == grid.Invalid {
		return nil // its run has ended meanwhile, and it will be removed
	}
	return err
}

// apiAddress is where a job of this worker's finds the schedd; empty: nowhere. What the schedd
// answers people is on its socket alone.
func (a *Agent) apiAddress() string {
	if e := a.schedd(); e.Network == "unix" {
		return e.Address
	}
	return ""
}

// deliver sends the outputs. A [*sandbox.HoldError] with a digest says that some were
// missing and the others have been sent.
func (t *attempt) deliver(ctx context.Context) (staged wire.Staged, err error) {
	err = t.patiently(ctx, "sending outputs", func() error {
		failpoint.Hit("worker.outputs.before")
		kept, err := t.send(ctx, wire.OutputsPath(t.entry.Key.Job, t.entry.Key.Epoch), t.entry.Exec, false)
		staged = kept.Staged
		if err == nil {
			failpoint.Hit("worker.outputs.after")
		}
		return err
	})
	if grid.CodeOf(err) == grid.Invalid {
		return wire.Staged{}, sandbox.Hold(grid.HoldOutput, nil, "%s", grid.MessageOf(err))
	}
	return staged, err
}

// send sends what x names as outputs, and gives the schedd's answer. Where some are missing
// that is a [*sandbox.HoldError]: the others have been sent, or, if they are only to be had
// all together, none.
func (t *attempt) send(ctx context.Context, path string, x wire.Execution, all bool) (kept wire.Kept, err error) {
	type collected struct {
		wire.Staged
		err error
	}
	hungUp := errors.New("the schedd reads no more")
	r, w := io.Pipe()
	done := make(chan collected, 1)
	go func() {
		s, err := t.box.Collect(w, x, sandbox.Limits{})
		var hold *sandbox.HoldError
		if err == nil || !all && errors.As(err, &hold) {
			w.Close()
		} else {
			w.CloseWithError(err) // the stream must not look whole
		}
		done <- collected{s, err}
	}()
	resp, err := t.a.request(ctx, http.MethodPut, path, r)
	r.CloseWithError(hungUp) // Collect must not wait for a reader
	c := <-done
	if err != nil {
		var hold *sandbox.HoldError
		switch missing := errors.As(c.err, &hold); {
		case missing && all:
			return kept, c.err
		case c.err != nil && !missing && !errors.Is(c.err, hungUp):
			return kept, &ownError{c.err}
		}
		return kept, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&kept); err != nil {
		return wire.Kept{}, fmt.Errorf("read what the schedd has of the outputs: %w", err)
	}
	if kept.SHA256 != c.SHA256 {
		return wire.Kept{}, grid.Errorf(grid.Unavailable, "the schedd has other outputs than were sent")
	}
	kept.Staged = c.Staged
	return kept, c.err
}
