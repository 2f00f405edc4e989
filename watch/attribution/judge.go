package attribution

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
)

// tally is one hypothesis while it is counted.
type tally struct {
	name     string
	prior    vedette.MilliBits
	bits     vedette.MilliBits // all pieces
	low      vedette.MilliBits
	high     vedette.MilliBits
	specific vedette.MilliBits // without style
	copyable vedette.MilliBits // what an imitator could have copied, where it speaks for the hypothesis
	known    bool
}

// tallies sums the pieces for each hypothesis, of each group the strongest, in the order of groups. without leaves one group out.
func tallies(names []string, specials []tally, prior vedette.MilliBits, items []Item, without string, limit vedette.MilliBits) []tally {
	out := make([]tally, 0, len(names)+len(specials))
	at := map[string]int{}
	for _, n := range names {
		at[n] = len(out)
		out = append(out, tally{name: n, prior: prior, known: true})
	}
	for _, s := range specials {
		at[s.name] = len(out)
		out = append(out, s)
	}
	type counted struct {
		r    Ratio
		item *Item
	}
	groups := map[string][]counted{} // by group: the strongest ratio for each hypothesis
	var order []string
	for i := range items {
		it := &items[i]
		if it.Group == without {
			continue
		}
		if _, ok := groups[it.Group]; !ok {
			order = append(order, it.Group)
		}
		list := groups[it.Group]
		for _, r := range it.Ratios {
			j := slices.IndexFunc(list, func(c counted) bool { return c.r.Hypothesis == r.Hypothesis })
			switch {
			case j < 0:
				list = append(list, counted{r, it})
			case abs(r.Bits) > abs(list[j].r.Bits):
				list[j] = counted{r, it}
			}
		}
		groups[it.Group] = list
	}
	slices.Sort(order)
	for _, g := range order {
		for _, c := range groups[g] {
			i, ok := at[c.r.Hypothesis]
			if !ok {
				continue
			}
			t := &out[i]
			t.bits += c.r.Bits
			t.low += c.r.Low
			t.high += c.r.High
			if c.item.Kind != NameStyle {
				t.specific += c.r.Bits
			}
			if c.item.FalseFlag.copyable() {
				t.copyable += c.r.Bits
			}
		}
	}
	for i := range out {
		t := &out[i]
		t.bits, t.low, t.high = clamp(t.bits, -limit, limit), clamp(t.low, -limit, limit), clamp(t.high, -limit, limit)
		t.copyable = clamp(t.copyable, 0, limit)
	}
	return out
}

func abs(m vedette.MilliBits) vedette.MilliBits { return max(m, -m) }

// thousandths returns log2(n/1000).
func thousandths(n int) vedette.MilliBits { return logRatio(uint64(n), 1000) }

// question words of each claim.
var questions = map[ClaimKind]string{
	Campaign: "Is this the same hand as a campaign that is known?",
	Vendor:   "Whose tooling is it?",
	Customer: "For whom was it done?",
}

