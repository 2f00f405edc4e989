package hunt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/journal"
)

// People counts distinct people by what became of the link for them. One person can stand in several.
type People struct {
	Reached   int `json:"reached"`   // in any of the next four ways
	Delivered int `json:"delivered"` // a message with it came to them alone
	Previewed int `json:"previewed"`
	Opened    int `json:"opened"`
	Reported  int `json:"reported"`
	Refused   int `json:"refused"` // a message to them was held or blocked, and nothing else reached them
}

// Person is one person whom a link was for.
type Person struct {
	Account     vedette.AccountID
	Delivered   int // sightings of each kind
	Previewed   int
	Opened      int
	Reported    int
	Refused     int
	First, Last time.Time
}

// Party is one sender, or one group that got it.
type Party struct {
	Account     vedette.AccountID // of a sender
	Group       vedette.GroupID   // of a group
	Sightings   int
	First, Last time.Time
}

// FoundName is what was found of one name.
type FoundName struct {
	Name        Name
	Note        string
	Sightings   int
	People      People
	Senders     int
	Groups      int
	First, Last time.Time
}

// Found is what a permit opens: for two people, in one case, for one question. It names people by surrogates; whoever hands it on labels them.
type Found struct {
	ID          string
	Case        string
	Question    vedette.Digest
	Window      Window
	Names       []FoundName // in the order of the canonical question
	Sightings   []Sighting  // by time, then position
	People      People
	Persons     []Person // by first, then account
	Senders     []Party  // by first, then account
	Groups      []Party  // by first, then group
	First, Last time.Time
	Refused     []Refused
	Damage      []Damage
	Cut         bool // there were more sightings than Config.MaxFound: what is here is the earliest
}

// Reveal tells who was reached. The permit is to notify, to protect or to file, for the tenant, about this very question, and carries the word
// of two people. That it was asked, given or not, is in the evidence before history is read. Its error is authority.ErrNoPermit or
// ErrUnapproved, ErrRefused or ErrNotAskable (Found then has the reasons: a permit does not lower the guard), or wraps vedette.ErrInvalid,
// ErrTooLarge or ErrUnavailable.
func (h *Hunter) Reveal(ctx context.Context, permit authority.Permit, q Question) (Found, error) {
	return h.reveal(ctx, permit, q, WhatReveal)
}

// allowed says why a permit does not open an answer.
func allowed(permit authority.Permit, t vedette.Tenant, about vedette.Digest, at time.Time) error {
	switch purpose := permit.Purpose(); purpose {
	case authority.PurposeNotify, authority.PurposeProtect, authority.PurposeFile:
		if err := permit.Check(purpose, at); err != nil {
			return err
		}
	case 0:
		return authority.ErrNoPermit
	default:
		return fmt.Errorf("%w: a hunt is to notify, to protect or to file, not to %s", authority.ErrNoPermit, purpose)
	}
	if err := permit.For(t); err != nil {
		return err
	}
	if err := permit.TwoPeople(); err != nil {
		return err
	}
	if about.IsZero() || permit.About() != about {
		return fmt.Errorf("%w: it is about another question, or about none", authority.ErrNoPermit)
	}
	return nil
}

