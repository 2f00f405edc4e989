package link

import (
	"crypto/sha256"
	"strings"
	"unicode/utf8"

	"vedette"
)

// Sum returns the digest of an expression, as Safe Browsing computes it: SHA-256 of its bytes.
func Sum(expression string) vedette.Digest { return sha256.Sum256([]byte(expression)) }

// The limits of Safe Browsing's expressions: the host itself and four more, the path with and without query and four more.
const (
	maxHosts = 5
	maxPaths = 6
)

// AppendHosts appends the host, then each parent of it down to the registrable domain. For an address, and for a host that has no
// registrable domain, it appends the host alone; for a link without host, nothing. The strings are substrings of the link's.
func (u *URL) AppendHosts(dst []string) []string {
	if u.host == "" {
		return dst
	}
	dst = append(dst, u.host)
	if u.registrable == "" {
		return dst
	}
	last := len(u.host) - len(u.registrable)
	for i := 0; i < last; i++ {
		if u.host[i] == '.' {
			dst = append(dst, u.host[i+1:])
		}
	}
	return dst
}

// AppendPaths appends the link's path as Safe Browsing compares it (percent-encoding undone to the end, slashes collapsed): with its query,
// without, then "/" and up to three directories below it, from the root on. Each stands there once; for a link without host, nothing.
// The strings are substrings of the link's.
func (u *URL) AppendPaths(dst []string) []string {
	if u.match == "" || u.host == "" {
		return dst
	}
	path := u.match
	if q := strings.IndexByte(path, '?'); q >= 0 {
		dst = append(dst, path)
		path = path[:q]
	}
	if path == "" {
		return dst // a foreign link without a path
	}
	dst = append(dst, path)
	for i, n := 0, 0; i < len(path)-1 && n < maxPaths-2; i++ {
		if path[i] == '/' {
			dst = append(dst, path[:i+1])
			n++
		}
	}
	return dst
}

// Expressions returns the host-suffix/path-prefix expressions of a link, at most 5 hosts times 6 paths, host by host from the longest, as
// Safe Browsing's version 5 describes them: the host itself, then up to four names that begin with the registrable domain and grow by a
// label each; the paths of AppendPaths.
func (u *URL) Expressions() []string {
	hosts := u.AppendHosts(make([]string, 0, 8))
	if len(hosts) > maxHosts {
		hosts = append(hosts[:1], hosts[len(hosts)-(maxHosts-1):]...)
	}
	paths := u.AppendPaths(make([]string, 0, maxPaths))
	out := make([]string, 0, len(hosts)*len(paths))
	for _, h := range hosts {
		for _, p := range paths {
			out = append(out, h+p)
		}
	}
	return out
}

// comparison turns a canonical path and query into the form that Safe Browsing compares: decoded until nothing changes, encoded once, dot
// segments and double slashes gone from the path. It is returned as it is where it already has that form.
func comparison(s string) string {
	t := s
	if strings.IndexByte(t, '%') >= 0 {
		t = escapeAll(unescapeAll(t))
	}
	path, query, asks := strings.Cut(t, "?")
	clean := cleanPath(path)
	if clean == path {
		if t == s {
			return s
		}
		return t
	}
	if asks && query != "" {
		return clean + "?" + query
	}
	return clean
}

// unescapeAll decodes percent-encoding until nothing changes. Each turn that changes something shortens the text, so that it ends; the time is
// kept linear by decoding on a stack: what comes out may complete an escape with what came before.
func unescapeAll(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		b = append(b, s[i])
		for n := len(b); n >= 3 && b[n-3] == '%' && isHex(b[n-2]) && isHex(b[n-1]); n = len(b) {
			b = append(b[:n-3], unhex(b[n-2])<<4|unhex(b[n-1]))
		}
	}
	return string(b)
}

// escaped tells the bytes that Safe Browsing encodes.
func escaped(c byte) bool { return c <= ' ' || c >= 0x7f || c == '#' || c == '%' }

func escapeAll(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		if escaped(s[i]) {
			escape(&b, s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// cleanPath resolves dot segments and collapses slashes. A slash at the end stays.
func cleanPath(path string) string {
	if !strings.Contains(path, "//") && !strings.Contains(path, "/.") {
		return path
	}
	var out []string
	directory := false
	for segment := range strings.SplitSeq(path, "/") {
		directory = false
		switch segment {
		case "", ".":
			directory = true
		case "..":
			directory = true
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, segment)
		}
	}
	clean := "/" + strings.Join(out, "/")
	if directory && clean != "/" {
		clean += "/"
	}
	return clean
}

// SafeBrowsing returns a link's canonical form by Safe Browsing's own rules, byte for byte, for peers that speak its protocol: everything
// is decoded to the end first, no scheme means http, user part, port, query and fragment go, and hosts that no client could open pass. Its
// error wraps vedette.ErrInvalid.
func SafeBrowsing(raw string) (string, error) {
	scheme, host, path, _, err := safeBrowsing(raw)
	if err != nil {
		return "", err
	}
	return scheme + "://" + host + path, nil
}

func safeBrowsing(raw string) (scheme, host, path, query string, err error) {
	s, _, _ := strings.Cut(raw, "#")
	s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(strings.TrimSpace(s))
	s = escapeAll(unescapeAll(s))
	i := 0
	for i < len(s) && (isAlpha(s[i]) || (i > 0 && (isDigit(s[i]) || strings.IndexByte("+-.", s[i]) >= 0))) {
		i++
	}
	switch {
	case i > 0 && strings.HasPrefix(s[i:], "://"):
		scheme, s = strings.ToLower(s[:i]), s[i+3:]
	case i > 0 && i < len(s) && s[i] == ':' && strings.IndexByte(s[:i], '.') < 0:
		return "", "", "", "", invalid("a scheme without a host")
	default:
		scheme = "http"
	}
	s, query, _ = strings.Cut(s, "?")
	slash := strings.IndexByte(s, '/')
	if slash < 0 {
		slash = len(s)
	}
	host, path = s[:slash], s[slash:]
	host = host[strings.LastIndexByte(host, '@')+1:]
	if end := strings.LastIndexByte(host, ':'); end > strings.LastIndexByte(host, ']') {
		host = host[:end]
	}
	if plain := unescapeAll(host); !ascii(plain) && utf8.ValidString(plain) && !overlong(plain) {
		if a, err := loose.ToASCII(plain); err == nil {
			host = a
		}
	}
	for strings.Contains(host, "..") {
		host = strings.ReplaceAll(host, "..", ".")
	}
	host = strings.ToLower(strings.Trim(host, "."))
	if host == "" {
		return "", "", "", "", invalid("no host")
	}
	if endsInNumber(host) {
		if address, ok := readIPv4(host); ok {
			host = address
		}
	} else if host[0] == '[' {
		var flags vedette.ShapeFlag
		if address, err := readIPv6(host, &flags); err == nil {
			host = address
		}
	}
	if path == "" {
		path = "/"
	}
	return scheme, host, cleanPath(path), query, nil
}