// judge holds the pieces against all hypotheses of a claim.
func (k *Knowledge) judge(v *view, items []Item, p *Params) Claim {
	c := Claim{Kind: v.kind, Question: questions[v.kind], Answer: Unknown, Evidence: items, Changes: []string{}}
	if c.Evidence == nil {
		c.Evidence = []Item{}
	}
	names, specials := k.hypotheses(v, items, p)
	known := p.Known
	if v.kind == Customer {
		known = min(p.Known, 50) // what a link tells, it tells of tooling
	}
	split := log2(uint64(max(len(names), 1)))
	prior := thousandths(known) - split
	imit := thousandths(p.Imitation) - split
	if len(names) == 0 {
		prior, imit = -62000, thousandths(p.Imitation)
	}

	ts := tallies(names, specials, prior, items, "", p.CapTogether)
	totals := k.totals(ts, imit)
	post := shares(totals)
	best := k.answer(ts, post, p)
	c.Hypotheses = k.side(ts, totals, post)
	if best >= 0 {
		c.Answer = ts[best].name
	}

	// The strongest hypothesis that names anyone, spoken or not, is the one that the checks are about.
	top := best
	if top < 0 {
		for i := range ts {
			if ts[i].known && ts[i].specific > 0 && (top < 0 || post[i] > post[top]) {
				top = i
			}
		}
	}
	k.explain(&c, ts, post, top)
	if best >= 0 {
		for _, g := range groupsFor(items, c.Answer) {
			again := tallies(names, specials, prior, items, g, p.CapTogether)
			if k.answer(again, shares(k.totals(again, imit)), p) != best {
				c.Changes = append(c.Changes, "Without the "+g+" the answer would be unknown or another.")
			}
		}
	}
	slices.SortStableFunc(c.Hypotheses, func(a, b Hypothesis) int {
		return cmp.Or(cmp.Compare(b.PPM, a.PPM), strings.Compare(a.Name, b.Name))
	})
	return c
}

// hypotheses returns the names that a claim chooses among and what stands beside them.
func (k *Knowledge) hypotheses(v *view, items []Item, p *Params) (names []string, specials []tally) {
	special := func(name string, n int) { specials = append(specials, tally{name: name, prior: thousandths(n)}) }
	switch v.kind {
	case Vendor:
		names = slices.Clone(v.names)
		special(NotKnown, p.NotKnown)
		special(Imitation, p.Imitation)
		special(Commodity, p.Commodity)
		special(Ordinary, p.Ordinary)
	case Campaign:
		names = slices.Clone(v.names)
		special(UnknownHand, p.NotKnown)
		special(Imitation, p.Imitation)
		special(Commodity, p.Commodity)
		special(Ordinary, p.Ordinary)
	default:
		special("a customer not known here", 1000-min(p.Known, 50))
	}
	for i := range items {
		for _, r := range items[i].Ratios {
			if !slices.ContainsFunc(specials, func(t tally) bool { return t.name == r.Hypothesis }) && !slices.Contains(names, r.Hypothesis) {
				names = append(names, r.Hypothesis)
			}
		}
	}
	slices.Sort(names)
	return names, specials
}

// totals adds prior and evidence. An imitator explains whatever could have been copied, of each operator as well as that operator himself.
func (k *Knowledge) totals(ts []tally, imit vedette.MilliBits) []vedette.MilliBits {
	out := make([]vedette.MilliBits, len(ts))
	for i := range ts {
		out[i] = ts[i].prior + ts[i].bits
	}
	for i := range ts {
		if ts[i].name != Imitation {
			continue
		}
		sum := vedette.MilliBits(-62000)
		for j := range ts {
			if ts[j].known {
				sum = either(sum, imit+ts[j].copyable)
			}
		}
		out[i] = sum + ts[i].bits
	}
	return out
}

// answer returns the hypothesis that may be named, or -1.
func (k *Knowledge) answer(ts []tally, post []int, p *Params) int {
	best := 0
	for i := range ts {
		if post[i] > post[best] {
			best = i
		}
	}
	t := &ts[best]
	switch {
	case len(ts) == 0 || post[best] < 1000*p.Speak:
		return -1
	case t.known && t.specific >= p.Specific:
		return best
	case (t.name == Commodity || t.name == Ordinary) && t.specific >= min(p.Specific, 2000):
		return best // it stands on such a list, or somebody brought ground for it
	default:
		return -1
	}
}

