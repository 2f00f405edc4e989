package decision

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"vedette"
	"vedette/link"
	"vedette/record/indicator"
)

// listed is a small true set: it knows links by the digest of their host, and answers by URL and by token alike.
type listed struct {
	hosts  map[string][]indicator.Match   // by host
	tokens map[[16]byte][]indicator.Match // by domain token
	epoch  uint16                         // of the tokens it knows
	broken bool
}

func (l *listed) Match(u *link.URL, _ time.Time, _ bool, dst []indicator.Match) []indicator.Match {
	if l.broken {
		panic("the set is damaged")
	}
	return append(dst, l.hosts[u.Host()]...)
}

func (l *listed) MatchTokens(k *vedette.Link, _ time.Time, _ bool, dst []indicator.Match) ([]indicator.Match, bool) {
	if l.broken {
		panic("the set is damaged")
	}
	if k.Domain.Epoch != l.epoch {
		return dst, false
	}
	return append(dst, l.tokens[k.Domain.Bytes]...), true
}

func (l *listed) Text(n uint32) string {
	return fmt.Sprintf("as published by source %d on 2026-01-01", n)
}
func (l *listed) Digest() vedette.Digest { return vedette.Digest{7} }
func (l *listed) Len() int               { return len(l.tokens) }

func token(n byte) vedette.Token {
	return vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{n}}
}

// sent makes an event with a link for each of the given domain tokens. By measures nothing speaks: an old account writes to a friend.
func sent(domains ...byte) *Input {
	body := &vedette.LinkSent{To: vedette.Recipient{Account: vedette.AccountID{2}}, Stranger: no, Reply: no}
	in := &Input{Event: &vedette.Event{
		Tenant: "example", Actor: vedette.AccountID{1}, At: exampleTime, Seen: exampleTime, Tier: vedette.Tier2, Body: body,
	}}
	for _, n := range domains {
		body.Links = append(body.Links, vedette.Link{Domain: token(n), Shape: vedette.Shape{Length: 30, HostLabels: 2}})
	}
	in.Measures = make([]vedette.Measures, max(len(domains), 1))
	for i := range in.Measures {
		m := &in.Measures[i]
		for k := range vedette.MeasureCount {
			m.Set(k, 0)
		}
		m.Set(vedette.MeasureAccountKnown, 1)
		m.Set(vedette.MeasureAccountAge, 400*86400)
		m.Set(vedette.MeasureDomainPeople, 500)
		m.Set(vedette.MeasureDomainAge, 90*86400)
	}
	return in
}

func knows(ms map[byte][]indicator.Match) *listed {
	l := &listed{tokens: map[[16]byte][]indicator.Match{}, epoch: 1}
	for n, m := range ms {
		l.tokens[[16]byte{n}] = m
	}
	return l
}

