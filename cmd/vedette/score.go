package main

import (
	"fmt"
	"io"
	"os"

	"vedette"
	"vedette/inline/sequence"
	"vedette/sim"
)

// scored holds verdicts against a truth file: what was injected and stopped, and what was stopped and harmless. To stop is to hold or block.
type scored struct {
	Injected   int            `json:"injected"`
	Stopped    int            `json:"stopped"`
	StoppedBy  map[string]int `json:"stopped_by"` // lists and rules, each counted once for an event
	Missed     int            `json:"missed"`
	MissedBy   map[string]int `json:"missed_by_variant"`
	Misses     []scoredEvent  `json:"misses"` // the first 1000
	Harmless   int            `json:"harmless_with_link"`
	FalseStops int            `json:"false_stops"`
	False      []scoredEvent  `json:"false"` // the first 1000
	FalseWarns int            `json:"false_warns"`
	WarnedBy   map[string]int `json:"false_warns_by"`

	truth map[vedette.EventID]sim.Truth
}

type scoredEvent struct {
	Line    int      `json:"line"`
	Link    string   `json:"link"` // defanged
	Listed  string   `json:"listed,omitempty"`
	Variant string   `json:"variant,omitempty"`
	Verdict string   `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"`
}

const maxScored = 1000

func (h *house) scorer(path string) (*scored, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	defer func() { _ = f.Close() }()
	truth, err := sim.ReadTruth(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	sealer, err := h.sealer()
	if err != nil {
		return nil, err
	}
	s := &scored{
		StoppedBy: map[string]int{}, MissedBy: map[string]int{}, WarnedBy: map[string]int{}, Misses: []scoredEvent{}, False: []scoredEvent{},
		truth: make(map[vedette.EventID]sim.Truth, len(truth)),
	}
	for id, t := range truth {
		s.truth[sealer.EventID(id)] = t
	}
	return s, nil
}

func (s *scored) add(line int, a *sequence.Arrival, out *sequence.Outcome) {
	if out.Err != nil || len(a.Event.Links()) == 0 {
		return
	}
	d := &out.Decision
	t, told := s.truth[a.Event.ID]
	e := scoredEvent{Line: line, Verdict: d.Would.String()}
	if i := max(t.Link, 0); i < len(a.Links) {
		e.Link = a.Links[i].Defanged()
	}
	rules := map[string]bool{}
	for _, r := range d.Reasons {
		if !r.Shadow && r.Verdict == d.Would {
			rules[string(r.Rule)] = true
			if !told && r.Link >= 0 && int(r.Link) < len(a.Links) {
				e.Link = a.Links[r.Link].Defanged()
			}
		}
	}
	e.Reasons = sorted(rules)
	switch {
	case told && t.Injected:
		s.Injected++
		if d.Would >= vedette.Hold {
			s.Stopped++
			for r := range rules {
				s.StoppedBy[r]++
			}
			return
		}
		s.Missed++
		s.MissedBy[t.Variant]++
		e.Listed, e.Variant = t.Value, t.Variant
		if len(s.Misses) < maxScored {
			s.Misses = append(s.Misses, e)
		}
	default:
		s.Harmless++
		if d.Would >= vedette.Hold {
			if s.FalseStops++; len(s.False) < maxScored {
				s.False = append(s.False, e)
			}
		}
		if d.Would == vedette.Warn {
			s.FalseWarns++
			for r := range rules {
				s.WarnedBy[r]++
			}
		}
	}
}

func (s *scored) print(w io.Writer, p paint) {
	fmt.Fprintf(w, "\nAgainst the truth\n  injected %s: stopped %s, missed %s\n", count(s.Injected), p.green(count(s.Stopped)), p.red(count(s.Missed)))
	for i, e := range s.Misses {
		if i == 20 {
			fmt.Fprintf(w, "    … %s more; --json lists them\n", count(s.Missed-20))
			break
		}
		fmt.Fprintf(w, "    line %d, %s: %s (listed as %s), answered %s\n", e.Line, e.Variant, e.Link, e.Listed, e.Verdict)
	}
	fmt.Fprintf(w, "  harmless messages with links %s: stopped %s, warned %s\n", count(s.Harmless), count(s.FalseStops), count(s.FalseWarns))
	for i, e := range s.False {
		if i == 20 {
			fmt.Fprintf(w, "    … %s more; --json lists them\n", count(s.FalseStops-20))
			break
		}
		fmt.Fprintf(w, "    line %d: %s by %v\n", e.Line, e.Link, e.Reasons)
	}
	for _, k := range byCount(s.WarnedBy) {
		fmt.Fprintf(w, "    warned by %s: %s\n", k, count(s.WarnedBy[k]))
	}
}
