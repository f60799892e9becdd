package ovirtsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// put puts a rule to work.
func put(t *testing.T, s *Sim, r Rule) (takeBack func()) {
	t.Helper()
	takeBack, err := s.AddRule(r)
	if err != nil {
		t.Fatal(err)
	}
	return takeBack
}

func TestWhatBecomesOfCalls(t *testing.T) {
	const start = "/vms/ID/start"
	for name, x := range map[string]struct {
		rule         Rule
		method, path string
		body         string
		says         func(resp *http.Response, body string, err error) bool
		effect       bool // the call is carried out
	}{
		"no answer": {
			Rule{Ops: []Op{OpStart}, Drop: DropAnswer},
			"POST", start, "<action/>",
			func(_ *http.Response, _ string, err error) bool { return err != nil }, true,
		},
		"no request": {
			Rule{Ops: []Op{OpStart}, Drop: DropRequest},
			"POST", start, "<action/>",
			func(_ *http.Response, _ string, err error) bool { return err != nil }, false,
		},
		"a fault": {
			Rule{Ops: []Op{OpStart}, Fault: "ALL_HOSTS_FILTERED_OUT"},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool {
				return r.StatusCode == 409 && strings.Contains(b, "<detail>[Cannot run VM. There is no host that satisfies")
			}, false,
		},
		"a page": {
			Rule{Method: "post", Path: "/api/vms/*/start", Status: 500},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool {
				return r.StatusCode == 500 && strings.Contains(b, "<html>")
			}, false,
		},
		"words of its own": {
			Rule{Name: "gb-*", Status: 400, Detail: "no"},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool {
				return r.StatusCode == 400 && strings.Contains(b, "<detail>[no]</detail>")
			}, false,
		},
		"half an answer": {
			Rule{Ops: []Op{OpStart}, Truncate: true},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool {
				return r.StatusCode == 200 && strings.HasPrefix(b, "<?xml") && err == io.ErrUnexpectedEOF
			}, true,
		},
		"another type": {
			Rule{User: "admin@internal", Ops: []Op{OpStart}, ContentType: "text/html"},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool { return r.Header.Get("Content-Type") == "text/html" }, true,
		},
		"a listing that lacks some": {
			Rule{Omit: "gb-*"},
			"GET", "/vms", "",
			func(r *http.Response, b string, err error) bool {
				return !strings.Contains(b, "gb-1") && strings.Contains(b, "theirs")
			}, false,
		},
		"one page of a listing": {
			Rule{Ops: []Op{OpList}, Page: 2, Status: 500},
			"GET", "/vms?search=page+2&max=1", "",
			func(r *http.Response, b string, err error) bool { return r.StatusCode == 500 }, false,
		},
		"another page": {
			Rule{Ops: []Op{OpList}, Page: 2, Status: 500},
			"GET", "/vms?search=page+1&max=1", "",
			func(r *http.Response, b string, err error) bool { return r.StatusCode == 200 }, false,
		},
		"another user's": {
			Rule{User: "x@internal", Status: 500},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool { return r.StatusCode == 200 }, true,
		},
		"another machine's": {
			Rule{Name: "theirs", Status: 500},
			"POST", start, "<action/>",
			func(r *http.Response, b string, err error) bool { return r.StatusCode == 200 }, true,
		},
		"a restart": {
			Rule{Restart: true},
			"GET", "/vms", "",
			func(r *http.Response, b string, err error) bool { return r.StatusCode == 503 }, false,
		},
		"nobody there": {
			Rule{Refuse: true},
			"GET", "/vms", "",
			func(_ *http.Response, _ string, err error) bool { return err != nil }, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := Start(t, Model{VMs: []VM{{Name: "theirs"}}})
			c := logged(t, s)
			v := c.add("gb-1", "")
			until(t, s, "gb-1", Down)
			takeBack := put(t, s, x.rule)
			resp, body, err := c.try(x.method, strings.ReplaceAll(x.path, "ID", v.ID), x.body)
			if !x.says(resp, body, err) {
				t.Errorf("answered %+v, %v:\n%s", resp, err, body)
			}
			takeBack()
			takeBack()
			if x.rule.Restart {
				if got := c.do("GET", "/vms", "", 401); !strings.Contains(got, "<html>") || !strings.Contains(got, "invalid_grant") {
					t.Errorf("the session is answered\n%s", got)
				}
				c.logIn("admin@internal", Password)
			}
			if got := c.status(v.ID) != "down"; got != x.effect {
				t.Errorf("it was carried out: %v, want %v", got, x.effect)
			}
		})
	}
}

