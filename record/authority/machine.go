package authority

import (
	"fmt"
	"strings"
	"time"

	"vedette"
)

// Scope is a set of things that a machine may do. The set of scopes is closed.
type Scope uint8

// The scopes. Their values are kept in stores: append, never reorder.
const (
	ScopeDecide  Scope = 1 << iota // ask for a decision while a sender waits
	ScopeEvents                    // send batches of events
	ScopeReports                   // send what users report
	ScopeRead                      // read decisions, indicators and counts
	ScopeAdmin                     // change what machines may do, indicators and rules; never what needs two people
)

var scopeNames = [...]string{"decide", "events", "reports", "read", "admin"}

// Names returns the names of the scopes in the set, in the order of the constants.
func (s Scope) Names() []string {
	var out []string
	for i, n := range scopeNames {
		if s&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

func (s Scope) String() string { return strings.Join(s.Names(), ",") }

// Has tells whether every scope of want is in s. Asking for nothing is answered with no.
func (s Scope) Has(want Scope) bool { return want != 0 && s&want == want }

// ParseScope reads names between commas. Its error wraps vedette.ErrInvalid and names what is no scope.
func ParseScope(text string) (Scope, error) {
	var s Scope
next:
	for f := range strings.SplitSeq(text, ",") {
		f = strings.TrimSpace(f)
		for i, n := range scopeNames {
			if f == n {
				s |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("authority: scope %q: one of %s: %w", f, strings.Join(scopeNames[:], ", "), vedette.ErrInvalid)
	}
	return s, nil
}

// MarshalText writes the names between commas.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the names between commas.
func (s *Scope) UnmarshalText(b []byte) (err error) { *s, err = ParseScope(string(b)); return err }

// Machine is a program that may speak to us: what is kept about its key. The key itself is shown once, when it is made, and kept nowhere.
type Machine struct {
	ID       string         `json:"id"` // 13 base-32 characters, at random; no secret
	Tenant   vedette.Tenant `json:"tenant"`
	Platform string         `json:"platform"` // the platform's name in events that come through this key
	Scopes   Scope          `json:"scopes"`
	Rate     float64        `json:"rate,omitzero"`  // events a second; 0: no limit
	Burst    int            `json:"burst,omitzero"` // events at once; 0: one second's worth
	Created  time.Time      `json:"created"`
	Expires  time.Time      `json:"expires,omitzero"` // zero: never
	Revoked  time.Time      `json:"revoked,omitzero"` // zero: not
	Secret   vedette.Digest `json:"-"`                // SHA-256 of the 32 random bytes of the key
}

// Live says why the machine's key opens nothing at a time, or nil. Its error wraps vedette.ErrForbidden.
func (m *Machine) Live(at time.Time) error {
	switch {
	case !m.Revoked.IsZero() && !at.Before(m.Revoked):
		return fmt.Errorf("authority: machine %s: key revoked at %s: %w", m.ID, m.Revoked.UTC().Format(time.RFC3339), vedette.ErrForbidden)
	case !m.Expires.IsZero() && !at.Before(m.Expires):
		return fmt.Errorf("authority: machine %s: key expired at %s: %w", m.ID, m.Expires.UTC().Format(time.RFC3339), vedette.ErrForbidden)
	}
	return nil
}
