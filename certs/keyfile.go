package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// ErrKeyExposed says that others than the owner and the readers of the file's
// group can get at a key file.
var ErrKeyExposed = errors.New("key file is open to others")

// maxPEMFile bounds key and certificate files, in octets.
const maxPEMFile = 4 << 20

// CheckKeyFile refuses a key file that everybody can read or that its group can
// change (ErrKeyExposed). Reading by the group is allowed: keys are commonly
// handed to a service that way. Systems without such modes pass.
func CheckKeyFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("key file %s: not a regular file", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o037 != 0 {
		return fmt.Errorf("key file %s has mode %04o: %w (chmod 600 %s)", path, info.Mode().Perm(), ErrKeyExposed, path)
	}
	return nil
}

// LoadKey reads the one private key of a PEM file (PKCS#8, SEC 1 or PKCS#1, not
// encrypted) after CheckKeyFile. Certificates in the same file are skipped, so
// that key and certificate may share a file.
func LoadKey(path string) (crypto.Signer, error) {
	if err := CheckKeyFile(path); err != nil {
		return nil, err
	}
	blocks, err := readPEM(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	var key crypto.Signer
	for _, block := range blocks {
		k, err := parseKey(block)
		if err != nil {
			return nil, fmt.Errorf("key file %s: %w", path, err)
		}
		if k == nil {
			continue
		}
		if key != nil {
			return nil, fmt.Errorf("key file %s: more than one private key", path)
		}
		key = k
	}
	if key == nil {
		return nil, fmt.Errorf("key file %s: no private key in it", path)
	}
	return key, nil
}

// parseKey is the key in a PEM block, nil when the block is something else.
func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the key is encrypted: store it decrypted, with mode 0600")
		}
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the key is encrypted: store it decrypted, with mode 0600")
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, nil
}

// LoadCertificates reads the certificates of a PEM file, in its order. There is
// at least one when err is nil.
func LoadCertificates(path string) ([]*x509.Certificate, error) {
	blocks, err := readPEM(path)
	if err != nil {
		return nil, fmt.Errorf("certificate file: %w", err)
	}
	var certificates []*x509.Certificate
	for _, block := range blocks {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate file %s, certificate %d: %w", path, len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, fmt.Errorf("certificate file %s: no certificate in it", path)
	}
	return certificates, nil
}

func readPEM(path string) ([]*pem.Block, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxPEMFile {
		return nil, fmt.Errorf("%s: %d octets, larger than any PEM file should be", path, info.Size())
	}
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var blocks []*pem.Block
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return blocks, nil
		}
		blocks = append(blocks, block)
	}
}

// encodeKey is the PKCS#8 PEM of a key.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// EncodeCertificates is the PEM of certificates, in their order.
func EncodeCertificates(certificates ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, certificate := range certificates {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	}
	return out.Bytes()
}

// writeFile makes or replaces a file in one step: after a crash it holds the old
// octets or the new ones, and never has a wider mode than the one given.
func writeFile(path string, data []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close() // already closed when the rename failed
			_ = os.Remove(file.Name())
		}
	}()
	if _, err = file.Write(data); err != nil {
		return err
	}
	if err = file.Chmod(mode); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename in a folder durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// publicKey is what the key types of the standard library have in common.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// CheckPair refuses a certificate that is not for the key.
func CheckPair(certificate *x509.Certificate, key crypto.Signer) error {
	public, ok := key.Public().(publicKey)
	if !ok {
		return fmt.Errorf("unsupported key type %T", key)
	}
	if !public.Equal(certificate.PublicKey) {
		return errors.New("the private key does not belong to the certificate")
	}
	return nil
}

// checkStrength refuses keys that are too short to sign with: NIST SP 800-131A
// ends RSA below 2048 bits.
func checkStrength(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return fmt.Errorf("RSA key of %d bits, at least 2048 are needed", k.N.BitLen())
		}
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize < 256 {
			return fmt.Errorf("elliptic curve of %d bits, at least 256 are needed", k.Curve.Params().BitSize)
		}
	}
	return nil
}
