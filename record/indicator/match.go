package indicator

import "vedette"

// Scope says how much an indicator covers. It is never widened.
type Scope uint8

// The scopes.
const (
	ScopeNone   Scope = iota
	ScopeURL          // one canonical URL, whatever its scheme, port and user part
	ScopePath         // everything below a host and a path
	ScopeHost         // one host, and the same name with "www." before it
	ScopeDomain       // a host and everything below it
)

func (s Scope) String() string {
	return [...]string{"none", "url", "path", "host", "domain"}[min(int(s), 4)]
}

// Match is one indicator of the live set that covers a link.
type Match struct {
	Number  uint32 // of the indicator in its set; Set.Entry tells the rest
	Link    int8   // index of the link in the event
	Scope   Scope
	Verdict vedette.Verdict // the strongest that it may ask for
	Weight  vedette.MilliBits
	List    vedette.RuleID // "list:SOURCE"
}
