package attribution

import (
	"cmp"
	"index/suffixarray"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/enrichment"
	"vedette/record/indicator"
)

// Background is what names look like that no operator stands behind. It is optional: without it rarity is judged more cautiously.
type Background struct {
	Phishing iter.Seq[string] // hosts of commodity phishing
	Ordinary iter.Seq[string] // hosts of ordinary sites
}

// Options are what Learn may be given besides indicators.
type Options struct {
	Facts      iter.Seq[enrichment.Fact] // about published hosts, and about any others, which show how common a value is
	Background Background
	Same       func(operator string) string // one name for each operator; nil: as the sources spell it
	Guard      *indicator.Guard             // what popular and shared hosts are; nil: the built-in list
}

// Knowledge is what was published about operators, ready to be asked. It is immutable and safe for any number of readers.
type Knowledge struct {
	guard      *indicator.Guard
	operators  []string // sorted
	reports    []report // by operator, time, source
	clusters   []string // labels, by the first report of each
	names      []name   // by registered name
	values     map[string][]statement
	urls       map[string][]statement
	below      map[string]int // registered name → index in names
	text       part
	background part
	shapes     map[string][]int32 // path shape → names' reports, one entry for each published link
	subnets    map[netip.Prefix][]int32
	facts      map[factKey]*factSeen
	factNames  map[enrichment.Kind]int // hosts with a fact of the kind
	styles     []style                 // by operator
	pool       style
	phishing   style
	ordinary   style
	listed     map[string]string // background name → hypothesis
	size       []int             // registered names by operator
	sizeOf     []int             // and by cluster
	links      []int             // published links by operator
	linksOf    []int
	agree      vedette.MilliBits // what a publication says, learnt from how often independent ones agree
	doubt      vedette.MilliBits // its standard deviation
	ties       [buckets]Ratio    // what a shared name part of a rarity says
	grounds    map[string]string // registered names of the background
	extent     Extent
}

type report struct {
	source    string
	published time.Time
	operator  int32
	cluster   int32
	grade     indicator.Admiralty
}

// statement is one report's word about a value.
type statement struct {
	report int32
	grade  indicator.Admiralty
	wide   bool // it covers what stands below the name too
}

type name struct {
	reg     string
	label   string
	reports []int32
}

type factKey struct {
	kind  enrichment.Kind
	value string
}

type factSeen struct {
	reports []int32 // of published hosts that have it
	total   int     // all hosts that have it
}

// part finds the names that contain a piece of text.
type part struct {
	index *suffixarray.Index
	owner []int32 // by byte
	n     int     // names
	label []string
}

const common = 400 // a piece in so many names is no longer looked at

func newPart(labels []string) part {
	var b strings.Builder
	var owner []int32
	for i, l := range labels {
		b.WriteString(l)
		b.WriteByte('\n')
		for range len(l) + 1 {
			owner = append(owner, int32(i))
		}
	}
	return part{suffixarray.New([]byte(b.String())), owner, len(labels), labels}
}

// find returns the names that contain w, in order, and whether there are too many to tell apart.
func (p *part) find(w string, dst []int32) ([]int32, bool) {
	if p.n == 0 {
		return dst[:0], false
	}
	at := p.index.Lookup([]byte(w), common)
	if len(at) == common {
		return dst[:0], true
	}
	dst = dst[:0]
	for _, i := range at {
		dst = append(dst, p.owner[i])
	}
	slices.Sort(dst)
	return slices.Compact(dst), false
}

// nameOf returns the registered name and its label; "" for an address and what is no host.
func nameOf(host string) (reg, label string) {
	reg = link.Registrable(host)
	if reg == "" {
		return "", ""
	}
	suffix, _ := link.PublicSuffix(host)
	return reg, strings.TrimSuffix(strings.TrimSuffix(reg, suffix), ".")
}

// hostOf returns the host of an indicator's value, without a port.
func hostOf(value string) string {
	host, _, _ := strings.Cut(value, "/")
	if a, err := netip.ParseAddrPort(host); err == nil {
		return a.Addr().String()
	}
	if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}

// shared reports whether a host belongs to many people.
func (k *Knowledge) shared(host string) bool {
	in := indicator.Indicator{Value: host, Scope: indicator.ScopeHost}
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		in.Value = "[" + host + "]"
	}
	return k.guard.Strict(&in).Refused
}

func bare(host string) string {
	if rest, ok := strings.CutPrefix(host, "www."); ok && link.Registrable(rest) != "" {
		return rest
	}
	return host
}

