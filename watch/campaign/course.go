package campaign

import (
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// MaxSends is how many messages with a campaign's links are looked at; of one with more nothing is said about its targets.
const MaxSends = 100_000

// Course is what is known of one campaign before the journal is read.
type Course struct {
	Keys    []hunt.Key          // of its links
	Members []vedette.AccountID // of its cells, as far as they are followed
	Names   []string            // hosts that people confirmed of it
	Derived []string            // hosts that probably are of the same hand
	Begun   time.Time           // of the earliest event behind its findings; zero: none is kept
	Found   time.Time           // when it was first told of, or first reported
	Cell    bool                // a cell was told of: whoever sent a link of it before that is of it
	Rules   []vedette.RuleID    // by which its findings and acts answer
	Acts    []Act               // that people approved against it
}

// Act is something that people approved against a campaign.
type Act struct {
	What  string
	At    time.Time // by the house's clock
	Block bool      // it keeps what is sent after it from being delivered
}

// Span is how long something took, or why that is not known. It can be negative: what was found after it happened.
type Span struct {
	Took time.Duration
	Why  string // not known, because; empty: it is known
}

// MarshalJSON writes whole seconds, or the reason.
func (s Span) MarshalJSON() ([]byte, error) {
	if s.Why != "" {
		return json.Marshal(struct {
			Why string `json:"not_known_because"`
		}{s.Why})
	}
	return json.Marshal(struct {
		Seconds int64 `json:"seconds"`
	}{int64(s.Took / time.Second)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Span) UnmarshalJSON(b []byte) error {
	var x struct {
		Seconds int64  `json:"seconds"`
		Why     string `json:"not_known_because"`
	}
	err := json.Unmarshal(b, &x)
	*s = Span{time.Duration(x.Seconds) * time.Second, x.Why}
	return err
}

func because(format string, args ...any) Span { return Span{Why: fmt.Sprintf(format, args...)} }

// Timing is what can be learned from a campaign's course. It names nobody.
type Timing struct {
	First   time.Time  `json:"first,omitzero"`  // event of it
	Last    time.Time  `json:"last,omitzero"`   // message with one of its links
	Found   time.Time  `json:"found,omitzero"`  // when it was told of or reported
	Target  time.Time  `json:"target,omitzero"` // the first message with one of its links to somebody outside
	Stopped time.Time  `json:"stopped,omitzero"`
	By      string     `json:"stopped_by,omitempty"`
	Blocked time.Time  `json:"blocked,omitzero"` // from then on nothing of it was delivered
	Apart   bool       `json:"acts_apart"`       // acts against it have another clock than its events: when they came among those is not known
	Detect  Span       `json:"time_to_detect"`   // from its first event
	Disrupt Span       `json:"time_to_disrupt"`  // from being found until it was first warned of, held, blocked or recalled
	Lead    Span       `json:"lead_time"`        // from being found to its first target
	Reached hunt.Count `json:"reached"`          // people outside to whom it was delivered before it was blocked, of the link that reached most
	Return  Span       `json:"time_to_return"`   // from its end to the next campaign of the same hand
}

// send is a message with one of a campaign's links.
type send struct {
	at       time.Time
	from, to vedette.AccountID // to is zero: a group
	keys     []hunt.Key
	verdict  vedette.Verdict
	because  vedette.RuleID // of the campaign's rules, which answered; "": none did
	replayed bool
}

// Times reads entries once and says for each course what can be learned from it. Its error is the journal's.
func Times(entries iter.Seq2[journal.Entry, error], courses []Course) ([]Timing, error) {
	of := map[hunt.Key][]int{}
	for i := range courses {
		for _, k := range courses[i].Keys {
			if k != 0 && !slices.Contains(of[k], i) {
				of[k] = append(of[k], i)
			}
		}
	}
	sends := make([][]send, len(courses))
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		b, ok := e.Event.Body.(*vedette.LinkSent)
		if !ok {
			continue
		}
		var mine map[int]*send
		for n := range b.Links {
			l := &b.Links[n]
			for _, t := range [...]vedette.Token{l.Domain, l.Host, l.Tenant, l.URL} {
				k := hunt.KeyOf(t)
				for _, i := range of[k] {
					if len(sends[i]) > MaxSends {
						continue
					}
					if mine == nil {
						mine = map[int]*send{}
					}
					s := mine[i]
					if s == nil {
						s = &send{at: e.Event.At, from: e.Event.Actor, to: b.To.Account, verdict: e.Decision.Verdict, replayed: e.Event.Source == vedette.SourceReplay}
						mine[i] = s
					}
					if !slices.Contains(s.keys, k) {
						s.keys = append(s.keys, k)
					}
					for _, r := range e.Decision.Reasons {
						if int(r.Link) == n && !r.Shadow && min(r.Verdict, r.Armed, e.Decision.Verdict) >= vedette.Warn && slices.Contains(courses[i].Rules, r.Rule) {
							s.because = r.Rule
						}
					}
				}
			}
		}
		for i, s := range mine {
			sends[i] = append(sends[i], *s)
		}
	}
	out := make([]Timing, len(courses))
	for i := range courses {
		slices.SortStableFunc(sends[i], func(a, b send) int { return a.at.Compare(b.at) })
		out[i] = courses[i].timing(sends[i])
	}
	for i := range courses {
		out[i].Return = comesBack(courses, out, i)
	}
	return out, nil
}

func (c *Course) timing(sends []send) Timing {
	t := Timing{First: c.Begun, Found: c.Found}
	if len(sends) > 0 {
		t.First, t.Last = earlier(t.First, sends[0].at), sends[len(sends)-1].at
	}
	switch {
	case c.Found.IsZero():
		t.Detect = because("it was neither told of nor reported")
	case t.First.IsZero():
		t.Detect = because("none of its events is in the journal any more")
	default:
		t.Detect = Span{Took: c.Found.Sub(t.First)}
	}
	many := len(sends) > MaxSends
	hands := map[vedette.AccountID]bool{}
	for _, a := range c.Members {
		hands[a] = true
	}
	replayed := false
	for i := range sends {
		replayed = replayed || sends[i].replayed
		if c.Cell && !sends[i].at.After(c.Found) {
			hands[sends[i].from] = true
		}
	}
	var outside []send
	for _, s := range sends {
		if !s.to.IsZero() && !hands[s.to] {
			outside = append(outside, s)
		}
	}
	if len(outside) > 0 {
		t.Target = outside[0].at
	}
	switch {
	case c.Found.IsZero():
		t.Lead = because("it was neither told of nor reported")
	case many:
		t.Lead = because("more than %d messages have its links: whom it aimed at is not told from them", MaxSends)
	case t.Target.IsZero():
		t.Lead = because("none of its links was sent to anybody outside")
	default:
		t.Lead = Span{Took: t.Target.Sub(c.Found)}
	}
	past := c.disrupted(&t, outside, replayed)
	reached := map[hunt.Key]map[vedette.AccountID]bool{}
	most := 0
	for _, s := range outside {
		if s.verdict >= vedette.Hold || !t.Blocked.IsZero() && !s.at.Before(t.Blocked) {
			continue
		}
		for _, k := range s.keys { // people of several links are never added up, as in an outline
			if reached[k] == nil {
				reached[k] = map[vedette.AccountID]bool{}
			}
			reached[k][s.to] = true
			most = max(most, len(reached[k]))
		}
	}
	if t.Reached = bucket(most, 0); many {
		t.Reached = hunt.Unanswered
	}
	switch {
	case !t.Stopped.IsZero():
		t.Disrupt = Span{Took: t.Stopped.Sub(c.Found)}
	case c.Found.IsZero():
		t.Disrupt = because("it was neither told of nor reported")
	case past != "":
		t.Disrupt = because("%s", past)
	default:
		t.Disrupt = because("nothing that was found of it was warned of, held, blocked or recalled")
	}
	return t
}

// disrupted finds the first answer or act against what was found, and the first that blocked. past says why an act has no time to compare with.
func (c *Course) disrupted(t *Timing, outside []send, replayed bool) (past string) {
	if c.Found.IsZero() {
		return ""
	}
	stop := func(at time.Time, by string, block bool) {
		if t.Stopped.IsZero() || at.Before(t.Stopped) {
			t.Stopped, t.By = at, by
		}
		if block {
			t.Blocked = earlier(t.Blocked, at)
		}
	}
	for _, s := range outside {
		if s.because != "" && !s.at.Before(c.Found) {
			stop(s.at, fmt.Sprintf("%s by %s", s.verdict, s.because), s.verdict >= vedette.Hold)
		}
	}
	for _, a := range c.Acts {
		switch {
		case replayed:
			t.Apart = true
			past = fmt.Sprintf("%s on %s by the house's clock, and its events were replayed", a.What, a.At.UTC().Format(time.DateOnly))
		case !a.At.Before(c.Found):
			stop(a.At, a.What, a.Block)
		}
	}
	return past
}

// comesBack finds the next campaign of the same hand after one has ended.
func comesBack(courses []Course, times []Timing, i int) Span {
	c, end := &courses[i], times[i].Last
	if end.IsZero() {
		return because("when it ended is not known: none of its links is in the journal")
	}
	if len(c.Members) == 0 && len(c.Names) == 0 {
		return because("nothing to know its hand by: its cell is not followed any more, or it has none, and no host of it is confirmed")
	}
	best := time.Duration(math.MaxInt64)
	for j := range courses {
		if from := times[j].First; j != i && from.After(end) && c.kin(&courses[j]) {
			best = min(best, from.Sub(end))
		}
	}
	if best == math.MaxInt64 {
		return because("no later campaign here shares an account, a host or a derived host with it")
	}
	return Span{Took: best}
}

// kin tells whether two campaigns are of one hand, as far as accounts and hosts tell.
func (c *Course) kin(o *Course) bool {
	return slices.ContainsFunc(c.Members, func(a vedette.AccountID) bool { return slices.Contains(o.Members, a) }) ||
		slices.ContainsFunc(o.Names, func(n string) bool { return slices.Contains(c.Names, n) || slices.Contains(c.Derived, n) })
}
