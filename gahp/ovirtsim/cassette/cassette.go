// Package cassette keeps what an engine was asked and how it answered, and answers so
// again.
//
// A cassette is a YAML file in VCR's form, as programs that test with it have: whatever
// reads those reads these. Each exchange is written as a whole behind the ones before it,
// so a recorder that dies loses at most the one that it was writing. Secrets are not
// written: no credentials, tokens, passwords and user data.
package cassette

import (
	"bytes"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"gridburst/internal/grid"
)

// Exchange is a request and its answer.
type Exchange struct {
	Request struct {
		Method  string              `yaml:"method"` // in small letters
		URI     string              `yaml:"uri"`
		Body    Body                `yaml:"body"`
		Headers map[string][]string `yaml:"headers"`
	} `yaml:"request"`
	Response struct {
		Status struct {
			Code    int    `yaml:"code"`
			Message string `yaml:"message"`
		} `yaml:"status"`
		Headers map[string][]string `yaml:"headers"`
		Body    Body                `yaml:"body"`
	} `yaml:"response"`
	RecordedAt string `yaml:"recorded_at"` // as HTTP writes times
}

// Body is a text, or bytes in base64.
type Body struct {
	Encoding string `yaml:"encoding"`
	String   string `yaml:"string,omitempty"`
	Base64   string `yaml:"base64_string,omitempty"`
}

func bodyOf(b []byte) Body {
	if utf8.Valid(b) {
		return Body{Encoding: "UTF-8", String: string(b)}
	}
	return Body{Encoding: "ASCII-8BIT", Base64: base64.StdEncoding.EncodeToString(b)}
}

func (b *Body) bytes() ([]byte, error) {
	if b.Base64 != "" {
		return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(b.Base64), ""))
	}
	return []byte(b.String), nil
}

// maxBody bounds the bodies that are kept, in bytes: a larger one is no answer of the API
// but the contents of a disk, and its exchange is not kept.
const maxBody = 4 << 20

// Hidden stands where a secret was.
const Hidden = "hidden"

// Recorder writes a cassette.
type Recorder struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first of writing: nothing is written behind it
}

// Record begins a cassette in a new file.
func Record(path string) (*Recorder, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the cassette: %w", err)
	}
	if _, err := f.WriteString("---\nrecorded_with: ovirtsim\nhttp_interactions:\n"); err != nil {
		f.Close()
		return nil, grid.Errorf(grid.Invalid, "the cassette: %w", err)
	}
	return &Recorder{file: f}, nil
}

// Close ends the cassette. The error is also the first that writing it met.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.file.Close()
	if r.err != nil {
		err = r.err
	}
	return err
}

// Of is an engine whose exchanges are kept.
func (r *Recorder) Of(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.serve(engine, w, q) })
}

func (r *Recorder) serve(engine http.Handler, w http.ResponseWriter, q *http.Request) {
	asked := &limited{}
	q.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(q.Body, asked), q.Body}
	t := &tee{ResponseWriter: w, code: http.StatusOK}
	at := time.Now()
	// An engine that breaks the connection off panics here, and has answered nothing to keep.
	engine.ServeHTTP(t, q)
	if !asked.over && !t.said.over {
		r.keep(exchange(q, asked.Bytes(), t, at))
	}
}

// limited keeps what is written up to maxBody.
type limited struct {
	bytes.Buffer
	over bool
}

func (l *limited) Write(b []byte) (int, error) {
	if l.over = l.over || l.Len()+len(b) > maxBody; !l.over {
		l.Buffer.Write(b)
	}
	return len(b), nil
}

// tee keeps an answer on its way.
type tee struct {
	http.ResponseWriter
	code int
	said limited
}

func (t *tee) WriteHeader(code int) {
	t.code = code
	t.ResponseWriter.WriteHeader(code)
}

func (t *tee) Write(b []byte) (int, error) {
	t.said.Write(b)
	return t.ResponseWriter.Write(b)
}

func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func exchange(q *http.Request, asked []byte, t *tee, at time.Time) *Exchange {
	var e Exchange
	e.Request.Method = strings.ToLower(q.Method)
	e.Request.URI = "https://" + q.Host + uri(q.URL)
	e.Request.Headers, e.Response.Headers = headers(q.Header), headers(t.Header())
	e.Request.Body, e.Response.Body = bodyOf(hide(q.URL.Path, asked)), bodyOf(hide(q.URL.Path, t.said.Bytes()))
	e.Response.Status.Code, e.Response.Status.Message = t.code, http.StatusText(t.code)
	e.RecordedAt = at.UTC().Format(http.TimeFormat)
	return &e
}

