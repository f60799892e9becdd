package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// TokenHash is what is kept of a token. A token has 256 bits, so a plain hash of
// it needs neither salt nor work.
type TokenHash [sha256.Size]byte

// NewToken makes a one-time secret. Whoever hands it out keeps the hash alone.
func NewToken() (token string, hash TokenHash) {
	b := make([]byte, 32)
	rand.Read(b) // never fails, as its documentation says
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, HashToken(token)
}

// HashToken is the hash of a token.
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// Matches reports whether token is the one that h was made of, in a time that
// does not depend on where they differ. Nothing matches the zero hash.
func (h TokenHash) Matches(token string) bool {
	got := HashToken(token)
	return h != TokenHash{} && subtle.ConstantTimeCompare(h[:], got[:]) == 1
}