func TestWhichCallsARuleMeets(t *testing.T) {
	for name, x := range map[string]struct {
		rule Rule
		want string // of six calls, those that are met
	}{
		"all":                 {Rule{}, "xxxxxx"},
		"the third":           {Rule{Nth: 3}, "..x..."},
		"two from the second": {Rule{Nth: 2, Times: 2}, ".xx..."},
		"the first two":       {Rule{Times: 2}, "xx...."},
		"some, by the seed":   {Rule{Chance: 0.5}, "..xxxx"},
	} {
		t.Run(name, func(t *testing.T) {
			x.rule.Status, x.rule.Ops = 500, []Op{OpList}
			s := Start(t, Model{Seed: 7, Rules: []Rule{x.rule}})
			c := logged(t, s)
			got := ""
			for range 6 {
				resp, _, err := c.try("GET", "/vms", "")
				if err != nil {
					t.Fatal(err)
				}
				got += map[bool]string{true: "x", false: "."}[resp.StatusCode == 500]
			}
			if got != x.want {
				t.Errorf("it met %s, want %s", got, x.want)
			}
			if hits := s.Rules()[0].Hits; hits != strings.Count(x.want, "x") {
				t.Errorf("it counts %d", hits)
			}
		})
	}
}

func TestACallThatHangs(t *testing.T) {
	s := Start(t, Model{})
	c := logged(t, s)
	takeBack := put(t, s, Rule{Hang: true, Ops: []Op{OpRoot}})
	failed := make(chan error, 1)
	go func() {
		_, _, err := c.try("GET", "", "")
		failed <- err
	}()
	await(t, s, func(e Entry) bool { return e.What == RuleMet })
	select {
	case err := <-failed:
		t.Fatalf("it was answered (%v)", err)
	default:
	}
	takeBack()
	if err := <-failed; err == nil {
		t.Error("it was answered when the rule was taken back")
	}
}

func TestWhatBecomesOfMachines(t *testing.T) {
	m, clock := slow(Model{VMs: []VM{{Name: "theirs", Status: Up}}, Idle: 1000 * time.Hour, TokenFor: 1000 * time.Hour})
	s := Start(t, m, Options{Clock: clock})
	c := logged(t, s)
	is := func(v seen, want string) {
		t.Helper()
		if got := c.status(v.ID); got != want {
			t.Errorf("%s is %s, want %s", v.Name, got, want)
		}
	}
	start := func(v seen) { t.Helper(); c.do("POST", "/vms/"+v.ID+"/start", "<action/>", 200) }

	takeBack := put(t, s, Rule{Ops: []Op{OpCreate}, Hold: true})
	locked := c.add("gb-locked", "")
	clock.Advance(time.Hour)
	is(locked, "image_locked")
	takeBack()
	is(locked, "down")

	takeBack = put(t, s, Rule{Ops: []Op{OpCreate}, RollBack: true})
	back := c.add("gb-back", "")
	takeBack()
	clock.Advance(time.Second)
	is(back, "image_locked")
	clock.Advance(time.Second)
	c.do("GET", "/vms/"+back.ID, "", 404)

	takeBack = put(t, s, Rule{Ops: []Op{OpStart}, Hold: true})
	start(locked)
	clock.Advance(time.Hour)
	is(locked, "wait_for_launch")
	takeBack()
	clock.Advance(time.Second)
	is(locked, "up")

	deaf := c.add("gb-deaf", "")
	clock.Advance(time.Second)
	takeBack = put(t, s, Rule{Ops: []Op{OpStart}, Name: "gb-deaf", Deaf: true})
	start(deaf)
	takeBack()
	clock.Advance(2 * time.Second)
	c.do("POST", "/vms/"+deaf.ID+"/shutdown", "<action/>", 200)
	clock.Advance(time.Hour)
	is(deaf, "powering_down")
	c.do("POST", "/vms/"+deaf.ID+"/stop", "<action/>", 200)
	is(deaf, "down")

	takeBack = put(t, s, Rule{Ops: []Op{OpStart}, Lifetime: time.Minute})
	start(deaf)
	takeBack()
	clock.Advance(time.Minute)
	is(deaf, "up")
	clock.Advance(time.Minute)
	is(deaf, "down")

	takeBack = put(t, s, Rule{Ops: []Op{OpStart}, Fail: true})
	start(deaf)
	takeBack()
	is(deaf, "wait_for_launch")
	clock.Advance(time.Second)
	is(deaf, "down")
	if got := c.do("GET", "/events?max=1", "", 200); !strings.Contains(got, "<code>54</code>") || !strings.Contains(got, "Failed to run VM gb-deaf") {
		t.Errorf("the latest event is\n%s", got)
	}

	c.add("gb-other", "") // whose events are newer
	if got := c.do("GET", "/events?search=event_vm%3Dgb-deaf&max=1", "", 200); !strings.Contains(got, "<code>54</code>") {
		t.Errorf("the latest event of gb-deaf is\n%s", got)
	}

	put(t, s, Rule{Show: Unknown, For: time.Minute, Name: "gb-*"})
	is(locked, "unknown")
	is(deaf, "down")
	is(seen{ID: idOf("vm", "theirs"), Name: "theirs"}, "up")
	c.refused("POST", "/vms/"+locked.ID+"/stop", "<action/>", 409, "in Unknown status")
	clock.Advance(time.Minute)
	is(locked, "up")
	takeBack = put(t, s, Rule{Show: Paused, Name: "gb-locked"})
	is(locked, "paused")
	start(locked)
	takeBack()
	is(locked, "up")
	if got := s.Rules(); len(got) != 0 {
		t.Errorf("in force: %v", got)
	}
}

