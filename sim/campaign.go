package sim

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"vedette"
)

// The kinds of campaigns: what a report of one of its links has in common with its other links.
const (
	OneTime = "one-time" // one host, a link of its own for each target
	Family  = "family"   // hosts that share a part of their names
	Infra   = "infra"    // hosts that share a name server, the day of registration and a certificate's minute, and nothing in their names
	Shared  = "shared"   // a tenant on a host that many parties use
	Cell    = "cell"     // unrelated hosts; the senders share devices and networks
)

// CampaignKinds returns every kind, in a constant order.
func CampaignKinds() []string { return []string{OneTime, Family, Infra, Shared, Cell} }

// campaign is one operator's, against a few people.
type campaign struct {
	name     string
	kind     string
	operator string
	hosts    []string // of the attack; for Shared the link's beginning
	back     string   // of the return, after a ban
	cell     []int32  // sending accounts
	fresh    []int32  // accounts of the return
	targets  map[int32]bool
	sent     []sentLink // to targets, in order
}

type sentLink struct {
	id, url, host string
	to            int32
	from          int32
}

// act is one thing that happens after a message of the conversations.
type act struct {
	after int // index of the message
	c     *campaign
	what  string
	n     int // which target, which sender
}

type campaigns struct {
	acts     []act
	next     int
	accounts int32
	first    int32
	rng      *rand.Rand
	talk     []said
	names    *factWriter
}

// Waiting between a message and its report, in minutes: half of all reports come within 45, a few take days. Guessed: nobody publishes it.
const (
	reportMedian = 45.0
	reportSigma  = 1.2 // of the logarithm
)

const (
	campaignSenders = 3
	campaignReturn  = 2 // accounts of the return
	returnTargets   = 3
)

// hosterTenants are beginnings of links on hosts that give each party a place in the path.
var hosterTenants = []string{"https://sites.google.com/view/", "https://github.com/"}

// campaigns plans what is laid over the conversations.
func (o *OverlayOptions) campaigns(talk []said, first int32, rep *OverlayReport) (*campaigns, error) {
	cs := &campaigns{first: first, rng: rand.New(rand.NewPCG(o.Seed, 0xca4)), talk: talk}
	if o.Campaigns == 0 {
		return cs, nil
	}
	kinds := o.CampaignKinds
	if len(kinds) == 0 {
		kinds = CampaignKinds()
	}
	for _, k := range kinds {
		if !slices.Contains(CampaignKinds(), k) {
			return nil, fmt.Errorf("sim: campaign kind %q: %s: %w", k, strings.Join(CampaignKinds(), ", "), vedette.ErrInvalid)
		}
	}
	pool, err := o.pool(cs.rng, rep)
	if err != nil {
		return nil, err
	}
	segment := len(talk) / o.Campaigns
	if segment < 60 {
		return nil, fmt.Errorf("sim: %d campaigns need %d messages, not %d: %w", o.Campaigns, 60*o.Campaigns, len(talk), vedette.ErrInvalid)
	}
	cs.names = &factWriter{rng: rand.New(rand.NewPCG(o.Seed, 0xfac7)), at: time.UnixMilli(talk[0].at).UTC()}
	at := func(c int, share float64) int { return c*segment + int(share*float64(segment-1)) }
	for i := range o.Campaigns {
		kind := kinds[i%len(kinds)]
		k := 5 + cs.rng.IntN(4)
		c := &campaign{name: fmt.Sprintf("c%d", i+1), kind: kind, targets: map[int32]bool{}}
		if err := pool.give(c, k); err != nil {
			return nil, err
		}
		for range campaignSenders {
			c.cell = append(c.cell, first+cs.accounts)
			cs.accounts++
		}
		for range campaignReturn {
			c.fresh = append(c.fresh, first+cs.accounts)
			cs.accounts++
		}
		cs.acts = append(cs.acts, act{at(i, 0.02), c, "found", 0}, act{at(i, 0.03), c, "rehearse", 0}, act{at(i, 0.04), c, "rehearse", 1})
		reporter := 1 + cs.rng.IntN(k-1)
		for j := range k {
			after := at(i, 0.06+0.5*(float64(j)+cs.rng.Float64()*0.6)/float64(k))
			cs.acts = append(cs.acts, act{after, c, "target", j})
			if j == reporter {
				wait := reportMedian * math.Exp(reportSigma*cs.rng.NormFloat64())
				due := talk[after].at + int64(wait*60_000)
				m, _ := slices.BinarySearchFunc(talk, due, func(s said, t int64) int { return cmp.Compare(s.at, t) })
				cs.acts = append(cs.acts, act{min(max(m, after+1), at(i, 0.78)), c, "report", j})
			}
		}
		cs.acts = append(cs.acts, act{at(i, 0.82), c, "refound", 0})
		for j := range returnTargets {
			cs.acts = append(cs.acts, act{at(i, 0.84+0.04*float64(j)), c, "return", j})
		}
		for j := range 2 {
			cs.acts = append(cs.acts, act{at(i, 0.3+0.3*float64(j)), c, "neighbour", j})
		}
		cs.names.campaign(c, time.UnixMilli(talk[at(i, 0)].at).UTC())
	}
	slices.SortStableFunc(cs.acts, func(a, b act) int { return cmp.Compare(a.after, b.after) })
	rep.Campaigns = o.Campaigns
	if o.Facts != nil {
		if err := cs.names.write(csv.NewWriter(o.Facts)); err != nil {
			return nil, err
		}
	}
	return cs, nil
}

