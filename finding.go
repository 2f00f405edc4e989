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

// Watched is a link that the slow watch asks the gate to warn of. The watch adds it by itself: it speaks about first contacts alone, warns at most whatever is
// armed, and ends by itself. It spares whoever has written with the sender before, shared hosts and domains of many senders; it costs people who get a first
// link from a stranger on a young domain that an honest group tried out first: they see a warning.
type Watched struct {
	Token Token     `json:"token"` // of a registrable domain, a host, a hoster's tenant, or on a shared host of the URL
	From  time.Time `json:"from"`
	Until time.Time `json:"until"` // at most 72 hours after From
	Cell  Digest    `json:"cell"`
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
