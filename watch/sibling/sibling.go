// Package sibling derives what else probably belongs to a confirmed host: the names, addresses and links of the same hand.
//
// In:     confirmed hosts, imported facts, what the reported sender sent besides.
// Out:    derived indicators, each typed, weighted, explained, with an end and the number of harmless people that it would touch.
// Keeps:  nothing.
// Fails:  without any fact it derives from names and senders alone, and says what it had.
// Source: docs/decisions/0016-siblings.md
package sibling

import (
	"context"
	"net/netip"
	"time"

	"vedette"
	"vedette/record/enrichment"
	"vedette/record/indicator"
)

// TieKind says how a derived name hangs together with a confirmed one. The set is closed.
type TieKind string

// The kinds.
const (
	TiePart        TieKind = "name part"
	TieRegistered  TieKind = "registration window"
	TieNameServer  TieKind = "name server"
	TieCertificate TieKind = "certificate"
	TieIssued      TieKind = "certificate batch"
	TieSubnet      TieKind = "subnet"
	TiePath        TieKind = "path shape"
	TieSender      TieKind = "sender cell"
)

// TieKinds returns every kind.
func TieKinds() []TieKind {
	return []TieKind{TiePart, TiePath, TieRegistered, TieIssued, TieNameServer, TieSubnet, TieCertificate, TieSender}
}

// Tie is one reason.
type Tie struct {
	Kind   TieKind           `json:"kind"`
	To     string            `json:"to"`      // the confirmed host, defanged
	Bits   vedette.MilliBits `json:"weight"`  // thousandths of a bit
	Text   string            `json:"text"`    // in words for people
	Source []string          `json:"sources"` // whose facts; one source counts once for one kind
}

// Derived is one name that probably belongs to the same hand.
type Derived struct {
	Host     string            `json:"host"`      // canonical; show it defanged
	Display  string            `json:"display"`   // defanged
	Scope    indicator.Scope   `json:"scope"`     // host or domain; never wider than what was seen
	Ties     []Tie             `json:"ties"`      // strongest first
	Weight   vedette.MilliBits `json:"weight"`    // log2 odds against a name drawn from all known ones
	Until    time.Time         `json:"until"`     // when it ends by itself
	Harmless int               `json:"harmless"`  // people without any tie to the campaign who met it, or -1: not known
	Strength vedette.Verdict   `json:"strongest"` // the strongest verdict that it may ask for: allow when it only scores
	Why      string            `json:"why"`       // why no stronger
}

// Host is one that a person or a partner has confirmed.
type Host struct {
	Host  string   // canonical
	Paths []string // of confirmed links on it, as "/a/b"; for the path shape
}

// SenderLink is a link that the reported sender, or an account of their cell, sent besides the reported one, whose host is known: because the
// platform sees it in clear, or because a token equals that of a known name (Resolve).
type SenderLink struct {
	Host  string        // canonical
	Path  string        // "" where it is not known
	Shape vedette.Shape // of the link; a shared host is judged by its tenant, so its name says nothing here
	Cell  bool          // an account of the cell sent it, not the reported sender
}

// Reach tells how many people without any tie to the campaign met a name, in the scope given; -1 when that is not known.
type Reach func(ctx context.Context, host string, scope indicator.Scope) (people int, err error)

// Sources is what is at hand. Guard is required; all else may be absent.
type Sources struct {
	Guard  *indicator.Guard
	Facts  enrichment.Facts // what was imported about hosts
	Names  *Names           // other known names
	Shared interface {
		Shared(netip.Addr) (string, bool)
	} // networks whose addresses many parties share
	Sender  []SenderLink
	Reach   Reach
	Popular func(host string) bool             // names that must never come out, besides what the guard knows
	Paths   func(shape string) (links, of int) // how many links, of how many known ones, have a path of a shape (PathShape)
}

// Params are what a person may set. Zero fields take their defaults.
type Params struct {
	At          time.Time     // required: now
	Term        time.Duration // how long a derived name stands; default 30 days, at most 90
	MaxHarmless int           // harmless people above which a name only scores; default 200
	Expected    int           // siblings that a campaign has among the known names; default 8. More lower every bar
	Leads       int           // how many come out below the bar, where even the heaviest are; default 20
	MaxDerived  int           // default 200, at most 2000
	Without     []TieKind     // ties that are not used
}

// Refused is a name that had ties and does not come out.
type Refused struct {
	Display string `json:"display"` // defanged
	Why     string `json:"why"`
}

// Notes tells what a derivation rested on.
type Notes struct {
	Names   int               `json:"names"`   // known names it was drawn from
	Facts   int               `json:"facts"`   // names about which facts are known
	Had     []string          `json:"had"`     // what it had, in words
	Lacked  []string          `json:"lacked"`  // what it lacked, in words
	Judged  int               `json:"judged"`  // names with any tie
	Weak    int               `json:"weak"`    // of those: too weak to come out
	Refused []Refused         `json:"refused"` // of those: refused by the guard, or popular; the first 200 by name
	Cut     int               `json:"cut"`     // not judged or not given, because there were too many
	Warn    vedette.MilliBits `json:"warn"`    // weight from which a name may ask for a warning
	Block   vedette.MilliBits `json:"block"`   // and for a block, with two kinds of evidence
}
