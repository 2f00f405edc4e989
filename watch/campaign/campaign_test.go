package campaign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/enrichment"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// attack plays a campaign of one cell: one-time links on one host, a host of the same family, a hoster's tenant, and a second sender who shares
// a device with the first and nothing else. One target reports, one forwards, one is spared by the gate.
func attack(t testing.TB) (*platform, Incident, Sources) {
	p := newPlatform(t)
	p.crowd(1100)
	p.register("op1", "bench-1", "rack", vedette.NetworkHosting, "block")
	p.register("op2", "bench-1", "rack", vedette.NetworkHosting, "block")
	p.register("op3", "bench-2", "rack", vedette.NetworkHosting, "block")
	p.register("op4", "bench-2", "rack", vedette.NetworkHosting, "") // never sends
	p.then("op1", &vedette.GroupCreated{Group: grp("lab"), Size: 3})
	p.then("op2", &vedette.GroupJoined{Group: grp("lab"), Member: acct("op2"), By: vedette.JoinInviteLink, Size: 3})
	p.send("op1", "op2", "https://quay-news.example/trial") // a rehearsal
	first := p.send("op1", "t1", "https://quay-news.example/a1b2c3")
	for i := range 5 {
		url := fmt.Sprintf("https://quay-news.example/one-time-%d", i)
		p.send("op1", fmt.Sprint("t", i+2), url)
		if i < 3 {
			p.preview(fmt.Sprint("t", i+2), "op1", url)
		}
		if i < 2 {
			p.open(fmt.Sprint("t", i+2), "op1", url)
		}
	}
	p.refused("op1", "t7", "https://quay-news.example/late")
	// A target asks a friend whether it is real.
	p.send("t3", "friend", "https://quay-news.example/one-time-1")
	p.send("op1", "t8", "https://quay-cast.example/x1") // of the same family
	p.send("op3", "t9", "https://quay-cast.example/x2")
	p.send("op2", "t10", "https://sites.google.com/view/quay-7/x") // a tenant
	p.send("op2", "t11", "https://unrelated.example/p/1")          // another host altogether
	p.post("op2", "villagers", "https://quay-news.example/all")
	p.then("t12", &vedette.LinkOpened{From: acct("op2"), Group: grp("villagers"), Links: []vedette.Link{linkOf(t, "https://quay-news.example/all")}})
	// Others' lives.
	p.send("baker", "customer", "https://bread.example/menu")
	p.send("singer", "choir", "https://sites.google.com/view/choir/songs")
	r := p.report("t1", "op1", first)
	s := p.play()
	in := p.incident(first)
	in.Reports = []Report{{ID: r, At: p.at, Message: first, Reporter: acct("t1"), Grade: "franked", Category: vedette.ReportSuspiciousLink}}
	in.Hosts = []Host{confirmed(t, "quay-news.example")}
	in.Hosts[0].Facts = []enrichment.Fact{
		{Host: "quay-news.example", Kind: enrichment.Address, Value: "192.0.2.9", First: start, Last: start.AddDate(0, 0, 1), Source: "made-up feed"},
	}
	s.Derived = []Derived{derivedFrom(t, "quay-cast.example", "quay-news.example", vedette.Warn), derivedFrom(t, "quay-town.example", "quay-news.example", vedette.Allow)}
	s.Derived[0].Facts = []enrichment.Fact{{Host: "quay-cast.example", Kind: enrichment.Address, Value: "192.0.2.9", Source: "made-up feed"}}
	return p, in, s
}

func cast() []string {
	return slices.Concat(numbered("op", 4), numbered("t", 12), []string{"friend", "baker", "customer", "singer", "choir"})
}

