package route

import (
	"strings"
	"testing"
)

// A configuration of the largest size is read in a moment, whatever is in it.
func TestLargeConfigurationsAreReadInAMoment(t *testing.T) {
	for name, src := range map[string]string{
		"long lines":   one(strings.Repeat(" SET A 3 + \\\n", 9_990) + " 3\n"),
		"doubling":     strings.Repeat("A = $(A)$(A)x\n", 64),
		"settings":     strings.Repeat("A = $(A) x\n", 4_000),
		"old routes":   "JOB_ROUTER_ENTRIES @=e\n" + strings.Repeat("[ Name = \"a\"; GridResource = \"x\"; Requirements = Foo; OverrideRoutingEntry = true; ]\n", 9_000) + "@e\n",
		"an old route": "JOB_ROUTER_ENTRIES @=e\n[ Name = \"a\";\n" + strings.Repeat("set_A = 3;\n", 80_000) + "]\n@e\n",
		"a route":      one(strings.Repeat(" SET A 3\n", 9_999)),
		"macros":       one(strings.Repeat(" MaxJob = $(x)\n", 9_990)),
		"continued":    "A = " + strings.Repeat("\\\n x", 250_000),
		"tags":         strings.Repeat("A @=e\n@e\n", 100_000),
		"conditions":   strings.Repeat("if true\n", 120_000),
	} {
		t.Run(name, func(t *testing.T) {
			if len(src) > maxFile {
				t.Fatalf("%d bytes", len(src))
			}
			Read("large", []byte(src), nil)
		})
	}
}
