// Package attribution weighs which operator stands behind a finding, against all the others.
//
// In:     evidence about a campaign, each piece with its source and grade; what was published about operators.
// Out:    three separate claims (campaign, tooling vendor, customer), hypotheses side by side, in the words of ICD 203.
// Keeps:  nothing.
// Fails:  it says "unknown" when the evidence is thin, which is its default; it is never an input to an action.
// Source: docs/decisions/0018-attribution.md, docs/formats/attribution.md
package attribution

import (
	"fmt"
	"time"

	"vedette"
	"vedette/record/enrichment"
	"vedette/record/indicator"
)

// ClaimKind says what a claim is about. The three are never merged: who tooled an attack, and for whom, does not follow from whose hand it is.
type ClaimKind string

// The claims.
const (
	Campaign ClaimKind = "campaign" // the same hand as which known cluster?
	Vendor   ClaimKind = "vendor"   // whose tooling?
	Customer ClaimKind = "customer" // for whom?
)

// The hypotheses that stand beside the known operators, clusters or customers.
const (
	Unknown     = "unknown" // the answer by default; no hypothesis
	UnknownHand = "a hand not seen before here"
	NotKnown    = "an operator not known here"
	Imitation   = "somebody who imitates what was published"
	Commodity   = "commodity phishing"
	Ordinary    = "an ordinary site"
	OtherKnown  = "any other known cluster"
)

// Kind says what a piece of evidence is. The computed kinds are those below; people's own pieces may carry another.
type Kind string

// The computed kinds.
const (
	Published  Kind = "published"   // a host or link stands in a report
	Beside     Kind = "beside"      // a host shares its registered name with something in a report
	NamePart   Kind = "name part"   // a host shares a rare part of its name with hosts in reports
	PathShape  Kind = "path shape"  // a link's path has the shape of links in reports
	Subnet     Kind = "subnet"      // an address stands in the network of addresses in reports
	SharedFact Kind = "shared fact" // an imported fact about a host is shared with hosts in reports
	NameStyle  Kind = "name style"  // what names look like: weak
	Listed     Kind = "listed"      // a host stands on a list of commodity phishing or of ordinary sites
)

// Cost says how cheap a piece of evidence is to fake.
type Cost string

// The costs.
const (
	Free       Cost = "free to fake"        // anyone can send a published link
	Cheap      Cost = "cheap to fake"       // a registration, a path, a rented address
	Dear       Cost = "dear to fake"        // control of what the operator holds
	Uncopiable Cost = "could not be copied" // seen here before anybody published it
)

func (c Cost) copyable() bool { return c == Free || c == Cheap || c == "" }

// Ratio is a piece of evidence's weight for one hypothesis: log2 of how much likelier it is under it than under those not named.
type Ratio struct {
	Hypothesis string            `json:"hypothesis"`
	Bits       vedette.MilliBits `json:"bits"` // thousandths of a bit
	Low        vedette.MilliBits `json:"low"`  // about one standard deviation less
	High       vedette.MilliBits `json:"high"` // and more
}

// Item is one piece of evidence.
type Item struct {
	Claim     ClaimKind           `json:"claim"`
	Kind      Kind                `json:"kind"`
	Text      string              `json:"text"` // for people; hosts in it are defanged
	Source    string              `json:"source"`
	Published time.Time           `json:"published,omitzero"` // when its source published it
	At        time.Time           `json:"at,omitzero"`        // when it was seen here
	Grade     indicator.Admiralty `json:"grade"`              // of the source
	Group     string              `json:"group"`              // pieces of one group are not independent: the strongest counts once
	RestsOn   []string            `json:"rests_on,omitzero"`  // sources without which it would not be there
	FalseFlag Cost                `json:"false_flag"`
	Ratios    []Ratio             `json:"ratios"` // by hypothesis
}

// computed reports whether a piece was made here from publications, rather than brought by a person.
func (it *Item) computed() bool {
	switch it.Kind {
	case Published, Beside, NamePart, PathShape, Subnet, SharedFact, NameStyle, Listed:
		return true
	}
	return false
}

// Dissent is another's view, kept beside the assessment and never weighed away.
type Dissent struct {
	Who  string    `json:"who"`
	At   time.Time `json:"at,omitzero"`
	Text string    `json:"text"`
}

// Context says what case the evidence belongs to and when it was seen.
type Context struct {
	Case  string    `json:"case,omitzero"`
	First time.Time `json:"first,omitzero"` // when the first of it was seen here; zero: not known, which counts as after every publication
	At    time.Time `json:"at,omitzero"`    // the time of the assessment
}

// Evidence is what is known about a campaign.
type Evidence struct {
	Hosts   []string          // as link.URL.Host gives them; defanged ones are read too
	Links   []string          // reported links, whose paths and hosts count
	Facts   []enrichment.Fact // imported facts about these hosts
	Items   []Item            // what people bring besides; the grade caps its weight
	Dissent []Dissent
	Context Context
}