func mustMake(t testing.TB, p Parts) *Generation {
	t.Helper()
	g, err := Make(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ruleFile writes a rule file out of conditions; those about links judge link.sent, the others message.sent too.
func ruleFile(rules ...string) fstest.MapFS {
	var b strings.Builder
	b.WriteString("rules:\n")
	for _, r := range rules {
		f := strings.SplitN(r, "|", 4) // id, verdict, mode, when
		kinds := "link.sent, message.sent"
		if strings.Contains(f[3], "link.") || strings.Contains(f[3], "match.") || strings.Contains(f[3], "domain_") {
			kinds = "link.sent"
		}
		fmt.Fprintf(&b, `
  - id: %s
    title: t
    spares: s
    costs: c
    kinds: [%s]
    when: '%s'
    verdict: %s
    weight_bits: 3
    mode: %s
    reason: r
    examples:
      - {name: a, facts: {event.stranger: true}, fires: true}
      - {name: b, facts: {event.stranger: false}, fires: false}
`, f[0], kinds, f[3], f[1], f[2])
	}
	return fstest.MapFS{"rules.yaml": &fstest.MapFile{Data: []byte(b.String())}}
}

func mustLoad(t testing.TB, fsys fstest.MapFS) *RuleSet {
	t.Helper()
	rs, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func TestNothingSpeaksAgainstAFriendsLink(t *testing.T) {
	g := mustMake(t, Parts{Rules: starterSet(t), Indicators: knows(nil), Armed: Armed{Ceiling: vedette.Block}})
	d := g.Decide(sent(1, 2))
	want := vedette.Decision{Generation: g.ID()}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("Decide = %+v, want %+v", d, want)
	}
}

func TestADecisionWithoutReasonsTakesNoMemory(t *testing.T) {
	g := mustMake(t, Parts{Rules: starterSet(t), Indicators: knows(nil)})
	in := sent(1, 2)
	if n := testing.AllocsPerRun(1000, func() { g.Decide(in) }); n != 0 {
		t.Errorf("a clean decision allocates %v times, want 0", n)
	}
}

func TestWhatIsArmedBoundsTheAnswerAndNotTheJudgement(t *testing.T) {
	hit := knows(map[byte][]indicator.Match{1: {{Number: 4, Scope: indicator.ScopeHost, Verdict: vedette.Block, Weight: 20000, List: "list:alpha"}}})
	for _, tt := range []struct {
		name  string
		armed Armed
		want  vedette.Verdict
		each  vedette.Verdict
	}{
		{"a fresh install observes", Armed{}, vedette.Allow, vedette.Allow},
		{"the ceiling holds back", Armed{Ceiling: vedette.Warn}, vedette.Warn, vedette.Warn},
		{"a list is armed by itself", Armed{Each: map[vedette.RuleID]vedette.Verdict{"list:alpha": vedette.Block}}, vedette.Block, vedette.Block},
		{"another list is armed", Armed{Each: map[vedette.RuleID]vedette.Verdict{"list:beta": vedette.Block}}, vedette.Allow, vedette.Allow},
		{"a list under the ceiling", Armed{Ceiling: vedette.Hold, Each: map[vedette.RuleID]vedette.Verdict{"list:alpha": vedette.Warn}}, vedette.Hold, vedette.Hold},
		{"everything is armed", Armed{Ceiling: vedette.Block}, vedette.Block, vedette.Block},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := mustMake(t, Parts{Rules: starterSet(t), Indicators: hit, Armed: tt.armed})
			d := g.Decide(sent(1))
			want := []vedette.Reason{{
				Rule: "list:alpha", Verdict: vedette.Block, Weight: 20000, Link: 0, Armed: tt.each, Text: "as published by source 4 on 2026-01-01", Match: 5,
			}}
			if d.Verdict != tt.want || d.Would != vedette.Block || !reflect.DeepEqual(d.Reasons, want) {
				t.Errorf("Decide = %v, would %v, %+v; want %v, would block, %+v", d.Verdict, d.Would, d.Reasons, tt.want, want)
			}
			if d.Observing() != (tt.want < vedette.Block) {
				t.Errorf("Observing = %v", d.Observing())
			}
		})
	}
}

func TestAShadowRuleIsSeenAndChangesNothing(t *testing.T) {
	rs := mustLoad(t, ruleFile("loud|warn|active|event.stranger", "quiet|block|shadow|event.stranger"))
	g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil), Armed: Armed{Ceiling: vedette.Block}})
	in := sent(1)
	in.Event.Body.(*vedette.LinkSent).Stranger = yes
	d := g.Decide(in)
	if d.Verdict != vedette.Warn || d.Would != vedette.Warn {
		t.Errorf("Decide = %v, would %v, want warn and warn", d.Verdict, d.Would)
	}
	if len(d.Reasons) != 2 || d.Reasons[0].Rule != "rule:loud" || !d.Reasons[1].Shadow || d.Reasons[1].Link != -1 {
		t.Errorf("reasons = %+v, want the rule that speaks, then the shadow, both about the event", d.Reasons)
	}
	if c := g.Counts().Rules["rule:quiet"]; c.Fired != 1 || c.Evaluated != 1 || c.Mode != Shadow {
		t.Errorf("counts of the shadow = %+v", c)
	}
}

