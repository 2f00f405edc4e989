// Package enrichment knows what others have seen of hosts: registrations, name servers, certificates, addresses, networks.
//
// In:     files that the operator of vedette imports. Nothing is ever looked up about a host here, and no packet goes to one.
// Out:    facts about a name, and the names that share a value.
// Keeps:  through a Store, facts with their source and time.
// Fails:  an import names each line that it could not take, and takes the rest.
// Source: docs/decisions/0016-siblings.md, docs/formats/enrichment.md
package enrichment

import (
	"context"
	"time"
)

// Kind says what a fact tells. The set is closed.
type Kind string

// The kinds. Value is in lower case, without a trailing dot.
const (
	NameServer  Kind = "ns"          // a name server of the registrable domain
	Registrar   Kind = "registrar"   // its name
	Registered  Kind = "registered"  // when it was registered; Value is RFC 3339 in UTC
	Certificate Kind = "certificate" // a certificate that names the host: SHA-256 in hexadecimal, 64 digits
	Issuer      Kind = "issuer"      // who issued it; First is its not-before
	Address     Kind = "address"     // an IPv4 or IPv6 address that the name pointed to
	Origin      Kind = "asn"         // the AS number of such an address, "64500"
	NewlySeen   Kind = "seen"        // the name stood in a feed of new names; Value is empty
)

// Fact is one thing that one source says of one name.
type Fact struct {
	Host   string // canonical, as link.URL.Host gives it
	Kind   Kind
	Value  string
	First  time.Time // when the source first saw it so; zero: it does not say
	Last   time.Time // when it last did
	Source string    // as the importing person named it
}

// Facts answers about what was imported.
type Facts interface {
	// Of returns the facts about a host, by kind, value and source.
	Of(ctx context.Context, host string) ([]Fact, error)
	// Sharing returns at most limit hosts that have a value, by name, and how many there are in all.
	Sharing(ctx context.Context, k Kind, value string, limit int) (hosts []string, total int, err error)
	// RegisteredBetween returns at most limit hosts with a registration in a span, its ends included, by time and name.
	RegisteredBetween(ctx context.Context, from, to time.Time, limit int) (facts []Fact, total int, err error)
	// IssuedBetween returns at most limit hosts with a certificate of an issuer whose not-before is in a span, its ends included, by time and name.
	IssuedBetween(ctx context.Context, issuer string, from, to time.Time, limit int) (facts []Fact, total int, err error)
	// Within returns at most limit hosts with an address in the same /24 or /48 as the address given, by name.
	Within(ctx context.Context, address string, limit int) (facts []Fact, total int, err error)
	// Containing returns at most limit known names that contain a part of a name as a label or as a piece of a label, by name. Labels of the
	// public suffix do not count, nor does a part of fewer than MinPart bytes.
	Containing(ctx context.Context, part string, limit int) (hosts []string, total int, err error)
	// Names returns how many distinct hosts anything is known of.
	Names(ctx context.Context) (int, error)
}
