package sibling

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/enrichment"
	"vedette/record/indicator"
)

// Bounds of one derivation.
const (
	maxConfirmed = 64
	maxSender    = 10_000
	maxJudged    = 5000 // names of which facts are read
	maxRefused   = 200
	maxAsked     = 512 // hosts asked for at once
)

// What a value must not exceed to tie two names: a name server, network, certificate or batch with more known names than this serves the public.
// It spares the customers of mass hosters and costs an operator's names that hide among them.
const (
	maxServed   = 50
	maxOnSAN    = 100
	maxOnOneIP  = 2
	window      = 48 * time.Hour
	nearWindow  = 3 * time.Hour
	batchWindow = 30 * time.Minute
)

// The most that one tie of a kind weighs, thousandths of a bit. Ties of names are fitted on published families; the others follow from how rare
// a value is among known names, and are bounded because the imported feeds see a part of the internet only.
var most = map[TieKind]int{
	TiePart: 14_000, TiePath: 8000, TieRegistered: 10_000, TieIssued: 8000, TieNameServer: 11_000, TieSubnet: 9000, TieCertificate: 16_000, TieSender: 12_000,
}

// group says which ties are evidence of one kind, and so count once: names are chosen in one go, registrations and certificates are bought in
// one go, servers are rented in one go.
func (k TieKind) group() int {
	switch k {
	case TiePart, TiePath:
		return 0
	case TieRegistered, TieIssued:
		return 1
	case TieNameServer, TieSubnet:
		return 2
	case TieCertificate:
		return 3
	}
	return 4
}

const groups = 5

// Odds above those of a name drawn at random at which a name may ask for more, thousandths of a bit. With Expected siblings among N names,
// weight − log2(N/Expected) is what speaks for a sibling: from minShown on it comes out (1 in 65), from 0 on it may warn (even odds), from
// minBlock on it may block (9 in 10), if two groups of at least minSecond each speak for it.
const (
	minShown  = -6000
	minBlock  = 3000
	minSecond = 4000
	minBeside = 2000 // of anything else, before who stands on one server, or was registered in the same hours, is warned of
	minLead   = 7000 // below the bar by more, the heaviest few come out from here on
)

// Derive returns the names that probably belong to the same hand as the confirmed ones, heaviest first, then by name. The same input gives the
// same output. Nothing comes out that Guard.Strict refuses: popular, shared, news and civil-society hosts. One group of evidence alone never
// asks for more than a warning; nor does a name of which nobody knows how many harmless people it would touch. Its error wraps
// vedette.ErrInvalid, ErrTooLarge, or what Facts and Reach return.
func Derive(ctx context.Context, confirmed []Host, src Sources, p Params) ([]Derived, Notes, error) {
	d := &derivation{ctx: ctx, src: src, p: p, cands: map[string]*candidate{}, refused: map[string]string{}}
	if err := d.prepare(confirmed); err != nil {
		return nil, d.notes, fmt.Errorf("sibling: derive: %w", err)
	}
	for _, step := range []func() error{d.byName, d.bySender, d.byFacts, d.judge} {
		if err := cmp.Or(ctx.Err(), step()); err != nil {
			return nil, d.notes, fmt.Errorf("sibling: derive: %w", err)
		}
	}
	out, err := d.result()
	if err != nil {
		return nil, d.notes, fmt.Errorf("sibling: derive: %w", err)
	}
	return out, d.notes, nil
}

type derivation struct {
	ctx       context.Context
	src       Sources
	p         Params
	confirmed []known
	own       map[string]bool // registrable domains of the confirmed
	cands     map[string]*candidate
	refused   map[string]string
	total     int // names that the derived are drawn from
	factNames int
	notes     Notes
}

// known is a confirmed host and what is known of it.
type known struct {
	host, reg, display string
	split              split
	paths              []string // shapes
	facts              []enrichment.Fact
}

// candidate is a registered name with any tie.
type candidate struct {
	reg    string
	hosts  []string // seen below or at it, without "www.", sorted
	bare   bool     // it was itself seen, not only something below it
	asFact []string // names beginning with "www." under which facts may be known
	ties   []Tie
	byPart int  // the heaviest tie by name, for the order in which facts are read
	asked  bool // a fact or a sender led to it
}

