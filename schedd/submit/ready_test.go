package submit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridburst/internal/ad"
)

func TestACheckIsInTheAdAndReadBack(t *testing.T) {
	for src, want := range map[string]ReadyCheck{
		"ready_command = redis-cli -p 7000 ping":                               {Command: []string{"redis-cli", "-p", "7000", "ping"}, Every: time.Second, Timeout: 5 * time.Second},
		`ready_command = "sh -c 'echo ''it is'' && exit 0'"`:                   {Command: []string{"sh", "-c", "echo 'it is' && exit 0"}, Every: time.Second, Timeout: 5 * time.Second},
		"ready_tcp = 7000\nready_every = 2\nready_timeout = 10":                {TCP: 7000, Every: 2 * time.Second, Timeout: 10 * time.Second},
		"ready_http = http://$$(Machine):80/x\nready_address = $$(Machine):80": {HTTP: "http://$$(Machine):80/x", Address: "$$(Machine):80", Every: time.Second, Timeout: 5 * time.Second},
		"ready_http = https://[::1]:65535\n+ReadyEvery = 3":                    {HTTP: "https://[::1]:65535", Every: 3 * time.Second, Timeout: 5 * time.Second},
		"universe = local\n+ReadyTcp = 1":                                      {TCP: 1, Every: time.Second, Timeout: 5 * time.Second},
	} {
		s := specsOf(t, "executable = /bin/true\n"+src+"\nqueue\n", tree{})[0]
		got, bad := ReadyOf(jobOf(t, s.Attrs, s.Sections[0].Attrs))
		if bad != nil || got == nil {
			t.Errorf("%s\n%v", src, bad)
			continue
		}
		if d := cmp.Diff(want, *got); d != "" {
			t.Errorf("%s\n%s", src, d)
		}
		if r := attribute(t, s, "Requirements"); !strings.Contains(r, "TARGET.HasReadyCheck") {
			t.Errorf("%s\nrequires %s", src, r)
		}
		// As a workflow hands it on.
		again, bad := ReadyOf(jobOf(t, got.Attrs()))
		if bad != nil {
			t.Error(bad)
		} else if d := cmp.Diff(want, *again); d != "" {
			t.Errorf("%s\n%s", src, d)
		}
	}
	s := specsOf(t, "executable = /bin/true\nqueue\n", tree{})[0]
	if c, bad := ReadyOf(jobOf(t, s.Attrs)); c != nil || bad != nil || strings.Contains(attribute(t, s, "Requirements"), "HasReadyCheck") {
		t.Errorf("a job without a check: %v, %v", c, bad)
	}
}

func jobOf(t *testing.T, layers ...[]Attr) *ad.Ad {
	t.Helper()
	a := ad.New(8)
	for _, attrs := range layers {
		for _, x := range attrs {
			if err := a.Set(x.Name, x.Expr); err != nil {
				t.Fatal(err)
			}
		}
	}
	return a
}

func TestWhatIsWrongWithACheckIsToldWithItsPlace(t *testing.T) {
	for src, want := range map[string]string{
		"ready_every = 5":                                                   "2: nothing says what is checked",
		"ready_tcp = 5\nready_command = x":                                  "3: a job is checked in one way",
		"ready_tcp = 0":                                                     "2: ready_tcp is a port from 1 to 65535, not 0",
		"ready_tcp = 65536":                                                 "2: ready_tcp is a port from 1 to 65535, not 65536",
		"ready_tcp = many":                                                  "2: ready_tcp: ",
		"log = x\nready_http = ftp://a/":                                    "3: ftp://a/ is no URL of http or https",
		"ready_http = /health":                                              "2: /health is no URL of a host",
		"ready_http = http://h:70000/":                                      "2: http://h:70000/ has a port that there is not",
		"ready_http = http://a:b@h/":                                        "2: http://a:b@h/ holds a user",
		"ready_http = http://h\x01/":                                        "2: http://h\ufffd/ is no URL of a host",
		"ready_tcp = 5\nready_every = 0":                                    "3: the every of a check is 0s: it is a second at least",
		"ready_tcp = 5\nready_timeout = -1":                                 "3: the timeout of a check is -1s: it is a second at least",
		"ready_tcp = 5\nready_timeout = 90000":                              "3: the timeout of a check is 25h0m0s: it is a day at most",
		"ready_tcp = 5\nready_every = soon":                                 "3: ready_every is a whole number of seconds, not soon",
		"ready_tcp = 5\nready_address = a b":                                "3: a b is no address",
		"ready_command = \"sh -c 'x\"":                                      "2: ready_command: ",
		"ready_command = \"'' x\"":                                          "2: the command of a check is empty",
		"ready_tcp = $(Process)":                                            "2: ready_tcp must not differ",
		"+ReadyTcp = $(Process)":                                            "2: ReadyTcp must not differ",
		"+ReadyTcp = \"x\"":                                                 "2: ready_tcp is a port from 1 to 65535, not \"x\"",
		"ready_tcp = 5\nuniverse = scheduler":                               "2: nobody checks whether a job of this universe is ready",
		"ready_tcp = 5\nmachine_count = 2\nuniverse = parallel":             "2: nobody checks whether",
		"ready_tcp = 5\nuniverse = container\ncontainer_image = docker://x": "2: nobody checks whether",
	} {
		_, diags := Lower("job.sub", []byte("executable = /bin/true\n"+src+"\nqueue\n"), testSite(), tree{}.put("/bin/true"))
		found := ""
		for _, d := range diags {
			if !d.Warning {
				found = strings.TrimSpace(strings.Join([]string{string(rune('0' + d.Line)), d.Summary}, ": "))
				break
			}
		}
		if !strings.HasPrefix(found, want) {
			t.Errorf("%s\nis said to be wrong by\n%s\nnot by\n%s", src, found, want)
		}
	}
}

func TestACheckFitsIntoItsTime(t *testing.T) {
	c := ReadyCheck{TCP: 1, Every: 5 * time.Second, Timeout: 10 * time.Second}
	for within, want := range map[time.Duration]string{0: "", 4 * time.Second: "every", 6 * time.Second: "timeout", 10 * time.Second: ""} {
		key := ""
		if bad := c.Problem(within); bad != nil {
			key = bad.Key
		}
		if key != want {
			t.Errorf("within %v what is wrong is %q, not %q", within, key, want)
		}
	}
}
