package ec2_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/gahp/fake"
)

var update = flag.Bool("update", false, "write down what is said now")

// Each file of testdata/transcript is what a client says (>) and what it hears (<), word
// for word; USER and PASSWORD are the files of its credential. A line between, such as
// "10s", lets time pass. "guest 30s": guests that are booted from here on power off
// after that long.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcript/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { transcript(t, file) })
		})
	}
}

func transcript(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine()
	c := connect(t, newService(e))
	given := strings.NewReplacer("USER", c.access, "PASSWORD", c.secret)
	shown := strings.NewReplacer(c.access, "USER", c.secret, "PASSWORD")
	// What is heard is read at once, as a gridmanager does: the server waits for nobody.
	heard := make(chan string, 100)
	go func() {
		defer close(heard)
		for {
			line, err := c.lines.ReadString('\n')
			if err != nil {
				return
			}
			heard <- shown.Replace(strings.TrimSuffix(line, "\n"))
		}
	}()
	var now strings.Builder
	listen := func() {
		synctest.Wait()
		for len(heard) > 0 {
			now.WriteString("< " + <-heard + "\n")
		}
	}
	for line := range strings.Lines(string(b)) {
		said, words := strings.CutPrefix(line, "> ")
		switch {
		case strings.HasPrefix(line, "< "):
			continue
		case words:
			now.WriteString(line)
			c.say(given.Replace(strings.TrimSuffix(said, "\n")))
		case strings.HasPrefix(line, "#"), line == "\n":
			now.WriteString(line)
			continue
		default:
			guest, ok := strings.CutPrefix(strings.TrimSpace(line), "guest ")
			d, err := time.ParseDuration(guest)
			if err != nil {
				t.Fatalf("%s: %q is no line of a transcript", file, line)
			}
			now.WriteString(line)
			if ok {
				e.Add(fake.Rule{Verbs: []fake.Verb{fake.Start}, Lifetime: d})
				continue
			}
			time.Sleep(d) // of the bubble
		}
		listen()
	}
	if *update {
		if err := os.WriteFile(file, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if now.String() != string(b) {
		t.Errorf("%s is not what is said now (-update writes it down):\n%s", file, now.String())
	}
}
