package link

import (
	"math"
	"strings"

	"vedette"
)

// describe fills in what follows from the canonical form and the host: the registrable domain and the shape. The path begins at path in the
// canonical form.
func (u *URL) describe(path int, flags vedette.ShapeFlag) {
	s := &u.shape
	s.Length = uint16(min(len(u.canonical), math.MaxUint16))
	kind := suffixUnlisted
	switch {
	case u.host == "":
		flags |= vedette.ShapeNoReferrable
	case address(u.host):
		flags |= vedette.ShapeAddress
	default:
		var at int
		at, kind = suffixes().find(u.host)
		u.registrable = registrable(u.host, at)
		labels := 1 + strings.Count(u.host, ".")
		s.HostLabels = uint8(min(labels, math.MaxUint8))
		if u.registrable == "" {
			flags |= vedette.ShapeNoReferrable
		} else if strings.Count(u.host[:len(u.host)-len(u.registrable)], ".") >= 4 {
			flags |= vedette.ShapeLongHost
		}
		if strings.Contains(u.host, "xn--") {
			flags |= look(u.host)
		}
		flags |= u.known(kind)
	}
	s.Flags = flags
	u.measure(path)
}

// known looks the host up in the tables of shorteners, redirectors and hosters.
func (u *URL) known(kind suffixKind) (flags vedette.ShapeFlag) {
	if kind == suffixPrivate {
		flags |= vedette.ShapeSharedHost
	}
	name := u.registrable
	if name == "" {
		name = u.host
	}
	if !familiar(name) {
		return flags
	}
	host := strings.TrimPrefix(u.host, "www.")
	if shorteners[host] || (kind != suffixPrivate && shorteners[u.registrable]) {
		flags |= vedette.ShapeShortener
	}
	for name := u.host; ; {
		if prefix, ok := redirectors[name]; ok && strings.HasPrefix(u.match, prefix) {
			flags |= vedette.ShapeShortener
		}
		_, parent, ok := strings.Cut(name, ".")
		if !ok || len(parent) < len(u.registrable) {
			break
		}
		name = parent
	}
	if _, ok := hosters[host]; ok {
		flags |= vedette.ShapeSharedHost
	} else if subdomainHosters[u.registrable] && host != u.registrable {
		flags |= vedette.ShapeSharedHost
	}
	return flags
}

// HostTenant returns the party behind a link on a host that many parties share: for a hoster that gives each a name of its own, that name
// ("blog.github.io"); for one that gives each a place in the path, host and place ("docs.google.com/1aB…"). Elsewhere it is "".
func (u *URL) HostTenant() string {
	if u.host == "" || u.registrable == "" || u.shape.Flags&vedette.ShapeSharedHost == 0 {
		return ""
	}
	host := strings.TrimPrefix(u.host, "www.")
	words, ok := hosters[host]
	if !ok {
		if subdomainHosters[u.registrable] {
			// The label next to the hoster's own name is the tenant.
			below := strings.TrimSuffix(u.host, "."+u.registrable)
			return u.host[strings.LastIndexByte(below, '.')+1:]
		}
		return u.registrable // the suffix is the hoster's: the name below it is the tenant's
	}
	path, _, _ := strings.Cut(u.match, "?")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || connecting(words, segment) {
			continue
		}
		return host + "/" + segment
	}
	return ""
}

// connecting tells whether a path segment is one of the hoster's own words rather than a tenant's name.
func connecting(words, segment string) bool {
	if words == "" {
		return false
	}
	for word := range strings.FieldsSeq(words) {
		if word == segment || (word == "#" && len(segment) == 1 && isDigit(segment[0])) {
			return true
		}
	}
	return false
}

// measure fills in the numbers of the shape.
func (u *URL) measure(path int) {
	s := &u.shape
	text := u.canonical[path:]
	var segments, keys, tokens int
	var entropy uint32
	from, query := 0, false
	for i := 0; i <= len(text); i++ {
		if i < len(text) {
			c := text[i]
			if !query {
				if c != '/' && c != '?' {
					continue
				}
			} else if c != '&' && c != '=' && c != '/' {
				continue
			}
		}
		if n := i - from; n > 0 {
			if !query {
				segments++
			} else if from > 0 && (text[from-1] == '?' || text[from-1] == '&') {
				keys++
			}
			if n >= minToken {
				segment := text[from:i]
				if tokenLike(segment) {
					tokens++
				}
				if n >= minEntropy {
					entropy = max(entropy, bits(segment))
				}
			}
		}
		if i < len(text) && text[i] == '?' && !query {
			query = true
		}
		from = i + 1
	}
	s.PathSegments = uint8(min(segments, math.MaxUint8))
	s.QueryKeys = uint8(min(keys, math.MaxUint8))
	s.TokenLike = uint8(min(tokens, math.MaxUint8))
	s.Entropy = uint8(entropy)
	if embeds(text) {
		s.Flags |= vedette.ShapeEmbedded
	}
}

