package enrichment

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
)

// MinPart is how many bytes a part of a name has at least to be looked for: shorter ones stand in nearly every name.
const MinPart = 3

// MaxValue bounds a value, in bytes; MaxSource the name of a source.
const (
	MaxValue  = 256
	MaxSource = 64
)

// Kinds returns every kind, in the order of their words.
func Kinds() []Kind {
	return []Kind{Address, Origin, Certificate, Issuer, NameServer, Registered, Registrar, NewlySeen}
}

// ParseKind reads a kind's word. Its error wraps vedette.ErrInvalid.
func ParseKind(s string) (Kind, error) {
	if k := Kind(strings.ToLower(s)); slices.Contains(Kinds(), k) {
		return k, nil
	}
	return "", fmt.Errorf("enrichment: kind %.40q: address, asn, certificate, issuer, ns, registered, registrar or seen: %w", s, vedette.ErrInvalid)
}

// timeLayout is RFC 3339 in UTC to the second: it sorts by time.
const timeLayout = "2006-01-02T15:04:05Z"

// Host brings a name into the form that facts know it by: lower case, A-labels, no trailing dot. A wildcard stands for the name below which it
// holds; what a feed writes defanged is read. An address is no name. Its error wraps vedette.ErrInvalid.
func Host(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "*."), ".")
	if plain(s) {
		return s, nil
	}
	if len(s) > 1024 || strings.ContainsAny(s, "/?#@ \t\\:") {
		return "", fmt.Errorf("enrichment: %.80q is no host name: %w", s, vedette.ErrInvalid)
	}
	u, err := link.Parse("https://" + link.Refang(s) + "/")
	if err != nil {
		return "", fmt.Errorf("enrichment: %.80q is no host name: %w", s, vedette.ErrInvalid)
	}
	h := u.Host()
	if !strings.Contains(h, ".") || h[0] == '[' || len(h) > 253 || u.Shape().Flags.Has(vedette.ShapeAddress) {
		return "", fmt.Errorf("enrichment: %.80q is no host name on the internet: %w", s, vedette.ErrInvalid)
	}
	return h, nil
}