// Learn reads what was published. Indicators that name no operator, and those that cover hosts that many people use, teach nothing about
// operators; the former still show how common a name part is. Order and repetition change nothing.
func Learn(list iter.Seq[indicator.Indicator], opts Options) *Knowledge {
	k := &Knowledge{
		guard:  opts.Guard,
		values: map[string][]statement{}, urls: map[string][]statement{}, below: map[string]int{},
		shapes: map[string][]int32{}, subnets: map[netip.Prefix][]int32{},
		facts: map[factKey]*factSeen{}, factNames: map[enrichment.Kind]int{}, listed: map[string]string{},
	}
	if k.guard == nil {
		k.guard = indicator.NewGuard()
	}
	same := opts.Same
	if same == nil {
		same = func(s string) string { return s }
	}

	var all []indicator.Indicator
	anonymous := map[string]bool{}
	for in := range list {
		if in.Operator = same(in.Operator); in.Operator != "" {
			if !k.guard.Strict(&in).Refused {
				all = append(all, in)
			}
		} else if reg, _ := nameOf(hostOf(in.Value)); reg != "" {
			anonymous[reg] = true
		}
	}
	slices.SortFunc(all, func(a, b indicator.Indicator) int {
		return cmp.Or(strings.Compare(a.Operator, b.Operator), a.Published.Compare(b.Published), strings.Compare(a.Source, b.Source),
			strings.Compare(a.Value, b.Value), cmp.Compare(a.Scope, b.Scope), strings.Compare(a.Grade.String(), b.Grade.String()))
	})
	k.gather(all)
	k.join()
	k.index()
	k.learnBackground(opts.Background, anonymous)
	if opts.Facts != nil {
		k.learnFacts(opts.Facts)
	}
	k.learnAgreement()
	k.learnTies()
	return k
}

// gather makes the operators, reports and statements.
func (k *Knowledge) gather(all []indicator.Indicator) {
	for i := range all {
		in := &all[i]
		if n := len(k.operators); n == 0 || k.operators[n-1] != in.Operator {
			k.operators = append(k.operators, in.Operator)
		}
		r := report{source: in.Source, published: in.Published, operator: int32(len(k.operators) - 1), grade: in.Grade}
		last := len(k.reports) - 1
		if last < 0 || k.reports[last].operator != r.operator || k.reports[last].source != r.source || !k.reports[last].published.Equal(r.published) {
			k.reports = append(k.reports, r)
			last++
		}
		st := statement{report: int32(last), grade: in.Grade, wide: in.Scope == indicator.ScopeDomain}
		switch in.Scope {
		case indicator.ScopeURL, indicator.ScopePath:
			k.urls[in.Value] = appendStatement(k.urls[in.Value], st)
		default:
			h := bare(hostOf(in.Value))
			k.values[h] = appendStatement(k.values[h], st)
		}
		if in.Published.After(k.extent.Last) {
			k.extent.Last = in.Published
		}
	}
	k.extent.Operators, k.extent.Reports = len(k.operators), len(k.reports)
}

// weightOf is what a grade is worth.
func weightOf(g indicator.Admiralty) vedette.MilliBits {
	var none indicator.Confidence
	return indicator.DefaultWeight(g, none)
}

// appendStatement keeps the better graded of two statements of one report.
func appendStatement(list []statement, st statement) []statement {
	for i := range list {
		if list[i].report == st.report {
			if weightOf(st.grade) > weightOf(list[i].grade) {
				list[i].grade = st.grade
			}
			list[i].wide = list[i].wide || st.wide
			return list
		}
	}
	return append(list, st)
}

// join puts reports that repeat one another into one cluster: of one operator, and with at least half of the smaller one's values in common.
func (k *Knowledge) join() {
	parent := make([]int32, len(k.reports))
	size := make([]int, len(k.reports))
	for i := range parent {
		parent[i] = int32(i)
	}
	root := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	both := map[[2]int32]int{}
	for _, m := range []map[string][]statement{k.values, k.urls} {
		for _, sts := range m { // sums only: order does not matter
			for i, a := range sts {
				size[a.report]++
				for _, b := range sts[i+1:] {
					if k.reports[a.report].operator == k.reports[b.report].operator {
						both[[2]int32{min(a.report, b.report), max(a.report, b.report)}]++
					}
				}
			}
		}
	}
	for pair, n := range both { // union is commutative: the smaller root wins
		if 2*n >= min(size[pair[0]], size[pair[1]]) {
			a, b := root(pair[0]), root(pair[1])
			parent[max(a, b)] = min(a, b)
		}
	}
	number := map[int32]int32{}
	for i := range k.reports {
		r := root(int32(i))
		if _, ok := number[r]; !ok {
			number[r] = int32(len(k.clusters))
			k.clusters = append(k.clusters, k.label(r))
		}
		k.reports[i].cluster = number[r]
	}
	k.extent.Clusters = len(k.clusters)
}