func TestFromOneReportToEverybodyReached(t *testing.T) {
	_, in, s := attack(t)
	g := draw(t, in, s, Budget{})
	for role, want := range map[Role][]string{
		RoleSender:    {"op1", "op2", "op3"},
		RoleCell:      {"op4"},
		RoleForwarder: {"t3"},
		RoleTarget:    {"friend", "t1", "t10", "t11", "t12", "t2", "t4", "t5", "t6", "t7", "t8", "t9"},
	} {
		if got := who(g, role, cast()); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", role, got, want)
		}
	}
	r := g.Reached()
	if r.Delivered != 12 || r.Previewed != 4 || r.Opened != 3 || r.Stopped != 1 || r.Senders != 3 || r.Groups != 1 || r.Forwarded != 1 || r.ByOther != 2 {
		t.Errorf("Reached() = %+v", r)
	}
	if len(r.Persons) != 13 {
		t.Errorf("%d people by label, want 13", len(r.Persons))
	}
	var blocks []string
	for _, b := range g.Block() {
		blocks = append(blocks, b.Display)
	}
	if want := []string{"quay-news[.]example", "quay-cast[.]example"}; !slices.Equal(blocks, want) {
		t.Errorf("Block() = %v, want %v: what may only score is not to block", blocks, want)
	}
	var kinds []string
	for _, e := range g.Edges {
		kinds = append(kinds, string(e.Kind))
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	want := []string{
		"created", "filed", "forwarded", "matches", "member of", "opened", "part of", "posted in", "previewed", "reached", "reported", "resolves to", "sent",
		"shares device", "shares network", "shares number block", "sibling of", "stopped", "tried on",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("kinds of edges:\n got %v\nwant %v", kinds, want)
	}
	for _, e := range g.Edges {
		if len(e.Evidence) == 0 {
			t.Errorf("edge %s from %s to %s has no evidence", e.Kind, e.From, e.To)
		}
	}
}

func TestAForwardingFriendOfATargetIsNoSender(t *testing.T) {
	p := newPlatform(t)
	first := p.send("op", "t1", "https://evil.example/a")
	p.send("t1", "t2", "https://evil.example/a")
	second := p.send("t2", "t3", "https://evil.example/a")
	p.send("t1", "aunt", "https://recipes.example/soup") // a target's other links are nobody's business
	for _, seed := range []vedette.EventID{first, second} {
		g := draw(t, p.incident(seed), p.play(), Budget{})
		names := []string{"op", "t1", "t2", "t3", "aunt"}
		if got := who(g, RoleSender, names); !slices.Equal(got, []string{"op"}) {
			t.Errorf("senders: %v", got)
		}
		if got := who(g, RoleForwarder, names); !slices.Equal(got, []string{"t1", "t2"}) {
			t.Errorf("forwarders: %v", got)
		}
		if got := who(g, RoleTarget, names); !slices.Equal(got, []string{"t3"}) {
			t.Errorf("targets: %v", got)
		}
	}
}

func TestASharedHostIsFollowedByTenantOnly(t *testing.T) {
	p := newPlatform(t)
	seed := p.send("op", "t1", "https://sites.google.com/view/evil-1/a")
	p.send("op9", "t2", "https://sites.google.com/view/evil-1/b")
	p.send("singer", "choir", "https://sites.google.com/view/choir/songs")
	s := p.play()
	names := []string{"op", "op9", "t1", "t2", "singer", "choir"}
	g := draw(t, p.incident(seed), s, Budget{})
	if got := who(g, RoleSender, names); !slices.Equal(got, []string{"op", "op9"}) {
		t.Errorf("senders: %v", got)
	}
	in := p.incident(seed)
	l := sightingOf(linkOf(t, "https://sites.google.com/view/choir/songs"))
	in.Hosts = []Host{{Name: "sites.google.com", Wanted: []Wanted{{Unit: l.Domain}, {Unit: l.Tenant}, {Unit: l.Tenant, Name: l.Host}}}}
	g = draw(t, in, s, Budget{})
	if got := who(g, RoleSender, names); !slices.Equal(got, []string{"op", "op9"}) {
		t.Errorf("a whole hoster was followed: senders %v", got)
	}
	if len(g.Block()) != 0 {
		t.Errorf("Block() = %v: a hoster is not to be blocked", g.Block())
	}
}

