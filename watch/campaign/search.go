package campaign

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// row is a sighting that belongs to the campaign.
type row struct {
	hunt.Sighting
	event vedette.EventID // where the entry itself was read
	seed  bool            // of the incident's own messages
	other bool            // a link that nobody named, of somebody who sent one that was: it is drawn with its recipients, and followed no further
}

type rowKey struct {
	at                        journal.Position
	act                       hunt.Act
	domain, host, tenant, url hunt.Key
	from, to                  vedette.AccountID
	group                     vedette.GroupID
}

func keyOf(s *hunt.Sighting) rowKey {
	return rowKey{s.Position, s.Act, s.Domain, s.Host, s.Tenant, s.URL, s.From, s.To, s.Group}
}

// name is a host of the case, or a derived one.
type name struct {
	Host
	display   string
	confirmed bool
	from      *Derived // nil when confirmed
	whole     bool     // a host that many parties share: it is not followed
	allow     bool     // derived, and only scores: it is not followed
}

type leftKey struct{ kind, why string }

// search is one expansion. It begins at the incident and goes on in a fixed order, so that the same input gives the same rows.
type search struct {
	in      Incident
	s       Sources
	b       Budget
	outline bool

	names []name
	named map[Wanted]int // place in names

	rows     map[rowKey]*row
	followed map[Wanted]bool
	asked    map[vedette.AccountID]bool
	erased   map[vedette.AccountID]bool

	cell    cell
	left    map[leftKey]int64
	notes   []string
	damaged []hunt.Damage
	done    int64
}

func newSearch(in Incident, s Sources, b Budget) *search {
	f := &search{
		in: in, s: s, b: b, named: map[Wanted]int{}, rows: map[rowKey]*row{}, followed: map[Wanted]bool{},
		asked: map[vedette.AccountID]bool{}, erased: map[vedette.AccountID]bool{}, left: map[leftKey]int64{},
	}
	f.in.Window.From, f.in.Window.To = utc(in.Window.From), utc(in.Window.To)
	byName := func(a, b Host) int { return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Scope, b.Scope)) }
	add := func(n name) {
		// A name that is given twice is one name: what is known of it is put together.
		for i := range f.names {
			if m := &f.names[i]; m.Name == n.Name && (m.Scope == n.Scope || !n.confirmed) {
				m.Wanted = append(slices.Clone(m.Wanted), n.Wanted...)
				m.Indicators = append(slices.Clone(m.Indicators), n.Indicators...)
				m.Facts = append(slices.Clone(m.Facts), n.Facts...)
				return
			}
		}
		n.display, n.whole = defanged(n.Name), wholeHoster(n.Host)
		f.names = append(f.names, n)
	}
	hosts := slices.Clone(in.Hosts)
	slices.SortStableFunc(hosts, byName)
	for _, h := range hosts {
		add(name{Host: h, confirmed: true})
	}
	derived := slices.Clone(s.Derived)
	slices.SortStableFunc(derived, func(a, b Derived) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Host, b.Host), cmp.Compare(a.Scope, b.Scope))
	})
	for i := range derived {
		d := &derived[i]
		add(name{
			Host: Host{Name: d.Host, Scope: d.Scope, Wanted: d.Wanted, Indicators: d.Indicators, Facts: d.Facts},
			from: d, allow: d.Strength == vedette.Allow,
		})
	}
	for i := range f.names {
		n := &f.names[i]
		n.Indicators = slices.Clone(n.Indicators)
		slices.SortFunc(n.Indicators, func(a, b Indicator) int {
			return cmp.Or(strings.Compare(a.Entry, b.Entry), strings.Compare(a.Source, b.Source), strings.Compare(a.Grade, b.Grade))
		})
		n.Wanted = slices.Clone(n.Wanted)
		for j, w := range n.Wanted {
			n.Wanted[j] = plain(w)
			if _, there := f.named[n.Wanted[j]]; !there && w.Unit != 0 && !n.whole {
				f.named[n.Wanted[j]] = i
			}
		}
	}
	return f
}

