package decision

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
)

// counters are written by every decision. How often a rule was evaluated is not among them: it follows from the events and links of its
// kinds, so that fifty rules cost two additions.
type counters struct {
	kinds   [kindCount]kindCounter
	rules   []ruleCounter
	answer  [4]atomic.Uint64
	would   [4]atomic.Uint64
	missing [degradedCount]atomic.Uint64
}

const degradedCount = 7

type kindCounter struct{ events, links, blind atomic.Uint64 }

type ruleCounter struct{ fired, notMeasurable atomic.Uint64 }

func (c *counters) answered(d *vedette.Decision) {
	c.answer[d.Verdict&3].Add(1)
	c.would[d.Would&3].Add(1)
	for m := uint16(d.Degraded) & (1<<degradedCount - 1); m != 0; m &= m - 1 {
		c.missing[bits.TrailingZeros16(m)].Add(1)
	}
}

// Count is what became of one rule. A rule about links counts once for each link.
type Count struct {
	Mode          Mode   `json:"mode"`
	Evaluated     uint64 `json:"evaluated"`      // asked; those below are part of it
	Fired         uint64 `json:"fired"`          // in shadow too
	NotMeasurable uint64 `json:"not_measurable"` // a fact that would have decided it was absent
}

// Counts is what a generation has decided so far.
type Counts struct {
	Decisions uint64                   `json:"decisions"`
	Answered  map[string]uint64        `json:"answered"` // by verdict
	Would     map[string]uint64        `json:"would"`    // by verdict, were everything armed
	Degraded  map[string]uint64        `json:"degraded"` // by missing part
	Rules     map[vedette.RuleID]Count `json:"rules"`
	Kinds     map[string]KindCount     `json:"kinds"` // those that were seen
}

// KindCount is what was seen of one kind of event.
type KindCount struct {
	Events uint64 `json:"events"`
	Links  uint64 `json:"links"`
	Blind  uint64 `json:"blind"` // events whose links the platform cannot tell (tier 0)
}

// Counts returns what this generation has decided so far. Called while decisions are made, its numbers may differ by those under way.
func (g *Generation) Counts() Counts {
	c := Counts{
		Answered: map[string]uint64{}, Would: map[string]uint64{}, Degraded: map[string]uint64{},
		Rules: map[vedette.RuleID]Count{}, Kinds: map[string]KindCount{},
	}
	for v := vedette.Allow; v <= vedette.Block; v++ {
		c.Answered[v.String()], c.Would[v.String()] = g.counters.answer[v].Load(), g.counters.would[v].Load()
		c.Decisions += c.Answered[v.String()]
	}
	for i := range degradedCount {
		c.Degraded[vedette.Degraded(1 << i).Names()[0]] = g.counters.missing[i].Load()
	}
	for k := range kindCount {
		n := &g.counters.kinds[k]
		if kc := (KindCount{n.events.Load(), n.links.Load(), n.blind.Load()}); kc.Events > 0 {
			c.Kinds[vedette.Kind(k).String()] = kc
		}
	}
	if g.rules == nil {
		return c
	}
	for i, r := range g.rules.rules {
		rc := Count{Mode: r.mode, Fired: g.counters.rules[i].fired.Load(), NotMeasurable: g.counters.rules[i].notMeasurable.Load()}
		for k := range kindCount {
			if r.kinds>>k&1 == 0 {
				continue
			}
			n := &g.counters.kinds[k]
			if !r.program.aboutLink {
				rc.Evaluated += n.events.Load()
				continue
			}
			rc.Evaluated += n.links.Load() + n.blind.Load()
			rc.NotMeasurable += n.blind.Load()
		}
		c.Rules[r.id] = rc
	}
	return c
}

// add sums two generations' counts.
func (c *Counts) add(o Counts) {
	c.Decisions += o.Decisions
	sum := func(into *map[string]uint64, from map[string]uint64) {
		if *into == nil {
			*into = map[string]uint64{}
		}
		for k, v := range from {
			(*into)[k] += v
		}
	}
	sum(&c.Answered, o.Answered)
	sum(&c.Would, o.Would)
	sum(&c.Degraded, o.Degraded)
	if c.Rules == nil {
		c.Rules = map[vedette.RuleID]Count{}
	}
	for id, n := range o.Rules {
		old := c.Rules[id]
		c.Rules[id] = Count{n.Mode, old.Evaluated + n.Evaluated, old.Fired + n.Fired, old.NotMeasurable + n.NotMeasurable}
	}
}

// Metrics shows the counts of the generation in force, and of all before it, to Prometheus.
type Metrics struct {
	mu       sync.Mutex
	retired  Counts
	previous *Generation // swapped out, perhaps with decisions still under way: counted until the next swap
	current  *Generation
}

var (
	evaluatedDesc = prometheus.NewDesc("vedette_rule_evaluated_total",
		"Evaluations of a rule, once for each event or link of its kinds. A fall means that the platform tells less.", []string{"rule"}, nil)
	firedDesc = prometheus.NewDesc("vedette_rule_fired_total",
		"Evaluations in which a rule fired; in mode shadow it changed nothing. A rise means an attack, or a rule that bothers honest people.", []string{"rule", "mode"}, nil)
	notMeasurableDesc = prometheus.NewDesc("vedette_rule_not_measurable_total",
		"Evaluations that an absent fact left open, so that the rule could not fire. A rise means that the rule is blind.", []string{"rule"}, nil)
	answeredDesc = prometheus.NewDesc("vedette_decision_answers_total",
		"Decisions by the verdict that was answered. A rise of hold or block reaches people at once.", []string{"verdict"}, nil)
	wouldDesc = prometheus.NewDesc("vedette_decision_would_total",
		"Decisions by the verdict were everything armed. Where it exceeds the answers, vedette observes.", []string{"verdict"}, nil)
	degradedDesc = prometheus.NewDesc("vedette_decision_degraded_total",
		"Decisions made without a part. Any rise needs a person; of part fault, a person here.", []string{"part"}, nil)
)

// NewMetrics registers the room's metrics. Its error says what else has their names.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{}
	if err := reg.Register(m); err != nil {
		return nil, fmt.Errorf("decision: metrics: %w", err)
	}
	return m, nil
}

// Watch counts a generation from now on; call it when one is swapped in. The counts of those before are kept.
func (m *Metrics) Watch(g *Generation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if g == m.current {
		return
	}
	if m.previous != nil {
		m.retired.add(m.previous.Counts())
	}
	m.previous, m.current = m.current, g
}

// Describe is part of prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{evaluatedDesc, firedDesc, notMeasurableDesc, answeredDesc, wouldDesc, degradedDesc} {
		ch <- d
	}
}

// Collect is part of prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	var c Counts
	c.add(m.retired)
	if m.previous != nil {
		c.add(m.previous.Counts())
	}
	if m.current != nil {
		c.add(m.current.Counts())
	}
	m.mu.Unlock()
	send := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for id, n := range c.Rules {
		send(evaluatedDesc, n.Evaluated, string(id))
		send(firedDesc, n.Fired, string(id), n.Mode.String())
		send(notMeasurableDesc, n.NotMeasurable, string(id))
	}
	for v, n := range c.Answered {
		send(answeredDesc, n, v)
	}
	for v, n := range c.Would {
		send(wouldDesc, n, v)
	}
	for part, n := range c.Degraded {
		send(degradedDesc, n, part)
	}
}