func TestAPopularDomainDoesNotExplodeTheGraph(t *testing.T) {
	p := newPlatform(t)
	for i := range 300 {
		p.send(fmt.Sprint("reader ", i), fmt.Sprint("friend ", i), fmt.Sprintf("https://paper.example/story-%d", i%3))
	}
	seed := p.then("op", &vedette.LinkSent{To: vedette.Recipient{Account: acct("t1")}, Stranger: vedette.Yes, Links: []vedette.Link{
		linkOf(t, "https://paper.example/story-1"), linkOf(t, "https://evil.example/x"),
	}})
	p.send("op", "t2", "https://evil.example/y")
	g := draw(t, p.incident(seed), p.play(), Budget{})
	if len(g.Nodes) != 5 { // two links, one sender, two targets
		t.Errorf("%d nodes, want 5: %v", len(g.Nodes), labels(g))
	}
	if !slices.ContainsFunc(g.Left, func(l Left) bool { return l.Kind == "link" && l.Count == 1 }) {
		t.Errorf("left out: %v: the popular link is not told", g.Left)
	}
	// A rare link beside it on the popular domain is followed by itself.
	p = newPlatform(t)
	for i := range 300 {
		p.send(fmt.Sprint("reader ", i), fmt.Sprint("friend ", i), "https://paper.example/story")
	}
	seed = p.send("op", "t1", "https://paper.example/hidden")
	p.send("op", "t2", "https://paper.example/hidden")
	g = draw(t, p.incident(seed), p.play(), Budget{})
	if len(g.Nodes) != 4 {
		t.Errorf("%d nodes, want 4: %v", len(g.Nodes), labels(g))
	}
}

func labels(g *Graph) (out []string) {
	for i := range g.Nodes {
		out = append(out, g.Nodes[i].Label)
	}
	return out
}

func TestWhoIsDrawnInAsCell(t *testing.T) {
	const home, rack, cell = "home", "rack", "tower"
	for _, tt := range []struct {
		name string
		life func(p *platform)
		want []string
	}{
		{"a family on the sender's home network, with numbers in a row and a family group, is not", func(p *platform) {
			p.register("op", "phone", home, vedette.NetworkResidential, "block")
			p.then("op", &vedette.GroupCreated{Group: grp("family"), Size: 3})
			for _, m := range []string{"mother", "brother"} {
				p.register(m, "phone of "+m, home, vedette.NetworkResidential, "block")
				p.then(m, &vedette.GroupJoined{Group: grp("family"), Member: acct(m), By: vedette.JoinAccepted, Size: 3})
			}
		}, nil},
		{"who shares a device is", func(p *platform) {
			p.register("op", "bench", home, vedette.NetworkResidential, "")
			p.register("mate", "bench", "elsewhere", vedette.NetworkMobile, "")
		}, []string{"mate"}},
		{"who shares a hosting network is, where few are on it", func(p *platform) {
			p.register("op", "d1", rack, vedette.NetworkHosting, "")
			p.register("mate", "d2", rack, vedette.NetworkHosting, "")
		}, []string{"mate"}},
		{"a hosting network with seventeen accounts ties nobody", func(p *platform) {
			p.register("op", "d1", rack, vedette.NetworkHosting, "")
			for i := range 16 {
				p.register(fmt.Sprint("tunnel user ", i), fmt.Sprint("laptop ", i), rack, vedette.NetworkHosting, "")
			}
		}, nil},
		{"a mobile network ties nobody, whatever else the platform called it once", func(p *platform) {
			p.register("op", "d1", cell, vedette.NetworkHosting, "")
			p.register("rider", "d2", cell, vedette.NetworkMobile, "")
		}, nil},
		{"a target who was added to the sender's group on the sender's number block is not", func(p *platform) {
			p.register("op", "d1", rack, vedette.NetworkHosting, "block")
			p.register("t1", "d2", home, vedette.NetworkResidential, "block")
			p.then("op", &vedette.GroupCreated{Group: grp("bait"), Size: 2})
			p.then("op", &vedette.GroupJoined{Group: grp("bait"), Member: acct("t1"), By: vedette.JoinAdded, Size: 2})
		}, nil},
		{"a target with whom the sender shares a device, and nothing else, is not", func(p *platform) {
			p.register("op", "tablet", home, vedette.NetworkResidential, "")
			p.register("t1", "tablet", "work", vedette.NetworkBusiness, "")
		}, nil},
		{"who was sent a trial and shares device and hosting network is", func(p *platform) {
			p.register("op", "bench", rack, vedette.NetworkHosting, "")
			p.register("mate", "bench", rack, vedette.NetworkHosting, "")
			p.send("op", "mate", "https://evil.example/trial")
		}, []string{"mate"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlatform(t)
			p.crowd(1200)
			tt.life(p)
			seed := p.send("op", "t1", "https://evil.example/a")
			g := draw(t, p.incident(seed), p.play(), Budget{})
			names := []string{"op", "mate", "mother", "brother", "rider", "t1"}
			if got := who(g, RoleCell, names); !slices.Equal(got, tt.want) {
				t.Errorf("cell accounts: %v, want %v", got, tt.want)
			}
			if got := who(g, RoleTarget, names); !slices.Equal(got, []string{"t1"}) {
				t.Errorf("targets: %v, want t1 alone", got)
			}
		})
	}
}