// plain tells whether a name is in the known form already: lower-case letters, digits and inner hyphens, two labels at least, no address.
func plain(s string) bool {
	if len(s) < 3 || len(s) > 253 {
		return false
	}
	label, dots, prev := 0, 0, byte('.')
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			label++
		case c == '-':
			if prev == '-' || prev == '.' {
				return false
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
	last := s[strings.LastIndexByte(s, '.')+1:]
	return dots > 0 && label > 0 && label <= 63 && prev != '-' && (last[0] < '0' || last[0] > '9')
}

// Body returns the labels of a name above its public suffix, in which parts are looked for: "www.fr24cast" of "www.fr24cast.example".
func Body(host string) string {
	suffix, _ := link.PublicSuffix(host)
	return strings.TrimSuffix(strings.TrimSuffix(host, suffix), ".")
}

// Canonical brings a fact into the form in which facts are kept and compared. Its error wraps vedette.ErrInvalid and names the field.
func Canonical(f Fact) (Fact, error) {
	var err error
	if f.Host, err = Host(f.Host); err != nil {
		return Fact{}, err
	}
	f.Value = strings.TrimSpace(f.Value)
	bad := func(what string) (Fact, error) {
		return Fact{}, fmt.Errorf("enrichment: %s: %s %.80q: %s: %w", f.Host, f.Kind, f.Value, what, vedette.ErrInvalid)
	}
	switch f.Kind {
	case NameServer:
		if f.Value, err = Host(f.Value); err != nil {
			return bad("is no host name")
		}
	case Registrar, Issuer:
		f.Value = strings.ToLower(strings.Join(strings.Fields(strings.TrimSuffix(f.Value, ".")), " "))
		if f.Value == "" {
			return bad("is empty")
		}
		if strings.ContainsFunc(f.Value, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			return bad("has a character that is none")
		}
	case Registered:
		t := parseTime(f.Value)
		if t.IsZero() {
			return bad("is no date")
		}
		f.Value = t.Format(timeLayout)
	case Certificate:
		f.Value = strings.ToLower(strings.ReplaceAll(f.Value, ":", ""))
		if len(f.Value) != 64 || strings.Trim(f.Value, "0123456789abcdef") != "" {
			return bad("is no SHA-256 in hexadecimal")
		}
	case Address:
		a, err := netip.ParseAddr(strings.Trim(f.Value, "[]"))
		if err != nil || a.Zone() != "" {
			return bad("is no address")
		}
		f.Value = a.Unmap().String()
	case Origin:
		f.Value = strings.TrimLeft(strings.TrimPrefix(strings.ToLower(f.Value), "as"), "0")
		if len(f.Value) == 0 || len(f.Value) > 10 || strings.Trim(f.Value, "0123456789") != "" {
			return bad("is no AS number")
		}
	case NewlySeen:
		f.Value = ""
	default:
		return Fact{}, fmt.Errorf("enrichment: %s: kind %.40q is none: %w", f.Host, string(f.Kind), vedette.ErrInvalid)
	}
	if len(f.Value) > MaxValue {
		return bad(fmt.Sprintf("is over %d bytes", MaxValue))
	}
	if err := checkSource(f.Source); err != nil {
		return Fact{}, fmt.Errorf("enrichment: %s: %w", f.Host, err)
	}
	f.First, f.Last = tidy(f.First), tidy(f.Last)
	if !f.First.IsZero() && !f.Last.IsZero() && f.Last.Before(f.First) {
		return bad("ends before it begins")
	}
	return f, nil
}

// tidy brings a time to what is kept: milliseconds, UTC.
func tidy(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func checkSource(s string) error {
	if s == "" || len(s) > MaxSource || strings.TrimSpace(s) != s {
		return fmt.Errorf("source %.80q: 1 to %d bytes, no space at its ends: %w", s, MaxSource, vedette.ErrInvalid)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune("\"'<>\\", r) }) {
		return fmt.Errorf("source %.80q: a character in it may not stand there: %w", s, vedette.ErrInvalid)
	}
	return nil
}

// Merge widens a fact by another of the same host, kind, value and source: the earliest first, the latest last.
func Merge(f *Fact, by Fact) {
	if f.First.IsZero() || !by.First.IsZero() && by.First.Before(f.First) {
		f.First = by.First
	}
	if by.Last.After(f.Last) {
		f.Last = by.Last
	}
}

// Network returns the /24 or /48 of an address in canonical form, as the network's address and length; "" when it is no address. It is how
// Within compares.
func Network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// Compare orders facts by host, kind, value and source.
func Compare(a, b Fact) int {
	if c := strings.Compare(a.Host, b.Host); c != 0 {
		return c
	}
	if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
		return c
	}
	if c := strings.Compare(a.Value, b.Value); c != 0 {
		return c
	}
	return strings.Compare(a.Source, b.Source)
}

// parseTime reads the times of feeds: RFC 3339, dates, and Unix seconds or milliseconds. What it cannot read is zero.
func parseTime(s string) time.Time {
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}
	}
	if n, ok := whole(s); ok {
		switch {
		case len(s) == 8: // 20260211
			if t, err := time.Parse("20060102", s); err == nil {
				return t
			}
		case n > 0 && n < 100_000_000_000:
			return time.Unix(n, 0).UTC()
		case n < 100_000_000_000_000:
			return time.UnixMilli(n).UTC()
		}
		return time.Time{}
	}
	for _, layout := range [...]string{time.RFC3339Nano, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05 UTC", "02-Jan-2006"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1969 && t.Year() < 10_000 {
			return t.UTC()
		}
	}
	return time.Time{}
}

func whole(s string) (n int64, ok bool) {
	if s == "" || len(s) > 15 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
