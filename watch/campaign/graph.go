package campaign

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/enrichment"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// Version is of the JSON form (docs/formats/campaign.md).
const Version = 1

// Kind says what a node stands for. The set is closed.
type Kind string

// The kinds, in the order in which nodes are listed.
const (
	KindReport    Kind = "report"
	KindIndicator Kind = "indicator"
	KindHost      Kind = "host" // a name that the case confirmed, or one derived from it
	KindLink      Kind = "link" // a host, tenant or URL of which only the key is known
	KindFact      Kind = "infrastructure"
	KindAccount   Kind = "account"
	KindCell      Kind = "cell"
	KindDevice    Kind = "device"
	KindNetwork   Kind = "network"
	KindBlock     Kind = "number block"
	KindGroup     Kind = "group"
)

var kinds = []Kind{KindReport, KindIndicator, KindHost, KindLink, KindFact, KindAccount, KindCell, KindDevice, KindNetwork, KindBlock, KindGroup}

// Role says what a node does in the campaign. The set is closed.
type Role string

// The roles.
const (
	RoleSender    Role = "sender"
	RoleCell      Role = "cell account" // of a sender's cell; nothing that it sent was seen
	RoleForwarder Role = "forwarding target"
	RoleTarget    Role = "target"
	RoleConfirmed Role = "confirmed"
	RoleReported  Role = "reported" // and nobody has confirmed it
	RoleDerived   Role = "derived"
	RoleScores    Role = "derived, only scores"
	RoleSame      Role = "same campaign" // reported, or sent by two senders, or beside such a link
	RoleOther     Role = "other link"    // of one sender; not followed
	RolePopular   Role = "popular"       // more than Rarity people have met it; not followed
)

// EdgeKind says how two nodes hang together. The set is closed.
type EdgeKind string

// The kinds.
const (
	Sent        EdgeKind = "sent"         // account to link
	Forwarded   EdgeKind = "forwarded"    // target to link
	Rehearsed   EdgeKind = "tried on"     // link to an account of the senders' own
	Reached     EdgeKind = "reached"      // link to target: delivered
	Stopped     EdgeKind = "stopped"      // link to target: held or refused
	Previewed   EdgeKind = "previewed"    // link to target
	Opened      EdgeKind = "opened"       // link to target
	PostedIn    EdgeKind = "posted in"    // link to group
	Filed       EdgeKind = "filed"        // account to report
	Tells       EdgeKind = "reported"     // report to link
	Matches     EdgeKind = "matches"      // indicator to host
	SiblingOf   EdgeKind = "sibling of"   // derived host to confirmed host
	SameDomain  EdgeKind = "same domain"  // link to link
	ResolvesTo  EdgeKind = "resolves to"  // host to infrastructure
	ServedBy    EdgeKind = "served by"    // host to name server
	Certified   EdgeKind = "certified by" // host to certificate
	OnDevice    EdgeKind = "shares device"
	OnNetwork   EdgeKind = "shares network"
	OnBlock     EdgeKind = "shares number block"
	MemberOf    EdgeKind = "member of"
	CreatedIt   EdgeKind = "created"
	PartOf      EdgeKind = "part of" // account to cell
	reachStop            = 1
	reachSent            = 2
	reachSeen            = 3
	reachOpened          = 4
)

var reachNames = [...]string{"", "stopped", "delivered", "previewed", "opened"}

// Node is one thing of the campaign.
type Node struct {
	ID       string            `json:"id"` // within this graph
	Kind     Kind              `json:"kind"`
	Label    string            `json:"label"` // a kind and a number, and a host's name defanged; never who somebody is
	Role     Role              `json:"role,omitzero"`
	Text     string            `json:"text"`              // why it is here, in words for people
	Reach    string            `json:"reach,omitzero"`    // of a target: how far the link came: stopped, delivered, previewed, opened
	Basis    Role              `json:"basis,omitzero"`    // of a target: the role of the surest link that was sent there
	People   hunt.Count        `json:"people,omitzero"`   // of a link without a permit: how many people it was sent to
	Links    int               `json:"links,omitzero"`    // of a link: distinct URLs
	Size     int               `json:"size,omitzero"`     // of a group: members as the platform tells; of what is shared: accounts on it
	Weight   vedette.MilliBits `json:"weight,omitzero"`   // thousandths of a bit: what it is worth to share it, to be a sibling, to be of the cell
	First    time.Time         `json:"first,omitzero"`    // seen
	Last     time.Time         `json:"last,omitzero"`     // seen
	Evidence []string          `json:"evidence,omitzero"` // as on an edge
}

// Edge is how two nodes hang together.
type Edge struct {
	From   string            `json:"from"`
	To     string            `json:"to"`
	Kind   EdgeKind          `json:"kind"`
	Text   string            `json:"text,omitzero"` // in words for people
	First  time.Time         `json:"first,omitzero"`
	Last   time.Time         `json:"last,omitzero"`
	Count  int64             `json:"count,omitzero"`
	Weight vedette.MilliBits `json:"weight,omitzero"`
	Via    []string          `json:"via,omitzero"` // labels of the accounts that sent it there
	// Evidence is "journal FRAME/INDEX", "event evt_…", "indicator ENTRY", "source NAME", earliest first; More is how many more there are.
	Evidence []string `json:"evidence,omitzero"`
	More     int      `json:"more_evidence,omitzero"`
}

// Left says what was left out of the graph.
type Left struct {
	Kind  string `json:"kind"`
	Why   string `json:"why"`
	Count int64  `json:"count"`
}

