package score

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"vedette"
	"vedette/sim/world"
)

// Ordinary is what false alerts about nobody's team are counted as.
const Ordinary = "ordinary people"

// The analysts whom exposure is counted with: so long after the alert the campaign is stopped.
const (
	Quick = 30 * time.Minute
	Slow  = 8 * time.Hour
)

// Campaign is what became of one operator's campaign.
type Campaign struct {
	Team     string        `json:"team"`
	Playbook string        `json:"playbook"`
	Targets  int           `json:"targets"`
	Caught   bool          `json:"caught"`          // an alert about it in the test weeks
	Before   bool          `json:"before"`          // before the first target was written to
	Contact  bool          `json:"contact"`         // at a target's message: an alert that names its sender or its domain, at the message or later
	Queue    string        `json:"queue,omitempty"` // of the first alert
	Lead     time.Duration `json:"lead"`            // from the first alert to the first target; negative: it came later. 0 when not caught
	Reached  int           `json:"reached"`         // targets written to up to the first alert, the one at whose message it came with them; all when not caught
	Quick    int           `json:"quick"`           // up to the stop by an analyst who needs half an hour
	Slow     int           `json:"slow"`            // who needs eight hours
}

// Judged is what became of one world at one bound.
type Judged struct {
	Seed      uint64         `json:"seed"`
	Accounts  int            `json:"accounts"`
	Weeks     float64        `json:"weeks"`    // that were judged
	Expected  float64        `json:"expected"` // false alerts, by the promise
	Alerts    int            `json:"alerts"`
	False     int            `json:"false"`
	Again     int            `json:"again"` // true alerts about a campaign that was told of already, or is not judged
	FalseBy   map[string]int `json:"false_by"`
	Campaigns []Campaign     `json:"campaigns"` // in the truth's order
	Harm      Harm           `json:"harm"`
}

// Harm counts on whom false alerts fell. A team counts once, however often it was told of.
type Harm struct {
	AtRisk, AtRiskTold int // at-risk teams at work in the test weeks
	Teams, TeamsTold   int // honest teams, the at-risk ones with them
	Others, OthersTold int // identities that are of no team, if all that was scored is known
}

// Judge knows a world's truth by name.
type Judge struct {
	truth   *world.Truth
	members map[vedette.AccountID][]int32
	targets map[vedette.AccountID][]int32
	domains map[vedette.Token]int32 // of operators, that are nobody else's
}

// NewJudge reads a truth.
func NewJudge(t *world.Truth) *Judge {
	j := &Judge{truth: t, members: map[vedette.AccountID][]int32{}, targets: map[vedette.AccountID][]int32{}, domains: map[vedette.Token]int32{}}
	own := func(d vedette.Token, team int32) {
		if had, ok := j.domains[d]; ok && had != team {
			team = -1
		}
		if !d.IsZero() {
			j.domains[d] = team
		}
	}
	for i := range t.Teams {
		x, n := &t.Teams[i], int32(i)
		member := func(a vedette.AccountID) {
			if !slices.Contains(j.members[a], n) {
				j.members[a] = append(j.members[a], n)
			}
		}
		for _, a := range x.Members {
			member(a)
		}
		for k := range x.Targets {
			member(x.Targets[k].By) // whoever attacks for an operator is one of his
			j.targets[x.Targets[k].Account] = append(j.targets[x.Targets[k].Account], n)
			own(x.Targets[k].Domain, n)
		}
		for _, d := range x.Domains {
			own(d, n)
		}
	}
	return j
}

// Operator finds the hostile team that an alert is about, -1 if none: at least two of its subjects are members, or one where it has no more than two
// subjects or names one of the team's domains; and members and targets are at least half of the subjects.
func (j *Judge) Operator(a *Alert) int {
	best, most := -1, 0
	named := func(team int32) bool {
		return slices.ContainsFunc(a.Links, func(t vedette.Token) bool { at, ok := j.domains[t]; return ok && at == team })
	}
	try := func(team int32) {
		if !j.truth.Teams[team].Hostile || int(team) == best {
			return
		}
		members, targets := 0, 0
		for _, s := range a.Subjects {
			switch {
			case slices.Contains(j.members[s], team):
				members++
			case slices.Contains(j.targets[s], team):
				targets++
			}
		}
		enough := members >= 2 || members >= 1 && len(a.Subjects) <= 2 || named(team) && (members >= 1 || len(a.Subjects) == 0)
		weight := 2*members + targets + 1
		if enough && 2*(members+targets) >= len(a.Subjects) && (weight > most || weight == most && int(team) < best) {
			best, most = int(team), weight
		}
	}
	for _, s := range a.Subjects {
		for _, team := range j.members[s] {
			try(team)
		}
	}
	for _, l := range a.Links {
		if team, ok := j.domains[l]; ok && team >= 0 {
			try(team)
		}
	}
	return best
}

