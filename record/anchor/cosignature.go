package anchor

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"vedette"
)

// Types of keys in C2SP signed-note.
const (
	typeEd25519     = 1
	typeCosignature = 4
)

// Cosigner is a witness's key: Ed25519, cosignature/v1.
type Cosigner struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

// NewCosigner makes a witness's key from a seed; the same seed makes the same key. The name is such as "witness.example/w1", without blanks
// and plus signs. Its error wraps vedette.ErrInvalid.
func NewCosigner(name string, seed [32]byte) (*Cosigner, error) {
	if !keyName(name) {
		return nil, fmt.Errorf("anchor: a witness's name %.60q: not empty, no blanks, no plus sign: %w", name, vedette.ErrInvalid)
	}
	c := &Cosigner{name: name, key: ed25519.NewKeyFromSeed(seed[:])}
	c.hash = keyHash(name, typeCosignature, c.public())
	return c, nil
}

func (c *Cosigner) public() []byte { return c.key.Public().(ed25519.PublicKey) }

// Name returns the key's name.
func (c *Cosigner) Name() string { return c.name }

// VerifierKey returns the public key for whoever verifies: "name+hash+key", the key of type 4.
func (c *Cosigner) VerifierKey() string {
	return fmt.Sprintf("%s+%08x+%s", c.name, c.hash, base64.StdEncoding.EncodeToString(append([]byte{typeCosignature}, c.public()...)))
}

// cosign returns the line under a checkpoint's text, which says that this is a continuation of all that the witness saw of that log before.
func (c *Cosigner) cosign(text string, at time.Time) []byte {
	b := binary.BigEndian.AppendUint32(nil, c.hash)
	b = binary.BigEndian.AppendUint64(b, uint64(at.Unix()))
	b = append(b, ed25519.Sign(c.key, cosigned(uint64(at.Unix()), text))...)
	return fmt.Appendf(nil, "— %s %s\n", c.name, base64.StdEncoding.EncodeToString(b))
}

// cosigned is what a cosignature is over (C2SP tlog-cosignature).
func cosigned(seconds uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text)
}

func keyHash(name string, kind byte, public []byte) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', kind})
	h.Write(public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func keyName(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '+' || r <= ' ' || r == 0x7f || r == 0x85 || r == 0xa0 || r >= 0x1680 && strings.TrimSpace(string(r)) == ""
	})
}

// ParseWitness reads a witness's public key, "name+hash+key". A key of type 1 (Ed25519) is taken too: it stands for the same key as a witness's, as
// other readers of the format take it. Its error wraps vedette.ErrInvalid.
func ParseWitness(s string) (note.Verifier, error) {
	bad := fmt.Errorf("anchor: %.80q is no witness's key: want NAME+HASH+KEY of type 4 (cosignature/v1): %w", s, vedette.ErrInvalid)
	name, rest, _ := strings.Cut(strings.TrimSpace(s), "+")
	hash, key64, _ := strings.Cut(rest, "+")
	want, err := strconv.ParseUint(hash, 16, 32)
	if err != nil || len(hash) != 8 || !keyName(name) {
		return nil, bad
	}
	key, err := base64.StdEncoding.Strict().DecodeString(key64)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != typeCosignature && key[0] != typeEd25519 || keyHash(name, key[0], key[1:]) != uint32(want) {
		return nil, bad
	}
	return &cosignatures{name, keyHash(name, typeCosignature, key[1:]), key[1:]}, nil
}

// cosignatures is a note.Verifier of one witness's lines.
type cosignatures struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (v *cosignatures) Name() string    { return v.name }
func (v *cosignatures) KeyHash() uint32 { return v.hash }
func (v *cosignatures) Verify(msg, sig []byte) bool {
	return len(sig) == 8+ed25519.SignatureSize && ed25519.Verify(v.key, cosigned(binary.BigEndian.Uint64(sig), string(msg)), sig[8:])
}

// verifyCosignature checks a witness's line: one, under the text of this checkpoint, by a witness that is believed.
func verifyCosignature(checkpoint, line []byte, witnesses []note.Verifier) (At, error) {
	if !bytes.HasPrefix(line, []byte("— ")) || bytes.IndexByte(line, '\n') != len(line)-1 {
		return At{}, fmt.Errorf("%w: a cosignature is one line of a note", ErrUnfit)
	}
	text, signatures, _ := strings.Cut(string(checkpoint), "\n\n")
	if strings.Contains(signatures, "\n\n") { // a note's text ends at its last empty line, a checkpoint's has none
		return At{}, fmt.Errorf("%w: a checkpoint with an empty line", ErrUnfit)
	}
	n, err := note.Open(append([]byte(text+"\n\n"), line...), note.VerifierList(witnesses...))
	if err != nil {
		return At{}, fmt.Errorf("%w: cosignature: %w", ErrUnfit, err)
	}
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return At{}, fmt.Errorf("%w: a cosignature is one line of a note", ErrUnfit)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	if err != nil || len(b) != 4+8+ed25519.SignatureSize {
		return At{}, fmt.Errorf("%w: %s's line is no cosignature/v1", ErrUnfit, n.Sigs[0].Name)
	}
	seconds := binary.BigEndian.Uint64(b[4:])
	if seconds == 0 || seconds > 1<<40 {
		return At{}, fmt.Errorf("%w: a cosignature at %d seconds", ErrUnfit, seconds)
	}
	return At{Time: time.Unix(int64(seconds), 0).UTC(), By: n.Sigs[0].Name}, nil
}

// AddRequest writes what a log sends to a witness (C2SP tlog-witness, add-checkpoint): the size that the witness has cosigned, the proof from there,
// and the checkpoint.
func AddRequest(old uint64, proof []vedette.Digest, checkpoint []byte) []byte {
	b := fmt.Appendf(nil, "old %d\n", old)
	for _, p := range proof {
		b = append(b, base64.StdEncoding.EncodeToString(p[:])...)
		b = append(b, '\n')
	}
	return append(append(b, '\n'), checkpoint...)
}

// Cosigned reads what a witness answered, which may be several lines, and gives the anchor of the first witness among them that is believed.
// Its error wraps ErrUnfit.
func Cosigned(checkpoint, answer []byte, witnesses ...note.Verifier) (Anchor, At, error) {
	err := fmt.Errorf("%w: the witness answered with no signature", ErrUnfit)
	if len(answer) > MaxToken {
		return Anchor{}, At{}, fmt.Errorf("%w: an answer of %d bytes", ErrUnfit, len(answer))
	}
	for line := range bytes.Lines(answer) {
		a := Anchor{KindCosignature, slices.Clone(checkpoint), slices.Clone(line)}
		var at At
		if at, err = a.Verify(Trust{Witnesses: witnesses}); err == nil {
			return a, at, nil
		}
	}
	return Anchor{}, At{}, err
}
