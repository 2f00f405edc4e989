// Package indicator knows the links and hosts that are bad, who says so, until when.
//
// In:     files of indicators as they are found in the wild (STIX bundles, MISP events, tables, lists), decisions of people.
// Out:    indicators with a scope that is never widened, and a Set that finds those that cover a link, in well under a microsecond.
// Keeps:  through a Store, every indicator with its history; in a Set at most 32 bytes for each indicator and no text of it.
// Fails:  an import takes what it can and names file, place and reason of everything else; a Guard refuses what would stop the innocent.
// Source: docs/decisions/0006-indicators.md
package indicator

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"vedette"
	"vedette/link"
)

// Indicator is one statement of one source: this name, within this scope, is bad.
type Indicator struct {
	Value      string // in the form that Canonical gives; never shown to people undefanged
	Scope      Scope
	Source     string // who published it, as the importing person named the source
	Operator   string // whom or what the source itself names: an operator, a vendor, or failing that a product; "" when it names none
	Grade      Admiralty
	Confidence Confidence // in the statement being right, as the source says
	TLP        TLP
	ValidFrom  time.Time // zero: always was
	ValidUntil time.Time // zero: no end; at this moment it has ended
	KnownFrom  time.Time // when this house first had it from this source
	Published  time.Time // when the source published it; zero: it does not say
	Verdict    vedette.Verdict
	Weight     vedette.MilliBits // log2 odds, thousandths
	Original   string            // as the source wrote it, a whole pattern included
	Ref        string            // the source's own id of it
	Note       string            // the source's comment, and what was dropped or narrowed
	Override   bool              // it stands against the guard by two people's word
}

// Admiralty is a source grade: reliability of the source A to F, credibility of the statement 1 to 6. The zero value is F6: neither can be judged.
type Admiralty struct {
	reliability, credibility uint8 // 1 to 5; 0 is 6, so that a grade has one form
}

// ParseAdmiralty reads "A1" to "F6", in either case. Its error wraps vedette.ErrInvalid.
func ParseAdmiralty(s string) (Admiralty, error) {
	u := strings.ToUpper(s)
	if len(u) != 2 || u[0] < 'A' || u[0] > 'F' || u[1] < '1' || u[1] > '6' {
		return Admiralty{}, fmt.Errorf("indicator: grade %q: a letter A to F and a digit 1 to 6: %w", s, vedette.ErrInvalid)
	}
	return Admiralty{(u[0] - 'A' + 1) % 6, (u[1] - '0') % 6}, nil
}

func (a Admiralty) known() (r, c uint8) {
	r, c = a.reliability, a.credibility
	if r == 0 || r > 6 {
		r = 6
	}
	if c == 0 || c > 6 {
		c = 6
	}
	return r, c
}

func (a Admiralty) String() string {
	r, c := a.known()
	return string([]byte{'A' + r - 1, '0' + c})
}

// MarshalText writes the grade.
func (a Admiralty) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the grade.
func (a *Admiralty) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAdmiralty(string(b))
	return err
}

// Confidence is 0 to 100, or absent. The zero value is absent.
type Confidence uint8

// ConfidenceOf makes a confidence. Its error wraps vedette.ErrInvalid.
func ConfidenceOf(percent int) (Confidence, error) {
	if percent < 0 || percent > 100 {
		return 0, fmt.Errorf("indicator: confidence %d: 0 to 100: %w", percent, vedette.ErrInvalid)
	}
	return Confidence(percent + 1), nil
}

// Percent returns the confidence, and whether there is one.
func (c Confidence) Percent() (int, bool) { return int(c) - 1, c != 0 }

func (c Confidence) String() string {
	if p, ok := c.Percent(); ok {
		return fmt.Sprint(p)
	}
	return ""
}

// TLP is a Traffic Light Protocol 2.0 label. Stricter is larger; zero is unmarked.
type TLP uint8

// The labels.
const (
	TLPNone TLP = iota
	TLPClear
	TLPGreen
	TLPAmber
	TLPAmberStrict
	TLPRed
)