// onlyReported tells whether nobody has confirmed any name of the incident.
func (f *search) onlyReported() bool {
	return len(f.in.Hosts) > 0 && !slices.ContainsFunc(f.in.Hosts, func(h Host) bool { return !h.Reported })
}

func (f *search) leave(kind, why string, n int64) {
	if n > 0 {
		f.left[leftKey{kind, why}] += n
	}
}

// The steps of an expansion, for whoever waits.
const (
	progressTotal  = 1000
	progressSeeds  = 50
	progressFollow = 250
	progressOf     = 450
	progressCell   = 900
)

func (f *search) progress(done int64) {
	if f.s.Progress != nil && done > f.done {
		f.done = done
		f.s.Progress(done, progressTotal)
	}
}

func (f *search) run(ctx context.Context) error {
	chains, err := f.seeds(ctx)
	if err != nil {
		return err
	}
	f.progress(progressSeeds)
	var sure, derived []Wanted
	for i := range f.names {
		switch n := &f.names[i]; {
		case n.whole:
			f.leave("host", "many parties share it: its tenants and links can be followed, it cannot", 1)
		case n.allow:
			if !f.outline {
				f.leave("host", "derived, and may only score: drawn, and followed only where a known sender sent it", 1)
			}
		case n.confirmed:
			sure = append(sure, n.Wanted...)
		default:
			derived = append(derived, n.Wanted...)
		}
	}
	for _, k := range derived {
		chains = append(chains, []Wanted{k})
	}
	if err := f.follow(ctx, sure, chains); err != nil {
		return err
	}
	f.progress(progressFollow)
	if f.outline {
		f.progress(progressTotal)
		return nil
	}
	if err := f.widen(ctx); err != nil {
		return err
	}
	f.progress(progressOf)
	if err := f.findCell(ctx); err != nil {
		return err
	}
	f.progress(progressCell)
	if err := f.widen(ctx); err != nil {
		return err
	}
	f.progress(progressTotal)
	return nil
}

// plain gives one form to what is wanted: the name of all of a unit is none.
func plain(w Wanted) Wanted {
	if w.Name == w.Unit {
		w.Name = 0
	}
	return w
}

// chain is how a sighting's link may be followed, widest first. On a shared host the unit is the tenant's or the URL's, never the host.
func chain(s *hunt.Sighting) (out []Wanted) {
	u := s.Unit()
	if u == 0 {
		return nil
	}
	out = []Wanted{{Unit: u}}
	for _, k := range [...]hunt.Key{s.Host, s.URL} {
		if k != 0 && k != u && (k == s.URL || !s.Shape.Flags.Has(vedette.ShapeSharedHost)) {
			out = append(out, Wanted{Unit: u, Name: k})
		}
	}
	return out
}

// covers returns every form in which a sighting can be wanted, narrowest first.
func covers(s *hunt.Sighting) (out [5]Wanted) {
	u := s.Unit()
	for i, k := range [...]hunt.Key{s.URL, s.Host, s.Tenant, s.Domain} {
		if k != 0 && u != 0 {
			out[i] = plain(Wanted{Unit: u, Name: k})
		}
	}
	out[4] = Wanted{Unit: u}
	return out
}

// follows tells whether a sighting is of what is followed.
func (f *search) follows(s *hunt.Sighting) bool {
	for _, w := range covers(s) {
		if w.Unit != 0 && f.followed[w] {
			return true
		}
	}
	return false
}

func compareWanted(a, b Wanted) int {
	return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Name, b.Name))
}

func compareChains(a, b []Wanted) int { return slices.CompareFunc(a, b, compareWanted) }