// Graph is what hangs together around an incident. It is made once and not changed.
type Graph struct {
	Version int            `json:"version"`
	Case    string         `json:"case"`
	Tenant  vedette.Tenant `json:"tenant"`
	Outline bool           `json:"outline"` // drawn without a permit: nobody is in it
	At      time.Time      `json:"at"`
	From    time.Time      `json:"from,omitzero"` // the window; absent: open
	To      time.Time      `json:"to,omitzero"`
	Reach   Reach          `json:"reached"`
	Blocks  []Block        `json:"block"`
	Nodes   []Node         `json:"nodes"`
	Edges   []Edge         `json:"edges"`
	Left    []Left         `json:"left_out"`
	Damaged []hunt.Damage  `json:"damaged"`
	Notes   []string       `json:"notes"`

	accounts map[string]vedette.AccountID
}

// Reach is who was reached. The numbers are of everybody found, drawn or not; a person counts once, as far as it came.
type Reach struct {
	People    hunt.Count `json:"people"`
	Delivered int        `json:"delivered,omitzero"` // people to whom it was delivered, previewed and opened included
	Previewed int        `json:"previewed,omitzero"` // people who saw it, opened included
	Opened    int        `json:"opened,omitzero"`
	Stopped   int        `json:"stopped,omitzero"`        // people whom it was kept from, every time
	ByOther   int        `json:"by_other_links,omitzero"` // of those delivered: by other links of the senders alone
	Groups    int        `json:"groups,omitzero"`
	Members   int        `json:"group_members,omitzero"` // of those groups, as far as the platform tells
	Senders   int        `json:"senders,omitzero"`
	Forwarded int        `json:"forwarded,omitzero"` // targets who sent it on
	Hosts     int        `json:"hosts,omitzero"`     // hosts, tenants and URLs by which they were reached
	First     time.Time  `json:"first,omitzero"`
	Last      time.Time  `json:"last,omitzero"`
	Persons   []Person   `json:"persons,omitzero"` // those drawn
}

// Person is one target, under a label.
type Person struct {
	Label     string    `json:"label"`
	Reach     string    `json:"reach"`
	Basis     Role      `json:"basis"`
	Delivered time.Time `json:"delivered,omitzero"` // first
	Previewed time.Time `json:"previewed,omitzero"`
	Opened    time.Time `json:"opened,omitzero"`
	Last      time.Time `json:"last"`
	By        []string  `json:"by,omitzero"`
	Links     []string  `json:"links,omitzero"`
	Groups    []string  `json:"groups,omitzero"`
	Forwarded bool      `json:"forwarded,omitzero"`
}

// Block is one name to block now.
type Block struct {
	Name      string          `json:"-"`    // canonical
	Display   string          `json:"host"` // defanged
	Scope     indicator.Scope `json:"scope"`
	Confirmed bool            `json:"confirmed"`
	Strongest vedette.Verdict `json:"strongest"` // the strongest verdict that it may ask for
	Until     time.Time       `json:"until,omitzero"`
	Why       string          `json:"why"`
}

// Reached tells who was reached.
func (g *Graph) Reached() Reach {
	r := g.Reach
	r.Persons = slices.Clone(r.Persons)
	return r
}

// Block tells what to block now: what is confirmed, and of what is derived that which may ask for more than allow. The order is that of strength.
func (g *Graph) Block() []Block { return slices.Clone(g.Blocks) }

// Account returns who stands behind a label, for code that holds the graph. No output has it.
func (g *Graph) Account(label string) (vedette.AccountID, bool) {
	a, ok := g.accounts[label]
	return a, ok
}

// JSON writes the graph in the form of docs/formats/campaign.md.
func (g *Graph) JSON() []byte { return canonicalJSON(g) }

func defanged(s string) string { return link.Defang(s) }

// draft is a graph that is being made.
type draft struct {
	f      *search
	nodes  map[string]*nodeDraft
	edges  map[edgeKey]*edgeDraft
	people map[vedette.AccountID]*person
	shown  map[vedette.AccountID]bool // senders and cell accounts within the budget
}

type nodeDraft struct {
	Node
	key     string
	rank    int64 // how strong the evidence is that it belongs here: what is cut is cut from below
	sort    int64 // order of its number within its kind; then by first, then by key
	account vedette.AccountID
	name    string // after the number
	urls    map[hunt.Key]bool
	people  map[vedette.AccountID]bool
	sights  int64
	reach   int
}

type edgeKey struct {
	from, to string
	kind     EdgeKind
}

type edgeDraft struct {
	Edge
	key edgeKey
	via map[vedette.AccountID]bool
}

func accountKey(a vedette.AccountID) string { return "account " + string(a[:]) }
func thingKey(t thing) string               { return fmt.Sprintf("thing %d ", t.kind) + string(t.id[:]) }

func (p place) key0() string {
	if p.name > 0 {
		return fmt.Sprintf("name %08d", p.name)
	}
	return fmt.Sprintf("link %016x", uint64(p.key))
}

func (d *draft) node(key string, k Kind) *nodeDraft {
	n := d.nodes[key]
	if n == nil {
		n = &nodeDraft{key: key, urls: map[hunt.Key]bool{}, people: map[vedette.AccountID]bool{}}
		n.Kind = k
		d.nodes[key] = n
	}
	return n
}

func (n *nodeDraft) seen(t time.Time) { n.First, n.Last = earlier(n.First, t), later(n.Last, t) }

func (d *draft) edge(from, to string, k EdgeKind) *edgeDraft {
	key := edgeKey{from, to, k}
	e := d.edges[key]
	if e == nil {
		e = &edgeDraft{key: key, via: map[vedette.AccountID]bool{}}
		e.Kind = k
		d.edges[key] = e
	}
	return e
}