func TestSessions(t *testing.T) {
	m, clock := slow(Model{Users: []User{
		{Name: "admin@internal", Password: "a"}, {Name: "locked@internal", Password: "b", Locked: true}, {Name: "reader@internal", Password: "c", ReadOnly: true},
	}, Idle: time.Hour, TokenFor: 10 * time.Hour})
	s := Start(t, m, Options{Clock: clock})
	c := dial(t, s)
	if got := c.do("GET", "", "", 401); !strings.Contains(got, "Unauthorized") {
		t.Error(got)
	}
	for user, x := range map[string]struct{ password, says string }{
		"admin@internal": {"wrong", "Cannot authenticate user 'admin@internal'"}, "nobody@internal": {"a", "Cannot authenticate"},
		"locked@internal": {"b", "user account is disabled or locked"},
	} {
		if status, body := c.login(user, x.password); status != 400 || !strings.Contains(body, x.says) || !strings.Contains(body, `"error_code":"access_denied"`) {
			t.Errorf("%s logs in with %d %s", user, status, body)
		}
	}
	c.logIn("admin@internal", "a")
	for range 9 {
		c.do("GET", "", "", 200)
		clock.Advance(time.Hour - time.Second)
	}
	c.do("GET", "", "", 200)
	clock.Advance(time.Hour)
	if got := c.do("GET", "", "", 401); !strings.Contains(got, "<html>") || !strings.Contains(got, "invalid_grant: The provided authorization grant for the auth code has expired.") {
		t.Errorf("an idle session is answered %s", got)
	}
	c.logIn("admin@internal", "a")
	for range 10 {
		clock.Advance(59 * time.Minute)
		c.do("GET", "", "", 200)
	}
	clock.Advance(59 * time.Minute)
	c.do("GET", "", "", 401)
	c.logIn("reader@internal", "c")
	c.do("GET", "/vms", "", 200)
	c.refused("POST", "/vms", newVM("gb-1", ""), 403, "not authorized")
	s.EndSessions()
	c.do("GET", "/vms", "", 401)
}

func TestRulesAreChecked(t *testing.T) {
	for name, r := range map[string]Rule{
		"without effect":     {Ops: []Op{OpStart}},
		"unknown operation":  {Ops: []Op{"boot"}, Hang: true},
		"unknown fault":      {Fault: "NONE"},
		"unknown status":     {Show: "lost"},
		"unknown drop":       {Drop: "all"},
		"broken pattern":     {Name: "[", Hang: true},
		"impossible chance":  {Chance: 2, Hang: true},
		"of both kinds":      {Refuse: true, Hang: true},
		"in force for calls": {Restart: true, Ops: []Op{OpStart}},
	} {
		if err := r.check(); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

func TestAdmin(t *testing.T) {
	s := Start(t, Model{VMs: []VM{{Name: "theirs", Status: Up}}})
	c := logged(t, s)
	admin := httptest.NewServer(s.Admin())
	defer admin.Close()
	do := func(method, path, body string, status int) string {
		t.Helper()
		req, err := http.NewRequest(method, admin.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s answered %d (%v), want %d: %s", method, path, resp.StatusCode, err, status, b)
		}
		return string(b)
	}
	do("POST", "/rules", "{ops: [list], status: 500, for: 1h}", 200)
	if got := do("GET", "/rules", "", 200); !strings.Contains(got, `"rule":{"for":"1h0m0s","ops":["list"],"status":500}`) {
		t.Errorf("rules: %s", got)
	}
	c.do("GET", "/vms", "", 500)
	do("DELETE", "/rules/1", "", 204)
	do("DELETE", "/rules/1", "", 404)
	c.do("GET", "/vms", "", 200)
	for _, wrong := range []string{"{ops: [list]}", "{op: list}", "{delay: soon}"} {
		do("POST", "/rules", wrong, 400)
	}
	do("POST", "/rules", `{"hang": true, "ops": ["root"]}`, 200)
	do("DELETE", "/rules", "", 204)
	c.add("gb-1", "<comment>ours</comment>")
	var sum Summary
	if err := json.Unmarshal([]byte(do("GET", "/summary", "", 200)), &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Created != 1 || fmt.Sprint(sum.Left) != "[gb-1]" || sum.Foreign != 1 || len(sum.ForeignTouched) != 0 {
		t.Errorf("summary: %+v", sum)
	}
	do("POST", "/machines/theirs/stop", "", 204)
	do("DELETE", "/machines/gb-1", "", 204)
	do("DELETE", "/machines/gb-1", "", 404)
	var last Entry
	lines := bytes.Split(bytes.TrimSpace([]byte(do("GET", "/journal?after=2", "", 200))), []byte("\n"))
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.What != Gone || last.Comment != "ours" || last.N != int64(len(lines))+2 {
		t.Errorf("the journal ends with %+v (%v)", last, err)
	}
	if got := do("GET", "/machines", "", 200); !strings.Contains(got, `"status":"down"`) {
		t.Errorf("machines: %s", got)
	}
	do("POST", "/sessions/end", "", 204)
	c.do("GET", "/vms", "", 401)
}
