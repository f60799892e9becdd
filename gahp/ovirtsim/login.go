package ovirtsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// session is a token that was given. Sessions live in memory: a restart ends them.
type session struct {
	user  string
	given time.Time
	used  time.Time
}

// jsonReply is an answer of the login service.
func jsonReply(status int, v any) *reply {
	b, err := json.Marshal(v)
	if err != nil {
		return page(http.StatusInternalServerError, err.Error())
	}
	return &reply{status, map[string]string{"Content-Type": "application/json"}, b}
}

const apiScope = "ovirt-app-api"

// ssoError says why nobody is logged in: where it says what depends on the scope.
func ssoError(scope, code, text string) *reply {
	if strings.Contains(scope, apiScope) {
		return jsonReply(http.StatusBadRequest, map[string]string{"error_code": code, "error": text})
	}
	return jsonReply(http.StatusBadRequest, map[string]string{"error": code, "error_description": text})
}

func (c *call) logIn() *reply {
	form, err := url.ParseQuery(string(c.body))
	scope := form.Get("scope")
	if err != nil {
		return ssoError(scope, "invalid_request", "The request cannot be read.")
	}
	for _, p := range []string{"grant_type", "scope", "username", "password"} {
		if form.Get(p) == "" {
			return ssoError(scope, "invalid_request", "Missing parameter: '"+p+"'")
		}
	}
	if form.Get("grant_type") != "password" {
		return ssoError(scope, "unsupported_grant_type", "Unsupported grant type: "+form.Get("grant_type"))
	}
	if out := c.s.checkPassword(scope, form.Get("username"), form.Get("password")); out != nil {
		return out
	}
	token := randomToken()
	c.s.mu.Lock()
	now := c.s.clock.Now()
	c.s.sessions[token] = &session{form.Get("username"), now, now}
	c.s.mu.Unlock()
	return jsonReply(http.StatusOK, map[string]string{
		"access_token": token, "scope": scope, "exp": "9223372036854775807", "token_type": "bearer",
	})
}

func (s *Sim) checkPassword(scope, user, password string) *reply {
	no := "Cannot authenticate user '" + user + "': "
	for _, u := range s.model.Users {
		switch {
		case u.Name != user:
		case u.Locked:
			return ssoError(scope, "access_denied", no+"The user account is disabled or locked. Please contact your system administrator..")
		case u.Password == password:
			return nil
		}
	}
	return ssoError(scope, "access_denied", no+"The username or password is incorrect..")
}

func (c *call) noKerberos() *reply {
	return ssoError(apiScope, "access_denied", "Cannot authenticate by the negotiation of the web server.")
}

// revoke ends a session, if the caller says which.
func (c *call) revoke() *reply {
	if form, err := url.ParseQuery(string(c.body)); err == nil {
		c.s.mu.Lock()
		delete(c.s.sessions, form.Get("token"))
		c.s.mu.Unlock()
	}
	return jsonReply(http.StatusOK, struct{}{})
}

// who is the user that a call proves to be from, or empty.
func (s *Sim) who(c *call) string {
	if user, password, ok := c.r.BasicAuth(); ok {
		if s.checkPassword(apiScope, user, password) == nil {
			return user
		}
		return ""
	}
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, now := s.sessions[token], s.clock.Now()
	if t == nil {
		return ""
	}
	if now.Sub(t.used) >= s.model.Idle || now.Sub(t.given) >= s.model.TokenFor {
		delete(s.sessions, token)
		return ""
	}
	t.used = now
	return t.user
}

// refuseStranger answers a call that does not prove who it is from, or whose user may
// not do it.
func (c *call) refuseStranger() *reply {
	if c.user == "" {
		if strings.HasPrefix(c.r.Header.Get("Authorization"), "Bearer ") {
			return page(http.StatusUnauthorized, "invalid_grant: The provided authorization grant for the auth code has expired.")
		}
		out := page(http.StatusUnauthorized, "Unauthorized")
		out.header["WWW-Authenticate"] = `Basic realm="RESTAPI"`
		return out
	}
	if c.r.Method == http.MethodGet {
		return nil
	}
	for _, u := range c.s.model.Users {
		if u.Name == c.user && u.ReadOnly {
			return c.fault("NOT_AUTHORIZED", "")
		}
	}
	return nil
}

// authority is the certificate that clients come for.
func (c *call) authority() *reply {
	if r := c.r.URL.Query().Get("resource"); r != "ca-certificate" {
		return page(http.StatusNotFound, "Not Found")
	}
	return &reply{http.StatusOK, map[string]string{"Content-Type": "application/x-x509-ca-cert"}, c.s.CA}
}

// EndSessions ends all sessions, as a restart of the engine does.
func (s *Sim) EndSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}
