package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gowebpki/jcs"

	"vedette"
)

// Limits of an act.
const (
	maxAct   = 64 << 10 // bytes
	maxDepth = 16
)

// Act is something that people approve: a JSON object in canonical form whose member "act" names its kind. Whoever can be harmed by an approval
// being used twice puts something into the act that occurs once (a revision, an id, an expiry).
type Act struct {
	canonical []byte
	kind      string
	digest    vedette.Digest
}

// NewAct makes an act from a value that encoding/json can write. Its error wraps vedette.ErrInvalid or ErrTooLarge.
func NewAct(v any) (Act, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Act{}, fmt.Errorf("authority: act: %w: %w", vedette.ErrInvalid, err)
	}
	return ParseAct(b)
}

// ParseAct reads an act in any writing. It refuses what two readers could read differently: a member twice, a number that is no whole number
// below 2^53, text that is not UTF-8. Its error wraps vedette.ErrInvalid or ErrTooLarge.
func ParseAct(b []byte) (Act, error) {
	kind, err := inspect(b)
	if err != nil {
		return Act{}, fmt.Errorf("authority: act: %w", err)
	}
	c, err := jcs.Transform(b)
	if err != nil {
		return Act{}, fmt.Errorf("authority: act: %w: %w", vedette.ErrInvalid, err)
	}
	return Act{canonical: c, kind: kind, digest: sum("vedette-act-1\n", c)}, nil
}

// Canonical returns the act in canonical form (RFC 8785). The slice is the caller's.
func (a Act) Canonical() []byte { return bytes.Clone(a.canonical) }

// Digest returns SHA-256 over "vedette-act-1", a newline, and the canonical form.
func (a Act) Digest() vedette.Digest { return a.digest }

// Kind returns what the member "act" says.
func (a Act) Kind() string { return a.kind }

// IsZero tells whether there is no act.
func (a Act) IsZero() bool { return len(a.canonical) == 0 }

func sum(domain string, b []byte) vedette.Digest {
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write(b)
	return vedette.Digest(h.Sum(nil))
}

// inspect walks through JSON and refuses what is ambiguous. It returns the object's kind.
func inspect(b []byte) (kind string, err error) {
	if len(b) > maxAct {
		return "", fmt.Errorf("%d bytes, at most %d: %w", len(b), maxAct, vedette.ErrTooLarge)
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("not UTF-8: %w", vedette.ErrInvalid)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	w := walker{d: d}
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return "", fmt.Errorf("not a JSON object: %w", vedette.ErrInvalid)
	}
	if err := w.object(1); err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("more than one JSON value: %w", vedette.ErrInvalid)
	}
	if w.kind == "" {
		return "", fmt.Errorf("no member \"act\" that names its kind: %w", vedette.ErrInvalid)
	}
	return w.kind, nil
}

type walker struct {
	d    *json.Decoder
	kind string
}

func (w *walker) object(depth int) error {
	seen := map[string]bool{}
	for w.d.More() {
		t, err := w.d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return fmt.Errorf("not JSON: %w", vedette.ErrInvalid)
		}
		if seen[name] {
			return fmt.Errorf("member %q stands twice: %w", name, vedette.ErrInvalid)
		}
		seen[name] = true
		t, err = w.value(depth)
		if err != nil {
			return err
		}
		if s, ok := t.(string); ok && depth == 1 && name == "act" {
			w.kind = s
		}
	}
	return w.end()
}

func (w *walker) array(depth int) error {
	for w.d.More() {
		if _, err := w.value(depth); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *walker) end() error {
	if _, err := w.d.Token(); err != nil {
		return fmt.Errorf("not JSON: %w", vedette.ErrInvalid)
	}
	return nil
}

func (w *walker) value(depth int) (json.Token, error) {
	t, err := w.d.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", vedette.ErrInvalid)
	}
	switch t := t.(type) {
	case json.Delim:
		if depth >= maxDepth {
			return nil, fmt.Errorf("deeper than %d: %w", maxDepth, vedette.ErrInvalid)
		}
		if t == '{' {
			return nil, w.object(depth + 1)
		}
		return nil, w.array(depth + 1)
	case json.Number:
		n, err := strconv.ParseInt(t.String(), 10, 64)
		if err != nil || n > 1<<53-1 || n < -(1<<53-1) || t.String() == "-0" {
			return nil, fmt.Errorf("number %.20s: only whole numbers below 2^53: %w", t, vedette.ErrInvalid)
		}
	}
	return t, nil
}

