package userlog

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"gridburst/internal/grid"
)

// condorEnv names a program that runs one of HTCondor's: .ci/condor makes one.
const condorEnv = "GRIDBURST_CONDOR"

// HTCondor reads every event that we write, and what it writes of it again is the same,
// but for what is listed here: what it does not know, or does otherwise, itself.
//
// JSON it does not read, not even its own: condor_wait 23.9.6 takes such a log for one
// that has no events yet.
//
// Its words are recorded in testdata/condor_wait; where there is an HTCondor it is asked
// again.
func TestHTCondorReadsEveryEvent(t *testing.T) {
	for _, c := range []struct {
		log    string
		differ map[grid.EventNumber]string
	}{
		{"events.log", map[grid.EventNumber]string{
			grid.EventSubmit:      "a warning gets its beginning twice",
			grid.EventEvicted:     "23.9.6 has no codes there, and drops a reason that begins with Reason:",
			grid.EventRemoteError: "what does no harm is written as Message and read as Warning",
			grid.EventAttribute:   "Setting, without a value before, is not understood",
			43:                    "what is not known is left out at a log's end",
		}},
		{"events.xml", map[grid.EventNumber]string{
			grid.EventEvicted:       "23.9.6 has no codes there",
			grid.EventAdInformation: "all of the ad is taken for the job's",
			grid.EventAttribute:     "the value before is not in its ad",
			grid.EventClusterSubmit: "notes are not in its ad",
			43:                      "it knows what 043 is",
		}},
	} {
		path := filepath.Join("testdata", "condor_wait", c.log+".said")
		if run := os.Getenv(condorEnv); run != "" {
			name, err := filepath.Abs(filepath.Join("testdata", c.log))
			if err != nil {
				t.Fatal(err)
			}
			// Some jobs of the log never end, so that it gives up; what counts is what it
			// says until then.
			said, _ := exec.Command(run, "condor_wait", "-wait", "1", "-echo", name).Output()
			golden(t, filepath.Join("condor_wait", c.log+".said"), said)
		}
		said, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		events, _ := Read(said)
		all := sample()
		if len(events) < len(all)-1 {
			t.Fatalf("%s: it has read %d of %d events", c.log, len(events), len(all))
		}
		form := Form{Legacy: true}
		differ := map[grid.EventNumber]bool{}
		for i, e := range events {
			if e.Number() != all[i].Number() || e.Job != all[i].Job {
				t.Fatalf("%s: event %d is %03d of %s", c.log, i, e.Number(), e.Job)
			}
			got, want := form.Encode(&e), form.Encode(&all[i])
			if bytes.Equal(got, want) {
				continue
			}
			if differ[e.Number()] = true; c.differ[e.Number()] == "" {
				t.Errorf("%s: HTCondor writes\n%s\nof\n%s", c.log, got, want)
			}
		}
		for n := range c.differ {
			if !differ[n] && n != 43 {
				t.Errorf("%s: %03d is the same by now", c.log, n)
			}
		}
		// The table of resources is laid out by HTCondor.
		if !regexp.MustCompile(`(?m)^\t   Cpus                 :     0\.98        1         1 $`).Match(said) {
			t.Errorf("%s: its table of resources is another", c.log)
		}
	}
}
