package ovirt

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	ovirtsdk "github.com/ovirt/go-ovirt"
)

// What go-ovirt's own connection does, which is why it is not used. Each of these
// fails when the pinned version has mended it: then the package comment is old.

func sdkConnection(t *testing.T, s *stub, log ovirtsdk.LogFunc) *ovirtsdk.Connection {
	t.Helper()
	cfg := s.config(t)
	c, err := ovirtsdk.NewConnectionBuilder().URL(cfg.URL).Username(cfg.Username).Password(password).CAFile(cfg.CAFile).LogFunc(log).Build()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSDKTakesAPageForAnEmptyList(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api/vms", reply(http.StatusOK, "<html><body>Welcome</body></html>"))
	r, err := sdkConnection(t, s, nil).SystemService().VmsService().List().Send()
	if err != nil {
		t.Fatal(err)
	}
	if vms, ok := r.Vms(); !ok || len(vms.Slice()) != 0 {
		t.Error("not an empty list")
	}
	_, err = s.engine(t).List(t.Context(), "")
	want(t, err, "engine_down", "does not answer as an engine does")
}

func TestSDKTakesABrokenActionForDone(t *testing.T) {
	s := newStub(t)
	s.handle("POST /api/vms/{id}/start", reply(http.StatusInternalServerError, "<action><status>complete</sta"))
	s.handle("GET /api/vms/{id}", reply(http.StatusOK, vmXML("down", "")))
	if _, err := sdkConnection(t, s, nil).SystemService().VmsService().VmService(vmID).Start().Send(); err != nil {
		t.Errorf("%v: mended", err)
	}
	want(t, startVM(t, s.engine(t), ""), "unknown")
}

func TestSDKHasNoStatusForAPage(t *testing.T) {
	s := newStub(t)
	s.handle("POST /api/vms/{id}/stop", reply(http.StatusServiceUnavailable, "<html><body>Service Unavailable</body></html>"))
	_, err := sdkConnection(t, s, nil).SystemService().VmsService().VmService(vmID).Stop().Send()
	var tag ovirtsdk.XMLTagNotMatchError
	if !errors.As(err, &tag) || strings.Contains(err.Error(), "503") {
		t.Errorf("%v: mended", err)
	}
	want(t, s.engine(t).Stop(t.Context(), order, vmID), "engine_down", "503")
}

func TestSDKTakesItsTokenToAnywhere(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api/vms", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ovirt-engine/elsewhere", http.StatusFound)
	})
	s.handle("GET /elsewhere", reply(http.StatusOK, "<vms/>"))
	if _, err := sdkConnection(t, s, nil).SystemService().VmsService().List().Send(); err != nil {
		t.Fatal(err)
	}
	if !s.carried("GET /elsewhere") {
		t.Error("mended: the token stays")
	}
	fresh := newStub(t)
	fresh.mux = s.mux
	_, err := fresh.engine(t).List(t.Context(), "")
	want(t, err, "engine_down", "sends us on", "/ovirt-engine/elsewhere")
	if fresh.carried("GET /elsewhere") {
		t.Error("we follow it")
	}
}

// carried: a request like that came with a token.
func (s *stub) carried(line string) bool {
	lines, _ := s.requests()
	for i, l := range lines {
		if l == line && s.seen[i].Header.Get("Authorization") != "" {
			return true
		}
	}
	return false
}

func TestSDKLogsTheTokenAndBreaksPosts(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api", reply(http.StatusOK, "<api/>"))
	s.handle("POST /api/vms/{id}/stop", reply(http.StatusOK, "<action/>"))
	var log strings.Builder
	c := sdkConnection(t, s, func(_ string, v ...any) {
		for _, v := range v {
			log.WriteString(v.(string))
		}
	})
	if err := c.Test(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), s.token) {
		t.Error("mended: no token in the log")
	}
	if _, err := c.SystemService().VmsService().VmService(vmID).Stop().Send(); err == nil {
		t.Error("mended: a POST with a log works")
	}
}

func TestSDKKeepsADeadToken(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api", reply(http.StatusOK, "<api/>"))
	c := sdkConnection(t, s, nil)
	if err := c.Test(); err != nil {
		t.Fatal(err)
	}
	s.set(password, "token-2")
	for range 2 {
		if err := c.Test(); err == nil {
			t.Error("mended: it logs in again")
		}
	}
	if err := s.engine(t).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSDKWritesTextAsItIs(t *testing.T) {
	vm, err := ovirtsdk.NewVmBuilder().Name("<&>").Build()
	if err != nil {
		t.Fatal(err)
	}
	var w writer
	b, err := w.body(func(x *ovirtsdk.XMLWriter) error { return ovirtsdk.XMLVmWriteOne(x, vm, "") })
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != "<vm><name><&></name></vm>" {
		t.Errorf("%s: mended; escaping it ourselves would escape it twice", b)
	}
}

func TestSDKPrints(t *testing.T) {
	s := newStub(t)
	s.handle("GET /api/vms", reply(http.StatusOK, ""))
	c := sdkConnection(t, s, nil)
	if printed(t, func() { c.SystemService().VmsService().List().Send() }) == "" {
		t.Error("mended: it prints nothing")
	}
	e := s.engine(t)
	if text := printed(t, func() {
		_, err := e.List(t.Context(), "")
		want(t, err, "engine_down")
	}); text != "" {
		t.Errorf("we print %q", text)
	}
}

// printed is what f wrote on standard output.
func printed(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	saved := os.Stdout
	os.Stdout = file
	defer func() { os.Stdout = saved }()
	f()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSDKPanicsInsideAnEnumeration(t *testing.T) {
	const cut = `<vm id="` + vmID + `"><name>x</name><type>desk`
	func() {
		defer func() {
			if recover() == nil {
				t.Error("mended: no panic")
			}
		}()
		ovirtsdk.XMLVmReadOne(ovirtsdk.NewXMLReader([]byte(cut)), nil, "")
	}()
	s := newStub(t)
	s.handle("GET /api/vms/{id}", reply(http.StatusOK, cut))
	_, err := s.engine(t).Get(t.Context(), vmID)
	want(t, err, "unknown", "cannot be read to its end")
}
