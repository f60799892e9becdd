package ovirt

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gridburst/gahp"
)

var order = gahp.Order{Term: 1, Epoch: 1}

// vmXML is a machine in a state, with further elements.
func vmXML(state, more string) string {
	return `<vm id="` + vmID + `"><name>gb-1</name><status>` + state + `</status>` + more + `</vm>`
}

func startVM(t *testing.T, e *Engine, userData string) error {
	t.Helper()
	return e.Start(t.Context(), order, vmID, gahp.Start{UserData: userData})
}

func TestMachinesOfARealEngine(t *testing.T) {
	const on = `<link href="/ovirt-engine/api/vms/` + vmID + `/reporteddevices" rel="reporteddevices"/>`
	vms, devices := recorded(t, "vms.xml"), recorded(t, "reported_devices.xml")
	if !strings.Contains(vms, on) {
		t.Fatal("the recording has no such machine")
	}
	_, devices, _ = strings.Cut(devices, "?>")
	s := newStub(t)
	s.handle("GET /api/vms", reply(http.StatusOK, strings.Replace(vms, on, devices, 1)))
	e := s.engine(t)
	zone := time.FixedZone("", 3*3600)
	off := gahp.VM{
		ID: "8070fa6d-5b82-412c-9d41-a00017205c73", Name: "vm_off", State: gahp.Down, Template: "bcdd6891-68c9-4629-8c72-668c2353ab11",
		Created: time.Date(2019, 8, 20, 12, 57, 43, 49e6, zone), Stopped: time.Date(2019, 8, 20, 12, 57, 59, 357e6, zone),
	}
	list, err := e.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 {
		t.Fatalf("%d machines, want 3", len(list))
	}
	if diff := cmp.Diff(off, list[0]); diff != "" {
		t.Error(diff)
	}
	running := gahp.VM{
		ID: vmID, Name: "vm_on", State: gahp.UnknownState, Template: templateID,
		Created: time.Date(2019, 8, 20, 15, 13, 17, 128e6, zone), Started: time.Date(2019, 8, 21, 9, 51, 52, 775e6, zone),
		Addresses: []string{"10.46.8.199", "2620:52:0:2e08:21a:4aff:fe16:105", "fe80::21a:4aff:fe16:105"},
	}
	if diff := cmp.Diff(running, list[1]); diff != "" {
		t.Error(diff)
	}

	// The search is an engine's idea of a name; ours is exact.
	if list, err = e.List(t.Context(), "vm_on_"); err != nil || len(list) != 1 || list[0].Name != "vm_on_with_snapshots" {
		t.Errorf("%v, %v", list, err)
	}
	if m, err := e.Find(t.Context(), "vm_on"); err != nil || m.ID != vmID {
		t.Errorf("%v, %v", m, err)
	}
	_, err = e.Find(t.Context(), "VM_ON")
	want(t, err, gahp.NotFound, "VM_ON")
	_, err = e.Find(t.Context(), "vm_on or status=up")
	want(t, err, gahp.NotFound)
	lines, _ := s.requests()
	if got := lines[len(lines)-1]; got != "GET /api/vms?follow=reported_devices" {
		t.Errorf("a name that is a query was sent to the engine: %s", got)
	}
}

func TestTwoMachinesOfOneNameAreNotGuessedBetween(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api/vms", reply(http.StatusOK, "<vms>"+vmXML("down", "")+strings.Replace(vmXML("up", ""), vmID, "b"+vmID[1:], 1)+"</vms>"))
	_, err := s.engine(t).Find(t.Context(), "gb-1")
	want(t, err, gahp.Refused, "several machines gb-1", vmID)
}

// A listing is whole, or it is an error.
func TestListIsWhole(t *testing.T) {
	whole := "<vms>" + vmXML("up", "") + vmXML("down", "") + "</vms>"
	for name, c := range map[string]struct {
		body string
		kind gahp.Kind
	}{
		"cut between two machines":       {whole[:strings.LastIndex(whole, "<vm ")], gahp.Unknown},
		"cut before its end":             {strings.TrimSuffix(whole, "</vms>"), gahp.Unknown},
		"a machine without an id":        {"<vms><vm><name>x</name></vm></vms>", gahp.Unknown},
		"a machine without a name":       {`<vms><vm id="` + vmID + `"/></vms>`, gahp.Unknown},
		"a number that is none":          {"<vms>" + vmXML("up", "<memory>much</memory>") + "</vms>", gahp.Unknown},
		"something after its end":        {whole + "<", gahp.Unknown},
		"templates in place of machines": {"<templates/>", gahp.EngineDown},
		"no XML":                         {"Service Unavailable", gahp.EngineDown},
		"nothing":                        {"", gahp.EngineDown},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			s.handle("GET /api/vms", reply(http.StatusOK, c.body))
			list, err := s.engine(t).List(t.Context(), "")
			want(t, err, c.kind)
			if list != nil {
				t.Errorf("%v beside an error", list)
			}
		})
	}
	s := newStub(t)
	s.handle("GET /api/vms", reply(http.StatusOK, "<vms/>"))
	if list, err := s.engine(t).List(t.Context(), "gb-"); err != nil || len(list) != 0 {
		t.Errorf("an empty listing: %v, %v", list, err)
	}
}

func TestAddressesAreNotWorthAMachine(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api/vms", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("follow") != "" {
			reply(http.StatusInternalServerError, fault("Internal error"))(w, r)
			return
		}
		reply(http.StatusOK, "<vms>"+vmXML("up", "")+"</vms>")(w, r)
	})
	s.handle("GET /api/vms/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("follow") != "" {
			reply(http.StatusOK, vmXML("up", "<reported_devices><reported_device><ips><ip><version>v4"))(w, r)
			return
		}
		reply(http.StatusOK, vmXML("up", ""))(w, r)
	})
	e := s.engine(t)
	if list, err := e.List(t.Context(), "gb-"); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if m, err := e.Get(t.Context(), vmID); err != nil || m.State != gahp.Up {
		t.Errorf("%v, %v", m, err)
	}
}