func TestEachLinkIsJudgedByItsOwnMeasures(t *testing.T) {
	rs := mustLoad(t, ruleFile("rare|warn|active|domain_people <= 1 && link.token_like > 0"))
	g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil)})
	in := sent(1, 2, 3)
	for i := range 3 {
		in.Event.Body.(*vedette.LinkSent).Links[i].Shape.TokenLike = 1
	}
	in.Measures[2].Set(vedette.MeasureDomainPeople, 0)
	d := g.Decide(in)
	if len(d.Reasons) != 1 || d.Reasons[0].Link != 2 {
		t.Errorf("reasons = %+v, want one about link 2", d.Reasons)
	}
	if c := g.Counts().Rules["rule:rare"]; c.Evaluated != 3 || c.Fired != 1 {
		t.Errorf("counts = %+v, want 3 evaluated and 1 fired", c)
	}
}

func TestALinkIsNotBlamedForAnothersMatch(t *testing.T) {
	rs := mustLoad(t, ruleFile(`list|warn|active|match.list("alpha")`, `scope|warn|active|match.scope("host")`, `any|warn|active|link.token_like == 0 && match.any`))
	hit := knows(map[byte][]indicator.Match{1: {{Scope: indicator.ScopeHost, Weight: 9000, List: "list:alpha"}}})
	in := sent(1, 2)
	in.Event.Body.(*vedette.LinkSent).Links[0].Shape.TokenLike = 3
	g := mustMake(t, Parts{Rules: rs, Indicators: hit})
	for _, r := range g.Decide(in).Reasons {
		if r.Link != 0 || r.Rule == "rule:any" {
			t.Errorf("%s speaks about link %d", r.Rule, r.Link)
		}
	}
	if c := g.Counts(); c.Rules["rule:list"].Fired != 1 || c.Rules["rule:scope"].Fired != 1 {
		t.Errorf("counts = %+v, want each fired once", c.Rules)
	}
}

func TestTheFallbackIsTakenWhereAPartIsMissing(t *testing.T) {
	rs := mustLoad(t, ruleFile("loud|warn|active|event.stranger"))
	healthy := Parts{Rules: rs, Indicators: knows(nil), Params: Params{Fallback: vedette.Hold}, Armed: Armed{Ceiling: vedette.Block}}
	for _, tt := range []struct {
		name     string
		change   func(p *Parts, in *Input)
		degraded vedette.Degraded
		want     vedette.Verdict
	}{
		{"nothing is missing", func(*Parts, *Input) {}, 0, vedette.Allow},
		{"no indicators", func(p *Parts, _ *Input) { p.Indicators = nil }, vedette.DegradedIndicators, vedette.Hold},
		{"a nil set in the interface", func(p *Parts, _ *Input) { p.Indicators = (*listed)(nil) }, vedette.DegradedIndicators, vedette.Hold},
		{"no rules", func(p *Parts, _ *Input) { p.Rules = nil }, vedette.DegradedRules, vedette.Hold},
		{"the queue was too long", func(_ *Parts, in *Input) { in.Missing = vedette.DegradedOverload }, vedette.DegradedOverload, vedette.Hold},
		{"memory was not asked", func(_ *Parts, in *Input) { in.Measures = nil }, vedette.DegradedMeasures, vedette.Hold},
		{"the tokens are of another epoch", func(p *Parts, _ *Input) { p.Indicators.(*listed).epoch = 9 }, vedette.DegradedTokens, vedette.Hold},
		{"the set panics", func(p *Parts, _ *Input) { p.Indicators.(*listed).broken = true }, vedette.DegradedPanic | vedette.DegradedIndicators, vedette.Hold},
		{"a link could not be read, which the sender chooses", func(_ *Parts, in *Input) {
			in.Event.Body.(*vedette.LinkSent).Links[0] = vedette.Link{}
			in.Missing = vedette.DegradedLinks
		}, vedette.DegradedLinks, vedette.Allow},
		{"what can be judged is stronger than the fallback", func(p *Parts, in *Input) {
			in.Missing, p.Params.Fallback = vedette.DegradedIndicators, vedette.Allow
			in.Event.Body.(*vedette.LinkSent).Stranger = yes
		}, vedette.DegradedIndicators, vedette.Warn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, in := healthy, sent(1)
			p.Indicators = knows(nil)
			tt.change(&p, in)
			g := mustMake(t, p)
			d := g.Decide(in)
			if d.Verdict != tt.want || d.Would != tt.want || d.Degraded != tt.degraded {
				t.Errorf("Decide = %v, would %v, without %v; want %v, without %v", d.Verdict, d.Would, d.Degraded.Names(), tt.want, tt.degraded.Names())
			}
			counts := g.Counts()
			for _, name := range tt.degraded.Names() {
				if counts.Degraded[name] != 1 {
					t.Errorf("degraded %q counted %d times, want 1", name, counts.Degraded[name])
				}
			}
		})
	}
}