// side puts the hypotheses side by side, each with a range: its own pieces and prior at their low or high end, all others as they are.
func (k *Knowledge) side(ts []tally, totals []vedette.MilliBits, post []int) []Hypothesis {
	out := make([]Hypothesis, len(ts))
	copier := slices.IndexFunc(ts, func(t tally) bool { return t.name == Imitation })
	var top vedette.MilliBits
	for i, t := range totals {
		if i == 0 || t > top {
			top = t
		}
	}
	weights, sum := make([]uint64, len(ts)), uint64(0)
	for i, t := range totals {
		weights[i] = power(t-top) >> 12
		sum += weights[i]
	}
	for i := range ts {
		t := &ts[i]
		h := Hypothesis{Name: t.name, Prior: t.prior, Total: totals[i], Evidence: totals[i] - t.prior, PPM: post[i]}
		shift := func(own, rival vedette.MilliBits) int {
			rest := sum - weights[i]
			if t.known && copier >= 0 {
				rest -= weights[copier]
			}
			others := vedette.MilliBits(-62000)
			if rest > 0 {
				others = top + log2(rest) - 50000
			}
			if t.known && copier >= 0 {
				others = either(others, totals[copier]+rival)
			}
			return shares([]vedette.MilliBits{totals[i] + own, others})[0]
		}
		h.Low = shift(min(t.low-t.bits, 0)-1000, 1000)
		h.High = shift(max(t.high-t.bits, 0)+1000, -1000)
		h.Word, _ = WordFor(h.PPM)
		out[i] = h
	}
	return out
}

// groupsFor returns the groups that speak for a hypothesis, without style, in order.
func groupsFor(items []Item, hypothesis string) []string {
	var out []string
	for i := range items {
		if items[i].Kind == NameStyle || slices.Contains(out, items[i].Group) {
			continue
		}
		if slices.ContainsFunc(items[i].Ratios, func(r Ratio) bool { return r.Hypothesis == hypothesis && r.Bits > 0 }) {
			out = append(out, items[i].Group)
		}
	}
	slices.Sort(out)
	return out
}

// voices counts the pieces for a hypothesis that rest on different sources. Pieces that share a source are one voice, and resemblance to what
// anybody published adds none.
func voices(items []Item, hypothesis string) int {
	n := 0
	var heard []string
	for i := range items {
		it := &items[i]
		if !slices.ContainsFunc(it.Ratios, func(r Ratio) bool { return r.Hypothesis == hypothesis && r.Bits > 0 }) || len(it.RestsOn) == 0 {
			continue
		}
		if !slices.ContainsFunc(it.RestsOn, func(s string) bool { return slices.Contains(heard, s) }) {
			n++
		}
		heard = append(heard, it.RestsOn...)
	}
	return max(n, 1)
}

