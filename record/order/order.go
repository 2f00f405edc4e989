// Package order knows court orders and policies, clause by clause: which clause was in force against whom, and when.
//
// In:     an order as YAML; an act, with what is known of it; a duty to report. Bytes in, no files, no network, no clock.
// Out:    every fault with its line; yes, no or unknown, with the paper behind it; elements that are met, not met, not shown or gray; deadlines.
// Keeps:  nothing. Store is what it needs of somebody who does.
// Fails:  errors wrap vedette.ErrInvalid (the file) or vedette.ErrUnknown (no such clause). What is not known is an answer, no error.
// Source: docs/decisions/0025-orders.md, docs/formats/order.md, docs/formats/duty.md, Fed. R. Civ. P. 65(d)
package order

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"vedette"
)

// Bounds of a file.
const (
	MaxFile = 1 << 20 // bytes
	maxList = 500     // entries of one list
	maxText = 64 << 10
	maxDeep = 12
)

// Formats of the files that this room reads.
const (
	FormatOrder  = "vedette-order-1"
	FormatAct    = "vedette-act-facts-1"
	FormatDuties = "vedette-duties-1"
)

// Kind says what stands behind a clause. A policy is the lesser authority: nobody is in contempt of it.
type Kind string

// The kinds.
const (
	KindOrder  Kind = "order"
	KindPolicy Kind = "policy" // terms of service, rules of a platform
)

// Order is one order or policy as a person entered it.
type Order struct {
	Format     string      `yaml:"format" json:"format"`
	ID         string      `yaml:"id" json:"id"`
	Kind       Kind        `yaml:"kind" json:"kind"`
	Court      string      `yaml:"court" json:"court,omitempty"`   // of an order
	Docket     string      `yaml:"docket" json:"docket,omitempty"` // of an order
	Appeals    []string    `yaml:"appeals" json:"appeals,omitempty"`
	Issuer     string      `yaml:"issuer" json:"issuer,omitempty"` // of a policy
	Caption    string      `yaml:"caption" json:"caption"`
	Date       Moment      `yaml:"date" json:"date"`
	Zone       string      `yaml:"zone" json:"zone,omitempty"` // in which days are meant; IANA name, default UTC
	Platforms  []string    `yaml:"platforms" json:"platforms"`
	Note       string      `yaml:"note" json:"note,omitempty"`
	Clauses    []Clause    `yaml:"clauses" json:"clauses"`
	Parties    []Party     `yaml:"parties" json:"parties"`
	Intervals  []Interval  `yaml:"intervals" json:"intervals"`
	Exclusions []Exclusion `yaml:"exclusions" json:"exclusions,omitempty"`
}

// Clause is one thing that is forbidden or asked for.
type Clause struct {
	ID         string      `yaml:"id" json:"id"`
	Wording    Wording     `yaml:"wording" json:"wording"`
	Text       string      `yaml:"text" json:"text"`
	SHA256     string      `yaml:"sha256" json:"sha256"` // of Text without white space around it, 64 hexadecimal digits
	Verb       string      `yaml:"verb" json:"verb"`
	Object     string      `yaml:"object" json:"object"`
	Acts       []ActKind   `yaml:"acts" json:"acts,omitempty"` // kinds of acts that it speaks of, as whoever entered it reads it; none: a person reads it
	Exceptions []Exception `yaml:"exceptions" json:"exceptions,omitempty"`
}

// Wording says whether a clause's text is the paper's own.
type Wording string

// The wordings.
const (
	Verbatim    Wording = "verbatim"    // entered from the paper itself
	Placeholder Wording = "placeholder" // what somebody says that it says
)

// Exception is what a clause does not reach.
type Exception struct {
	ID   string `yaml:"id" json:"id"`
	Text string `yaml:"text" json:"text"`
}

// Way is how somebody is bound: Fed. R. Civ. P. 65(d)(2), or by accepting a policy.
type Way string

// The ways.
const (
	WayParty    Way = "party"      // (A) the parties
	WayAgent    Way = "agent"      // (B) their officers, agents, servants, employees, attorneys
	WayConcert  Way = "concert"    // (C) others in active concert or participation with them
	WayAccepted Way = "acceptance" // of a policy
)

// Words name the way as a reader of the rule knows it.
func (w Way) Words() string {
	switch w {
	case WayParty:
		return "a party, Fed. R. Civ. P. 65(d)(2)(A)"
	case WayAgent:
		return "an officer, agent, servant, employee or attorney of a party, 65(d)(2)(B)"
	case WayConcert:
		return "in active concert or participation, 65(d)(2)(C)"
	case WayAccepted:
		return "by accepting the policy"
	}
	return string(w)
}

// Ground is what stands behind the word that somebody is bound.
type Ground string

// The grounds, of which the last alone leaves it open.
const (
	GroundNamed      Ground = "named"      // in the paper
	GroundDocumented Ground = "documented" // by a paper of their own, a register or a contract
	GroundAdmitted   Ground = "admitted"   // by them
	GroundFound      Ground = "found"      // by a court
	GroundAlleged    Ground = "alleged"    // somebody says so
)