// seeds finds the incident's own messages, and returns by which names their links may be followed.
func (f *search) seeds(ctx context.Context) ([][]Wanted, error) {
	ids := slices.Clone(f.in.Events)
	for _, r := range f.in.Reports {
		ids = append(ids, r.Message)
	}
	byBytes := func(a, b vedette.EventID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(ids, byBytes)
	ids = slices.Compact(ids)
	var chains [][]Wanted
	var entries []journal.Entry
	missing := 0
	find := func(id vedette.EventID) error {
		if id.IsZero() || f.s.Find == nil {
			return nil
		}
		e, err := f.s.Find(ctx, id)
		switch {
		case errors.Is(err, vedette.ErrUnknown) || err == nil && e.Event.Tenant != f.in.Tenant:
			missing++
			return nil
		case err != nil:
			return fmt.Errorf("campaign: find an event of the incident: %w", err)
		}
		entries = append(entries, e)
		return nil
	}
	for _, id := range ids {
		if err := find(id); err != nil {
			return nil, err
		}
	}
	for _, e := range entries[:len(entries):len(entries)] {
		// A report stands for the message that it names.
		if b, ok := e.Event.Body.(*vedette.UserReported); ok && !slices.Contains(ids, b.Message) {
			if err := find(b.Message); err != nil {
				return nil, err
			}
		}
	}
	if len(f.in.Positions) > 0 {
		want := map[journal.Position]bool{}
		for _, p := range f.in.Positions {
			want[p] = true
		}
		for e, err := range f.s.Read(ctx, f.in.Window.From, f.in.Window.To) {
			if err != nil {
				if err := f.hole(err); err != nil {
					return nil, err
				}
				break
			}
			if want[e.Position] && e.Event.Tenant == f.in.Tenant {
				entries = append(entries, e)
				delete(want, e.Position)
			}
			if len(want) == 0 {
				break
			}
		}
		missing += len(want)
	}
	// Anybody can put somebody's link into a message to an own account, or into a report: where one link of it is what the case is about, the others lead to
	// nobody. It spares who met those, and costs a second host that one message carries beside the first.
	lead := func(ss []hunt.Sighting) {
		named := slices.ContainsFunc(ss, func(s hunt.Sighting) bool { return f.place(&s).name > 0 })
		for i := range ss {
			if named && f.place(&ss[i]).name == 0 {
				f.leave("link", "beside the reported one, in one message or report: not followed", 1)
				continue
			}
			chains = append(chains, chain(&ss[i]))
		}
	}
	for _, r := range f.in.Reports {
		var ss []hunt.Sighting
		for _, l := range r.Links {
			ss = append(ss, sightingOf(l))
		}
		lead(ss)
	}
	for i := range entries {
		ss := sightings(&entries[i])
		for _, s := range ss {
			if err := f.add(ctx, row{Sighting: s, event: entries[i].Event.ID, seed: true}); err != nil {
				return nil, err
			}
		}
		lead(ss)
	}
	if missing > 0 {
		f.leave("event", "not in the journal of this tenant any more", int64(missing))
	}
	if len(entries) == 0 && len(f.in.Hosts) == 0 && len(chains) == 0 {
		return nil, fmt.Errorf("campaign: nothing of the incident is in the journal any more: %w", vedette.ErrUnknown)
	}
	slices.SortFunc(chains, compareChains)
	return slices.CompactFunc(chains, slices.Equal), nil
}

// hole keeps what of the journal could not be read; any other error it returns.
func (f *search) hole(err error) error {
	if !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrPurged) {
		return fmt.Errorf("campaign: read the journal: %w", err)
	}
	if d, ok := errors.AsType[*journal.Damage](err); ok {
		f.damaged = append(f.damaged, hunt.Damage{File: fmt.Sprintf("journal frame %d", d.Frame), What: "cannot be read; what follows it was not read either"})
		return nil
	}
	f.damaged = append(f.damaged, hunt.Damage{File: "journal", What: "its beginning is gone, or it cannot be read"})
	return nil
}

