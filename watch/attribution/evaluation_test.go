package attribution

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/indicator"
	"vedette/sim"
)

// wilson is the 95 % interval of a share.
func wilson(k, n int) string {
	if n == 0 {
		return "–"
	}
	low, high := sim.Wilson(k, n)
	return fmt.Sprintf("%3.0f %% [%.0f–%.0f]", 100*float64(k)/float64(n), 100*low, 100*high)
}

// learn makes knowledge of all rows that keep takes.
func learn(rows []published, background Background, keep func(*published) bool) *Knowledge {
	return Learn(func(yield func(indicator.Indicator) bool) {
		for i := range rows {
			if (keep == nil || keep(&rows[i])) && !yield(rows[i].in) {
				return
			}
		}
	}, Options{Background: background})
}

func backgroundOf(t testing.TB) Background {
	var phishing, ordinary []string
	for _, set := range []struct {
		lists map[string][]string
		to    *[]string
	}{{realPhishing(t), &phishing}, {realOrdinary(t), &ordinary}} {
		for _, list := range set.lists {
			for _, h := range list {
				if half(h) {
					*set.to = append(*set.to, h)
				}
			}
		}
		slices.Sort(*set.to)
		*set.to = slices.Compact(*set.to)
	}
	return Background{Phishing: slices.Values(phishing), Ordinary: slices.Values(ordinary)}
}

// chosenOn reports whether a report belongs to those that thresholds were chosen on: published before 2019. All later and all undated ones are
// for the report alone.
func chosenOn(p time.Time) bool { return !p.IsZero() && p.Year() < 2019 }

type outcome struct{ asked, spoke, right int }

func (o *outcome) add(truth, answer string) {
	o.asked++
	if answer != Unknown {
		o.spoke++
		if answer == truth {
			o.right++
		}
	}
}

func (o outcome) String() string {
	return fmt.Sprintf("%5d sets  spoke %4d = %-18s right %4d = %-18s", o.asked, o.spoke, wilson(o.spoke, o.asked), o.right, wilson(o.right, o.spoke))
}

// draws cuts a list into sets of n neighbours; what is left over is no set.
func draws(list []string, n, most int) [][]string {
	var out [][]string
	step := max(len(list)/n/max(most, 1), 1)
	for i := 0; (i+1)*n <= len(list) && len(out) < most; i += step {
		out = append(out, list[i*n:(i+1)*n])
	}
	return out
}

func errorsOf(t *testing.T, title string, list []string) {
	t.Logf("%s: %d", title, len(list))
	slices.Sort(list)
	for _, e := range list {
		t.Logf("    %s", e)
	}
}

// nearest answers by the most similar published name: trigrams in common (Dice), the operator of the nearest name of all.
type nearest struct {
	grams []map[string]bool
	ops   []string
	index map[string][]int
}

func gramsOf(label string) map[string]bool {
	out := map[string]bool{}
	s := "^" + label + "$"
	for i := 0; i+3 <= len(s); i++ {
		out[s[i:i+3]] = true
	}
	return out
}

func newNearest(rows []published, keep func(*published) bool) *nearest {
	n := &nearest{index: map[string][]int{}}
	seen := map[string]bool{}
	for i := range rows {
		if !keep(&rows[i]) {
			continue
		}
		reg, label := nameOf(hostOf(rows[i].in.Value))
		if key := reg + " " + rows[i].in.Operator; reg == "" || rows[i].popular || seen[key] {
			continue
		} else {
			seen[key] = true
		}
		g := gramsOf(label)
		for s := range g {
			n.index[s] = append(n.index[s], len(n.grams))
		}
		n.grams, n.ops = append(n.grams, g), append(n.ops, rows[i].in.Operator)
	}
	return n
}

func (n *nearest) ask(hosts []string, least float64) string {
	best, who := 0.0, Unknown
	for _, h := range hosts {
		_, label := nameOf(h)
		g := gramsOf(label)
		common := map[int]int{}
		for s := range g {
			for _, i := range n.index[s] {
				common[i]++
			}
		}
		for i, c := range common {
			if d := 2 * float64(c) / float64(len(g)+len(n.grams[i])); d > best || d == best && n.ops[i] < who {
				best, who = d, n.ops[i]
			}
		}
	}
	if best < least {
		return Unknown
	}
	return who
}

