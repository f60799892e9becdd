package ovirt

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"gridburst/gahp"
)

// A refusal as an engine words it, and what it means for whom. In an engine's own
// form: <fault> with a list in brackets, or an <action> around it.
func TestFaults(t *testing.T) {
	const page503 = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>503 Service Unavailable</title>\n</head><body>\n<h1>Service Unavailable</h1>\n<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems. Please try again later.</p>\n</body></html>"
	for _, c := range []struct {
		verb   verb
		status int
		body   string
		kind   gahp.Kind
	}{
		{create, 409, fault("Cannot add VM. The VM name is already in use, please choose a unique name and try again."), gahp.NameInUse},
		{create, 409, fault("Cannot add VM. Related operation is currently in progress. Please try again later."), gahp.NameInUse},
		{create, 409, fault("Cannot add VM: The following disks are locked: worker_Disk1. Please try again in a few minutes."), gahp.Locked},
		{create, 409, fault("Cannot add VM: Template's image is locked. Please try again in a few minutes."), gahp.NoTemplate},
		{create, 400, fault("Cannot add VM. The specified Template doesn't exist."), gahp.NoTemplate},
		{create, 404, `<fault><detail>Entity not found: Cluster: name=nowhere</detail><reason>Operation Failed</reason></fault>`, gahp.NoTemplate},
		{create, 400, fault("Cannot add VM. Cluster is not valid."), gahp.NoTemplate},
		{create, 409, fault("Cannot add VM. Quota Q1 has insufficient cluster resources."), gahp.Quota},
		{create, 400, fault("ACTION_TYPE_FAILED_QUOTA_NOT_EXIST"), gahp.Refused},
		{create, 403, fault("User is not authorized to perform this action."), gahp.Forbidden},
		{create, 403, fault("Cannot add VM. The user is not authorized to consume from the quota."), gahp.Forbidden},
		{create, 409, fault("Cannot add VM. Low disk space on Storage Domain data1."), gahp.NoCapacity},
		{create, 409, fault("Cannot add VM. Not enough MAC addresses left in MAC Address Pool."), gahp.NoCapacity},
		{create, 400, fault("Cannot add VM. The given name contains special characters. Only lower-case and upper-case letters, numbers, '_', '-', '.' are allowed."), gahp.Refused},
		{create, 400, fault("size must be between 0 and 40, Attribute: vmStatic.maxMemorySizeMb"), gahp.Refused},
		{create, 400, "<fault><detail>For correct usage, see: https://engine/ovirt-engine/apidoc#services/vms/methods/add</detail><reason>Request syntactically incorrect.</reason></fault>", gahp.Refused},
		{create, 409, fault("ENGINE_IS_RUNNING_IN_MAINTENANCE_MODE"), gahp.EngineDown},
		{create, 409, fault("Cannot add VM. Something that nobody has thought of."), gahp.Refused},
		{create, 500, fault("Internal Engine Error"), gahp.Unknown},
		{create, 502, page503, gahp.Unknown},
		{create, 503, page503, gahp.EngineDown},
		{create, 404, "", gahp.EngineDown},
		{create, 302, "", gahp.EngineDown},
		{create, 413, "<html></html>", gahp.Refused},

		{start, 409, fault("Cannot run VM. VM is running."), gahp.WrongState},
		{start, 409, fault("Cannot run VM: VM is locked. Please try again in a few minutes."), gahp.Locked},
		{start, 409, fault("Cannot run VM because the VM is in Image Locked status."), gahp.Locked},
		{start, 409, fault("Cannot run VM because the VM is in Powering Up status."), gahp.WrongState},
		{start, 409, fault("Cannot run VM. Related operation is currently in progress. Please try again later."), gahp.Locked},
		{start, 409, fault("Cannot run VM. There is no host that satisfies current scheduling constraints. See below for details:, The host h1 did not satisfy internal filter Memory because its available memory is too low (487 MB) to run the VM."), gahp.NoCapacity},
		{start, 409, fault("Cannot run VM. There is no host that satisfies current scheduling constraints. See below for details:, The host h1 did not satisfy internal filter State because it is in maintenance mode."), gahp.NoCapacity},
		{start, 409, fault("Cannot run VM. There are no hosts to use. Check that the cluster contains at least one host in Up state."), gahp.NoCapacity},
		{start, 409, fault("SCHEDULING_ALL_HOSTS_FILTERED_OUT"), gahp.NoCapacity},
		{start, 409, fault("Cannot run VM without at least one bootable disk."), gahp.Refused},
		{start, 400, fault("Cannot run VM. VM not found."), gahp.NotFound},
		{start, 404, "", gahp.NotFound},
		{start, 404, fault("Entity not found: " + vmID), gahp.NotFound},
		{start, 404, "<html><body>404 - Not Found</body></html>", gahp.EngineDown},
		{start, 409, "<action><fault><detail>[Cannot run VM. VM is running.]</detail><reason>Operation Failed</reason></fault><status>failed</status></action>", gahp.WrongState},
		{start, 200, "<action><fault><detail>[Cannot run VM: VM is locked. Please try again in a few minutes.]</detail><reason>Operation Failed</reason></fault><status>failed</status></action>", gahp.Locked},
		{start, 200, "<action><status>failed</status></action>", gahp.Unknown},
		{start, 200, "<action><status>complete", gahp.Unknown},
		{start, 200, "<html></html>", gahp.Unknown},
		{start, 200, "<action><status>complete</status></action>", ""},
		{start, 202, "<action><status>pending</status></action>", ""},
		{start, 200, "", ""},

		{stop, 200, "<action><status>complete</status></action>", ""},
		{stop, 409, fault("Cannot stop VM. VM is not running."), gahp.WrongState},
		{stop, 504, page503, gahp.Unknown},
		{shutdown, 409, fault("Cannot shutdown VM because the VM is in Image Locked status."), gahp.Locked},
		{shutdown, 409, fault("Cannot shutdown VM. VM is saving or restoring."), gahp.WrongState},

		{remove, 200, "<action><status>complete</status></action>", ""},
		{remove, 202, "<action><status>pending</status></action>", ""},
		{remove, 404, "", gahp.NotFound},
		{remove, 404, "<html></html>", gahp.EngineDown},
		{remove, 409, fault("Cannot remove VM. VM is running."), gahp.WrongState},
		{remove, 409, fault("VM_CANNOT_REMOVE_VM_WHEN_STATUS_IS_NOT_DOWN"), gahp.WrongState},
		{remove, 409, fault("Cannot remove VM: VM is locked. Please try again in a few minutes."), gahp.Locked},
		{remove, 409, fault("Cannot remove VM. Delete protection is enabled. In order to delete, disable Delete protection first."), gahp.Refused},
		{remove, 503, page503, gahp.Unknown},

		{get, 404, "", gahp.NotFound},
		{get, 404, "<html></html>", gahp.EngineDown},
		{get, 503, page503, gahp.EngineDown},
		{get, 500, "", gahp.EngineDown},
		{get, 403, "", gahp.Forbidden},
		{get, 429, "", gahp.EngineDown},
		{list, 404, "", gahp.EngineDown},
		{list, 503, page503, gahp.EngineDown},
	} {
		name := string(c.verb) + " " + http.StatusText(c.status) + " " + string(c.kind)
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			s.handle("GET /api/templates", reply(http.StatusOK, recorded(t, "templates.xml")))
			machines, one := reply(http.StatusOK, "<vms/>"), reply(http.StatusOK, vmXML("down", ""))
			for v, h := range map[verb]*http.HandlerFunc{get: &one, list: &machines} {
				if v == c.verb {
					*h = reply(c.status, c.body)
				}
			}
			s.handle("GET /api/vms", machines)
			s.handle("GET /api/vms/{id}", one)
			pattern := "POST /api/vms/{id}/" + string(c.verb)
			switch c.verb {
			case create:
				pattern = "POST /api/vms"
			case remove:
				pattern = "DELETE /api/vms/{id}"
			}
			s.handle(pattern, reply(c.status, c.body))
			err := do(t, s.engine(t), c.verb)
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want(t, err, c.kind)
			if text := err.Error(); strings.ContainsAny(text, "[]\n<>") {
				t.Errorf("not a sentence: %s", text)
			}
		})
	}
}