// label names a report: whom it names, and who published it when. What it says stays its own word.
func (k *Knowledge) label(r int32) string {
	rep := &k.reports[r]
	if rep.published.IsZero() {
		return k.operators[rep.operator] + ", as published by " + rep.source + " (undated)"
	}
	return k.operators[rep.operator] + ", as published by " + rep.source + " on " + rep.published.UTC().Format(time.DateOnly)
}

// index makes what is asked later: registered names, parts, shapes, networks, styles.
func (k *Knowledge) index() {
	byReg := map[string]map[int32]bool{}
	hostsOf := make([]map[string]bool, len(k.operators))
	for i := range hostsOf {
		hostsOf[i] = map[string]bool{}
	}
	k.links, k.linksOf = make([]int, len(k.operators)), make([]int, len(k.clusters))
	add := func(host string, sts []statement) {
		reg, _ := nameOf(host)
		if reg == "" || k.shared(host) || k.shared(reg) {
			return
		}
		if byReg[reg] == nil {
			byReg[reg] = map[int32]bool{}
		}
		for _, st := range sts {
			byReg[reg][st.report] = true
			hostsOf[k.reports[st.report].operator][host] = true
		}
	}
	for host, sts := range k.values { // sets only
		add(host, sts)
		if a, err := netip.ParseAddr(host); err == nil {
			p := network(a)
			for _, st := range sts {
				k.subnets[p] = append(k.subnets[p], st.report)
			}
		}
	}
	for _, list := range k.subnets {
		slices.Sort(list)
	}
	for url, sts := range k.urls {
		host := bare(hostOf(url))
		add(host, sts)
		if k.shared(host) {
			continue
		}
		_, path, _ := strings.Cut(url, "/")
		shape := ShapeOf("/" + path)
		if shape == "" {
			continue
		}
		for _, st := range sts {
			k.shapes[shape] = append(k.shapes[shape], st.report)
			k.links[k.reports[st.report].operator]++
			k.linksOf[k.reports[st.report].cluster]++
		}
	}
	for _, list := range k.shapes {
		slices.Sort(list)
	}

	regs := make([]string, 0, len(byReg))
	for reg := range byReg {
		regs = append(regs, reg)
	}
	slices.Sort(regs)
	labels := make([]string, len(regs))
	k.size, k.sizeOf = make([]int, len(k.operators)), make([]int, len(k.clusters))
	for i, reg := range regs {
		n := name{reg: reg}
		_, n.label = nameOf(reg)
		for r := range byReg[reg] {
			n.reports = append(n.reports, r)
		}
		slices.Sort(n.reports)
		var ops, cls []int32
		for _, r := range n.reports {
			ops, cls = append(ops, k.reports[r].operator), append(cls, k.reports[r].cluster)
		}
		for _, o := range distinct(ops) {
			k.size[o]++
		}
		for _, c := range distinct(cls) {
			k.sizeOf[c]++
		}
		k.names, k.below[reg], labels[i] = append(k.names, n), i, n.label
	}
	k.text = newPart(labels)
	k.extent.Names = len(regs)

	k.styles = make([]style, len(k.operators))
	for o, hosts := range hostsOf {
		for h := range hosts { // counts only
			k.styles[o].add(h)
		}
		k.pool.merge(&k.styles[o])
	}
}

func distinct(v []int32) []int32 {
	slices.Sort(v)
	return slices.Compact(v)
}

func network(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	n := 48
	if a.Is4() {
		n = 24
	}
	p, _ := a.Prefix(n)
	return p
}

