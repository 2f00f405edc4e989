// Package sequence puts the events of one partition in one order: each is measured, decided, applied to memory and kept, and only then answered.
//
// In:     arrivals from the doors, any number at a time.
// Out:    for each the decision, once its frame is durable.
// Keeps:  the gate's memory, whose segments it saves in turn beside the journal.
// Fails:  Submit says ErrBusy when the queue is full and ErrUnavailable when the journal could not keep the event: then there is no verdict.
// Source: docs/decisions/0001-sequencer.md
package sequence

import (
	"context"

	"vedette"
	"vedette/link"
	"vedette/record/journal"
)

// Arrival is one event at the door, read and sealed.
type Arrival struct {
	Event     vedette.Event
	Links     []link.URL       // in the order of Event.Links(); nil where only tokens are known
	Missing   vedette.Degraded // what the door already knows to be missing
	Hindsight bool             // a replay that judges the past with what is known now
}

// Outcome is what became of an arrival.
type Outcome struct {
	Decision  vedette.Decision
	Position  journal.Position
	Duplicate bool // the event was known: Decision is the recorded one
	// Err says why there is no decision. It wraps vedette.ErrConflict (the id is known with other bytes), ErrBusy (the queue is full; nothing
	// was taken), or ErrUnavailable (the journal or the vault failed; the adapter takes its fallback).
	Err error
}

// Gate is what a door needs.
type Gate interface {
	// Submit takes arrivals and returns one outcome for each, in their order, when all are durable or failed. Events of one call keep
	// their order. It blocks until then; when ctx ends first, events already taken are still decided and kept.
	Submit(ctx context.Context, arrivals []Arrival) []Outcome
}
