package ovirtsim

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// client is a caller that knows nothing of this package's types: it sends text and
// reads text.
type client struct {
	t     testing.TB
	http  *http.Client
	url   string // of the API
	token string
}

func dial(t testing.TB, s *Sim) *client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA) {
		t.Fatal("the authority is no certificate")
	}
	return &client{t: t, url: s.URL, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true,
	}}}
}

// logged is a client that has logged in.
func logged(t testing.TB, s *Sim) *client {
	t.Helper()
	c := dial(t, s)
	c.logIn("admin@internal", Password)
	return c
}

func (c *client) logIn(user, password string) {
	c.t.Helper()
	status, body := c.login(user, password)
	var r struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil || status != 200 || r.Token == "" {
		c.t.Fatalf("login answered %d %s", status, body)
	}
	c.token = r.Token
}

func (c *client) login(user, password string) (int, string) {
	c.t.Helper()
	form := url.Values{"grant_type": {"password"}, "scope": {"ovirt-app-api"}, "username": {user}, "password": {password}}
	resp, err := c.http.PostForm(strings.TrimSuffix(c.url, "/api")+"/sso/oauth/token", form)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// try makes a request.
func (c *client) try(method, path, body string) (*http.Response, string, error) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/xml")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// do is try for a request that is answered with status.
func (c *client) do(method, path, body string, status int) string {
	c.t.Helper()
	resp, got, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode != status {
		c.t.Fatalf("%s %s answered %d, want %d:\n%s", method, path, resp.StatusCode, status, got)
	}
	return got
}

// refused is do for a request that is answered with a fault that says what.
func (c *client) refused(method, path, body string, status int, what string) {
	c.t.Helper()
	var f struct {
		XMLName xml.Name `xml:"fault"`
		Reason  string   `xml:"reason"`
		Detail  string   `xml:"detail"`
	}
	got := c.do(method, path, body, status)
	if err := xml.Unmarshal([]byte(got), &f); err != nil {
		c.t.Fatalf("%s %s answered no fault: %v\n%s", method, path, err, got)
	}
	if f.Reason == "" || !strings.HasPrefix(f.Detail, "[") || !strings.Contains(f.Detail, what) {
		c.t.Fatalf("%s %s: the fault is %q, %q; want %q", method, path, f.Reason, f.Detail, what)
	}
}

// seen is what a test reads of a machine.
type seen struct {
	ID          string `xml:"id,attr"`
	Name        string `xml:"name"`
	Comment     string `xml:"comment"`
	Description string `xml:"description"`
	Status      string `xml:"status"`
	Memory      int64  `xml:"memory"`
	Script      string `xml:"initialization>custom_script"`
	Stop        string `xml:"stop_reason"`
	Addresses   []struct {
		Address string `xml:"address"`
	} `xml:"reported_devices>reported_device>ips>ip"`
}

func (c *client) add(name, more string) seen {
	c.t.Helper()
	return c.parse(c.do("POST", "/vms", newVM(name, more), http.StatusAccepted))
}

func newVM(name, more string) string {
	return "<vm><name>" + name + "</name><template><name>worker</name></template><cluster><name>Default</name></cluster>" + more + "</vm>"
}

func (c *client) parse(body string) seen {
	c.t.Helper()
	var v seen
	if err := xml.Unmarshal([]byte(body), &v); err != nil {
		c.t.Fatalf("%v in\n%s", err, body)
	}
	return v
}

func (c *client) get(id string) seen {
	c.t.Helper()
	return c.parse(c.do("GET", "/vms/"+id+"?follow=reported_devices", "", 200))
}

func (c *client) status(id string) string { c.t.Helper(); return c.get(id).Status }

func (c *client) list(query string) (names []string) {
	c.t.Helper()
	var l struct {
		XMLName xml.Name `xml:"vms"`
		VM      []seen   `xml:"vm"`
	}
	body := c.do("GET", "/vms?"+query, "", 200)
	if err := xml.Unmarshal([]byte(body), &l); err != nil {
		c.t.Fatalf("%v in\n%s", err, body)
	}
	for _, v := range l.VM {
		names = append(names, v.Name)
	}
	return names
}

// slow is a model in which everything takes a second, and its clock.
func slow(m Model) (Model, *ManualClock) {
	m.Times = Times{Lock: time.Second, Launch: time.Second, Boot: time.Second, Report: time.Second, PowerOff: time.Second, Remove: time.Second}
	return m, NewClock()
}

// happened are the kinds of what the journal says of a machine.
func happened(s *Sim, name string) string {
	var b bytes.Buffer
	entries, _ := s.Journal(0)
	for _, e := range entries {
		if e.Name != name {
			continue
		}
		fmt.Fprintf(&b, " %s", e.What)
		if e.What == Moved {
			fmt.Fprintf(&b, "=%s", e.Status)
		}
	}
	return strings.TrimSpace(b.String())
}

// await waits for an entry of the journal, from its beginning on.
func await(t *testing.T, s *Sim, is func(Entry) bool) {
	t.Helper()
	for n := int64(0); ; {
		entries, more := s.Journal(n)
		for _, e := range entries {
			if n = e.N; is(e) {
				return
			}
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatal("what was waited for has not happened")
		}
	}
}

// until waits for a machine to come to a status.
func until(t *testing.T, s *Sim, name string, want Status) {
	t.Helper()
	await(t, s, func(e Entry) bool { return e.Name == name && e.What == Moved && e.Status == want })
}
