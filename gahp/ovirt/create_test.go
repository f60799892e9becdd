package ovirt

import (
	"net/http"
	"strings"
	"testing"

	"gridburst/gahp"
)

const (
	templateID = "5037cc2a-0268-4412-a591-ee7da56efe53"
	clusterID  = "1c273044-e6ca-492f-9ac2-47381b626808" // the template's
	defaultID  = "5a55d518-00c7-00ef-015b-000000000055"
)

// factory is a stub that knows the recorded templates and clusters and makes
// machines.
func factory(t *testing.T, made http.HandlerFunc) *stub {
	t.Helper()
	s := newStub(t)
	s.handle("GET /api/templates", reply(http.StatusOK, recorded(t, "templates.xml")))
	s.handle("GET /api/clusters", reply(http.StatusOK, recorded(t, "clusters.xml")))
	s.handle("POST /api/vms", made)
	return s
}

func TestCreate(t *testing.T) {
	tail := "<high_availability><enabled>false</enabled></high_availability>"
	head := func(cluster string) string {
		return "<vm><cluster id=" + cluster + "></cluster><comment>gridburst d1/17</comment>"
	}
	base := gahp.Create{Name: "gb-1", Template: "template_cd2", Mark: "gridburst d1/17", Description: "for <job> 41.0 & others"}
	named := "<initialization><host_name>gb-1</host_name></initialization>"
	end := "<name>gb-1</name><template id=" + templateID + "></template></vm>"
	described := "<delete_protected>false</delete_protected><description>for <job> 41.0 & others</description>" + tail
	for name, c := range map[string]struct {
		change func(*gahp.Create)
		want   string
	}{
		"as the template says": {func(*gahp.Create) {}, head(clusterID) + described + named + end},
		"in another cluster":   {func(c *gahp.Create) { c.Cluster = "Default" }, head(defaultID) + described + named + end},
		"with memory and cores": {func(c *gahp.Create) { c.MemoryMB, c.Cores = 2048, 3 }, head(clusterID) +
			"<cpu><topology><cores>3</cores><sockets>1</sockets><threads>1</threads></topology></cpu>" + described + named +
			"<memory>2147483648</memory><memory_policy><guaranteed>2147483648</guaranteed><max>2147483648</max></memory_policy>" + end},
		"with user data": {func(c *gahp.Create) { c.UserData = "write_files:\n- content: \"<&>\t]]>\"\r\n" }, head(clusterID) + described +
			"<initialization><custom_script>write_files:\n- content: \"<&>\t]]>\"\r\n</custom_script><host_name>gb-1</host_name></initialization>" + end},
		"with a host name": {func(c *gahp.Create) { c.HostName = "node7" }, head(clusterID) + described +
			"<initialization><host_name>node7</host_name></initialization>" + end},
	} {
		t.Run(name, func(t *testing.T) {
			s := factory(t, reply(http.StatusAccepted, vmXML("image_locked", "<comment>gridburst d1/17</comment>")))
			create := base
			c.change(&create)
			m, err := s.engine(t).Create(t.Context(), order, create)
			if err != nil {
				t.Fatal(err)
			}
			if m.ID != vmID || m.State != gahp.ImageLocked || m.Mark != base.Mark {
				t.Errorf("%+v", m)
			}
			lines, bodies := s.requests()
			last := len(lines) - 1
			if lines[last] != "POST /api/vms?clone=false" {
				t.Fatal(lines[last])
			}
			if got := unescaped(t, bodies[last]); got != c.want {
				t.Errorf("body\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestCreateNeedsATemplateAndACluster(t *testing.T) {
	for name, c := range map[string]struct {
		create gahp.Create
		say    string
	}{
		"no such template":                  {gahp.Create{Name: "gb-1", Template: "template_cd"}, "no template template_cd"},
		"no such cluster":                   {gahp.Create{Name: "gb-1", Template: "template_cd2", Cluster: "default"}, "no cluster default"},
		"a template without a cluster":      {gahp.Create{Name: "gb-1", Template: "Blank"}, "belongs to no cluster"},
		"a name that is a search by itself": {gahp.Create{Name: "gb-1", Template: "* or name=template_cd2"}, "no template"},
	} {
		t.Run(name, func(t *testing.T) {
			s := factory(t, reply(http.StatusAccepted, vmXML("image_locked", "")))
			_, err := s.engine(t).Create(t.Context(), order, c.create)
			want(t, err, gahp.NoTemplate, c.say)
			if lines, _ := s.requests(); strings.HasPrefix(lines[len(lines)-1], "POST /api") {
				t.Error("the engine was told to make it")
			}
		})
	}
}

func TestCreateTakesTheNewestVersion(t *testing.T) {
	version := func(id, n, state string) string {
		return `<template id="` + id + `"><name>worker</name><status>` + state + `</status><cluster id="` + clusterID + `"/><version><version_number>` + n + `</version_number></version></template>`
	}
	one, two := "1"+templateID[1:], "2"+templateID[1:]
	for state, kind := range map[string]gahp.Kind{"ok": "", "locked": gahp.NoTemplate, "illegal": gahp.NoTemplate} {
		t.Run(state, func(t *testing.T) {
			s := newStub(t)
			s.handle("GET /api/templates", reply(http.StatusOK, "<templates>"+version(one, "1", "ok")+version(two, "10", state)+version(one, "9", "ok")+"</templates>"))
			s.handle("POST /api/vms", reply(http.StatusCreated, vmXML("down", "")))
			_, err := s.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "worker"})
			if kind != "" {
				want(t, err, kind, "version 10", state) // an older one is not what was asked for
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, bodies := s.requests()
			if !strings.Contains(bodies[len(bodies)-1], two) {
				t.Errorf("made from another: %s", bodies[len(bodies)-1])
			}
		})
	}
}

// What a template tells its machines' guests is kept, unless there is more to say.
func TestCreateKeepsTheTemplatesInitialization(t *testing.T) {
	for own, kept := range map[string]bool{
		"": false, "<initialization/>": false, "<initialization><custom_script></custom_script><nic_configurations/></initialization>": false,
		"<initialization><authorized_ssh_keys>ssh-ed25519 x</authorized_ssh_keys></initialization>":                                          true,
		"<initialization><nic_configurations><nic_configuration><name>eth0</name></nic_configuration></nic_configurations></initialization>": true,
	} {
		s := newStub(t)
		s.handle("GET /api/templates", reply(http.StatusOK, `<templates><template id="`+templateID+`"><name>worker</name><cluster id="`+clusterID+`"/>`+own+`</template></templates>`))
		s.handle("POST /api/vms", reply(http.StatusCreated, vmXML("down", "")))
		e := s.engine(t)
		for _, c := range []gahp.Create{{Name: "gb-1", Template: "worker"}, {Name: "gb-1", Template: "worker", HostName: "node7"}} {
			if _, err := e.Create(t.Context(), order, c); err != nil {
				t.Fatal(err)
			}
			_, bodies := s.requests()
			ours := strings.Contains(bodies[len(bodies)-1], "<initialization>")
			if want := !kept || c.HostName != ""; ours != want {
				t.Errorf("template with %q, %+v: ours is sent: %v, want %v", own, c, ours, want)
			}
		}
	}
}

// Until the order itself is sent nothing can have been done, whatever breaks.
func TestCreateThatBreaksBeforeTheOrderDidNothing(t *testing.T) {
	s := factory(t, reply(http.StatusAccepted, vmXML("image_locked", "")))
	broken := newStub(t)
	broken.handle("GET /api/templates", reply(http.StatusOK, recorded(t, "templates.xml")[:9000]))
	_, err := broken.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "template_cd2"})
	want(t, err, gahp.EngineDown, "nothing was done")
	_, err = s.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "template_cd2", Description: "\xff"})
	want(t, err, gahp.Refused, "the description")
}

func TestCreateWhoseAnswerIsNoMachineIsUnknown(t *testing.T) {
	for name, body := range map[string]string{
		"a page": "<html></html>", "nothing": "", "cut off": "<vm id=\"" + vmID + "\"><na", "no id": "<vm><name>gb-1</name></vm>",
	} {
		t.Run(name, func(t *testing.T) {
			s := factory(t, reply(http.StatusAccepted, body))
			_, err := s.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "template_cd2"})
			want(t, err, gahp.Unknown, "look")
		})
	}
}

func TestTemplates(t *testing.T) {
	s := factory(t, reply(http.StatusNotFound, ""))
	list, err := s.engine(t).Templates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || list[2] != (gahp.Template{ID: templateID, Name: "template_cd2", Version: 1, State: "ok", MemoryMB: 1024, Cores: 1}) {
		t.Errorf("%+v", list)
	}
}