// hostPool gives hosts to campaigns, each host once.
type hostPool struct {
	rng      *rand.Rand
	families [][]Target // that share a part of a name
	rest     map[string][]Target
	order    []string // operators
	turn     int
	made     int
	list     bool
}

func (o *OverlayOptions) pool(rng *rand.Rand, rep *OverlayReport) (*hostPool, error) {
	p := &hostPool{rng: rng, rest: map[string][]Target{}}
	if o.Hosts == "" {
		return p, nil
	}
	p.list = true
	targets, err := readTargets(o.Hosts, func(t *Target, popular bool) string {
		switch {
		case popular:
			return "popular or legitimate host"
		case t.Type != "domain" || !t.wide():
			return "no whole domain"
		case len(o.Operators) > 0 && !slices.Contains(o.Operators, t.Operator):
			return "another operator"
		}
		return ""
	}, o.Registrable, rep.LeftOut)
	if err != nil {
		return nil, err
	}
	parts := map[string][]int{} // operator and part of a name: targets
	for i, t := range targets {
		label, _, _ := strings.Cut(t.Host, ".")
		for _, part := range strings.Split(label, "-") {
			if len(part) >= 4 {
				parts[t.Operator+" "+part] = append(parts[t.Operator+" "+part], i)
			}
		}
	}
	keys := make([]string, 0, len(parts))
	for k := range parts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(len(parts[b]), len(parts[a])), cmp.Compare(a, b)) })
	used := map[int]bool{}
	for _, k := range keys {
		var free []Target
		var at []int
		for _, i := range parts[k] {
			if !used[i] {
				free, at = append(free, targets[i]), append(at, i)
			}
		}
		if len(free) < 4 {
			continue
		}
		n := min(len(free), 9)
		for _, i := range at[:n] {
			used[i] = true
		}
		p.families = append(p.families, free[:n])
	}
	rng.Shuffle(len(p.families), func(i, j int) { p.families[i], p.families[j] = p.families[j], p.families[i] })
	for i, t := range targets {
		if !used[i] {
			if p.rest[t.Operator] == nil {
				p.order = append(p.order, t.Operator)
			}
			p.rest[t.Operator] = append(p.rest[t.Operator], t)
		}
	}
	for _, op := range p.order {
		ts := p.rest[op]
		rng.Shuffle(len(ts), func(i, j int) { ts[i], ts[j] = ts[j], ts[i] })
	}
	rep.Targets = len(targets)
	return p, nil
}