const (
	minToken   = 6 // shorter ones are words and numbers as often as not
	minEntropy = 8 // below that the entropy says no more than the length
)

// Classes of characters in a segment.
const (
	classLower = iota
	classUpper
	classDigit
	classJoin  // - _ .
	classOther // everything else: no token
)

var segmentClass = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case c >= 'a' && c <= 'z':
			t[i] = classLower
		case c >= 'A' && c <= 'Z':
			t[i] = classUpper
		case isDigit(c):
			t[i] = classDigit
		case c == '-' || c == '_' || c == '.':
			t[i] = classJoin
		default:
			t[i] = classOther
		}
	}
	return t
}()

// turns says which neighbours look like chance: letter and digit side by side, a capital after a small letter.
var turns = [16]uint8{
	classLower*4 + classUpper: 1, classLower*4 + classDigit: 1, classUpper*4 + classDigit: 1,
	classDigit*4 + classLower: 1, classDigit*4 + classUpper: 1,
}

// tokenLike tells whether a segment looks made by a machine. It costs owners of names such as "b2b4u2c"; it spares words, dates, article
// numbers, CamelCase and titles with hyphens, and it misses tokens that are made of words.
func tokenLike(s string) bool {
	var n [5]int
	changes, before := 0, uint8(classJoin)
	hex := true
	for i := range len(s) {
		c := segmentClass[s[i]]
		if c == classOther {
			return false
		}
		n[c]++
		changes += int(turns[before*4+c])
		before = c
		if c != classDigit && (s[i]|0x20 > 'f' || c == classJoin && s[i] != '-') {
			hex = hex && s[i] == '-'
		}
	}
	letters := n[classLower] + n[classUpper]
	if hex && len(s) >= 16 && n[classDigit] >= 4 && letters >= 2 {
		return true // a digest or a UUID
	}
	if changes >= 3 && changes*4 >= len(s)-n[classJoin] {
		return true
	}
	if letters >= 10 && n[classDigit] == 0 && n[classJoin] == 0 {
		vowels := 0
		for i := range len(s) {
			switch s[i] | 0x20 {
			case 'a', 'e', 'i', 'o', 'u', 'y':
				vowels++
			}
		}
		return vowels*8 < letters
	}
	return false
}

// bitsStep[c] is what the c+1st equal character adds to the sum of c·log2(c), in 4096ths.
var bitsStep, bitsLog = func() (step, log [256]uint32) {
	t := func(c int) float64 {
		if c < 2 {
			return 0
		}
		return float64(c) * math.Log2(float64(c)) * 4096
	}
	for c := range step {
		step[c] = uint32(math.Round(t(c+1) - t(c)))
		if c > 0 {
			log[c] = uint32(math.Round(math.Log2(float64(c)) * 4096))
		}
	}
	return step, log
}()

// bits returns the entropy of a segment's characters in 16ths of a bit each. Of a long one the first 255 characters count.
func bits(s string) uint32 {
	if len(s) > 255 {
		s = s[:255]
	}
	var count [128]uint8
	var sum uint32
	for i := range len(s) {
		c := &count[s[i]&127]
		sum += bitsStep[*c]
		*c++
	}
	n := uint32(len(s))
	return (bitsLog[n] - min(sum/n, bitsLog[n])) / (4096 / 16)
}

// embeds tells whether another link stands in a path or query: in clear, encoded once or twice, or in base64.
func embeds(s string) bool {
	for rest := s; ; {
		i := strings.Index(rest, "http")
		if i < 0 {
			break
		}
		rest = rest[i+4:]
		after := strings.TrimPrefix(rest, "s")
		if strings.HasPrefix(after, ":") || strings.HasPrefix(after, "%3A") || strings.HasPrefix(after, "%253A") || strings.HasPrefix(after, "%253a") {
			return true
		}
	}
	if q := strings.IndexByte(s, '?'); q >= 0 {
		if q = strings.Index(s[q:], "=//"); q >= 0 || strings.Contains(s, "=%2F%2F") {
			return true
		}
	}
	return len(s) > 16 && strings.Contains(s, "aHR0c")
}