// TestEvaluation prints the tables of docs/decisions/0018-attribution.md. The bars that it holds are those of the goal; the rest is reported.
func TestEvaluation(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: the evaluation takes minutes")
	}
	rows := realReports(t)
	background := backgroundOf(t)
	p := DefaultParams()

	type rep struct {
		key  string
		rows []*published
	}
	at := map[string]int{}
	var reps []rep
	stands := map[string]map[string]bool{} // host or link → reports that it stands in
	for i := range rows {
		r := &rows[i]
		key := r.in.Operator + " | " + r.report
		if _, ok := at[key]; !ok {
			at[key] = len(reps)
			reps = append(reps, rep{key: key})
		}
		reps[at[key]].rows = append(reps[at[key]].rows, r)
		for _, v := range []string{r.in.Value, bare(hostOf(r.in.Value))} {
			if stands[v] == nil {
				stands[v] = map[string]bool{}
			}
			stands[v][key] = true
		}
	}
	slices.SortFunc(reps, func(a, b rep) int { return strings.Compare(a.key, b.key) })
	reportsOf := map[string]int{}
	for _, r := range reps {
		reportsOf[r.rows[0].in.Operator]++
	}
	t.Logf("%d rows, %d reports, %d operators", len(rows), len(reps), len(reportsOf))

	results := map[string]*outcome{}
	result := func(name string) *outcome {
		if results[name] == nil {
			results[name] = &outcome{}
		}
		return results[name]
	}
	var wrong, gained []string
	// 1. Leave one report out.
	for _, r := range reps {
		operator := r.rows[0].in.Operator
		first := r.rows[0].in.Published
		keep := func(row *published) bool { return row.in.Operator+" | "+row.report != r.key }
		k := learn(rows, background, keep)
		near := newNearest(rows, keep)
		kind := "single" // no other report of the operator is known: the right answer is to abstain
		if reportsOf[operator] > 1 {
			kind = "known"
		}
		when := "later"
		if chosenOn(first) {
			when = "chosen on"
		}
		counts := map[string]int{}
		for i := range rows {
			if keep(&rows[i]) {
				counts[rows[i].in.Operator]++
			}
		}
		major := ""
		for o, n := range counts {
			if major == "" || n > counts[major] || n == counts[major] && o < major {
				major = o
			}
		}
		var again, hard []string // stand in another report; stand in this one alone
		var links []string
		for _, row := range r.rows {
			if row.popular {
				continue
			}
			h := bare(hostOf(row.in.Value))
			if len(stands[h]) > 1 {
				again = append(again, h)
			} else {
				hard = append(hard, h)
			}
			if row.in.Scope == indicator.ScopeURL {
				links = append(links, "http://"+row.in.Value)
			}
		}
		for _, part := range []struct {
			name  string
			hosts []string
		}{{"again", again}, {"alone", hard}} {
			slices.Sort(part.hosts)
			hosts := slices.Compact(part.hosts)
			for _, n := range []int{1, 3, 10, 0} {
				sets := [][]string{hosts}
				if n > 0 {
					sets = draws(hosts, n, 20)
				}
				for _, set := range sets {
					if len(set) == 0 {
						continue
					}
					ev := Evidence{Hosts: set, Context: Context{First: first}}
					for _, l := range links {
						if u, err := link.Parse(l); err == nil && slices.Contains(set, bare(u.Host())) {
							ev.Links = append(ev.Links, l)
						}
					}
					as := k.Weigh(ev, p)
					answer := as.Vendor.Answer
					size := "all"
					if n > 0 {
						size = fmt.Sprintf("%3d", n)
					}
					name := fmt.Sprintf("%-9s %-6s %-5s of %s", when, kind, part.name, size)
					result(name).add(operator, answer)
					if answer != Unknown && answer != operator {
						wrong = append(wrong, fmt.Sprintf("%s: %s: said %s of %s: %s", strings.TrimSpace(name), r.key, answer, defanged(set), because(&as.Vendor)))
					} else if answer != Unknown && part.name == "alone" {
						gained = append(gained, fmt.Sprintf("%s: %s", strings.TrimSpace(name), r.key))
					}
					if kind == "known" {
						result("~ majority       "+part.name+" of "+size).add(operator, major)
						exact := Unknown
						for _, h := range set {
							for _, st := range k.values[h] {
								exact = k.operators[k.reports[st.report].operator]
							}
						}
						result("~ exact only     "+part.name+" of "+size).add(operator, exact)
						for _, least := range []float64{0, 0.5, 0.7} {
							result(fmt.Sprintf("~ nearest ≥ %.1f  %s of %s", least, part.name, size)).add(operator, near.ask(set, least))
						}
					}
				}
			}
		}
	}
	// 2. Leave one operator out: nobody known stands behind it.
	for operator := range reportsOf {
		k := learn(rows, background, func(row *published) bool { return row.in.Operator != operator })
		for _, r := range reps {
			if r.rows[0].in.Operator != operator {
				continue
			}
			var hosts []string
			for _, row := range r.rows {
				if !row.popular {
					hosts = append(hosts, bare(hostOf(row.in.Value)))
				}
			}
			slices.Sort(hosts)
			hosts = slices.Compact(hosts)
			for _, n := range []int{1, 3, 10, 0} {
				sets, size := [][]string{hosts}, "all"
				if n > 0 {
					sets, size = draws(hosts, n, 20), fmt.Sprintf("%3d", n)
				}
				for _, set := range sets {
					if len(set) == 0 {
						continue
					}
					as := k.Weigh(Evidence{Hosts: set, Context: Context{First: r.rows[0].in.Published}}, p)
					name := "operator not known, of " + size
					result(name).add("", as.Vendor.Answer)
					if as.Vendor.Spoken() {
						wrong = append(wrong, fmt.Sprintf("%s: %s: said %s of %s: %s", name, r.key, as.Vendor.Answer, defanged(set), because(&as.Vendor)))
					}
				}
			}
		}
	}
	// 3. Commodity phishing and ordinary sites, those that the background does not hold; with the background and without any.
	for _, with := range []struct {
		name string
		k    *Knowledge
	}{{"with lists", learn(rows, background, nil)}, {"without lists", learn(rows, Background{}, nil)}} {
		for _, lists := range []struct {
			name string
			of   map[string][]string
		}{{"phishing", realPhishing(t)}, {"ordinary", realOrdinary(t)}} {
			most := 600 // sets of each list
			if lists.name == "ordinary" {
				most = 40 // there are 240 lists
			}
			for list, hosts := range lists.of {
				hosts = slices.DeleteFunc(slices.Clone(hosts), func(h string) bool {
					_, spyware := with.k.below[link.Registrable(h)]
					return half(h) || spyware || len(with.k.values[h]) > 0
				})
				for _, n := range []int{1, 3, 10} {
					for _, set := range draws(hosts, n, most) {
						as := with.k.Weigh(Evidence{Hosts: set}, p)
						name := fmt.Sprintf("%s, %s, of %2d", lists.name, with.name, n)
						result(name).add("", as.Vendor.Answer)
						if as.Vendor.Spoken() {
							wrong = append(wrong, fmt.Sprintf("%s: %s: said %s of %s: %s", name, list, as.Vendor.Answer, defanged(set), because(&as.Vendor)))
						}
					}
				}
			}
		}
	}
	names := make([]string, 0, len(results))
	for n := range results {
		names = append(names, n)
	}
	slices.SortFunc(names, cmp.Compare)
	for _, n := range names {
		t.Logf("%-38s %s", n, results[n])
	}
	slices.Sort(gained)
	for _, g := range gained {
		t.Logf("  right on hosts that stand in no other report: %s", g)
	}
	errorsOf(t, "wrong answers", wrong)

	// The bars of the goal.
	var spoke, right, stranger, strangers int
	for name, o := range results {
		switch {
		case strings.HasPrefix(name, "phishing"), strings.HasPrefix(name, "ordinary"):
			if o.spoke > 0 {
				t.Errorf("%s: %d of %d sets were called an operator's, want none", name, o.spoke, o.asked)
			}
		case strings.HasPrefix(name, "operator not known"):
			stranger, strangers = stranger+o.spoke, strangers+o.asked
		case strings.HasPrefix(name, "later     known"):
			spoke, right = spoke+o.spoke, right+o.right
		}
	}
	if right*100 < spoke*95 || right < 100 {
		t.Errorf("later reports of known operators: %d of %d answers right, want 95 %% and at least 100", right, spoke)
	}
	if stranger*100 > strangers*2 {
		t.Errorf("operators that are not known: spoke on %d of %d sets, want at most 2 %%", stranger, strangers)
	}
}

