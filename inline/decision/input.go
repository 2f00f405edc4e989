package decision

import (
	"vedette"
	"vedette/link"
)

// Input is everything that one decision may depend on, besides the generation. Deciding changes none of it.
type Input struct {
	Event    *vedette.Event
	Links    []link.URL         // as read at the door, in the order of Event.Links(); nil where only tokens are known
	Measures []vedette.Measures // one for each link, at least one
	Missing  vedette.Degraded   // what the caller already knows to be missing
	// Hindsight judges an event of the past with all that is known now: an indicator's valid-from and known-from are not asked.
	// A live gate never sets it.
	Hindsight bool
}
