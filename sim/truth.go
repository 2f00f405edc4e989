package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"vedette"
)

// Truth is what only the maker of a stream knows about one of its events (docs/formats/truth.md).
type Truth struct {
	ID       string          `json:"id"`              // the event's id on the wire
	Injected bool            `json:"injected"`        // true: an attack; false: honest, and told here since it looks like one
	Link     int             `json:"link"`            // index of the link in the event
	Host     string          `json:"host,omitempty"`  // the host that the link leads to
	Value    string          `json:"value,omitempty"` // the indicator as listed; absent where no list knows the link
	Type     string          `json:"type,omitempty"`  // domain or url
	Operator string          `json:"operator,omitempty"`
	Variant  string          `json:"variant,omitempty"`  // how the link was spelled
	Want     vedette.Verdict `json:"want"`               // the weakest verdict that is right; for an honest event: the strongest
	Campaign string          `json:"campaign,omitempty"` // the campaign that it belongs to
	Role     string          `json:"role,omitempty"`     // its part in the campaign: rehearsal, target, report, return, neighbour
	Kind     string          `json:"kind,omitempty"`     // the campaign's kind
}

// ReadTruth reads a truth file whole, by event id. Its error wraps vedette.ErrInvalid and names the line.
func ReadTruth(r io.Reader) (map[string]Truth, error) {
	out := map[string]Truth{}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	n := 0
	for sc.Scan() {
		n++
		if len(sc.Bytes()) == 0 {
			continue
		}
		var t Truth
		if err := json.Unmarshal(sc.Bytes(), &t); err != nil {
			return nil, fmt.Errorf("sim: truth line %d: %w: %w", n, err, vedette.ErrInvalid)
		}
		if t.ID == "" {
			return nil, fmt.Errorf("sim: truth line %d: no id: %w", n, vedette.ErrInvalid)
		}
		if _, twice := out[t.ID]; twice {
			return nil, fmt.Errorf("sim: truth line %d: event %q was told of before: %w", n, t.ID, vedette.ErrInvalid)
		}
		out[t.ID] = t
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("sim: truth: %w", err)
	}
	return out, nil
}
