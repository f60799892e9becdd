package api

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gridburst/schedd/submit"
)

// Whatever a submission's JSON is, it is read as encoding/json reads it.
func FuzzDecodeSubmission(f *testing.F) {
	sent, err := json.Marshal(Submission{Key: "k", Specs: []submit.Spec{{
		Attrs: []submit.Attr{{Name: "Cmd", Expr: `"/bin/true"`}, {Name: "Note", Expr: "\"<é>\\n\""}},
		Sections: []submit.Section{
			{Attrs: []submit.Attr{{Name: "Args", Expr: `"x"`}}, PerItem: 3, Hold: true},
			{Vars: []string{"a", "b"}, Items: [][]string{{"1", "2"}, {"3", ""}}, PerItem: 1, Verbatim: true},
			{Columns: []submit.Column{{Attr: "Out", Text: "$(Process)"}}, PerItem: 10},
		},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sent)
	for _, text := range []string{
		"", "{}", "null", `{"key":null}`, `{"key":"a","key":"b"}`, `{"KEY":"a"}`, `{"specs":[]}`, `{"specs":[{"attrs":[{"name":"a\u0041","expr":"1"}]}]} `,
		`{"specs":[{"sections":[{"per_item":1e1}]}]}`, `{"specs":[{"sections":[{"per_item":-0}]}]}`, `{"specs":[{"sections":[{"hold":"true"}]}]}`,
		"{\"key\":\"\xff\"}", "{\"key\":\"\x01\"}", `{"key":"\q"}`, `{"key":"a"}x`, `{"other":1,"key":"a"}`, `{"key":"a`, `{"key":"\`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want Submission
		wrong := json.Unmarshal(body, &want)
		got, err := DecodeSubmission(body)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, but encoding/json says %v", body, err, wrong)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); err == nil && d != "" {
			t.Fatalf("%q is read otherwise (-encoding/json +ours): %s", body, d)
		}
	})
}