// TestAPermitAboutNamesEndsWithThem: facts that somebody imports after two people signed do not widen what they signed.
func TestAPermitAboutNamesEndsWithThem(t *testing.T) {
	_, in, s := attack(t)
	h := newHouse(t)
	permit := h.permit(t, authority.Ask{Purpose: authority.PurposeNotify, Tenant: in.Tenant, Case: in.Case, Until: in.At.Add(time.Hour), About: Names(in, s)}, in.At, "ana", "omar")
	if _, err := Draw(t.Context(), permit, in, s, Budget{}); err != nil {
		t.Fatalf("the very names: %v", err)
	}
	slices.Reverse(s.Derived)
	if _, err := Draw(t.Context(), permit, in, s, Budget{}); err != nil {
		t.Errorf("the same names in another order: %v", err)
	}
	s.Derived = append(s.Derived, derivedFrom(t, "bread.example", "quay-news.example", vedette.Allow))
	if _, err := Draw(t.Context(), permit, in, s, Budget{}); err != nil {
		t.Errorf("one more that only scores: %v", err)
	}
	s.Derived = append(s.Derived, derivedFrom(t, "bread.example", "quay-news.example", vedette.Warn))
	if _, err := Draw(t.Context(), permit, in, s, Budget{}); !errors.Is(err, authority.ErrNoPermit) {
		t.Errorf("one more sibling: %v, want no permit", err)
	}
}

func TestWhoMayDraw(t *testing.T) {
	_, in, s := attack(t)
	at := in.At.Truncate(time.Second)
	h := newHouse(t)
	good := authority.Ask{Purpose: authority.PurposeProtect, Tenant: "north", Case: "case 7", Until: at.Add(time.Hour)}
	with := func(change func(*authority.Ask)) authority.Ask {
		a := good
		change(&a)
		return a
	}
	both := []authority.PersonID{"ana", "omar"}
	for _, tt := range []struct {
		name   string
		permit authority.Permit
		want   error
	}{
		{"a permit of two people for the case", h.permit(t, good, at, both...), nil},
		{"one about this very incident", h.permit(t, with(func(a *authority.Ask) { a.About = in.Digest() }), at, both...), nil},
		{"no permit", authority.Permit{}, authority.ErrNoPermit},
		{"one person's permit", h.permit(t, good, at, "ana"), authority.ErrUnapproved},
		{"another case", h.permit(t, with(func(a *authority.Ask) { a.Case = "case 8" }), at, both...), authority.ErrNoPermit},
		{"another tenant", h.permit(t, with(func(a *authority.Ask) { a.Tenant = "south" }), at, both...), authority.ErrNoPermit},
		{"to erase", h.permit(t, with(func(a *authority.Ask) { a.Purpose = authority.PurposeErase }), at, both...), authority.ErrNoPermit},
		{"to hear an appeal", h.permit(t, with(func(a *authority.Ask) { a.Purpose = authority.PurposeAppeal }), at, both...), authority.ErrNoPermit},
		{"about something else", h.permit(t, with(func(a *authority.Ask) { a.About = vedette.Digest{1} }), at, both...), authority.ErrNoPermit},
		{"one that has ended", h.permit(t, with(func(a *authority.Ask) { a.Until = at.Add(-time.Hour) }), at.Add(-2*time.Hour), both...), authority.ErrNoPermit},
	} {
		asked := new(authority.Memory)
		s.Recorder = asked
		g, err := Draw(t.Context(), tt.permit, in, s, Budget{})
		if !errors.Is(err, tt.want) || (g == nil) != (tt.want != nil) {
			t.Errorf("Draw with %s: %v, want %v", tt.name, err, tt.want)
		}
		list, err := asked.Asked(t.Context())
		if err != nil || len(list) != 1 || list[0].Given != (tt.want == nil) {
			t.Errorf("Draw with %s: recorded %+v, %v", tt.name, list, err)
		}
	}
	s.Recorder = nil
	if _, err := Draw(t.Context(), h.permit(t, good, at, both...), in, s, Budget{}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Draw that nobody records: %v", err)
	}
	s.Recorder = failing{}
	s.Read, s.Find, s.History = nil, nil, nil // nothing is read before it is recorded
	in.Events = nil
	if _, err := Draw(t.Context(), h.permit(t, good, at, both...), in, s, Budget{}); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Draw whose record fails: %v", err)
	}
}

