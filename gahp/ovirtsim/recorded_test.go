package ovirtsim

import (
	"cmp"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// recordingsVariable names another directory of recordings: make ovirt-coverage DIR=...
const recordingsVariable = "OVIRT_RECORDINGS"

// recordings is where answers of real engines are, in the form that ManageIQ and VCR keep
// them in.
func recordings() string {
	return cmp.Or(os.Getenv(recordingsVariable), "testdata/recorded")
}

// newer is what engines say that are newer than the recorded ones, or differ from those of
// the project that has recorded them.
var newer = map[string]bool{"/datacenters comment": true, "/vms initialization/host_name": true}

// places is what a document says of one object: the places that it has, by their names.
// Links and actions count by their rel.
type places map[string]bool

// TestRealEnginesAnswersAreCovered compares what this engine says of each resource with what
// real ones were recorded to say: all that every one of them has must be here, and nothing
// that none has.
func TestRealEnginesAnswersAreCovered(t *testing.T) {
	theirs := map[string][]places{}
	files, err := filepath.Glob(filepath.Join(recordings(), "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no recordings (*.yml): %v", recordings(), err)
	}
	for _, f := range files {
		readRecording(t, f, theirs)
	}
	if len(theirs) == 0 {
		t.Fatal("the recordings have no answers")
	}
	s := Start(t, Model{
		Templates: []Template{{Name: "worker"}, {Name: "worker", Version: 2}},
		VMs:       []VM{{Name: "down", UserData: "#cloud-config\n", HostName: "h"}, {Name: "up", Status: Up}},
	})
	c := logged(t, s)
	for _, resource := range slices.Sorted(maps.Keys(theirs)) {
		always := maps.Clone(theirs[resource][0])
		for _, o := range theirs[resource] {
			maps.DeleteFunc(always, func(k string, _ bool) bool { return !o[k] || strings.HasPrefix(k, statusPlace) })
		}
		served, ours := c.objects(resource)
		if alike := slices.DeleteFunc(slices.Clone(ours), func(o places) bool {
			return !slices.ContainsFunc(theirs[resource], func(p places) bool { return p.status() == o.status() })
		}); len(alike) > 0 {
			ours = alike // those that are in a state that was recorded
		}
		missing := map[string]bool{}
		for _, o := range ours {
			for k := range always {
				if !o[k] {
					missing[k] = true
				}
			}
		}
		if len(ours) == 0 {
			missing = always
		}
		has := len(always) - len(missing)
		t.Logf("%-34s %4d recorded, %3d places always: %3d here, %3d %%", resource, len(theirs[resource]), len(always), has, 100*has/max(len(always), 1))
		switch {
		case !served:
			t.Errorf("%s is not served; real ones have %v", resource, slices.Sorted(maps.Keys(always)))
		case len(missing) > 0:
			t.Errorf("%s: real ones have %v", resource, slices.Sorted(maps.Keys(missing)))
		}
		if os.Getenv(recordingsVariable) != "" {
			continue // of others, nothing is known about what else they could have had
		}
		for _, o := range ours {
			for k := range o {
				if !newer[resource+" "+k] && !slices.ContainsFunc(theirs[resource], func(p places) bool { return p[k] }) {
					t.Errorf("%s: no real one has %s", resource, k)
				}
			}
		}
	}
}

// objects is what this engine says of a resource, wherever it is.
func (c *client) objects(resource string) (served bool, out []places) {
	c.t.Helper()
	paths := []string{""}
	for part := range strings.SplitSeq(strings.Trim(resource, "/"), "/") {
		var next []string
		for _, p := range paths {
			if part != "ID" {
				if part != "" {
					p += "/" + part
				}
				next = append(next, p)
				continue
			}
			_, body := c.maybe(p)
			for _, href := range hrefs(c.t, body) {
				next = append(next, strings.TrimPrefix(href, apiPath))
			}
		}
		paths = next
	}
	for _, p := range paths {
		ok, body := c.maybe(p)
		served = served || ok
		if ok {
			out = append(out, objectsOf(c.t, body)...)
		}
	}
	return served, out
}

// maybe is an answer, if there is one.
func (c *client) maybe(path string) (ok bool, body string) {
	c.t.Helper()
	resp, body, err := c.try("GET", path, "")
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode == http.StatusOK, body
}

// elements calls f with each element of a document and where it is, its root first.
func elements(t testing.TB, text string, f func(at []string, e xml.StartElement), texts ...func(at []string, text string)) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var at []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch e := token.(type) {
		case xml.StartElement:
			at = append(at, e.Name.Local)
			f(at, e)
		case xml.CharData:
			for _, f := range texts {
				f(at, string(e))
			}
		case xml.EndElement:
			at = at[:len(at)-1]
		}
	}
}

