// Package decision answers one event: what the indicators and the rules say about it, within bounds, and what to answer where a part is missing.
//
// In:     an event with its links and measures, and a generation: rules, indicators, watch entries, what is armed, parameters.
// Out:    one Decision, with reasons. Deciding reads no clock and changes nothing but counters, so that the journal gives the same answer again.
// Keeps:  counters for each rule, as long as its generation lives.
// Fails:  Load and Make tell everything that is wrong with rules and parameters at once. Decide does not fail: it says what it answered without
//
//	(Degraded) and takes the declared fallback; a panic inside is recovered, counted and said.
//
// Source: docs/decisions/0008-rules.md, docs/formats/rule.md, docs/formats/generation.md
package decision

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"vedette"
	"vedette/link"
	"vedette/record/indicator"
)

// Indicators is the live set of what is known to be bad, as far as a decision asks it. *indicator.Set is one. It is immutable and safe for
// concurrent use. Match and MatchTokens append to dst and do not keep it.
type Indicators interface {
	Match(u *link.URL, at time.Time, hindsight bool, dst []indicator.Match) []indicator.Match
	// MatchTokens tells known = false when the link's tokens are of an epoch that the set was not compiled for.
	MatchTokens(l *vedette.Link, at time.Time, hindsight bool, dst []indicator.Match) (ms []indicator.Match, known bool)
	// Text is the label of an indicator for people, such as "as published by S on D". It holds nothing about a person.
	Text(number uint32) string
	Digest() vedette.Digest
	Len() int
}

// Armed says what may change an answer. The zero value observes: everything is judged and recorded, and the answer is allow.
type Armed struct {
	Ceiling vedette.Verdict                    // the strongest answer that anything may cause
	Each    map[vedette.RuleID]vedette.Verdict // the strongest answer of single rules and lists, over the ceiling
}

// For returns the strongest answer that a rule or list may cause.
func (a Armed) For(id vedette.RuleID) vedette.Verdict { return max(a.Ceiling, a.Each[id]) }

// MaxReasons is how many reasons a decision gives at most.
const MaxReasons = 16

// Params are the numbers of a generation.
type Params struct {
	// Fallback is the answer, at least, when indicators, rules or measures failed or there was no time for them. It is not held back by what
	// is armed: it is declared. Default allow.
	Fallback vedette.Verdict
	// Budget is how long a sender may wait for an answer. Default 20ms; 1ms to 1s. The sequencer keeps the time; Decide reads no clock.
	Budget time.Duration
	// Reasons is how many reasons a decision gives. Default and at most 16, at least 8.
	Reasons int
}

// Validate names what is out of range.
func (p Params) Validate() error {
	var errs []error
	if p.Fallback > vedette.Block {
		errs = append(errs, fmt.Errorf("decision.fallback: %d is no verdict: %w", p.Fallback, vedette.ErrInvalid))
	}
	if p.Budget != 0 && (p.Budget < time.Millisecond || p.Budget > time.Second) {
		errs = append(errs, fmt.Errorf("decision.budget: %s is not within 1ms to 1s: %w", p.Budget, vedette.ErrInvalid))
	}
	if p.Reasons != 0 && (p.Reasons < 8 || p.Reasons > MaxReasons) {
		errs = append(errs, fmt.Errorf("decision.reasons: %d is not within 8 to %d: %w", p.Reasons, MaxReasons, vedette.ErrInvalid))
	}
	return errors.Join(errs...)
}

func (p Params) withDefaults() Params {
	if p.Budget == 0 {
		p.Budget = 20 * time.Millisecond
	}
	if p.Reasons == 0 {
		p.Reasons = MaxReasons
	}
	return p
}

// Parts are what a generation is made of. Rules or Indicators may be nil where they could not be had: then every decision says so and
// takes the fallback.
type Parts struct {
	Rules      *RuleSet
	Indicators Indicators
	Lists      string // link.ListsVersion()
	Armed      Armed
	Watch      []vedette.Watched // at most MaxWatch, each token once
	Params     Params
}

// Generation is everything that a decision depends on besides the event and memory. It is immutable; a new one is made and swapped whole.
type Generation struct {
	id          vedette.GenerationID
	description string
	rules       *RuleSet
	indicators  Indicators
	armed       Armed
	armedRule   []vedette.Verdict // beside rules.rules
	params      Params
	watching    watchList
	lists       string
	absent      vedette.Degraded // what this generation lacks

	counters counters
	scratch  sync.Pool
}