// sightings reads an entry as history would, whatever was measured: it is the case's own message.
func sightings(e *journal.Entry) (out []hunt.Sighting) {
	ev := &e.Event
	s := hunt.Sighting{At: utc(ev.At), From: ev.Actor, Verdict: e.Decision.Verdict, Would: e.Decision.Would, Position: e.Position}
	switch b := ev.Body.(type) {
	case *vedette.LinkSent:
		s.Act, s.To, s.Group = hunt.Sent, b.To.Account, b.To.Group
	case *vedette.LinkPreviewed:
		s.Act, s.From, s.To, s.Group = hunt.Previewed, b.From, ev.Actor, b.Group
	case *vedette.LinkOpened:
		s.Act, s.From, s.To, s.Group = hunt.Opened, b.From, ev.Actor, b.Group
	case *vedette.UserReported:
		s.Act, s.From, s.To, s.Group = hunt.Reported, b.Subject, ev.Actor, b.Group
	case *vedette.GroupCreated:
		s.Act, s.Group = hunt.Posted, b.Group
	case *vedette.ProfileChanged:
		s.Act = hunt.Posted
	}
	for _, l := range ev.Links() {
		x, named := s, sightingOf(l)
		x.Domain, x.Host, x.Tenant, x.URL, x.Place, x.Shape = named.Domain, named.Host, named.Tenant, named.URL, named.Place, named.Shape
		if x.Domain|x.Host|x.Tenant|x.URL != 0 && !slices.ContainsFunc(out, func(o hunt.Sighting) bool { return keyOf(&o) == keyOf(&x) }) {
			out = append(out, x)
		}
	}
	return out
}

// sightingOf is a sighting of a link that nobody sent.
func sightingOf(l vedette.Link) hunt.Sighting {
	return hunt.Sighting{
		Domain: hunt.KeyOf(l.Domain), Host: hunt.KeyOf(l.Host), Tenant: hunt.KeyOf(l.Tenant), URL: hunt.KeyOf(l.URL), Place: l.Where, Shape: l.Shape,
	}
}

// add takes a row in. A person who was erased stands in it no longer.
func (f *search) add(ctx context.Context, r row) error {
	for _, a := range []*vedette.AccountID{&r.From, &r.To} {
		gone, err := f.gone(ctx, *a)
		if err != nil {
			return err
		}
		if gone {
			*a = vedette.AccountID{}
		}
	}
	r.At = utc(r.At)
	k := keyOf(&r.Sighting)
	if old := f.rows[k]; old != nil {
		old.seed, old.other = old.seed || r.seed, old.other && r.other
		if old.event.IsZero() {
			old.event = r.event
		}
		return nil
	}
	if len(f.rows) >= f.b.Sightings {
		f.leave("sighting", "over the budget of sightings", 1)
		return nil
	}
	f.rows[k] = &r
	return nil
}

func (f *search) gone(ctx context.Context, a vedette.AccountID) (bool, error) {
	if a.IsZero() || f.s.Erased == nil {
		return false, nil
	}
	gone, known := f.erased[a]
	if known {
		return gone, nil
	}
	gone, err := f.s.Erased(ctx, a)
	if err != nil {
		return false, fmt.Errorf("campaign: whether somebody was erased: %w", err)
	}
	f.erased[a] = gone
	return gone, nil
}

// sorted returns the rows in order of time.
func (f *search) sorted() []*row {
	out := make([]*row, 0, len(f.rows))
	for _, r := range f.rows {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *row) int { return before(a.Sighting, b.Sighting) })
	return out
}

