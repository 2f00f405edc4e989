package sentry

import (
	"context"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

// Lead is a finding with what a person made of it, without its accounts. One about first contacts has the cell that led to it.
type Lead struct {
	Told
	Queue  string `json:"queue,omitempty"` // in a day's queue: which one
	Judged string `json:"judged"`
}

// Day is one day's first contacts that were told of, UTC.
type Day struct {
	Day    time.Time `json:"day"`
	Leads  []Lead    `json:"leads"`           // the strongest first, at most as many as a week's budget
	Left   int       `json:"left"`            // how many more there were
	Latest time.Time `json:"latest,omitzero"` // the last day on which there are any; zero: none is kept
	Silent string    `json:"silent"`          // why nothing is told; empty: it is
}

// Queue returns the queue of a day; of the zero one, that of the latest event.
func (s *Sentry) Queue(ctx context.Context, day time.Time) (Day, error) {
	if err := s.restore(ctx); err != nil {
		return Day{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if day.IsZero() {
		day = s.kept.Last
	}
	out := Day{Day: day.UTC().Truncate(24 * time.Hour), Leads: []Lead{}, Silent: s.aims.Silent()}
	ranked, left := s.aims.Queue(out.Day)
	out.Left = left
	for _, a := range ranked {
		f := &a.Finding
		reasons := discreet(f.Reasons)
		out.Leads = append(out.Leads, Lead{
			Told{a.ID, f.Detector, pathOf(reasons), len(f.Subjects), slices.Clone(f.Links), f.Score, f.From, f.To, slices.Clone(f.Basis), reasons},
			a.Queue.String(), Disposition(a.Judged),
		})
	}
	for _, t := range slices.Backward(s.kept.Told) {
		if t.Detector == targeting.Name {
			out.Latest = t.To.Truncate(24 * time.Hour)
			break
		}
	}
	return out, nil
}

// Findings are all that are kept, the oldest first.
func (s *Sentry) Findings(ctx context.Context) ([]Lead, error) {
	if err := s.restore(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Lead
	for _, t := range s.kept.Told {
		l := Lead{Told: t, Judged: Disposition(rehearsal.Unjudged)}
		if l.Cell.IsZero() {
			l.Cell = pathOf(t.Reasons)
		}
		for _, j := range s.people.Judged {
			if j.Cell == t.ID || j.Cell == t.Cell {
				l.Judged = Disposition(j.What)
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// pathOf is the rehearsal's cell that a finding about first contacts names among its reasons; zero: none.
func pathOf(rs []vedette.Reason) (cell vedette.Digest) {
	for _, r := range rs {
		if text, ok := strings.CutPrefix(r.Text, "rehearsal cell "); ok && r.Rule == targeting.Name+"/path" && cell.UnmarshalText([]byte(text)) == nil {
			return cell
		}
	}
	return vedette.Digest{}
}
