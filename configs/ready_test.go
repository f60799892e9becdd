package configs

import (
	"fmt"
	"strings"
	"testing"

	"gridburst/dag"
	"gridburst/internal/ad"
	"gridburst/schedd/submit"
)

const checkedServices = `
variable "port" { default = 7000 }
job "store" { executable = "/bin/store" }
job "web" { executable = "/bin/web" }
job "own" {
  executable = "/bin/own"
  ready {
    http    = "http://$$(Machine):80/"
    every   = "2s"
    timeout = 9
  }
}
workflow "w" {
  service "store" {
    ready_within = "60s"
    ready {
      command = ["redis-cli", "-p", var.port, "$(date) it's"]
      address = "${host}:${var.port}"
    }
  }
  service "web" {
    ready_within = "60s"
    ready {
      http    = "http://${service.store.address}/${host}"
      every   = "2s"
      timeout = "10s"
    }
  }
  service "plain" {
    file         = "plain.sub"
    ready_within = "60s"
    ready {
      command = ["sh", "-c", "test $(cat x) = ${service.web.address}"]
    }
  }
  service "many" {
    for_each     = range(2)
    file         = "many.sub"
    ready_within = "60s"
    ready { tcp = each.value + var.port }
  }
  service "own" { ready_within = "60s" }
}`

func TestAServiceIsCheckedAsItsBlockSays(t *testing.T) {
	g := flowOf(t, checkedServices, Outside{})
	var got strings.Builder
	for i := range g.Len() {
		n := &g.Nodes[i]
		fmt.Fprintf(&got, "%s %v\n", n.Name, n.Parents)
		for _, v := range n.Vars {
			fmt.Fprintf(&got, "  %s = %s\n", v.Name, v.Value)
		}
	}
	const times = "  +ReadyEvery = 1\n"
	want := `store []
  +ReadyAddress = "$$(Machine):7000"
  +ReadyCommand = "redis-cli -p 7000 $(date)' 'it''''s"
` + times + `  +ReadyTimeout = 5
web [0]
  +ReadyEvery = 2
  +ReadyHttp = "http://` + dag.AddressOf(0) + `/$$(Machine)"
  +ReadyTimeout = 10
plain [1]
  +ReadyCommand = "sh -c test' '$(DOLLAR)(cat' 'x)' '=' '` + dag.AddressOf(1) + `"
` + times + `  +ReadyTimeout = 5
many-0 []
` + times + `  +ReadyTcp = 7000
  +ReadyTimeout = 5
many-1 []
` + times + `  +ReadyTcp = 7001
  +ReadyTimeout = 5
own []
`
	if got.String() != want {
		t.Errorf("%s\nnot\n%s", &got, want)
	}
	if err := g.Check(); err != nil {
		t.Error(err)
	}
}