func (h *Hunter) reveal(ctx context.Context, permit authority.Permit, q Question, what What) (Found, error) {
	p, err := h.prepare(ctx, q)
	if err != nil {
		return Found{}, err
	}
	now := milli(h.deps.Now())
	refusal := allowed(permit, p.question.Tenant, p.digest, now)
	if refusal == nil && len(p.ask) == 0 {
		refusal = nothing(p.refused)
	}
	var people []string
	for _, id := range permit.People() {
		people = append(people, string(id))
	}
	by := strings.Join(people, ",")
	if by == "" {
		by = "nobody"
	}
	h.mu.Lock()
	id, err := h.record(ctx, &p, Entry{What: what, By: by, Case: permit.Case()}, now, refusal)
	h.mu.Unlock()
	h.m.reveals.WithLabelValues(strconv.FormatBool(err == nil)).Inc()
	if err != nil {
		if errors.Is(err, ErrRefused) || errors.Is(err, ErrNotAskable) {
			return Found{Question: p.digest, Case: permit.Case(), Refused: p.refused}, err
		}
		return Found{}, err
	}
	f := Found{ID: id, Case: permit.Case(), Question: p.digest, Window: p.question.Window, Refused: p.refused}
	units, of := index(p.ask)
	all := gathering{}
	each := make([]gathering, len(p.ask))
	if len(units) > 0 {
		damage, err := h.deps.History.Find(ctx, units, p.question.Window, func(_ int, s *Sighting) bool {
			named := false
			s.names(of, func(int) { named = true })
			if !named {
				return true // of the same unit, and not what was asked
			}
			if len(f.Sightings) == h.config.MaxFound {
				f.Cut = true
				return false
			}
			f.Sightings = append(f.Sightings, *s)
			all.add(s)
			s.names(of, func(i int) { each[i].add(s) })
			return true
		})
		if err != nil {
			return Found{}, fmt.Errorf("hunt: find: %w", err)
		}
		f.Damage = tidy(damage)
	}
	f.People, f.First, f.Last = all.count(), all.first, all.last
	f.Persons, f.Senders, f.Groups = all.list()
	for i := range p.ask {
		g := &each[i]
		f.Names = append(f.Names, FoundName{
			Name: p.ask[i].name, Note: p.ask[i].note, Sightings: g.sightings, People: g.count(), Senders: len(g.senders), Groups: len(g.groups),
			First: g.first, Last: g.last,
		})
	}
	return f, nil
}

// gathering gathers who stands in sightings.
type gathering struct {
	sightings   int
	first, last time.Time
	people      map[vedette.AccountID]*Person
	senders     map[vedette.AccountID]*Party
	groups      map[vedette.GroupID]*Party
}

func (g *gathering) add(s *Sighting) {
	span(&g.first, &g.last, s.At, g.sightings == 0)
	if g.sightings == 0 {
		g.people, g.senders, g.groups = map[vedette.AccountID]*Person{}, map[vedette.AccountID]*Party{}, map[vedette.GroupID]*Party{}
	}
	g.sightings++
	if !s.To.IsZero() {
		p := g.people[s.To]
		if p == nil {
			p = &Person{Account: s.To, First: s.At, Last: s.At}
			g.people[s.To] = p
		}
		span(&p.First, &p.Last, s.At, false)
		switch {
		case s.Act == Sent && s.Verdict >= vedette.Hold:
			p.Refused++
		case s.Act == Sent:
			p.Delivered++
		case s.Act == Previewed:
			p.Previewed++
		case s.Act == Opened:
			p.Opened++
		case s.Act == Reported:
			p.Reported++
		}
	}
	if !s.From.IsZero() {
		p := g.senders[s.From]
		if p == nil {
			p = &Party{Account: s.From, First: s.At, Last: s.At}
			g.senders[s.From] = p
		}
		span(&p.First, &p.Last, s.At, false)
		p.Sightings++
	}
	if !s.Group.IsZero() {
		p := g.groups[s.Group]
		if p == nil {
			p = &Party{Group: s.Group, First: s.At, Last: s.At}
			g.groups[s.Group] = p
		}
		span(&p.First, &p.Last, s.At, false)
		p.Sightings++
	}
}

func span(first, last *time.Time, at time.Time, begin bool) {
	if begin || at.Before(*first) {
		*first = at
	}
	if begin || at.After(*last) {
		*last = at
	}
}

func (g *gathering) count() (c People) {
	for _, p := range g.people {
		c.Delivered += one(p.Delivered)
		c.Previewed += one(p.Previewed)
		c.Opened += one(p.Opened)
		c.Reported += one(p.Reported)
		if p.Delivered+p.Previewed+p.Opened+p.Reported > 0 {
			c.Reached++
		} else {
			c.Refused++
		}
	}
	return c
}

func one(n int) int { return min(n, 1) }

