// Package response carries out what people approved, once, and can undo it; and tells what has changed since a message was delivered.
//
// In:     approved blocks and recalls, the generation that came of them, sightings of what they cover.
// Out:    changed decisions, in order, to whoever delivers them; each until it was delivered or given up.
// Keeps:  through an Outbox, what is still to be delivered, and what became of it.
// Fails:  an act without its approvals is refused where it would happen; intent is in evidence before, outcome after.
// Source: docs/decisions/0020-after-delivery.md, docs/formats/changed.md
package response