// take gives n hosts of one operator that share nothing in their names, as far as one can tell.
func (p *hostPool) take(n int) (operator string, hosts []string, err error) {
	for range p.order {
		op := p.order[p.turn%len(p.order)]
		p.turn++
		if ts := p.rest[op]; len(ts) >= n {
			for _, t := range ts[:n] {
				hosts = append(hosts, t.Host)
			}
			p.rest[op] = ts[n:]
			return op, hosts, nil
		}
	}
	if p.list {
		return "", nil, fmt.Errorf("sim: the list of hosts has too few for so many campaigns: %w", vedette.ErrInvalid)
	}
	for range n {
		hosts = append(hosts, p.word(2)+".example")
	}
	return "a made-up operator", hosts, nil
}

func (p *hostPool) give(c *campaign, k int) (err error) {
	var hosts []string
	switch c.kind {
	case Family:
		if p.list && len(p.families) > 0 {
			f := p.families[0]
			p.families = p.families[1:]
			c.operator = f[0].Operator
			for _, t := range f {
				hosts = append(hosts, t.Host)
			}
			break
		}
		if p.list {
			return fmt.Errorf("sim: the list of hosts has too few families for so many campaigns: %w", vedette.ErrInvalid)
		}
		c.operator = "a made-up operator"
		part := p.word(1) + string(rune('a'+p.rng.IntN(26)))
		for range k {
			hosts = append(hosts, p.word(1)+part+".example")
		}
	case Infra, Cell:
		c.operator, hosts, err = p.take(min(k, 5))
	case OneTime:
		c.operator, hosts, err = p.take(2)
	case Shared:
		p.made++
		begin := hosterTenants[p.made%len(hosterTenants)]
		c.operator = "a tenant"
		c.hosts = []string{begin + p.word(2) + "-" + oneTime(p.rng)}
		c.back = c.hosts[0]
		return nil
	}
	if err != nil {
		return err
	}
	c.hosts, c.back = hosts[:len(hosts)-1], hosts[len(hosts)-1]
	return nil
}

var syllables = []string{"ba", "ko", "ri", "ten", "lu", "mar", "pel", "so", "vi", "dran", "ne", "fo", "gal", "hi", "jo", "quay", "tor", "wen", "zi", "pra"}

// word makes up a name of n words that mean nothing.
func (p *hostPool) word(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte('-')
		}
		for range 3 {
			b.WriteString(syllables[p.rng.IntN(len(syllables))])
		}
	}
	return b.String()
}

// play does what is due after message i.
func (cs *campaigns) play(p *player, i int, s said) error {
	for cs.next < len(cs.acts) && cs.acts[cs.next].after <= i {
		a := cs.acts[cs.next]
		cs.next++
		if err := cs.do(p, a, s); err != nil {
			return err
		}
	}
	return nil
}

