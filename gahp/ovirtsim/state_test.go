package ovirtsim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gridburst/internal/grid"
)

func TestMachinesOutliveTheSimulator(t *testing.T) {
	dir := t.TempDir()
	m, clock := slow(Model{VMs: []VM{{Name: "theirs"}}})
	open := func(m Model) *Sim {
		t.Helper()
		s, err := Open(m, Options{State: dir, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	serve := func(s *Sim) func(method, path, body string) string {
		return func(method, path, body string) string { return direct(t, s, method, path, body) }
	}
	s := open(m)
	do := serve(s)
	do("POST", "/vms", newVM("gb-1", "<comment>ours</comment>"))
	do("POST", "/vms", newVM("gb-2", ""))
	clock.Advance(time.Second)
	ids := map[string]string{}
	for _, v := range s.Machines() {
		ids[v.Name] = v.ID
	}
	do("POST", "/vms/"+ids["gb-1"]+"/start", "<action/>")
	do("DELETE", "/vms/"+ids["gb-2"], "")
	do("DELETE", "/vms/"+ids["theirs"], "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ca := string(s.CA)

	clock.Advance(time.Second) // hosts go on
	s = open(m)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	clock.Advance(0)
	if string(s.CA) != ca {
		t.Error("it has another authority")
	}
	got := s.Machines()
	if len(got) != 1 || got[0].Name != "gb-1" || got[0].Comment != "ours" || got[0].ID != ids["gb-1"] || got[0].Status != PoweringUp {
		t.Errorf("after a restart there are %+v", got)
	}
	clock.Advance(time.Second)
	if got := s.Machines(); got[0].Status != Up {
		t.Errorf("it is %s", got[0].Status)
	}
	sum := s.Summary()
	if sum.Created != 2 || sum.Removed != 1 || fmt.Sprint(sum.ForeignTouched) != "[theirs]" {
		t.Errorf("the journal comes to %+v", sum)
	}
	if _, err := Open(m, Options{State: dir}); grid.CodeOf(err) != grid.Refused {
		t.Errorf("a second simulator has the directory: %v", err)
	}
}

func TestDeathsBetweenTwoWrites(t *testing.T) {
	dir := t.TempDir()
	open := func() *Sim {
		t.Helper()
		s, err := Open(Model{}, Options{State: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	for _, name := range []string{"gb-1", "gb-2", "gb-3"} {
		direct(t, s, "POST", "/vms", newVM(name, ""))
	}
	vms := s.Machines()
	var kept []byte
	for _, v := range vms[1:2] {
		var err error
		if kept, err = os.ReadFile(filepath.Join(dir, "vms", v.ID+".json")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, s, "gb-2", Down) // at once, in a goroutine of its own
	direct(t, s, "DELETE", "/vms/"+vms[1].ID, "")
	await(t, s, func(e Entry) bool { return e.What == Gone })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// gb-1's entry was written and not its file; gb-2's entry and not its file's end;
	// a file and an entry were cut short.
	if err := os.Remove(filepath.Join(dir, "vms", vms[0].ID+".json")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{vms[1].ID + ".json": string(kept), vms[2].ID + ".json.new": "{"} {
		if err := os.WriteFile(filepath.Join(dir, "vms", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"n":999,"at`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	sum := s.Summary()
	if sum.Created != 3 || sum.Removed != 2 || fmt.Sprint(sum.Left) != "[gb-3]" {
		t.Errorf("the journal comes to %+v", sum)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open() // the journal is whole again
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A machine's end is in the journal before its file is removed. What the file says it
// was at must not begin again.
func TestWhatIsGoneDoesNotGoOn(t *testing.T) {
	as := strings.NewReplacer
	for what, left := range map[string]*strings.Replacer{
		"it was being made":    as(`"Status":"up"`, `"Status":"image_locked"`),
		"it was being removed": as(`"Status":"up"`, `"Status":"image_locked"`, `"Removing":false`, `"Removing":true`),
		"its guest ran":        as(`"Body":"paper"`, `"Body":"process"`),
	} {
		dir := t.TempDir()
		m, clock := slow(Model{})
		open := func() *Sim {
			t.Helper()
			s, err := Open(m, Options{State: dir, Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open()
		direct(t, s, "POST", "/vms", newVM("gb-1", ""))
		clock.Advance(time.Second)
		direct(t, s, "POST", "/vms/"+s.Machines()[0].ID+"/start", "<action/>")
		clock.Advance(2 * time.Second)
		file := filepath.Join(dir, "vms", s.Machines()[0].ID+".json")
		kept, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := left.Replace(string(kept))
		if text == string(kept) {
			t.Fatalf("%s: the file has nothing to replace: %s", what, kept)
		}
		if err := s.Administer("gb-1", OpRemove); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		was := happened(s, "gb-1")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // and what the first life might keep
			s = open()
			clock.Advance(time.Minute)
			if got := s.Machines(); len(got) != 0 {
				t.Errorf("%s: there is %+v", what, got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got := happened(s, "gb-1"); got != was {
			t.Errorf("%s: after its end the journal has %s, and had %s", what, got, was)
		}
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	for file, text := range map[string]string{"journal": "{}\n", "vms/x.json": "{", "ca.pem": "none"} {
		dir := t.TempDir()
		s, err := Open(Model{}, Options{State: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Model{}, Options{State: dir}); grid.CodeOf(err) != grid.Invalid {
			t.Errorf("with a damaged %s: %v", file, err)
		}
	}
}

func TestModelFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`
times: {lock: 2s, boot: 1m30s}
templates:
  - name: worker
    body: process
    image: {files: {/usr/local/bin/gworker: bin/gworker}}
vms:
  - {name: foreign, status: up}
rules:
  - {ops: [create], nth: 2, drop: answer}
`)
	m, err := ReadModel(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Times.Boot != 90*time.Second || m.Templates[0].Image.Files["/usr/local/bin/gworker"] != filepath.Join(filepath.Dir(path), "bin/gworker") || m.Rules[0].Drop != DropAnswer {
		t.Errorf("it reads %+v", m)
	}
	for text, want := range map[string]string{
		"templats: []":        "line 1: field templats not found",
		"times: {lock: soon}": "cannot unmarshal",
		"vms: [{name: a b}]":  "a name has letters",
		"hosts: [{name: h, cluster: none}, {name: h}]":               "there is no cluster none; there are two of host h",
		"templates: [{name: w, image: {files: {/etc/../bin/x: x}}}]": "an image can hold files below",
		"users: [{name: admin, password: x}]":                        "admin@internal",
		"rules: [{ops: [start]}]":                                    "rule 1",
	} {
		write(text)
		m, err := ReadModel(path)
		if err == nil {
			_, err = m.filled()
		}
		if grid.CodeOf(err) != grid.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// A clock that runs faster shows the same time after a restart, and machines go on by it.
func TestAPaceOutlivesTheSimulator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		m := Model{Pace: &Pace{From: time.Now(), Speed: 60}, Times: Times{Lock: time.Minute, Launch: time.Minute, Boot: time.Hour}}
		begin := time.Now()
		now := func(s *Sim) time.Time { e, _ := s.Journal(0); return e[len(e)-1].At }
		s, err := Open(m, Options{State: dir})
		if err != nil {
			t.Fatal(err)
		}
		direct(t, s, "POST", "/vms", newVM("gb-1", ""))
		id := s.Machines()[0].ID
		time.Sleep(time.Second) // a minute of the machine's
		synctest.Wait()
		direct(t, s, "POST", "/vms/"+id+"/start", "<action/>")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if at := now(s); !at.Equal(begin.Add(2 * time.Minute)) {
			t.Errorf("it was launched at %s, and began at %s", at, begin)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = Open(m, Options{State: dir}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // an hour of the machine's
		synctest.Wait()
		if got := s.Machines(); len(got) != 1 || got[0].Status != Up || !now(s).Equal(begin.Add(62*time.Minute)) {
			t.Errorf("at %s there are %+v", now(s), got)
		}
		if real := m.Pace.Real(now(s)); real.Sub(begin) != 62*time.Second {
			t.Errorf("in real time that is %s after the beginning", real.Sub(begin))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := Open(Model{Pace: &Pace{Speed: 5}}, Options{}); err == nil || !strings.Contains(err.Error(), "pace") {
		t.Errorf("a pace from no time: %v", err)
	}
}
