package sequence

import (
	"vedette"
	"vedette/record/journal"
)

// rotate is after how many events the recent ones are set aside: enough that a caller's own look-up is seldom older.
const rotate = 32768

// key is what makes an event the same event.
type key struct {
	tenant vedette.Tenant
	id     vedette.EventID
}

// ref is where a recent event stands.
type ref struct {
	fate  *fate
	entry int
}

// recent knows the ids of the last 32,768 to 65,536 events, durable or not: what a caller's look-up in the journal may have missed.
type recent struct {
	young, old map[key]ref
	from       journal.Position // everything after it is in young or old
	boundary   journal.Position // everything after it is in young
	newest     journal.Position
	generation vedette.GenerationID // last recorded, durable or not
}

func newRecent(last journal.Position, g vedette.GenerationID) recent {
	return recent{young: make(map[key]ref), from: last, boundary: last, newest: last, generation: g}
}

func (r *recent) add(k key, at journal.Position, to ref) {
	if len(r.young) >= rotate {
		r.old, r.young = r.young, make(map[key]ref, rotate)
		r.from, r.boundary = r.boundary, r.newest
	}
	r.young[k] = to
	r.newest = at
}

func (r *recent) get(k key) (ref, bool) {
	if to, ok := r.young[k]; ok {
		return to, true
	}
	to, ok := r.old[k]
	return to, ok
}

// covers tells whether every event after the position is known here.
func (r *recent) covers(after journal.Position) bool { return !after.Less(r.from) }