// prove puts a piece of evidence on an edge, once, within the budget.
func (d *draft) prove(e *edgeDraft, what string) {
	switch {
	case slices.Contains(e.Evidence, what):
	case len(e.Evidence) < d.f.b.Evidence:
		e.Evidence = append(e.Evidence, what)
	default:
		e.More++
	}
}

func (d *draft) saw(e *edgeDraft, r *row) {
	e.First, e.Last = earlier(e.First, r.At), later(e.Last, r.At)
	e.Count++
	if r.Position != (journal.Position{}) {
		d.prove(e, "journal "+r.Position.String())
	}
	if !r.event.IsZero() {
		d.prove(e, "event "+r.event.String())
	}
}

// Ranks. What is certain stands above what is derived, and that above what only hangs together with it.
const (
	rankIncident = 1000
	rankHost     = 960
	rankReport   = 950
	rankEntry    = 940
	rankSender   = 900
	rankCellNode = 895
	rankShared   = 885
	rankTarget   = 860 // and how far it came
	rankGroup    = 850
	rankDerived  = 840
	rankByFound  = 800 // a target by a derived host, and how far it came
	rankCell     = 700 // a cell account
	rankOther    = 600
	rankByOther  = 590 // a target by another link, and how far it came
	rankPopular  = 500
	rankFact     = 480
	rankScores   = 300
)

func (f *search) graph() *Graph {
	d := &draft{f: f, nodes: map[string]*nodeDraft{}, edges: map[edgeKey]*edgeDraft{}, people: f.people(), shown: map[vedette.AccountID]bool{}}
	if f.outline {
		d.people = nil
	}
	rows := f.sorted()
	for _, a := range f.followable(d.people) {
		d.shown[a] = true
	}
	d.addNames()
	d.addLinks(rows)
	d.addReports(rows)
	if !f.outline {
		d.addPeople(rows)
		d.addShared()
	}
	return d.finish(rows)
}

func (d *draft) addNames() {
	drawn := map[string]string{} // defanged: key
	for i := range d.f.names {
		n := &d.f.names[i]
		nd := d.node(place{name: i + 1}.key0(), KindHost)
		nd.name, nd.sort = n.display, int64(i)
		from := "confirmed"
		if d.f.onlyReported() {
			from = "only reported"
		}
		switch {
		case n.confirmed:
			nd.Role, nd.rank, nd.Text = RoleConfirmed, rankHost, "Confirmed in the case."
			if n.Reported {
				nd.Role, nd.Text = RoleReported, "Reported in the case; nobody has confirmed it."
			}
			drawn[n.display] = nd.key
		default:
			nd.Role, nd.rank, nd.Weight = RoleDerived, rankDerived, n.from.Weight
			nd.Text = fmt.Sprintf("Derived from what is %s: %s.", from, n.from.Weight)
			if n.allow {
				nd.Role, nd.rank = RoleScores, rankScores
				nd.Text = fmt.Sprintf("Derived from what is %s: %s. It only scores.", from, n.from.Weight)
			}
			if n.from.Why != "" {
				nd.Text += " " + sentence(n.from.Why)
			}
		}
		if n.whole {
			nd.Text += " Many parties share it: only its tenants and links are followed."
		}
		for _, in := range n.Indicators {
			entry := cmp.Or(in.Entry, in.Source)
			if entry == "" {
				continue
			}
			ind := d.node("indicator "+entry, KindIndicator)
			ind.name, ind.rank = entry, rankEntry
			ind.Text = "A list's statement"
			if in.Source != "" {
				ind.Text += ", by " + in.Source
			}
			if in.Grade != "" {
				ind.Text += ", graded " + in.Grade
			}
			ind.Text += "."
			e := d.edge(ind.key, nd.key, Matches)
			e.Count = 1
			d.prove(e, "indicator "+entry)
		}
	}
	for i := range d.f.names {
		n := &d.f.names[i]
		if n.from == nil {
			continue
		}
		for _, t := range n.from.Ties {
			to, ok := drawn[t.To]
			if !ok {
				continue
			}
			e := d.edge(place{name: i + 1}.key0(), to, SiblingOf)
			e.Count++
			e.Weight += t.Bits
			if e.Text != "" {
				e.Text += "; "
			}
			e.Text += string(t.Kind) + ": " + t.Text
			sources := slices.Clone(t.Source)
			slices.Sort(sources)
			for _, s := range sources {
				d.prove(e, "source "+s)
			}
		}
	}
	d.addFacts()
}

// addFacts draws what two names share of infrastructure.
func (d *draft) addFacts() {
	type value struct {
		kind enrichment.Kind
		v    string
	}
	who := map[value]map[int]bool{}
	for i := range d.f.names {
		for _, fact := range d.f.names[i].Facts {
			switch fact.Kind {
			case enrichment.Address, enrichment.NameServer, enrichment.Certificate:
				v := value{fact.Kind, fact.Value}
				if who[v] == nil {
					who[v] = map[int]bool{}
				}
				who[v][i] = true
			}
		}
	}
	for i := range d.f.names {
		facts := slices.Clone(d.f.names[i].Facts)
		slices.SortFunc(facts, func(a, b enrichment.Fact) int {
			return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Value, b.Value), strings.Compare(a.Source, b.Source), a.First.Compare(b.First), a.Last.Compare(b.Last))
		})
		for _, fact := range facts {
			v := value{fact.Kind, fact.Value}
			if len(who[v]) < 2 {
				continue
			}
			n := d.node("fact "+string(fact.Kind)+" "+fact.Value, KindFact)
			n.rank, n.name = rankFact, defanged(fact.Value)
			kind := ResolvesTo
			switch fact.Kind {
			case enrichment.NameServer:
				kind, n.Text = ServedBy, fmt.Sprintf("A name server that %d of the names share.", len(who[v]))
			case enrichment.Certificate:
				kind, n.Text, n.name = Certified, fmt.Sprintf("A certificate that names %d of them.", len(who[v])), clip(fact.Value, 13)
			default:
				n.Text = fmt.Sprintf("An address that %d of the names pointed to.", len(who[v]))
			}
			e := d.edge(place{name: i + 1}.key0(), n.key, kind)
			e.Count++
			for _, t := range []time.Time{fact.First, fact.Last} {
				if t = utc(t); !t.IsZero() {
					e.First, e.Last = earlier(e.First, t), later(e.Last, t)
					n.seen(t)
				}
			}
			d.prove(e, "source "+fact.Source)
		}
	}
}

