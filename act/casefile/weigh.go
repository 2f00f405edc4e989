package casefile

import (
	"encoding/binary"
	"time"

	"vedette"
	"vedette/record/journal"
)

// Voices is weight in thousandths of one established, independent reporter whose report the platform's tag proves.
type Voices int

// OpenWeight makes a case of a lead without a person: one such reporter, or several who prove less. Until then it is a lead, which people may
// take up at any weight.
const OpenWeight Voices = 1000

// maxLinks is how many links one report may carry, as in an event.
const maxLinks = vedette.MaxLinks

// Standing says how much a reporter counts by the age of the account, in thousandths. An operator can make accounts by the hundred today; few
// will keep them for a month to report with. It costs honest people who are new: their first reports alone open leads, never cases.
func Standing(age time.Duration) int {
	const day = 24 * time.Hour
	switch {
	case age < 0: // not measured: neither nobody nor established
		return 200
	case age < day:
		return 50
	case age < 7*day:
		return 200
	case age < 30*day:
		return 500
	}
	return 1000
}

// proof is how much a report counts by what proves it, in thousandths.
func proof(r *Report) int {
	p := [...]int{Claim: 250, Screenshot: 300, Transcript: 500, Franked: 1000}[r.Grade]
	if r.Recorded {
		p = max(p, 750) // our own journal saw the message; a client's tokens may still lie about its links
	}
	return p
}

// weigh is what one report counts. Nobody counts against oneself: an operator who reports an own account would learn from what follows.
func weigh(r *Report) Voices {
	if r.Reporter.IsZero() || r.Reporter == r.Subject {
		return 0
	}
	return Voices(proof(r) * Standing(r.Age) / 1000)
}

// voiceOf names who speaks: the component that the reporter hangs together with, or the reporter alone.
func voiceOf(r *Report) (who [17]byte) {
	if r.Component != 0 {
		who[0] = 'c'
		binary.BigEndian.PutUint64(who[1:], r.Component)
		return who
	}
	who[0] = 'a'
	copy(who[1:], r.Reporter[:])
	return who
}

// AgeIn returns how long the actor of a recorded event was known then, or a negative value where memory could not tell.
func AgeIn(e *journal.Entry) time.Duration {
	if len(e.Measures) == 0 {
		return -1
	}
	if s, ok := e.Measures[0].Get(vedette.MeasureAccountAge); ok {
		return time.Duration(s) * time.Second
	}
	return -1
}
