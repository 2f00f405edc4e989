package attribution

import (
	"cmp"
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

// subject is a host or link of the evidence.
type subject struct {
	host  string
	reg   string
	label string
	url   string // canonical, in the form of indicator.ScopeURL; "" for a host
	shape string
}

// view is one way to sort reports into hypotheses.
type view struct {
	kind  ClaimKind
	names []string
	of    func(report int32) int32
	size  []int // registered names
	links []int // published links
}

// Weigh holds evidence against every hypothesis. The zero Params are DefaultParams; Speak below 550 counts as 550.
func (k *Knowledge) Weigh(ev Evidence, p Params) Assessment {
	if p == (Params{}) {
		p = DefaultParams()
	}
	p.Known, p.NotKnown, p.Imitation = max(p.Known, 1), max(p.NotKnown, 1), max(p.Imitation, 1)
	p.Commodity, p.Ordinary, p.Speak = max(p.Commodity, 1), max(p.Ordinary, 1), max(p.Speak, 550)
	as := Assessment{
		Version: 1, Note: Note, Case: ev.Context.Case, At: ev.Context.At, First: ev.Context.First,
		Hosts: []string{}, Ignored: []string{}, Dissent: slices.Clone(ev.Dissent), Known: k.extent, Params: p,
	}
	if as.Dissent == nil {
		as.Dissent = []Dissent{}
	}
	subjects := k.read(&ev, &as)

	operators := view{Vendor, k.operators, k.operatorOf, k.size, k.links}
	clusters := view{Campaign, k.clusters, k.clusterOf, k.sizeOf, k.linksOf}

	as.Vendor = k.judge(&operators, k.items(&operators, subjects, &ev, &p), &p)
	as.Campaign = k.judge(&clusters, k.items(&clusters, subjects, &ev, &p), &p)
	as.Customer = k.judge(&view{kind: Customer}, brought(Customer, ev.Items, &p), &p)
	return as
}

// read takes hosts and links in, and leaves out what belongs to everybody.
func (k *Knowledge) read(ev *Evidence, as *Assessment) []subject {
	seen := map[string]bool{}
	var out []subject
	ignore := func(raw, why string) {
		as.Ignored = append(as.Ignored, link.Defang(raw)+": "+why)
	}
	for i, raw := range slices.Concat(ev.Hosts, ev.Links) {
		text := link.Refang(raw)
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
			text = "[" + text + "]"
		}
		u, err := link.Parse(text)
		if err != nil || u.Host() == "" {
			ignore(raw, "cannot be read as a host or link")
			continue
		}
		s := subject{host: bare(strings.Trim(u.Host(), "[]"))}
		if i >= len(ev.Hosts) {
			if s.url, err = indicator.Canonical(u.Canonical(), indicator.ScopeURL); err != nil {
				s.url = ""
			}
		}
		if seen[s.host+" "+s.url] {
			continue
		}
		seen[s.host+" "+s.url] = true
		if k.shared(s.host) {
			if len(k.urls[s.url]) == 0 {
				ignore(s.host, "a host that many people use; it says nothing about anybody")
				continue
			}
		} else {
			if s.reg, s.label = nameOf(s.host); k.shared(s.reg) {
				s.reg, s.label = "", ""
			}
			if _, path, ok := strings.Cut(s.url, "/"); ok {
				s.shape = ShapeOf("/" + path)
			}
		}
		out = append(out, s)
		as.Hosts = append(as.Hosts, link.Defang(s.host))
	}
	slices.SortFunc(out, func(a, b subject) int {
		return cmp.Or(strings.Compare(a.host, b.host), strings.Compare(a.url, b.url))
	})
	slices.Sort(as.Hosts)
	as.Hosts = slices.Compact(as.Hosts)
	slices.Sort(as.Ignored)
	return out
}

