package order

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
)

// Truth is an answer. Unknown stands between the two: what is not known is never yes.
type Truth string

// The answers.
const (
	No      Truth = "no"
	Unknown Truth = "unknown"
	Yes     Truth = "yes"
)

func (a Truth) not() Truth {
	switch a {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

func rank(a Truth) int { return slices.Index([]Truth{No, Unknown, Yes}, a) }

func all(list ...Truth) Truth {
	out := Yes
	for _, a := range list {
		if rank(a) < rank(out) {
			out = a
		}
	}
	return out
}

func either(a, b Truth) Truth { return all(a.not(), b.not()).not() }

// Reason is one thing that an answer rests on.
type Reason struct {
	About      string `json:"about"` // "order", "binding", "notice" or "exclusion"
	Answer     Truth  `json:"answer"`
	Text       string `json:"text"`
	Instrument string `json:"instrument,omitempty"` // the paper behind it
}

// Answer is whether a clause was in force against somebody at a time: the least of whether it was in force at all, whether they were bound, and whether
// they had notice.
type Answer struct {
	Order     string    `json:"order"`
	Authority Kind      `json:"authority"`
	Clause    string    `json:"clause"`
	Wording   Wording   `json:"wording"`
	Party     string    `json:"party"`
	At        time.Time `json:"at"`
	Answer    Truth     `json:"answer"`
	Force     Truth     `json:"force"`
	Bound     Truth     `json:"bound"`
	Notice    Truth     `json:"notice"`
	Way       Way       `json:"bound_as,omitempty"`
	Reasons   []Reason  `json:"reasons"`
}

// InForce answers whether a clause was in force against a party, by id or name, at a time. Its error wraps vedette.ErrUnknown where there is no such
// clause, and vedette.ErrInvalid without a party or a time.
func (o *Order) InForce(clause, party string, at time.Time) (Answer, error) {
	c, err := o.Clause(clause)
	if err != nil {
		return Answer{}, err
	}
	if strings.TrimSpace(party) == "" || at.IsZero() {
		return Answer{}, fmt.Errorf("order: a party and a time are needed: %w", vedette.ErrInvalid)
	}
	a := Answer{Order: o.ID, Authority: o.Kind, Clause: c.ID, Wording: c.Wording, Party: party, At: at.UTC()}
	var force, bound, notice []Reason
	a.Force, force = o.force(c.ID, at)
	a.Bound, bound = o.bound(party, at)
	a.Notice, notice = o.notice(party, at)
	if p := o.Party(party); p != nil {
		a.Party, a.Way = p.ID, p.Way
	}
	a.Answer = all(a.Force, a.Bound, a.Notice)
	a.Reasons = slices.Concat(force, bound, notice)
	return a, nil
}

func (v *Interval) covers(clause string) bool {
	return len(v.Clauses) == 0 || slices.Contains(v.Clauses, clause)
}

// holds tells whether t is between two moments; nil is open.
func holds(from, to *Moment, t time.Time) Truth {
	begun, ended := Yes, No
	if from != nil {
		begun = from.by(t)
	}
	if to != nil {
		ended = to.by(t)
	}
	return all(begun, ended.not())
}

// force tells whether a clause was in force at all, whoever is asked about.
func (o *Order) force(clause string, at time.Time) (Truth, []Reason) {
	// A clause that stands in for another is in force by its modification alone, or by an interval that names it.
	standsIn := slices.ContainsFunc(o.Intervals, func(v Interval) bool { return v.State == Modified && v.As == clause })
	given, off := No, No
	var why []Reason
	var last *Interval // the last that could have put it in force, for the reason where none did
	for i := range o.Intervals {
		v := &o.Intervals[i]
		h := holds(&v.From, v.To, at)
		gives := v.State == InForce && v.covers(clause) && (!standsIn || len(v.Clauses) > 0) || v.State == Modified && v.As == clause
		takes := v.State != InForce && v.covers(clause)
		switch {
		case gives:
			last = v
			given = either(given, h)
			if h != No {
				why = append(why, Reason{"order", h, v.words(clause, h), v.Instrument})
			}
		case takes:
			off = either(off, h)
			if h != No {
				why = append(why, Reason{"order", h.not(), v.words(clause, h), v.Instrument})
			}
		}
	}
	if given == No {
		r := Reason{"order", No, "no paper in this register puts the clause in force", ""}
		if last != nil {
			r = Reason{"order", No, fmt.Sprintf("it was not in force then: it %s", last.span(clause)), last.Instrument}
		}
		return No, append([]Reason{r}, why...)
	}
	return all(given, off.not()), why
}

// span says in words what an interval does to a clause, and when.
func (v *Interval) span(clause string) string {
	s := map[State]string{InForce: "is in force", Stayed: "is stayed", Modified: "is modified", Vacated: "is vacated"}[v.State]
	if v.State == Modified && v.As == clause {
		s = "holds instead of " + strings.Join(v.Clauses, ", ")
	}
	s += " from " + v.From.String()
	switch {
	case v.To == nil:
		return s + " until another instrument"
	case v.To.IsZero():
		return s + "; until when, no paper tells"
	}
	return s + " until " + v.To.String()
}

func (v *Interval) words(clause string, h Truth) string {
	s := v.span(clause)
	if v.State == Modified && v.As != clause {
		s += ", when " + v.As + " holds instead"
	}
	if h == Unknown {
		s += "; whether that was so then is not known"
	}
	return s
}

// bound tells whether somebody was bound at a time, notice aside.
func (o *Order) bound(party string, at time.Time) (Truth, []Reason) {
	p := o.Party(party)
	for i := range o.Exclusions {
		x := &o.Exclusions[i]
		if slices.Contains(x.Who, party) || p != nil && (slices.Contains(x.Who, p.ID) || slices.Contains(x.Who, p.Name)) {
			return No, []Reason{{"exclusion", No, x.ID + ": " + strings.TrimSpace(x.Text), ""}}
		}
	}
	if p == nil {
		if o.Kind == KindPolicy {
			return No, []Reason{{"binding", No, "a stranger: the register knows nothing of their accepting the policy", ""}}
		}
		return No, []Reason{{"binding", No, "a stranger to the order: no party, and the register knows of nothing that makes them an agent of one or somebody in active concert", ""}}
	}
	text := fmt.Sprintf("%s is bound as %s", p.Name, p.Way.Words())
	if p.Way == WayAgent || p.Way == WayConcert {
		text = fmt.Sprintf("%s is bound as %s: of %s", p.Name, p.Way.Words(), p.Of)
		if p.Role != "" {
			text += ", as " + p.Role
		}
	}
	h := holds(p.From, p.To, at)
	switch {
	case h == No:
		return No, []Reason{{"binding", No, fmt.Sprintf("%s was not that at the time: %s", p.Name, between(p.From, p.To)), p.Proof}}
	case p.Ground == GroundAlleged:
		return Unknown, []Reason{{"binding", Unknown, fmt.Sprintf("that %s is alleged, and nobody has found it", text), p.Proof}}
	case h == Unknown:
		return Unknown, []Reason{{"binding", Unknown, text + "; " + between(p.From, p.To) + ", which leaves this time open", p.Proof}}
	}
	return Yes, []Reason{{"binding", Yes, text + " (" + string(p.Ground) + ")", p.Proof}}
}

func between(from, to *Moment) string {
	s := "that"
	if from != nil {
		s += " from " + from.String()
	}
	if to != nil {
		s += " until " + to.String()
	}
	return s
}

// notice tells whether somebody had actual notice by a time. A party of whom no notice is recorded was before the court, so that it is not known;
// for everybody else what is not recorded is not there.
func (o *Order) notice(party string, at time.Time) (Truth, []Reason) {
	p := o.Party(party)
	switch {
	case p == nil:
		return No, []Reason{{"notice", No, "no notice to them is recorded", ""}}
	case len(p.Notice) == 0 && p.Way == WayParty:
		return Unknown, []Reason{{"notice", Unknown, "no service on " + p.Name + " is recorded", ""}}
	case len(p.Notice) == 0:
		return No, []Reason{{"notice", No, "no notice to " + p.Name + " is recorded; a party's notice is not theirs", ""}}
	}
	best, reason := No, Reason{}
	for i := range p.Notice {
		n := &p.Notice[i]
		h := n.When.by(at)
		text := fmt.Sprintf("%s: %s, at %s", n.Who, n.How, n.When)
		switch h {
		case No:
			text += ": after the time asked about"
		case Unknown:
			text += ": whether before the time asked about is not known"
		}
		if i == 0 || rank(h) > rank(best) {
			best, reason = h, Reason{"notice", h, text, n.Proof}
		}
	}
	return best, []Reason{reason}
}

// Instants are all times at which an answer can change, in order, each once.
func (o *Order) Instants() (out []time.Time) {
	add := func(ms ...*Moment) {
		for _, m := range ms {
			if m == nil {
				continue
			}
			for _, t := range []time.Time{m.Earliest, m.Latest} {
				if !t.IsZero() {
					out = append(out, t.UTC())
				}
			}
		}
	}
	for i := range o.Intervals {
		add(&o.Intervals[i].From, o.Intervals[i].To)
	}
	for i := range o.Parties {
		p := &o.Parties[i]
		add(p.From, p.To)
		for k := range p.Notice {
			add(&p.Notice[k].When)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}
