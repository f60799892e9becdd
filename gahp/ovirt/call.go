package ovirt

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
)

// verb is what a call is for, as far as sorting its failure needs to know.
type verb string

const (
	list     verb = "list" // or search, or ping: no machine is named
	get      verb = "get"
	create   verb = "create"
	start    verb = "start"
	shutdown verb = "shutdown"
	stop     verb = "stop"
	remove   verb = "remove"
	remark   verb = "remark"
)

// writes: may have an effect.
func (v verb) writes() bool { return v != list && v != get }

// call is one thing to ask of the engine.
type call struct {
	verb    verb
	what    string // for error texts: the machine's name or id
	path    string // below /api, with its leading slash
	query   url.Values
	body    []byte   // XML
	secrets []string // of the body; no error text may hold them
}

// call asks, with a new login and once more if the engine does not know the token:
// it has done nothing then. The answer's status is any but 401; it must be closed.
func (e *Engine) call(ctx context.Context, c call) (*answer, error) {
	u := *e.url
	u.Path += c.path
	u.RawQuery = c.query.Encode()
	x := exchange{method: http.MethodGet, url: &u, body: c.body}
	switch {
	case c.verb == remove:
		x.method = http.MethodDelete
	case c.verb == remark:
		x.method = http.MethodPut
	case c.verb.writes():
		x.method = http.MethodPost
	}
	for again := false; ; again = true {
		token, err := e.token(ctx, x.token)
		if err != nil {
			return nil, err
		}
		x.token = token
		a, fail := e.exchange(ctx, x)
		if fail != nil {
			fail.Text = c.name() + ": " + fail.Text
			return nil, fail
		}
		if a.status != http.StatusUnauthorized {
			return a, nil
		}
		a.close()
		if again {
			return nil, &gahp.Error{Kind: gahp.Unauthorized, Text: "the engine at " + e.url.Host + " lets " + e.cfg.Username + " log in and then takes no call; ask its administrator"}
		}
	}
}

// name is the call in an error text.
func (c call) name() string {
	if c.what == "" {
		return string(c.verb)
	}
	return string(c.verb) + " " + c.what
}

// exchange is one HTTP request.
type exchange struct {
	method string
	url    *url.URL
	body   []byte
	form   bool   // the body is a form, the answer JSON; otherwise both are XML
	token  string // empty: none
}

// answer is what came back. Its body is read before it is closed.
type answer struct {
	status   int
	location string
	body     *tap
	close    func()
}

// maxSmall bounds an answer that is read whole, maxLarge one that is a stream.
const (
	maxSmall = 1 << 20
	maxLarge = 1 << 30
)

// small is the whole of a short body.
func (a *answer) small() ([]byte, error) {
	a.body.left = maxSmall
	return io.ReadAll(a.body)
}

// tap is a body that ends with an error, and not with the end of a text, when more
// comes than is allowed.
type tap struct {
	r    io.Reader
	left int64
	err  error // that ended the body before its end
}

func (t *tap) Read(p []byte) (int, error) {
	if t.left <= 0 {
		t.err = errors.New("it is longer than any such answer")
		return 0, t.err
	}
	n, err := t.r.Read(p[:min(int64(len(p)), t.left)])
	t.left -= int64(n)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// exchange sends x and returns with the head of the answer. ctx and the timeout end
// both this and the reading of the body.
func (e *Engine) exchange(ctx context.Context, x exchange) (*answer, *gahp.Error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.Timeout, fmt.Errorf("no answer within %s", e.cfg.Timeout))
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, x.method, x.url.String(), bytes.NewReader(x.body))
	if err != nil {
		cancel()
		return nil, down("%v", err)
	}
	id := correlation()
	for key, value := range x.header(e.cfg.UserView) {
		req.Header.Set(key, value)
	}
	req.Header.Set("Correlation-Id", id) // shows in the engine's events
	log := e.cfg.Log.WithFields(logrus.Fields{"resource": e.url.Host, "method": x.method, "path": x.url.Path, "correlation": id})
	resp, err := e.client.Do(req)
	if err != nil {
		defer cancel()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		log.WithError(err).WithField("seconds", time.Since(began).Seconds()).Debug("engine call failed")
		if !connected.Load() {
			return nil, e.unreached(err)
		}
		return nil, unknown("%v", inner(err))
	}
	log.WithFields(logrus.Fields{"status": resp.StatusCode, "seconds": time.Since(began).Seconds()}).Debug("engine call")
	return &answer{
		status: resp.StatusCode, location: resp.Header.Get("Location"),
		body:  &tap{r: resp.Body, left: maxLarge},
		close: func() { resp.Body.Close(); cancel() },
	}, nil
}

func (x exchange) header(userView bool) map[string]string {
	if x.form {
		return map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "User-Agent": agent}
	}
	// No Accept-Language: fault texts are sorted by their English.
	h := map[string]string{
		"Content-Type": "application/xml", "Accept": "application/xml", "User-Agent": agent,
		"Version": "4", "Authorization": "Bearer " + x.token,
	}
	if userView {
		h["Filter"] = "true"
	}
	return h
}

const agent = "gridburst-ovirt_gahp"

// correlation is a new id for one request; an engine takes 36 characters.
func correlation() string {
	b := make([]byte, 12)
	rand.Read(b) // never fails, as its documentation says
	return "gridburst-" + hex.EncodeToString(b)
}

// unreached says why there was no connection to send a request on.
func (e *Engine) unreached(err error) *gahp.Error {
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		trusted := "the system's authorities"
		if e.cfg.CAFile != "" {
			trusted = "the authorities in " + e.cfg.CAFile
		}
		return down("the certificate that %s shows does not hold under %s: %v; %s", e.url.Host, trusted, cert.Err, whereCA(e.url))
	}
	return down("%s was not reached: %v", e.url.Host, inner(err))
}

// inner is err without the URL that net/http wraps around it.
func inner(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func down(format string, args ...any) *gahp.Error {
	return &gahp.Error{Kind: gahp.EngineDown, Text: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) *gahp.Error {
	return &gahp.Error{Kind: gahp.Unknown, Text: fmt.Sprintf(format, args...) + "; it may or may not have been done: look"}
}