// Party is somebody who is bound, or said to be.
type Party struct {
	ID     string   `yaml:"id" json:"id"`
	Name   string   `yaml:"name" json:"name"`
	Way    Way      `yaml:"bound_as" json:"bound_as"`
	Role   string   `yaml:"role" json:"role,omitempty"`     // officer, employee, attorney, …
	Of     string   `yaml:"of" json:"of,omitempty"`         // the party whose agent they are, or with whom they act
	Ground Ground   `yaml:"ground" json:"ground,omitempty"` // default named, for a party
	Proof  string   `yaml:"proof" json:"proof,omitempty"`   // of the ground
	From   *Moment  `yaml:"from" json:"from,omitempty"`     // since when they are that; nil: as long as the order
	To     *Moment  `yaml:"to" json:"to,omitempty"`
	Notice []Notice `yaml:"notice" json:"notice,omitempty"`
}

// Notice is one time at which somebody learned of the order.
type Notice struct {
	Who   string `yaml:"who" json:"who"` // who got it: the person, or counsel of record
	When  Moment `yaml:"when" json:"when"`
	How   string `yaml:"how" json:"how"` // how it was served or learned
	Proof string `yaml:"proof" json:"proof"`
}

// State is what an instrument does to clauses for a time.
type State string

// The states.
const (
	InForce  State = "in_force"
	Stayed   State = "stayed"
	Modified State = "modified" // another clause holds instead
	Vacated  State = "vacated"
)

// Interval is a time in which an instrument puts clauses into a state.
type Interval struct {
	State      State    `yaml:"state" json:"state"`
	Clauses    []string `yaml:"clauses" json:"clauses,omitempty"` // none: the whole order
	As         string   `yaml:"as" json:"as,omitempty"`           // of modified: the clause that holds instead
	From       Moment   `yaml:"from" json:"from"`
	To         *Moment  `yaml:"to" json:"to,omitempty"` // nil: until another instrument
	Instrument string   `yaml:"instrument" json:"instrument"`
	Note       string   `yaml:"note" json:"note,omitempty"`
}

// Exclusion is who or what the order does not reach.
type Exclusion struct {
	ID        string   `yaml:"id" json:"id"`
	Text      string   `yaml:"text" json:"text"`
	Who       []string `yaml:"who" json:"who,omitempty"`             // names, or ids of parties
	Platforms []string `yaml:"platforms" json:"platforms,omitempty"` // what is recorded there is not counted
}

// Moment is when something happened, as far as it is known: not before Earliest, and by Latest. They are equal for a time of day; a day alone is a span.
// A zero Earliest says that nothing is known of before, a zero Latest that no paper says that it has happened at all.
type Moment struct {
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}

// Exactly is a moment without uncertainty.
func Exactly(t time.Time) Moment { return Moment{t, t} }

// IsZero tells whether nothing is known of it.
func (m Moment) IsZero() bool { return m.Earliest.IsZero() && m.Latest.IsZero() }

// by tells whether it has happened at t.
func (m Moment) by(t time.Time) Truth {
	switch {
	case !m.Latest.IsZero() && !t.Before(m.Latest):
		return Yes
	case !m.Earliest.IsZero() && t.Before(m.Earliest):
		return No
	}
	return Unknown
}

func (m Moment) String() string {
	const layout = "2006-01-02 15:04:05Z"
	word := func(t time.Time) string {
		if u := t.UTC(); u.Equal(u.Truncate(time.Second)) && u.Second() == 0 {
			return u.Format("2006-01-02 15:04Z")
		}
		return t.UTC().Format(layout)
	}
	switch {
	case m.IsZero():
		return "an unknown time"
	case m.Earliest.Equal(m.Latest):
		return word(m.Latest)
	case m.Latest.IsZero():
		return "a time that no paper tells, not before " + word(m.Earliest)
	case m.Earliest.IsZero():
		return "some time before " + word(m.Latest)
	}
	return "some time between " + word(m.Earliest) + " and " + word(m.Latest)
}

// Digest is SHA-256 of a clause's text without white space around it.
func Digest(text string) vedette.Digest { return sha256.Sum256([]byte(strings.TrimSpace(text))) }

// Clause returns a clause. Its error wraps vedette.ErrUnknown and names those that there are.
func (o *Order) Clause(id string) (*Clause, error) {
	var have []string
	for i := range o.Clauses {
		if o.Clauses[i].ID == id {
			return &o.Clauses[i], nil
		}
		have = append(have, o.Clauses[i].ID)
	}
	return nil, fmt.Errorf("order: %s has no clause %.40q, it has %s: %w", o.ID, id, strings.Join(have, ", "), vedette.ErrUnknown)
}

// Party returns who is known under an id or a name, or nil.
func (o *Order) Party(id string) *Party {
	for i := range o.Parties {
		if o.Parties[i].ID == id || o.Parties[i].Name == id {
			return &o.Parties[i]
		}
	}
	return nil
}
