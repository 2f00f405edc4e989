// Package population keeps what the slow watch must know of everybody: how old an account is, whom it knows, what it shares with others, which new links it met.
//
// In:     events of one or more partitions, each partition in any order within Lateness, each event as often as it comes.
// Out:    the events once more in one order, of time and then of id, to Watchers; and between them ticks of event time, with the state as it is then.
// Keeps:  310 to 340 bytes for an ordinary account, and the rehearsal watch 60 more (vedette range cost), at most MaxTies acquaintances each; what 90 days did not touch is dropped. No
//
//	name, no text.
//
// Fails:  an event that comes later than Lateness is taken as if it had happened at the earliest moment that is still open, and counted. A saved state that
//
//	was changed is refused.
//
// Source: docs/decisions/0023-rehearsal.md
package population

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vedette"
)

// Lateness is how much later than others an event may come without changing anything.
const Lateness = 10 * time.Minute

// The bounds of what is kept.
const (
	MaxTies    = 16 // acquaintances of one account
	maxShared  = 24 // accounts that are named with a thing that they share
	maxUsers   = 40 // accounts that are named with a new link
	maxURLs    = 8  // different links of one new domain that are told apart
	maxThings  = 12 // things of one account
	maxDomains = 12 // new domains of one account
	Quiet      = 90 * 24 * time.Hour
	Fresh      = 21 * 24 * time.Hour // a domain is new so long
	Silence    = 14 * 24 * time.Hour // an account that comes back after it wakes anew
)

// Config says how events come.
type Config struct {
	// Partitions is how many orders of events come side by side. Default 1; at most 64.
	Partitions int
	// Tick is the time between two looks at everything. Default 6h; 1h to 7 days.
	Tick time.Duration
	// Settling is how long after the first event everything that is met counts as known before. Default 7 days.
	Settling time.Duration
}

func (c Config) withDefaults() Config {
	c.Partitions = cmp.Or(c.Partitions, 1)
	c.Tick = cmp.Or(c.Tick, 6*time.Hour)
	c.Settling = cmp.Or(c.Settling, 7*24*time.Hour)
	return c
}

// Validate names what is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Partitions < 1 || c.Partitions > 64:
		return fmt.Errorf("population.partitions: %d is not 1 to 64: %w", c.Partitions, vedette.ErrInvalid)
	case c.Tick < time.Hour || c.Tick > 7*24*time.Hour:
		return fmt.Errorf("population.tick: %s is not 1h to 168h: %w", c.Tick, vedette.ErrInvalid)
	case c.Settling < 0 || c.Settling > 90*24*time.Hour:
		return fmt.Errorf("population.settling: %s is not 0 to 2160h: %w", c.Settling, vedette.ErrInvalid)
	}
	return nil
}

// Watcher looks at the events in their one order. It must not keep what it is given.
type Watcher interface {
	// Before is told an event before the state takes it: what the state says is what was known when it happened.
	Before(s *State, e *Event)
	// Tick is told that event time has reached at, after every earlier event.
	Tick(s *State, at time.Time)
}

// Event is what is used of a platform's event.
type Event struct {
	At        time.Time
	ID        vedette.EventID
	Kind      vedette.Kind
	Actor     vedette.AccountID
	Peer      vedette.AccountID // recipient, subject, member, sender of an opened link, whoever was looked up
	Group     vedette.GroupID
	Size      uint16 // of the group
	Device    vedette.DeviceID
	Build     uint32
	Network   vedette.Network
	Number    vedette.Number
	Attest    vedette.Attestation
	Returned  vedette.Tri
	Stranger  vedette.Tri
	HasLink   vedette.Tri
	Count     uint16
	Forwarded uint8
	Lookup    vedette.LookupWay
	Join      vedette.JoinWay
	Category  vedette.ReportCategory
	Links     []vedette.Link
	ms        int64
}

func (a *Event) order(b *Event) int {
	if c := cmp.Compare(a.ms, b.ms); c != 0 {
		return c
	}
	return slices.Compare(a.ID[:], b.ID[:])
}

// Counts says what became of the events.
type Counts struct {
	Taken  uint64 `json:"taken"`
	Late   uint64 `json:"late"`   // came later than Lateness
	Twice  uint64 `json:"twice"`  // had the time and id of the one before
	Silent uint64 `json:"silent"` // kinds that say nothing to the watch
}

// Population puts events in order and keeps the state. It is for one goroutine.
type Population struct {
	cfg      Config
	watchers []Watcher
	state    *State
	heads    []int64           // by partition, the latest time that was seen, ms
	buckets  map[int64][]Event // by minute
	free     [][]Event
	next     int64 // the earliest minute that is open
	tick     int64 // the next tick, ms
	counts   Counts
}

// New makes an empty population. Its error wraps vedette.ErrInvalid.
func New(cfg Config, watchers ...Watcher) (*Population, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Population{cfg: cfg, watchers: watchers, state: newState(cfg), heads: make([]int64, cfg.Partitions), buckets: map[int64][]Event{}, next: -1}, nil
}

// State is the state as of the last event that was taken.
func (p *Population) State() *State { return p.state }

// Counts says what became of the events so far.
func (p *Population) Counts() Counts { return p.counts }

const minute = int64(time.Minute / time.Millisecond)