// single: the root of a document is an object itself, and not a list of them.
func single(root xml.StartElement) bool {
	return root.Name.Local == "api" || slices.ContainsFunc(root.Attr, func(a xml.Attr) bool { return a.Name.Local == "href" })
}

// statusPlace is where a status is kept among places: what an object has depends on it.
const statusPlace = "status="

func (p places) status() string {
	for k := range p {
		if strings.HasPrefix(k, statusPlace) {
			return k
		}
	}
	return ""
}

// objectsOf lists the objects of a document.
func objectsOf(t testing.TB, text string) (out []places) {
	t.Helper()
	top := 2
	elements(t, text, func(at []string, e xml.StartElement) {
		if len(at) == 1 && single(e) {
			top = 1
		}
		if len(at) < top {
			return
		}
		if len(at) == top {
			out = append(out, places{})
		}
		o, place := out[len(out)-1], strings.Join(at[top:], "/")
		if place != "" {
			o[place] = true
		}
		for _, a := range e.Attr {
			p := place + "@" + a.Name.Local
			if a.Name.Local == "rel" {
				p += "=" + a.Value
			}
			o[p] = true
		}
	}, func(at []string, text string) {
		if len(at) == top+1 && at[top] == "status" {
			out[len(out)-1][statusPlace+text] = true
		}
	})
	return out
}

// hrefs are the addresses of a list's objects.
func hrefs(t testing.TB, text string) (out []string) {
	t.Helper()
	elements(t, text, func(at []string, e xml.StartElement) {
		if len(at) != 2 {
			return
		}
		for _, a := range e.Attr {
			if a.Name.Local == "href" {
				out = append(out, a.Value)
			}
		}
	})
	return out
}

var (
	recordedURL = regexp.MustCompile(`/ovirt-engine/api(?:/v4)?(/[^{?]*)?(?:\{.*\}\s*GET|\?|$)`)
	recordedID  = regexp.MustCompile(`/[0-9a-f]{8}-[0-9a-f-]{27}|/[0-9]+`)
	olderAPI    = regexp.MustCompile(`<status>\s*<state>`) // version 3 of it, which is gone
)

// readRecording adds what a file has to what is known of each resource.
func readRecording(t testing.TB, file string, theirs map[string][]places) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	add := func(url, body string) {
		m := recordedURL.FindStringSubmatch(url)
		if m == nil || !strings.HasPrefix(body, "<?xml") || strings.Contains(body, "<fault>") || olderAPI.MatchString(body) {
			return
		}
		resource := "/" + strings.Trim(strings.TrimSuffix(recordedID.ReplaceAllString(m[1], "/ID"), "/ID"), "/")
		if all := objectsOf(t, body); len(all) > 0 {
			theirs[resource] = append(theirs[resource], all...)
		}
	}
	exchanges(&doc, "", add)
}

// exchanges calls add with each URL and the body that it was answered with: either the URL
// is a key and the answer below it, or both are below http_interactions.
func exchanges(n *yaml.Node, url string, add func(url, body string)) {
	switch n.Kind {
	case yaml.AliasNode:
		exchanges(n.Alias, url, add)
	case yaml.MappingNode:
		if uri := below(n, "request", "uri"); uri != nil {
			if body := below(n, "response", "body", "string"); body != nil {
				add(uri.Value, scalar(body))
			}
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			switch {
			case key.Value == ":body" && url != "":
				add(url, scalar(value))
			case strings.Contains(key.Value, "/ovirt-engine/api"):
				exchanges(value, key.Value, add)
			default:
				exchanges(value, url, add)
			}
		}
	default:
		for _, k := range n.Content {
			exchanges(k, url, add)
		}
	}
}

func below(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		i := slices.IndexFunc(n.Content, func(c *yaml.Node) bool { return c.Value == key })
		if n.Kind != yaml.MappingNode || i < 0 || i+1 >= len(n.Content) {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

func scalar(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!binary" || n.Tag == "!binary" {
		if b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), "")); err == nil {
			return string(b)
		}
	}
	return n.Value
}