func TestABrokenRuleDoesNotSilenceTheIndicators(t *testing.T) {
	rs := mustLoad(t, ruleFile("loud|warn|active|event.stranger"))
	rs.perEvent[vedette.KindLinkSent][0].when = func(*facts) vedette.Tri { panic("broken") }
	hit := knows(map[byte][]indicator.Match{1: {{Verdict: vedette.Block, Weight: 1, List: "list:alpha"}}})
	d := mustMake(t, Parts{Rules: rs, Indicators: hit, Armed: Armed{Ceiling: vedette.Block}}).Decide(sent(1))
	if d.Verdict != vedette.Block || d.Degraded != vedette.DegradedPanic|vedette.DegradedRules {
		t.Errorf("Decide = %v without %v, want block without rules and fault", d.Verdict, d.Degraded.Names())
	}
}

func TestWhatTheJournalsOwnEventsSay(t *testing.T) {
	g := mustMake(t, Parts{Rules: starterSet(t), Indicators: knows(nil)})
	for _, body := range []vedette.Body{&vedette.Tick{}, &vedette.GenerationMade{}, nil} {
		d := g.Decide(&Input{Event: &vedette.Event{At: exampleTime, Body: body}, Measures: make([]vedette.Measures, 1)})
		if d.Verdict != vedette.Allow || d.Degraded != 0 || d.Reasons != nil {
			t.Errorf("Decide(%T) = %+v", body, d)
		}
	}
}

func TestReasonsAreMergedSortedAndBounded(t *testing.T) {
	var rules []string
	for i := range 12 {
		rules = append(rules, fmt.Sprintf("warn-%02d|warn|active|link.token_like > 0", i))
	}
	rules = append(rules, "hold|hold|active|link.token_like > 0", "shade|block|shadow|link.token_like > 0")
	rs := mustLoad(t, ruleFile(rules...))
	twice := indicator.Match{Verdict: vedette.Block, Weight: 9000, List: "list:alpha"}
	weaker := indicator.Match{Number: 1, Verdict: vedette.Warn, Weight: 60000, List: "list:alpha"}
	all := map[byte][]indicator.Match{}
	in := sent()
	for i := range byte(20) {
		all[i] = []indicator.Match{weaker, twice}
		in.Event.Body.(*vedette.LinkSent).Links = append(in.Event.Body.(*vedette.LinkSent).Links,
			vedette.Link{Domain: token(i), Shape: vedette.Shape{Length: 30, TokenLike: 1}})
		in.Measures = append(in.Measures, in.Measures[0])
	}
	g := mustMake(t, Parts{Rules: rs, Indicators: knows(all), Armed: Armed{Each: map[vedette.RuleID]vedette.Verdict{"rule:warn-11": vedette.Warn}}})
	d := g.Decide(in)
	if len(d.Reasons) != MaxReasons || d.Would != vedette.Block || d.Verdict != vedette.Warn {
		t.Fatalf("Decide = %v, would %v, %d reasons; want warn, block, %d", d.Verdict, d.Would, len(d.Reasons), MaxReasons)
	}
	if !slices.IsSortedFunc(d.Reasons, byStrength) {
		t.Errorf("reasons are not sorted: %+v", d.Reasons)
	}
	seen := map[vedette.RuleID]int{}
	for _, r := range d.Reasons {
		seen[r.Rule]++
	}
	// 20 blocks would fill the list alone: the strongest hold, the strongest warn, and the one warn that caused the answer stay.
	if seen["list:alpha"] != 13 || seen["rule:hold"] != 1 || seen["rule:warn-00"] != 1 || seen["rule:warn-11"] != 1 {
		t.Errorf("reasons by rule = %v", seen)
	}
	if d.Reasons[0].Match != 1 || d.Reasons[0].Verdict != vedette.Block {
		t.Errorf("of two matches of one list the reason is %+v, want the stronger verdict", d.Reasons[0])
	}
}

