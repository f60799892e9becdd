package cli

import (
	"strings"
	"testing"
	"time"

	"gridburst/schedd/api"
)

func texts(lines []line) string {
	var out []string
	for _, l := range lines {
		out = append(out, l.text)
	}
	return strings.Join(out, "\n")
}

func TestReceiptsAreTold(t *testing.T) {
	at := func(hour, minute int) int64 { return time.Date(2026, 11, 29, hour, minute, 0, 0, time.Local).Unix() }
	got := texts(receipts([]api.Claim{
		{
			ID: 12, State: "gone", Kind: "overflow", Resource: "lab", Name: "gb-5f0c-12", VM: "id-1", Wanted: at(7, 0), Entered: at(7, 40), Reason: "it has had nothing to do",
			Receipt: &api.Receipt{
				Why: "jobs wait that the pool cannot run soon", Template: "worker", Made: at(7, 1), Started: at(7, 2), Ready: at(7, 5), Ended: at(7, 38), Gone: at(7, 40),
				Seen: "the engine shows it no more", Runs: 9, Jobs: []string{"7.7", "7.8"}, Minutes: 38, Cost: 0.076, Currency: "EUR",
			},
		},
		{ID: 13, State: "failed", Kind: "made", Resource: "lab", Name: "gb-5f0c-13", Wanted: at(8, 0), Entered: at(8, 1), Reason: "quota", Receipt: &api.Receipt{Why: "job 8.0 is the machine", Ended: at(8, 1), Gone: at(8, 1)}},
		{ID: 1, State: "gone", Kind: "made", Resource: "lab", Name: "gb-5f0c-1", Wanted: at(6, 0), Entered: at(6, 30), Reason: "its guest has powered off"},
	}))
	const want = `Claim 12: gb-5f0c-12 of lab, overflow, gone
  2026-11-29 07:00:00  wanted   jobs wait that the pool cannot run soon, from template worker
  2026-11-29 07:01:00  made     id-1
  2026-11-29 07:02:00  started
  2026-11-29 07:05:00  ready
  2026-11-29 07:38:00  ended    it has had nothing to do
  2026-11-29 07:40:00  gone     the engine shows it no more
  it ran 9 times: last 7.7 7.8; 38.0 minutes, 0.0760 EUR.

Claim 13: gb-5f0c-13 of lab, made, failed
  2026-11-29 08:00:00  wanted   job 8.0 is the machine
  2026-11-29 08:01:00  ended    quota
  it ran nothing; 0.0 minutes.

Claim 1: gb-5f0c-1 of lab, made, gone
  2026-11-29 06:00:00  wanted
  2026-11-29 06:30:00  gone     its guest has powered off
  It has no receipt: it was wished for by an older program.`
	if got != want {
		t.Errorf("it says\n%s", got)
	}
}

func TestBootTimesAreTold(t *testing.T) {
	got := texts(bootTable([]api.Boot{
		{Resource: "lab", Template: "worker", Kind: "overflow", Samples: 12, Learned: true, P50: 41.25, P90: 55, P99: 70},
		{Resource: "lab", Template: "other", Kind: "made", Samples: 2, P50: 60, P90: 60, P99: 60},
	}))
	const want = `Resource     Template         Kind      Machines       50%       90%       99%
lab          worker           overflow        12     41.2s     55.0s     70.0s
lab          other            made             2     60.0s     60.0s     60.0s  as configured (boot_time): fewer than 5 have shown it`
	if got != want {
		t.Errorf("it says\n%s", got)
	}
}