func (cs *campaigns) do(p *player, a act, s said) error {
	c, at := a.c, time.UnixMilli(s.at)
	switch a.what {
	case "found":
		return c.register(p, c.cell, at)
	case "refound":
		return c.register(p, c.fresh, at)
	case "rehearse":
		return p.campaignLink(at, c, "rehearsal", c.cell[a.n], c.cell[a.n+1], c.url(cs.rng, 0))
	case "target", "return":
		to, ok := cs.someone(p, c, a.after)
		if !ok {
			return nil
		}
		if a.what == "return" {
			return p.campaignLink(at, c, a.what, c.fresh[a.n%len(c.fresh)], to, c.spell(cs.rng, c.back))
		}
		return p.campaignLink(at, c, a.what, c.cell[a.n%len(c.cell)], to, c.url(cs.rng, a.n))
	case "report":
		if a.n >= len(c.sent) {
			return nil // there were not enough people
		}
		l := c.sent[a.n]
		p.open("user.reported", at, account(l.to)).text("subject", account(l.from)).text("message", l.id).text("category", "suspicious-link").links(l.url)
		return errors.Join(p.tell(Truth{ID: string(p.id), Host: l.host, Campaign: c.name, Role: "report", Kind: c.kind}), p.write())
	case "neighbour": // an honest first contact with a link that stands near the campaign
		to, ok := cs.someone(p, c, a.after)
		if !ok || s.group || s.from == to {
			return nil
		}
		url := cs.names.neighbour(c, a.n, cs.rng)
		p.open("link.sent", at, account(s.from)).toAccount(account(to)).links(url)
		return errors.Join(p.tell(Truth{ID: string(p.id), Host: hostOf(url), Campaign: c.name, Role: "neighbour", Kind: c.kind}), p.write())
	}
	return nil
}

// register makes accounts on two devices and one network, which the return uses again.
func (c *campaign) register(p *player, accounts []int32, at time.Time) error {
	for i, n := range accounts {
		for int(n) >= len(p.known) {
			p.known = append(p.known, false)
		}
		p.known[n] = true
		p.registered++
		p.open("account.registered", at, account(n)).text("device", fmt.Sprintf("bench-%s-%d", c.name, i%2)).
			raw("network", fmt.Sprintf(`{"address":"2001:db8:%x::%d","asn":64511,"class":"hosting"}`, sumOf(c.name), 1+i)).
			text("attestation", "basic")
		if err := p.write(); err != nil {
			return err
		}
	}
	return nil
}

// sumOf gives a campaign's number in 16 bits.
func sumOf(name string) (n uint16) {
	for _, r := range name {
		n = n*31 + uint16(r)
	}
	return n
}

func (c *campaign) url(rng *rand.Rand, n int) string { return c.spell(rng, c.hosts[n%len(c.hosts)]) }

func (c *campaign) spell(rng *rand.Rand, host string) string {
	if strings.Contains(host, "://") {
		return host + "/" + oneTime(rng)
	}
	return "https://" + host + "/" + oneTime(rng)
}

func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// someone finds a person who speaks near a message and was not reached yet.
func (cs *campaigns) someone(p *player, c *campaign, near int) (int32, bool) {
	for d := 0; d < 400 && near-d >= 0; d++ {
		n := cs.talk[near-d].from
		if !c.targets[n] && n < cs.first && int(n) < len(p.known) && p.known[n] {
			c.targets[n] = true
			return n, true
		}
	}
	return 0, false
}

func (p *player) tell(t Truth) error {
	b, err := json.Marshal(t)
	if err == nil {
		_, err = p.truth.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("sim: overlay: %w", err)
	}
	return nil
}

func (p *player) campaignLink(at time.Time, c *campaign, role string, from, to int32, url string) error {
	p.open("link.sent", at, account(from)).toAccount(account(to)).links(url)
	id := string(p.id)
	if role == "target" {
		c.sent = append(c.sent, sentLink{id, url, hostOf(url), to, from})
	}
	p.rep.Injected++
	p.rep.ByVariant[role]++
	return errors.Join(p.tell(Truth{
		ID: id, Injected: true, Host: hostOf(url), Operator: c.operator, Want: vedette.Warn, Campaign: c.name, Role: role, Kind: c.kind,
	}), p.write())
}

// factWriter makes up what feeds would say of names.
type factWriter struct {
	rng        *rand.Rand
	at         time.Time
	rows       [][]string
	neighbours map[string][]string
}

const factSource = "made-up-feed"

func (f *factWriter) fact(host, kind, value string, at time.Time) {
	f.rows = append(f.rows, []string{host, kind, value, at.UTC().Format(time.RFC3339), at.Add(30 * 24 * time.Hour).UTC().Format(time.RFC3339), factSource})
}