func TestTheReasonsAlwaysCarryTheVerdicts(t *testing.T) {
	verdicts := []vedette.Verdict{vedette.Warn, vedette.Hold, vedette.Block}
	rapid.Check(t, func(t *rapid.T) {
		var reasons []vedette.Reason
		for i := range rapid.IntRange(0, 60).Draw(t, "reasons") {
			reasons = append(reasons, vedette.Reason{
				Rule:    vedette.RuleID(fmt.Sprintf("rule:%02d", i)),
				Verdict: rapid.SampledFrom(verdicts).Draw(t, "verdict"), Armed: vedette.Verdict(rapid.IntRange(0, 3).Draw(t, "armed")),
				Weight: vedette.MilliBits(rapid.IntRange(1, 5).Draw(t, "weight")), Shadow: rapid.Bool().Draw(t, "shadow"),
			})
		}
		said := func(rs []vedette.Reason) (would, verdict vedette.Verdict) {
			for _, r := range rs {
				if !r.Shadow {
					would, verdict = max(would, r.Verdict), max(verdict, min(r.Verdict, r.Armed))
				}
			}
			return would, verdict
		}
		slices.SortFunc(reasons, byStrength)
		kept := strongest(reasons, 8)
		would, verdict := said(reasons)
		keptWould, keptVerdict := said(kept)
		if would != keptWould || verdict != keptVerdict || len(kept) != min(len(reasons), 8) || !slices.IsSortedFunc(kept, byStrength) {
			t.Fatalf("%d reasons say %v and %v, the %d kept %v and %v", len(reasons), would, verdict, len(kept), keptWould, keptVerdict)
		}
	})
}

// randomInput makes an event of any kind with up to three links, as a door would hand it in.
func randomInput(pick source) *Input {
	b := builder{kind: vedette.Kinds()[pick(19)], tier: vedette.Tier(pick(4)), links: pick(4)}
	three := func() vedette.Tri { return vedette.Tri(pick(3)) }
	b.stranger, b.reply, b.hasLink, b.toGroup = three(), three(), three(), three()
	b.network = vedette.Network{Class: vedette.NetworkClass(pick(6))}
	b.attestation, b.category = vedette.Attestation(pick(5)), vedette.ReportCategory(pick(7))
	in, _ := b.input()
	for i := range in.Measures {
		for k := range vedette.MeasureCount {
			if pick(3) > 0 {
				in.Measures[i].Set(k, amounts[pick(9)])
			}
		}
	}
	links := in.Event.Links()
	for i := range links {
		links[i].Domain = token(byte(pick(3)))
		links[i].Where = vedette.Place(pick(6))
		links[i].Shape = vedette.Shape{Flags: vedette.ShapeFlag(pick(1 << 16)), TokenLike: uint8(pick(3)), Length: uint16(pick(2) * 40)}
	}
	return in
}

