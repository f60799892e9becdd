package ovirtsim

import (
	"cmp"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

const (
	engine  = "/ovirt-engine"
	apiPath = engine + "/api"
	maxBody = 16 << 20 // of a request; cloud-init may carry a program
)

// call is one request.
type call struct {
	s           *Sim
	op          Op
	r           *http.Request
	body        []byte
	user        string // empty: it has not proved who it is
	name        string // of the machine; empty: not known, or none
	id          string // of the object in the path
	correlation string
	follow      map[string]bool
	doing       string  // what is to be done, in faults; empty: op says it
	work        *job    // that was set off; nil: none
	met         []*rule // that have it
	busy        *rule   // the one of met that keeps a create busy for longest; nil: none
	broken      error   // the body did not come whole
}

// reply is one answer.
type reply struct {
	status int
	header map[string]string
	body   []byte
}

// xmlReply is n as an answer.
func xmlReply(status int, n *node) *reply {
	return &reply{status, map[string]string{"Content-Type": "application/xml;charset=UTF-8"}, document(n)}
}

// page is what a web server says, as against what an engine says.
func page(status int, text string) *reply {
	return &reply{
		status,
		map[string]string{"Content-Type": "text/html;charset=UTF-8"},
		[]byte("<html><head><title>Error</title></head><body>" + html.EscapeString(text) + "</body></html>"),
	}
}

// Reasons of faults.
const (
	failed     = "Operation Failed"
	incomplete = "Incomplete parameters"
	syntax     = "Request syntactically incorrect."
	invalid    = "Invalid value"
)

// faultReply is a fault with the words detail.
func (c *call) faultReply(status int, reason, detail string) *reply {
	return xmlReply(status, el("fault", tx("detail", "["+detail+"]"), tx("reason", reason)))
}

// fault is one of [faults].
func (c *call) fault(key, what string) *reply {
	f := faults[key]
	return c.faultReply(f.status, failed, f.say(cmp.Or(c.doing, orderWords[c.op], "do that"), what))
}

var orderWords = map[Op]string{
	OpCreate: "add VM", OpUpdate: "edit VM", OpStart: "run VM", OpStop: "stop VM", OpShutdown: "shutdown VM", OpRemove: "remove VM",
}

// say is a message's sentence.
func (f faultText) say(order, what string) string {
	return strings.NewReplacer("{order}", order, "{what}", what).Replace(f.detail)
}

// service is what documentation calls the one that a call is for.
func (c *call) service() string {
	rest, _ := strings.CutPrefix(c.r.URL.Path, apiPath+"/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// ServeHTTP answers as an engine does.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// answer is a request from its rules to the last byte.
func (s *Sim) answer(op Op, f func(*call) *reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, op: op, r: r, id: r.PathValue("id"), correlation: correlation(r), follow: following(r)}
		if r.Method != http.MethodGet {
			c.body, c.broken = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		} else if r.ContentLength != 0 {
			// An engine looks at no body of a GET. libgovirt announces one, and does not send
			// it when it asks again with a password: whatever comes belongs to no request.
			w.Header().Set("Connection", "close")
		}
		c.identify()
		c.met = s.meet(c)
		out, end := s.proxied(), false
		if out == nil {
			out, end = c.before()
		}
		if !end && out == nil {
			out = c.carryOut(f)
		}
		for _, r := range c.met {
			end = end || r.Drop == DropAnswer
		}
		if end {
			panic(http.ErrAbortHandler) // the connection ends here
		}
		c.send(w, out)
	}
}

// identify finds what rules ask of a call.
func (c *call) identify() {
	c.user = c.s.who(c)
	switch {
	case c.op == OpCreate:
		var in vmIn
		if xml.Unmarshal(c.body, &in) == nil && in.Name != nil {
			c.name = *in.Name
		}
	case c.op == OpLogin:
		if form, err := url.ParseQuery(string(c.body)); err == nil {
			c.user = form.Get("username")
		}
	case c.id != "":
		c.s.mu.Lock()
		if v := c.s.vms[c.id]; v != nil {
			c.name = v.Name
		}
		c.s.mu.Unlock()
	}
}

// page is the one of a listing that is asked for, from 1.
func (c *call) page() int {
	q, err := parseSearch(c.r.URL.Query().Get("search"), false, vmFields)
	if err != nil {
		return 1
	}
	return max(1, q.page)
}

// proxied is what the server before the engine says while the engine restarts.
func (s *Sim) proxied() *reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inForce(func(r *rule) bool { return r.Restart }) == nil {
		return nil
	}
	return page(http.StatusServiceUnavailable, "The server is temporarily unable to service your request due to maintenance downtime or capacity problems. Please try again later.")
}

