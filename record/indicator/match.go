package indicator

import (
	"fmt"

	"vedette"
)

// Scope says how much an indicator covers. It is never widened.
type Scope uint8

// The scopes. On url, path and host a leading "www." makes no difference, unless it is itself what was registered ("www.example").
const (
	ScopeNone   Scope = iota
	ScopeURL          // one canonical URL, whatever its scheme, port and user part
	ScopePath         // everything below a host and a path
	ScopeHost         // one host, and the same name with "www." before it; where a port is given, only links that name that port
	ScopeDomain       // a host and everything below it
)

func (s Scope) String() string {
	return [...]string{"none", "url", "path", "host", "domain"}[min(int(s), 4)]
}

// ParseScope reads a scope's name. Its error wraps vedette.ErrInvalid.
func ParseScope(s string) (Scope, error) {
	for sc := ScopeURL; sc <= ScopeDomain; sc++ {
		if sc.String() == s {
			return sc, nil
		}
	}
	return ScopeNone, fmt.Errorf("indicator: scope %q: url, path, host or domain: %w", s, vedette.ErrInvalid)
}

// MarshalText writes the name.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name, or "none".
func (s *Scope) UnmarshalText(b []byte) (err error) {
	if string(b) == ScopeNone.String() {
		*s = ScopeNone
		return nil
	}
	*s, err = ParseScope(string(b))
	return err
}

// Match is one indicator of the live set that covers a link.
type Match struct {
	Number  uint32 // of the indicator in its set; Set.Entry tells the rest
	Link    int8   // index of the link in the event; the caller of Set.Match sets it
	Scope   Scope
	Verdict vedette.Verdict // the strongest that it may ask for
	Weight  vedette.MilliBits
	List    vedette.RuleID // "list:SOURCE"
}