// Approval is one person's signature over an act.
type Approval struct {
	Person    PersonID
	Act       vedette.Digest
	At        time.Time // whole seconds, UTC
	Signature [ed25519.SignatureSize]byte
}

// message is what is signed (docs/formats/approval.md): a domain, the act's digest, the time, the person.
func (a *Approval) message() []byte {
	b := append([]byte("vedette-approval-1\n"), a.Act[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(a.At.Unix()))
	return append(b, a.Person...)
}

func (a *Approval) verify(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, a.message(), a.Signature[:])
}

// Approve signs an act.
func Approve(act Act, person PersonID, key ed25519.PrivateKey, at time.Time) (Approval, error) {
	if act.IsZero() || len(key) != ed25519.PrivateKeySize {
		return Approval{}, fmt.Errorf("authority: approve: no act or no key: %w", vedette.ErrInvalid)
	}
	a := Approval{Person: person, Act: act.Digest(), At: at.UTC().Truncate(time.Second)}
	copy(a.Signature[:], ed25519.Sign(key, a.message()))
	return a, nil
}

type approvalJSON struct {
	Format    string         `json:"format"`
	Person    PersonID       `json:"person"`
	Act       vedette.Digest `json:"act"`
	At        string         `json:"at"`
	Signature string         `json:"signature"`
}

const approvalFormat = "vedette-approval-1"

// MarshalJSON writes the approval file's content.
func (a Approval) MarshalJSON() ([]byte, error) {
	return json.Marshal(approvalJSON{
		approvalFormat, a.Person, a.Act, a.At.UTC().Format(time.RFC3339), base64.StdEncoding.EncodeToString(a.Signature[:]),
	})
}

// ParseApproval reads an approval file, and nothing that another reader could read differently: exactly the members of the format, each once,
// each in its one writing. Blanks between them are free. Its error wraps vedette.ErrInvalid.
func ParseApproval(b []byte) (Approval, error) {
	bad := func(what string) (Approval, error) {
		return Approval{}, fmt.Errorf("authority: no approval file: %s: %w", what, vedette.ErrInvalid)
	}
	if len(b) > 4096 {
		return bad("over 4096 bytes")
	}
	if !utf8.Valid(b) {
		return bad("not UTF-8")
	}
	var f approvalJSON
	if err := json.Unmarshal(b, &f); err != nil {
		return bad("not the format's JSON")
	}
	if f.Format != approvalFormat {
		return bad("format is not " + approvalFormat)
	}
	a := Approval{Person: f.Person, Act: f.Act}
	if _, err := vedette.ParseTenant(string(f.Person)); err != nil {
		return bad("person")
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", f.At)
	if err != nil || at.Year() < 2000 {
		return bad("at: a time in UTC, whole seconds")
	}
	a.At = at
	sig, err := base64.StdEncoding.Strict().DecodeString(f.Signature)
	if err != nil || len(sig) != len(a.Signature) {
		return bad("signature: 64 bytes in base64")
	}
	copy(a.Signature[:], sig)
	want, err := json.Marshal(a)
	if err != nil {
		return bad("unwritable")
	}
	got, err1 := jcs.Transform(b)
	want, err2 := jcs.Transform(want)
	if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
		return bad("members beside or twice, or in another writing")
	}
	return a, nil
}

// GenerateKey makes a person's key pair.
func GenerateKey() (ed25519.PublicKey, ed25519.PrivateKey, error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("authority: new key: %w", err)
	}
	return pub, priv, nil
}

// WriteKey writes a private key as PEM (PKCS #8), readable by its owner alone. It never writes over a file.
func WriteKey(path string, key ed25519.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("authority: write key: %w: %w", vedette.ErrInvalid, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("authority: write key: %s exists: %w", path, vedette.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("authority: write key: %w", err)
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("authority: write key: %w", err), os.Remove(path))
	}
	return nil
}

// ReadKey reads a private key that WriteKey, or any program that writes PKCS #8, has written. A file that others can read is refused.
func ReadKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("authority: no key file %s: %w", path, vedette.ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("authority: read key: %w", err)
	}
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return nil, fmt.Errorf("authority: key file %s has mode %04o; run: chmod 600 %s: %w", path, m, path, vedette.ErrForbidden)
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<14 {
		return nil, fmt.Errorf("authority: %s is no key file: %w", path, vedette.ErrInvalid)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("authority: read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("authority: %s holds no PEM private key: %w", path, vedette.ErrInvalid)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("authority: %s holds no Ed25519 key: %w", path, vedette.ErrInvalid)
	}
	return key, nil
}