// carryOut does what is asked, if whoever asks may.
func (c *call) carryOut(f func(*call) *reply) *reply {
	if c.broken != nil {
		var long *http.MaxBytesError
		if errors.As(c.broken, &long) {
			return page(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		}
		panic(http.ErrAbortHandler)
	}
	if !strings.HasPrefix(c.r.URL.Path, apiPath) {
		return f(c)
	}
	if out := c.refuseStranger(); out != nil {
		return out
	}
	if v := c.r.Header.Get("Version"); v != "" && v != "4" {
		return page(http.StatusBadRequest, "The version "+v+" isn't supported")
	}
	return f(c)
}

// send writes an answer as the rules will have it.
func (c *call) send(w http.ResponseWriter, out *reply) {
	h := w.Header()
	for k, v := range out.header {
		h.Set(k, v)
	}
	h.Set("Server", "Apache/2.4 (simulated)")
	h.Set("Correlation-Id", c.correlation)
	h.Set("Content-Length", strconv.Itoa(len(out.body)))
	body := out.body
	for _, r := range c.met {
		if r.ContentType != "" {
			h.Set("Content-Type", r.ContentType)
		}
		if r.Truncate {
			body = body[:len(body)/2]
		}
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(body) // whoever has gone does not hear it
	if len(body) < len(out.body) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

var notCorrelation = regexp.MustCompile(`[^0-9A-Za-z_-]`)

// correlation is the caller's name for what it does, or one that is made up.
func correlation(r *http.Request) string {
	id := cmp.Or(r.Header.Get("Correlation-Id"), r.URL.Query().Get("correlation_id"))
	id = notCorrelation.ReplaceAllString(id, "")
	if id == "" {
		return newID()
	}
	return id[:min(len(id), 36)]
}

// following is what the caller wants in place of links, without what does not count in
// their names.
func following(r *http.Request) map[string]bool {
	out := map[string]bool{}
	for _, path := range strings.Split(r.URL.Query().Get("follow"), ",") {
		path = strings.ToLower(strings.NewReplacer("_", "", " ", "").Replace(path))
		for i, part := range strings.Split(path, ".") {
			if i == 0 && part != "" {
				out[part] = true
			} else if part != "" {
				out[path] = true
			}
		}
	}
	return out
}

// flag is a boolean in the query.
func (c *call) flag(name string) bool {
	q := c.r.URL.Query()
	return q.Has(name) && q.Get(name) != "false"
}

// listing picks what a searchable listing asks for.
func listing[T any](c *call, all []T, known []string, of func(T) fields) ([]T, *reply) {
	v := c.r.URL.Query()
	q, err := parseSearch(v.Get("search"), v.Get("case_sensitive") == "true", known)
	if err != nil {
		return nil, c.faultReply(http.StatusBadRequest, failed, "Error in Search text: "+err.Error())
	}
	limit := 0
	if m := v.Get("max"); m != "" {
		if limit, err = strconv.Atoi(m); err != nil {
			return nil, c.faultReply(http.StatusBadRequest, invalid, "max is not a number")
		}
	}
	return pick(q, all, of, max(limit, 0)), nil
}

func randomToken() string {
	return rand.Text() + rand.Text() + rand.Text()
}