// items makes the computed pieces of a view and takes those that people brought.
func (k *Knowledge) items(v *view, subjects []subject, ev *Evidence, p *Params) []Item {
	out := k.publications(v, subjects, ev, p)
	out = append(out, k.parts(v, subjects, p)...)
	out = append(out, k.paths(v, subjects, p)...)
	out = append(out, k.networks(v, subjects, ev, p)...)
	out = append(out, k.sharedFacts(v, subjects, ev, p)...)
	if v.kind == Vendor {
		out = append(out, k.nameStyle(subjects, p)...)
	}
	out = append(out, k.lists(v, subjects)...)
	out = append(out, brought(v.kind, ev.Items, p)...)
	for i := range out {
		if out[i].At.IsZero() {
			out[i].At = ev.Context.First
		}
	}
	return out
}

// covering returns the statements about a subject: of the host itself, of a domain above it, of the link.
func (k *Knowledge) covering(s *subject) []statement {
	list := slices.Clone(k.values[s.host])
	for h := s.host; ; {
		_, rest, ok := strings.Cut(h, ".")
		if !ok || s.reg == "" || len(rest) < len(s.reg) {
			break
		}
		h = rest
		for _, st := range k.values[h] {
			if st.wide {
				list = appendStatement(list, st)
			}
		}
	}
	if s.url != "" {
		for u := s.url; ; {
			for _, st := range k.urls[u] {
				list = appendStatement(list, st)
			}
			i := strings.LastIndexAny(u, "/?")
			if i <= 0 {
				break
			}
			u = u[:i]
		}
	}
	return list
}

// publications makes a piece of each independent publication that names something of the evidence, or something beside it.
func (k *Knowledge) publications(v *view, subjects []subject, ev *Evidence, p *Params) []Item {
	type spoken struct {
		report int32
		grade  indicator.Admiralty
		host   string
		before bool // published before it was seen here, or nobody knows
		beside bool
	}
	var all []spoken
	for i := range subjects {
		s := &subjects[i]
		sts, beside := k.covering(s), false
		if len(sts) == 0 && s.reg != "" {
			if at, ok := k.below[s.reg]; ok {
				beside = true
				for _, r := range k.names[at].reports {
					sts = append(sts, statement{report: r, grade: k.reports[r].grade})
				}
			}
		}
		before := ev.Context.First.IsZero()
		for _, st := range sts {
			d := k.reports[st.report].published
			before = before || d.IsZero() || !d.After(ev.Context.First)
		}
		for _, st := range sts {
			all = append(all, spoken{st.report, st.grade, s.host, before, beside})
		}
	}
	// Reports of one source, and reports that repeat one another, are one voice.
	var reports []int32
	for _, sp := range all {
		reports = append(reports, sp.report)
	}
	reports = distinct(reports)
	voice := make([]int, len(reports))
	for i := range reports {
		voice[i] = i
		for j := range i {
			a, b := &k.reports[reports[i]], &k.reports[reports[j]]
			if a.source == b.source || a.cluster == b.cluster {
				from, to := max(voice[i], voice[j]), min(voice[i], voice[j])
				for x := range i + 1 {
					if voice[x] == from {
						voice[x] = to
					}
				}
			}
		}
	}
	var out []Item
	for g := range reports {
		if voice[g] != g {
			continue
		}
		for _, which := range []struct{ before, beside bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			var hosts []string
			var sources []string
			var grade indicator.Admiralty
			first := time.Time{}
			byHyp := map[int32][]string{}
			for _, sp := range all {
				at, _ := slices.BinarySearch(reports, sp.report)
				if voice[at] != g || sp.before != which.before || sp.beside != which.beside {
					continue
				}
				r := &k.reports[sp.report]
				if !slices.Contains(sources, r.source) {
					sources = append(sources, r.source)
				}
				if !slices.Contains(hosts, sp.host) {
					hosts = append(hosts, sp.host)
				}
				if weightOf(sp.grade) > weightOf(grade) {
					grade = sp.grade
				}
				if first.IsZero() || !r.published.IsZero() && r.published.Before(first) {
					first = r.published
				}
				o := v.of(sp.report)
				if !slices.Contains(byHyp[o], sp.host) {
					byHyp[o] = append(byHyp[o], sp.host)
				}
			}
			if len(hosts) == 0 {
				continue
			}
			slices.Sort(sources)
			it := Item{
				Claim: v.kind, Kind: Published, Source: strings.Join(sources, ", "), Published: first, Grade: grade,
				Group: "publication by " + k.reports[reports[g]].source, RestsOn: sources, FalseFlag: Uncopiable,
			}
			base := min(k.agree, weightOf(grade)/2, p.CapExact)
			verb := plural(len(hosts), "host stands", "hosts stand") + " in what " + it.Source + " published: "
			if which.before {
				it.FalseFlag = Free
			}
			if which.beside {
				it.Kind, base = Beside, max(base-2000, 0)
				verb = plural(len(hosts), "host shares its", "hosts share their") + " registered name with what " + it.Source + " published: "
				if which.before {
					it.FalseFlag = Dear // whoever holds the name can make hosts below it
				}
			}
			it.Text = verb + defanged(hosts)
			// Chance and imitation pick one of the hypotheses: a match with a particular one is rarer by their number.
			base += log2(uint64(max(len(v.names), 1)))
			for o, hs := range byHyp {
				b := base + vedette.MilliBits(min(300*(len(hs)-1), 1000))
				it.Ratios = append(it.Ratios, Ratio{v.names[o], b, b - k.doubt, b + k.doubt})
			}
			out = append(out, sorted(it))
		}
	}
	return out
}

