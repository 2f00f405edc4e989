package score

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// Result is what one method did on many worlds at one budget.
type Result struct {
	Method      string   `json:"method"`
	Budget      Budget   `json:"budget"`
	Hindsight   bool     `json:"hindsight,omitempty"` // the bound was chosen knowing the test
	Worlds      int      `json:"worlds"`
	Weeks       float64  `json:"weeks"`
	FalseWeekly float64  `json:"false_weekly"` // false alerts a week and world
	Promise     Promise  `json:"promise"`
	Rows        []Row    `json:"rows"` // by playbook
	False       []Fallen `json:"false"`
	// Disparity of at-risk teams: how many times as often as honest teams they were told of, and as honest teams and identities of no team together. The second
	// compares people who act together with everybody, and is the harder one.
	Disparity struct {
		Teams Interval `json:"teams"`
		All   Interval `json:"all"`
	} `json:"disparity"`
}

// Row is what became of a playbook's campaigns.
type Row struct {
	Playbook string   `json:"playbook"`
	Caught   Share    `json:"caught"`
	Before   Share    `json:"before"`  // caught before the first target
	Contact  Share    `json:"contact"` // caught at a target's message
	Targets  Interval `json:"targets"` // a campaign, mean; as are the next three
	Reached  Interval `json:"reached"`
	Quick    Interval `json:"quick"`
	Slow     Interval `json:"slow"`
	Lead     Interval `json:"lead"` // hours, median of those caught
}

// Fallen are the false alerts that fell on one kind of people.
type Fallen struct {
	Kind   string   `json:"kind"`
	Alerts int      `json:"alerts"`
	Weekly Interval `json:"weekly"` // a week and world
}

// Pool puts worlds together.
func Pool(method string, b Budget, worlds []Judged) Result {
	out := Result{Method: method, Budget: b, Worlds: len(worlds)}
	books, kinds := map[string]bool{}, map[string]bool{}
	expected, came := 0.0, 0
	for i := range worlds {
		w := &worlds[i]
		out.Weeks += w.Weeks
		expected += w.Expected
		came += w.False
		for k := range w.FalseBy {
			kinds[k] = true
		}
		for k := range w.Campaigns {
			books[w.Campaigns[k].Playbook] = true
		}
	}
	out.Promise = Keeps(expected, came)
	if out.Weeks > 0 {
		out.FalseWeekly = float64(came) / out.Weeks
	}
	for _, p := range slices.Sorted(maps.Keys(books)) {
		out.Rows = append(out.Rows, row(p, worlds))
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		f := Fallen{Kind: k}
		rate := func(draw []drawn) (float64, bool) {
			n, all := 0, 0.0
			for _, d := range draw {
				n += worlds[d.world].FalseBy[k]
				all += worlds[d.world].Weeks
			}
			return float64(n) / all, all > 0
		}
		f.Weekly = over(worlds, rate)
		for i := range worlds {
			f.Alerts += worlds[i].FalseBy[k]
		}
		out.False = append(out.False, f)
	}
	slices.SortStableFunc(out.False, func(a, b Fallen) int { return cmp.Compare(b.Alerts, a.Alerts) })
	out.Disparity.Teams = over(worlds, func(draw []drawn) (float64, bool) { return disparity(worlds, draw, false) })
	out.Disparity.All = over(worlds, func(draw []drawn) (float64, bool) { return disparity(worlds, draw, true) })
	return out
}

// over measures a statistic of whole worlds.
func over(worlds []Judged, of func([]drawn) (float64, bool)) Interval {
	all := make([]drawn, len(worlds))
	for i := range all {
		all[i].world = i
	}
	v, ok := of(all)
	if !ok {
		return Interval{}
	}
	out := Interval{Value: v, N: len(worlds)}
	if out.Low, out.High, ok = bootstrap(len(worlds), of, func(int) int { return 0 }); !ok {
		return Interval{}
	}
	return out
}

func disparity(worlds []Judged, draw []drawn, others bool) (float64, bool) {
	var h Harm
	for _, d := range draw {
		w := &worlds[d.world].Harm
		h.AtRisk, h.AtRiskTold = h.AtRisk+w.AtRisk, h.AtRiskTold+w.AtRiskTold
		h.Teams, h.TeamsTold = h.Teams+w.Teams, h.TeamsTold+w.TeamsTold
		h.Others, h.OthersTold = h.Others+w.Others, h.OthersTold+w.OthersTold
	}
	told, all := h.TeamsTold, h.Teams
	if others {
		told, all = told+h.OthersTold, all+h.Others
	}
	if told == 0 || all == 0 || h.AtRisk == 0 {
		return 0, false
	}
	return float64(h.AtRiskTold) / float64(h.AtRisk) / (float64(told) / float64(all)), true
}

