package cli

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/userlog"
)

// fake is a world without a process around it.
func fake(env map[string]string) (d *Deps, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return &Deps{
		In: strings.NewReader(""), Out: out, Err: errs,
		Env: func(n string) string { return env[n] }, Now: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}, out, errs
}

func TestExitStatusSaysWhatKindOfFailure(t *testing.T) {
	for err, want := range map[error]int{
		nil:                              0,
		errors.New("x"):                  1,
		grid.Errorf(grid.Unknown, "x"):   1,
		grid.Errorf(grid.Invalid, "x"):   2,
		grid.Errorf(grid.NoSpace, "x"):   3,
		grid.Errorf(grid.Forbidden, "x"): 3,
		grid.Errorf(grid.NotFound, "x"):  4,
		said(3):                          3,
		fmt.Errorf("deep: %w", grid.Errorf(grid.Gone, "x")): 4,
	} {
		if got := ExitOf(err); got != want {
			t.Errorf("%v exits with %d, not %d", err, got, want)
		}
	}
}

func TestEveryCommandDocumentsItsExitStatus(t *testing.T) {
	for _, command := range []func(*Deps) *cobra.Command{Submit, Queue, Remove, Hold, Release, Wait, History, Pool} {
		d, out, _ := fake(nil)
		c := command(d)
		if code := Execute(t.Context(), d, c, []string{"--help"}); code != 0 {
			t.Errorf("%s --help exits with %d", c.Name(), code)
		}
		for _, want := range []string{"0  done", "1  failed", "2  usage", "3  refused", "4  not found", "--schedd"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s --help does not say %q", c.Name(), want)
			}
		}
	}
}

func TestOptionsWithOneDash(t *testing.T) {
	d, _, _ := fake(nil)
	flags := Queue(d).Flags()
	for in, want := range map[string]string{
		"-constraint x":   "--constraint x",
		"-long 1":         "--long 1",
		"-l 1":            "-l 1",
		"-af:jh A B":      "--af-format=jh --af A B",
		"-limit=3":        "--limit=3",
		"-nosuch":         "-nosuch",
		"-- -long":        "-- -long",
		"--json -nobatch": "--json --nobatch",
	} {
		if got := strings.Join(longDashes(strings.Fields(in), flags), " "); got != want {
			t.Errorf("%s becomes %s, not %s", in, got, want)
		}
	}
}

func TestFailuresAreOneSentenceAndTheirCausesOnDemand(t *testing.T) {
	c := func() *cobra.Command {
		return &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("around: %w", &grid.Error{Code: grid.Refused, Message: "no: \x1b[31mred", Err: errors.New("deep")})
		}}
	}
	d, out, errs := fake(nil)
	if code := Execute(t.Context(), d, c(), nil); code != 3 || out.Len() > 0 || errs.String() != "x: no: \ufffd[31mred\n" {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
	d, _, errs = fake(nil)
	Execute(t.Context(), d, c(), []string{"-v"})
	if !strings.Contains(errs.String(), "caused by (*errors.errorString) deep") {
		t.Errorf("with -v: %q", errs)
	}
}

func TestDiagnosticsInColourSayTheSameWords(t *testing.T) {
	diags := grid.Diagnostics{
		{Summary: "no such key", File: "f", Line: 3, Column: 2, Length: 3, Source: " abc = 1", Detail: "Did you mean x?"},
		{Warning: true, Summary: "odd"},
	}
	d, _, errs := fake(nil)
	d.Diagnose(diags)
	plainText := errs.String()
	d, _, errs = fake(nil)
	d.ErrColour = true
	d.Diagnose(diags)
	text := errs.String()
	for _, want := range []string{bold + red + "Error:" + plain, red + "  ^^^" + plain, bold + yellow + "Warning:" + plain} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	for _, code := range []string{bold, red, yellow, dim, plain} {
		text = strings.ReplaceAll(text, code, "")
	}
	if text != plainText {
		t.Errorf("without colours it says\n%s\nand not\n%s", text, plainText)
	}
}

func TestTablesAreCutForTerminalsOnly(t *testing.T) {
	job, err := ad.ParseJSON([]byte(`{"ClusterId":12,"ProcId":3,"Owner":"ada","QDate":1799990000,"JobStatus":2,"JobPrio":5,"Cmd":"/bin/sleep",` +
		`"Args":"1 2\u001b[2J 3","RemoteWallClockTime":10.0,"ShadowBday":1799913590,"MemoryUsage":700}`))
	if err != nil {
		t.Fatal(err)
	}
	d, out, _ := fake(nil)
	d.lines(queueRow(job, time.Unix(1_800_000_000, 0)))
	want := []string{"12.3", "ada", "1+00:00:20", "R", "5", "700.0", "sleep", "1", "2\ufffd[2J", "3"}
	if got := strings.Fields(out.String()); !slices.Equal(slices.Delete(slices.Clone(got), 2, 4), want) {
		t.Errorf("the row is %q", got)
	}
	d, out, _ = fake(nil)
	d.Width, d.Colour = 30, true
	d.lines(queueRow(job, time.Unix(1_800_000_000, 0)))
	if s := out.String(); !strings.HasPrefix(s, green) || !strings.HasSuffix(s, plain+"\n") || len(s) != len(green)+30+len(plain)+1 {
		t.Errorf("on a terminal it is %q", s)
	}
}

func TestWaitingByTheLogOfALargeCluster(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	event := func(b userlog.Body, proc int32) userlog.Event {
		return userlog.Event{Job: grid.JobID{Cluster: 5, Proc: proc}, Time: at, Body: b}
	}
	story := []userlog.Event{
		event(&userlog.ClusterSubmit{}, -1), event(&userlog.Submit{}, 3), event(&userlog.Execute{}, 3), event(&userlog.Terminated{}, 3),
		event(&userlog.Submit{}, 4), event(&userlog.Aborted{}, 4), event(&userlog.ClusterRemove{}, -1),
	}
	for _, c := range []struct {
		name string
		runs []grid.Run
		done []bool // after each event
	}{
		{"all of it", nil, []bool{false, false, false, false, false, false, true}},
		{"the cluster", []grid.Run{grid.WholeCluster(5)}, []bool{false, false, false, false, false, false, true}},
		{"one of its jobs", []grid.Run{grid.OneJob(grid.JobID{Cluster: 5, Proc: 3})}, []bool{false, false, false, true, true, true, true}},
		{"one that is made later", []grid.Run{grid.OneJob(grid.JobID{Cluster: 5, Proc: 4})}, []bool{false, false, false, false, false, true, true}},
		{"several", []grid.Run{{Cluster: 5, Lo: 3, Hi: 5}}, []bool{false, false, false, false, false, true, true}},
		{"one that never comes", []grid.Run{{Cluster: 5, Lo: 3, Hi: 9}}, []bool{false, false, false, false, false, false, true}},
	} {
		w := newTracker(c.runs)
		for i := range story {
			w.take(&story[i])
			if i == 0 && !w.seen {
				t.Errorf("%s: it says that there are no such jobs", c.name)
			}
			if done := w.done(); done != c.done[i] {
				t.Errorf("%s: after event %d it is done: %v", c.name, i, done)
			}
		}
	}
}