// The job's ad has what its node says, whatever the job is written in.
func TestTheCheckOfAServiceReachesItsJob(t *testing.T) {
	g := flowOf(t, checkedServices, Outside{})
	for name, want := range map[string]string{
		"store": "[redis-cli -p 7000 $(date) it's] 0  1s 5s $$(Machine):7000",
		"web":   "[] 0 http://1.2.3.4:5/$$(Machine) 2s 10s ",
		"plain": "[sh -c test $(cat x) = 1.2.3.4:5] 0  1s 5s ",
		"own":   "[] 0 http://$$(Machine):80/ 2s 9s ",
	} {
		var n *dag.Node
		for i := range g.Nodes {
			if g.Nodes[i].Name == name {
				n = &g.Nodes[i]
			}
		}
		vars, err := dag.Addressed(n.Vars, func(int32) (string, error) { return "1.2.3.4:5", nil })
		if err != nil {
			t.Fatal(err)
		}
		site := submit.Site{Dir: "/", Owner: "me", Arch: "X86_64", OpSys: "LINUX"}
		for _, v := range vars {
			site.Vars = append(site.Vars, submit.Var{Name: v.Name, Value: v.Value})
		}
		var spec submit.Spec
		if name == "plain" {
			specs, diags := submit.Lower("plain.sub", []byte("executable = /bin/plain\nqueue\n"), site, nil)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			spec = specs[0]
		} else {
			job, diags := JobNamed("wf.hcl", []byte(parted.Replace(checkedServices)), name, site, nil)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			spec = job.Spec
		}
		a := ad.New(8)
		for _, x := range append(spec.Attrs, spec.Sections[0].Attrs...) {
			if err := a.Set(x.Name, x.Expr); err != nil {
				t.Fatal(err)
			}
		}
		c, bad := submit.ReadyOf(a)
		if bad != nil || c == nil {
			t.Errorf("%s: %+v", name, bad)
			continue
		}
		if got := fmt.Sprint(c.Command, c.TCP, " ", c.HTTP, " ", c.Every, " ", c.Timeout, " ", c.Address); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}

func TestWhatIsWrongWithAReadyBlockIsToldWithItsPlace(t *testing.T) {
	for src, want := range map[string]string{
		"ready {\n }":                                          "4,3: the ready block does not say what is checked",
		"ready {\n every = \"1s\"\n }":                         "4,3: the ready block does not say what is checked",
		"ready {\n tcp = 5\n http = \"http://a/\"\n }":         "6,2: tcp and http are both set",
		"ready {\n tcp = 0\n }":                                "5,8: this is no whole number within bounds",
		"ready {\n tcp = 65536\n }":                            "5,8: this is no whole number within bounds",
		"ready {\n http = \"health\"\n }":                      "5,9: health is no URL of a host",
		"ready {\n http = \"http://h:99999/\"\n }":             "5,9: http://h:99999/ has a port that there is not",
		"ready {\n tcp = 5\n every = \"0s\"\n }":               "6,10: the every of a check is 0s",
		"ready {\n tcp = 5\n every = \"-1s\"\n }":              `6,10: "-1s" is not a duration`,
		"ready {\n tcp = 5\n every = \"1500ms\"\n }":           "6,10: this is no whole number of seconds",
		"ready {\n tcp = 5\n every = \"61s\"\n }":              "6,10: the every of a check is 1m1s, and all of the time for it is 1m0s",
		"ready {\n tcp = 5\n timeout = \"2m\"\n }":             "6,12: the timeout of a check is 2m0s",
		"ready {\n tcp = 5\n timeout = \"0s\"\n }":             "6,12: the timeout of a check is 0s",
		"ready {\n command = []\n }":                           "5,12: a command is a list of words",
		"ready {\n command = \"ping\"\n }":                     "5,12: a command is a list of words",
		"ready {\n command = [\"\"]\n }":                       "5,12: the command of a check is empty",
		"ready {\n tcp = 5\n address = \"a b\"\n }":            "6,12: a b is no address",
		"ready {\n tpc = 5\n }":                                `5,2: there is no key "tpc"`,
		"ready {\n tcp = 5\n again {\n }\n }":                  "6,2: a ready block holds no blocks",
		"ready {\n tcp = 5\n }\n ready {\n tcp = 6\n }":        "7,2: there are two ready blocks",
		"ready {\n http = \"http://${service.x.address}\"\n }": "5,26: unsupported attribute",
	} {
		_, diags := Workflow("wf.hcl", []byte("workflow \"w\" {\n service \"s\" {\n  file = \"s\"\n  "+src+"\n  ready_within = \"60s\"\n }\n}"), Outside{})
		found := ""
		for _, d := range diags {
			if !d.Warning {
				found = fmt.Sprintf("%d,%d: %s", d.Line, d.Column, d.Summary)
				break
			}
		}
		if !strings.HasPrefix(found, want) {
			t.Errorf("%s\nis said to be wrong by\n%s\nnot by\n%s", src, found, want)
		}
	}
	for src, want := range map[string]string{
		"service \"s\" {\n file = \"s\"\n ready {\n tcp = 5\n }\n }":                                               "without ready_within",
		"node \"s\" {\n file = \"s\"\n ready {\n tcp = 5\n }\n }":                                                  "only the job of a service is checked",
		"service \"s\" {\n file = \"s\"\n ready_within = \"9s\"\n ready = 5\n }\n node \"n\" {\n file = \"n\"\n }": `there is no key "ready"`,
	} {
		_, diags := Workflow("wf.hcl", []byte("workflow \"w\" {\n "+src+"\n}"), Outside{})
		if text := said(diags); !diags.HasErrors() || !strings.Contains(text, want) {
			t.Errorf("%s\nis said to be wrong by\n%s\nnot by %s", src, text, want)
		}
	}
}