func (d *derivation) prepare(confirmed []Host) error {
	p := &d.p
	switch {
	case d.src.Guard == nil:
		return fmt.Errorf("no guard: %w", vedette.ErrInvalid)
	case p.At.IsZero():
		return fmt.Errorf("no time: %w", vedette.ErrInvalid)
	case len(confirmed) == 0:
		return fmt.Errorf("no confirmed host: %w", vedette.ErrInvalid)
	case len(confirmed) > maxConfirmed || len(d.src.Sender) > maxSender:
		return fmt.Errorf("%d confirmed hosts, %d links of senders: at most %d and %d: %w", len(confirmed), len(d.src.Sender), maxConfirmed, maxSender, vedette.ErrTooLarge)
	case p.Term < 0 || p.Term > 90*24*time.Hour || p.MaxHarmless < 0 || p.Expected < 0 || p.Leads < 0 || p.MaxDerived < 0 || p.MaxDerived > 2000:
		return fmt.Errorf("a term of at most 90 days, at most 2000 derived, nothing below 0: %w", vedette.ErrInvalid)
	}
	p.Term = cmp.Or(p.Term, 30*24*time.Hour)
	p.MaxHarmless = cmp.Or(p.MaxHarmless, 200)
	p.Expected = cmp.Or(p.Expected, 8)
	p.MaxDerived = cmp.Or(p.MaxDerived, 200)
	p.Leads = cmp.Or(p.Leads, 20)
	d.own = map[string]bool{}
	for _, h := range confirmed {
		host, err := indicator.Canonical(h.Host, indicator.ScopeHost)
		if err != nil || host != h.Host && "www."+host != h.Host {
			return fmt.Errorf("confirmed host %.100q is not in canonical form: %w", h.Host, vedette.ErrInvalid)
		}
		in := indicator.Indicator{Value: host, Scope: indicator.ScopeHost}
		if r := d.src.Guard.Strict(&in); r.Refused {
			d.refuse(host, "confirmed, but nothing is derived from it: "+r.Reason)
			continue
		}
		k := known{host: host, reg: link.Registrable(host), display: link.Defang(host)}
		if k.reg != "" {
			k.split = splitOf(k.reg)
			d.own[k.reg] = true
		}
		for _, path := range h.Paths {
			if s := PathShape(path); s != "" && !slices.Contains(k.paths, s) {
				k.paths = append(k.paths, s)
			}
		}
		if d.src.Facts != nil {
			if k.facts, err = d.factsOf(host, k.reg); err != nil {
				return err
			}
		}
		d.confirmed = append(d.confirmed, k)
	}
	slices.SortFunc(d.confirmed, func(a, b known) int { return strings.Compare(a.host, b.host) })
	d.confirmed = slices.CompactFunc(d.confirmed, func(a, b known) bool { return a.host == b.host })

	if d.src.Facts != nil {
		n, err := d.src.Facts.Names(d.ctx)
		if err != nil {
			return err
		}
		d.factNames = n
	}
	d.total = max(d.src.Names.Len(), d.factNames, 2)
	d.notes.Names, d.notes.Facts = d.total, d.factNames
	say := func(have bool, what string) {
		if have {
			d.notes.Had = append(d.notes.Had, what)
		} else {
			d.notes.Lacked = append(d.notes.Lacked, what)
		}
	}
	said := map[enrichment.Kind]bool{}
	for i := range d.confirmed {
		for _, f := range d.confirmed[i].facts {
			said[f.Kind] = true
		}
	}
	say(d.src.Names.Len() > 0 || d.factNames > 0, "other known names")
	say(said[enrichment.Registered], "when the confirmed hosts were registered")
	say(said[enrichment.NameServer], "their name servers")
	say(said[enrichment.Certificate] || said[enrichment.Issuer], "their certificates")
	say(said[enrichment.Address], "their addresses")
	say(d.src.Shared != nil, "a table of shared networks")
	say(len(d.src.Sender) > 0, "what the sender sent besides")
	say(d.src.Reach != nil, "how many harmless people met a name")
	return nil
}

// factsOf returns the facts of a host and of what was registered.
func (d *derivation) factsOf(host, reg string) ([]enrichment.Fact, error) {
	facts, err := d.src.Facts.Of(d.ctx, host)
	if err != nil || reg == "" || reg == host {
		return facts, err
	}
	more, err := d.src.Facts.Of(d.ctx, reg)
	return append(facts, more...), err
}

func (d *derivation) uses(k TieKind) bool { return !slices.Contains(d.p.Without, k) }

func (d *derivation) refuse(host, why string) {
	if len(d.refused) < 10*maxRefused {
		d.refused[link.Defang(host)] = why
	}
}