func (g *gathering) list() (people []Person, senders, groups []Party) {
	for _, p := range g.people {
		people = append(people, *p)
	}
	for _, p := range g.senders {
		senders = append(senders, *p)
	}
	for _, p := range g.groups {
		groups = append(groups, *p)
	}
	slices.SortFunc(people, func(a, b Person) int {
		return cmp.Or(a.First.Compare(b.First), bytes.Compare(a.Account[:], b.Account[:]))
	})
	party := func(a, b Party) int {
		return cmp.Or(a.First.Compare(b.First), bytes.Compare(a.Account[:], b.Account[:]), bytes.Compare(a.Group[:], b.Group[:]))
	}
	slices.SortFunc(senders, party)
	slices.SortFunc(groups, party)
	return people, senders, groups
}

// boxful is how many sightings one box holds.
const boxful = 1000

// Keep copies what a permit opens into sealed boxes of its case, which outlive history's term and end by themselves (Config.KeepFor). boxer is
// the vault's sealer of the tenant. It returns how many sightings were copied, all or none; they are durable then. Its errors are as
// Reveal's. A question with more sightings than Config.MaxFound is not copied in part: its error wraps vedette.ErrTooLarge.
func (h *Hunter) Keep(ctx context.Context, permit authority.Permit, q Question, boxer interface {
	Box(matter, what string, content []byte) ([]byte, error)
},
) (int, error) {
	f, err := h.reveal(ctx, permit, q, WhatKeep)
	if err != nil {
		return 0, err
	}
	if f.Cut {
		return 0, fmt.Errorf("hunt: keep: more than %d sightings: ask in parts: %w", h.config.MaxFound, vedette.ErrTooLarge)
	}
	if len(f.Sightings) == 0 {
		return 0, nil
	}
	tenant := q.Tenant
	now := milli(h.deps.Now())
	var list []Kept
	for part := range slices.Chunk(f.Sightings, boxful) {
		content, err := keptText(f.ID, tenant, f.Question, part)
		if err != nil {
			return 0, err
		}
		k := Kept{
			ID: f.ID, Part: len(list), Tenant: tenant, Case: f.Case, Question: f.Question, Name: fmt.Sprintf("%s/%d", f.ID, len(list)),
			At: now, Until: now.Add(h.config.KeepFor), Sightings: len(part),
		}
		if k.Box, err = boxer.Box(k.Case, k.Name, content); err != nil {
			return 0, fmt.Errorf("hunt: keep: %w", err)
		}
		list = append(list, k)
	}
	if err := h.deps.Ledger.Keep(ctx, list); err != nil {
		return 0, fmt.Errorf("hunt: keep: %w", err)
	}
	return len(f.Sightings), nil
}

// Kept returns a case's sealed copies: what they are, not what is in them.
func (h *Hunter) Kept(ctx context.Context, t vedette.Tenant, matter string) ([]Kept, error) {
	list, err := h.deps.Ledger.Kept(ctx, t, matter)
	if err != nil {
		return nil, fmt.Errorf("hunt: kept: %w", err)
	}
	now := h.deps.Now()
	return slices.DeleteFunc(list, func(k Kept) bool { return !now.Before(k.Until) }), nil
}

// The content of a sealed copy: JSON, described in docs/decisions/0015-hunt.md.
type (
	keptFile struct {
		Format    string         `json:"format"`
		Hunt      string         `json:"hunt"`
		Tenant    vedette.Tenant `json:"tenant"`
		Question  vedette.Digest `json:"question"`
		Sightings []keptRow      `json:"sightings"`
	}
	keptRow struct {
		At          int64             `json:"at"` // Unix milliseconds
		Act         string            `json:"act"`
		Domain      string            `json:"domain,omitzero"` // keys: 16 hexadecimal digits
		Host        string            `json:"host,omitzero"`
		Tenant      string            `json:"tenant,omitzero"`
		URL         string            `json:"url,omitzero"`
		From        vedette.AccountID `json:"from,omitzero"`
		To          vedette.AccountID `json:"to,omitzero"`
		Group       vedette.GroupID   `json:"group,omitzero"`
		Place       uint8             `json:"place"`
		Shape       [7]uint32         `json:"shape"` // flags, token-like, entropy, path segments, query keys, host labels, length
		Verdict     vedette.Verdict   `json:"verdict"`
		Would       vedette.Verdict   `json:"would"`
		Established bool              `json:"established"`
		Frame       uint64            `json:"frame"`
		Index       uint16            `json:"index"`
	}
)