func (d *draft) addLinks(rows []*row) {
	domains := map[hunt.Key][]*nodeDraft{}
	for _, r := range rows {
		pl := d.f.place(&r.Sighting)
		n := d.node(pl.key0(), KindLink)
		n.seen(r.At)
		n.sights++
		if r.URL != 0 {
			n.urls[r.URL] = true
		}
		if !r.To.IsZero() && r.Act != hunt.Reported {
			n.people[r.To] = true
		}
		if n.Kind == KindLink {
			n.name = "not named here"
			followed := d.f.follows(&r.Sighting)
			was := n.rank
			switch {
			case !followed && r.seed:
				n.rank, n.Role = max(n.rank, rankPopular), cmp.Or(n.Role, RolePopular)
			case r.other && !followed:
				n.rank, n.Role = max(n.rank, rankOther), cmp.Or(n.Role, RoleOther)
			default:
				n.rank = max(n.rank, rankSender+5)
				n.Role = RoleSame
			}
			if r.seed && followed {
				n.rank = rankIncident
			}
			if n.rank > was && n.Role != RoleSame && n.rank == rankOther {
				n.Role = RoleOther
			}
		} else if r.seed {
			n.rank = max(n.rank, rankIncident)
		}
		if r.Domain != 0 && !r.Shape.Flags.Has(vedette.ShapeSharedHost) && !slices.Contains(domains[r.Domain], n) {
			domains[r.Domain] = append(domains[r.Domain], n)
		}
	}
	for _, list := range domains {
		slices.SortFunc(list, strongerNode)
		for _, n := range list[1:] {
			e := d.edge(n.key, list[0].key, SameDomain)
			e.Count = 1
			e.Text = "below one registrable domain"
		}
	}
	for _, n := range d.nodes {
		if n.Kind == KindLink || n.Kind == KindHost {
			n.Links = len(n.urls)
			switch n.Role {
			case RoleSame:
				n.Text = "In the incident's message, or sent by two of the senders, or beside such a link."
			case RoleOther:
				n.Text = "Sent by one of the senders besides; it was not followed."
			case RolePopular:
				n.Text = "In the incident's message; it was not followed: too many people have met it, it stood beside the reported link, or history was not asked."
			}
		}
	}
}

func (d *draft) addReports(rows []*row) {
	reports := slices.Clone(d.f.in.Reports)
	slices.SortFunc(reports, func(a, b Report) int {
		return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:]), bytes.Compare(a.Message[:], b.Message[:]), strings.Compare(a.Grade, b.Grade))
	})
	for i, r := range reports {
		n := d.node(fmt.Sprintf("report %06d", i), KindReport)
		n.rank, n.sort, n.name = rankReport, int64(i), r.Grade
		n.Text = "A report"
		if c := categoryName(r.Category); c != "" {
			n.Text += " of " + c
		}
		if r.Grade != "" {
			n.Text += ", proved as far as: " + r.Grade
		}
		n.Text += "."
		n.seen(utc(r.At))
		if !r.ID.IsZero() && !d.f.outline {
			n.Evidence = []string{"event " + r.ID.String()}
		}
		tells := func(pl place) {
			if d.nodes[pl.key0()] == nil {
				return
			}
			e := d.edge(n.key, pl.key0(), Tells)
			e.Count = 1
			e.First, e.Last = utc(r.At), utc(r.At)
			if !r.ID.IsZero() {
				d.prove(e, "event "+r.ID.String())
			}
		}
		for _, x := range rows {
			named := slices.ContainsFunc(r.Links, func(l vedette.Link) bool {
				s := sightingOf(l)
				return d.f.place(&s) == d.f.place(&x.Sighting)
			})
			if named || !x.event.IsZero() && (x.event == r.Message || x.event == r.ID) {
				tells(d.f.place(&x.Sighting))
			}
		}
		for _, l := range r.Links {
			s := sightingOf(l)
			tells(d.f.place(&s))
		}
	}
}

var reachOf = map[hunt.Act]int{hunt.Previewed: reachSeen, hunt.Opened: reachOpened}

// reach tells how far a row's link came to whom it was sent.
func reach(r *row) int {
	switch r.Act {
	case hunt.Sent:
		if r.Verdict >= vedette.Hold {
			return reachStop
		}
		return reachSent
	case hunt.Reported:
		return reachSent // nobody reports what did not arrive
	}
	return reachOf[r.Act]
}

// basis gives the role and the rank that a link lends to whom it reached.
func (d *draft) basis(r *row) (Role, int64) {
	n := d.nodes[d.f.place(&r.Sighting).key0()]
	switch n.Role {
	case RoleConfirmed, RoleReported:
		return n.Role, rankTarget
	case RoleSame, RolePopular:
		return RoleSame, rankTarget - 5
	case RoleDerived:
		return RoleDerived, rankByFound
	}
	return RoleOther, rankByOther
}

