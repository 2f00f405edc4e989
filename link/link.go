// Package link reads a URL as a person sees it and as a machine fetches it.
//
// In:     text that somebody sent as a link.
// Out:    the canonical URL, host, registrable domain, match expressions, what a person would see, and the shape.
// Keeps:  nothing but constant tables: public suffixes, confusables, shorteners, hosters.
// Fails:  Parse fails on what no client could open; nothing is fetched, resolved or looked up, ever.
// Source: WHATWG URL Standard; Safe Browsing "URLs and Hashing"; UTS #39; UTS #46; docs/decisions/0002-links.md
package link

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"unicode"

	"golang.org/x/net/idna"

	"vedette"
)

//go:generate go run ./internal/gen -in $VEDETTE_DATA_CORPORA/conformance/unicode/confusables.txt -out confusables_table.go

// URL is one link, read. It is a value that may be copied; the zero URL is no link. It lives only as long as the decision: its text is
// never kept (docs/formats/token.md says what is).
type URL struct {
	canonical   string // WHATWG serialisation after the additional folding that docs/decisions/0002-links.md lists; no fragment
	host        string // lower case, A-labels, no trailing dot; an IPv6 address in brackets
	registrable string // eTLD+1, or "" when the host is an address or a suffix itself; a substring of host
	match       string // path and query as Safe Browsing compares them; a substring of canonical where both are the same
	shape       vedette.Shape
}

// Canonical returns the canonical URL, without fragment and without user part. Reading it again gives the same.
func (u *URL) Canonical() string { return u.canonical }

// Host returns the host in its matching form: lower case, A-labels, no trailing dot, no port. It is "" where the link has none (mailto:).
func (u *URL) Host() string { return u.host }

// Registrable returns the registrable domain (one label below the longest public suffix, private suffixes included), or "" when there is none.
func (u *URL) Registrable() string { return u.registrable }

// Shape returns what the link looks like.
func (u *URL) Shape() vedette.Shape { return u.shape }

// ListsVersion returns the digest, in hexadecimal, of the tables that reading a link depends on: public suffixes, confusables, the
// edition of Unicode, shorteners and hosters. Two builds with the same version and the same code read every link alike.
func ListsVersion() string { return listsVersion() }

var listsVersion = sync.OnceValue(func() string {
	h := sha256.New()
	put := func(parts ...string) {
		for _, p := range parts {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(len(p)))
			h.Write(n[:])
			h.Write([]byte(p))
		}
	}
	put("suffixes")
	put(suffixes().rules...)
	put("confusables", confusablesVersion, confusableTable)
	put("unicode", unicode.Version, idna.UnicodeVersion)
	put("shorteners")
	put(slices.Sorted(maps.Keys(shorteners))...)
	put("redirectors")
	for _, host := range slices.Sorted(maps.Keys(redirectors)) {
		put(host, redirectors[host])
	}
	put("hosters")
	for _, host := range slices.Sorted(maps.Keys(hosters)) {
		put(host, hosters[host])
	}
	put("subdomains")
	put(slices.Sorted(maps.Keys(subdomainHosters))...)
	return hex.EncodeToString(h.Sum(nil))
})