// uri is a path and its query, whose parameters are in order and hold no secrets.
func uri(u *url.URL) string {
	q := u.Query()
	for _, k := range secretFields {
		if q.Has(k) {
			q.Set(k, Hidden)
		}
	}
	if len(q) == 0 {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + q.Encode()
}

func headers(h http.Header) map[string][]string {
	kept := maps.Clone(map[string][]string(h))
	for _, k := range []string{"Authorization", "Cookie", "Set-Cookie", "Proxy-Authorization", "X-Forwarded-For"} {
		if kept[k] != nil {
			kept[k] = []string{Hidden}
		}
	}
	return kept
}

// secretFields are the names of what is secret in forms, JSON and XML.
var secretFields = []string{"password", "token", "access_token", "refresh_token", "root_password", "custom_script", "user_password", "authorized_ssh_keys"}

var (
	secretElements = regexp.MustCompile(`(?s)<(password|root_password|custom_script|authorized_ssh_keys)>.*?</`)
	secretJSON     = regexp.MustCompile(`"(password|token|access_token|refresh_token)"(\s*:\s*)"(?:[^"\\]|\\.)*"`)
)

// hide takes secrets out of a body.
func hide(path string, body []byte) []byte {
	if strings.Contains(path, "/sso/") && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return []byte(Hidden)
		}
		for _, k := range secretFields {
			if form.Has(k) {
				form.Set(k, Hidden)
			}
		}
		return []byte(form.Encode())
	}
	body = secretElements.ReplaceAll(body, []byte("<$1>"+Hidden+"</"))
	return secretJSON.ReplaceAll(body, []byte(`"$1"$2"`+Hidden+`"`))
}

// keep writes an exchange.
func (r *Recorder) keep(e *Exchange) {
	text, err := yaml.Marshal([]*Exchange{e})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && err == nil {
		_, err = r.file.Write(text)
	}
	if r.err == nil && err != nil {
		r.err = grid.Errorf(grid.Internal, "the cassette: %w", err)
	}
}

// Player answers as an engine did: each request with the next of the answers that were
// recorded for its method and URI, and when there are no more, with the last one again.
// What was not recorded is answered with 404, and listed.
type Player struct {
	mu      sync.Mutex
	answers map[string][]*Exchange
	unknown map[string]int
}

// Play reads a cassette.
func Play(path string) (*Player, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, grid.Errorf(grid.Invalid, "the cassette: %w", err)
	}
	var c struct {
		Exchanges []*Exchange `yaml:"http_interactions"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return nil, grid.Errorf(grid.Invalid, "%s is no cassette: %w", path, err)
	}
	if len(c.Exchanges) == 0 {
		return nil, grid.Errorf(grid.Invalid, "%s is no cassette: it has no http_interactions", path)
	}
	p := &Player{answers: map[string][]*Exchange{}, unknown: map[string]int{}}
	for i, e := range c.Exchanges {
		u, err := url.Parse(e.Request.URI)
		if err != nil || e.Response.Status.Code < 100 || e.Response.Status.Code > 599 {
			return nil, grid.Errorf(grid.Invalid, "%s: exchange %d, of %s, is not whole: status %d", path, i+1, e.Request.URI, e.Response.Status.Code)
		}
		key := keyOf(e.Request.Method, u)
		p.answers[key] = append(p.answers[key], e)
	}
	return p, nil
}

func keyOf(method string, u *url.URL) string { return strings.ToUpper(method) + " " + uri(u) }

// Unknown are the requests that nothing was recorded for, in order of their names.
func (p *Player) Unknown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.unknown))
}

// ServeHTTP answers.
func (p *Player) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	io.Copy(io.Discard, io.LimitReader(q.Body, maxBody))
	e := p.next(keyOf(q.Method, q.URL))
	if e == nil {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<fault><reason>Operation Failed</reason><detail>[This was not recorded]</detail></fault>\n")
		return
	}
	body, err := e.Response.Body.bytes()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for k, v := range e.Response.Headers {
		switch http.CanonicalHeaderKey(k) {
		case "Content-Length", "Transfer-Encoding", "Content-Encoding", "Connection", "Date":
		default:
			w.Header()[http.CanonicalHeaderKey(k)] = v
		}
	}
	w.WriteHeader(e.Response.Status.Code)
	w.Write(body)
}

func (p *Player) next(key string) *Exchange {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.answers[key]
	switch len(all) {
	case 0:
		p.unknown[key]++
		return nil
	case 1:
	default:
		p.answers[key] = all[1:]
	}
	return all[0]
}