func (d *draft) addPeople(rows []*row) {
	for _, p := range d.people {
		var r Role
		var rank int64
		switch p.role {
		case sender:
			r, rank = RoleSender, rankSender
		case member:
			r, rank = RoleCell, rankCell
		case target:
			r = RoleTarget
		case forwarder:
			r = RoleForwarder
		default:
			continue
		}
		if rank > 0 && !d.shown[p.id] {
			d.f.leave("account", "a sender, over the budget of accounts", 1)
			continue
		}
		n := d.node(accountKey(p.id), KindAccount)
		n.account, n.Role, n.rank, n.sort = p.id, r, rank, p.first.UnixMilli()
		m := d.f.cell.members[p.id]
		if r == RoleSender || r == RoleCell {
			n.Weight = m.bits
		}
		for _, s := range p.sent {
			n.urls[s.URL] = true
		}
		switch {
		case r == RoleSender && p.core == 0:
			n.rank = rankCell + 50
			n.Text = fmt.Sprintf("Sent %s of its own, and shares with a sender: %s.", count(len(p.sent), "link"), tiesText(m))
		case r == RoleSender:
			n.Text = fmt.Sprintf("Sent %s of this campaign", count(p.core, "link"))
			if p.other > 0 {
				n.Text += fmt.Sprintf(", and %s besides", count(p.other, "rare link"))
			}
			n.Text += "."
			if len(m.ties) > 0 {
				n.Text += " Shares with another: " + tiesText(m) + "."
			}
		case r == RoleCell:
			n.Text = "Nothing that it sent was seen. Shares with a sender: " + tiesText(m) + "."
			n.rank += int64(m.bits) / 1000
		}
		if p.seed && rank > 0 {
			n.rank = rankIncident - 5
		}
	}
	for _, r := range rows {
		pl := d.f.place(&r.Sighting).key0()
		if n := d.nodes[accountKey(r.From)]; n != nil && !r.From.IsZero() && (r.Act == hunt.Sent || r.Act == hunt.Posted) {
			kind := Sent
			if n.Role == RoleForwarder {
				kind = Forwarded
			}
			d.saw(d.edge(n.key, pl, kind), r)
			n.seen(r.At)
		}
		if n := d.nodes[accountKey(r.To)]; n != nil && !r.To.IsZero() && r.To != r.From {
			d.received(n, r, pl)
		}
		if !r.Group.IsZero() && (r.Act == hunt.Sent || r.Act == hunt.Posted) {
			n := d.node(thingKey(thing{byGroup, r.Group}), KindGroup)
			_, rank := d.basis(r)
			n.rank = max(n.rank, rank-rankTarget+rankGroup)
			n.seen(r.At)
			n.reach = max(n.reach, reach(r), reachStop)
			kind := PostedIn
			if reach(r) == reachStop {
				kind = Stopped
			}
			e := d.edge(pl, n.key, kind)
			d.saw(e, r)
			e.via[r.From] = true
		}
	}
	for _, n := range d.nodes {
		if n.Kind != KindAccount || n.Role != RoleTarget && n.Role != RoleForwarder {
			continue
		}
		n.Reach = reachNames[n.reach]
		n.Text = fmt.Sprintf("Aimed at by %d of the links and hosts; the farthest that one came: %s.", len(n.people), reachWord(n.Reach))
		if n.Role == RoleForwarder {
			n.Text += " Sent it on after getting it, and is counted among those reached."
		}
	}
	for i := range d.f.in.Reports {
		r := &d.f.in.Reports[i]
		n := d.nodes[accountKey(r.Reporter)]
		if n == nil || r.Reporter.IsZero() {
			continue
		}
		for _, x := range d.nodes {
			if x.Kind == KindReport && slices.Equal(x.Evidence, []string{"event " + r.ID.String()}) {
				e := d.edge(n.key, x.key, Filed)
				e.Count, e.First, e.Last = 1, utc(r.At), utc(r.At)
				d.prove(e, x.Evidence[0])
				if n.Role == RoleTarget {
					n.rank = max(n.rank, rankReport-5)
				}
			}
		}
	}
}

func (d *draft) received(n *nodeDraft, r *row, pl string) {
	far := reach(r)
	kind := [...]EdgeKind{Reached, Stopped, Reached, Previewed, Opened}[far]
	if n.Role == RoleSender || n.Role == RoleCell {
		if r.Act == hunt.Reported {
			return
		}
		kind = Rehearsed
	} else {
		role, rank := d.basis(r)
		if rank+int64(far) > n.rank {
			n.rank, n.Basis = rank+int64(far), role
		}
		n.reach = max(n.reach, far)
		if r.seed {
			n.rank = max(n.rank, rankReport-10)
		}
	}
	n.seen(r.At)
	var k vedette.AccountID // any name will do: what counts is how many places there are
	copy(k[:], pl)
	copy(k[8:], pl[max(len(pl)-8, 0):])
	n.people[k] = true
	e := d.edge(pl, n.key, kind)
	d.saw(e, r)
	if r.Act != hunt.Reported {
		e.via[r.From] = true
	}
}

var sharedKindOf = [...]struct {
	kind Kind
	edge EdgeKind
}{byDevice: {KindDevice, OnDevice}, byNetwork: {KindNetwork, OnNetwork}, byBlock: {KindBlock, OnBlock}, byGroup: {KindGroup, MemberOf}}