// Honest finds the honest team that most of an alert's subjects are of, -1 if fewer than half are of one; and the kind of people that most are.
func (j *Judge) Honest(a *Alert) (team int, kind string) {
	teams, kinds := map[int32]int{}, map[string]int{}
	for _, s := range a.Subjects {
		var seen []string
		for _, t := range j.members[s] {
			x := &j.truth.Teams[t]
			if x.Hostile {
				continue
			}
			teams[t]++
			if !slices.Contains(seen, x.Kind) {
				seen = append(seen, x.Kind)
				kinds[x.Kind]++
			}
		}
	}
	team, most := -1, 0
	for t, n := range teams {
		if 2*n >= len(a.Subjects) && (n > most || n == most && int(t) < team) {
			team, most = int(t), n
		}
	}
	kind, most = Ordinary, 0
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		if n := kinds[k]; 2*n >= len(a.Subjects) && n > most {
			kind, most = k, n
		}
	}
	if team >= 0 && kinds[j.truth.Teams[team].Kind] == most {
		kind = j.truth.Teams[team].Kind
	}
	return team, kind
}

// tested tells whether a campaign is judged: it begins in the test weeks, with the bounds set, and its first target falls in them.
func (j *Judge) tested(x *world.Team) bool {
	return x.Hostile && len(x.Targets) > 0 && !x.Begins.Before(j.truth.Test) && !x.Targets[0].At.Before(j.truth.Test) && x.Targets[0].At.Before(j.truth.End)
}

// Alerts judges the alerts of the test weeks; those of other weeks are passed over.
func (j *Judge) Alerts(alerts []Alert, b Budget) Judged {
	t := j.truth
	out := Judged{Seed: t.Seed, Accounts: t.Accounts, Weeks: weeks(t.Test, t.End), FalseBy: map[string]int{}}
	out.Expected = b.In(t) * out.Weeks
	list := make([]*Alert, 0, len(alerts))
	for i := range alerts {
		if a := &alerts[i]; !a.At.Before(t.Test) && a.At.Before(t.End) {
			list = append(list, a)
		}
	}
	slices.SortStableFunc(list, func(a, b *Alert) int { return a.At.Compare(b.At) })
	about := make([][]*Alert, len(t.Teams))
	told := make([]bool, len(t.Teams))
	for _, a := range list {
		out.Alerts++
		if n := j.Operator(a); n >= 0 {
			if len(about[n]) > 0 || !j.tested(&t.Teams[n]) {
				out.Again++
			}
			about[n] = append(about[n], a)
			continue
		}
		out.False++
		team, kind := j.Honest(a)
		out.FalseBy[kind]++
		if team >= 0 {
			told[team] = true
		} else {
			out.Harm.OthersTold++
		}
	}
	for i := range t.Teams {
		switch x := &t.Teams[i]; {
		case x.Hostile:
			if j.tested(x) {
				out.Campaigns = append(out.Campaigns, campaign(x, about[i]))
			}
		case x.Begins.Before(t.End) && x.Ends.After(t.Test) || told[i]:
			out.Harm.Teams++
			out.Harm.TeamsTold += one(told[i])
			if x.AtRisk {
				out.Harm.AtRisk++
				out.Harm.AtRiskTold += one(told[i])
			}
		}
	}
	out.Harm.Others = out.Harm.OthersTold
	return out
}

// Trial judges a world at a bound.
func (j *Judge) Trial(x *Trial, bound float64, b Budget) Judged { return j.Told(x, x.At(bound), b) }

// Told judges the alerts that a detector chose of all that it scored, and counts beside them those whom it looked at in the test weeks and did not tell of.
func (j *Judge) Told(x *Trial, alerts []Alert, b Budget) Judged {
	out := j.Alerts(alerts, b)
	others := 0
	for i := range x.Identities {
		a := x.Identities[i].last(j.truth.Test, j.truth.End)
		if a == nil || j.Operator(a) >= 0 {
			continue
		}
		if team, _ := j.Honest(a); team < 0 {
			others++
		}
	}
	out.Harm.Others = max(out.Harm.OthersTold, others)
	return out
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func campaign(x *world.Team, about []*Alert) Campaign {
	c := Campaign{Team: x.Name, Playbook: x.Kind, Targets: len(x.Targets), Reached: len(x.Targets), Quick: len(x.Targets), Slow: len(x.Targets)}
	if len(about) == 0 {
		return c
	}
	first := about[0].At
	c.Caught, c.Queue = true, about[0].Queue
	c.Lead = x.Targets[0].At.Sub(first)
	c.Before = c.Lead > 0
	upTo := func(at time.Time) int {
		n, _ := slices.BinarySearchFunc(x.Targets, at, func(t world.Target, at time.Time) int { return cmp.Or(t.At.Compare(at), -1) })
		return n
	}
	c.Reached, c.Quick, c.Slow = upTo(first), upTo(first.Add(Quick)), upTo(first.Add(Slow))
	for _, a := range about {
		c.Contact = c.Contact || slices.ContainsFunc(x.Targets, func(t world.Target) bool {
			return !a.At.Before(t.At) && (slices.Contains(a.Subjects, t.By) || !t.Domain.IsZero() && slices.Contains(a.Links, t.Domain))
		})
	}
	return c
}
