package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the judge says of one acknowledged job, by what the observers saw.
func TestJudgeOfOneJob(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(1_800_000_000_000 + int64(ms)) }
	whole := Execution{Job: "1.0", Nonce: "n", Begin: at(0), End: at(90), Ended: true}
	for name, c := range map[string]struct {
		copies int
		done   []time.Time
		runs   []Execution
		output string
		want   string // in what is wrong; empty: nothing is
	}{
		"all is well":                          {1, []time.Time{at(100)}, []Execution{whole}, "1.0 n", ""},
		"an execution that was killed is none": {1, []time.Time{at(100)}, []Execution{{Job: "1.0", Nonce: "k", Begin: at(-50), End: at(-10)}, whole}, "1.0 n", ""},
		"it is gone":                           {0, nil, []Execution{whole}, "1.0 n", "is gone"},
		"it was counted twice":                 {1, []time.Time{at(100), at(200)}, []Execution{whole}, "1.0 n", "counted complete 2 times"},
		"it waits":                             {1, nil, nil, "", "did not complete"},
		"nobody saw it":                        {1, []time.Time{at(100)}, nil, "", "nobody saw it do all"},
		"it runs again":                        {1, []time.Time{at(100)}, []Execution{whole, {Job: "1.0", Nonce: "m", Begin: at(900), End: at(950), Ended: true}}, "1.0 n", "began again"},
		"it runs on":                           {1, []time.Time{at(100)}, []Execution{whole, {Job: "1.0", Nonce: "m", Begin: at(50)}}, "1.0 n", "ran on"},
		"its output is another's":              {1, []time.Time{at(100)}, []Execution{whole}, "1.0 x", "not those of one execution"},
		"its output is missing":                {1, []time.Time{at(100)}, []Execution{whole}, "", "without its output"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.output != "" {
				for _, f := range []string{"out.0", "one.0"} {
					if err := os.WriteFile(filepath.Join(dir, f), []byte(c.output+"\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			q := &queue{status: map[string]string{"1.0": "idle"}, copies: map[string]int{}, node: map[string]bool{}, gone: map[string]bool{}, done: map[string][]time.Time{}}
			if c.copies > 0 {
				q.copies["1.0"] = c.copies
			}
			if c.done != nil {
				q.done["1.0"] = c.done
			}
			client := &Client{subs: []*handed{{submission: submission{Key: "k", Shape: bare, Jobs: 1, Dir: dir}, Cluster: 1}}}
			j := &jury{run: &run{client: client, meddler: &meddler{}}, rep: &Report{}, queue: q, runs: map[string][]Execution{"1.0": c.runs}}
			j.jobs()
			says := strings.Join(j.rep.Wrong, "\n")
			if c.want == "" && says != "" || !strings.Contains(says, c.want) {
				t.Errorf("the judge says %q, want %q", says, c.want)
			}
		})
	}
}

func TestJudgeOfAJobThatCheckpointsItself(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	step := func(nonce string, from, to int, ended bool) Execution {
		return Execution{Job: "1.0", Nonce: nonce, Begin: at(from), End: at(to), Ended: ended}
	}
	one, two, three := step("1-a", 0, 10, true), step("2-b", 20, 30, true), step("3-c", 40, 50, true)
	for name, c := range map[string]struct {
		runs    []Execution
		output  string
		reached string
		want    string
	}{
		"one after another":               {[]Execution{one, two, three}, "1-a 2-b 3-c", "3", ""},
		"one that was killed":             {[]Execution{one, step("2-x", 12, 15, false), two, three}, "1-a 2-b 3-c", "3", ""},
		"one whose checkpoint was lost":   {[]Execution{one, step("2-x", 12, 15, true), two, three}, "1-a 2-b 3-c", "3", ""},
		"a checkpoint that was made goes": {[]Execution{one, two, step("1-x", 32, 35, false), three}, "1-a 2-b 3-c", "3", "began step 1"},
		"one is left out":                 {[]Execution{one, three}, "1-a 3-c", "3", "began step 3"},
		"what a lost one wrote is there":  {[]Execution{one, step("2-x", 12, 15, false), two, three}, "1-a 2-x 2-b 3-c", "3", "has not what it wrote"},
		"what one wrote is gone":          {[]Execution{one, two, three}, "1-a 3-c", "3", "has not what it wrote"},
		"it has not reached the end":      {[]Execution{one, two, three}, "1-a 2-b 3-c", "2", "has not what it wrote"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lines := "1.0 " + strings.ReplaceAll(c.output, " ", "\n1.0 ") + "\n"
			for f, text := range map[string]string{"out.0": lines, "reached.0": c.reached + "\n"} {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			j := &jury{rep: &Report{}, runs: map[string][]Execution{"1.0": c.runs}}
			j.steps(&handed{submission: submission{Dir: dir}}, "1.0")
			if says := strings.Join(j.rep.Wrong, "\n"); c.want == "" && says != "" || !strings.Contains(says, c.want) {
				t.Errorf("the judge says %q, want %q", says, c.want)
			}
		})
	}
}
