package policy

import (
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
)

func job(t *testing.T, text string) *ad.Ad {
	t.Helper()
	a := ad.New(8)
	for line := range strings.SplitSeq(text, "|") {
		name, expr, _ := strings.Cut(line, "=")
		if err := a.Set(strings.TrimSpace(name), strings.TrimSpace(expr)); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func expr(t *testing.T, text string) *ad.Expr {
	t.Helper()
	e, err := ad.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const now = ad.Instant(1_700_000_000)

func TestWhatPoliciesMean(t *testing.T) {
	system := func(v grid.Verb, when string) Set {
		return Set{Systems: []System{{Name: "big", Verb: v, When: expr(t, when), Reason: expr(t, `strcat("it is ", string(Size))`), SubCode: expr(t, "Size + 1")}}}
	}
	for _, c := range []struct {
		name string
		set  Set
		job  string
		want Verdict
	}{
		{name: "a job without policies", job: "JobStatus = 2"},
		{
			name: "a hold names its expression", job: "JobStatus = 1 | PeriodicHold = Size > 3 | Size = 4",
			want: Verdict{Verb: grid.Hold, Code: 3, Reason: "The job attribute PeriodicHold expression 'Size > 3' evaluated to TRUE"},
		},
		{
			name: "or says its own reason and subcode", job: `JobStatus = 2 | PeriodicHold = 1 | PeriodicHoldReason = "too big" | PeriodicHoldSubCode = 40 + 2`,
			want: Verdict{Verb: grid.Hold, Code: 3, Sub: 42, Reason: "too big"},
		},
		{name: "undefined is false", job: "JobStatus = 1 | PeriodicHold = NoSuch > 3 | PeriodicRemove = NoSuch"},
		{name: "an error is false", job: `JobStatus = 1 | PeriodicHold = 1/0 > 3`},
		{name: "a held job is not held", job: "JobStatus = 5 | HoldReasonCode = 3 | PeriodicHold = true"},
		{name: "a hold by the user is never released", job: "JobStatus = 5 | HoldReasonCode = 1 | PeriodicRelease = true"},
		{
			name: "another is", job: "JobStatus = 5 | HoldReasonCode = 3 | PeriodicRelease = true",
			want: Verdict{Verb: grid.Release, Reason: "The job attribute PeriodicRelease expression 'true' evaluated to TRUE"},
		},
		{name: "but not more often than it may be", set: Set{MaxReleases: 2}, job: "JobStatus = 5 | HoldReasonCode = 3 | NumHolds = 2 | PeriodicRelease = true"},
		{name: "an idle job is not released", job: "JobStatus = 1 | PeriodicRelease = true"},
		{
			name: "hold comes before remove", job: `JobStatus = 1 | PeriodicHold = true | PeriodicRemove = true | PeriodicHoldReason = "h"`,
			want: Verdict{Verb: grid.Hold, Code: 3, Reason: "h"},
		},
		{
			name: "what a user holds can be removed", job: `JobStatus = 5 | HoldReasonCode = 1 | PeriodicRemove = true | PeriodicRemoveReason = "old"`,
			want: Verdict{Verb: grid.Remove, Reason: "old"},
		},
		{name: "nothing is done to a job that is being removed", job: "JobStatus = 3 | PeriodicHold = true | PeriodicRemove = true"},
		{
			name: "only what runs is vacated", job: `JobStatus = 2 | PeriodicVacate = true | PeriodicHold = true | PeriodicVacateReason = "v" | PeriodicVacateSubCode = 9`,
			want: Verdict{Verb: grid.Vacate, Vacate: 1000, Sub: 9, Reason: "v"},
		},
		{name: "not what waits", job: "JobStatus = 1 | PeriodicVacate = true"},
		{
			name: "a job runs no longer than it may", job: "JobStatus = 2 | ShadowBday = 1699999900 | AllowedJobDuration = 100 | AllowedExecuteDuration = 50",
			want: Verdict{Verb: grid.Hold, Code: 46, Reason: "The job exceeded allowed job duration of 0+00:01:40"},
		},
		{name: "nor a second less", job: "JobStatus = 2 | ShadowBday = 1699999901 | AllowedJobDuration = 100"},
		{
			name: "nor an execution", job: "JobStatus = 7 | ShadowBday = 1699999900 | AllowedExecuteDuration = 50",
			want: Verdict{Verb: grid.Hold, Code: 47, Reason: "The job exceeded allowed execute duration of 0+00:00:50"},
		},
		{
			name: "which a checkpoint begins anew", job: "JobStatus = 2 | ShadowBday = 1699999900 | LastCheckpointTime = 1699999970 | AllowedExecuteDuration = 50",
		},
		{
			name: "though not the job", job: "JobStatus = 2 | ShadowBday = 1699999900 | LastCheckpointTime = 1699999970 | AllowedJobDuration = 50",
			want: Verdict{Verb: grid.Hold, Code: 46, Reason: "The job exceeded allowed job duration of 0+00:00:50"},
		},
		{
			name: "and one of an earlier execution does not count", job: "JobStatus = 2 | ShadowBday = 1699999900 | LastCheckpointTime = 1699990000 | AllowedExecuteDuration = 50",
			want: Verdict{Verb: grid.Hold, Code: 47, Reason: "The job exceeded allowed execute duration of 0+00:00:50"},
		},
		{
			name: "a time to be removed", job: "JobStatus = 1 | TimerRemove = 1700000000",
			want: Verdict{Verb: grid.Remove, Reason: "The job attribute TimerRemove expression '1700000000' evaluated to TRUE"},
		},
		{name: "is not before it", job: "JobStatus = 1 | TimerRemove = 1700000001"},
		{
			name: "the configuration holds", set: system(grid.Hold, "Size > 3"), job: "JobStatus = 1 | Size = 4 | PeriodicHold = false",
			want: Verdict{Verb: grid.Hold, Code: 26, Sub: 5, Reason: "it is 4"},
		},
		{
			name: "and releases", set: system(grid.Release, "true"), job: "JobStatus = 5 | HoldReasonCode = 26 | Size = 1",
			want: Verdict{Verb: grid.Release, Sub: 2, Reason: "it is 1"},
		},
		{name: "but no user's hold", set: system(grid.Release, "true"), job: "JobStatus = 5 | HoldReasonCode = 1 | Size = 1"},
		{
			name: "and vacates", set: system(grid.Vacate, "true"), job: "JobStatus = 2 | Size = 1",
			want: Verdict{Verb: grid.Vacate, Vacate: 1001, Sub: 2, Reason: "it is 1"},
		},
		{name: "a completed job stays", job: "JobStatus = 4 | LeaveJobInQueue = time() < 1700000060 | PeriodicHold = true"},
		{name: "until it need not", job: "JobStatus = 4 | LeaveJobInQueue = time() < 1700000000", want: Verdict{Verb: grid.Leave}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.set.Periodic(now, job(t, c.job)); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestWhatAnExitMeans(t *testing.T) {
	for _, c := range []struct {
		name, job string
		want      Verdict
	}{
		{name: "its end", job: "JobStatus = 2 | ExitCode = 0"},
		{name: "an undefined policy lets it go", job: "JobStatus = 2 | OnExitHold = Nosuch | OnExitRemove = Nosuch"},
		{name: "nothing is vacated any more", job: "JobStatus = 2 | PeriodicVacate = true"},
		{
			name: "a hold before a requeue", job: `JobStatus = 2 | ExitCode = 3 | OnExitHold = ExitCode == 3 | OnExitHoldSubCode = 7 | OnExitRemove = false`,
			want: Verdict{Verb: grid.Hold, Code: 3, Sub: 7, Reason: "The job attribute OnExitHold expression 'ExitCode == 3' evaluated to TRUE"},
		},
		{
			name: "0 is false", job: "JobStatus = 2 | OnExitRemove = 0",
			want: Verdict{Verb: grid.Requeue, Vacate: grid.VacateAgain, Reason: "The job attribute OnExitRemove expression '0' evaluated to FALSE"},
		},
		{
			name: "periodic policies come first", job: `JobStatus = 2 | PeriodicRemove = ExitCode == 9 | PeriodicRemoveReason = "nine" | ExitCode = 9 | OnExitHold = true`,
			want: Verdict{Verb: grid.Remove, Reason: "nine"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (&Set{}).AtExit(now, job(t, c.job)); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
