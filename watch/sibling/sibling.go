// Package sibling derives what else probably belongs to a confirmed host: the names, addresses and links of the same hand.
//
// In:     confirmed hosts, imported facts, what the reported sender sent besides.
// Out:    derived indicators, each typed, weighted, explained, with an end and the number of harmless people that it would touch.
// Keeps:  nothing.
// Fails:  without any fact it derives from names and senders alone, and says what it had.
// Source: docs/decisions/0016-siblings.md
package sibling

import (
	"time"

	"vedette"
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
