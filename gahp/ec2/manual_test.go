package ec2_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"gridburst/gahp"
	"gridburst/gahp/ec2"
)

// The manual names every verb, and no other; and every code that an engine's failure has.
func TestManual(t *testing.T) {
	b, err := os.ReadFile("../../docs/gahp.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := map[string]bool{}
	for _, m := range regexp.MustCompile("`([A-Za-z0-9_.]+(?: \\(401\\))?)`").FindAllStringSubmatch(string(b), -1) {
		manual[m[1]] = true
	}
	d := newService(newEngine()).Dialect()
	verbs := slices.Collect(maps.Keys(d.Later))
	for _, v := range append(verbs, slices.Collect(maps.Keys(d.Now))...) {
		if !manual[v] {
			t.Errorf("docs/gahp.md does not name %s", v)
		}
	}
	for word := range manual {
		if regexp.MustCompile(`^EC2_VM_`).MatchString(word) && d.Later[word] == nil {
			t.Errorf("docs/gahp.md names %s, and there is no such verb", word)
		}
	}
	for _, k := range gahp.Kinds {
		switch code := ec2.Failed(&gahp.Error{Kind: k})[1]; {
		case k == gahp.Stale, k == gahp.NameInUse: // of no engine here: there are no claims, and a name is looked for
		case !manual[code]:
			t.Errorf("docs/gahp.md does not explain %s", code)
		}
	}
}
