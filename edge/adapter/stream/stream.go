// Package stream lets a platform read what has changed, in order, from where it stood.
//
// In:     changes from an outbox; a cursor.
// Out:    NDJSON, one change a line, and a wait for the next.
// Keeps:  nothing.
// Fails:  an unknown cursor is refused by name; a slow reader holds up nobody.
// Source: docs/decisions/0020-after-delivery.md, docs/formats/changed.md
package stream
