// Package hunt asks the past what it did not know when it happened.
//
// In:     journal entries, in order; indicators with a window; permits.
// Out:    for nobody in particular: none, some, or 10 and more; for two people with a case: sightings, who was reached, first and last.
// Keeps:  through History, rare links of first contacts for 90 days; through a Ledger, what was asked.
// Fails:  errors wrap the kinds of package vedette; a part of history that cannot be read is named, and the rest is served.
// Source: docs/decisions/0015-hunt.md, docs/formats/history.md
package hunt