type failing struct{}

func (failing) Record(context.Context, authority.Asked) error { return errors.New("the disk is full") }

func TestNoOutputHoldsASurrogate(t *testing.T) {
	p, in, s := attack(t)
	g := draw(t, in, s, Budget{Evidence: 1000})
	o, err := Outline(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	var never []string
	for i := range p.events {
		a := p.events[i].Actor
		never = append(never, a.String(), strings.TrimPrefix(a.String(), "acct_"), fmt.Sprintf("%x", a[:]))
	}
	for _, n := range []string{"bench-1", "rack", "lab", "villagers", "block"} {
		never = append(never, dev(n).String()[4:], grp(n).String()[4:], netw(n).String()[4:])
	}
	for name, out := range map[string][]byte{
		"JSON": g.JSON(), "GraphML": g.GraphML(), "SVG": g.SVG(), "outline JSON": o.JSON(), "outline GraphML": o.GraphML(), "outline SVG": o.SVG(),
	} {
		for _, n := range never {
			if bytes.Contains(out, []byte(n)) {
				t.Errorf("%s holds the surrogate %s", name, n)
			}
		}
		for _, host := range []string{"quay-news.example", "quay-cast.example", "192.0.2.9"} {
			if bytes.Contains(out, []byte(host)) {
				t.Errorf("%s holds %s with its fangs", name, host)
			}
		}
	}
}

func TestAnOutlineShowsNobody(t *testing.T) {
	_, in, s := attack(t)
	o, err := Outline(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range o.Nodes {
		switch n.Kind {
		case KindReport, KindIndicator, KindHost, KindLink, KindFact:
		default:
			t.Errorf("the outline draws %s", n.Label)
		}
		if n.First.Truncate(24*time.Hour) != n.First {
			t.Errorf("%s: a moment: %s", n.Label, n.First)
		}
	}
	for _, e := range o.Edges {
		if e.Count != 0 || len(e.Via) > 0 || !e.First.Equal(e.First.Truncate(24*time.Hour)) {
			t.Errorf("edge %+v tells too much", e)
		}
		for _, x := range e.Evidence {
			if !strings.HasPrefix(x, "indicator ") && !strings.HasPrefix(x, "source ") {
				t.Errorf("edge %s: evidence %q leads to a message", e.Kind, x)
			}
		}
	}
	if r := o.Reached(); r.People != hunt.TenAndMore && r.People != hunt.Some || r.Delivered != 0 || !r.First.IsZero() || len(r.Persons) > 0 {
		t.Errorf("Reached() = %+v", r)
	}
	if _, ok := o.Account("Sender 1"); ok {
		t.Error("an account stands behind a label of the outline")
	}
	// One recipient more or less among one to nine makes no difference to a byte.
	var before []byte
	for n := 1; n <= 9; n++ {
		p := newPlatform(t)
		seed := p.send("op", "t1", "https://evil.example/a")
		for i := 1; i < n; i++ {
			p.send("op", fmt.Sprint("t", i+1), fmt.Sprintf("https://evil.example/%d", i))
		}
		in := p.incident(seed)
		in.At, in.Window = start.AddDate(0, 0, 5), hunt.Window{}
		o, err := Outline(t.Context(), in, p.play())
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !bytes.Equal(before, o.JSON()) {
			t.Errorf("the outline of %d recipients differs from that of %d", n, n-1)
		}
		before = o.JSON()
	}
}

// TestAnOutlineNeverAddsUpPeopleOfSeveralNames: whoever may choose a second name, of whose people the number is known, could otherwise tell how many the
// first one has by where ten is crossed.
func TestAnOutlineNeverAddsUpPeopleOfSeveralNames(t *testing.T) {
	var before []byte
	for n := 1; n <= 9; n++ {
		p := newPlatform(t)
		seed := p.send("op", "t1", "https://evil.example/a")
		for i := 1; i < n; i++ {
			p.send("op", fmt.Sprint("t", i+1), fmt.Sprintf("https://evil.example/%d", i))
		}
		for i := range 4 { // with these it would be ten from the second recipient on
			p.send("mine", fmt.Sprint("mine", i), "https://padding.example/a")
			p.send("mine", fmt.Sprint("more", i), "https://derived.example/a")
		}
		in := p.incident(seed)
		in.At, in.Window = start.AddDate(0, 0, 5), hunt.Window{}
		in.Hosts = []Host{confirmed(t, "evil.example"), confirmed(t, "padding.example")}
		s := p.play()
		s.Derived = []Derived{derivedFrom(t, "derived.example", "evil.example", vedette.Warn)}
		o, err := Outline(t.Context(), in, s)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && !bytes.Equal(before, o.JSON()) {
			t.Fatalf("the outline of %d recipients differs from that of %d: %s", n, n-1, firstDifference(before, o.JSON()))
		}
		before = o.JSON()
	}
}

// TestWhatIsOnlyReportedIsNotSaidToBeConfirmed: an operator can report anybody's host.
func TestWhatIsOnlyReportedIsNotSaidToBeConfirmed(t *testing.T) {
	p := newPlatform(t)
	seed := p.send("op", "op2", "https://small-gazette.example/a")
	in := p.incident(seed)
	in.Hosts = []Host{confirmed(t, "small-gazette.example")}
	in.Hosts[0].Reported = true
	s := p.play()
	s.Derived = []Derived{derivedFrom(t, "small-gazette-shop.example", "small-gazette.example", vedette.Block)}
	permit := permitFor(t, in)
	drawn, err := Draw(t.Context(), permit, in, s, Budget{})
	if err != nil {
		t.Fatal(err)
	}
	outline, err := Outline(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []*Graph{drawn, outline} {
		if len(g.Block()) > 0 {
			t.Errorf("to block now: %+v; nobody confirmed anything", g.Block())
		}
		for _, n := range g.Nodes {
			if n.Role == RoleConfirmed || strings.Contains(n.Text, "Confirmed in the case") || strings.Contains(n.Text, "from what is confirmed") {
				t.Errorf("%s: %s, %q; nobody confirmed it", n.Label, n.Role, n.Text)
			}
		}
		if err := checkOutputs(g); err != nil {
			t.Error(err)
		}
	}
}

func TestTheSameInputGivesTheSameBytes(t *testing.T) {
	_, in, s := attack(t)
	in.Positions = []journal.Position{{Frame: 5, Index: 90}, {Frame: 5, Index: 91}}
	in.Hosts = append(in.Hosts, confirmed(t, "other.example"))
	in.Reports = append(in.Reports, Report{ID: digest("event", "more"), At: in.Reports[0].At, Grade: "claim", Links: []vedette.Link{linkOf(t, "https://quay-cast.example/x1")}})
	g := draw(t, in, s, Budget{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		in2, s2 := shuffled(in, s, r)
		if in.Digest() != in2.Digest() {
			t.Fatal("the incident's digest depends on order")
		}
		h := draw(t, in2, s2, Budget{})
		for name, pair := range map[string][2][]byte{"JSON": {g.JSON(), h.JSON()}, "GraphML": {g.GraphML(), h.GraphML()}, "SVG": {g.SVG(), h.SVG()}} {
			if !bytes.Equal(pair[0], pair[1]) {
				t.Fatalf("%s differs when the input is shuffled:\n%s", name, firstDifference(pair[0], pair[1]))
			}
		}
	}
}

func firstDifference(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return fmt.Sprintf("line %d: %s\n%s", i, x[i], y[min(i, len(y)-1)])
		}
	}
	return "length"
}

func TestBudgetsCutTheWeakestFirstAndTellIt(t *testing.T) {
	_, in, s := attack(t)
	all := draw(t, in, s, Budget{})
	strong := map[string]bool{}
	for size := 1; size <= len(all.Nodes); size++ {
		g := draw(t, in, s, Budget{Nodes: size})
		if len(g.Nodes) != size {
			t.Fatalf("a budget of %d nodes gave %d", size, len(g.Nodes))
		}
		var left int64
		for _, l := range g.Left {
			if l.Why == "over the budget of nodes" {
				left += l.Count
			}
		}
		if int(left) != len(all.Nodes)-size {
			t.Errorf("a budget of %d: %d left out are told, of %d", size, left, len(all.Nodes)-size)
		}
		now := map[string]bool{}
		for i := range g.Nodes {
			n := &g.Nodes[i]
			key := n.Label
			if a, ok := g.Account(n.Label); ok {
				key = a.String()
			} else if n.Kind != KindHost && n.Kind != KindIndicator {
				continue // numbered by what is drawn
			}
			now[key] = true
		}
		for k := range strong {
			if !now[k] && !strings.HasPrefix(k, "Host") {
				t.Errorf("a budget of %d drops what %d drew", size, size-1)
			}
		}
		strong = now
		if r := g.Reached(); r.Delivered != all.Reach.Delivered {
			t.Errorf("a budget of %d nodes changes the number of those reached: %d", size, r.Delivered)
		}
		for _, e := range g.Edges {
			if !slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.ID == e.From }) || !slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.ID == e.To }) {
				t.Errorf("an edge without an end: %+v", e)
			}
		}
	}
	g := draw(t, in, s, Budget{Accounts: 1})
	if got := who(g, RoleSender, cast()); !slices.Equal(got, []string{"op1"}) {
		t.Errorf("a budget of one account draws the senders %v", got)
	}
	for _, b := range []Budget{{Accounts: 65}, {Nodes: -1}, {Nodes: 5001}, {Evidence: -3}, {Sightings: 2_000_000}} {
		if _, err := Draw(t.Context(), permitFor(t, in), in, s, b); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Draw with %+v: %v", b, err)
		}
	}
}

