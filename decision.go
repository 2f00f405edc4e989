package vedette

import (
	"fmt"
	"time"
)

// Verdict is what happens to a message. Stronger is larger.
type Verdict uint8

// The verdicts.
const (
	Allow Verdict = iota
	Warn          // delivered, with an interstitial or a mark where the platform can show one
	Hold          // parked until a person or a term decides; only where the adapter can release
	Block         // refused
)

func (v Verdict) String() string {
	return [...]string{"allow", "warn", "hold", "block"}[v&3]
}

// ParseVerdict reads a verdict's name. Its error wraps ErrInvalid.
func ParseVerdict(s string) (Verdict, error) {
	for v := Allow; v <= Block; v++ {
		if v.String() == s {
			return v, nil
		}
	}
	return 0, fmt.Errorf("verdict %q: allow, warn, hold or block: %w", s, ErrInvalid)
}

// MarshalText writes the name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the name.
func (v *Verdict) UnmarshalText(b []byte) (err error) { *v, err = ParseVerdict(string(b)); return err }

// MilliBits is evidence as log2 odds, in thousandths of a bit.
type MilliBits int32

func (m MilliBits) String() string { return fmt.Sprintf("%.1f bits", float64(m)/1000) }

// RuleID names what spoke: "rule:ID" for a rule, "list:SOURCE" for an indicator list, "watch:cell" for what the slow watch asked for.
type RuleID string

// RuleWatch is the name under which watch entries speak and are armed.
const RuleWatch = RuleID("watch:cell")

// Reason is one thing that speaks for a verdict, in words for people.
type Reason struct {
	Rule    RuleID    `json:"rule"`
	Verdict Verdict   `json:"verdict"`         // what it asks for
	Weight  MilliBits `json:"weight"`          // thousandths of a bit
	Link    int8      `json:"link"`            // index of the link in the event; -1: the event as a whole
	Armed   Verdict   `json:"armed"`           // the strongest verdict that it may cause today
	Shadow  bool      `json:"shadow,omitzero"` // counted only
	Text    string    `json:"text"`            // constant per rule or indicator source; holds nothing about a person
	Match   uint32    `json:"match,omitzero"`  // indicator number in the generation's set, plus one; 0: none
}

// Degraded is the set of parts that a decision was made without. Zero: nothing was missing.
type Degraded uint16

// What may be missing.
const (
	DegradedOverload   Degraded = 1 << iota // waited longer than the time limit
	DegradedRules                           // rules could not be evaluated
	DegradedIndicators                      // no indicator set
	DegradedMeasures                        // memory could not be asked
	DegradedTokens                          // the event's tokens are of an epoch that this generation does not know
	DegradedLinks                           // a link could not be read
	DegradedPanic                           // a part of ours broke; counted, and a person is told
)

// Names returns the names of the missing parts.
func (d Degraded) Names() []string {
	var out []string
	for i, n := range [...]string{"overload", "rules", "indicators", "measures", "tokens", "links", "fault"} {
		if d&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return out
}

// Decision is the answer to one event.
type Decision struct {
	Verdict    Verdict // what was answered
	Would      Verdict // what would have been answered were everything armed
	Degraded   Degraded
	Reasons    []Reason // strongest first, then by rule and link
	Generation GenerationID
	Took       time.Duration // measured by the door; no part of any digest
}

// Observing tells whether the answer is weaker than the judgement, since what spoke is not armed.
func (d *Decision) Observing() bool { return d.Would > d.Verdict }

// Measure names one number that is measured from an event and from memory before it is decided.
type Measure uint8

// The measures. All are integers; times are in seconds. Their order is part of the frame format: append, never reorder.
// Those marked (link) are about one link of the event.
const (
	MeasureAccountAge        Measure = iota // seconds since the actor's account was first heard of or registered
	MeasureAccountKnown                     // 1: the registration itself was seen; 0: age is a lower bound
	MeasureAccountMessages                  // messages and links that the actor sent in 7 days, windowed
	MeasureFirstContact                     // 1: the actor never wrote to this recipient before; 0: did
	MeasureReciprocated                     // 1: the recipient has written to the actor before
	MeasureContacts                         // distinct recipients of the actor in 7 days (sketched)
	MeasureStrangers                        // distinct recipients first written to in 24 hours (sketched)
	MeasureStrangersWeek                    // the same in 7 days
	MeasureLinksDay                         // links that the actor sent in 24 hours
	MeasureDevices                          // distinct devices of the actor in 30 days (sketched)
	MeasureNetworks                         // distinct networks of the actor in 7 days (sketched)
	MeasureNetworkAccounts                  // distinct accounts on the event's network in 7 days (sketched)
	MeasureDeviceAccounts                   // distinct accounts on the event's device in 30 days (sketched)
	MeasureGroupSize                        // members of the group; absent for a person
	MeasureForwarded                        // the platform's forwarding bucket
	MeasureReportsAgainst                   // distinct reporters of the actor in 30 days (sketched)
	MeasureBlocksAgainst                    // distinct people who blocked the actor in 30 days (sketched)
	MeasureLookups                          // numbers that the actor looked up by hand in 24 hours
	MeasureDeviceAge                        // seconds since the event's device was first heard of
	MeasureSilence                          // seconds since the actor was last active before this event
	MeasureDomainPeople                     // (link) distinct senders of the registrable domain ever, as far as memory reaches (sketched)
	MeasureDomainAge                        // (link) seconds since the registrable domain was first seen here
	MeasureDomainSends                      // (link) sends of the registrable domain in 7 days
	MeasureDomainRecipients                 // (link) distinct recipients of the registrable domain (sketched)
	MeasureHostPeople                       // (link) distinct senders of the host
	MeasureURLSends                         // (link) sends of this very URL
	MeasureDomainReports                    // (link) distinct reporters of the registrable domain in 30 days (sketched)
	MeasureSenderDomainSends                // (link) how often this actor sent this registrable domain before
	MeasureCount
)

var measureNames = [MeasureCount]string{
	"account_age", "account_known", "account_messages", "first_contact", "reciprocated", "contacts", "strangers", "strangers_week",
	"links_day", "devices", "networks", "network_accounts", "device_accounts", "group_size", "forwarded", "reports_against",
	"blocks_against", "lookups", "device_age", "silence", "domain_people", "domain_age", "domain_sends", "domain_recipients",
	"host_people", "url_sends", "domain_reports", "sender_domain_sends",
}

func (m Measure) String() string {
	if m >= MeasureCount {
		return fmt.Sprintf("measure(%d)", uint8(m))
	}
	return measureNames[m]
}

// AboutLink tells whether the measure is about one link rather than the event.
func (m Measure) AboutLink() bool { return m >= MeasureDomainPeople }

// Measures holds what could be measured for one link of an event, or for the event when it has none.
// What could not be measured is absent, not zero.
type Measures struct {
	present uint64
	value   [MeasureCount]int64
}

// Set records a measure.
func (m *Measures) Set(k Measure, v int64) { m.present |= 1 << k; m.value[k] = v }

// Get returns a measure, and whether it could be measured.
func (m *Measures) Get(k Measure) (int64, bool) { return m.value[k], m.present&(1<<k) != 0 }

// Present returns the set of measures that are there, as bits in the order of the constants.
func (m *Measures) Present() uint64 { return m.present }

// Reset forgets everything.
func (m *Measures) Reset() { *m = Measures{} }
