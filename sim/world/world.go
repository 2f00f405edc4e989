// Package world plays a made-up platform for weeks: ordinary people, teams that look unusual and are harmless, and operators who rehearse and then attack.
//
// In:     a scenario (docs/formats/scenario.md) and a seed.
// Out:    events in order of time, as the words of the house or on the wire (docs/formats/event.md), and the truth beside them. Metadata and made-up
//
//	names alone.
//
// Keeps:  a few dozen bytes for each account; of events no more than those of the hour that is played.
// Fails:  on a scenario that says what cannot be, naming each field; the same scenario and seed give the same bytes, always.
// Source: docs/decisions/0022-range.md
package world
