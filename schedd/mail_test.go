package schedd

import (
	"net/mail"
	"slices"
	"strings"
	"testing"

	"gridburst/internal/ad"
	"gridburst/internal/grid"
	"gridburst/schedd/ledger"
)

func TestWhoIsToldOfWhat(t *testing.T) {
	ends := func(x ledger.Exit) *ledger.Event { return &ledger.Event{Type: ledger.JobCompleted, Exit: &x} }
	held := func(c grid.HoldCode) *ledger.Event { return &ledger.Event{Type: ledger.JobHeld, Code: int32(c)} }
	for _, c := range []struct {
		name string
		e    *ledger.Event
		want [4]bool // never, always, complete, error
	}{
		{"a good end", ends(ledger.Exit{}), [4]bool{false, true, true, false}},
		{"a bad end", ends(ledger.Exit{Code: 1}), [4]bool{false, true, true, true}},
		{"a signal", ends(ledger.Exit{Signal: true, Code: 9}), [4]bool{false, true, true, true}},
		{"a hold that was asked for", held(grid.HoldUser), [4]bool{}},
		{"a hold that was not", held(grid.HoldInput), [4]bool{false, true, false, true}},
	} {
		for n, want := range c.want {
			if got := wanted(int64(n), c.e); got != want {
				t.Errorf("%s, notification %d: %v", c.name, n, got)
			}
		}
	}
}

func TestAnAddressIsNoOptionAndNoHeader(t *testing.T) {
	for notify, want := range map[string]string{
		"":                           "ada@dom",
		"grace":                      "grace@dom",
		"a@b.c, d.e+f@g":             "a@b.c d.e+f@g",
		"-OQueueDirectory=/tmp":      "",
		"-t@x":                       "",
		"a@b\nBcc: all@example.com":  "",
		"a@b\r":                      "",
		"a@-x":                       "",
		"|/bin/sh":                   "",
		"/etc/passwd":                "",
		`"x y"@z`:                    "",
		"a@b.c\x00":                  "",
		"a@b,c@d\x1b[2J":             "",
		"root@localhost;touch@there": "",
	} {
		got, err := addresses(notify, "ada", "dom")
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", notify, got, err)
		}
	}
}

func TestAMailIsWholeWhateverTheJobSays(t *testing.T) {
	job := ad.New(4)
	job.SetString("Cmd", "/bin/sh\r\nBcc: all@example.com\n\n.\n")
	job.SetString("Args", "\x1b[2J x")
	text := letterText([]string{"a@b.c"}, "host", grid.JobID{Cluster: 3, Proc: 1}, job,
		&ledger.Event{Type: ledger.JobHeld, Code: 13, Text: "no such file\n.\nSubject: other\x07"})
	m, err := mail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	var names []string
	for name := range m.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "Auto-Submitted Content-Transfer-Encoding Content-Type Date Mime-Version Subject To" || m.Header.Get("Subject") != "[Gridburst] Job 3.1 is held" {
		t.Errorf("headers %s, subject %q", got, m.Header.Get("Subject"))
	}
	if strings.ContainsAny(string(text), "\r\x1b\x07") || strings.Contains(string(text), "\n.") || strings.Contains(string(text), "\nBcc") {
		t.Errorf("the text is\n%q", text)
	}
}