// explain writes the sentences.
func (k *Knowledge) explain(c *Claim, ts []tally, post []int, top int) {
	c.Confidence = Low
	if top < 0 {
		c.Likelihood = "Nothing in the evidence speaks for anyone in particular, so the answer is unknown."
		c.Ground = "Confidence in this is low: there was too little to weigh."
		c.FalseFlag.Text = "Nothing names anyone, so nothing was there to copy."
		c.Against = "That nothing was found here is no proof of anything: others know what is not published."
		if c.Kind == Customer {
			c.Likelihood = "Names and links do not tell for whom an attack was made, so the answer is unknown."
			c.Changes = append(c.Changes, "Graded evidence of its own about the customer, brought by a person.")
		} else {
			c.Changes = append(c.Changes, "A host in a graded report; a certificate, a name server or a path shared with published ones; a second confirmed host.")
		}
		return
	}
	t := &ts[top]
	heard := voices(c.Evidence, t.name)
	var best vedette.MilliBits
	first := time.Time{}
	for i := range c.Evidence {
		it := &c.Evidence[i]
		for _, r := range it.Ratios {
			if r.Hypothesis != t.name || r.Bits <= 0 || it.Kind == NameStyle {
				continue
			}
			if !it.FalseFlag.copyable() {
				c.FalseFlag.Uncopiable += r.Bits
			} else {
				c.FalseFlag.Copyable += r.Bits
			}
			if !it.computed() || it.Kind == Published || it.Kind == Beside {
				best = max(best, weightOf(it.Grade))
				if first.IsZero() || !it.Published.IsZero() && it.Published.Before(first) {
					first = it.Published
				}
			}
		}
	}
	h := c.Hypotheses[top]
	_, band := WordFor(h.PPM)
	rng := fmt.Sprintf("%d %%, range %d to %d %%", percent(h.PPM), percent(h.Low), percent(h.High))
	who := subjectOf(c.Kind, t.name)
	if c.Answer == Unknown {
		c.Likelihood = fmt.Sprintf("The answer is unknown: it is %s (%s) that %s, which has the most particular evidence, and that is too thin to name anyone.", h.Word, rng, who)
	} else {
		c.Likelihood = fmt.Sprintf("It is %s (%s; the band of the word is %s) that %s.", h.Word, rng, band, who)
	}
	if h.Word == EvenChance {
		c.Likelihood = strings.Replace(c.Likelihood, "it is roughly even chance", "there is a roughly even chance", 1)
	}
	if h.Word == AlmostNoChance {
		c.Likelihood = strings.Replace(c.Likelihood, "it is almost no chance", "there is almost no chance", 1)
	}

	switch {
	case c.Answer == Unknown:
	case heard >= 2 && best >= 14000 && c.FalseFlag.Uncopiable > 0 && h.Low >= 550_000:
		c.Confidence = High
	case (heard >= 2 || c.FalseFlag.Uncopiable > 0) && best >= 9000 && h.Low >= 200_000:
		c.Confidence = Moderate
	}
	c.Ground = fmt.Sprintf("Confidence in this judgement is %s: it rests on %s", c.Confidence, plural(heard, "independent source", "independent sources"))
	switch {
	case c.FalseFlag.Copyable+c.FalseFlag.Uncopiable == 0:
		c.FalseFlag.Text = "Nothing particular names anyone, so nothing was there to copy."
	case c.FalseFlag.Uncopiable == 0:
		c.Ground += ", all of it open to imitation"
		c.FalseFlag.Text = "All that speaks for this could have been copied from what was published, or is cheap to make; an imitator explains it too, and stands among the hypotheses."
	case c.FalseFlag.Copyable > 0:
		c.FalseFlag.Text = fmt.Sprintf("Of %s that speak for this, %s could have been copied or cheaply made.", c.FalseFlag.Copyable+c.FalseFlag.Uncopiable, c.FalseFlag.Copyable)
	default:
		c.FalseFlag.Text = "What speaks for this was not published when it was seen here, or is held by the operator alone."
	}
	c.Ground += "."

	rival := -1
	for i := range ts {
		if i != top && (rival < 0 || post[i] > post[rival]) {
			rival = i
		}
	}
	if rival >= 0 {
		c.Against = fmt.Sprintf("The strongest other explanation is that %s (%s).", subjectOf(c.Kind, ts[rival].name), share(post[rival]))
	}
	if c.FalseFlag.Uncopiable == 0 && !first.IsZero() {
		c.Changes = append(c.Changes, "A sighting here from before "+first.UTC().Format(time.DateOnly)+" could not have been copied and would weigh more.")
	}
	if c.Answer == Unknown {
		c.Changes = append(c.Changes, "A second, independent piece: a host in a graded report; a certificate, a name server or a path shared with published ones.")
	}
}

// subjectOf says a hypothesis as the end of a sentence that begins "it is … that".
func subjectOf(kind ClaimKind, name string) string {
	switch name {
	case Commodity:
		return "this is " + Commodity
	case Ordinary:
		return "this is " + Ordinary
	case Imitation:
		return "this is the work of " + Imitation
	case UnknownHand, NotKnown:
		return "this is the work of " + name
	}
	switch kind {
	case Campaign:
		return "this is the same hand as in the cluster “" + name + "”"
	case Vendor:
		return "the tooling is that of “" + name + "”"
	default:
		return "it was done for “" + name + "”"
	}
}
