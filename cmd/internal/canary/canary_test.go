package canary

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever stands before and behind a secret, it is found in each form.
func TestASecretIsFoundInEachForm(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9+/=& é]{12,40}`).Draw(rt, "secret")
		text := rapid.String().Draw(rt, "before") + secret + rapid.String().Draw(rt, "behind")
		for form, b := range map[string]string{
			"as it is": text, "hexadecimal": hex.EncodeToString([]byte(text)), "percent signs": url.QueryEscape(text),
			"base64": base64.StdEncoding.EncodeToString([]byte(text)), "base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(text)),
		} {
			s := New()
			if err := s.Plant("it", secret); err != nil {
				rt.Fatal(err)
			}
			s.Text("a text", []byte(b))
			if len(s.Found()) != 1 {
				rt.Fatalf("%s is not found in %q", form, b)
			}
		}
	})
}

func TestWhatBelongsIsNotFoundAndWhatDoesNotIs(t *testing.T) {
	dir := t.TempDir()
	s := New()
	for name, secret := range map[string]string{"password": "correct-horse-battery", "token": "staple-and-no-more"} {
		if err := s.Plant(name, secret); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{"pwd": "correct-horse-battery\n", "log": "login with correct-horse-battery", "staple-and-no-more": "", "innocent": "horse"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Tree(dir, func(path string) []string {
		if path == "pwd" {
			return []string{"password"}
		}
		return nil
	})
	if got := strings.Join(s.Found(), "; "); err != nil || got != "password is in the file log; token is in the name of staple-and-no-more" {
		t.Errorf("found: %s (%v)", got, err)
	}
	if err := s.Plant("short", "secret"); err == nil {
		t.Error("a secret that is found by accident is taken")
	}
}

func TestProcessesAreLookedAt(t *testing.T) {
	s := New()
	for name, secret := range map[string]string{"one": "in-the-arguments-of-it", "two": "in-the-environment-of-it"} {
		if err := s.Plant(name, secret); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("sh", "-c", "echo; read x", "in-the-arguments-of-it")
	c.Env = []string{"X=in-the-environment-of-it"}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is the shell by now
		t.Fatal(err)
	}
	if err := s.Processes(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	in.Close()
	_ = c.Wait() // a read that ends without a line has a status
	if got := strings.Join(s.Found(), "; "); got != "one is in the cmdline of sh; two is in the environ of sh" {
		t.Errorf("found: %s", got)
	}
}
