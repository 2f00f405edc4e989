// Package link reads a URL as a person sees it and as a machine fetches it.
//
// In:     text that somebody sent as a link.
// Out:    the canonical URL, host, registrable domain, match expressions, what a person would see, and the shape.
// Keeps:  nothing but constant tables: public suffixes, confusables, shorteners, hosters.
// Fails:  Parse fails on what no client could open; nothing is fetched, resolved or looked up, ever.
// Source: WHATWG URL Standard; Safe Browsing "URLs and Hashing"; UTS #39; UTS #46; docs/decisions/0002-links.md
package link

import "vedette"

// URL is one link, read. It is a value that may be copied; the zero URL is no link. It lives only as long as the decision: its text is
// never kept (docs/formats/token.md says what is).
type URL struct {
	canonical   string // WHATWG serialisation after the additional folding that docs/decisions/0002-links.md lists; no fragment
	host        string // lower case, A-labels, no trailing dot; an IPv6 address in brackets
	registrable string // eTLD+1, or "" when the host is an address or a suffix itself
	shape       vedette.Shape
}

// Canonical returns the canonical URL, without fragment.
func (u *URL) Canonical() string { return u.canonical }

// Host returns the host in its matching form: lower case, A-labels, no trailing dot, no port.
func (u *URL) Host() string { return u.host }

// Registrable returns the registrable domain (one label below the longest public suffix, private suffixes included), or "" when there is none.
func (u *URL) Registrable() string { return u.registrable }

// Shape returns what the link looks like.
func (u *URL) Shape() vedette.Shape { return u.shape }