// sources returns who published reports.
func (k *Knowledge) sources(reports []int32) []string {
	var out []string
	for _, r := range reports {
		out = append(out, k.reports[r].source)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func defanged(hosts []string) string {
	hosts = slices.Clone(hosts)
	slices.Sort(hosts)
	more := ""
	if len(hosts) > 5 {
		more = fmt.Sprintf(" and %d more", len(hosts)-5)
		hosts = hosts[:5]
	}
	for i := range hosts {
		hosts[i] = link.Defang(hosts[i])
	}
	return strings.Join(hosts, ", ") + more
}

func sorted(it Item) Item {
	slices.SortFunc(it.Ratios, func(a, b Ratio) int { return strings.Compare(a.Hypothesis, b.Hypothesis) })
	return it
}

// parts makes a piece of each rare name part that hosts share with published ones.
func (k *Knowledge) parts(v *view, subjects []subject, p *Params) []Item {
	type hit struct {
		found
		host string
	}
	var hits []hit
	tried := 0
	last := ""
	for i := range subjects {
		s := &subjects[i]
		if s.label == "" || s.reg == last {
			continue
		}
		last = s.reg
		if _, known := k.below[s.reg]; known {
			continue // said already, and more strongly, by its publication
		}
		tried++
		self := 0
		if _, ok := k.grounds[s.reg]; ok {
			self = 1
		}
		for _, f := range k.shares(s.label, v.of, v.size, func(int32) bool { return false }, self) {
			if k.ties[bucket(f.rarity)].Bits > 0 {
				hits = append(hits, hit{f, s.host})
			}
		}
	}
	if len(hits) == 0 {
		return nil
	}
	// Of each hypothesis the rarest parts first; a part inside one that has been counted is the same signal.
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.hypothesis, b.hypothesis), cmp.Compare(b.rarity, a.rarity), cmp.Compare(len(b.word), len(a.word)), strings.Compare(a.word, b.word))
	})
	// Many names compared find more by chance, and names that share nothing speak against: the first piece of each hypothesis pays for that.
	shared := map[int32]int{} // names that share anything, by hypothesis: each has one hit there
	for _, h := range hits {
		shared[h.hypothesis]++
	}
	var pay vedette.MilliBits
	byWord := map[string]*Item{}
	hostsOf := map[string][]string{}
	var words []string
	var counted []string
	var sum vedette.MilliBits
	for i, h := range hits {
		if i == 0 || hits[i-1].hypothesis != h.hypothesis {
			pay = max(log2(uint64(max(tried, 1))), vedette.MilliBits(max(tried-shared[h.hypothesis], 0))*-min(k.ties[0].Bits, 0))
			counted, sum = counted[:0], -pay
		}
		if !slices.Contains(hostsOf[h.word], h.host) {
			hostsOf[h.word] = append(hostsOf[h.word], h.host)
		}
		if slices.ContainsFunc(counted, func(w string) bool { return strings.Contains(w, h.word) || strings.Contains(h.word, w) }) {
			continue
		}
		r := k.ties[bucket(h.rarity)]
		b := r.Bits
		if len(counted) > 0 {
			b /= 2 // names of one campaign hang together: a second part is no second witness
		}
		b = min(b, p.CapPart-sum)
		if len(counted) == 0 {
			b -= pay
		}
		sum += b
		counted = append(counted, h.word)
		if b == 0 {
			continue
		}
		it := byWord[h.word]
		if it == nil {
			it = &Item{Claim: v.kind, Kind: NamePart, Source: "published names", Group: "name part " + h.word, FalseFlag: Cheap}
			byWord[h.word] = it
			words = append(words, h.word)
		}
		it.Ratios = append(it.Ratios, Ratio{v.names[h.hypothesis], b, b + r.Low - r.Bits, b + r.High - r.Bits})
	}
	slices.Sort(words)
	var out []Item
	for _, w := range words {
		it := byWord[w]
		it.Text = fmt.Sprintf("%s the part “%s” with published names: %s (%s compared)",
			plural(len(hostsOf[w]), "host shares", "hosts share"), w, defanged(hostsOf[w]), plural(tried, "name", "names"))
		out = append(out, sorted(*it))
	}
	return out
}