// Take takes an event of a partition. The event is the caller's again when it returns.
func (p *Population) Take(partition int, e *vedette.Event) {
	ms := e.At.UnixMilli()
	p.heads[partition] = max(p.heads[partition], ms)
	m := ms / minute
	if p.next < 0 {
		p.next = m - int64(Lateness/time.Minute)
	}
	if m < p.next {
		p.counts.Late++
		m = p.next
		ms = m * minute
	}
	b, ok := p.buckets[m]
	if !ok && len(p.free) > 0 {
		b, p.free = p.free[len(p.free)-1], p.free[:len(p.free)-1]
	}
	if n := len(b); n < cap(b) {
		b = b[:n+1] // the links' room of an event that stood here is used again
	} else {
		b = append(b, Event{})
	}
	x := &b[len(b)-1]
	if x.read(e); x.Kind == 0 {
		p.counts.Silent++
		b = b[:len(b)-1]
	} else {
		x.ms, x.At = ms, time.UnixMilli(ms).UTC()
	}
	p.buckets[m] = b
	low := slices.Min(p.heads)
	if open := (low - int64(Lateness/time.Millisecond)) / minute; open > p.next {
		p.drain(open)
	}
}

// Reached tells that a partition has nothing before at any more, also where it has no events.
func (p *Population) Reached(partition int, at time.Time) {
	p.heads[partition] = max(p.heads[partition], at.UnixMilli())
	if open := (slices.Min(p.heads) - int64(Lateness/time.Millisecond)) / minute; open > p.next && p.next >= 0 {
		p.drain(open)
	}
}

// End takes everything that still waits and ticks up to at. Use it where nothing comes any more: what comes after it and is earlier than at is late.
func (p *Population) End(at time.Time) {
	for m := range p.buckets {
		at = time.UnixMilli(max(at.UnixMilli(), (m+1)*minute))
	}
	for i := range p.heads {
		p.heads[i] = max(p.heads[i], at.UnixMilli())
	}
	if p.next < 0 {
		return
	}
	p.drain(at.UnixMilli() / minute)
	p.ticks(at.UnixMilli())
}

// drain takes the events of all minutes before open.
func (p *Population) drain(open int64) {
	for ; p.next < open; p.next++ {
		b, ok := p.buckets[p.next]
		if !ok {
			if len(p.buckets) == 0 {
				p.next = open
				break
			}
			continue
		}
		delete(p.buckets, p.next)
		slices.SortFunc(b, func(x, y Event) int { return x.order(&y) })
		for i := range b {
			e := &b[i]
			if i > 0 && b[i-1].order(e) == 0 {
				p.counts.Twice++
				continue
			}
			p.ticks(e.ms)
			p.counts.Taken++
			for _, w := range p.watchers {
				w.Before(p.state, e)
			}
			p.state.apply(e)
		}
		if len(p.free) < 32 {
			p.free = append(p.free, b[:0])
		}
	}
}

// ticks ticks up to a time.
func (p *Population) ticks(ms int64) {
	every := p.cfg.Tick.Milliseconds()
	if p.tick == 0 {
		p.tick = ms - ms%every + every
	}
	for ; p.tick <= ms; p.tick += every {
		at := time.UnixMilli(p.tick).UTC()
		p.state.tick(at)
		for _, w := range p.watchers {
			w.Tick(p.state, at)
		}
	}
}

// read takes over what is used of an event. Kind stays 0 for what says nothing to the watch.
func (x *Event) read(e *vedette.Event) {
	*x = Event{ID: e.ID, Kind: e.Kind(), Actor: e.Actor, Links: x.Links[:0]}
	switch b := e.Body.(type) {
	case *vedette.AccountRegistered:
		x.Device, x.Build, x.Network, x.Number, x.Attest, x.Returned = b.Device, b.Build, b.Network, b.Number, b.Attestation, b.Returned
	case *vedette.AccountSeen:
		x.Device, x.Network = b.Device, b.Network
	case *vedette.AccountDeleted, *vedette.AccountRestored, *vedette.DeviceUnlinked:
	case *vedette.DeviceLinked:
		x.Device, x.Network = b.Device, b.Network
	case *vedette.GroupCreated:
		x.Group, x.Size = b.Group, b.Size
	case *vedette.GroupJoined:
		x.Group, x.Peer, x.Join, x.Size = b.Group, b.Member, b.By, b.Size
	case *vedette.GroupLeft:
		x.Group, x.Peer = b.Group, b.Member
	case *vedette.GroupDeleted:
		x.Group = b.Group
	case *vedette.MessageSent:
		x.Peer, x.Group, x.Size, x.Count, x.Forwarded, x.HasLink, x.Stranger = b.To.Account, b.To.Group, b.To.Size, max(b.Count, 1), b.Forwarded, b.HasLink, b.Stranger
	case *vedette.LinkSent:
		x.Peer, x.Group, x.Size, x.Count, x.Forwarded, x.HasLink, x.Stranger = b.To.Account, b.To.Group, b.To.Size, 1, b.Forwarded, vedette.Yes, b.Stranger
		x.Links = append(x.Links, b.Links...)
	case *vedette.LinkPreviewed:
		x.Peer, x.Group = b.From, b.Group
		x.Links = append(x.Links, b.Links...)
	case *vedette.LinkOpened:
		x.Peer, x.Group = b.From, b.Group
		x.Links = append(x.Links, b.Links...)
	case *vedette.NumberLookedUp:
		x.Peer, x.Lookup = b.Target, b.Via
	case *vedette.UserBlocked:
		x.Peer = b.Subject
	case *vedette.UserUnblocked:
		x.Peer = b.Subject
	case *vedette.UserReported:
		x.Peer, x.Category = b.Subject, b.Category
	default:
		x.Kind = 0 // profiles, ticks, generations
	}
}
