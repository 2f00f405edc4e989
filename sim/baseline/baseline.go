// Package baseline holds what else one could use to find operators: published methods and plain rules, built as well as we can, to be measured on the same events.
//
// In:     events in order of time, each once; whoever a method may be told of in advance (Config).
// Out:    identities with scores over time, for package score to set bounds on and judge. None of it is a part of the product.
// Keeps:  about 600 bytes for each account that was ever seen; of devices, networks and domains what the last weeks used, each with at most 24 names.
// Fails:  it does not: it is for worlds whose events are known to be in order.
// Source: docs/decisions/0022-range.md
package baseline

import (
	"slices"
	"time"

	"vedette"
	"vedette/sim/score"
)

// Config is what methods may know besides the events.
type Config struct {
	// Tick is the time between two looks at groups. Default 24h.
	Tick time.Duration
	// Known are names that were known to be an operator's before.
	Known []vedette.Token
	// Enrolled tells who told the platform to be at risk; nil: nobody did.
	Enrolled func(vedette.AccountID) bool
}

// Detector takes a world's events and gives what it scored.
type Detector interface {
	// Take takes the next event. The event is the caller's again when it returns.
	Take(e *vedette.Event)
	// End tells that event time has reached at.
	End(at time.Time)
	// Scored returns all that was ever scored. It is the detector's own; do not change it.
	Scored() []score.Identity
}

// Method is one way to find operators.
type Method struct {
	Name      string
	About     string // one sentence
	Source    string // who published it
	Targeting bool   // it looks at first contacts; the others look for the groups behind them
	make      func(b *Bench) engine
}

// All lists the methods.
func All() []Method {
	return []Method{
		{
			"known-indicators", "Tells of whoever sends a name that was known before; it knows nothing new, so that with new names it catches nothing, by construction.",
			"the usual practice of indicator lists (STIX 2.1, OASIS 2021)", false, newKnown,
		},
		{
			"account-rules", "Counts how many of twenty suspicious things an account did or is within three weeks: young, voice-over-IP number, hosting, look-ups by hand, link to a new domain, and so on.",
			"rule sets as of T. Stein, E. Chen and K. Mangla, Facebook Immune System, SNS 2011", false, newAccountRules,
		},
		{"group-rules", "The mean of the same counts over a group of lonely accounts that share devices, networks, new links or talk.", "as account-rules", false, newGroupRules},
		{
			"rate-limits", "Holds each account's messages, first contacts, look-ups, links, groups and blocks, and each device's and network's registrations, against fixed limits.",
			"the usual practice of servers; RFC 6585, section 4, answers who is over a limit", false, newRates,
		},
		{
			"lockstep", "Clusters accounts by the Jaccard similarity of what they did, on which object, in which hour, over a week; single linkage.",
			"Q. Cao, X. Yang, J. Yu and C. Palow, SynchroTrap, CCS 2014", false, newLockstep,
		},
		{"age", "Ranks accounts by how young they were when they first sent a link; it looks at nothing else.", "account age as the commonest single signal of abuse rules", false, newAge},
		{
			"das-7", "Directed anomaly scoring of groups in seven dimensions: social, infrastructure, tempo, probes, links, geography, life.",
			"G. Ho, A. Sharma, M. Javed, V. Paxson and D. Wagner, Detecting credential spearphishing in enterprise settings, USENIX Security 2017", false,
			func(b *Bench) engine { return newDAS(b, []int{social, infra, tempo, probes, links, geography, life}) },
		},
		{"das-3", "Directed anomaly scoring of groups in three dimensions: social, probes, links.", "as das-7", false, func(b *Bench) engine { return newDAS(b, []int{social, probes, links}) }},
		{
			"lexical", "Ranks new domains by how unusual their links look. Names cannot be read from tokens, so that it has the shape alone: it is weaker here than where names are clear.",
			"J. Ma, L. Saul, S. Savage and G. Voelker, Beyond blacklists, KDD 2009", false, newLexical,
		},
		{
			"confined-domains", "Counts for each group of lonely accounts the domains first seen within three weeks that no more than 24 accounts ever met, most of them in the group.",
			"first sight and prevalence are features of B. Rahbarinia, R. Perdisci and M. Antonakakis, Segugio, DSN 2015", false, newConfined,
		},
		{
			"new-sender", "A first contact with a link to a domain first seen within three weeks, by an account younger than three weeks or back after two weeks of silence; ranked by rarity and youth.",
			"rules of mail gateways against new domains and new senders", true, newNewSender,
		},
		{
			"das-4", "Directed anomaly scoring of first contacts with links in four dimensions: rarity of the domain, sender, reconnaissance, and whether the recipient asked for protection.",
			"as das-7", true, newContactDAS,
		},
	}
}

// New makes a detector of the method alone. Several methods on the same events are cheaper with Together.
func (m Method) New(c Config) Detector { return Together(c, m) }

// engine is one method on the common ledger.
type engine interface {
	take(e *happening) // before the ledger takes it
	tick(at time.Time)
	scored() []score.Identity
}

// Bench runs methods side by side on one ledger, so that what all of them must know is kept once.
type Bench struct {
	cfg     Config
	methods []Method
	engines []engine
	ledger
	next    time.Time
	begun   time.Time
	counted int32 // the last day that was counted
	h       happening
	groups  []group // as of the last tick, if a method asks for them
	wants   bool    // one does
	rules   *accountRules
	meter   meter
}

// Together makes a bench.
func Together(c Config, ms ...Method) *Bench {
	if c.Tick == 0 {
		c.Tick = 24 * time.Hour
	}
	b := &Bench{cfg: c, methods: slices.Clone(ms), ledger: newLedger()}
	for _, m := range ms {
		b.engines = append(b.engines, m.make(b))
	}
	return b
}

// Take takes the next event.
func (b *Bench) Take(e *vedette.Event) {
	if b.begun.IsZero() {
		b.begun = e.At.Truncate(24 * time.Hour)
		b.origin = b.begun.Unix() / 3600
		b.next = b.begun.Add(b.cfg.Tick)
	}
	b.until(e.At)
	h := &b.h
	if !b.read(e, h) {
		return
	}
	for _, x := range b.engines {
		x.take(h)
	}
	b.struck = false
	b.settle(h)
	if b.struck && b.rules != nil {
		b.rules.look(h.actor, e.At)
	}
}

// End tells that event time has reached at.
func (b *Bench) End(at time.Time) { b.until(at) }

func (b *Bench) until(at time.Time) {
	for !b.begun.IsZero() && !at.Before(b.next) {
		t := b.next
		b.hour = int32(t.Unix()/3600 - b.origin)
		if d := b.hour / 24; d != b.counted {
			b.counted = d
			b.daily()
		}
		if b.wants {
			b.groups = b.gather(b.groups[:0])
		}
		for _, x := range b.engines {
			x.tick(t)
		}
		b.next = t.Add(b.cfg.Tick)
	}
}

// Scored returns what the first method scored.
func (b *Bench) Scored() []score.Identity { return b.Of(0) }

// Of returns what a method scored, by its place in the list that the bench was made with.
func (b *Bench) Of(method int) []score.Identity { return b.engines[method].scored() }

// Methods are those of the bench.
func (b *Bench) Methods() []Method { return b.methods }

var _ Detector = (*Bench)(nil)