// paths makes a piece of each path shape that published links have too.
func (k *Knowledge) paths(v *view, subjects []subject, p *Params) []Item {
	var out []Item
	var done []string
	total := 0
	for _, n := range v.links {
		total += n
	}
	for i := range subjects {
		shape := subjects[i].shape
		list := k.shapes[shape]
		if shape == "" || len(list) == 0 || slices.Contains(done, shape) {
			continue
		}
		done = append(done, shape)
		n := make([]int, len(v.names))
		for _, r := range list {
			n[v.of(r)]++
		}
		it := Item{Claim: v.kind, Kind: PathShape, Source: "published links", Group: "path shape " + shape, FalseFlag: Cheap}
		it.RestsOn = k.sources(list)
		it.Text = fmt.Sprintf("a link has the path shape “%s” of %s", shape, plural(len(list), "published link", "published links"))
		for o, c := range n {
			if c == 0 {
				continue
			}
			// Elsewhere: as if among 30 links of others besides the published ones there were one like it, or two where the shape is a short code.
			others := uint64(len(list) - c + 1)
			if plain(shape) {
				others += 4
			}
			// c/(links+3) : others/(total-links+30)
			b := logRatio(uint64(c)*uint64(total-v.links[o]+30), others*uint64(v.links[o]+3))
			dev := deviation(c, int(others))
			if b = min(b, p.CapPath); b > 0 {
				it.Ratios = append(it.Ratios, Ratio{v.names[o], b, b - dev, b + dev})
			}
		}
		if len(it.Ratios) > 0 {
			out = append(out, sorted(it))
		}
	}
	return out
}

// plain reports whether a shape is a single short code or a single word, as countless sites have.
func plain(shape string) bool {
	inner := strings.Trim(shape, "/")
	return !strings.Contains(inner, "/") && !strings.Contains(inner, "l") || strings.IndexFunc(inner, func(r rune) bool { return r >= '0' && r <= '9' }) < 0
}