const keptFormat = "vedette-kept-1"

func keptText(id string, t vedette.Tenant, q vedette.Digest, list []Sighting) ([]byte, error) {
	f := keptFile{Format: keptFormat, Hunt: id, Tenant: t, Question: q}
	for i := range list {
		s := &list[i]
		h := s.Shape
		f.Sightings = append(f.Sightings, keptRow{
			At: s.At.UnixMilli(), Act: s.Act.String(), Domain: keyText(s.Domain), Host: keyText(s.Host), Tenant: keyText(s.Tenant), URL: keyText(s.URL),
			From: s.From, To: s.To, Group: s.Group, Place: uint8(s.Place),
			Shape: [7]uint32{
				uint32(h.Flags), uint32(h.TokenLike), uint32(h.Entropy), uint32(h.PathSegments), uint32(h.QueryKeys), uint32(h.HostLabels), uint32(h.Length),
			},
			Verdict: s.Verdict, Would: s.Would, Established: s.Established, Frame: s.Position.Frame, Index: s.Position.Index,
		})
	}
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("hunt: kept: %w", err)
	}
	return b, nil
}

func keyText(k Key) string {
	if k == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", uint64(k))
}

func parseKey(s string) (Key, error) {
	if s == "" {
		return 0, nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 8 {
		return 0, fmt.Errorf("hunt: kept: key %q: 16 hexadecimal digits: %w", clip(s, 20), vedette.ErrInvalid)
	}
	k, err := strconv.ParseUint(s, 16, 64)
	return Key(k), err
}

// ParseKept reads the content of a sealed copy. Its error wraps vedette.ErrInvalid.
func ParseKept(content []byte) (hunt string, q vedette.Digest, list []Sighting, err error) {
	bad := func(what string) (string, vedette.Digest, []Sighting, error) {
		return "", vedette.Digest{}, nil, fmt.Errorf("hunt: kept: %s: %w", what, vedette.ErrInvalid)
	}
	var f keptFile
	if err := json.Unmarshal(content, &f); err != nil {
		return bad("not the format's JSON")
	}
	if f.Format != keptFormat {
		return bad("format is not " + keptFormat)
	}
	for i := range f.Sightings {
		r := &f.Sightings[i]
		s := Sighting{
			At: time.UnixMilli(r.At).UTC(), From: r.From, To: r.To, Group: r.Group, Place: vedette.Place(r.Place), Verdict: r.Verdict, Would: r.Would,
			Established: r.Established, Position: journal.Position{Frame: r.Frame, Index: r.Index},
		}
		for a := Sent; a <= Reported; a++ {
			if a.String() == r.Act {
				s.Act = a
			}
		}
		if s.Act == 0 {
			return bad("an act that is none")
		}
		for _, k := range []struct {
			from string
			to   *Key
		}{{r.Domain, &s.Domain}, {r.Host, &s.Host}, {r.Tenant, &s.Tenant}, {r.URL, &s.URL}} {
			if *k.to, err = parseKey(k.from); err != nil {
				return "", vedette.Digest{}, nil, err
			}
		}
		h := r.Shape
		if h[1] > 255 || h[2] > 255 || h[3] > 255 || h[4] > 255 || h[5] > 255 || h[6] > 65535 {
			return bad("a shape that is none")
		}
		s.Shape = vedette.Shape{
			Flags: vedette.ShapeFlag(h[0]), TokenLike: uint8(h[1]), Entropy: uint8(h[2]), PathSegments: uint8(h[3]), QueryKeys: uint8(h[4]),
			HostLabels: uint8(h[5]), Length: uint16(h[6]),
		}
		list = append(list, s)
	}
	return f.Hunt, f.Question, list, nil
}