// Make makes a generation. Its error wraps vedette.ErrInvalid and names every parameter that is out of range.
func Make(p Parts) (*Generation, error) {
	if err := p.Params.Validate(); err != nil {
		return nil, fmt.Errorf("decision: %w", err)
	}
	if strings.ContainsFunc(p.Lists, unicode.IsControl) {
		return nil, fmt.Errorf("decision: version of the link lists %q holds control characters: %w", p.Lists, vedette.ErrInvalid)
	}
	if p.Armed.Ceiling > vedette.Block {
		return nil, fmt.Errorf("decision: armed: %d is no verdict: %w", p.Armed.Ceiling, vedette.ErrInvalid)
	}
	for id, v := range p.Armed.Each {
		if v > vedette.Block {
			return nil, fmt.Errorf("decision: armed %q: %d is no verdict: %w", id, v, vedette.ErrInvalid)
		}
		if id == "" || strings.ContainsFunc(string(id), func(c rune) bool { return unicode.IsControl(c) || c == ' ' }) {
			return nil, fmt.Errorf("decision: armed %q: no name of a rule or list: %w", id, vedette.ErrInvalid)
		}
	}
	if v := reflect.ValueOf(p.Indicators); v.Kind() == reflect.Pointer && v.IsNil() {
		p.Indicators = nil // a nil *indicator.Set in the interface
	}
	watching, err := watch(p.Watch)
	if err != nil {
		return nil, err
	}
	g := &Generation{
		rules: p.Rules, indicators: p.Indicators, params: p.Params.withDefaults(), lists: p.Lists, watching: watching,
		armed: Armed{Ceiling: p.Armed.Ceiling, Each: maps.Clone(p.Armed.Each)},
	}
	if g.rules == nil {
		g.absent |= vedette.DegradedRules
	} else {
		for _, r := range g.rules.rules {
			g.armedRule = append(g.armedRule, g.armed.For(r.id))
		}
		g.counters.rules = make([]ruleCounter, len(g.rules.rules))
	}
	if g.indicators == nil {
		g.absent |= vedette.DegradedIndicators
	}
	g.description = describe(g)
	sum := sha256.Sum256([]byte(g.description))
	g.id = vedette.GenerationID(sum[:16])
	g.scratch.New = func() any { return new(scratch) }
	return g, nil
}

// describe writes the canonical description of docs/formats/generation.md.
func describe(g *Generation) string {
	var b strings.Builder
	b.WriteString("vedette generation v1\n")
	rules, indicators := "none", "none"
	if g.rules != nil {
		rules = g.rules.digest.String()
	}
	if g.indicators != nil {
		indicators = g.indicators.Digest().String()
	}
	fmt.Fprintf(&b, "rules %s\nindicators %s\nlists %s\n", rules, indicators, g.lists)
	fmt.Fprintf(&b, "ceiling %s\n", g.armed.Ceiling)
	for _, id := range slices.Sorted(maps.Keys(g.armed.Each)) {
		if v := g.armed.Each[id]; v > g.armed.Ceiling { // what is under the ceiling changes no answer
			fmt.Fprintf(&b, "armed %s %s\n", id, v)
		}
	}
	fmt.Fprintf(&b, "fallback %s\nbudget %s\nreasons %s\n",
		g.params.Fallback, strconv.FormatInt(g.params.Budget.Nanoseconds(), 10), strconv.Itoa(g.params.Reasons))
	g.watching.describe(&b)
	return b.String()
}

// ID is the first 16 bytes of the SHA-256 of Description.
func (g *Generation) ID() vedette.GenerationID { return g.id }

// Description is the canonical text that the generation's id is made of (docs/formats/generation.md).
func (g *Generation) Description() string { return g.description }

// Rules returns the rule set, or nil.
func (g *Generation) Rules() *RuleSet { return g.rules }

// Indicators returns the indicators, or nil.
func (g *Generation) Indicators() Indicators { return g.indicators }

// Armed returns what may change an answer. The map is the caller's.
func (g *Generation) Armed() Armed {
	return Armed{Ceiling: g.armed.Ceiling, Each: maps.Clone(g.armed.Each)}
}

// Rearm makes the generation that differs in nothing but what is armed. Its error is Make's.
func (g *Generation) Rearm(a Armed) (*Generation, error) {
	return Make(Parts{Rules: g.rules, Indicators: g.indicators, Lists: g.lists, Armed: a, Watch: g.Watching(), Params: g.params})
}

// Params returns the parameters, with their defaults filled in.
func (g *Generation) Params() Params { return g.params }

