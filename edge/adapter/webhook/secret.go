package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"vedette"
)

// Secret is the key that requests are signed with. It shows itself to nobody.
type Secret struct{ key []byte }

const secretPrefix = "whsec_"

// ParseSecret reads "whsec_" and 24 to 64 bytes in base64. Its error wraps vedette.ErrInvalid and repeats nothing of it.
func ParseSecret(s string) (Secret, error) {
	raw, ok := strings.CutPrefix(s, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(raw)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return Secret{}, fmt.Errorf("webhook: a secret is %s and 24 to 64 bytes in base64: %w", secretPrefix, vedette.ErrInvalid)
	}
	return Secret{key}, nil
}

// NewSecret makes a secret of 32 random bytes and returns its written form, which the platform needs too.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

func (Secret) String() string       { return secretPrefix + "…" }
func (Secret) GoString() string     { return secretPrefix + "…" }
func (Secret) LogValue() slog.Value { return slog.StringValue(secretPrefix + "…") }

// MarshalText hides it from whatever writes configurations out.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what ParseSecret reads.
func (s *Secret) UnmarshalText(b []byte) (err error) { *s, err = ParseSecret(string(b)); return err }

// sign returns the header webhook-signature: one signature for each secret, newest first, so that a receiver may change its own at any time
// while both are configured.
func sign(secrets []Secret, id string, at time.Time, body []byte) string {
	var out []string
	for _, s := range secrets {
		h := hmac.New(sha256.New, s.key)
		h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		h.Write(body)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(out, " ")
}