func TestIDsThatAreNoneAreNotAskedAbout(t *testing.T) {
	s := newStub(t)
	e := s.engine(t)
	for _, id := range []string{"", "gb-1", "../templates/" + vmID, vmID + "/start", vmID + "\n"} {
		_, err := e.Get(t.Context(), id)
		want(t, err, gahp.NotFound)
		want(t, e.Remove(t.Context(), order, id), gahp.NotFound)
	}
	if lines, _ := s.requests(); len(lines) > 0 {
		t.Errorf("the engine heard %q", lines)
	}
}

func TestStart(t *testing.T) {
	const own = `<initialization><custom_script>#cloud-config</custom_script></initialization>`
	for name, c := range map[string]struct {
		vm, userData string
		body         string
		kind         gahp.Kind
	}{
		"a machine that Create made has its own user data":     {vm: vmXML("down", "<comment>gridburst d1/17</comment>"+own), body: "<action><use_cloud_init>true</use_cloud_init></action>"},
		"a borrowed machine starts as its owner configured it": {vm: vmXML("down", own), body: "<action></action>"},
		"a machine without user data":                          {vm: vmXML("down", "<comment>mine</comment>"), body: "<action></action>"},
		"user data for this boot":                              {vm: vmXML("down", ""), userData: "a: <b> & 'c'", body: "<action><use_cloud_init>true</use_cloud_init><vm><initialization><custom_script>a: <b> & 'c'</custom_script></initialization></vm></action>"},
		"disks on their way":                                   {vm: vmXML("image_locked", ""), kind: gahp.Locked},
		"up":                                                   {vm: vmXML("up", ""), kind: gahp.WrongState},
		"paused, which an engine would resume":                 {vm: vmXML("paused", ""), kind: gahp.WrongState},
		"a state without a name":                               {vm: `<vm id="` + vmID + `"><name>x</name></vm>`, kind: gahp.WrongState},
		"user data that XML cannot carry":                      {vm: vmXML("down", ""), userData: "a: \x00", kind: gahp.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			s.handle("GET /api/vms/{id}", reply(http.StatusOK, c.vm))
			s.handle("POST /api/vms/{id}/start", reply(http.StatusOK, "<action><status>complete</status></action>"))
			err := startVM(t, s.engine(t), c.userData)
			lines, bodies := s.requests()
			last := len(lines) - 1
			if c.kind != "" {
				want(t, err, c.kind)
				if strings.HasPrefix(lines[last], "POST /api") {
					t.Errorf("the engine heard %s", lines[last])
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := unescaped(t, bodies[last]); lines[last] != "POST /api/vms/"+vmID+"/start" || got != c.body {
				t.Errorf("%s %s, want %s", lines[last], got, c.body)
			}
		})
	}
}

// An engine says of both that they are not running.
func TestStopTellsALockedMachineFromOneThatCannotStop(t *testing.T) {
	for state, kind := range map[string]gahp.Kind{"image_locked": gahp.Locked, "unknown": gahp.WrongState} {
		s := newStub(t)
		s.handle("POST /api/vms/{id}/{order}", reply(http.StatusConflict, fault("Cannot stop VM. VM is not running.")))
		s.handle("GET /api/vms/{id}", reply(http.StatusOK, vmXML(state, "")))
		e := s.engine(t)
		want(t, e.Stop(t.Context(), order, vmID), kind)
		want(t, e.Shutdown(t.Context(), order, vmID), kind)
	}
}

// unescaped reads a document as a strict reader does, and writes it down without
// escapes.
func unescaped(t *testing.T, body string) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(body))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			b.WriteString("<" + tok.Name.Local)
			for _, a := range tok.Attr {
				b.WriteString(" " + a.Name.Local + "=" + a.Value)
			}
			b.WriteString(">")
		case xml.EndElement:
			b.WriteString("</" + tok.Name.Local + ">")
		case xml.CharData:
			b.Write(tok)
		}
	}
}

// A mark is changed by an edit that names nothing else.
func TestRemark(t *testing.T) {
	s := newStub(t)
	s.handle("PUT /api/vms/{id}", reply(http.StatusOK, vmXML("up", "")))
	if err := s.engine(t).Remark(t.Context(), vmID, "ours & <marked>"); err != nil {
		t.Fatal(err)
	}
	const want = "<vm><comment>ours &amp; &lt;marked&gt;</comment></vm>"
	_, bodies := s.requests()
	if got := bodies[len(bodies)-1]; got != want {
		t.Errorf("the engine is sent %s, want %s", got, want)
	}
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   gahp.Kind
	}{
		{"of what is gone", http.StatusNotFound, "", gahp.NotFound},
		{"while its disks are made", http.StatusConflict, fault("Cannot edit VM: VM is locked. Please try again in a few minutes."), gahp.Locked},
		{"by somebody who may not", http.StatusForbidden, fault("User is not authorized to perform this action."), gahp.Forbidden},
		{"whose answer is a page", http.StatusOK, "<html></html>", gahp.Unknown},
		{"whose answer breaks off", http.StatusOK, "<vm>", gahp.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStub(t)
			s.handle("PUT /api/vms/{id}", reply(c.status, c.body))
			if err := s.engine(t).Remark(t.Context(), vmID, "m"); gahp.KindOf(err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if err := s.engine(t).Remark(t.Context(), "i-42", "m"); gahp.KindOf(err) != gahp.NotFound {
		t.Errorf("a mark for what cannot be an id: %v", err)
	}
}
