package hunt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vedette"
)

// Count is how many people were reached, as far as it is told without a permit. Zero: it was not answered.
type Count uint8

// The counts.
const (
	Unanswered Count = iota
	None             // the past has nothing of it
	Some             // there is something; fewer than ten people got it, or nobody in particular
	TenAndMore       // ten people or more got it
)

func (c Count) String() string {
	return [...]string{"unanswered", "none", "some", "10 and more"}[min(c, TenAndMore)]
}

// MarshalText writes the name.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the name. Its error wraps vedette.ErrInvalid.
func (c *Count) UnmarshalText(b []byte) error {
	for x := Unanswered; x <= TenAndMore; x++ {
		if x.String() == string(b) {
			*c = x
			return nil
		}
	}
	return fmt.Errorf("hunt: count %q: none, some or 10 and more: %w", b, vedette.ErrInvalid)
}

// What is the kind of an entry of the ledger. The set is closed.
type What string

// The kinds.
const (
	WhatAsk    What = "ask"
	WhatAgain  What = "again" // an earlier ask, repeated
	WhatNew    What = "new"   // new indicators were asked of the past, by the house
	WhatStand  What = "stand" // a standing hunt was begun
	WhatEnd    What = "end"   // a standing hunt was ended
	WhatHit    What = "hit"   // a standing hunt met something
	WhatReveal What = "reveal"
	WhatKeep   What = "keep"
)

// Entry is one question to the past, or a refusal of one. It names staff, cases and hosts, never a person on the platform.
type Entry struct {
	ID       string         `json:"id"` // "hunt_" and 16 hexadecimal digits
	At       time.Time      `json:"at"` // milliseconds, UTC
	What     What           `json:"what"`
	Tenant   vedette.Tenant `json:"tenant"`
	Question vedette.Digest `json:"question"`
	Text     []byte         `json:"-"`       // the canonical question; nil when it was too long ago
	Names    int            `json:"names"`   // that were asked
	Refused  int            `json:"refused"` // that were not
	By       string         `json:"by"`      // who asked: staff, or "vedette"
	Case     string         `json:"case,omitzero"`
	Given    bool           `json:"given"`
	Why      string         `json:"why,omitzero"` // when not given
	Found    Count          `json:"found"`        // what was answered; of asks alone
	Of       string         `json:"of,omitzero"`  // the hunt that was repeated, ended, or met something
}

// Spent is what one given question cost of the allowance.
type Spent struct {
	At    time.Time
	Names int
}

// Standing is a question that is also asked of what is still to come.
type Standing struct {
	ID       string         `json:"id"` // of the entry that began it
	Tenant   vedette.Tenant `json:"tenant"`
	Question vedette.Digest `json:"question"`
	Text     []byte         `json:"-"`
	By       string         `json:"by"`
	From     time.Time      `json:"from"`
	Until    time.Time      `json:"until"`
	Ended    time.Time      `json:"ended,omitzero"` // by hand; zero: not
}

// Kept is a sealed copy of found sightings, for a case: a permit in that case opens it (vault.Unbox), and ParseKept reads it.
type Kept struct {
	ID        string         `json:"id"` // of the hunt that copied it
	Part      int            `json:"part"`
	Tenant    vedette.Tenant `json:"tenant"`
	Case      string         `json:"case"`
	Question  vedette.Digest `json:"question"`
	Name      string         `json:"name"` // of the box
	At        time.Time      `json:"at"`
	Until     time.Time      `json:"until"` // it is gone then
	Sightings int            `json:"sightings"`
	Box       []byte         `json:"-"`
}

// Ledger keeps what was asked of the past. It is safe for concurrent use; what it returns belongs to the caller; times are kept in
// milliseconds. Everything is durable when a method returns nil; errors wrap the kinds of package vedette.
type Ledger interface {
	// Add keeps an entry. Its error wraps vedette.ErrConflict when the id is taken.
	Add(ctx context.Context, e Entry) error
	// Answer notes what was answered, once. Its error wraps vedette.ErrUnknown, or ErrConflict when it was noted already.
	Answer(ctx context.Context, id string, found Count) error
	// Entry returns one entry. Its error wraps vedette.ErrUnknown.
	Entry(ctx context.Context, id string) (Entry, error)
	// Entries returns a tenant's entries since a time, in order of Add, at most limit of them.
	Entries(ctx context.Context, t vedette.Tenant, since time.Time, limit int) ([]Entry, error)
	// Spent returns what a tenant's given questions (ask, again, stand) cost since a time, by time.
	Spent(ctx context.Context, t vedette.Tenant, since time.Time) ([]Spent, error)

	// Stand begins a standing hunt. Standing returns those not ended by hand, by id, over ones too until Expire takes them.
	Stand(ctx context.Context, s Standing) error
	Standing(ctx context.Context) ([]Standing, error)
	// End ends one by hand. Its error wraps vedette.ErrUnknown when there is none, or it has ended.
	End(ctx context.Context, id string, at time.Time) error
	// Met notes that a standing hunt was told of a day; HasMet tells whether that was noted.
	Met(ctx context.Context, id string, day time.Time) error
	HasMet(ctx context.Context, id string, day time.Time) (bool, error)

	// Keep keeps sealed copies, all or none. Kept returns a case's, by id and part.
	Keep(ctx context.Context, list []Kept) error
	Kept(ctx context.Context, t vedette.Tenant, matter string) ([]Kept, error)

	// Expire takes out what has ended by at: sealed copies and standing hunts over their term, and the texts of questions before textsBefore that no standing
	// hunt needs. Entries stay. It tells how many things went.
	Expire(ctx context.Context, at, textsBefore time.Time) (int64, error)
}

