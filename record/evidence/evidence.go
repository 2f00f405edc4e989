// Package evidence keeps a record that nobody, we included, can alter unseen.
//
// In:     what judges or acts: sealed journal ranges, permits asked, reports, hunts, blocks, approvals.
// Out:    a place in a log whose signed checkpoints anybody can hold us to; proofs; the record again, field by field.
// Keeps:  through a Log, the leaves; beside it, through a Shelf, the salted fields that they commit to.
// Fails:  Append returns only what is in the tree and under a signed checkpoint; its errors wrap vedette.ErrUnavailable or ErrInvalid.
// Source: docs/decisions/0013-evidence-log.md, docs/formats/leaf.md, C2SP tlog-tiles, C2SP tlog-checkpoint
package evidence

import (
	"context"
	"iter"
	"time"

	"vedette"
)

// Kind says what a record is of. The set is closed.
type Kind string

// The kinds.
const (
	KindSeal     Kind = "seal"    // a sealed range of the journal
	KindAsked    Kind = "asked"   // a question to authority or a use of a permit, given or not
	KindReport   Kind = "report"  // a report was taken
	KindHunt     Kind = "hunt"    // the past was asked, or asking was refused
	KindLead     Kind = "lead"    // a lead or a case was opened or changed its state
	KindConfirm  Kind = "confirm" // people confirmed a host or link
	KindBlock    Kind = "block"   // people had something blocked: intent
	KindOutcome  Kind = "outcome" // what came of an intent
	KindChanged  Kind = "changed" // a decision that was changed after delivery
	KindAttr     Kind = "attribution"
	KindErasure  Kind = "erasure" // what an erasure took out, by numbers
	KindRelease  Kind = "build"   // which program, since when
	KindCurrent  Kind = "generation"
	KindDisclose Kind = "disclosure"
	KindFinding  Kind = "finding" // what a detector found, or what a person made of it
	KindAnchor   Kind = "anchor"  // somebody else vouched for a checkpoint of this log
	KindKey      Kind = "key"     // the log's next key, announced under the one before
	KindOrder    Kind = "order"   // a court order or policy was imported, or an act asserted against one
	KindClock    Kind = "clock"   // a duty to report: triggered, not triggered, done
)

// Field is one named value. Names are a-z and _, 1 to 40 of them, each once in a record; values are at most 64 KiB. Each is committed to under
// a salt of its own, so that one can be shown without the others, and one erased without the others.
type Field struct {
	Name  string
	Value []byte
}

// Record is one thing to keep.
type Record struct {
	Kind   Kind
	At     time.Time // milliseconds, UTC; by the recorder's clock
	Tenant vedette.Tenant
	Fields []Field // in any order; kept by name
}

// Receipt says where a record stands.
type Receipt struct {
	Index uint64         `json:"index"`
	Leaf  vedette.Digest `json:"leaf"` // RFC 6962 §2.1 leaf hash
}

// Book is what rooms write to: Append is durable, integrated into the tree and under a signed checkpoint when it returns nil.
type Book interface {
	Append(ctx context.Context, records ...Record) ([]Receipt, error)
}

// Kept is a record as it is read again. A field whose value was erased has a nil value and its commitment stays.
type Kept struct {
	Record
	Receipt
	Erased []string
}

// Reader reads records again, in order of their index.
type Reader interface {
	Read(ctx context.Context, from uint64) iter.Seq2[Kept, error]
}
