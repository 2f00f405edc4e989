package sibling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/enrichment"
	"vedette/record/indicator"
)

// judge adds to each candidate the ties that facts give, whatever led to it. Where there are too many candidates, those that a fact or a sender
// led to go before those of names, heavier ones before lighter ones.
func (d *derivation) judge() error {
	if d.src.Facts == nil || d.factNames == 0 {
		return nil
	}
	list := d.sorted()
	slices.SortStableFunc(list, func(a, b *candidate) int {
		return cmp.Or(yes(b.asked)-yes(a.asked), b.byPart-a.byPart)
	})
	if len(list) > maxJudged {
		for _, c := range list[maxJudged:] {
			d.notes.Cut++
			delete(d.cands, c.reg)
		}
		list = list[:maxJudged]
	}
	weighers := make([]weigher, len(d.confirmed))
	for i := range d.confirmed {
		if err := weighers[i].prepare(d, &d.confirmed[i]); err != nil {
			return err
		}
	}
	for _, c := range list {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		var facts []enrichment.Fact
		ask := append(append([]string{c.reg}, c.hosts...), c.asFact...)
		slices.Sort(ask)
		for _, h := range slices.Compact(ask) {
			more, err := d.src.Facts.Of(d.ctx, h)
			if err != nil {
				return err
			}
			facts = append(facts, more...)
		}
		for i := range weighers {
			weighers[i].weigh(c, facts)
		}
	}
	return nil
}

func (d *derivation) sorted() []*candidate {
	list := make([]*candidate, 0, len(d.cands))
	for _, c := range d.cands {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *candidate) int { return strings.Compare(a.reg, b.reg) })
	return list
}

// weigher knows how much each fact of one confirmed host says.
type weigher struct {
	d          *derivation
	k          *known
	served     map[string]int // name server → known names on it, where few
	public     []string       // its other name servers
	certs      map[string]int // certificate → names on it, where few
	batches    []batchOf
	nets       map[string]int  // network → known names in it, where few
	on         map[string]bool // its addresses
	births     []birth
	registrars []string
}

type batchOf struct {
	issuer string
	at     time.Time
	n      int
}

// birth is a registration and what else was registered around it.
type birth struct {
	at   time.Time
	all  map[time.Duration]int // known names registered within a span of it
	same map[time.Duration]int // of those: at the same registrar
}