// Params are the choices behind a judgement. Every one is stated in the assessment.
type Params struct {
	Known     int `json:"known"`     // prior of all known operators together, in thousandths, shared equally: how much was published about one says nothing
	NotKnown  int `json:"not_known"` // prior of an operator not known here
	Imitation int `json:"imitation"` // prior of somebody who imitates
	Commodity int `json:"commodity"` // prior of commodity phishing
	Ordinary  int `json:"ordinary"`  // prior of an ordinary site

	Speak       int               `json:"speak"`        // least posterior at which a claim names anyone, in thousandths
	Specific    vedette.MilliBits `json:"specific"`     // least weight for the named one from pieces other than style
	CapStyle    vedette.MilliBits `json:"cap_style"`    // most that name style may say, either way
	CapPart     vedette.MilliBits `json:"cap_part"`     // most that name parts together may say
	CapPath     vedette.MilliBits `json:"cap_path"`     // most that one path shape may say
	CapFact     vedette.MilliBits `json:"cap_fact"`     // most that one shared fact may say
	CapExact    vedette.MilliBits `json:"cap_exact"`    // most that one publication may say
	CapTogether vedette.MilliBits `json:"cap_together"` // most that all pieces together may say for one hypothesis
}

// DefaultParams returns the choices of docs/decisions/0018-attribution.md.
func DefaultParams() Params {
	return Params{
		Known: 200, NotKnown: 250, Imitation: 50, Commodity: 300, Ordinary: 200,
		Speak: 600, Specific: 4000, CapStyle: 2000, CapPart: 9000, CapPath: 6000, CapFact: 8000, CapExact: 10000, CapTogether: 20000,
	}
}

// Validate checks the choices. Its error wraps vedette.ErrInvalid and names the field.
func (p Params) Validate() error {
	for _, v := range []struct {
		name string
		n    int
	}{{"known", p.Known}, {"not_known", p.NotKnown}, {"imitation", p.Imitation}, {"commodity", p.Commodity}, {"ordinary", p.Ordinary}} {
		if v.n < 1 || v.n > 1000 {
			return fmt.Errorf("attribution: %s: %d is not 1 to 1000 thousandths: %w", v.name, v.n, vedette.ErrInvalid)
		}
	}
	if p.Speak < 550 || p.Speak > 990 {
		return fmt.Errorf("attribution: speak: %d is not 550 to 990 thousandths: below that nothing is likely: %w", p.Speak, vedette.ErrInvalid)
	}
	for _, v := range []struct {
		name string
		m    vedette.MilliBits
	}{
		{"specific", p.Specific},
		{"cap_style", p.CapStyle},
		{"cap_part", p.CapPart},
		{"cap_path", p.CapPath},
		{"cap_fact", p.CapFact},
		{"cap_exact", p.CapExact},
		{"cap_together", p.CapTogether},
	} {
		if v.m < 0 || v.m > 64000 {
			return fmt.Errorf("attribution: %s: %s is not 0 to 64 bits: %w", v.name, v.m, vedette.ErrInvalid)
		}
	}
	return nil
}

// Hypothesis is one explanation, beside the others.
type Hypothesis struct {
	Name     string            `json:"name"`
	Prior    vedette.MilliBits `json:"prior"`    // log2
	Evidence vedette.MilliBits `json:"evidence"` // the sum of its ratios, capped
	Total    vedette.MilliBits `json:"total"`
	PPM      int               `json:"posterior"` // parts per million
	Low      int               `json:"low"`
	High     int               `json:"high"`
	Word     Word              `json:"word"`
}

// FlagCheck says how much of the evidence for an answer an imitator could have copied.
type FlagCheck struct {
	Copyable   vedette.MilliBits `json:"copyable"`
	Uncopiable vedette.MilliBits `json:"uncopiable"`
	Text       string            `json:"text"`
}

// Claim is one judgement. Its sentences keep likelihood and confidence apart.
type Claim struct {
	Kind       ClaimKind    `json:"kind"`
	Question   string       `json:"question"`
	Answer     string       `json:"answer"` // a hypothesis, or "unknown"
	Likelihood string       `json:"likelihood"`
	Confidence Level        `json:"confidence"`
	Ground     string       `json:"ground"` // the sentence about confidence
	Hypotheses []Hypothesis `json:"hypotheses"`
	Evidence   []Item       `json:"evidence"`
	FalseFlag  FlagCheck    `json:"false_flag"`
	Changes    []string     `json:"would_change"` // what would change the mind
	Against    string       `json:"against"`      // the strongest case against the answer
}

// Spoken reports whether the claim names anyone.
func (c *Claim) Spoken() bool { return c.Answer != Unknown }

// Note stands in every assessment.
const Note = "A lead for people. Never an input to an automatic action, never an exhibit."

// Assessment is the whole judgement. As JSON it is docs/formats/attribution.md, version 1.
type Assessment struct {
	Version  int       `json:"version"`
	Note     string    `json:"note"`
	Case     string    `json:"case,omitzero"`
	At       time.Time `json:"at,omitzero"`
	First    time.Time `json:"first,omitzero"`
	Hosts    []string  `json:"hosts"`   // defanged
	Ignored  []string  `json:"ignored"` // what says nothing, and why
	Campaign Claim     `json:"campaign"`
	Vendor   Claim     `json:"vendor"`
	Customer Claim     `json:"customer"`
	Dissent  []Dissent `json:"dissent"`
	Known    Extent    `json:"known"`
	Params   Params    `json:"params"`
}

// Extent says what an assessment knew.
type Extent struct {
	Operators  int       `json:"operators"`
	Reports    int       `json:"reports"`
	Clusters   int       `json:"clusters"` // reports, republications joined
	Names      int       `json:"names"`    // distinct registered names
	Background int       `json:"background"`
	Last       time.Time `json:"last,omitzero"` // the latest publication
}