var tlps = [...]struct{ name, v2, v1 string }{
	TLPNone:        {},
	TLPClear:       {"TLP:CLEAR", "94868c89-83c2-464b-929b-a1a8aa3c8487", "613f2e26-407d-48c7-9eca-b8e91df99dc9"},
	TLPGreen:       {"TLP:GREEN", "bab4a63c-aed9-4cf5-a766-dfca5abac2bb", "34098fce-860f-48ae-8e50-ebd3cc5e41da"},
	TLPAmber:       {"TLP:AMBER", "55d920b0-5e8b-4f79-9ee9-91f868d9b421", "f88d31f6-486f-44da-b317-01333bde0b82"},
	TLPAmberStrict: {"TLP:AMBER+STRICT", "939a9414-2ddd-4d32-a0cd-375ea402b003", ""},
	TLPRed:         {"TLP:RED", "e828b379-4e03-4974-9ac4-e53a884c97c1", "5e57c739-391a-4eb3-b6be-7d15ca92d5ed"},
}

func (t TLP) String() string { return tlps[min(t, TLPRed)].name }

// MarkingID returns the STIX id of the TLP 2.0 marking, or "".
func (t TLP) MarkingID() string {
	if t == TLPNone || t > TLPRed {
		return ""
	}
	return "marking-definition--" + tlps[t].v2
}

// ParseTLP reads a label in any of its spellings ("TLP:CLEAR", "tlp:white", "amber+strict") or a STIX marking id of TLP 1 or 2.
// Its error wraps vedette.ErrInvalid.
func ParseTLP(s string) (TLP, error) {
	t := strings.ToUpper(strings.TrimSpace(s))
	if id, ok := strings.CutPrefix(t, "MARKING-DEFINITION--"); ok {
		id = strings.ToLower(id)
		for i := TLPClear; i <= TLPRed; i++ {
			if tlps[i].v2 == id || tlps[i].v1 == id {
				return i, nil
			}
		}
	}
	t = strings.Trim(strings.TrimPrefix(t, "TLP"), ":= \"")
	switch t {
	case "":
	case "WHITE":
		return TLPClear, nil
	case "EX:CHR":
		return TLPRed, nil
	default:
		for i := TLPClear; i <= TLPRed; i++ {
			if strings.TrimPrefix(tlps[i].name, "TLP:") == t {
				return i, nil
			}
		}
	}
	return TLPNone, fmt.Errorf("indicator: marking %q is not a TLP label: %w", s, vedette.ErrInvalid)
}

// DefaultVerdict is the strongest verdict that a source of this grade may ask for unless a person says otherwise. It never holds or
// blocks by itself: that needs a person, or corroboration.
//
//	A1 A2 B1             warn   reliable, and confirmed or probably true
//	all others, F6 too   allow  observed only: counted and shown, never felt by anyone
//
// This spares the people whose names stand on a careless list and costs those whom a good new source would have warned.
func DefaultVerdict(g Admiralty) vedette.Verdict {
	if r, c := g.known(); r+c <= 3 {
		return vedette.Warn
	}
	return vedette.Allow
}

// DefaultWeight is what a match with an indicator of this grade and confidence says, in thousandths of a bit: the sum of
//
//	A 10.0  B 8.0  C 5.0  D 2.0  E 0.0  F 3.0   bits for the source
//	1 10.0  2 7.0  3 4.0  4 1.0  5 0.0  6 2.0   bits for the statement
//
// times the confidence where there is one. Chosen by hand; calibration may replace it.
func DefaultWeight(g Admiralty, c Confidence) vedette.MilliBits {
	r, cr := g.known()
	w := [...]vedette.MilliBits{10000, 8000, 5000, 2000, 0, 3000}[r-1] + [...]vedette.MilliBits{10000, 7000, 4000, 1000, 0, 2000}[cr-1]
	if p, ok := c.Percent(); ok {
		w = w * vedette.MilliBits(p) / 100
	}
	return w
}