// candidate returns the registered name of a host, or nil for one that is confirmed already or can belong to nobody.
func (d *derivation) candidate(host string) *candidate {
	reg := link.Registrable(host)
	if reg == "" || d.own[reg] {
		return nil
	}
	c := d.cands[reg]
	if c == nil {
		c = &candidate{reg: reg}
		d.cands[reg] = c
	}
	c.bare = c.bare || host == reg
	if rest, ok := strings.CutPrefix(host, "www."); ok && len(rest) >= len(reg) {
		if !slices.Contains(c.asFact, host) && len(c.asFact) < maxHosts {
			c.asFact = append(c.asFact, host)
		}
		host = rest
	}
	if at, ok := slices.BinarySearch(c.hosts, host); !ok && len(c.hosts) < maxHosts {
		c.hosts = slices.Insert(c.hosts, at, host)
	}
	return c
}

func (d *derivation) tie(c *candidate, kind TieKind, k *known, bits int, text string, sources ...string) {
	if bits <= 0 || !d.uses(kind) {
		return
	}
	slices.Sort(sources)
	c.ties = append(c.ties, Tie{kind, k.display, vedette.MilliBits(min(bits, most[kind])), text, slices.Compact(sources)})
}

// byName finds names that share a rare part with a confirmed one, among the known names and among the hosts with facts.
func (d *derivation) byName() error {
	if !d.uses(TiePart) {
		return nil
	}
	for i := range d.confirmed {
		k := &d.confirmed[i]
		best := map[string]found{}
		for _, f := range d.src.Names.like(&k.split) {
			best[f.name.reg] = f
		}
		more, err := d.likeFacts(&k.split)
		if err != nil {
			return err
		}
		for _, f := range more {
			// Both indexes know it: what is rarer in one is not rare.
			old, ok := best[f.name.reg]
			if a, b := compare(&k.split, &f.name, &f.part), compare(&k.split, &old.name, &old.part); !ok || a.weigh() < b.weigh() {
				best[f.name.reg] = f
			}
		}
		for reg, f := range best {
			m := compare(&k.split, &f.name, &f.part)
			bits := int(m.weigh())
			if bits <= 0 {
				continue
			}
			hosts := []string{}
			if d.src.Names != nil {
				hosts = append(hosts, d.src.Names.hosts[reg]...)
			}
			for _, h := range append(hosts, f.hosts...) {
				if c := d.candidate(h); c != nil {
					c.byPart = max(c.byPart, bits)
				}
			}
			if c := d.cands[reg]; c != nil {
				others := fmt.Sprintf("%d of %d other known names have", f.part.n, f.part.of)
				if f.part.n == 1 {
					others = fmt.Sprintf("no other of %d known names has", f.part.of)
				}
				d.tie(c, TiePart, k, bits, fmt.Sprintf("shares “%s” with %s, which %s", k.split.joined[f.part.from:f.part.to], k.display, others))
			}
		}
	}
	return nil
}

// likeFacts does over hosts with facts what Names.like does.
func (d *derivation) likeFacts(s *split) ([]found, error) {
	if d.factNames == 0 {
		return nil, nil
	}
	limit := rare(d.factNames)
	best := map[string]found{}
	for a := 0; a+minPart <= len(s.joined); a++ {
		for b := a + minPart; b <= min(len(s.joined), a+longPart); b++ {
			hosts, total, err := d.src.Facts.Containing(d.ctx, s.joined[a:b], 4*limit)
			if err != nil {
				return nil, err
			}
			if total > 4*limit {
				continue // a longer part is rarer
			}
			byReg := map[string]*found{}
			for _, h := range hosts {
				reg := link.Registrable(h)
				if reg == "" || reg == s.reg {
					continue
				}
				f := byReg[reg]
				if f == nil {
					if f = (&found{name: splitOf(reg)}); !strings.Contains(f.name.joined, s.joined[a:b]) {
						continue // it stands in a name below what was registered
					}
					byReg[reg] = f
				}
				f.hosts = append(f.hosts, h)
			}
			if len(byReg) == 0 {
				break
			}
			if len(byReg) > limit {
				continue
			}
			for reg, f := range byReg {
				f.part = shared{a, b, len(byReg), d.factNames}
				if old, ok := best[reg]; !ok || f.part.before(&old.part) {
					best[reg] = *f
				}
			}
		}
	}
	out := make([]found, 0, len(best))
	for _, f := range best {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b found) int { return strings.Compare(a.name.reg, b.name.reg) })
	return out, nil
}

