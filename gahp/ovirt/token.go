package ovirt

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gridburst/gahp"
)

// login is the credential's state. The holder of sem may read and write the rest.
type login struct {
	sem     chan struct{}
	token   string
	refused [sha256.Size]byte // hash of the password that was
	err     *gahp.Error       // with what answer
	until   time.Time
}

// token is a token that is not stale (one that the engine has called invalid), by a
// new login if need be. One login serves all that wait for it. Whatever goes wrong
// here, the call that wanted a token was not sent.
func (e *Engine) token(ctx context.Context, stale string) (string, error) {
	l := &e.login
	select {
	case l.sem <- struct{}{}:
	case <-ctx.Done():
		return "", down("gave up while waiting for a login: %v", context.Cause(ctx))
	}
	defer func() { <-l.sem }()
	if l.token != "" && l.token != stale {
		return l.token, nil
	}
	l.token = ""
	password, err := readPassword(e.cfg.PasswordFile)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(password))
	if l.err != nil && hash == l.refused && time.Now().Before(l.until) {
		return "", l.err
	}
	token, fail := e.logIn(ctx, password)
	if fail != nil {
		l.err, l.refused, l.until = nil, hash, time.Now().Add(e.cfg.RefusalPause)
		if fail.Kind == gahp.Unauthorized {
			l.err = fail
		}
		return "", fail
	}
	l.token, l.err = token, nil
	return token, nil
}

// logIn exchanges the password for a token.
func (e *Engine) logIn(ctx context.Context, password string) (string, *gahp.Error) {
	form := url.Values{
		"grant_type": {"password"}, "scope": {"ovirt-app-api"},
		"username": {e.cfg.Username}, "password": {password},
	}
	sso := *e.url
	sso.Path = strings.TrimSuffix(e.url.Path, "/api") + "/sso/oauth/token"
	x := exchange{method: http.MethodPost, url: &sso, body: []byte(form.Encode()), form: true}
	a, fail := e.exchange(ctx, x)
	if fail != nil {
		return "", down("log in to %s: %s", e.url.Host, fail.Text)
	}
	defer a.close()
	body, err := a.small()
	if err != nil {
		return "", down("log in to %s: the answer broke off: %v", e.url.Host, err)
	}
	r, readable := readLogin(body)
	switch {
	case readable && r.Token != "":
		return r.Token, nil
	case a.status == http.StatusUnauthorized, readable && refusals[r.code()]:
		return "", &gahp.Error{Kind: gahp.Unauthorized, Text: strings.TrimSuffix("the engine at "+e.url.Host+" refuses "+e.cfg.Username+": "+oneLine(redact(r.text(), password), http.StatusText(a.status)), ".") +
			"; check the name's profile (as in admin@internal) and the password in " + e.cfg.PasswordFile}
	case readable && r.code() != "":
		return "", down("log in to %s: %s", e.url.Host, oneLine(redact(r.text(), password), r.code()))
	}
	return "", down("log in to %s: status %d and no token; the engine may be starting, or %s is not its URL", e.url.Host, a.status, e.url)
}

// refusals are the codes that say that the credential is wrong, and not the engine
// or our request.
var refusals = map[string]bool{"access_denied": true, "invalid_grant": true, "unauthorized_client": true}

// loginReply is what an engine answers to a login. Which of the error fields holds
// the code depends on the scope and on who answers, the engine or its Keycloak.
type loginReply struct {
	Token       string `json:"access_token"`
	Error       string `json:"error"`
	ErrorCode   string `json:"error_code"`
	Description string `json:"error_description"`
}

// readLogin reads an object, or an array that holds one.
func readLogin(body []byte) (r loginReply, ok bool) {
	if json.Unmarshal(body, &r) == nil {
		return r, true
	}
	var list []loginReply
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		return list[0], true
	}
	return loginReply{}, false
}

func (r loginReply) code() string {
	if r.ErrorCode != "" {
		return r.ErrorCode
	}
	return r.Error
}

func (r loginReply) text() string {
	if r.Description != "" {
		return r.Description
	}
	return r.Error
}