// networks makes a piece of each network that addresses share with published ones.
func (k *Knowledge) networks(v *view, subjects []subject, ev *Evidence, p *Params) []Item {
	var addrs []netip.Addr
	for i := range subjects {
		if a, err := netip.ParseAddr(subjects[i].host); err == nil && len(k.values[subjects[i].host]) == 0 {
			addrs = append(addrs, a)
		}
	}
	for i := range ev.Facts {
		if ev.Facts[i].Kind == enrichment.Address {
			if a, err := netip.ParseAddr(ev.Facts[i].Value); err == nil && !k.shared(a.String()) {
				addrs = append(addrs, a)
			}
		}
	}
	nets := make([]netip.Prefix, len(addrs))
	for i := range addrs {
		nets[i] = network(addrs[i])
	}
	slices.SortFunc(nets, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	nets = slices.Compact(nets)
	pay := log2(uint64(max(len(nets), 1))) // many networks compared meet more by chance
	var out []Item
	for _, net := range nets {
		list := k.subnets[net]
		if len(list) == 0 {
			continue
		}
		n := make([]int, len(v.names))
		for _, r := range list {
			n[v.of(r)]++
		}
		it := Item{
			Claim: v.kind, Kind: Subnet, Source: "published addresses", Group: "network " + net.String(), RestsOn: k.sources(list), FalseFlag: Cheap,
			Text: fmt.Sprintf("an address stands in the network %s, as do %s", link.Defang(net.String()), plural(len(list), "published address", "published addresses")),
		}
		for o, c := range n {
			if c == 0 {
				continue
			}
			// Networks are rented to anybody: one published address in it says a bit, more say up to three.
			b := min(logRatio(uint64(2*c+2), uint64(2*(len(list)-c)+2)), 3000, p.CapFact) - pay
			if b > 0 {
				it.Ratios = append(it.Ratios, Ratio{v.names[o], b, b - 1000, b + 1000})
			}
		}
		if len(it.Ratios) > 0 {
			out = append(out, sorted(it))
		}
	}
	return out
}

// capOf is the most that one shared fact of a kind may say, and what it costs to fake.
func capOf(kind enrichment.Kind) (vedette.MilliBits, Cost) {
	switch kind {
	case enrichment.Certificate:
		return 8000, Dear
	case enrichment.NameServer:
		return 5000, Cheap
	case enrichment.Address:
		return 3000, Cheap
	case enrichment.Registered:
		return 3000, Dear // nobody registers yesterday
	default:
		return 1500, Cheap
	}
}

// sharedFacts makes a piece of each fact that hosts share with published ones.
func (k *Knowledge) sharedFacts(v *view, subjects []subject, ev *Evidence, p *Params) []Item {
	hosts := map[string]bool{}
	for i := range subjects {
		hosts[subjects[i].host] = true
	}
	type asked struct {
		key    factKey
		source string
		host   string
	}
	var keys []asked
	for i := range ev.Facts {
		f := &ev.Facts[i]
		if key, ok := keyOf(f); ok && hosts[bare(f.Host)] && len(k.values[bare(f.Host)]) == 0 {
			keys = append(keys, asked{key, f.Source, bare(f.Host)})
		}
	}
	slices.SortFunc(keys, func(a, b asked) int {
		return cmp.Or(strings.Compare(string(a.key.kind), string(b.key.kind)), strings.Compare(a.key.value, b.key.value), strings.Compare(a.source, b.source), strings.Compare(a.host, b.host))
	})
	var out []Item
	for i, a := range keys {
		if i > 0 && keys[i-1].key == a.key {
			continue
		}
		seen := k.facts[a.key]
		if seen == nil || len(seen.reports) == 0 {
			continue
		}
		n := make([]int, len(v.names))
		for _, r := range seen.reports {
			n[v.of(r)]++
		}
		limit, cost := capOf(a.key.kind)
		it := Item{
			Claim: v.kind, Kind: SharedFact, Source: a.source, Group: string(a.key.kind) + " " + a.key.value, RestsOn: k.sources(seen.reports), FalseFlag: cost,
			Text: fmt.Sprintf("%s: the %s %s is that of %s", link.Defang(a.host), factWord(a.key.kind), link.Defang(a.key.value), plural(len(seen.reports), "published host", "published hosts")),
		}
		all := k.factNames[a.key.kind]
		for o, c := range n {
			if c == 0 {
				continue
			}
			// c/(names+3) : (others that have it + 1)/(all others + 50)
			b := logRatio(uint64(c)*uint64(max(all-c, 0)+50), uint64(max(seen.total-c, 0)+1)*uint64(v.size[o]+3))
			if b = min(b, limit, p.CapFact); b > 0 {
				dev := deviation(c, max(seen.total-c, 0)+1)
				it.Ratios = append(it.Ratios, Ratio{v.names[o], b, b - dev, b + dev})
			}
		}
		if len(it.Ratios) > 0 {
			out = append(out, sorted(it))
		}
	}
	return out
}

func factWord(kind enrichment.Kind) string {
	switch kind {
	case enrichment.NameServer:
		return "name server"
	case enrichment.Registered:
		return "day of registration"
	case enrichment.Address:
		return "network"
	case enrichment.Origin:
		return "AS number"
	default:
		return string(kind)
	}
}

// nameStyle weighs what the names look like.
func (k *Knowledge) nameStyle(subjects []subject, p *Params) []Item {
	var hosts []string
	last := ""
	for i := range subjects {
		if s := &subjects[i]; s.reg != "" && s.reg != last {
			last = s.reg
			hosts = append(hosts, s.host)
		}
	}
	if len(hosts) == 0 || k.pool.n == 0 {
		return nil
	}
	it := Item{
		Claim: Vendor, Kind: NameStyle, Source: "published names", Group: "name style", FalseFlag: Cheap,
		Text: "the style of " + plural(len(hosts), "name", "names") + ": suffix, length, hyphens, digits, words",
	}
	for o := range k.styles {
		b := clamp(k.styles[o].likeness(hosts, &k.pool), -p.CapStyle, p.CapStyle)
		it.Ratios = append(it.Ratios, Ratio{k.operators[o], b, b - 1000, b + 1000})
	}
	for _, h := range []struct {
		name string
		s    *style
	}{{Commodity, &k.phishing}, {Ordinary, &k.ordinary}} {
		if h.s.n > 0 {
			b := clamp(h.s.likeness(hosts, &k.pool), -p.CapStyle, p.CapStyle)
			it.Ratios = append(it.Ratios, Ratio{h.name, b, b - 1000, b + 1000})
		}
	}
	return []Item{sorted(it)}
}

// lists weighs that hosts stand on lists of what no operator stands behind.
func (k *Knowledge) lists(v *view, subjects []subject) []Item {
	var out []Item
	for _, h := range []string{Commodity, Ordinary} {
		var hosts []string
		for i := range subjects {
			if s := &subjects[i]; k.listed[s.host] == h && !slices.Contains(hosts, s.host) {
				hosts = append(hosts, s.host)
			}
		}
		if len(hosts) == 0 {
			continue
		}
		// Targeted operators' names get onto such lists too: only a set that stands there as a whole is what the list says.
		b := vedette.MilliBits(4000 * len(hosts) / len(subjects))
		out = append(out, Item{
			Claim: v.kind, Kind: Listed, Source: "lists of " + h, Group: "list of " + h, FalseFlag: Cheap,
			Text:   plural(len(hosts), "host stands", "hosts stand") + " on a list of " + strings.TrimPrefix(h, "an ") + ": " + defanged(hosts),
			Ratios: []Ratio{{h, b, b - 1000, b + 1000}},
		})
	}
	return out
}

// brought takes the pieces that people brought for a claim. The grade of the source caps what it may say: half of what the grade is worth.
func brought(kind ClaimKind, items []Item, p *Params) []Item {
	var out []Item
	for _, it := range items {
		if it.Claim != kind {
			continue
		}
		limit := min(weightOf(it.Grade)/2, p.CapExact)
		it.Ratios = slices.Clone(it.Ratios)
		for i := range it.Ratios {
			r := &it.Ratios[i]
			r.Bits = clamp(r.Bits, -limit, limit)
			r.Low, r.High = min(r.Low, r.Bits), max(r.High, r.Bits)
		}
		if it.Group == "" {
			it.Group = "source " + it.Source
		}
		if it.FalseFlag == "" {
			it.FalseFlag = Cheap
		}
		if len(it.RestsOn) == 0 {
			it.RestsOn = []string{it.Source}
		}
		out = append(out, sorted(it))
	}
	slices.SortStableFunc(out, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Source, b.Source), strings.Compare(a.Text, b.Text))
	})
	return out
}