// blind are the missing parts for which the fallback is declared. A link that could not be read is not among them: a sender chooses how to
// spell a link, so a rule must judge it (link.unread).
const blind = vedette.DegradedOverload | vedette.DegradedRules | vedette.DegradedIndicators | vedette.DegradedMeasures |
	vedette.DegradedTokens | vedette.DegradedPanic

// scratch is what one decision needs beside its result. It is reused, so that a decision without reasons takes no memory.
type scratch struct {
	facts    facts
	matches  []indicator.Match
	spans    []span // of matches, one for each link
	reasons  []vedette.Reason
	nothing  vedette.Measures // where there are none
	degraded vedette.Degraded
}

type span struct {
	from, to int32
	asked    bool
}

// scratchLimit keeps one enormous event from holding memory for ever.
const scratchLimit = 1024

// Decide answers an event. It has no error: what it had to do without stands in Degraded, and then the answer is at least the fallback.
func (g *Generation) Decide(in *Input) (d vedette.Decision) {
	s := g.scratch.Get().(*scratch)
	s.matches, s.spans, s.reasons, s.degraded = s.matches[:0], s.spans[:0], s.reasons[:0], in.Missing|g.absent
	// Each part is guarded for itself: when one breaks, the others still judge.
	g.match(s, in)
	g.judge(s, in)
	g.watch(s, in)
	d = g.answer(s)
	if cap(s.reasons) > scratchLimit || cap(s.matches) > scratchLimit {
		s = new(scratch)
	}
	s.facts = facts{}
	g.scratch.Put(s)
	return d
}

// broken is deferred by each part: it turns a panic into what the decision was made without.
func (s *scratch) broken(part vedette.Degraded) {
	if recover() != nil {
		s.degraded |= vedette.DegradedPanic | part
	}
}

// match asks the indicators about every link.
func (g *Generation) match(s *scratch, in *Input) {
	defer s.broken(vedette.DegradedIndicators)
	links := in.Event.Links()
	asking := g.indicators != nil && in.Missing&vedette.DegradedIndicators == 0
	for i := range links {
		from := len(s.matches)
		asked := false
		switch {
		case !asking:
		case i < len(in.Links) && in.Links[i].Canonical() != "":
			s.matches = g.indicators.Match(&in.Links[i], in.Event.At, in.Hindsight, s.matches)
			asked = true
		case links[i].Domain.IsZero() && links[i].Host.IsZero() && links[i].Tenant.IsZero() && links[i].URL.IsZero():
			s.degraded |= vedette.DegradedLinks // neither read nor tokenised: nothing to ask about
		default:
			s.matches, asked = g.indicators.MatchTokens(&links[i], in.Event.At, in.Hindsight, s.matches)
			if !asked {
				s.degraded |= vedette.DegradedTokens
			}
		}
		s.spans = append(s.spans, span{int32(from), int32(len(s.matches)), asked})
		start := len(s.reasons)
		for j := from; j < len(s.matches); j++ {
			m := &s.matches[j]
			m.Link = int8(i)
			s.reasons = addMatch(s.reasons, start, g.reason(m))
		}
	}
}

func (g *Generation) reason(m *indicator.Match) vedette.Reason {
	return vedette.Reason{
		Rule: m.List, Verdict: m.Verdict, Weight: m.Weight, Link: m.Link, Armed: g.armed.For(m.List),
		Text: g.indicators.Text(m.Number), Match: m.Number + 1,
	}
}

// addMatch keeps one reason for each list and link: the strongest, and of equals the indicator with the lowest number.
func addMatch(reasons []vedette.Reason, start int, r vedette.Reason) []vedette.Reason {
	for i := start; i < len(reasons); i++ {
		if old := &reasons[i]; old.Rule == r.Rule {
			if r.Verdict > old.Verdict || r.Verdict == old.Verdict && (r.Weight > old.Weight || r.Weight == old.Weight && r.Match < old.Match) {
				*old = r
			}
			return reasons
		}
	}
	return append(reasons, r)
}