// do makes a call of that verb.
func do(t *testing.T, e *Engine, v verb) (err error) {
	t.Helper()
	ctx := t.Context()
	switch v {
	case list:
		_, err = e.List(ctx, "gb-")
	case get:
		_, err = e.Get(ctx, vmID)
	case create:
		_, err = e.Create(ctx, order, gahp.Create{Name: "gb-1", Template: "template_cd2"})
	case start:
		err = e.Start(ctx, order, vmID, gahp.Start{})
	case shutdown:
		err = e.Shutdown(ctx, order, vmID)
	case stop:
		err = e.Stop(ctx, order, vmID)
	case remove:
		err = e.Remove(ctx, order, vmID)
	}
	return err
}

func TestFaultsQuoteNoSecrets(t *testing.T) {
	const secret = "token: 0123456789abcdef"
	s := factory(t, reply(http.StatusBadRequest, fault("Invalid value: #cloud-config\n  "+secret)))
	_, err := s.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "template_cd2", UserData: "#cloud-config\n  " + secret + "\n"})
	want(t, err, gahp.Refused, "Invalid value: *** ***")

	s = factory(t, reply(http.StatusBadRequest, fault(strings.Repeat("long ", 1000))))
	_, err = s.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "template_cd2"})
	if want(t, err, gahp.Refused); len(err.Error()) > 2*maxText {
		t.Errorf("an error text of %d bytes", len(err.Error()))
	}
}

// Readers of what others send: no input breaks them.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		fault("Cannot run VM. VM is running."),
		"<action><fault><detail>[x]</detail></fault><status>failed</status></action>",
		"<action><vm><type>desk", "<html><br></html>", "<vms><vm></vms>",
		"<vms>" + vmXML("up", "<memory>1</memory><start_time>2019-08-21T09:51:52.775+03:00</start_time>") + "</vms>",
		"<vms>" + vmXML("up", "<reported_devices><reported_device><ips><ip><address>::1</address></ip></ips></reported_device></reported_devices>") + "</vms>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if s := readFault(body); s.fault && !s.engine {
			t.Error("a fault that is nobody's")
		}
		d, err := open(bytes.NewReader(body))
		if err != nil {
			return
		}
		list, err := readMachines(d, func(string) bool { return true })
		if err != nil && list != nil {
			t.Error("a part of a listing beside an error")
		}
	})
}
