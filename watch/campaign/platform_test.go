package campaign

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/hunt"
	"vedette/watch/sibling"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// platform is a made-up one: what happens on it is written down once and played into a journal and a history.
type platform struct {
	t      testing.TB
	at     time.Time
	events []vedette.Event
	deny   map[vedette.EventID]vedette.Verdict
	j      journal.Journal
	h      hunt.History
	played bool
}

func newPlatform(t testing.TB) *platform {
	return &platform{t: t, at: start, deny: map[vedette.EventID]vedette.Verdict{}, j: journal.NewMemory(), h: hunt.NewMemory()}
}

func digest(kind, name string) (b [16]byte) {
	s := sha256.Sum256([]byte(kind + " " + name))
	copy(b[:], s[:])
	return b
}

func acct(name string) vedette.AccountID { return digest("account", name) }
func grp(name string) vedette.GroupID    { return digest("group", name) }
func dev(name string) vedette.DeviceID   { return digest("device", name) }
func netw(name string) vedette.NetworkID { return digest("network", name) }

func token(k vedette.TokenKind, name string) vedette.Token {
	if name == "" {
		return vedette.Token{}
	}
	return vedette.Token{Kind: k, Epoch: 52, Bytes: digest(fmt.Sprint("token ", k), name)}
}

func linkOf(t testing.TB, raw string) vedette.Link {
	t.Helper()
	u, err := link.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return vedette.Link{
		Domain: token(vedette.TokenDomain, u.Registrable()), Host: token(vedette.TokenHost, u.Host()), Tenant: token(vedette.TokenTenant, u.HostTenant()),
		URL: token(vedette.TokenURL, u.Canonical()), Shape: u.Shape(),
	}
}

// then lets something happen a minute after what happened last.
func (p *platform) then(actor string, body vedette.Body) vedette.EventID {
	p.at = p.at.Add(time.Minute)
	id := vedette.EventID(digest("event", fmt.Sprint(len(p.events))))
	p.events = append(p.events, vedette.Event{
		Tenant: "north", Platform: "chat.example", ID: id, Actor: acct(actor), At: p.at, Seen: p.at, Tier: vedette.Tier2, Source: vedette.SourceHTTP, Body: body,
	})
	return id
}

func (p *platform) send(from, to, url string) vedette.EventID {
	return p.then(from, &vedette.LinkSent{To: vedette.Recipient{Account: acct(to)}, Links: []vedette.Link{linkOf(p.t, url)}, Stranger: vedette.Yes})
}

func (p *platform) refused(from, to, url string) vedette.EventID {
	id := p.send(from, to, url)
	p.deny[id] = vedette.Block
	return id
}

func (p *platform) post(from, group, url string) vedette.EventID {
	return p.then(from, &vedette.LinkSent{To: vedette.Recipient{Group: grp(group), Size: 30}, Links: []vedette.Link{linkOf(p.t, url)}})
}

func (p *platform) open(who, from, url string) {
	p.then(who, &vedette.LinkPreviewed{From: acct(from), Links: []vedette.Link{linkOf(p.t, url)}})
	p.then(who, &vedette.LinkOpened{From: acct(from), Links: []vedette.Link{linkOf(p.t, url)}})
}

func (p *platform) preview(who, from, url string) {
	p.then(who, &vedette.LinkPreviewed{From: acct(from), Links: []vedette.Link{linkOf(p.t, url)}})
}

func (p *platform) report(who, about string, message vedette.EventID) vedette.EventID {
	return p.then(who, &vedette.UserReported{Subject: acct(about), Message: message, Category: vedette.ReportSuspiciousLink})
}

func (p *platform) register(who, device, network string, class vedette.NetworkClass, block string) {
	b := &vedette.AccountRegistered{}
	if device != "" {
		b.Device = dev(device)
	}
	if network != "" {
		b.Network = vedette.Network{ID: netw(network), Class: class}
	}
	if block != "" {
		b.Number.Block = netw(block)
	}
	p.then(who, b)
}

// crowd registers people who have nothing to do with anything.
func (p *platform) crowd(n int) {
	for i := range n {
		p.register(fmt.Sprint("passer-by ", i), fmt.Sprint("phone ", i), fmt.Sprint("home ", i/3), vedette.NetworkResidential, "")
	}
}

func (p *platform) play() Sources {
	p.t.Helper()
	ctx := context.Background()
	if !p.played {
		p.played = true
		var frame []journal.Entry
		flush := func() {
			if len(frame) > 0 {
				if err := p.j.Append(ctx, frame); err != nil {
					p.t.Fatal(err)
				}
				frame = nil
			}
		}
		for _, e := range p.events {
			entry := journal.Entry{Event: e, Measures: make([]vedette.Measures, max(len(e.Links()), 1)), Decision: vedette.Decision{Verdict: p.deny[e.ID], Would: p.deny[e.ID]}}
			if frame = append(frame, entry); len(frame) == journal.MaxFrame {
				flush()
			}
		}
		flush()
		var all []hunt.Sighting
		for e, err := range p.j.Read(ctx, journal.Position{}) {
			if err != nil {
				p.t.Fatal(err)
			}
			all = append(all, sightings(&e)...)
		}
		if err := p.h.Add(ctx, all, p.j.Last()); err != nil {
			p.t.Fatal(err)
		}
	}
	return Sources{
		Read: func(ctx context.Context, from, to time.Time) iter.Seq2[journal.Entry, error] {
			return func(yield func(journal.Entry, error) bool) {
				for e, err := range p.j.Read(ctx, journal.Position{}) {
					if err == nil && !(hunt.Window{From: from, To: to}).Covers(e.Event.At) {
						continue
					}
					if !yield(e, err) {
						return
					}
				}
			}
		},
		Find: func(ctx context.Context, id vedette.EventID) (journal.Entry, error) {
			return p.j.Find(ctx, "north", id, time.Time{})
		},
		History: p.h, Recorder: new(authority.Memory),
	}
}