// NewLedger returns an empty ledger that lives as long as the process.
func NewLedger() Ledger {
	return &notebook{places: map[string]int{}, standing: map[string]Standing{}, met: map[string]map[int64]bool{}}
}

type notebook struct {
	mu       sync.Mutex
	entries  []Entry
	places   map[string]int
	standing map[string]Standing
	met      map[string]map[int64]bool
	kept     []Kept
}

func (n *notebook) Add(_ context.Context, e Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.places[e.ID]; ok {
		return fmt.Errorf("hunt: entry %s: %w", e.ID, vedette.ErrConflict)
	}
	e.At, e.Text = milli(e.At), slices.Clone(e.Text)
	n.places[e.ID] = len(n.entries)
	n.entries = append(n.entries, e)
	return nil
}

func (n *notebook) Answer(_ context.Context, id string, found Count) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.places[id]
	switch {
	case !ok:
		return fmt.Errorf("hunt: entry %q: %w", id, vedette.ErrUnknown)
	case n.entries[i].Found != Unanswered:
		return fmt.Errorf("hunt: entry %s was answered: %w", id, vedette.ErrConflict)
	}
	n.entries[i].Found = found
	return nil
}

func (n *notebook) Entry(_ context.Context, id string) (Entry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, ok := n.places[id]
	if !ok {
		return Entry{}, fmt.Errorf("hunt: entry %q: %w", id, vedette.ErrUnknown)
	}
	e := n.entries[i]
	e.Text = slices.Clone(e.Text)
	return e, nil
}

func (n *notebook) Entries(_ context.Context, t vedette.Tenant, since time.Time, limit int) (out []Entry, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.entries {
		if e.Tenant == t && !e.At.Before(milli(since)) && len(out) < limit {
			e.Text = slices.Clone(e.Text)
			out = append(out, e)
		}
	}
	return out, nil
}

func (n *notebook) Spent(_ context.Context, t vedette.Tenant, since time.Time) (out []Spent, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.entries {
		if e.Tenant == t && e.Given && !e.At.Before(milli(since)) && (e.What == WhatAsk || e.What == WhatAgain || e.What == WhatStand) {
			out = append(out, Spent{e.At, e.Names})
		}
	}
	slices.SortStableFunc(out, func(a, b Spent) int { return a.At.Compare(b.At) })
	return out, nil
}

func (n *notebook) Stand(_ context.Context, s Standing) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.standing[s.ID]; ok {
		return fmt.Errorf("hunt: standing hunt %s: %w", s.ID, vedette.ErrConflict)
	}
	s.From, s.Until, s.Text = milli(s.From), milli(s.Until), slices.Clone(s.Text)
	n.standing[s.ID] = s
	return nil
}

func (n *notebook) Standing(context.Context) (out []Standing, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.standing {
		if s.Ended.IsZero() {
			s.Text = slices.Clone(s.Text)
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Standing) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (n *notebook) End(_ context.Context, id string, at time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.standing[id]
	if !ok || !s.Ended.IsZero() {
		return fmt.Errorf("hunt: standing hunt %q: %w", id, vedette.ErrUnknown)
	}
	s.Ended = milli(at)
	n.standing[id] = s
	return nil
}

func (n *notebook) Met(_ context.Context, id string, day time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.met[id] == nil {
		n.met[id] = map[int64]bool{}
	}
	n.met[id][day.Unix()/86400] = true
	return nil
}

func (n *notebook) HasMet(_ context.Context, id string, day time.Time) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.met[id][day.Unix()/86400], nil
}

func (n *notebook) Keep(_ context.Context, list []Kept) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range list {
		if slices.ContainsFunc(n.kept, func(o Kept) bool { return o.ID == k.ID && o.Part == k.Part }) {
			return fmt.Errorf("hunt: sealed copy %s/%d: %w", k.ID, k.Part, vedette.ErrConflict)
		}
	}
	for _, k := range list {
		k.At, k.Until, k.Box = milli(k.At), milli(k.Until), slices.Clone(k.Box)
		n.kept = append(n.kept, k)
	}
	slices.SortFunc(n.kept, func(a, b Kept) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Part, b.Part)) })
	return nil
}

func (n *notebook) Kept(_ context.Context, t vedette.Tenant, matter string) (out []Kept, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kept {
		if k.Tenant == t && k.Case == matter {
			k.Box = slices.Clone(k.Box)
			out = append(out, k)
		}
	}
	return out, nil
}

func (n *notebook) Expire(_ context.Context, at, textsBefore time.Time) (gone int64, _ error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.kept)
	n.kept = slices.DeleteFunc(n.kept, func(k Kept) bool { return !at.Before(k.Until) })
	gone = int64(before - len(n.kept))
	for id, s := range n.standing {
		if !at.Before(s.Until) || !s.Ended.IsZero() && !at.Before(s.Ended) {
			delete(n.standing, id)
			delete(n.met, id)
			gone++
		}
	}
	for i := range n.entries {
		e := &n.entries[i]
		if _, stands := n.standing[e.ID]; e.Text != nil && !stands && e.At.Before(textsBefore) {
			e.Text = nil
			gone++
		}
	}
	return gone, nil
}

// milli gives a time as ledgers keep it.
func milli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