// campaign makes up facts about a campaign's hosts: all registered within hours, on a small hoster's name server that three harmless sites
// use too, certificates in one batch, addresses in two networks of 256 that harmless sites stand in too.
func (f *factWriter) campaign(c *campaign, at time.Time) {
	if f.neighbours == nil {
		f.neighbours = map[string][]string{}
	}
	words := &hostPool{rng: f.rng}
	for range 3 {
		f.neighbours[c.name] = append(f.neighbours[c.name], words.word(1)+"-"+words.word(1)+".example")
	}
	if c.kind == Shared {
		return
	}
	n := int(sumOf(c.name))
	ns := fmt.Sprintf("ns%d.small-%d.example", 1+f.rng.IntN(2), n)
	born := at.Add(-time.Duration(5+f.rng.IntN(40)) * 24 * time.Hour)
	for i, h := range append(slices.Clone(c.hosts), c.back) {
		if c.kind == Cell && h != c.back {
			f.plain(h, born.Add(-time.Duration(f.rng.IntN(9000))*time.Hour)) // nothing in common
			continue
		}
		day := born.Add(time.Duration(i*17+f.rng.IntN(15)) * time.Minute)
		f.fact(h, "registered", day.UTC().Format(time.RFC3339), day)
		f.fact(h, "registrar", "registrar "+string(rune('a'+n%7)), day)
		f.fact(h, "ns", ns, day)
		f.fact(h, "issuer", fmt.Sprintf("certificate maker %d", n%4), day.Add(2*time.Hour))
		f.fact(h, "address", fmt.Sprintf("2001:db8:%x:%x::%x", n, i%2, 16+i), day)
		f.fact(h, "seen", "", day)
	}
	for i, h := range f.neighbours[c.name] {
		day := born.Add(-time.Duration(100+f.rng.IntN(20000)) * time.Hour)
		f.plain(h, day)
		if i < 2 {
			f.fact(h, "address", fmt.Sprintf("2001:db8:%x:%x::%x", n, i%2, 100+i), day)
		}
		if i > 0 {
			f.fact(h, "ns", ns, day)
		}
	}
}

// plain makes up what a feed says of an ordinary name.
func (f *factWriter) plain(h string, day time.Time) {
	f.fact(h, "registered", day.UTC().Format(time.RFC3339), day)
	f.fact(h, "registrar", "registrar "+string(rune('a'+f.rng.IntN(7))), day)
	f.fact(h, "ns", fmt.Sprintf("ns1.mass-%d.example", f.rng.IntN(40)), day)
	f.fact(h, "seen", "", day)
}

// otherNames is how many ordinary names the feeds know besides.
const otherNames = 4000

func (f *factWriter) write(w *csv.Writer) error {
	words := &hostPool{rng: f.rng}
	for range otherNames {
		f.plain(words.word(1+f.rng.IntN(2))+".example", f.at.Add(-time.Duration(f.rng.IntN(30000))*time.Hour))
	}
	slices.SortFunc(f.rows, slices.Compare)
	if err := w.Write([]string{"host", "kind", "value", "first", "last", "source"}); err != nil {
		return fmt.Errorf("sim: facts: %w", err)
	}
	if err := w.WriteAll(slices.CompactFunc(f.rows, slices.Equal)); err != nil {
		return fmt.Errorf("sim: facts: %w", err)
	}
	return nil
}

// neighbour is a harmless link that stands near a campaign: on the same name server or network, or another tenant of the same hoster.
func (f *factWriter) neighbour(c *campaign, n int, rng *rand.Rand) string {
	near := f.neighbours[c.name][n%3]
	if c.kind == Shared {
		begin := c.hosts[0][:strings.LastIndexByte(c.hosts[0], '/')+1]
		return begin + strings.TrimSuffix(near, ".example") + "/" + oneTime(rng)
	}
	return "https://" + near + "/" + oneTime(rng)
}
