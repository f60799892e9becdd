package ovirt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"gridburst/gahp"
	"gridburst/internal/grid"
)

// Config says which engine and as whom.
type Config struct {
	URL          string        // https://HOST[:PORT]/ovirt-engine/api
	Username     string        // with its profile: admin@internal
	PasswordFile string        // mode 0600 or stricter, ours, one line
	CAFile       string        // PEM; trusted alone. Empty: the system's authorities
	UserView     bool          // ask as a user who is no administrator of the engine
	Timeout      time.Duration // of one request; zero: [DefaultTimeout]
	RefusalPause time.Duration // zero: [DefaultRefusalPause]
	Log          logrus.FieldLogger
}

// DefaultTimeout is how long one request may take: making a machine locks several
// things and takes seconds on a busy engine.
const DefaultTimeout = 60 * time.Second

// DefaultRefusalPause is how long a password that the engine has refused is not tried
// again, unless the file holds another by then: engines lock an account after a few
// failures, and we may be asked every second.
const DefaultRefusalPause = 5 * time.Minute

// parallel bounds the requests that are at the engine at one time. Further calls
// wait, and have reached nobody while they do.
const parallel = 16

// Engine is a gahp.Provider over one oVirt engine.
type Engine struct {
	url    *url.URL // ends in /api
	cfg    Config
	client *http.Client
	login  login
}

var _ gahp.Provider = (*Engine)(nil)

// Open checks cfg and reads the CA file. It does not reach for the engine.
func Open(cfg Config) (*Engine, error) {
	u, err := url.Parse(cfg.URL)
	switch {
	case err != nil:
		return nil, grid.Errorf(grid.Invalid, "the engine's URL: %w", err)
	case u.Scheme != "https":
		return nil, grid.Errorf(grid.Invalid, "the engine's URL %s is not https: the password would travel in clear; use https://HOST/ovirt-engine/api", u.Redacted())
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, grid.Errorf(grid.Invalid, "the engine's URL %s is not of the form https://HOST[:PORT]/ovirt-engine/api", u.Redacted())
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(u.Path, "/api") {
		return nil, grid.Errorf(grid.Invalid, "the engine's URL %s does not end in /api: an engine answers at https://HOST/ovirt-engine/api", u)
	}
	if cfg.Username == "" {
		return nil, grid.Errorf(grid.Invalid, "no user name for %s; give one with its profile, as admin@internal", u.Host)
	}
	if cfg.PasswordFile == "" {
		return nil, grid.Errorf(grid.Invalid, "no password file for %s at %s", cfg.Username, u.Host)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.RefusalPause <= 0 {
		cfg.RefusalPause = DefaultRefusalPause
	}
	if cfg.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		cfg.Log = l
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, grid.Errorf(grid.Invalid, "read the CA file of %s: %w", u.Host, err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, grid.Errorf(grid.Invalid, "the CA file %s holds no certificate in PEM; %s", cfg.CAFile, whereCA(u))
		}
	}
	e := &Engine{url: u, cfg: cfg, login: login{sem: make(chan struct{}, 1)}}
	e.client = &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   conf,
			DisableKeepAlives: true, // see "What is certain" in the package comment
			MaxConnsPerHost:   parallel,
		},
		// A redirect would carry the token wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// whereCA says where an engine's own authority is found.
func whereCA(u *url.URL) string {
	return "the engine offers its own at https://" + u.Host + "/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA (compare its fingerprint with what the administrator says)"
}

// Ping proves that the engine answers and takes the credential.
func (e *Engine) Ping(ctx context.Context) error {
	return e.read(ctx, "", nil, "api", (*document).rest)
}