// addShared draws what two of the senders and their cell share, the cells, and who of those drawn is in a group that was reached.
func (d *draft) addShared() {
	for _, s := range d.f.cell.things {
		key := thingKey(s.thing)
		reached := d.nodes[key]
		var users []vedette.AccountID
		hands := 0
		for a := range s.uses {
			n := d.nodes[accountKey(a)]
			if n == nil {
				continue
			}
			ours := n.Role == RoleSender || n.Role == RoleCell
			if ours {
				hands++
			}
			// Who else is on a device or network stays out, unless it is a group that the link was sent to.
			if ours || reached != nil {
				users = append(users, a)
			}
		}
		if reached == nil && (hands < 2 || s.bits == 0) {
			continue
		}
		slices.SortFunc(users, func(a, b vedette.AccountID) int { return bytes.Compare(a[:], b[:]) })
		n := d.node(key, sharedKindOf[s.kind].kind)
		n.Weight, n.Size = s.bits, len(s.uses)
		if s.kind == byGroup {
			n.Size = max(int(s.size), len(s.uses))
		}
		if reached == nil {
			n.rank = rankShared
		}
		for _, a := range users {
			u := s.uses[a]
			kind := sharedKindOf[s.kind].edge
			if u.made {
				kind = CreatedIt
			}
			e := d.edge(accountKey(a), key, kind)
			e.First, e.Last, e.Count, e.Weight = u.first, u.last, u.count, s.bits
			for _, p := range u.at {
				d.prove(e, "journal "+p.String())
			}
			n.seen(u.first)
			n.seen(u.last)
		}
		if s.bits > 0 {
			n.Text = fmt.Sprintf("%s are on it: %s.", count(len(s.uses), "account"), s.bits)
		}
		if s.kind == byNetwork {
			n.name = classNames[s.class]
		}
	}
	for _, n := range d.nodes {
		if n.Kind != KindGroup {
			continue
		}
		switch {
		case n.reach > 0:
			n.Role, n.Reach = RoleTarget, reachNames[min(n.reach, reachSent)]
			n.Text = "A link of the campaign was sent to it."
		default:
			n.Text = "A small group in which two of the senders' accounts are."
		}
		if n.Size > 0 {
			n.Text += fmt.Sprintf(" Members known: %d.", n.Size)
		}
	}
	d.addCells()
}

var classNames = [...]string{"", "residential", "mobile", "business", "hosting", "anonymous"}

func (d *draft) addCells() {
	root := map[vedette.AccountID]vedette.AccountID{}
	var find func(a vedette.AccountID) vedette.AccountID
	find = func(a vedette.AccountID) vedette.AccountID {
		if r, ok := root[a]; ok && r != a {
			return find(r)
		}
		return a
	}
	for a, m := range d.f.cell.members {
		for _, t := range m.ties {
			if !t.hard() {
				continue
			}
			for _, b := range t.with {
				x, y := find(a), find(b)
				if bytes.Compare(x[:], y[:]) > 0 {
					x, y = y, x
				}
				if x != y {
					root[y] = x // the least is the root, in whatever order
				}
			}
		}
	}
	size := map[vedette.AccountID]int{}
	var all []vedette.AccountID
	for _, n := range d.nodes {
		if n.Kind == KindAccount && (n.Role == RoleSender || n.Role == RoleCell) {
			all = append(all, n.account)
			size[find(n.account)]++
		}
	}
	for _, a := range all {
		r := find(a)
		if size[r] < 2 {
			continue
		}
		n := d.node("cell "+string(r[:]), KindCell)
		n.rank, n.Size = rankCellNode, size[r]
		n.Text = fmt.Sprintf("%s that share devices or hosting networks which few are on.", count(size[r], "account"))
		from := d.nodes[accountKey(a)]
		n.seen(from.First)
		n.seen(from.Last)
		e := d.edge(accountKey(a), n.key, PartOf)
		m := d.f.cell.members[a]
		e.Count, e.Weight, e.Text = 1, m.bits, tiesText(m)
		for _, t := range m.ties {
			for _, p := range t.uses[a].at {
				d.prove(e, "journal "+p.String())
			}
		}
		if len(m.ties) == 0 {
			e.Text = "the others share with it"
		}
	}
}

var sharedNames = [...]string{byDevice: "a device", byNetwork: "a network", byBlock: "a number block", byGroup: "a small group"}

func tiesText(m membership) string {
	var parts []string
	for _, t := range m.ties {
		s := sharedNames[t.kind]
		if t.kind == byNetwork && t.class == vedette.NetworkHosting {
			s = "a hosting network"
		}
		parts = append(parts, fmt.Sprintf("%s (%s on it, %s)", s, count(len(t.uses), "account"), t.bits))
	}
	return strings.Join(parts, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sentence(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return ""
	}
	return strings.TrimSuffix(strings.ToUpper(s[:1])+s[1:], ".") + "."
}

func clip(s string, runes int) string {
	r := []rune(s)
	if len(r) <= runes {
		return s
	}
	return string(r[:max(runes-1, 0)]) + "…"
}

func categoryName(c vedette.ReportCategory) string {
	names := [...]string{"", "spam", "a scam", "impersonation", "a suspicious link", "abuse", "something else"}
	if int(c) >= len(names) {
		return ""
	}
	return names[c]
}

func strongerNode(a, b *nodeDraft) int {
	return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(b.Weight, a.Weight), a.First.Compare(b.First), strings.Compare(a.key, b.key))
}