func because(c *Claim) string {
	var out []string
	for i := range c.Evidence {
		for _, r := range c.Evidence[i].Ratios {
			if r.Hypothesis == c.Answer {
				out = append(out, fmt.Sprintf("%s %s", inBits(int(r.Bits)), c.Evidence[i].Group))
			}
		}
	}
	return strings.Join(out, ", ")
}

var choose = flag.Bool("choose", false, "print what other choices of Params would do")

// TestChoosing prints what the choices of Params would do on what they were chosen on alone: reports before 2019 and the half of the names
// that no other table asks about.
func TestChoosing(t *testing.T) {
	if !*choose {
		t.Skip("asked for by -choose: it takes minutes, and holds nothing")
	}
	rows := realReports(t)
	type question struct {
		k        *Knowledge
		ev       Evidence
		operator string
	}
	var questions []question
	byReport := map[string][]int{}
	for i := range rows {
		byReport[rows[i].in.Operator+" | "+rows[i].report] = append(byReport[rows[i].in.Operator+" | "+rows[i].report], i)
	}
	for key, members := range byReport {
		if !chosenOn(rows[members[0]].in.Published) {
			continue
		}
		k := learn(rows, Background{}, func(r *published) bool { return r.in.Operator+" | "+r.report != key })
		var hosts []string
		for _, i := range members {
			if !rows[i].popular {
				hosts = append(hosts, bare(hostOf(rows[i].in.Value)))
			}
		}
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
		for _, n := range []int{1, 3, 10} {
			for _, set := range draws(hosts, n, 20) {
				questions = append(questions, question{k, Evidence{Hosts: set, Context: Context{First: rows[members[0]].in.Published}}, rows[members[0]].in.Operator})
			}
		}
	}
	all := learn(rows, Background{}, nil)
	for _, lists := range []map[string][]string{realPhishing(t), realOrdinary(t)} {
		for _, hosts := range lists {
			hosts = slices.DeleteFunc(slices.Clone(hosts), func(h string) bool {
				_, spyware := all.below[link.Registrable(h)]
				return !half(h) || spyware || len(all.values[h]) > 0
			})
			for _, n := range []int{1, 3, 10} {
				for _, set := range draws(hosts, n, 20) {
					questions = append(questions, question{all, Evidence{Hosts: set}, ""})
				}
			}
		}
	}
	for _, known := range []int{100, 200, 300} {
		for _, speak := range []int{550, 600, 700} {
			for _, specific := range []vedette.MilliBits{3000, 4000, 5000} {
				p := DefaultParams()
				p.Known, p.Speak, p.Specific = known, speak, specific
				var ours, others outcome
				for i := range questions {
					q := &questions[i]
					as := q.k.Weigh(q.ev, p)
					if q.operator != "" {
						ours.add(q.operator, as.Vendor.Answer)
					} else {
						others.add("", as.Vendor.Answer)
					}
				}
				t.Logf("known %d speak %d specific %v: %s | nobody known: spoke %d of %d", known, speak, specific, ours, others.spoke, others.asked)
			}
		}
	}
}
