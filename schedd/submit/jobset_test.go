package submit

import (
	"strings"
	"testing"
)

const goodSet = "name = s\niterator = table a,b {\n 1, one two\n 2, $(Process)\n}\njob {\n executable = /bin/true\n arguments = $(a):$(b)\n}\njob x=a /sub/job.sub\n"

func setFiles() tree {
	files := tree{}.put("/bin/true")
	files["/sub/job.sub"] = tfile{text: "executable = /bin/true\narguments = $(X)\nqueue 2\n"}
	files["/sub/rows"] = tfile{text: "7, seven\n"}
	return files
}

func TestAJobSetIsEachJobForEachRow(t *testing.T) {
	set, specs, diags := LowerSet("s.set", []byte(goodSet), testSite(), setFiles())
	if diags.HasErrors() || set.Name != "s" || len(specs) != 2 {
		t.Fatalf("%d specs, %v", len(specs), diags)
	}
	if got := attribute(t, specs[0], "Args"); got != "1:one two|2:1" {
		t.Error(got)
	}
	if got := attribute(t, specs[1], "Args"); got != "1|1|2|2" {
		t.Error(got)
	}
	for _, s := range specs {
		if name, _ := Find(s.Attrs, SetAttr); name != `"s"` {
			t.Errorf("it is in the set %s", name)
		}
		if err := CheckSet(&s); err != nil {
			t.Error(err)
		}
	}
	_, specs, diags = LowerSet("s.set", []byte("name = s\niterator = table a,b /sub/rows\njob { # common\n executable = /bin/true\n arguments = $(b)\n}"), testSite(), setFiles())
	if diags.HasErrors() || attribute(t, specs[0], "Args") != "seven" {
		t.Error(diags)
	}
}

func TestWhatIsWrongInAJobSetIsToldWithItsPlace(t *testing.T) {
	const rows, job = "iterator = table a {\n1\n}\n", "job {\nexecutable = /bin/true\narguments = $(a)\n}\n"
	for text, want := range map[string]string{
		"":                                      "no name",
		"name = s\n":                            "no iterator",
		"name = s\n" + rows:                     "no job",
		rows + job:                              "no name",
		"name = s\nname = t\n" + rows + job:     "s.set line 2: the job set has a name already",
		"name =\n" + rows + job:                 "s.set line 1: this line says no value",
		"name = s\n" + rows + rows + job:        "s.set line 5: the job set has an iterator already",
		"name = s\niterator = list a {\n1\n}\n": `s.set line 2: "list" is no kind of iterator`,
		"name = s\niterator = table {\n1\n}\n":  "s.set line 2: the table has no variables",

		"name = s\niterator = table a,a {\n1,2\n}\n":           `s.set line 2: "a" is no name for a variable of its own`,
		"name = s\niterator = table a {\n}\n":                  "s.set line 2: the table has no rows",
		"name = s\niterator = table a {\n1\n1,2\n}\n":          "s.set line 4: this row has 2 values for 1 variables",
		"name = s\niterator = table a {\n1\n":                  "s.set line 2: this brace is not closed",
		"name = s\niterator = table a nosuch\n":                "there is no file nosuch",
		"name = s\n" + rows + "job {\n":                        "s.set line 5: this brace is not closed",
		"name = s\n" + rows + "job\n":                          "s.set line 5: this job has neither a brace nor a file",
		"name = s\n" + rows + "job x {\n}\n":                   `s.set line 5: "x" does not say`,
		"name = s\n" + rows + "job x=b {\nexecutable = x\n}\n": `s.set line 5: the table has no variable "b"`,
		"name = s\n" + rows + "job {\nnonsense\n}\n":           "s.set line 6: this line is no statement",
		"name = s\n" + rows + "job {\nqueue\nqueue\n}\n":       "s.set line 6: a job of a set has one queue statement",
		"name = s\n" + rows + "job {\nqueue x in (1)\n}\n":     "s.set line 6: the rows of a set are those of its iterator",
		"name = s\n" + rows + "job {\nqueue many\n}\n":         "s.set line 6: ",

		"name = s\n" + rows + "job {\nrequirements = (\nexecutable = /bin/true\n}\n": "s.set line 6: ",
		"names = s\n": "s.set line 1: this is nothing that a job set file has",
	} {
		_, specs, diags := LowerSet("s.set", []byte(text), testSite(), setFiles())
		var all strings.Builder
		for _, d := range diags {
			all.WriteString(d.String() + "\n")
		}
		if !diags.HasErrors() {
			t.Errorf("%q is taken: %v", text, specs)
		} else if place, rest, ok := strings.Cut(want, ": "); ok && strings.HasPrefix(place, "s.set") {
			if !strings.Contains(all.String(), place+",") || !strings.Contains(all.String(), rest) {
				t.Errorf("%q: it says\n%snot %q", text, all.String(), want)
			}
		} else if !strings.Contains(all.String(), want) {
			t.Errorf("%q: it says\n%snot %q", text, all.String(), want)
		}
	}
}

func TestTheJobsOfAClusterAreOfOneSet(t *testing.T) {
	for text, good := range map[string]bool{
		"jobset = x\nqueue 2":                  true,
		"queue":                                true,
		"jobset = x$(Process)\nqueue 2":        false,
		"jobset = x\nqueue\njobset = y\nqueue": false,
		"+JobSetName = Owner\nqueue":           false,
		"jobset = " + strings.Repeat("x", MaxName+1) + "\nqueue": false,
	} {
		s := specsOf(t, "executable = /bin/true\n"+text+"\n", tree{})[0]
		if err := CheckSet(&s); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzJobSet(f *testing.F) {
	f.Add([]byte(goodSet))
	f.Add([]byte("name = s\niterator = table a {\n1\n}\njob {\nqueue $(a)\n}\njob x=a /sub/job.sub\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, specs, diags := LowerSet("s.set", src, testSite(), setFiles())
		if diags.HasErrors() {
			return
		}
		for i := range specs {
			if name, ok := Find(specs[i].Attrs, SetAttr); !ok && specs[i].Len() > 0 {
				t.Errorf("a job without the set's name: %s", name)
			}
		}
	})
}
