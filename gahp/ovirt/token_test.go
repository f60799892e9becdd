package ovirt

import (
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridburst/gahp"
)

// logins is how often the stub was asked for a token.
func (s *stub) logins() (n int) {
	lines, _ := s.requests()
	for _, l := range lines {
		if strings.HasPrefix(l, "POST /sso/") {
			n++
		}
	}
	return n
}

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := write(t, dir, name, content)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ content, want string }{
		"as written": {"s3 cret", "s3 cret"}, "with a newline": {"s3cret\n", "s3cret"}, "with newlines of another system": {"s3cret\r\n", "s3cret"},
		"with blanks that count": {" s3cret ", " s3cret "},
	} {
		for _, mode := range []os.FileMode{0o600, 0o400} {
			got, err := readPassword(file(name, c.content, 0o600))
			if err != nil || got != c.want {
				t.Errorf("%s, %v: %q, %v", name, mode, got, err)
			}
		}
	}
	good := file("good", "s3cret", 0o600)
	if err := os.Symlink(good, dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, say string }{
		"missing":           {dir + "/none", "does not exist"},
		"empty":             {file("empty", "", 0o600), "is empty"},
		"a newline":         {file("newline", "\n", 0o600), "is empty"},
		"read by the group": {file("group", "s3cret", 0o640), "chmod 600"},
		"read by all":       {file("all", "s3cret", 0o644), "chmod 600"},
		"written by others": {file("others", "s3cret", 0o602), "chmod 600"},
		"a symbolic link":   {dir + "/link", "symbolic link"},
		"a directory":       {dir, "not a regular file"},
		"a pipe":            {dir + "/pipe", "not a regular file"},
		"two lines":         {file("lines", "s3cret\nmore\n", 0o600), "more than one line"},
		"a whole disk":      {file("long", strings.Repeat("s3cret", 1000), 0o600), "longer"},
	} {
		_, err := readPassword(c.path)
		if want(t, err, gahp.BadPassword, c.path, c.say); strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error holds the password: %v", name, err)
		}
	}
	t.Run("of another user", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("needs root to give a file away")
		}
		path := file("theirs", "s3cret", 0o600)
		if err := os.Chown(path, 65534, -1); err != nil {
			t.Fatal(err)
		}
		_, err := readPassword(path)
		want(t, err, gahp.BadPassword, "another user")
	})
}

func TestNoPasswordFileIsKnownBeforeTheEngineIsAsked(t *testing.T) {
	s := newStub(t)
	cfg := s.config(t)
	cfg.PasswordFile += "-missing"
	want(t, mustOpen(t, cfg).Ping(t.Context()), gahp.BadPassword)
	if lines, _ := s.requests(); len(lines) > 0 {
		t.Errorf("the engine heard %q", lines)
	}
}

// api is a stub with something to ask for.
func api(t *testing.T) *stub {
	t.Helper()
	s := newStub(t)
	s.handle("GET /api", reply(http.StatusOK, "<api/>"))
	return s
}

func TestOneLoginServesAll(t *testing.T) {
	s := api(t)
	e := s.engine(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := e.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.logins(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// An expired token is found out by a call; the call is made again, whole.
func TestTokenExpires(t *testing.T) {
	s := factory(t, reply(http.StatusAccepted, vmXML("image_locked", "")))
	e := s.engine(t)
	create := gahp.Create{Name: "gb-1", Template: "template_cd2"}
	if _, err := e.Create(t.Context(), order, create); err != nil {
		t.Fatal(err)
	}
	s.handle("POST /api/vms/{id}/stop", reply(http.StatusOK, "<action/>"))
	s.set(password, "token-2-kept-from-all-logs")
	if err := e.Stop(t.Context(), order, vmID); err != nil {
		t.Fatal(err)
	}
	if n := s.logins(); n != 2 {
		t.Errorf("%d logins", n)
	}
	lines, bodies := s.requests()
	last := len(lines) - 1
	if lines[last] != lines[last-2] || bodies[last] != bodies[last-2] || bodies[last] != "<action/>" {
		t.Errorf("%q, bodies %q: not the same call again", lines[last-2:], bodies[last-2:])
	}
}

func TestPasswordIsReadAgainWhenTheTokenIsRefused(t *testing.T) {
	s := api(t)
	cfg := s.config(t)
	e := mustOpen(t, cfg)
	if err := e.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.set("new-"+password, "token-2")
	err := e.Ping(t.Context())
	want(t, err, gahp.Unauthorized, "admin@internal", "Cannot authenticate user", "not with ***", cfg.PasswordFile)
	if strings.Contains(err.Error(), password) {
		t.Errorf("the password is in %v", err)
	}
	before := s.logins()
	want(t, e.Ping(t.Context()), gahp.Unauthorized)
	if s.logins() != before {
		t.Error("a password that was refused is tried again at once: the account would be locked")
	}
	e.login.until = time.Now()
	want(t, e.Ping(t.Context()), gahp.Unauthorized)
	if s.logins() != before+1 {
		t.Error("a password that was refused is never tried again")
	}
	if err := os.WriteFile(cfg.PasswordFile, []byte("new-"+password), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLoginAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		kind   gahp.Kind
		say    string
	}{
		"a list":               {200, `[{"access_token":"token-1-kept-from-all-logs"}]`, "", ""},
		"another form of no":   {400, `{"error":"invalid_grant","error_description":"Account is disabled"}`, gahp.Unauthorized, "Account is disabled"},
		"locked":               {400, `{"error_code":"access_denied","error":"Cannot authenticate user 'admin@internal': The user account is disabled or locked."}`, gahp.Unauthorized, "disabled or locked"},
		"a page that says no":  {401, "<html></html>", gahp.Unauthorized, "Unauthorized"},
		"the engine's trouble": {400, `{"error_code":"server_error","error":"Database is away"}`, gahp.EngineDown, "Database is away"},
		"a proxy's page":       {503, "<html></html>", gahp.EngineDown, "503"},
		"a portal's page":      {200, "<html></html>", gahp.EngineDown, "no token"},
		"nothing":              {200, "", gahp.EngineDown, "no token"},
		"on to elsewhere":      {302, "", gahp.EngineDown, "302"},
		"a token of no use":    {200, `{"access_token":"other"}`, gahp.Unauthorized, "takes no call"},
	} {
		t.Run(name, func(t *testing.T) {
			s := api(t)
			mux := http.NewServeMux()
			mux.HandleFunc("/ovirt-engine/sso/oauth/token", reply(c.status, c.body))
			mux.Handle("/", s.mux)
			s.mux = mux
			err := s.engine(t).Ping(t.Context())
			if c.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			want(t, err, c.kind, c.say)
		})
	}
}

// Everything is logged at the finest level, and no secret is in it.
func TestLogHoldsNoSecret(t *testing.T) {
	const secret = "token: 0123456789abcdef"
	s := factory(t, reply(http.StatusAccepted, vmXML("image_locked", "")))
	_, err := s.engine(t).Create(t.Context(), order, gahp.Create{Name: "gb-1", Template: "template_cd2", UserData: secret})
	if err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	if !strings.Contains(log, "/ovirt-engine/api/vms") {
		t.Fatalf("the log tells nothing: %s", log)
	}
	for _, secret := range []string{password, s.token, secret, "Authorization", "Bearer"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q: %s", secret, log)
		}
	}
}
