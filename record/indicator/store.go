package indicator

import (
	"context"
	"iter"
	"time"
)

// Changes counts what a Put did.
type Changes struct {
	Added   int // not known before, or revoked before
	Changed int // something about them was new
	Same    int // known like this already: nothing was written
}

// Kept is a value that is not about links, kept as it came, so that an import loses nothing.
type Kept struct {
	Type   string
	Value  string
	Source string
	Ref    string
	Note   string
}

// Change says what a version of an indicator was made by.
type Change uint8

// The changes. Their values are kept: append, never reorder.
const (
	Added Change = iota + 1
	Changed
	Revoked
	Overrode // it stands against the guard by two people's word
)

func (c Change) String() string {
	return [...]string{"", "added", "changed", "revoked", "overridden"}[min(c, Overrode)]
}

// Version is one state in an indicator's history.
type Version struct {
	Indicator
	Change   Change
	Recorded time.Time // when this house learnt it
	Reason   string    // of a revocation
}

// GuardList is an operator's list of popular or shared names, as it was added.
type GuardList struct {
	Name  string
	Kind  ListKind // 0: the list says
	Data  []byte
	Added time.Time
}

// Store keeps indicators with their history, which is only ever appended to. Times are kept in milliseconds. Errors wrap the kinds of
// package vedette; what an iterator yields belongs to the caller.
type Store interface {
	// Put takes indicators in canonical form, all or none. The same value, scope and source again changes what is said about it, and adds a
	// version only if that is something new; its KnownFrom stays the first one.
	Put(ctx context.Context, list []Indicator, at time.Time) (Changes, error)

	// Keep takes values that are not about links. The same again changes nothing.
	Keep(ctx context.Context, list []Kept, at time.Time) error
	// CountKept returns how many there are, by type.
	CountKept(ctx context.Context) (map[string]int, error)

	// Revoke ends an indicator from at on. Its error wraps vedette.ErrUnknown when there is none, or it is revoked already.
	Revoke(ctx context.Context, key Key, reason string, at time.Time) error

	// Known yields the indicators as they were known at a time, those not revoked by then, in no particular order. The zero time is now:
	// all that is recorded. Expired ones are among them: a Set judges that by the time of the event.
	Known(ctx context.Context, at time.Time) iter.Seq2[Indicator, error]

	// Lookup returns the current state of all indicators of a value, in every scope and of every source, revoked ones too.
	Lookup(ctx context.Context, value string) ([]Version, error)

	// History returns an indicator's versions, oldest first. Its error wraps vedette.ErrUnknown when there is none.
	History(ctx context.Context, key Key) ([]Version, error)

	// Count returns the number of live indicators by source.
	Count(ctx context.Context) (map[string]int, error)

	// PutOverride and Overrides keep what two people decided, with its proof; Guard.Allow checks it anew.
	PutOverride(ctx context.Context, o Overridden) error
	Overrides(ctx context.Context) ([]Overridden, error)

	// PutGuardList replaces the list of that name. GuardLists returns all, by name.
	PutGuardList(ctx context.Context, l GuardList) error
	GuardLists(ctx context.Context) ([]GuardList, error)
}