func TestTheSameInputGivesTheSameDecision(t *testing.T) {
	hit := knows(map[byte][]indicator.Match{1: {
		{Number: 1, Scope: indicator.ScopeHost, Verdict: vedette.Hold, Weight: 5000, List: "list:alpha"},
		{Number: 2, Scope: indicator.ScopeDomain, Verdict: vedette.Warn, Weight: 9000, List: "list:beta"},
	}})
	p := Parts{Rules: starterSet(t), Indicators: hit, Armed: Armed{Ceiling: vedette.Warn}}
	a, b := mustMake(t, p), mustMake(t, Parts{Rules: starterSet(t), Indicators: hit, Armed: Armed{Ceiling: vedette.Warn}})
	if a.ID() != b.ID() {
		t.Fatalf("two generations of the same parts are %v and %v", a.ID(), b.ID())
	}
	r := rand.New(rand.NewPCG(1, 2))
	var inputs []*Input
	var want []vedette.Decision
	for range 400 {
		in := randomInput(r.IntN)
		inputs, want = append(inputs, in), append(want, a.Decide(in))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i, in := range inputs {
				if d := b.Decide(in); !reflect.DeepEqual(d, want[i]) {
					t.Errorf("Decide(%d) = %+v, then %+v", i, want[i], d)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestGenerationIsWhatItsPageSays(t *testing.T) {
	rs := mustLoad(t, fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(vectorRules)}})
	g := mustMake(t, Parts{
		Rules: rs, Indicators: knows(nil), Lists: "lists-2026-11",
		Armed:  Armed{Ceiling: vedette.Warn, Each: map[vedette.RuleID]vedette.Verdict{"rule:vector": vedette.Hold, "list:alpha": vedette.Block, "list:beta": vedette.Warn}},
		Params: Params{Fallback: vedette.Warn},
	})
	// Frozen: docs/formats/generation.md prints these. A change here is a new version of the format.
	const description = `vedette generation v1
rules 4ca71d31b0a6d40bd5bc644d9f66d0a66c560fbe903c5d692ef4becda7268946
indicators 0700000000000000000000000000000000000000000000000000000000000000
lists lists-2026-11
ceiling warn
armed list:alpha block
armed rule:vector hold
fallback warn
budget 20000000
reasons 16
`
	const id = "gen_9kzxnm22k5w5rfea5y0y19g05w"
	if g.Description() != description {
		t.Errorf("Description() =\n%s\nwant\n%s", g.Description(), description)
	}
	if g.ID().String() != id {
		t.Errorf("ID() = %s, want %s", g.ID(), id)
	}
	page, err := os.ReadFile("../../docs/formats/generation.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{vectorRules, description, id} {
		if !bytes.Contains(page, []byte(part)) {
			t.Errorf("docs/formats/generation.md does not hold\n%s", part)
		}
	}
}

const vectorRules = `rules:
  - id: vector
    title: a rule for the test vector
    spares: nobody
    costs: nobody
    kinds: [link.sent]
    when: event.stranger && account_age < 7 * day
    verdict: warn
    weight_bits: 2.5
    mode: active
    reason: A vector.
    needs: [account_known, tier-1]
    examples:
      - {name: fires, facts: {event.stranger: true, account_age: 1 day, account_known: true}, fires: true}
      - {name: spares, facts: {event.stranger: false}, fires: false}
`

func TestEveryPartChangesTheGeneration(t *testing.T) {
	seen := map[vedette.GenerationID]string{}
	add := func(name string, p Parts) {
		id := mustMake(t, p).ID()
		if other, double := seen[id]; double {
			t.Errorf("%q and %q are the same generation", name, other)
		}
		seen[id] = name
	}
	base := func() Parts { return Parts{Rules: starterSet(t), Indicators: knows(nil), Lists: "a"} }
	change := func(name string, f func(p *Parts)) {
		p := base()
		f(&p)
		add(name, p)
	}
	add("base", base())
	change("rules", func(p *Parts) { p.Rules = mustLoad(t, ruleFile("a|warn|active|event.stranger")) })
	change("a rule's mode", func(p *Parts) { p.Rules = mustLoad(t, ruleFile("a|warn|shadow|event.stranger")) })
	change("a rule's condition", func(p *Parts) { p.Rules = mustLoad(t, ruleFile("a|warn|active|!event.stranger")) })
	change("no rules", func(p *Parts) { p.Rules = nil })
	change("no indicators", func(p *Parts) { p.Indicators = nil })
	change("lists", func(p *Parts) { p.Lists = "b" })
	change("ceiling", func(p *Parts) { p.Armed.Ceiling = vedette.Warn })
	change("one armed", func(p *Parts) { p.Armed.Each = map[vedette.RuleID]vedette.Verdict{"list:x": vedette.Warn} })
	change("fallback", func(p *Parts) { p.Params.Fallback = vedette.Hold })
	change("budget", func(p *Parts) { p.Params.Budget = time.Second })
	change("reasons", func(p *Parts) { p.Params.Reasons = 8 })
	change("a watch entry", func(p *Parts) { p.Watch = []vedette.Watched{watched(3)} })
	change("its end", func(p *Parts) { p.Watch = []vedette.Watched{watched(3)}; p.Watch[0].Until = exampleTime })
}

func TestRearmChangesNothingElse(t *testing.T) {
	p := Parts{Rules: starterSet(t), Indicators: knows(nil), Lists: "a", Params: Params{Fallback: vedette.Warn, Budget: time.Second}}
	g := mustMake(t, p)
	p.Armed = Armed{Ceiling: vedette.Warn}
	armed, err := g.Rearm(p.Armed)
	if want := mustMake(t, p); err != nil || armed.ID() != want.ID() || armed.ID() == g.ID() {
		t.Errorf("Rearm = %v, %v; want %v", armed, err, want.ID())
	}
}

func TestMakeNamesWhatIsOutOfRange(t *testing.T) {
	for _, tt := range []struct {
		parts Parts
		want  string
	}{
		{Parts{Params: Params{Budget: 2 * time.Hour}}, "decision.budget: 2h0m0s is not within 1ms to 1s"},
		{Parts{Params: Params{Reasons: 3}}, "decision.reasons: 3"},
		{Parts{Params: Params{Fallback: 9}}, "decision.fallback: 9"},
		{Parts{Lists: "a\nceiling block"}, "control characters"},
		{Parts{Armed: Armed{Each: map[vedette.RuleID]vedette.Verdict{"list:a\nb": 1}}}, "no name of a rule or list"},
	} {
		_, err := Make(tt.parts)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Make(%+v) = %v, want %q and invalid", tt.parts, err, tt.want)
		}
	}
}

func TestCountsTellBlindness(t *testing.T) {
	rs := mustLoad(t, ruleFile("rare|warn|active|domain_people <= 1", "event|warn|active|event.stranger"))
	g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil)})
	absent := sent(1)
	absent.Measures[0].Reset()
	g.Decide(absent)
	silent := sent() // tier 0: the platform tells nothing of links
	silent.Event.Tier = vedette.Tier0
	g.Decide(silent)
	message := &Input{Event: &vedette.Event{At: exampleTime, Body: &vedette.MessageSent{Count: 1}}, Measures: make([]vedette.Measures, 1)}
	message.Event.Tier = vedette.Tier2
	g.Decide(message)
	c := g.Counts()
	if got, want := c.Rules["rule:rare"], (Count{Evaluated: 2, NotMeasurable: 2}); got != want {
		t.Errorf("rule about links = %+v, want %+v", got, want)
	}
	if got, want := c.Rules["rule:event"], (Count{Evaluated: 3, NotMeasurable: 1}); got != want {
		t.Errorf("rule about events = %+v, want %+v", got, want)
	}
	if c.Decisions != 3 || c.Answered["allow"] != 3 {
		t.Errorf("counts = %+v", c)
	}
}

func TestMetricsOutliveASwap(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	rs := mustLoad(t, ruleFile("a|warn|active|event.stranger"))
	in := sent(1)
	in.Event.Body.(*vedette.LinkSent).Stranger = yes
	for range 3 {
		g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil)})
		m.Watch(g)
		m.Watch(g)
		g.Decide(in)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range families {
		if f.GetName() == "vedette_rule_fired_total" {
			if n := f.GetMetric()[0].GetCounter().GetValue(); n != 3 {
				t.Errorf("the rule fired %v times over three generations, want 3", n)
			}
			found = true
		}
	}
	if !found {
		t.Errorf("no vedette_rule_fired_total among %d families", len(families))
	}
	if _, err := NewMetrics(reg); err == nil {
		t.Error("NewMetrics twice on one registry is accepted")
	}
}
