package gahp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp"
)

// stranger is a dialect that says what it is told to.
func stranger() gahp.Dialect {
	return gahp.Dialect{
		Now: map[string]func([]string) ([]string, error){
			"WHO": func(args []string) ([]string, error) {
				if len(args) > 0 {
					return nil, errors.New("nobody")
				}
				return []string{"a stranger", ""}, nil
			},
		},
		Later: map[string]func([]string) (gahp.Work, error){
			"ECHO": func(args []string) (gahp.Work, error) {
				if len(args) == 0 {
					return nil, errors.New("nothing to say")
				}
				return func(context.Context) []string { return args }, nil
			},
			"LONG": func([]string) (gahp.Work, error) {
				return func(context.Context) []string { return []string{strings.Repeat("x", 2*gahp.MaxLine)} }, nil
			},
			"NUL": func([]string) (gahp.Work, error) {
				return func(context.Context) []string { return []string{"\x00"} }, nil
			},
			"WAIT": func([]string) (gahp.Work, error) {
				return func(ctx context.Context) []string {
					<-ctx.Done()
					return []string{"over", context.Cause(ctx).Error()}
				}, nil
			},
		},
		Failed: func(err error) []string { return []string{"failed", err.Error()} },
	}
}

func TestADialect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := sitDown(t, nil, gahp.ServerOptions{Dialect: stranger(), Accepted: 3, Deadline: time.Minute})
		d.ask("COMMANDS", "S ASYNC_MODE_OFF ASYNC_MODE_ON COMMANDS CONDOR_VERSION ECHO LONG NUL QUIT RESPONSE_PREFIX RESULTS VERSION VM_CANCEL WAIT WHO")
		d.ask(`condor_version $CondorVersion:\ 23.9.6\ $`, "S")
		d.ask("CONDOR_VERSION", `E no\ argument`)
		d.ask("who", `S a\ stranger NULL`)
		d.ask("who else", `E WHO:\ nobody`)
		d.ask("ECHO 1", `E ECHO:\ nothing\ to\ say`)
		d.ask("ECHO x y", `E ECHO:\ request\ id\ is\ "x",*`)
		d.ask("ECHO 0 y", `E ECHO:\ the\ request\ id*`)
		d.ask("VM_PING 1 0", `E there\ is\ no\ such\ command*`) // there is no provider
		d.ask(`echo 1 a\ b NULL`, "S")
		if got := d.results(1)[0]; got != `1 a\ b NULL` {
			t.Errorf("the result is %q", got)
		}
		d.ask("LONG 2", "S") // a line for those who read any
		if got := d.results(1)[0]; got != "2 "+strings.Repeat("x", 2*gahp.MaxLine) {
			t.Errorf("the result has %d bytes", len(got))
		}
		d.ask("NUL 3", "S")
		if got := d.results(1)[0]; !strings.HasPrefix(got, `3 failed a\ NUL`) {
			t.Errorf("the result is %q", got)
		}
		// Each has its time, and is given up when the client says so; none waits for another.
		for _, id := range []string{"4", "5", "6"} {
			d.ask("WAIT "+id, "S")
		}
		d.ask("WAIT 4", `E request\ 4\ is\ open*`)
		d.ask("WAIT 7", `F 3\ requests\ are\ open*`)
		synctest.Wait() // until their work has begun
		d.ask("VM_CANCEL 5", "S")
		if got := d.results(1)[0]; !strings.HasPrefix(got, "5 over ") {
			t.Errorf("the result is %q", got)
		}
		time.Sleep(2 * time.Minute) // of the bubble
		if got := d.results(2); !strings.Contains(got[0], `time\ of\ 1m0s\ is\ over`) {
			t.Errorf("the results are %q", got)
		}
		d.ask("QUIT", "S")
		if err := <-d.ended; err != nil {
			t.Error(err)
		}
	})
}
