// Package journal keeps every event with its decision, in order, for all who look back.
//
// In:     frames of entries from one sequencer for each partition.
// Out:    the same entries, in the same order, to any number of followers, each at its own pace.
// Keeps:  entries until retention ends and every follower has passed them; the ids of 24 hours for finding duplicates.
// Fails:  Append is all or nothing and durable when it returns nil; a damaged frame is named by position and never skipped in silence.
// Source: docs/formats/frame.md, docs/decisions/0003-journal.md
package journal

import (
	"context"
	"fmt"
	"iter"
	"time"

	"vedette"
)

// MaxFrame is how many entries a frame holds at most.
const MaxFrame = 256

// Position is a place in one partition's order. Frames count from 1; the zero position is before everything.
type Position struct {
	Frame uint64
	Index uint16
}

// Less tells whether p comes before q.
func (p Position) Less(q Position) bool {
	return p.Frame < q.Frame || p.Frame == q.Frame && p.Index < q.Index
}

func (p Position) String() string { return fmt.Sprintf("%d/%d", p.Frame, p.Index) }

// Entry is one event with what was measured and what was decided.
type Entry struct {
	Position Position
	Event    vedette.Event
	Measures []vedette.Measures // one for each link, at least one for a platform's event; none for the journal's own
	Decision vedette.Decision
}

// Errors of the room.
var (
	ErrDamaged = fmt.Errorf("journal: damaged: %w", vedette.ErrUnavailable) // a frame's bytes are not what was written
	ErrPurged  = fmt.Errorf("journal: purged: %w", vedette.ErrUnknown)      // before the retained range
	ErrClosed  = fmt.Errorf("journal: closed: %w", vedette.ErrUnavailable)
)

// Journal is one partition's order on some storage. It has one writer and many readers.
type Journal interface {
	// Append writes frames that directly follow the last one. Either all of them are durable when it returns nil, or none will ever
	// be read: an error says that nothing was kept. Each frame holds 1 to MaxFrame entries whose positions Append does not change.
	Append(ctx context.Context, frames ...[]Entry) error

	// Find returns the entry of an event that was seen in the 24 hours before seen, or at any time when seen is zero.
	// Its error wraps vedette.ErrUnknown when there is none.
	Find(ctx context.Context, tenant vedette.Tenant, id vedette.EventID, seen time.Time) (Entry, error)

	// Read yields entries from the given position on, to the last one durable when it began. The entry belongs to the caller;
	// a damaged frame is yielded as an error that wraps ErrDamaged and names the frame, and ends the reading.
	Read(ctx context.Context, from Position) iter.Seq2[Entry, error]

	// Last returns the position of the last durable entry, or zero. First returns the first retained one, or zero.
	Last() Position
	First() Position

	// Wait blocks until an entry after the given position is durable, or ctx ends.
	Wait(ctx context.Context, after Position) error

	// SaveState keeps a named piece of a follower's or of the gate's memory with the position that it includes, durable when it returns.
	// LoadStates returns all pieces whose name begins with prefix, by name.
	SaveState(ctx context.Context, name string, at Position, data []byte) error
	LoadStates(ctx context.Context, prefix string) ([]State, error)

	// Purge forgets entries of frames before the given one. The caller has asked retention and every follower.
	Purge(ctx context.Context, before uint64) error
}

// State is a saved piece of memory and the last position whose effect it includes.
type State struct {
	Name string
	At   Position
	Data []byte
}

// Follower is the one shape for everything slow.
type Follower interface {
	// Name is the follower's own, constant: its place in the journal is kept under it.
	Name() string
	// Follow takes entries in order, each at least once. It owns the slice until it returns. Its error stops the follower, not the journal.
	Follow(ctx context.Context, entries []Entry) error
}
