package casefile

import (
	"context"
	"time"

	"vedette"
)

// Change is what a Store keeps at once.
type Change struct {
	Report *Report // replaces what stands under its id, its links with it
	Cases  []Case  // as they are from now on; Version is that of the row to replace, plus one: 1 is a new case
	Steps  []Step
	Voices []Voice // replace those of the same case and speaker
}

// Filter says which cases to list.
type Filter struct {
	Tenant vedette.Tenant // "": all
	States []State        // none: all but the closed ones
	Limit  int            // 0: 40, what a person can look at; at most 1000
	Skip   int
}

// Store keeps reports and cases. It is safe for concurrent use. Times are kept in milliseconds, UTC. Its errors wrap vedette.ErrUnavailable where
// none is named. Slices that it takes and gives are the caller's.
type Store interface {
	// Keep keeps all of a change, durable when it returns, or nothing. Its error wraps vedette.ErrConflict when a case has not the version
	// before the one given, or has the step already.
	Keep(ctx context.Context, c Change) error

	// Report returns a report. Its error wraps vedette.ErrUnknown.
	Report(ctx context.Context, t vedette.Tenant, id vedette.EventID) (Report, error)
	// Case returns a case. Its error wraps vedette.ErrUnknown.
	Case(ctx context.Context, id ID) (Case, error)
	// Steps returns a case's log, in order; none for a case that is not there.
	Steps(ctx context.Context, id ID) ([]Step, error)
	// Voice returns how much somebody counts in a case; 0: not at all.
	Voice(ctx context.Context, id ID, who [17]byte) (Voices, error)
	// Reports returns the reports with a link in a case, by Taken and id, after skipping some, at most limit.
	Reports(ctx context.Context, id ID, skip, limit int) ([]Report, error)
	// Hosts returns the hosts of a case's links, with how many reports named each, most reported first, then by name; those of no host are left
	// out. shared: only by reports whose reporters agreed.
	Hosts(ctx context.Context, id ID, shared bool) ([]Counted, error)
	// List returns cases by weight, heaviest first, then by Opened, oldest first, then by id. Limit is at least 1.
	List(ctx context.Context, f Filter) ([]Case, error)

	// Erase takes an account out: its reports lose the reporter and what was opened, reports about it lose the subject and what was opened, and
	// voices lose the name. What was counted stays. Durable when it returns; it tells how many reports were changed.
	Erase(ctx context.Context, t vedette.Tenant, a vedette.AccountID) (int, error)
	// Expire does the same to both people of every report taken before a time whose cases are all closed, or that has none.
	Expire(ctx context.Context, before time.Time) (int, error)
}
