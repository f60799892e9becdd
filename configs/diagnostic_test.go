package configs

import (
	"strings"
	"testing"
)

// bad are the insides of a job block with something wrong. What is said of each is in
// testdata/diagnostics.golden.
var bad = []struct{ name, src string }{
	{"a typing error", `arguement = "x"`},
	{"a typing error in a block", `request { memmory = "1G" }`},
	{"a typing error in a block's name", `reqest { memory = "1G" }`},
	{"a block as a key", `queue = 5`},
	{"a key as a block", `environment { A = 1 }`},
	{"the same thing twice", "request_memory = 5\nrequest { memory = \"1G\" }"},
	{"a key twice", "log = \"a\"\nlog = \"b\""},
	{"an executable that is not there", `executable = "nosuch"`},
	{"a text without quotes", `output = out`},
	{"an attribute of nobody", `requirements = Memory > 5`},
	{"an attribute in a text", `output = "${target.Name}"`},
	{"an unknown function", `requirements = regexpp("a", target.Name)`},
	{"a function with too few arguments", `requirements = regexp("a")`},
	{"is with three arguments", `requirements = is(1, 2, 3)`},
	{"for", `arguments = [for x in [1] : x]`},
	{"for in an expression", `rank = [for x in [1] : x]`},
	{"a splat", `rank = my.list[*].x`},
	{"a wrong size", `request { memory = "5 elephants" }`},
	{"a wrong duration", `job_lease_duration = "90ms"`},
	{"an expression that is none", `requirements = "(Memory > 5"`},
	{"an item without items", `arguments = [item]`},
	{"an item with parts", "arguments = [item]\nqueue { in = [{ a = 1, b = 2 }] }"},
	{"a part that there is not", "arguments = [item.siez]\nqueue { in = [{ name = 1, size = 2 }] }"},
	{"items with different parts", "arguments = [item.a]\nqueue { in = [{ a = 1 }, { b = 2 }] }"},
	{"items that are no list", `queue { in = "abc" }`},
	{"items that depend on the job", `queue { in = [process] }`},
	{"a part with the name of a macro", "queue {\n vars = [\"process\"]\n from = \"list.txt\"\n}"},
	{"two sources of items", "queue {\n in = [\"a\"]\n matching = \"*\"\n}"},
	{"a number of jobs that is none", `queue { count = "many" }`},
	{"no items", `queue { matching = "nosuch/*" }`},
	{"a file of items that is not there", `queue { from = "nosuch" }`},
	{"no such local", `output = local.nosuch`},
	{"a local that leads back to itself", `output = local.circle`},
	{"no such variable", `output = var.nosuch`},
	{"a job attribute without expr", `attributes { Big = target.Memory > 5 }`},
	{"a job attribute of the queue", `attributes { Owner = "root" }`},
	{"expr elsewhere", `rank = expr(my.x)`},
	{"an environment variable with a wrong name", `environment = { "A=B" = 1 }`},
	{"a file name with a comma", `transfer_input_files = ["a,b"]`},
	{"a file name with a comma in an item", "transfer_input_files = [item]\nqueue { in = [\"ok\", \"a,b\"] }"},
	{"a word that is none", `universe = "vanila"`},
	{"a value that is a list", `log = ["a"]`},
	{"a division by zero", `output = "${1 / 0}"`},
	{"syntax", `requirements = target.x >`},
	{"several at once", "arguement = 1\nrank = nosuch(1)\noutput = out"},
}

func TestWhatIsSaidOfBadFiles(t *testing.T) {
	var b strings.Builder
	say := func(name, src string) {
		_, diags := Jobs("job.hcl", []byte(src), site(), files())
		if len(diags) == 0 {
			t.Errorf("%s: nothing is said", name)
		}
		b.WriteString("=== " + name + "\n\n" + diags.String() + "\n")
	}
	for _, c := range bad {
		exe := "executable = \"run.sh\"\n"
		if strings.Contains(c.src, "executable") {
			exe = ""
		}
		locals := ""
		if strings.Contains(c.src, "local.") {
			locals = "locals { circle = local.circle }\n"
		}
		say(c.name, locals+"job \"j\" {\n"+exe+c.src+"\n}\n")
	}
	say("no jobs", "# nothing\n")
	say("a key outside", "executable = \"x\"\n")
	say("a job without a name", "job {\n executable = \"run.sh\"\n}\n")
	say("two jobs of one name", "job \"a\" {\n executable = \"run.sh\"\n}\njob \"a\" {\n executable = \"run.sh\"\n}\n")
	say("an unknown block", "jobs \"a\" {\n}\n")
	say("a variable without a value", "variable \"v\" {}\njob \"a\" {\n executable = var.v\n}\n")
	say("not UTF-8", "job \"a\xff\" {}\n")
	golden(t, "testdata/diagnostics.golden", b.String())
}