// finish cuts to the budget, gives numbers, and tells the rest.
func (d *draft) finish(rows []*row) *Graph {
	f := d.f
	list := make([]*nodeDraft, 0, len(d.nodes))
	for _, n := range d.nodes {
		list = append(list, n)
	}
	slices.SortFunc(list, strongerNode)
	if len(list) > f.b.Nodes {
		for _, n := range list[f.b.Nodes:] {
			f.leave(string(cmp.Or(string(n.Role), string(n.Kind))), "over the budget of nodes", 1)
			delete(d.nodes, n.key)
		}
		list = list[:f.b.Nodes]
	}
	part := func(n *nodeDraft) int {
		return slices.Index(kinds, n.Kind)*10 + max(slices.Index([]Role{RoleSender, RoleCell, RoleForwarder, RoleTarget}, n.Role), 0)/2*2 +
			map[Role]int{RoleCell: 1}[n.Role]
	}
	slices.SortFunc(list, func(a, b *nodeDraft) int {
		return cmp.Or(cmp.Compare(part(a), part(b)), cmp.Compare(a.sort, b.sort), a.First.Compare(b.First), strings.Compare(a.key, b.key))
	})
	g := &Graph{
		Version: Version, Case: f.in.Case, Tenant: f.in.Tenant, Outline: f.outline, At: utc(f.in.At), From: f.in.Window.From, To: f.in.Window.To,
		Nodes: []Node{}, Edges: []Edge{}, Left: []Left{}, Damaged: []hunt.Damage{}, Notes: append([]string{}, f.notes...), Blocks: []Block{},
		accounts: map[string]vedette.AccountID{},
	}
	numbers := map[string]int{}
	index := map[string]int{}
	for i, n := range list {
		head := map[Role]string{RoleSender: "Sender", RoleCell: "Cell account", RoleForwarder: "Target", RoleTarget: "Target"}[n.Role]
		if n.Kind != KindAccount {
			head = map[Kind]string{
				KindReport: "Report", KindIndicator: "Indicator", KindHost: "Host", KindLink: "Link", KindFact: "Infrastructure", KindCell: "Cell",
				KindDevice: "Device", KindNetwork: "Network", KindBlock: "Number block", KindGroup: "Group",
			}[n.Kind]
		}
		numbers[head]++
		n.ID, n.Label = fmt.Sprintf("n%d", i+1), fmt.Sprintf("%s %d", head, numbers[head])
		switch {
		case n.Kind == KindAccount:
			g.accounts[n.Label] = n.account
		case n.Kind == KindHost, n.Kind == KindIndicator, n.Kind == KindFact:
			n.Label += ": " + n.name
		case n.name != "":
			n.Label += " (" + n.name + ")"
		}
		index[n.key] = i
		if f.outline {
			n.outline(f)
		}
		g.Nodes = append(g.Nodes, n.Node)
	}
	d.finishEdges(g, list, index)
	d.tell(g, rows)
	for k, n := range f.left {
		g.Left = append(g.Left, Left{k.kind, k.why, n})
	}
	slices.SortFunc(g.Left, func(a, b Left) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Why, b.Why)) })
	g.Damaged = append(g.Damaged, f.damaged...)
	slices.SortFunc(g.Damaged, func(a, b hunt.Damage) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.What, b.What))
	})
	g.Damaged = slices.Compact(g.Damaged)
	if n := len(f.erasedPeople()); n > 0 {
		g.Notes = append(g.Notes, "Somebody was erased since, and is not drawn: what they sent or got may be missing here.")
	}
	return g
}

func (f *search) erasedPeople() (out []vedette.AccountID) {
	for a, gone := range f.erased {
		if gone {
			out = append(out, a)
		}
	}
	return out
}

// outline takes from a node what could lead to somebody: moments, exact numbers.
func (n *nodeDraft) outline(f *search) {
	day := func(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }
	if n.Kind == KindLink || n.Kind == KindHost {
		n.People = bucket(len(n.people), n.sights)
		n.Links = 0
	}
	n.First, n.Last = day(n.First), day(n.Last)
	n.Evidence = nil
}

func bucket(people int, sights int64) hunt.Count {
	switch {
	case people >= 10:
		return hunt.TenAndMore
	case people > 0 || sights > 0:
		return hunt.Some
	}
	return hunt.None
}