func (w *weigher) prepare(d *derivation, k *known) error {
	*w = weigher{d: d, k: k, served: map[string]int{}, certs: map[string]int{}, nets: map[string]int{}, on: map[string]bool{}}
	facts := d.src.Facts
	for _, f := range k.facts {
		if f.Kind == enrichment.Registrar && !slices.Contains(w.registrars, f.Value) {
			w.registrars = append(w.registrars, f.Value)
		}
	}
	for _, f := range k.facts {
		switch f.Kind {
		case enrichment.NameServer:
			_, total, err := facts.Sharing(d.ctx, f.Kind, f.Value, 0)
			if err != nil {
				return err
			}
			if total <= maxServed {
				w.served[f.Value] = total
			} else {
				w.public = append(w.public, f.Value)
			}
		case enrichment.Certificate:
			_, total, err := facts.Sharing(d.ctx, f.Kind, f.Value, 0)
			if err != nil {
				return err
			}
			if total <= maxOnSAN {
				w.certs[f.Value] = total
			}
		case enrichment.Issuer:
			if f.First.IsZero() {
				continue
			}
			_, total, err := facts.IssuedBetween(d.ctx, f.Value, f.First.Add(-batchWindow), f.First.Add(batchWindow), 0)
			if err != nil {
				return err
			}
			if total <= maxServed {
				w.batches = append(w.batches, batchOf{f.Value, f.First, total})
			}
		case enrichment.Address:
			if !d.private(f.Value) {
				continue
			}
			_, here, err := facts.Sharing(d.ctx, f.Kind, f.Value, 0)
			if err != nil {
				return err
			}
			_, total, err := facts.Within(d.ctx, f.Value, 0)
			if err != nil {
				return err
			}
			if here <= maxOnOneIP && total <= maxServed {
				w.nets[enrichment.Network(f.Value)] = total
				w.on[f.Value] = true
			}
		case enrichment.Registered:
			if err := w.born(f.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// born counts what was registered around a moment, at all and through the same registrar. Where a feed is too full to be read, only the first of
// it are asked for their registrar, and the share among them is taken.
func (w *weigher) born(value string) error {
	at, err := time.Parse(time.RFC3339, value)
	if err != nil || !w.d.uses(TieRegistered) {
		return nil
	}
	b := birth{at, map[time.Duration]int{}, map[time.Duration]int{}}
	for _, span := range [...]time.Duration{nearWindow, window} {
		list, total, err := w.d.src.Facts.RegisteredBetween(w.d.ctx, at.Add(-span), at.Add(span), maxAsked)
		if err != nil {
			return err
		}
		same := 0
		for i := range list {
			others, err := w.d.src.Facts.Of(w.d.ctx, list[i].Host)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(others, func(f enrichment.Fact) bool {
				return f.Kind == enrichment.Registrar && slices.Contains(w.registrars, f.Value)
			}) {
				same++
			}
		}
		if len(list) > 0 {
			same = same * total / len(list)
		}
		b.all[span], b.same[span] = total, max(same, 1)
	}
	w.births = append(w.births, b)
	return nil
}

// rarity is how much it says that two names share what n known names have.
func (w *weigher) rarity(n int) int { return log2(w.d.factNames) - log2(max(n, 2)) }

func (w *weigher) weigh(c *candidate, facts []enrichment.Fact) {
	d, k := w.d, w.k
	of := w.d.factNames
	// Of several values of a kind the one that says most counts.
	type best struct {
		bits    int
		text    string
		sources []string
	}
	var by [8]best
	kinds := TieKinds()
	offer := func(kind TieKind, bits int, text, source string) {
		b := &by[slices.Index(kinds, kind)]
		if text == b.text {
			b.sources = append(b.sources, source)
		} else if bits > b.bits {
			*b = best{bits, text, []string{source}}
		}
	}
	apart := time.Duration(1<<63 - 1) // between registrations, where none is near
	sameRegistrar := false
	publicServer := false
	for i := range facts {
		f := &facts[i]
		sameRegistrar = sameRegistrar || f.Kind == enrichment.Registrar && slices.Contains(w.registrars, f.Value)
		publicServer = publicServer || f.Kind == enrichment.NameServer && slices.Contains(w.public, f.Value)
	}
	for i := range facts {
		switch f := &facts[i]; f.Kind {
		case enrichment.NameServer:
			if n := w.served[f.Value]; n > 0 {
				offer(TieNameServer, w.rarity(n), fmt.Sprintf("both use the name server %s, as do %d of %d known names", link.Defang(f.Value), n, of), f.Source)
			}
		case enrichment.Certificate:
			if n := w.certs[f.Value]; n > 0 {
				// A certificate of few names is one party's; of many, a hoster's.
				bits := 16_000
				if n > 10 {
					bits = w.rarity(n) - 2000
				}
				offer(TieCertificate, bits, fmt.Sprintf("one certificate names both and %d hosts in all (%.16s…)", n, f.Value), f.Source)
			}
		case enrichment.Issuer:
			for _, b := range w.batches {
				if gap := f.First.Sub(b.at).Abs(); f.Value == b.issuer && !f.First.IsZero() && gap <= batchWindow {
					offer(TieIssued, w.rarity(b.n), fmt.Sprintf("%s issued certificates for both within %s, for %d of %d known names then", f.Value, inWords(gap), b.n, of), f.Source)
				}
			}
		case enrichment.Address:
			net := enrichment.Network(f.Value)
			// One address for both is what shared hosting looks like: it ties nothing.
			if n := w.nets[net]; n > 0 && !w.on[f.Value] && d.private(f.Value) {
				offer(TieSubnet, w.rarity(n), fmt.Sprintf("both had addresses in %s, as did %d of %d known names", link.Defang(net), n, of), f.Source)
			}
		case enrichment.Registered:
			at, err := time.Parse(time.RFC3339, f.Value)
			if err != nil {
				continue
			}
			for _, b := range w.births {
				gap := at.Sub(b.at).Abs()
				if gap > window {
					apart = min(apart, gap)
					continue
				}
				span := window
				if gap <= nearWindow {
					span = nearWindow
				}
				// One bit less for looking at two spans, and one more less without the registrar's word.
				bits, text := w.rarity(b.all[span])-2000, fmt.Sprintf("registered within %s of each other; %d of %d known names were within %s", inWords(gap), b.all[span], of, inWords(span))
				if sameRegistrar {
					bits, text = w.rarity(b.same[span])-1000, fmt.Sprintf("registered within %s of each other at one registrar; about %d of %d known names were within %s", inWords(gap), b.same[span], of, inWords(span))
				}
				if publicServer {
					bits += 500
				}
				offer(TieRegistered, bits, text, f.Source)
			}
		}
	}
	if by[slices.Index(kinds, TieCertificate)].bits > 0 {
		by[slices.Index(kinds, TieIssued)] = best{} // one certificate is one batch: said already
	}
	if r := &by[slices.Index(kinds, TieRegistered)]; r.bits <= 0 && apart < 1<<63-1 {
		*r = best{}
		if apart > longApart && d.uses(TieRegistered) {
			c.ties = append(c.ties, Tie{TieRegistered, k.display, against, fmt.Sprintf("registered %d days apart, which speaks against it", int(apart.Hours()/24)), nil})
		}
	}
	for i, b := range by {
		if b.bits > 0 {
			d.tie(c, kinds[i], k, b.bits, b.text, b.sources...)
		}
	}
}

func inWords(t time.Duration) string {
	switch {
	case t < 2*time.Minute:
		return "two minutes"
	case t < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int((t+time.Minute-1)/time.Minute))
	}
	return fmt.Sprintf("%d hours", int((t+time.Hour-1)/time.Hour))
}

// A name registered more than a year before or after speaks against one hand, by three bits: it spares honest owners of old names that sound alike,
// and costs us the operator who buys names long before their use, where nothing but a name ties them. Chosen by hand.
const (
	longApart = 365 * 24 * time.Hour
	against   = -3000
)

// weight adds up what ties say: of each group the heaviest counts whole and the next one half, since what is chosen in one go is no second
// witness. What speaks against counts once, and not where one confirmed host was registered at the same time. It also returns how
// heavy the second group is, and which the first is.
func weight(ties []Tie) (sum, second vedette.MilliBits, first int) {
	var top [groups][2]vedette.MilliBits
	var minus vedette.MilliBits
	for _, t := range ties {
		if t.Bits < 0 {
			minus = min(minus, t.Bits)
			continue
		}
		g := &top[t.Kind.group()]
		if t.Bits > g[0] {
			g[0], g[1] = t.Bits, g[0]
		} else if t.Bits > g[1] {
			g[1] = t.Bits
		}
	}
	var heavy [2]vedette.MilliBits
	for i, g := range top {
		w := g[0] + g[1]/2
		sum += w
		if w > heavy[0] {
			heavy[0], heavy[1], first = w, heavy[0], i
		} else if w > heavy[1] {
			heavy[1] = w
		}
	}
	if top[TieRegistered.group()][0] == 0 {
		sum += minus
	}
	return sum, heavy[1], first
}

// maxTies is how many ties a derived name tells.
const maxTies = 16

func (d *derivation) result() ([]Derived, error) {
	bar := vedette.MilliBits(max(log2(d.total)-log2(d.p.Expected), 4000))
	shown := max(bar+minShown, 3000)
	d.notes.Warn, d.notes.Block = bar, bar+minBlock
	var out []Derived
	for _, c := range d.sorted() {
		if len(c.ties) == 0 {
			continue
		}
		d.notes.Judged++
		sum, second, first := weight(c.ties)
		if sum < min(shown, minLead) {
			d.notes.Weak++
			continue
		}
		slices.SortFunc(c.ties, func(a, b Tie) int {
			return cmp.Or(cmp.Compare(b.Bits, a.Bits), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.To, b.To), strings.Compare(a.Text, b.Text))
		})
		hosts, scope := c.hosts, indicator.ScopeHost
		if c.bare {
			hosts, scope = []string{c.reg}, indicator.ScopeDomain
		}
		for _, h := range hosts {
			one := Derived{
				Host: h, Display: link.Defang(h), Scope: scope, Ties: c.ties[:min(len(c.ties), maxTies)], Weight: sum,
				Until: d.p.At.Add(d.p.Term).UTC(), Harmless: -1,
			}
			if !d.guard(&one) {
				continue
			}
			d.allow(&one, bar, second, first)
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b Derived) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Host, b.Host))
	})
	// Among very many names nothing that a name alone says reaches the bar: the best few come out all the same, as leads that only score.
	for len(out) > d.p.Leads && out[len(out)-1].Weight < shown {
		d.notes.Weak++
		out = out[:len(out)-1]
	}
	if len(out) > d.p.MaxDerived {
		d.notes.Cut += len(out) - d.p.MaxDerived
		out = out[:d.p.MaxDerived]
	}
	for i := range out {
		if err := d.reach(&out[i]); err != nil {
			return nil, err
		}
	}
	for display, why := range d.refused {
		d.notes.Refused = append(d.notes.Refused, Refused{display, why})
	}
	slices.SortFunc(d.notes.Refused, func(a, b Refused) int { return strings.Compare(a.Display, b.Display) })
	d.notes.Refused = d.notes.Refused[:min(len(d.notes.Refused), maxRefused)]
	return out, nil
}

