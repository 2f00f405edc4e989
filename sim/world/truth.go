package world

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"vedette"
)

// Truth is what only the maker of a world knows. Everybody who is in no team is an ordinary person.
type Truth struct {
	Scenario string    `json:"scenario"`
	Seed     uint64    `json:"seed"`
	Tier     int       `json:"tier"`     // what the clients tell of links (docs/formats/event.md)
	Accounts int       `json:"accounts"` // that were active at any time
	Events   int       `json:"events"`
	Start    time.Time `json:"start"`    // warm-up begins
	Learning time.Time `json:"learning"` // the weeks that thresholds are set on begin; attacks happen in them too
	Test     time.Time `json:"test"`     // the weeks that are judged begin
	End      time.Time `json:"end"`
	Teams    []Team    `json:"teams"`
}

// Team is a few accounts that act together: a family, a class, a firm's testers, an operator.
type Team struct {
	Name    string              `json:"name"`
	Kind    string              `json:"kind"` // "family", "qa-team", … or the playbook's name: "L2"
	Hostile bool                `json:"hostile,omitempty"`
	AtRisk  bool                `json:"at_risk,omitempty"` // a source group, an activist cell: people whom a false alarm may silence
	Members []vedette.AccountID `json:"members"`
	// Taken are the members that belong to other people: compromised accounts. They are among Members.
	Taken   []vedette.AccountID `json:"taken,omitempty"`
	Domains []vedette.Token     `json:"domains,omitempty"` // that the team had to itself when it first used them; of an operator: of the rehearsal
	Begins  time.Time           `json:"begins"`            // the first thing that its members do as a team
	Ends    time.Time           `json:"ends"`
	Targets []Target            `json:"targets,omitempty"` // of an operator, in order of time
}

// Target is a person whom an operator wrote to.
type Target struct {
	Account  vedette.AccountID `json:"account"`
	At       time.Time         `json:"at"`
	By       vedette.AccountID `json:"by"`
	Event    vedette.EventID   `json:"event"`
	Domain   vedette.Token     `json:"domain"` // zero: no link (a device link, a group)
	Enrolled bool              `json:"enrolled,omitempty"`
}

// Write writes the truth as one JSON object.
func (t *Truth) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	if err := enc.Encode(t); err != nil {
		return fmt.Errorf("world: truth: %w", err)
	}
	return nil
}

// ReadTruth reads what Write wrote. Its error wraps vedette.ErrInvalid.
func ReadTruth(r io.Reader) (*Truth, error) {
	t := new(Truth)
	if err := json.NewDecoder(r).Decode(t); err != nil {
		return nil, fmt.Errorf("world: truth: %w: %w", err, vedette.ErrInvalid)
	}
	return t, nil
}
