package vedette

import "time"

// Finding is what a detector says about many events. A score is a lead, never an exhibit.
type Finding struct {
	ID       Digest // digest of detector, subjects and first event
	Detector string
	Subjects []AccountID
	Links    []Token
	Score    MilliBits
	From, To time.Time
	Basis    []EventID
	Reasons  []Reason
}

// ActionKind names a deed.
type ActionKind string

// Action is something done on a platform, by somebody's authority, until it ends.
type Action struct {
	ID        Digest
	Kind      ActionKind
	Account   AccountID
	Link      Token
	Authority string // the permit's or the policy's name
	Findings  []Digest
	Until     time.Time // an action without an end must say in its kind that it has none
}