func (p *platform) incident(events ...vedette.EventID) Incident {
	return Incident{Case: "case 7", Tenant: "north", At: p.at.Add(time.Hour), Events: events, Window: hunt.Window{From: start.AddDate(0, 0, -1), To: p.at.Add(time.Hour)}}
}

// wanted is a host as history knows it.
func wanted(t testing.TB, host string) []Wanted {
	l := linkOf(t, "https://"+host+"/")
	s := sightingOf(l)
	name := s.Host
	if s.Domain != 0 && hunt.KeyOf(token(vedette.TokenDomain, host)) == s.Domain {
		name = s.Domain
	}
	return []Wanted{{Unit: s.Unit(), Name: name}}
}

func confirmed(t testing.TB, host string) Host {
	return Host{Name: host, Scope: indicator.ScopeDomain, Wanted: wanted(t, host), Indicators: []Indicator{{Entry: "list:made-up#1", Source: "made-up", Grade: "B2"}}}
}

func derivedFrom(t testing.TB, host, from string, strongest vedette.Verdict) Derived {
	return Derived{Derived: sibling.Derived{
		Host: host, Display: defanged(host), Scope: indicator.ScopeDomain, Weight: 14200, Strength: strongest, Until: start.AddDate(0, 3, 0),
		Ties: []sibling.Tie{
			{Kind: sibling.TiePart, To: defanged(from), Bits: 9000, Text: "both hold \"quay\"", Source: []string{"names"}},
			{Kind: sibling.TieNameServer, To: defanged(from), Bits: 5200, Text: "one name server, which 12 names have", Source: []string{"made-up feed"}},
		},
		Harmless: 0, Why: "not yet confirmed",
	}, Wanted: wanted(t, host)}
}

// house is a register with its people's keys.
type house struct {
	*authority.Register
	keys map[authority.PersonID]ed25519.PrivateKey
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{authority.NewRegister(new(authority.Memory)), map[authority.PersonID]ed25519.PrivateKey{}}
	for _, id := range []authority.PersonID{"ana", "omar"} {
		pub, priv, err := authority.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		h.keys[id] = priv
		if _, err := h.Enrol(t.Context(), authority.Person{ID: id, Name: "A Person", Role: authority.RoleAnalyst, Key: pub}, nil, start); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h *house) permit(t testing.TB, ask authority.Ask, at time.Time, by ...authority.PersonID) authority.Permit {
	t.Helper()
	act, err := ask.Act()
	if err != nil {
		t.Fatal(err)
	}
	var approvals [][]byte
	for _, id := range by {
		a, err := authority.Approve(act, id, h.keys[id], at)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		approvals = append(approvals, b)
	}
	p, err := h.Permit(t.Context(), ask, approvals, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func permitFor(t testing.TB, in Incident) authority.Permit {
	t.Helper()
	at := in.At.Truncate(time.Second)
	return newHouse(t).permit(t, authority.Ask{Purpose: authority.PurposeNotify, Tenant: in.Tenant, Case: in.Case, Until: at.Add(24 * time.Hour)}, at, "ana", "omar")
}

func draw(t testing.TB, in Incident, s Sources, b Budget) *Graph {
	t.Helper()
	g, err := Draw(t.Context(), permitFor(t, in), in, s, b)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// who returns whom the graph draws in a role, by the names that the test gave.
func who(g *Graph, role Role, names []string) (out []string) {
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Role != role || n.Kind != KindAccount {
			continue
		}
		a, ok := g.Account(n.Label)
		at := slices.IndexFunc(names, func(s string) bool { return acct(s) == a })
		switch {
		case !ok:
			out = append(out, "no account behind "+n.Label)
		case at < 0:
			out = append(out, "a stranger")
		default:
			out = append(out, names[at])
		}
	}
	slices.Sort(out)
	return out
}

// shuffled hands an incident over in another order.
func shuffled(in Incident, s Sources, r *rand.Rand) (Incident, Sources) {
	swap := func(n int, f func(i, j int)) { r.Shuffle(n, f) }
	in.Events, in.Hosts, in.Reports, in.Positions = slices.Clone(in.Events), slices.Clone(in.Hosts), slices.Clone(in.Reports), slices.Clone(in.Positions)
	s.Derived = slices.Clone(s.Derived)
	swap(len(in.Events), func(i, j int) { in.Events[i], in.Events[j] = in.Events[j], in.Events[i] })
	swap(len(in.Hosts), func(i, j int) { in.Hosts[i], in.Hosts[j] = in.Hosts[j], in.Hosts[i] })
	swap(len(in.Reports), func(i, j int) { in.Reports[i], in.Reports[j] = in.Reports[j], in.Reports[i] })
	swap(len(in.Positions), func(i, j int) { in.Positions[i], in.Positions[j] = in.Positions[j], in.Positions[i] })
	swap(len(s.Derived), func(i, j int) { s.Derived[i], s.Derived[j] = s.Derived[j], s.Derived[i] })
	return in, s
}

func numbered(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i+1))
	}
	return out
}