func TestAnErasedPersonIsNotDrawn(t *testing.T) {
	p, in, s := attack(t)
	gone := map[string]bool{"op4": true, "t2": true}
	for n := range gone {
		if _, err := p.h.Erase(t.Context(), acct(n), vedette.GroupID{}); err != nil {
			t.Fatal(err)
		}
	}
	s.Erased = func(_ context.Context, a vedette.AccountID) (bool, error) {
		for n := range gone {
			if acct(n) == a {
				return true, nil
			}
		}
		return false, nil
	}
	// The incident's own message may be from the journal, which cannot be rewritten.
	in.Events = append(in.Events, p.events[slices.IndexFunc(p.events, func(e vedette.Event) bool {
		b, ok := e.Body.(*vedette.LinkSent)
		return ok && b.To.Account == acct("t2")
	})].ID)
	g := draw(t, in, s, Budget{})
	for _, role := range []Role{RoleSender, RoleCell, RoleTarget, RoleForwarder} {
		for _, n := range who(g, role, cast()) {
			if gone[n] {
				t.Errorf("%s was erased and is drawn as %s", n, role)
			}
		}
	}
	if len(g.Notes) == 0 {
		t.Error("that somebody was erased is not told")
	}
	s.Erased = func(context.Context, vedette.AccountID) (bool, error) { return false, vedette.ErrUnavailable }
	if _, err := Draw(t.Context(), permitFor(t, in), in, s, Budget{}); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Draw without an answer of who was erased: %v", err)
	}
}

