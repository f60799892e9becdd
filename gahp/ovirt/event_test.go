package ovirt

import (
	"net/http"
	"strings"
	"testing"

	"gridburst/gahp"
)

// What a machine that is down is said to be by the events of its last start.
func TestFateOfAStart(t *testing.T) {
	event := func(code, vm string) string {
		return `<event id="1"><code>` + code + `</code><vm id="` + vm + `"><name>gb-1</name></vm></event>`
	}
	events := func(newestFirst ...string) string { return "<events>" + strings.Join(newestFirst, "") + "</events>" }
	const another = "b1293e54-dae8-496f-baa4-27719592113e"
	for name, c := range map[string]struct {
		state  string
		status int
		events string
		want   string
	}{
		"its guest powered off":              {"down", 200, events(event("61", vmID), event("32", vmID), event("54", vmID)), gahp.DetailRan},
		"no host could run it":               {"down", 200, events(event("119", vmID), event("54", vmID), event("61", vmID)), gahp.DetailNoHost},
		"it was never started":               {"down", 200, events(event("37", vmID)), ""},
		"another of its name has run":        {"down", 200, events(event("61", another)), ""},
		"events may not be seen":             {"down", 403, "<fault><reason>no</reason></fault>", ""},
		"what it tells breaks off":           {"down", 200, "<events>" + event("61", vmID) + "<event>", ""},
		"one that runs is not asked about":   {"up", 500, "", ""},
		"a code that is not known is passed": {"down", 200, events(event("9999", vmID), event("54", vmID)), gahp.DetailNoHost},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			s.handle("GET /api/vms/"+vmID, reply(http.StatusOK, vmXML(c.state, "")))
			s.handle("GET /api/events", reply(c.status, c.events))
			m, err := s.engine(t).Get(t.Context(), vmID)
			if err != nil || m.Detail != c.want {
				t.Errorf("it is said to be %q (%v), want %q", m.Detail, err, c.want)
			}
			lines, _ := s.requests()
			asked := strings.Contains(strings.Join(lines, "\n"), "/events?max=20&search=event_vm%3Dgb-1")
			if asked != (c.state == "down") {
				t.Errorf("its events were asked for: %t; the requests were %q", asked, lines)
			}
		})
	}
}