// row pools one playbook.
func row(playbook string, worlds []Judged) Row {
	r := Row{Playbook: playbook}
	lists := make([][]*Campaign, len(worlds))
	var caught, before, contact, n int
	for i := range worlds {
		lists[i] = ofBook(&worlds[i], playbook)
		for _, c := range lists[i] {
			n++
			caught += one(c.Caught)
			before += one(c.Before)
			contact += one(c.Contact)
		}
	}
	r.Caught, r.Before, r.Contact = ShareOf(caught, n), ShareOf(before, n), ShareOf(contact, n)
	stat := func(value func(*Campaign) (float64, bool), of func([]float64) (float64, bool)) Interval {
		var all []float64
		gather := func(draw []drawn) (float64, bool) {
			all = all[:0]
			for _, d := range draw {
				for _, i := range d.of {
					if v, ok := value(lists[d.world][i]); ok {
						all = append(all, v)
					}
				}
			}
			return of(all)
		}
		every := make([]drawn, len(worlds))
		for i := range every {
			every[i].world = i
			for k := range lists[i] {
				every[i].of = append(every[i].of, k)
			}
		}
		v, ok := gather(every)
		if !ok {
			return Interval{}
		}
		x := Interval{Value: v, N: len(all)}
		if x.Low, x.High, ok = bootstrap(len(worlds), gather, func(w int) int { return len(lists[w]) }); !ok {
			return Interval{}
		}
		return x
	}
	number := func(of func(*Campaign) int) func(*Campaign) (float64, bool) {
		return func(c *Campaign) (float64, bool) { return float64(of(c)), true }
	}
	r.Targets = stat(number(func(c *Campaign) int { return c.Targets }), mean)
	r.Reached = stat(number(func(c *Campaign) int { return c.Reached }), mean)
	r.Quick = stat(number(func(c *Campaign) int { return c.Quick }), mean)
	r.Slow = stat(number(func(c *Campaign) int { return c.Slow }), mean)
	r.Lead = stat(func(c *Campaign) (float64, bool) { return c.Lead.Hours(), c.Caught }, median)
	return r
}

func ofBook(w *Judged, playbook string) (list []*Campaign) {
	for i := range w.Campaigns {
		if w.Campaigns[i].Playbook == playbook {
			list = append(list, &w.Campaigns[i])
		}
	}
	return list
}

// Measure is what two methods are compared by, a campaign.
type Measure struct {
	Name string
	Of   func(*Campaign) float64
}

// The measures.
var (
	Caught  = Measure{"caught", func(c *Campaign) float64 { return float64(one(c.Caught)) }}
	Before  = Measure{"caught before the first target", func(c *Campaign) float64 { return float64(one(c.Before)) }}
	Contact = Measure{"caught at a target's message", func(c *Campaign) float64 { return float64(one(c.Contact)) }}
	Spared  = Measure{"share of targets not reached before the slow analyst's stop", func(c *Campaign) float64 {
		return 1 - float64(c.Slow)/math.Max(1, float64(c.Targets))
	}}
)

// Difference is how much more of a playbook one method does than another on the same worlds.
type Difference struct {
	Playbook string   `json:"playbook"`
	Measure  string   `json:"measure"`
	By       Interval `json:"difference"` // the second's minus the first's
	Better   bool     `json:"better"`     // the second is significantly better: the interval lies over 0
	Worse    bool     `json:"worse"`
}

// Compare holds two methods against each other, by a paired bootstrap over worlds and the campaigns in them. The lists hold the same worlds in the same order;
// worlds or campaigns that are not in both are passed over.
func Compare(first, second []Judged, m Measure) []Difference {
	type pair struct{ a, b float64 }
	books := map[string][][]pair{}
	n := min(len(first), len(second))
	for i := range n {
		other := map[string]*Campaign{}
		for k := range second[i].Campaigns {
			other[second[i].Campaigns[k].Team] = &second[i].Campaigns[k]
		}
		for k := range first[i].Campaigns {
			c := &first[i].Campaigns[k]
			o := other[c.Team]
			if o == nil || first[i].Seed != second[i].Seed {
				continue
			}
			if books[c.Playbook] == nil {
				books[c.Playbook] = make([][]pair, n)
			}
			books[c.Playbook][i] = append(books[c.Playbook][i], pair{m.Of(c), m.Of(o)})
		}
	}
	var out []Difference
	for _, p := range slices.Sorted(maps.Keys(books)) {
		lists := books[p]
		of := func(draw []drawn) (float64, bool) {
			s, k := 0.0, 0
			for _, d := range draw {
				for _, i := range d.of {
					s += lists[d.world][i].b - lists[d.world][i].a
					k++
				}
			}
			return s / float64(k), k > 0
		}
		all := make([]drawn, n)
		count := 0
		for i := range all {
			all[i].world = i
			for k := range lists[i] {
				all[i].of = append(all[i].of, k)
			}
			count += len(lists[i])
		}
		d := Difference{Playbook: p, Measure: m.Name}
		d.By.Value, _ = of(all)
		d.By.N = count
		if low, high, ok := bootstrap(n, of, func(w int) int { return len(lists[w]) }); ok {
			d.By.Low, d.By.High = low, high
			d.Better, d.Worse = low > 0, high < 0
		}
		out = append(out, d)
	}
	return out
}

// Leads are the times from the first alert to the first target of a playbook's caught campaigns, in order; "": of all playbooks.
func Leads(worlds []Judged, playbook string) (leads []time.Duration, campaigns int) {
	for i := range worlds {
		for k := range worlds[i].Campaigns {
			if c := &worlds[i].Campaigns[k]; playbook == "" || c.Playbook == playbook {
				campaigns++
				if c.Caught {
					leads = append(leads, c.Lead)
				}
			}
		}
	}
	slices.Sort(leads)
	return leads, campaigns
}