func (d *draft) finishEdges(g *Graph, list []*nodeDraft, index map[string]int) {
	edges := make([]*edgeDraft, 0, len(d.edges))
	for _, e := range d.edges {
		_, from := index[e.key.from]
		_, to := index[e.key.to]
		if !from || !to {
			d.f.leave("edge: "+string(e.Kind), "one of its ends was left out", 1)
			continue
		}
		edges = append(edges, e)
	}
	slices.SortFunc(edges, func(a, b *edgeDraft) int {
		return cmp.Or(cmp.Compare(index[a.key.from], index[b.key.from]), cmp.Compare(index[a.key.to], index[b.key.to]), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	for _, e := range edges {
		e.From, e.To = list[index[e.key.from]].ID, list[index[e.key.to]].ID
		e.Via = d.labels(list, index, e.via)
		if d.f.outline {
			e.First, e.Last, e.Count = e.First.Truncate(24*time.Hour), e.Last.Truncate(24*time.Hour), 0
			e.Evidence = slices.DeleteFunc(e.Evidence, func(s string) bool {
				return strings.HasPrefix(s, "journal ") || strings.HasPrefix(s, "event ")
			})
			e.More = 0
			if len(e.Evidence) == 0 {
				e.Evidence = nil
			}
		}
		g.Edges = append(g.Edges, e.Edge)
	}
}

func (d *draft) labels(list []*nodeDraft, index map[string]int, who map[vedette.AccountID]bool) []string {
	var at []int
	for a := range who {
		if i, ok := index[accountKey(a)]; ok && !a.IsZero() {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	var out []string
	for _, i := range at {
		out = append(out, list[i].Label)
	}
	return out
}

// tell sums up who was reached, and what to block.
func (d *draft) tell(g *Graph, rows []*row) {
	f := d.f
	for i := range f.names {
		n := &f.names[i]
		b := Block{Name: n.Name, Display: n.display, Scope: n.Scope, Confirmed: n.confirmed, Strongest: vedette.Block, Why: "confirmed in the case"}
		switch {
		case n.whole, n.allow, n.Reported, f.onlyReported():
			continue // anybody can report anything
		case !n.confirmed:
			b.Strongest, b.Until = n.from.Strength, utc(n.from.Until)
			var kinds []string
			for _, t := range n.from.Ties {
				if !slices.Contains(kinds, string(t.Kind)) {
					kinds = append(kinds, string(t.Kind))
				}
			}
			b.Why = fmt.Sprintf("derived, %s: %s", n.from.Weight, strings.Join(kinds, ", "))
		}
		g.Blocks = append(g.Blocks, b)
	}
	slices.SortStableFunc(g.Blocks, func(a, b Block) int { return cmp.Compare(b.Strongest, a.Strongest) })
	if f.outline {
		// People of several names are never added up: whoever may choose a second name could count the first one's by where ten is crossed.
		people := map[place]map[vedette.AccountID]bool{}
		for _, r := range rows {
			at := f.place(&r.Sighting)
			if people[at] == nil {
				people[at] = map[vedette.AccountID]bool{}
			}
			if !r.To.IsZero() && reach(r) != reachStop {
				people[at][r.To] = true
			}
		}
		g.Reach.People = hunt.None
		for _, of := range people {
			g.Reach.People = max(g.Reach.People, bucket(len(of), 1))
		}
		return
	}
	d.tellPeople(g, rows)
}

func (d *draft) tellPeople(g *Graph, rows []*row) {
	type part struct {
		reach  int
		other  bool
		p      *Person
		by     map[vedette.AccountID]bool
		places map[string]bool
		groups map[string]bool
	}
	parts := map[vedette.AccountID]*part{}
	groups, places := map[vedette.GroupID]int{}, map[string]bool{}
	r := &g.Reach
	label := map[string]string{}
	for _, n := range d.nodes {
		label[n.key] = n.Label
	}
	for _, x := range rows {
		pl := d.f.place(&x.Sighting).key0()
		far := reach(x)
		if !x.Group.IsZero() && (x.Act == hunt.Sent || x.Act == hunt.Posted) && far != reachStop {
			groups[x.Group] = 0
			places[pl] = true
			r.First, r.Last = earlier(r.First, x.At), later(r.Last, x.At)
		}
		p := d.people[x.To]
		if x.To.IsZero() || x.To == x.From || p == nil || p.role != target && p.role != forwarder {
			continue
		}
		q := parts[x.To]
		if q == nil {
			q = &part{other: true, p: &Person{Forwarded: p.role == forwarder}, by: map[vedette.AccountID]bool{}, places: map[string]bool{}, groups: map[string]bool{}}
			parts[x.To] = q
		}
		q.reach = max(q.reach, far)
		q.other = q.other && x.other
		q.p.Last = later(q.p.Last, x.At)
		q.places[pl] = true
		if x.Act != hunt.Reported {
			q.by[x.From] = true
		}
		if !x.Group.IsZero() {
			q.groups[thingKey(thing{byGroup, x.Group})] = true
		}
		switch x.Act {
		case hunt.Previewed:
			q.p.Previewed = earlier(q.p.Previewed, x.At)
		case hunt.Opened:
			q.p.Opened = earlier(q.p.Opened, x.At)
		case hunt.Sent:
			if far == reachSent {
				q.p.Delivered = earlier(q.p.Delivered, x.At)
			}
		}
		if far != reachStop {
			places[pl] = true
			r.First, r.Last = earlier(r.First, x.At), later(r.Last, x.At)
		}
	}
	for _, s := range d.f.cell.things {
		if _, ok := groups[vedette.GroupID(s.id)]; ok && s.kind == byGroup {
			groups[vedette.GroupID(s.id)] = max(int(s.size), len(s.uses))
		}
	}
	r.Groups, r.Hosts = len(groups), len(places)
	for _, n := range groups {
		r.Members += n
	}
	for _, q := range parts {
		if q.reach == reachStop {
			r.Stopped++
			continue
		}
		r.Delivered++
		if q.reach >= reachSeen {
			r.Previewed++
		}
		if q.reach == reachOpened {
			r.Opened++
		}
		if q.other {
			r.ByOther++
		}
		if q.p.Forwarded {
			r.Forwarded++
		}
	}
	for _, p := range d.people {
		if p.role == sender {
			r.Senders++
		}
	}
	r.People = bucket(r.Delivered, int64(len(groups)))
	names := func(keys map[string]bool) (out []string) {
		for i := range g.Nodes {
			for k := range keys {
				if label[k] == g.Nodes[i].Label {
					out = append(out, g.Nodes[i].Label)
				}
			}
		}
		return out
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		a, ok := g.accounts[n.Label]
		q := parts[a]
		if !ok || q == nil {
			continue
		}
		q.p.Label, q.p.Reach, q.p.Basis = n.Label, n.Reach, n.Basis
		by := map[string]bool{}
		for x := range q.by {
			if !x.IsZero() {
				by[accountKey(x)] = true
			}
		}
		q.p.By, q.p.Links, q.p.Groups = names(by), names(q.places), names(q.groups)
		r.Persons = append(r.Persons, *q.p)
	}
}
