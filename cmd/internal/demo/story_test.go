package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridburst/schedd/api"
)

// told is a story of one job on a machine that came for it.
func told() *story {
	s := newStory()
	for _, e := range []api.Event{
		{Time: 0, Type: "worker_seen", Text: "pool"},
		{Time: 0, Type: "job_submitted", Jobs: "1.0"},
		{Time: 0, Type: "job_submitted", Jobs: "2.0"},
		{Time: 0, Type: "job_started", Jobs: "2.0", Text: "slot1_1@pool"},
		{Time: 1000, Type: "claim_moved", ID: 1, To: "wanted", Text: "jobs wait"},
		{Time: 2000, Type: "claim_moved", ID: 1, From: "wanted", To: "booting"},
		{Time: 4000, Type: "claim_moved", ID: 1, From: "booting", To: "ready"},
		{Time: 5000, Type: "job_started", Jobs: "1.0", Text: "slot1_1@gb-1"},
		{Time: 6000, Type: "job_requeued", Jobs: "1.0", Text: "its runner died"},
		{Time: 7000, Type: "job_started", Jobs: "1.0", Text: "slot1_1@gb-1"},
		{Time: 9000, Type: "job_completed", Jobs: "1.0"},
		{Time: 9000, Type: "job_left", Jobs: "1.0", To: "completed"},
		{Time: 10000, Type: "claim_moved", ID: 1, From: "ready", To: "stopping"},
		{Time: 11000, Type: "claim_moved", ID: 1, From: "stopping", To: "gone"},
	} {
		s.hear(&e)
	}
	s.claims[1].kind, s.claims[1].name = "overflow", "gb-1"
	return s
}

func TestStory(t *testing.T) {
	s := told()
	if got, want := s.counts(), (counts{jobs: 2, completed: 1, running: 1}); got != want {
		t.Errorf("counts are %+v, want %+v", got, want)
	}
	if s.ends()["1.0"] != 1 || s.ends()["2.0"] != 0 || !s.ready()[1] || !s.claims[1].closed() || !s.workers["pool"] {
		t.Errorf("ends %v, ready %v, claim %s, workers %v", s.ends(), s.ready(), s.claims[1].state(), s.workers)
	}
	s.hear(&api.Event{Type: "job_held", Jobs: "2.0", Text: "no input"})
	if got, want := s.counts(), (counts{jobs: 2, completed: 1, held: 1}); got != want {
		t.Errorf("held: counts are %+v, want %+v", got, want)
	}
	s.hear(&api.Event{Type: "job_released", Jobs: "2.0"})
	if got, want := s.counts(), (counts{jobs: 2, completed: 1, waiting: 1}); got != want {
		t.Errorf("released: counts are %+v, want %+v", got, want)
	}
}

func TestWaitingForSomethingInTheStory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory()
		done := make(chan error, 1)
		go func() { done <- s.until(t.Context(), func() bool { return s.workers["pool"] }) }()
		synctest.Wait()
		s.hear(&api.Event{Type: "job_submitted", Jobs: "1.0"})
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		s.hear(&api.Event{Type: "worker_seen", Text: "pool"})
		if err := <-done; err != nil {
			t.Error(err)
		}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if err := s.until(ctx, func() bool { return false }); !errors.Is(err, why) {
			t.Errorf("an end of waiting is told as %v", err)
		}
	})
}

func TestTimeline(t *testing.T) {
	var out bytes.Buffer
	timeline(&out, told().lanes(), time.UnixMilli(0), time.UnixMilli(12000), 60)
	want := `timeline, a column is 1s
               0         10
pool worker    111111111111
gb-1 overflow   .::-1-11-x
` + legend
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	timeline(&out, told().lanes(), time.UnixMilli(0), time.UnixMilli(100_000), 36)
	if widest := longest(out.String()); !strings.Contains(out.String(), "a column is 5s") || widest > 75 {
		t.Errorf("a long run is %d wide:\n%s", widest, out.String())
	}
}

func longest(s string) (n int) {
	for line := range strings.Lines(s) {
		n = max(n, len(line))
	}
	return n
}

func TestTheViewIsLinesWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	v := &View{W: &out, begun: time.Now()}
	v.say("job %s is completed", "1.0")
	v.draw(told())
	v.end()
	if got := out.String(); !strings.HasSuffix(got, " s  job 1.0 is completed\n") || strings.Contains(got, "\x1b") {
		t.Errorf("it is %q", got)
	}
	out.Reset()
	v = &View{W: &out, Width: 50, begun: time.Now()}
	v.say("a thing that needs many more characters than there are columns")
	v.draw(told())
	first := strings.Count(out.String(), "\n")
	v.draw(told())
	v.end()
	if longest(out.String()) > 60 || strings.Count(out.String(), "\x1b[J") != 2 || first < 4 {
		t.Errorf("the picture is %q", out.String())
	}
}

func TestWordsAreCountedAgain(t *testing.T) {
	r := &run{work: t.TempDir()}
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(r.work, wordcount, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("texts/a.txt", "The cat's hat; THE hat")
	put("words", "2 hat\n2 the\n1 cat\n1 s\n")
	words, err := r.words()
	if err != nil || len(words) != 4 || words[1] != (word{"the", 2}) {
		t.Errorf("%v, %v", words, err)
	}
	put("words", "3 hat\n2 the\n1 cat\n1 s\n")
	if _, err := r.words(); err == nil || !strings.Contains(err.Error(), `"hat" 3 times`) {
		t.Errorf("a count too many: %v", err)
	}
	put("words", "2 hat\n2 the\n1 cat\n1 s\n1 x\n")
	if _, err := r.words(); err == nil {
		t.Error("a word too many is not found")
	}
}

func TestTheClientsLedger(t *testing.T) {
	l, err := openLedger(filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, e := range []entry{{Key: "k", What: "a"}, {Key: "l", What: "b"}, {Key: "k", What: "a", Acked: true, Jobs: 2, Dag: 1}} {
		if err := l.note(e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.acknowledged()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]entry{{Key: "k", What: "a", Acked: true, Jobs: 2, Dag: 1}}, got); diff != "" {
		t.Error(diff)
	}
}