// Label says in words for people whose statement this is. It never says who is behind a link.
func Label(source string, published, known time.Time) string {
	switch {
	case !published.IsZero():
		return "as published by " + source + " on " + published.UTC().Format(time.DateOnly)
	case !known.IsZero():
		return "as published by " + source + ", received on " + known.UTC().Format(time.DateOnly)
	}
	return "as published by " + source
}

// Label returns the indicator's label.
func (in *Indicator) Label() string { return Label(in.Source, in.Published, in.KnownFrom) }

// List returns the rule id under which matches are counted and armed.
func (in *Indicator) List() vedette.RuleID { return vedette.RuleID("list:" + in.Source) }

// Key identifies a statement: the same name in the same scope by the same source.
type Key [16]byte

// Key returns the identity of the indicator.
func (in *Indicator) Key() Key {
	b := make([]byte, 0, 256)
	b = append(b, byte(in.Scope))
	b = append(b, in.Source...)
	b = append(b, 0)
	b = append(b, in.Value...)
	return Key(sum128(b))
}

// errNoLink says that a value is no link or host at all.
var errNoLink = fmt.Errorf("not a host, address or URL: %w", vedette.ErrInvalid)

// maxValue bounds a value, as the door bounds a URL: 8 KiB.
const maxValue = 8 << 10

// Canonical returns the matching form of a value in a scope. Hosts: "evil.example", "192.0.2.1", "[2001:db8::1]", with ":8443" where a port
// that is no web default is part of the statement. Paths: host and path, no slash at the end. URLs: host, path and query, without scheme,
// port, user and fragment. Its error wraps vedette.ErrInvalid.
func Canonical(value string, scope Scope) (string, error) {
	if len(value) > maxValue {
		return "", fmt.Errorf("indicator: value of %d bytes: at most %d: %w", len(value), maxValue, vedette.ErrTooLarge)
	}
	switch scope {
	case ScopeHost, ScopeDomain:
		host, port, err := hostPort(value)
		if err != nil {
			return "", err
		}
		if port != "" {
			if scope == ScopeDomain {
				return "", fmt.Errorf("indicator: %q: a port does not go with scope domain: %w", value, vedette.ErrInvalid)
			}
			return stripWWW(host) + ":" + port, nil
		}
		if scope == ScopeHost {
			host = stripWWW(host)
		}
		return host, nil
	case ScopeURL, ScopePath:
		u, err := link.Parse(withScheme(value))
		if err != nil {
			return "", fmt.Errorf("indicator: %q: %w", value, err)
		}
		host, rest := split(&u)
		if err := checkHost(host); err != nil {
			return "", fmt.Errorf("indicator: %q: %w", value, err)
		}
		if scope == ScopePath {
			if strings.Contains(rest, "?") {
				return "", fmt.Errorf("indicator: %q: a query does not go with scope path: %w", value, vedette.ErrInvalid)
			}
			rest = strings.TrimRight(rest, "/")
			if rest == "" {
				return "", fmt.Errorf("indicator: %q: scope path needs a path; scope host covers the whole host: %w", value, vedette.ErrInvalid)
			}
			if strings.Count(rest, "/") > maxSegments {
				return "", fmt.Errorf("indicator: %q: more than %d path segments: %w", value, maxSegments, vedette.ErrInvalid)
			}
		}
		return stripWWW(host) + rest, nil
	}
	return "", fmt.Errorf("indicator: scope %s: %w", scope, vedette.ErrInvalid)
}

func withScheme(s string) string {
	if i := strings.Index(s, "://"); i > 0 && i < 12 {
		return s
	}
	return "https://" + s
}

// split returns the host of a read link, and its canonical path and query.
func split(u *link.URL) (host, rest string) {
	c := u.Canonical()
	host = u.Host()
	i := strings.Index(c, "://")
	if i < 0 {
		return host, ""
	}
	c = c[i+3:]
	if j := strings.IndexAny(c, "/?"); j >= 0 {
		return host, c[j:]
	}
	return host, "/"
}