func (k *Knowledge) learnBackground(b Background, anonymous map[string]bool) {
	seen := map[string]string{}
	take := func(list iter.Seq[string], hypothesis string) {
		if list == nil {
			return
		}
		for h := range list {
			host := bare(strings.ToLower(h))
			reg, _ := nameOf(host)
			if reg == "" {
				continue
			}
			if _, known := k.below[reg]; known {
				continue // published as an operator's: no background
			}
			if was, ok := k.listed[host]; ok && was != hypothesis {
				k.listed[host] = "" // on both kinds of list: neither
			} else {
				k.listed[host] = hypothesis
			}
			seen[reg] = hypothesis
		}
	}
	take(b.Phishing, Commodity)
	take(b.Ordinary, Ordinary)
	for reg := range anonymous {
		if _, known := k.below[reg]; !known {
			if _, ok := seen[reg]; !ok {
				seen[reg] = ""
			}
		}
	}
	regs := make([]string, 0, len(seen))
	for reg := range seen {
		regs = append(regs, reg)
	}
	slices.Sort(regs)
	labels := make([]string, len(regs))
	for i, reg := range regs {
		_, labels[i] = nameOf(reg)
	}
	k.background = newPart(labels)
	k.extent.Background = len(regs)
	k.grounds = seen

	k.phishing, k.ordinary = measuredPhishing, measuredOrdinary
	phishing, ordinary := style{}, style{}
	for host, h := range k.listed { // counts only
		switch h {
		case Commodity:
			phishing.add(host)
		case Ordinary:
			ordinary.add(host)
		}
	}
	if phishing.n >= 500 {
		k.phishing = phishing
	}
	if ordinary.n >= 500 {
		k.ordinary = ordinary
	}
}

func (k *Knowledge) learnFacts(list iter.Seq[enrichment.Fact]) {
	type seenFact struct {
		host string
		key  factKey
	}
	done := map[seenFact]bool{}
	kinds := map[seenFact]bool{}
	for f := range list {
		key, ok := keyOf(&f)
		if !ok || done[seenFact{f.Host, key}] {
			continue
		}
		done[seenFact{f.Host, key}] = true
		if of := (seenFact{f.Host, factKey{kind: f.Kind}}); !kinds[of] {
			kinds[of] = true
			k.factNames[f.Kind]++
		}
		s := k.facts[key]
		if s == nil {
			s = &factSeen{}
			k.facts[key] = s
		}
		s.total++
		for _, st := range k.values[bare(f.Host)] {
			s.reports = append(s.reports, st.report)
		}
	}
	for _, s := range k.facts {
		slices.Sort(s.reports)
	}
}

// keyOf returns what a fact is compared by: addresses by network, registrations by day.
func keyOf(f *enrichment.Fact) (factKey, bool) {
	key := factKey{f.Kind, f.Value}
	switch f.Kind {
	case enrichment.Address:
		a, err := netip.ParseAddr(f.Value)
		if err != nil {
			return key, false
		}
		key.value = network(a).String()
	case enrichment.Registered:
		if len(f.Value) < len(time.DateOnly) {
			return key, false
		}
		key.value = f.Value[:len(time.DateOnly)]
	case enrichment.NewlySeen:
		return key, false
	}
	return key, key.value != ""
}

// learnAgreement learns what a publication is worth: how much oftener does a published value stand in another report of its operator than in one
// of another operator's? Before anything is counted it is taken as 20 to 1.
func (k *Knowledge) learnAgreement() {
	same, differ := 0, 0
	for _, m := range []map[string][]statement{k.values, k.urls} {
		for _, sts := range m { // sums only
			var ops []int32
			for _, st := range sts {
				ops = append(ops, k.reports[st.report].operator)
			}
			switch {
			case len(distinct(ops)) > 1:
				differ++
			case len(sts) > 1:
				same++
			}
		}
	}
	k.agree = logRatio(uint64(2*same+20), uint64(2*differ+1))
	k.doubt = deviation(same+10, differ)
}

// ShapeOf returns the shape of a path: words as they are, numbers and codes by their length. "/1234567s/" is "/d7l1/". It is "" for a path
// that says nothing.
func ShapeOf(path string) string {
	path, query, asked := strings.Cut(path, "?")
	path, _, _ = strings.Cut(path, "#")
	if strings.Trim(path, "/") == "" && !asked {
		return ""
	}
	var b strings.Builder
	for i, seg := range strings.Split(path, "/") {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(segmentShape(seg))
	}
	if asked {
		keys := strings.Split(query, "&")
		for i := range keys {
			keys[i], _, _ = strings.Cut(keys[i], "=")
			keys[i] = segmentShape(keys[i])
		}
		slices.Sort(keys)
		b.WriteString("?" + strings.Join(keys, "&"))
	}
	if b.Len() > 120 {
		return ""
	}
	return b.String()
}

func segmentShape(s string) string {
	if s == "" {
		return ""
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	rest := s[digits:]
	word := strings.IndexFunc(rest, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' && r != '_' && r != '.' }) < 0
	switch {
	case digits == len(s):
		return "d" + number(digits)
	case digits > 0 && word && len(rest) <= 2:
		return "d" + number(digits) + "l" + number(len(rest))
	case digits == 0 && word:
		return s
	default:
		return "m" + number(len(s))
	}
}

func number(n int) string {
	if n > 9 {
		return number(n/10) + string(rune('0'+n%10))
	}
	return string(rune('0' + n))
}