// follow asks history for names, and takes in what was seen of those that the case confirms, and of the others as wide as Rarity allows: each
// chain is one link's names, widest first.
func (f *search) follow(ctx context.Context, sure []Wanted, chains [][]Wanted) error {
	met, found, err := f.look(ctx, sure, chains)
	if err != nil {
		return err
	}
	fresh := map[Wanted]bool{}
	for _, w := range sure {
		fresh[w] = w.Unit != 0
	}
	for _, c := range chains {
		if slices.ContainsFunc(c, func(w Wanted) bool { return f.followed[w] || fresh[w] }) {
			continue
		}
		ok := false
		for _, w := range c {
			if len(met[w]) <= Rarity {
				fresh[w], ok = true, true
				break
			}
		}
		if !ok && len(c) > 0 {
			f.leave("link", "more than 64 people have met it: it is drawn, and not followed", 1)
		}
	}
	for w, on := range fresh {
		if on {
			f.followed[w] = true
		}
	}
	for i := range found {
		if f.follows(&found[i]) {
			if err := f.add(ctx, row{Sighting: found[i]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// look returns who has met each name, at most Rarity and one more, and the sightings of those that may be followed.
func (f *search) look(ctx context.Context, sure []Wanted, chains [][]Wanted) (map[Wanted]map[vedette.AccountID]bool, []hunt.Sighting, error) {
	met := map[Wanted]map[vedette.AccountID]bool{}
	safe := map[Wanted]bool{}
	var units []hunt.Key
	ask := func(w Wanted) {
		if w.Unit != 0 && met[w] == nil {
			met[w] = map[vedette.AccountID]bool{}
			units = append(units, w.Unit)
		}
	}
	for _, w := range sure {
		ask(w)
		safe[w] = w.Unit != 0
	}
	for _, c := range chains {
		for _, w := range c {
			ask(w)
		}
	}
	if f.s.History == nil || len(units) == 0 {
		return met, nil, nil
	}
	slices.Sort(units)
	units = slices.Compact(units)
	var found []hunt.Sighting
	damaged, err := f.s.History.Find(ctx, units, f.in.Window, func(_ int, s *hunt.Sighting) bool {
		keep := false
		for _, w := range covers(s) {
			m := met[w]
			if m == nil || w.Unit == 0 {
				continue
			}
			for _, a := range [...]vedette.AccountID{s.From, s.To} {
				if len(m) <= Rarity && !a.IsZero() {
					m[a] = true
				}
			}
			keep = keep || safe[w] || len(m) <= Rarity
		}
		switch {
		case !keep:
		case len(found) >= f.b.Sightings:
			f.leave("sighting", "over the budget of sightings", 1)
		default:
			found = append(found, *s)
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("campaign: ask history: %w", err)
	}
	f.damaged = append(f.damaged, damaged...)
	return met, found, nil
}

// widen asks what else the senders sent, and follows what two of them sent, until nobody new is found, at most three times.
func (f *search) widen(ctx context.Context) error {
	for range 3 {
		people := f.people()
		var ask []vedette.AccountID
		for _, a := range f.followable(people) {
			if !f.asked[a] {
				ask = append(ask, a)
				f.asked[a] = true
			}
		}
		if len(ask) == 0 || f.s.History == nil {
			return nil
		}
		var found []hunt.Sighting
		mine := map[vedette.AccountID]bool{}
		for _, a := range ask {
			mine[a] = true
		}
		damaged, err := f.s.History.Of(ctx, ask, f.in.Window, func(s *hunt.Sighting) bool {
			if mine[s.From] && s.Act != hunt.Reported && f.rows[keyOf(s)] == nil {
				if len(found) >= f.b.Sightings {
					f.leave("sighting", "over the budget of sightings", 1)
				} else {
					found = append(found, *s)
				}
			}
			return ctx.Err() == nil
		})
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("campaign: ask history what senders sent besides: %w", err)
		}
		f.damaged = append(f.damaged, damaged...)
		if err := f.others(ctx, found); err != nil {
			return err
		}
	}
	return nil
}

// others takes in other links of senders, the rare ones; one that two senders sent is followed like a reported one.
func (f *search) others(ctx context.Context, found []hunt.Sighting) error {
	units := map[hunt.Key]map[vedette.AccountID]bool{}
	sent := func(s *hunt.Sighting) {
		if u := s.Unit(); u != 0 && (s.Act == hunt.Sent || s.Act == hunt.Posted) && f.asked[s.From] {
			if units[u] == nil {
				units[u] = map[vedette.AccountID]bool{}
			}
			units[u][s.From] = true
		}
	}
	var chains [][]Wanted
	for i := range found {
		sent(&found[i])
	}
	for _, r := range f.rows {
		sent(&r.Sighting)
	}
	for u := range units {
		if !f.followed[Wanted{Unit: u}] {
			chains = append(chains, []Wanted{{Unit: u}})
		}
	}
	slices.SortFunc(chains, compareChains)
	met, seen, err := f.look(ctx, nil, chains)
	if err != nil {
		return err
	}
	// Confined is a link of which at least half of the senders are these: what mostly others send, a newspaper for instance that somebody tried
	// a message with, leads to its readers.
	senders := map[hunt.Key]map[vedette.AccountID]bool{}
	count := func(s *hunt.Sighting) {
		if u := s.Unit(); u != 0 && (s.Act == hunt.Sent || s.Act == hunt.Posted) {
			if senders[u] == nil {
				senders[u] = map[vedette.AccountID]bool{}
			}
			senders[u][s.From] = true
		}
	}
	for i := range found {
		count(&found[i])
	}
	for i := range seen {
		count(&seen[i])
	}
	confined := func(u hunt.Key) bool { return 2*len(units[u]) >= len(senders[u]) }
	too, common := map[hunt.Key]bool{}, map[hunt.Key]bool{}
	for i := range found {
		u := found[i].Unit()
		if !confined(u) {
			common[u] = true
			continue
		}
		if len(met[Wanted{Unit: u}]) > Rarity {
			too[u] = true
			continue
		}
		if err := f.add(ctx, row{Sighting: found[i], other: true}); err != nil {
			return err
		}
	}
	f.leave("link", "another link of a sender, which more than 64 people have met", int64(len(too)))
	f.leave("link", "another link of a sender, which mostly others send", int64(len(common)))
	for _, c := range chains {
		if w := c[0]; len(units[w.Unit]) >= 2 && len(met[w]) <= Rarity && confined(w.Unit) {
			f.followed[w] = true
		}
	}
	// Of a link that is not followed, what its recipients did with it belongs here all the same: they saw it, opened it, sent it on.
	got := map[hunt.Key]map[vedette.AccountID]bool{}
	hold := func(s *hunt.Sighting) {
		if s.URL != 0 && !s.To.IsZero() {
			if got[s.URL] == nil {
				got[s.URL] = map[vedette.AccountID]bool{}
			}
			got[s.URL][s.To] = true
		}
	}
	for i := range found {
		if u := found[i].Unit(); !too[u] && !common[u] {
			hold(&found[i])
		}
	}
	for i := range seen { // in order of time, so that who got it from a recipient is one too
		s := &seen[i]
		who := s.From
		if s.Act == hunt.Previewed || s.Act == hunt.Opened {
			who = s.To
		}
		theirs := s.Act != hunt.Reported && got[s.URL][who]
		switch {
		case f.follows(s):
		case theirs:
			hold(s)
		default:
			continue
		}
		if err := f.add(ctx, row{Sighting: *s, other: theirs && !f.follows(s)}); err != nil {
			return err
		}
	}
	return nil
}

// role is what a person did in the campaign.
type role uint8

const (
	none      role = iota
	target         // was sent it, saw it, opened it, or reported it
	forwarder      // a target who sent it on
	member         // of a sender's cell, and sent nothing that was seen
	sender
)

// person is what the rows say of one account.
type person struct {
	id          vedette.AccountID
	role        role
	seed        bool // in a message of the incident
	core        int  // followed links sent
	other       int
	sent, got   []*row
	first, last time.Time // of what made the role
}

// people reads everybody's part from the rows.
//
// Somebody who sends a link that he had been sent before is a target who forwards, not a sender. He is a sender all the same when he shares
// what cells share with a sender, or when he spread two links of his own making under it: links that nobody had sent him, to two people.
// It spares those who pass a link on to ask whether it is real; it costs senders who rehearsed with the very link, on nothing in common.
func (f *search) people() map[vedette.AccountID]*person {
	ps := map[vedette.AccountID]*person{}
	at := func(a vedette.AccountID) *person {
		if ps[a] == nil {
			ps[a] = &person{id: a}
		}
		return ps[a]
	}
	for _, r := range f.sorted() {
		// Who is reported is only said to have sent it. What a recipient's client says of the sender counts where the sending was seen.
		if (r.Act == hunt.Sent || r.Act == hunt.Posted) && !r.From.IsZero() {
			p := at(r.From)
			p.sent, p.seed = append(p.sent, r), p.seed || r.seed
			if r.other {
				p.other++
			} else {
				p.core++
			}
		}
		if !r.To.IsZero() && r.To != r.From {
			p := at(r.To)
			p.got, p.seed = append(p.got, r), p.seed || r.seed
		}
	}
	for a := range f.cell.members {
		at(a)
	}
	for _, p := range ps {
		p.role = f.roleOf(p)
		span := p.got
		if p.role == sender || len(span) == 0 {
			span = p.sent
		}
		for _, r := range span {
			p.first, p.last = earlier(p.first, r.At), later(p.last, r.At)
		}
	}
	return ps
}

func (f *search) roleOf(p *person) role {
	_, tied := f.cell.members[p.id]
	if len(p.sent) == 0 {
		switch {
		case tied:
			return member
		case len(p.got) > 0:
			return target
		}
		return none
	}
	if tied || len(p.got) == 0 {
		return sender
	}
	since := map[place]*row{}
	urls := map[hunt.Key]bool{}
	for _, g := range p.got {
		if pl := f.place(&g.Sighting); since[pl] == nil {
			since[pl] = g
		}
		urls[g.URL] = true
	}
	made, to := map[hunt.Key]bool{}, map[vedette.AccountID]bool{}
	for _, s := range p.sent {
		if s.other {
			continue
		}
		if g := since[f.place(&s.Sighting)]; g == nil || before(s.Sighting, g.Sighting) < 0 {
			return sender
		}
		if s.URL != 0 && !urls[s.URL] {
			made[s.URL], to[s.To] = true, true
		}
	}
	if len(made) >= 2 && len(to) >= 2 {
		return sender
	}
	return forwarder
}

// followable returns the senders that are asked about, the strongest first: those of the incident, then who sent most, then who began.
func (f *search) followable(ps map[vedette.AccountID]*person) []vedette.AccountID {
	var list []*person
	for _, p := range ps {
		if p.role == sender || p.role == member {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, f.stronger)
	var out []vedette.AccountID
	for _, p := range list[:min(len(list), f.b.Accounts)] {
		out = append(out, p.id)
	}
	return out
}

func (f *search) stronger(a, b *person) int {
	rank := func(p *person) int {
		n := 0
		if p.role == sender {
			n = 2
		}
		if p.seed {
			n++
		}
		return n
	}
	return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.core, a.core), cmp.Compare(f.cell.members[b.id].bits, f.cell.members[a.id].bits),
		a.first.Compare(b.first), bytes.Compare(a.id[:], b.id[:]))
}

// place is the node that a sighting's link belongs to: a name that is known, by its place in names and one, or a key.
type place struct {
	name int
	key  hunt.Key
}

func (f *search) place(s *hunt.Sighting) place {
	for _, w := range covers(s) {
		if i, ok := f.named[w]; ok && w.Unit != 0 {
			return place{name: i + 1}
		}
	}
	if s.Shape.Flags.Has(vedette.ShapeSharedHost) {
		return place{key: cmp.Or(s.Tenant, s.URL, s.Host)}
	}
	return place{key: cmp.Or(s.Host, s.Domain, s.URL, s.Tenant)}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
