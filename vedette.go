// Package vedette holds the words that the whole house shares: events, decisions, reasons, measures, identities, and the kinds of errors.
//
// In:     nothing; it depends on the standard library only.
// Out:    types without behaviour beyond reading, writing and redacting themselves.
// Keeps:  nothing.
// Fails:  parsers of names (kinds, verdicts, identities) name what they could not read; nothing here panics on input.
// Source: docs/ARCHITECTURE.md
package vedette

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// The kinds of errors. A room's own error wraps one of these; only the edge turns them into status codes.
// What wraps none of them is our fault: 500, and a person is told.
var (
	ErrInvalid     = errors.New("invalid")                 // the caller can mend it: the message names what and where
	ErrForbidden   = errors.New("forbidden")               // known, and not allowed
	ErrUnknown     = errors.New("not found")               // no such thing
	ErrConflict    = errors.New("conflict")                // the same name with another content
	ErrBusy        = errors.New("busy")                    // try again later; nothing was taken
	ErrTooLarge    = errors.New("too large")               // over a stated limit
	ErrUnavailable = errors.New("temporarily unavailable") // a part that we need is down; nothing was taken
)

// Tenant is one platform, or one region of it, whose people and keys are kept apart from all others'.
// It stands in every key, pseudonym, permit and path: lower-case letters, digits and hyphens, 1 to 40 of them.
type Tenant string

// ParseTenant checks a tenant's name. Its error wraps ErrInvalid.
func ParseTenant(s string) (Tenant, error) {
	if s == "" || len(s) > 40 {
		return "", fmt.Errorf("tenant %q: 1 to 40 characters: %w", s, ErrInvalid)
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "", fmt.Errorf("tenant %q: only a-z, 0-9 and -: %w", s, ErrInvalid)
		}
	}
	return Tenant(s), nil
}

// Surrogates stand for what a platform calls an account, a group, a device or a network address. The vault issues them at random,
// so nothing about the original can be computed from one; erasing the vault's mapping erases the person everywhere.
// The zero value means absent.
type (
	AccountID [16]byte
	GroupID   [16]byte
	DeviceID  [16]byte
	NetworkID [16]byte
)

// EventID is the keyed digest of the platform's own event id, under the tenant's key: the platform's id may hold a name.
type EventID [16]byte

// Digest is a SHA-256, or a keyed digest of that length where the field says so.
type Digest [32]byte

// GenerationID is the digest of everything that a decision depends on besides the event and memory (docs/formats/generation.md).
type GenerationID [16]byte

var ids = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func name(prefix string, b []byte) string { return prefix + ids.EncodeToString(b) }

func parseName(prefix, s string, b []byte) error {
	raw, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return fmt.Errorf("%q does not begin with %q: %w", s, prefix, ErrInvalid)
	}
	got, err := ids.DecodeString(raw)
	if err != nil || len(got) != len(b) {
		return fmt.Errorf("%q is not %s and %d base-32 characters: %w", s, prefix, ids.EncodedLen(len(b)), ErrInvalid)
	}
	copy(b, got)
	return nil
}

func (a AccountID) String() string    { return name("acct_", a[:]) }
func (g GroupID) String() string      { return name("grp_", g[:]) }
func (d DeviceID) String() string     { return name("dev_", d[:]) }
func (n NetworkID) String() string    { return name("net_", n[:]) }
func (e EventID) String() string      { return name("evt_", e[:]) }
func (g GenerationID) String() string { return name("gen_", g[:]) }
func (d Digest) String() string       { return hex.EncodeToString(d[:]) }

func (a AccountID) IsZero() bool    { return a == AccountID{} }
func (g GroupID) IsZero() bool      { return g == GroupID{} }
func (d DeviceID) IsZero() bool     { return d == DeviceID{} }
func (n NetworkID) IsZero() bool    { return n == NetworkID{} }
func (e EventID) IsZero() bool      { return e == EventID{} }
func (g GenerationID) IsZero() bool { return g == GenerationID{} }
func (d Digest) IsZero() bool       { return d == Digest{} }

// LogValue redacts: a log line must not join events to people, not even to pseudonyms.
func (a AccountID) LogValue() slog.Value { return slog.StringValue("acct_…") }
func (g GroupID) LogValue() slog.Value   { return slog.StringValue("grp_…") }
func (d DeviceID) LogValue() slog.Value  { return slog.StringValue("dev_…") }
func (n NetworkID) LogValue() slog.Value { return slog.StringValue("net_…") }

// MarshalText and UnmarshalText give the identities one written form in every output.
func (a AccountID) MarshalText() ([]byte, error)     { return []byte(a.String()), nil }
func (a *AccountID) UnmarshalText(b []byte) error    { return parseName("acct_", string(b), a[:]) }
func (g GroupID) MarshalText() ([]byte, error)       { return []byte(g.String()), nil }
func (g *GroupID) UnmarshalText(b []byte) error      { return parseName("grp_", string(b), g[:]) }
func (d DeviceID) MarshalText() ([]byte, error)      { return []byte(d.String()), nil }
func (d *DeviceID) UnmarshalText(b []byte) error     { return parseName("dev_", string(b), d[:]) }
func (n NetworkID) MarshalText() ([]byte, error)     { return []byte(n.String()), nil }
func (n *NetworkID) UnmarshalText(b []byte) error    { return parseName("net_", string(b), n[:]) }
func (e EventID) MarshalText() ([]byte, error)       { return []byte(e.String()), nil }
func (e *EventID) UnmarshalText(b []byte) error      { return parseName("evt_", string(b), e[:]) }
func (g GenerationID) MarshalText() ([]byte, error)  { return []byte(g.String()), nil }
func (g *GenerationID) UnmarshalText(b []byte) error { return parseName("gen_", string(b), g[:]) }
func (d Digest) MarshalText() ([]byte, error)        { return []byte(d.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error {
	got, err := hex.DecodeString(string(b))
	if err != nil || len(got) != len(d) {
		return fmt.Errorf("%q is not 64 hexadecimal digits: %w", b, ErrInvalid)
	}
	copy(d[:], got)
	return nil
}

// NewAccountID issues a surrogate from the system's random source.
func NewAccountID() AccountID { return AccountID(random()) }

// NewGroupID issues a surrogate from the system's random source.
func NewGroupID() GroupID { return GroupID(random()) }

// NewDeviceID issues a surrogate from the system's random source.
func NewDeviceID() DeviceID { return DeviceID(random()) }

// NewNetworkID issues a surrogate from the system's random source.
func NewNetworkID() NetworkID { return NetworkID(random()) }

func random() (b [16]byte) {
	_, _ = rand.Read(b[:]) // never fails since Go 1.24: it ends the program instead
	return b
}
