package chaos

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// door is an engine's API for others than the schedd.
type door struct {
	url  string
	ca   string // its authority's file
	http http.Client
}

// openDoor finds the engine that has written where it is into dir.
func openDoor(dir string) (*door, error) {
	d := &door{ca: filepath.Join(dir, "ca.pem")}
	url, err := os.ReadFile(filepath.Join(dir, "url"))
	if err != nil {
		return nil, err
	}
	d.url = strings.TrimSpace(string(url))
	pem, err := os.ReadFile(d.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the engine's authority cannot be read")
	}
	d.http = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return d, nil
}

// make makes a machine that the schedd has not asked for.
func (d *door) make(ctx context.Context, user, name, mark, cluster string) error {
	body := fmt.Sprintf("<vm><name>%s</name><comment>%s</comment><template><name>%s</name></template><cluster><name>%s</name></cluster></vm>",
		name, html.EscapeString(mark), desktopName, cluster)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/vms", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/xml")
	req.Header.Set("Accept", "application/xml")
	req.SetBasicAuth(user, enginePassword)
	resp, err := d.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(io.LimitReader(resp.Body, 500)); resp.StatusCode >= 300 {
		return fmt.Errorf("the engine answered %s: %s", resp.Status, strings.Join(strings.Fields(string(b)), " "))
	}
	return nil
}

// markOf is how a machine of ours is known: in its comment.
func markOf(deployment string, claim uint32) string {
	return fmt.Sprintf("gridburst %s claim %d", deployment, claim)
}

// claimOf is the claim that a mark names, if it is of this deployment.
func claimOf(deployment, mark string) (claim uint32, ok bool) {
	rest, ok := strings.CutPrefix(mark, "gridburst "+deployment+" claim ")
	id, err := strconv.ParseUint(rest, 10, 32)
	return uint32(id), ok && err == nil
}

// prefixOf is what our machines' names begin with.
func prefixOf(deployment string) string { return "gb-" + deployment[:8] + "-" }

// nameOf is what the machine of a claim is called.
func nameOf(deployment string, claim uint32) string {
	return prefixOf(deployment) + strconv.FormatUint(uint64(claim), 10)
}