// guard holds a name against the guard, which has no override here, and narrows its scope where the guard does.
func (d *derivation) guard(one *Derived) bool {
	in := indicator.Indicator{Value: one.Host, Scope: one.Scope}
	r := d.src.Guard.Strict(&in)
	switch {
	case r.Refused:
		d.refuse(one.Host, r.Reason)
		return false
	case d.src.Popular != nil && (d.src.Popular(one.Host) || d.src.Popular(link.Registrable(one.Host))):
		d.refuse(one.Host, "it is popular, or of the news or civil society")
		return false
	}
	one.Scope = r.Scope
	return true
}

// allow says what a name may ask for by its evidence.
func (d *derivation) allow(one *Derived, bar, second vedette.MilliBits, first int) {
	switch {
	case one.Weight < bar:
		one.Strength = vedette.Allow
		one.Why = fmt.Sprintf("less likely than not: %.1f bits, and even odds among %d known names need %.1f", bitsOf(one.Weight), d.total, bitsOf(bar))
	case first == TieNameServer.group() && second < minBeside:
		one.Strength = vedette.Allow
		one.Why = "it stands on a small server or network beside a confirmed one, as that hoster's honest customers do, and nothing else speaks for it"
	case first == TieRegistered.group() && second < minBeside:
		one.Strength = vedette.Allow
		one.Why = "it was registered or certified in the same hours as a confirmed one, as honest names are every hour, and nothing else speaks for it"
	case second < minSecond:
		one.Strength = vedette.Warn
		one.Why = "one kind of evidence alone, however strong, blocks nothing"
	case one.Weight < bar+minBlock:
		one.Strength = vedette.Warn
		one.Why = fmt.Sprintf("likely, not very likely: %.1f bits, and a block needs %.1f", bitsOf(one.Weight), bitsOf(bar+minBlock))
	default:
		one.Strength = vedette.Block
		one.Why = "two kinds of evidence; a person decides"
	}
}

func bitsOf(m vedette.MilliBits) float64 { return float64(m) / 1000 }

// reach says how many harmless people a name would touch, and weakens what touches too many, or nobody knows how many.
func (d *derivation) reach(one *Derived) error {
	if d.src.Reach != nil {
		n, err := d.src.Reach(d.ctx, one.Host, one.Scope)
		if err != nil {
			return fmt.Errorf("harmless people: %w", err)
		}
		one.Harmless = max(n, -1)
	}
	switch {
	case one.Harmless > d.p.MaxHarmless:
		one.Strength = vedette.Allow
		one.Why = fmt.Sprintf("%d harmless people met it, over %d: it only scores", one.Harmless, d.p.MaxHarmless)
	case one.Harmless < 0 && one.Strength > vedette.Warn:
		one.Strength = vedette.Warn
		one.Why = "nobody knows how many harmless people it would touch"
	}
	return nil
}