// TestALinkBesideTheReportedOneLeadsToNobody: anybody can put a clinic's link into a message to an own account, or into a report.
func TestALinkBesideTheReportedOneLeadsToNobody(t *testing.T) {
	p := newPlatform(t)
	p.crowd(1100)
	p.send("op", "t1", "https://quay-news.example/a")
	p.send("baker", "patient", "https://clinic.example/visit")
	p.send("singer", "patient2", "https://clinic.example/visit")
	p.send("singer", "patient3", "https://school.example/visit")
	both := []vedette.Link{linkOf(t, "https://quay-news.example/b"), linkOf(t, "https://clinic.example/")}
	seed := p.then("op", &vedette.LinkSent{To: vedette.Recipient{Account: acct("op2")}, Links: both, Stranger: vedette.Yes})
	r := p.report("op2", "op", seed)
	claim := p.report("op3", "op", vedette.EventID{})
	s := p.play()
	in := p.incident(seed)
	in.Hosts = []Host{confirmed(t, "quay-news.example")}
	in.Reports = []Report{
		{ID: r, At: p.at, Message: seed, Reporter: acct("op2"), Links: both, Grade: "claim"},
		{ID: claim, At: p.at, Reporter: acct("op3"), Links: []vedette.Link{linkOf(t, "https://quay-news.example/"), linkOf(t, "https://school.example/")}, Grade: "claim"},
	}
	g := draw(t, in, s, Budget{})
	names := []string{"t1", "op", "op2", "baker", "singer", "patient", "patient2", "patient3"}
	for role, want := range map[Role][]string{RoleSender: {"op"}, RoleTarget: {"op2", "t1"}} {
		if got := who(g, role, names); !slices.Equal(got, want) {
			t.Errorf("drawn as %s: %q, want %q", role, got, want)
		}
	}
}