// portOf returns the port that a canonical URL names, or "" where it is the scheme's own.
func portOf(canonical string) string {
	i := strings.Index(canonical, "://")
	if i < 0 {
		return ""
	}
	s := canonical[i+3:]
	if j := strings.IndexAny(s, "/?"); j >= 0 {
		s = s[:j]
	}
	i = strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], ']') >= 0 {
		return ""
	}
	return s[i+1:]
}

// hostPort reads "host", "host:port" or an address in either form, without allocating for what is canonical already.
func hostPort(s string) (host, port string, err error) {
	if plainHost(s) {
		return s, "", nil
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Is6() {
		if a.Zone() != "" {
			return "", "", fmt.Errorf("indicator: %q: an address with a zone: %w", s, vedette.ErrInvalid)
		}
		s = "[" + a.Unmap().String() + "]"
		if a.Is4In6() {
			s = a.Unmap().String()
		}
	}
	if i := strings.IndexAny(s, "/?#@\\ \t<>\"|^`{}"); i >= 0 {
		return "", "", fmt.Errorf("indicator: %q is no host name: %w", s, errNoLink)
	}
	u, err := link.Parse("https://" + s)
	if err != nil {
		return "", "", fmt.Errorf("indicator: %q: %w", s, err)
	}
	if err := checkHost(u.Host()); err != nil {
		return "", "", fmt.Errorf("indicator: %q: %w", s, err)
	}
	port = portOf(u.Canonical())
	if port == "80" { // a web default; 443 is left out of the canonical form already
		port = ""
	}
	return u.Host(), port, nil
}

// plainHost tells whether s is a host name in matching form already: lower-case letters, digits, hyphens, underscores, at least two labels,
// nothing internationalised, and no address.
func plainHost(s string) bool {
	if len(s) > 253 || len(s) < 3 {
		return false
	}
	label, dots, prev := 0, 0, byte('.')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			label++
		case c == '-':
			if prev == '-' || prev == '.' {
				return false // leave A-labels and oddities to the library
			}
			label++
		case c == '.':
			if label == 0 || label > 63 || prev == '-' {
				return false
			}
			label, dots = 0, dots+1
		default:
			return false
		}
		prev = s[i]
	}
	if dots == 0 || label == 0 || label > 63 || prev == '-' {
		return false
	}
	last := s[strings.LastIndexByte(s, '.')+1]
	return last < '0' || last > '9' // a last label that begins with a digit may be an address in some base
}

func checkHost(h string) error {
	if h == "" {
		return errNoLink
	}
	if h[0] == '[' || isIPv4(h) {
		return nil
	}
	if !strings.Contains(h, ".") {
		return fmt.Errorf("a single label is no host on the internet: %w", errNoLink)
	}
	return nil
}

// isIPv4 tells whether a host in matching form is an IPv4 address: the URL standard lets only addresses end in a numeric label.
func isIPv4(h string) bool {
	last := h[strings.LastIndexByte(h, '.')+1:]
	return last != "" && last[0] >= '0' && last[0] <= '9' && strings.Trim(last, "0123456789") == "" && strings.Count(h, ".") == 3
}

// address returns the address that a host in matching form is.
func address(h string) (netip.Addr, bool) {
	if h == "" || h[0] != '[' && !isIPv4(h) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.Trim(h, "[]"))
	return a, err == nil
}

// stripWWW drops a leading "www." unless what follows could not be registered: "www.example" stays, being itself a registered name.
func stripWWW(host string) string {
	if rest, ok := strings.CutPrefix(host, "www."); ok && strings.IndexByte(rest, '.') > 0 && link.Registrable(host) != host {
		return rest
	}
	return host
}

// hostOf returns the host in a canonical value.
func hostOf(value string) string {
	end := len(value)
	if i := strings.IndexAny(value, "/?"); i >= 0 {
		end = i
	}
	h := value[:end]
	if i := strings.LastIndexByte(h, ':'); i >= 0 && strings.IndexByte(h[i:], ']') < 0 {
		h = h[:i]
	}
	return h
}
