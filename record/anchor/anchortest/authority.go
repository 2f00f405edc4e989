// Package anchortest is a time-stamping authority for tests: certificates made on the spot, and OpenSSL as the one that stamps.
package anchortest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Policies that the authority stamps under, the first when none is asked for.
const (
	Policy      = "1.3.6.1.4.1.32473.1" // the enterprise number for examples, RFC 5612
	OtherPolicy = "1.3.6.1.4.1.32473.2"
)

// Kinds of certificates with which an authority is not to be believed, besides the good one.
const (
	Good       = "good"
	NoPurpose  = "nopurpose"  // no extended key usage
	Uncritical = "uncritical" // time stamping, and not critical
	TwoThings  = "twothings"  // time stamping and code signing
	Expired    = "expired"    // ended before it stamps
)

// Authority stamps by "openssl ts". It is an http.Handler, too.
type Authority struct {
	RootPEM []byte
	Roots   *x509.CertPool

	dir string
	mu  sync.Mutex // one serial number at a time
}

// Available tells whether OpenSSL is on this machine.
func Available() bool {
	_, err := exec.LookPath("openssl")
	return err == nil
}

// NewAuthority makes a root, and certificates of every kind under it, in a folder of its own. The keys are of RSA or of P-256.
func NewAuthority(dir string, rsaKeys bool) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, Roots: x509.NewCertPool()}
	begin := time.Now().Add(-24 * time.Hour)
	newKey := func() (crypto.Signer, error) {
		if rsaKeys {
			return rsa.GenerateKey(rand.Reader, 2048)
		}
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	rootKey, err := newKey()
	if err != nil {
		return nil, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example Root"}, NotBefore: begin, NotAfter: begin.Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	a.RootPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "root.pem"), a.RootPEM, 0o600); err != nil {
		return nil, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.Roots.AddCert(root)
	for i, kind := range []string{Good, NoPurpose, Uncritical, TwoThings, Expired} {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: "Example Stamps"}, NotBefore: begin, NotAfter: begin.Add(300 * 24 * time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		}
		usage := []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}
		switch kind {
		case TwoThings:
			usage = append(usage, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3})
		case Expired:
			c.NotAfter = begin.Add(time.Hour)
		}
		value, err := asn1.Marshal(usage)
		if err != nil {
			return nil, err
		}
		if kind != NoPurpose {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: kind != Uncritical, Value: value}}
		}
		der, err := x509.CreateCertificate(rand.Reader, c, root, key.Public(), rootKey)
		if err != nil {
			return nil, err
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		err = errors.Join(
			os.WriteFile(filepath.Join(dir, kind+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
			os.WriteFile(filepath.Join(dir, kind+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
		)
		if err != nil {
			return nil, err
		}
	}
	return a, os.WriteFile(filepath.Join(dir, "tsa.cnf"), fmt.Appendf(nil, `[tsa]
default_tsa = t
[t]
serial = %s/serial
crypto_device = builtin
signer_cert = %s/good.pem
signer_key = %s/good.key
signer_digest = sha256
default_policy = %s
other_policies = %s
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`, dir, dir, dir, Policy, OtherPolicy), 0o600)
}

func (a *Authority) run(args ...string) ([]byte, error) {
	cmd := exec.Command("openssl", args...)
	cmd.Dir = a.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("openssl %v: %w: %s", args, err, stderr.Bytes())
	}
	return out, err
}

// Answer answers a query with a response, both in DER.
func (a *Authority) Answer(query []byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := os.WriteFile(filepath.Join(a.dir, "query"), query, 0o600); err != nil {
		return nil, err
	}
	if _, err := a.run("ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf", "-out", "answer"); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(a.dir, "answer"))
}

// Sign signs the content of a token by another of the authority's certificates, as OpenSSL would not do by itself.
func (a *Authority) Sign(content []byte, kind string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := os.WriteFile(filepath.Join(a.dir, "content"), content, 0o600); err != nil {
		return nil, err
	}
	return a.run("cms", "-sign", "-binary", "-nodetach", "-cades", "-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4",
		"-signer", kind+".pem", "-inkey", kind+".key", "-in", "content", "-outform", "DER")
}

// Verify has OpenSSL verify a token over data.
func (a *Authority) Verify(data, token []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := errors.Join(os.WriteFile(filepath.Join(a.dir, "data"), data, 0o600), os.WriteFile(filepath.Join(a.dir, "token"), token, 0o600))
	if err != nil {
		return err
	}
	_, err = a.run("ts", "-verify", "-data", "data", "-in", "token", "-token_in", "-CAfile", "root.pem")
	return err
}

// ServeHTTP implements http.Handler (RFC 3161 §3.4).
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/timestamp-query" {
		http.Error(w, "no query", http.StatusBadRequest)
		return
	}
	b, err := a.Answer(query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	_, _ = w.Write(b)
}