func TestMassReportsDrawNobodyInAsSender(t *testing.T) {
	p := newPlatform(t)
	seed := p.send("op", "t1", "https://evil.example/a")
	for i := range 20 {
		p.then(fmt.Sprint("liar ", i), &vedette.UserReported{Subject: acct("victim"), Links: []vedette.Link{linkOf(t, "https://evil.example/a")}})
	}
	g := draw(t, p.incident(seed), p.play(), Budget{})
	for i := range g.Nodes {
		if a, ok := g.Account(g.Nodes[i].Label); ok && a == acct("victim") {
			t.Errorf("who is only said to have sent it is drawn as %s", g.Nodes[i].Label)
		}
	}
}

func TestWhatCannotBeReadIsToldAndTheRestIsDrawn(t *testing.T) {
	_, in, s := attack(t)
	read := s.Read
	s.Read = func(ctx context.Context, from, to time.Time) iter.Seq2[journal.Entry, error] {
		return func(yield func(journal.Entry, error) bool) {
			n := 0
			for e, err := range read(ctx, from, to) {
				if n++; n == 100 {
					yield(journal.Entry{}, &journal.Damage{Frame: 1, What: "torn"})
					return
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
	g := draw(t, in, s, Budget{})
	if len(g.Damaged) != 1 || g.Reached().Delivered == 0 {
		t.Errorf("damaged %v, reached %+v", g.Damaged, g.Reached())
	}
	s.Read = func(context.Context, time.Time, time.Time) iter.Seq2[journal.Entry, error] {
		return func(yield func(journal.Entry, error) bool) { yield(journal.Entry{}, vedette.ErrUnavailable) }
	}
	if _, err := Draw(t.Context(), permitFor(t, in), in, s, Budget{}); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("Draw on a journal that is down: %v", err)
	}
	in.Events, in.Hosts, in.Reports = []vedette.EventID{{9}}, nil, nil
	if _, err := Draw(t.Context(), permitFor(t, in), in, s, Budget{}); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Draw from an event that is not there: %v", err)
	}
	in.Events = nil
	if _, err := Draw(t.Context(), permitFor(t, in), in, s, Budget{}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Draw from nothing: %v", err)
	}
}

func TestProgressNeverGoesBackAndEnds(t *testing.T) {
	_, in, s := attack(t)
	last := int64(-1)
	s.Progress = func(done, total int64) {
		if done <= last || done > total {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}
	draw(t, in, s, Budget{})
	if last != progressTotal {
		t.Errorf("progress ended at %d", last)
	}
}

func TestASecondReadingFindsNothingElse(t *testing.T) {
	_, in, s := attack(t)
	reads := 0
	read := s.Read
	s.Read = func(ctx context.Context, from, to time.Time) iter.Seq2[journal.Entry, error] {
		reads++
		return read(ctx, from, to)
	}
	draw(t, in, s, Budget{})
	if reads != 2 {
		t.Errorf("the journal was read %d times, want 2", reads)
	}
}

// large is a campaign of many, cut at 500 nodes.
func large(t testing.TB) *Graph {
	p := newPlatform(t)
	p.crowd(1100)
	var seed vedette.EventID
	for i := range 60 {
		p.register(fmt.Sprint("op", i), fmt.Sprint("bench ", i/4), fmt.Sprint("rack ", i/8), vedette.NetworkHosting, "")
	}
	for i := range 600 {
		seed = p.send(fmt.Sprint("op", i%60), fmt.Sprint("t", i), fmt.Sprintf("https://evil-%d.example/%d", i%12, i))
		if i%9 == 0 {
			p.open(fmt.Sprint("t", i), fmt.Sprint("op", i%60), fmt.Sprintf("https://evil-%d.example/%d", i%12, i))
		}
	}
	in := p.incident(seed)
	for i := range 12 {
		in.Hosts = append(in.Hosts, confirmed(t, fmt.Sprintf("evil-%d.example", i)))
	}
	return draw(t, in, p.play(), Budget{})
}
