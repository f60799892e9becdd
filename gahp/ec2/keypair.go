package ec2

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"

	"gridburst/internal/whole"
)

// pair is a key pair that was made here.
type pair struct {
	public string // a line of authorized_keys; empty: nobody keeps the private half
}

// publicKey is the public half of a pair.
func (s *Service) publicKey(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pairs[name]
	if !ok {
		return "", &failure{"InvalidKeyPair.NotFound", "InvalidKeyPair.NotFound", "an engine keeps no key pairs, so there is none " + name + ": use ec2_keypair_file, or put a key into the user data"}
	}
	return p.public, nil
}

// readCreatePair reads what follows the credential in EC2_VM_CREATE_KEYPAIR.
func readCreatePair(a *args) deed {
	name, file := a.named("key pair"), a.text("private key file")
	return func(_ context.Context, s *Service, _ *cloud) ([]string, error) {
		p := pair{}
		if file != "" && file != os.DevNull {
			var err error
			if p, err = pairIn(file); err != nil {
				return nil, err
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pairs[name] = p
		return nil, nil
	}
}

// readDestroyPair reads what follows the credential in EC2_VM_DESTROY_KEYPAIR. The file
// is its client's to remove.
func readDestroyPair(a *args) deed {
	name := a.named("key pair")
	return func(_ context.Context, s *Service, _ *cloud) ([]string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.pairs, name)
		return nil, nil
	}
}

const pemType = "EC PRIVATE KEY"

// pairIn is the pair whose private half is in a file: the one that is there, or a new
// one. A file that holds anything else is left alone.
func pairIn(file string) (pair, error) {
	ioFailure := func(text string) (pair, error) { return pair{}, &failure{"E_FILE_IO", "E_FILE_IO", text} }
	info, err := os.Lstat(file)
	if err == nil && info.Size() > 0 {
		b, err := readSome(file, 64<<10)
		if err != nil {
			return pair{}, err
		}
		if block, _ := pem.Decode(b); block != nil && block.Type == pemType {
			if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil && key.Curve == elliptic.P256() {
				return publicHalf(key)
			}
		}
		return ioFailure("the private key file " + file + " is there, and holds no key that was made here: it is not written over")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ioFailure(err.Error())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	if err := whole.Store(file, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), 0o600); err != nil {
		return ioFailure(err.Error())
	}
	return publicHalf(key)
}

// publicHalf is a key as SSH has it.
func publicHalf(key *ecdsa.PrivateKey) (pair, error) {
	pub, err := key.PublicKey.ECDH()
	if err != nil {
		return pair{}, err
	}
	const kind, curve = "ecdsa-sha2-nistp256", "nistp256"
	var wire []byte
	for _, part := range [][]byte{[]byte(kind), []byte(curve), pub.Bytes()} {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(part)))
		wire = append(wire, part...)
	}
	return pair{public: kind + " " + base64.StdEncoding.EncodeToString(wire)}, nil
}
