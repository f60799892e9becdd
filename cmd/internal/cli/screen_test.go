package cli

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gridburst/schedd/api"
)

// tube is a terminal that knows the few sequences that a screen sends.
type tube struct {
	width, height int
	rows          []string
	sent          int
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9;?]*)([a-zA-Z])`)

func (t *tube) Write(b []byte) (int, error) {
	t.sent += len(b)
	s, at := string(b), 0
	for s != "" {
		if m := sequence.FindStringSubmatch(s); m != nil {
			s = s[len(m[0]):]
			switch m[2] {
			case "J":
				t.rows = make([]string, t.height)
			case "H":
				row, _, _ := strings.Cut(m[1], ";")
				n, err := strconv.Atoi(row)
				if err != nil || n < 1 || n > t.height {
					return 0, fmt.Errorf("a row %q of %d", row, t.height)
				}
				at = n - 1
			case "K":
				t.rows[at] = ""
			}
			continue
		}
		i := strings.IndexByte(s, '\x1b')
		if i < 0 {
			i = len(s)
		}
		t.rows[at] += s[:i]
		s = s[i:]
	}
	return len(b), nil
}

func TestAScreenShowsTheViewAndSendsWhatChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tty := &tube{width: 10, height: 4}
		s := &screen{out: tty, colour: true, size: func() (int, int) { return tty.width, tty.height }}
		var lines []line
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "resized") {
				tty.width, tty.height = rapid.IntRange(1, 12).Draw(t, "width"), rapid.IntRange(1, 6).Draw(t, "height")
				tty.rows = slices.Repeat([]string{"garbage"}, tty.height)
				s.anew()
			} else {
				lines = nil
				for _, text := range rapid.SliceOfN(rapid.StringMatching("[a-c]{0,12}"), 0, 8).Draw(t, "lines") {
					lines = append(lines, line{rapid.SampledFrom([]string{"", green}).Draw(t, "colour"), text})
				}
				s.show(lines)
			}
			for i, row := range tty.rows {
				want := ""
				switch {
				case i == tty.height-1 && len(lines) > tty.height:
					want = cut(fmt.Sprintf("... and %d more lines", len(lines)-tty.height+1), tty.width)
				case i < len(lines):
					want = cut(lines[i].text, tty.width)
				}
				if row != want {
					t.Fatalf("row %d is %q, not %q", i, row, want)
				}
			}
			before := tty.sent
			s.show(slices.Clone(lines))
			if tty.sent != before {
				t.Fatalf("the same view sends %d bytes again", tty.sent-before)
			}
		}
	})
}

func TestABarHasAPlaceForEverything(t *testing.T) {
	for _, c := range []struct {
		name string
		row  batchRow
		want string
	}{
		{"nothing yet", batchRow{idle: 3}, "----------------"},
		{"a half and two quarters", batchRow{done: 6, run: 3, idle: 3}, "########====----"},
		{"one of a million runs", batchRow{run: 1, idle: 999_999}, "=---------------"},
		{"one of a million is left, and held", batchRow{done: 999_999, held: 1}, "###############!"},
		{"nobody knows of any", batchRow{}, ""},
	} {
		got := strings.Trim(c.row.bar(), "[]")
		if got != c.want {
			t.Errorf("%s: %q, not %q", c.name, got, c.want)
		}
	}
}

func TestBatchesAsATable(t *testing.T) {
	var out bytes.Buffer
	d := &Deps{Out: &out}
	d.lines(batchTable(api.Batches{Omitted: 2, Batches: []api.Batch{
		{Owner: "ada", Submitted: 1_800_000_000, Totals: api.Totals{Idle: 1, Running: 2}, Left: 7, Jobs: 10, First: "12.7", Last: "12.9"},
		{Owner: "grace", Name: "night\nly", Dag: 3, Submitted: 1_800_000_000, Totals: api.Totals{Held: 1, Completed: 1}, Jobs: 2, First: "13.0", Last: "15.0"},
	}}, true)...)
	when := regexp.MustCompile(`\d\d/\d\d \d\d:\d\d`)
	want := `OWNER BATCH_NAME       SUBMITTED     DONE    RUN   IDLE   HOLD  TOTAL PROGRESS           JOB_IDS
ada   ID: 12           MM/DD hh:mm      7      2      1      _     10 [###########===--] 12.7-9
grace night ly (run 3) MM/DD hh:mm      1      _      _      1      2 [########!!!!!!!!] 13.0 ... 15.0
... and 2 more clusters in further batches: --limit shows more, --totals only the numbers
`
	if got := when.ReplaceAllString(out.String(), "MM/DD hh:mm"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
