package hunt

import (
	"context"
	"time"

	"vedette"
	"vedette/record/journal"
)

// Act is what was done with a link.
type Act uint8

// The acts. Their values are part of the history's files: append, never reorder.
const (
	Sent      Act = iota + 1 // delivered, or refused: the verdict says which
	Previewed                // shown to, or about to become tappable for, its recipient
	Opened                   // tapped
	Posted                   // put into a profile, a group's text, or an invite: nobody in particular got it
	Reported                 // named in a report
)

// Key is how history knows a name: the first eight bytes of its token, big-endian; zero is none. Tokens are keyed, so nobody who lacks the key
// can look for two names with one Key; among 100 million names, one foreign name in 10^11 would be found by chance.
type Key uint64

// KeyOf returns a token's key.
func KeyOf(t vedette.Token) Key {
	if t.IsZero() {
		return 0
	}
	var k Key
	for _, b := range t.Bytes[:8] {
		k = k<<8 | Key(b)
	}
	return k
}

// Sighting is one rare link in one first contact. It names people by surrogates and links by keys; it holds nothing else about either.
type Sighting struct {
	At     time.Time // when it happened; milliseconds, UTC
	Act    Act
	Domain Key // registrable domain
	Host   Key
	Tenant Key // the hoster's tenant, on a shared host
	URL    Key
	From   vedette.AccountID // who sent or posted it
	To     vedette.AccountID // who got, saw, opened or reported it; zero when it went to a group, or to nobody
	Group  vedette.GroupID   // zero when it went to a person
	Place  vedette.Place
	Shape  vedette.Shape
	// Verdict is what was answered, Would what would have been, were everything armed.
	Verdict, Would vedette.Verdict
	Established    bool             // From was established (Rules.Established) when it happened
	Position       journal.Position // of the event; its entry tells the rest as long as the journal has it
}

// Unit is the name by which the rarity of a sighting is counted and under which it is kept: the hoster's tenant or the URL on a shared host, else the
// registrable domain, or the host where it has none. Only a link of which nothing was read has none.
func (s *Sighting) Unit() Key {
	shared := s.Shape.Flags&vedette.ShapeSharedHost != 0
	switch {
	case s.Tenant != 0:
		return s.Tenant
	case !shared && s.Domain != 0:
		return s.Domain
	case !shared && s.Host != 0:
		return s.Host
	case s.URL != 0:
		return s.URL
	case s.Host != 0:
		return s.Host
	}
	return s.Domain
}

// Window is a span of time: From is in it, To is not. A zero end is open.
type Window struct{ From, To time.Time }

// Covers tells whether a time is in the window.
func (w Window) Covers(t time.Time) bool {
	return (w.From.IsZero() || !t.Before(w.From)) && (w.To.IsZero() || t.Before(w.To))
}

// Damage names a part of history that could not be read. The rest is served.
type Damage struct {
	File string `json:"file"` // relative to the history's folder
	What string `json:"what"`
}

// Cost is what a question would read, told before it is asked.
type Cost struct {
	Days     int   `json:"days"`     // partitions that would be asked
	Rows     int64 `json:"rows"`     // sightings in them
	Lookups  int64 `json:"lookups"`  // units times files
	Possible int64 `json:"possible"` // look-ups that the filters do not rule out; each reads a few kilobytes
}

// Stats is what history holds, for the inventory.
type Stats struct {
	Sightings int64     `json:"sightings"`
	Bytes     int64     `json:"bytes"`  // on disk, index included
	Memory    int64     `json:"memory"` // bytes of filters and of what is not yet on disk
	Oldest    time.Time `json:"oldest"`
	Newest    time.Time `json:"newest"`
	Damaged   []Damage  `json:"damaged"`
}

// History keeps sightings for a term and finds them by unit. It is safe for concurrent use: one writer, many readers. It has no way to list
// people, and no index by account.
type History interface {
	// Add takes sightings in order, with the position that they reach. They can be found at once; they are durable when Position says so.
	Add(ctx context.Context, sightings []Sighting, upto journal.Position) error
	// Position returns the last position whose sightings are durable, or zero: after a crash, Add is to be given everything after it again.
	Position() journal.Position
	// Flush makes everything durable that was added.
	Flush(ctx context.Context) error

	// Find yields each sighting in the window whose Unit is one of the units, by time, then position, then place in the event, each once; unit is the
	// first place in units of its own. Who looks for a host or a URL asks for the units that it may be kept under, and looks at each. It returns what
	// could not be read. Yielding false ends it.
	Find(ctx context.Context, units []Key, w Window, yield func(unit int, s *Sighting) bool) ([]Damage, error)
	// Cost tells what Find would read.
	Cost(ctx context.Context, units []Key, w Window) (Cost, error)
	// Of yields the sightings in the window that one of the accounts sent or got, in the same order. It reads every row of the window, by
	// design; at most 64 accounts, else its error wraps vedette.ErrTooLarge.
	Of(ctx context.Context, accounts []vedette.AccountID, w Window, yield func(s *Sighting) bool) ([]Damage, error)

	// Erase takes every sighting out in which an account or a group stands, durable when it returns; the bytes are gone from the folder.
	Erase(ctx context.Context, account vedette.AccountID, group vedette.GroupID) (int64, error)
	// Forget takes every sighting of a unit out, durable when it returns: too many established people have met it.
	Forget(ctx context.Context, units []Key) (int64, error)
	// Expire takes out what happened before a time, durable when it returns.
	Expire(ctx context.Context, before time.Time) (int64, error)

	Stats(ctx context.Context) (Stats, error)
}
