package pki

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"

	"gridburst/internal/grid"
)

// SecretFile is the name of the file that tokens are derived from.
const SecretFile = "token.key"

// Secrets makes tokens, each for one purpose. A token is not kept anywhere: it follows
// from the purpose and a key, so that it is the same when it has to be handed out
// again after a crash, and whoever reads the queue learns none.
type Secrets struct{ key []byte }

// OpenSecrets loads the key of dir, and makes one if there is none.
func OpenSecrets(dir string) (*Secrets, error) {
	path := filepath.Join(dir, SecretFile)
	b, err := readOrMake(path, func() ([]byte, error) {
		b := make([]byte, 32)
		rand.Read(b) // never fails, as its documentation says
		return b, nil
	})
	if err != nil {
		return nil, fmt.Errorf("open the key of tokens: %w", err)
	}
	if len(b) != 32 {
		return nil, grid.Errorf(grid.Invalid, "%s does not hold a key: remove it, and every token that was not used yet is void", path)
	}
	return &Secrets{key: b}, nil
}

// Token is the token for a purpose.
func (s *Secrets) Token(purpose string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Check reports whether token is the one for the purpose, in a time that does not
// depend on where they differ.
func (s *Secrets) Check(token, purpose string) bool {
	return hmac.Equal([]byte(token), []byte(s.Token(purpose)))
}
