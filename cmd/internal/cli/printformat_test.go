package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gridburst/internal/ad"
)

// What condor_q 23.9.6 (-jobads jobs.ads -print-format) printed in UTC lies beside each
// print format. Its words must be ours; blanks between them are another matter, since it
// widens some columns by rules of its own. Its title and summary are of gq, not of the table.
func TestPrintFormatsAreThoseOfHTCondor(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	time.Local = time.UTC
	src, err := os.ReadFile("testdata/printformat/jobs.ads")
	if err != nil {
		t.Fatal(err)
	}
	var jobs []*ad.Ad
	for text := range strings.SplitSeq(string(src), "\n\n") {
		a, err := ad.ParseLong(text)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, a)
	}
	files, err := filepath.Glob("testdata/printformat/*.cpf")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	now := time.Unix(1_700_003_600, 0)
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := readPrintFormat(name, src)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			table := printTable{out: &out, format: f, now: now}
			for _, a := range jobs {
				if !slices.ContainsFunc(f.where, func(x string) bool { return !truthOf(t, a, x) }) {
					if err := table.add(a); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := table.flush(); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(name, "cpf") + "condor_q")
			if err != nil {
				t.Fatal(err)
			}
			if got, want := squeezed(out.String()), squeezed(string(want)); !slices.Equal(got, want) {
				t.Errorf("printed\n%s\nnot, as HTCondor,\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func truthOf(t *testing.T, a *ad.Ad, src string) bool {
	e, err := ad.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := ad.Instant(0).Eval(e, a, nil).Bool()
	return b
}

// squeezed are the lines of a table without blanks.
func squeezed(text string) (lines []string) {
	for l := range strings.SplitSeq(text, "\n") {
		l = strings.Join(strings.Fields(l), "")
		if l != "" && !strings.HasPrefix(l, "--Jobads") && !strings.HasPrefix(l, "Totalfor") {
			lines = append(lines, l)
		}
	}
	return lines
}

func TestPrintFormatsSortAndFill(t *testing.T) {
	f, err := readPrintFormat("f", []byte("SELECT\nOwner AS WHO\nRank AS RANK WIDTH 6 OR ..\nNote OR -\nGROUP BY\nRank DESCENDING\nOwner\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	table := printTable{out: &out, format: f}
	for _, src := range []string{"Owner = \"zoe\"", "Owner = \"ann\"\nNote = \"x\"", "Owner = \"bob\"\nRank = 7", "Owner = \"cid\"\nRank = 70"} {
		a, err := ad.ParseLong(src)
		if err != nil {
			t.Fatal(err)
		}
		if err := table.add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.flush(); err != nil {
		t.Fatal(err)
	}
	const want = "WHO   RANK Note\ncid     70 -\nbob      7 -\nann ...... x\nzoe ...... -\n"
	if out.String() != want {
		t.Errorf("printed\n%snot\n%s", out.String(), want)
	}
}

func TestPrintFormatsThatAreWrong(t *testing.T) {
	for src, want := range map[string]string{
		"":                                          "begins with SELECT",
		"Owner\n":                                   "stands before SELECT",
		"SELECT BARE\n":                             "prints nothing",
		"SELECT\nOwner +\n":                         "is no expression",
		"SELECT\nOwner PRINTAS OWNR\n":              "did you mean OWNER?",
		"SELECT\nOwner WIDTH wide\n":                "neither AUTO nor a number",
		"SELECT\nOwner PRINTF %q\n":                 "at most one of",
		"SELECT\nOwner AS\n":                        "AS lacks",
		"SELECT\nOwner AS \"x\n":                    "AS lacks",
		"SELECT\nOwner OR xy\n":                     "no character of",
		"SELECT\nOwner LEFT now\n":                  "is no word for a field",
		"SELECT UNIQUE\nOwner\n":                    "not supported",
		"SELECT ALL\nOwner\n":                       "no option of SELECT",
		"SELECT\nOwner\nGROUP Owner\n":              "followed by BY",
		"SELECT\nOwner\nGROUP BY (\n":               "is no expression",
		"SELECT\nOwner\nSUMMARY SOME\n":             "STANDARD or NONE",
		"SELECT\nOwner\nSUMMARY NONE\nWHERE true\n": "their order is",
	} {
		_, err := readPrintFormat("f.cpf", []byte(src))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", src, err, want)
		}
	}
}