// judge asks the rules: those about the event once, those about links for each of them.
func (g *Generation) judge(s *scratch, in *Input) {
	defer s.broken(vedette.DegradedRules)
	ev := in.Event
	links := ev.Links()
	kind := int(ev.Kind())
	if len(in.Measures) == 0 {
		s.degraded |= vedette.DegradedMeasures
	}
	if s.degraded&vedette.DegradedRules != 0 || kind >= kindCount {
		return
	}
	count := &g.counters.kinds[kind]
	count.events.Add(1)
	rules := g.rules
	perEvent, perLink := rules.perEvent[kind], rules.perLink[kind]
	if len(perEvent) == 0 && len(perLink) == 0 {
		return
	}
	f := &s.facts
	f.event(ev, len(links))
	f.measures = g.measures(s, in, 0)
	g.evaluate(s, perEvent, -1)
	if len(links) == 0 {
		if ev.Tier == vedette.Tier0 { // the platform cannot tell: silence is not "no link"
			count.blind.Add(1)
		}
		return
	}
	count.links.Add(uint64(len(links)))
	if len(perLink) == 0 {
		return
	}
	for l := range links {
		f.about(&links[l])
		f.measures = g.measures(s, in, l)
		if l < len(s.spans) && s.spans[l].asked {
			f.matched(s.matches[s.spans[l].from:s.spans[l].to], rules.lists)
		}
		g.evaluate(s, perLink, int8(l))
	}
}

// measures returns those of one link. Where the caller could not measure, all are absent.
func (g *Generation) measures(s *scratch, in *Input, l int) *vedette.Measures {
	if l < len(in.Measures) && in.Missing&vedette.DegradedMeasures == 0 {
		return &in.Measures[l]
	}
	return &s.nothing
}

// evaluate asks rules about the facts at hand, those of link l or, with -1, of the event.
func (g *Generation) evaluate(s *scratch, conditions []condition, l int8) {
	f := &s.facts
	for i := range conditions {
		v := conditions[i].when(f)
		if v == no {
			continue
		}
		n := conditions[i].rule
		if v != yes {
			g.counters.rules[n].notMeasurable.Add(1)
			continue
		}
		g.counters.rules[n].fired.Add(1)
		r := g.rules.rules[n]
		s.reasons = append(s.reasons, vedette.Reason{
			Rule: r.id, Verdict: r.verdict, Weight: r.weight, Link: l, Armed: g.armedRule[n], Shadow: r.mode == Shadow, Text: r.reason,
		})
	}
}

// answer weighs the reasons. The verdict is the strongest of what each may cause; what would have been said, the strongest of what each asks.
func (g *Generation) answer(s *scratch) vedette.Decision {
	d := vedette.Decision{Generation: g.id, Degraded: s.degraded}
	for i := range s.reasons {
		if r := &s.reasons[i]; !r.Shadow {
			d.Would = max(d.Would, r.Verdict)
			d.Verdict = max(d.Verdict, min(r.Verdict, r.Armed))
		}
	}
	if d.Degraded&blind != 0 {
		d.Verdict, d.Would = max(d.Verdict, g.params.Fallback), max(d.Would, g.params.Fallback)
	}
	g.counters.answered(&d)
	if len(s.reasons) > 0 {
		slices.SortFunc(s.reasons, byStrength)
		d.Reasons = strongest(s.reasons, g.params.Reasons)
	}
	return d
}

// byStrength puts what speaks before what is only counted, the stronger first, then by rule and link.
func byStrength(a, b vedette.Reason) int {
	switch {
	case a.Shadow != b.Shadow:
		if b.Shadow {
			return -1
		}
		return 1
	case a.Verdict != b.Verdict:
		return int(b.Verdict) - int(a.Verdict)
	case a.Weight != b.Weight:
		if a.Weight > b.Weight {
			return -1
		}
		return 1
	case a.Rule != b.Rule:
		return strings.Compare(string(a.Rule), string(b.Rule))
	}
	return int(a.Link) - int(b.Link)
}

// strongest copies the first reasons, at most limit. What would fall off although it is the strongest of its verdict, or the strongest
// that caused an answer of its strength, is kept instead of the weakest others: an answer must show what it rests on.
func strongest(sorted []vedette.Reason, limit int) []vedette.Reason {
	if len(sorted) <= limit {
		return slices.Clone(sorted)
	}
	var asked, answered [4]int // index plus one of the first reason of each strength
	must := 0
	keep := func(i int) bool {
		return slices.Contains(asked[:], i+1) || slices.Contains(answered[:], i+1)
	}
	for i := range sorted {
		r := &sorted[i]
		if r.Shadow {
			break
		}
		before := keep(i)
		if v := r.Verdict & 3; asked[v] == 0 {
			asked[v] = i + 1
		}
		if v := min(r.Verdict, r.Armed) & 3; answered[v] == 0 {
			answered[v] = i + 1
		}
		if !before && keep(i) {
			must++
		}
	}
	out, free := make([]vedette.Reason, 0, limit), limit-must
	for i := range sorted {
		switch {
		case keep(i):
			out = append(out, sorted[i])
		case free > 0:
			out = append(out, sorted[i])
			free--
		}
	}
	return out
}
