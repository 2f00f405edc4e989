// Package world plays a made-up platform for weeks: ordinary people, teams that look unusual and are harmless, and operators who rehearse and then attack.
//
// In:     a scenario (docs/formats/scenario.md) and a seed.
// Out:    events in order of time, as the words of the house or on the wire (docs/formats/event.md), and the truth beside them. Made-up names alone.
// Keeps:  at most 64 bytes for each account; of events no more than those of three hours, and what is known to follow later.
// Fails:  on a scenario that says what cannot be, naming each field; the same scenario and seed give the same bytes, always.
// Source: docs/decisions/0022-range.md
package world