// bySender takes the names that the reported sender and their cell sent besides. The fewer different ones, the more each says; a sender who also
// sends what everybody sends is not harmed by it: the guard and Reach hold those back.
func (d *derivation) bySender() error {
	if len(d.confirmed) == 0 {
		return nil
	}
	sent := [2]map[string]bool{{}, {}}
	shapes := map[string]map[string]bool{} // registrable domain → path shapes
	links := slices.Clone(d.src.Sender)
	slices.SortStableFunc(links, func(a, b SenderLink) int { return strings.Compare(a.Host, b.Host) })
	for i := range links {
		l := &links[i]
		reg := link.Registrable(l.Host)
		if reg == "" || d.own[reg] {
			continue
		}
		sent[yes(l.Cell)/1000][reg] = true
		if s := PathShape(l.Path); s != "" {
			if shapes[reg] == nil {
				shapes[reg] = map[string]bool{}
			}
			shapes[reg][s] = true
		}
		if c := d.candidate(l.Host); c != nil {
			c.asked = true
		}
	}
	first := &d.confirmed[0]
	for reg, c := range d.cands {
		bits, text := 0, ""
		if sent[0][reg] {
			bits, text = log2(d.total)-log2(len(sent[0])), fmt.Sprintf("the reported sender sent it too, one of %d names", len(sent[0]))
		} else if sent[1][reg] {
			bits, text = log2(d.total)-log2(len(sent[1]))-3000, fmt.Sprintf("an account of the reported sender's cell sent it, one of %d names", len(sent[1]))
		}
		d.tie(c, TieSender, first, bits, text)
		for i := range d.confirmed {
			k := &d.confirmed[i]
			for _, s := range k.paths {
				if !shapes[reg][s] {
					continue
				}
				bits, text := 4000, ""
				if d.src.Paths != nil {
					if n, of := d.src.Paths(s); of > 0 {
						bits, text = log2(of)-log2(max(n, 1)), fmt.Sprintf("; %d of %d known links have that shape", n, of)
					}
				}
				d.tie(c, TiePath, k, bits, fmt.Sprintf("a link on it has a path made as one on %s is (%s)%s", k.display, s, text))
				break
			}
		}
	}
	return nil
}

// byFacts finds names by what imported facts say: it only gathers them, judge weighs.
func (d *derivation) byFacts() error {
	if d.src.Facts == nil {
		return nil
	}
	gather := func(hosts []string) {
		for _, h := range hosts {
			if c := d.candidate(h); c != nil {
				c.asked = true
			}
		}
	}
	names := func(facts []enrichment.Fact) (out []string) {
		for i := range facts {
			out = append(out, facts[i].Host)
		}
		return out
	}
	seen := map[string]bool{}
	for i := range d.confirmed {
		for _, f := range d.confirmed[i].facts {
			if key := string(f.Kind) + " " + f.Value + " " + f.First.String(); seen[key] {
				continue
			} else {
				seen[key] = true
			}
			var hosts []string
			var facts []enrichment.Fact
			var err error
			switch {
			case f.Kind == enrichment.NameServer && d.uses(TieNameServer):
				hosts, _, err = d.few(d.src.Facts.Sharing(d.ctx, f.Kind, f.Value, maxServed))
			case f.Kind == enrichment.Certificate && d.uses(TieCertificate):
				hosts, _, err = d.few(d.src.Facts.Sharing(d.ctx, f.Kind, f.Value, maxOnSAN))
			case f.Kind == enrichment.Issuer && !f.First.IsZero() && d.uses(TieIssued):
				var total int
				facts, total, err = d.src.Facts.IssuedBetween(d.ctx, f.Value, f.First.Add(-batchWindow), f.First.Add(batchWindow), maxServed)
				if total > maxServed {
					facts = nil
				}
			case f.Kind == enrichment.Address && d.uses(TieSubnet) && d.private(f.Value):
				var total int
				facts, total, err = d.src.Facts.Within(d.ctx, f.Value, maxServed)
				if total > maxServed {
					facts = nil
				}
			case f.Kind == enrichment.Registered && d.uses(TieRegistered):
				at, bad := time.Parse(time.RFC3339, f.Value)
				if bad != nil {
					continue
				}
				facts, _, err = d.src.Facts.RegisteredBetween(d.ctx, at.Add(-window), at.Add(window), maxAsked)
			}
			if err != nil {
				return err
			}
			gather(append(hosts, names(facts)...))
		}
	}
	return nil
}

// few drops what too many share.
func (d *derivation) few(hosts []string, total int, err error) ([]string, int, error) {
	if total > len(hosts) {
		return nil, total, err
	}
	return hosts, total, err
}

// private tells whether an address may be one party's own: public, and in no shared network.
func (d *derivation) private(address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	if d.src.Shared != nil {
		if _, ok := d.src.Shared.Shared(a); ok {
			return false
		}
	}
	in := indicator.Indicator{Value: address, Scope: indicator.ScopeHost}
	if a.Is6() {
		in.Value = "[" + address + "]"
	}
	return !d.src.Guard.Strict(&in).Refused
}
