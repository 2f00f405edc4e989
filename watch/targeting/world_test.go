package targeting_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/sim/world"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

var (
	accounts = flag.Int("accounts", 0, "play worlds of so many accounts, and say what is caught")
	seed     = flag.Uint64("seed", 9000, "of the first world")
	worlds   = flag.Int("worlds", 1, "how many")
	remove   = flag.Bool("confirm", true, "true incidents are confirmed at the week's end, as analysts would")
	nokin    = flag.Bool("nokin", false, "without the rehearsal watch")
	noenrol  = flag.Bool("noenrol", false, "without those who asked for protection")
	verbose  = flag.Bool("loud", false, "say each alert")
)

type tally struct{ caught, all, targets, before int }

// TestWorld plays made-up platforms and says how many operators were found at which target, and at how many false alerts a week. It judges nothing.
func TestWorld(t *testing.T) {
	if *accounts == 0 {
		t.Skip("-accounts says how many")
	}
	sum := map[string]*tally{}
	var rate []string
	for i := range *worlds {
		said, _ := play(t, *seed+uint64(i), sum)
		rate = append(rate, said)
	}
	for _, k := range slices.Sorted(maps.Keys(sum)) {
		x := sum[k]
		if x.all > 0 {
			t.Logf("%-4s caught %d of %d; targets reached up to the alert %.2f of %.2f", k, x.caught, x.all, float64(x.before)/float64(x.all), float64(x.targets)/float64(x.all))
		}
	}
	t.Log(strings.Join(rate, "\n"))
}

// TestTheRange says of one small world what must stay true whatever is tuned: most operators are found, and at not many more false alerts than were promised.
func TestTheRange(t *testing.T) {
	if testing.Short() {
		t.Skip("plays two million events")
	}
	*accounts = cmp.Or(*accounts, 20_000)
	defer func() { *accounts = 0 }()
	sum := map[string]*tally{}
	said, rate := play(t, 9000, sum)
	caught, all := 0, 0
	for _, x := range sum {
		caught, all = caught+x.caught, all+x.all
	}
	t.Logf("caught %d of %d; %s", caught, all, said)
	if 2*caught < all {
		t.Errorf("caught %d of %d operators, less than half", caught, all)
	}
	if rate > 6 {
		t.Errorf("%.1f false alerts a week, more than twice what was promised", rate)
	}
}

func play(t *testing.T, seed uint64, sum map[string]*tally) (said string, rate float64) {
	sc := world.Default()
	sc.Accounts = *accounts
	w, err := world.New(sc, seed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rehearsal.New(rehearsal.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	known := targeting.Known{Kinship: r, AtRisk: w, Key: make([]byte, 32)}
	if *nokin {
		known.Kinship = nil
	}
	if *noenrol {
		known.AtRisk = nil
	}
	d, err := targeting.New(targeting.Config{}, known)
	if err != nil {
		t.Fatal(err)
	}
	p, err := population.New(population.Config{}, r, d)
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		at    time.Time
		score targeting.Contact
	}
	best := map[vedette.AccountID]seen{} // by recipient and sender
	bySender := map[vedette.AccountID]targeting.Contact{}
	contacts := 0
	d.Observe = func(at time.Time, c *targeting.Contact) {
		contacts++
		if b, ok := bySender[c.Sender]; !ok || c.Score > b.Score {
			bySender[c.Sender] = *c
		}
		k := c.Recipient
		for i := range k {
			k[i] ^= c.Sender[i]
		}
		if b, ok := best[k]; !ok || c.Score > b.score.Score {
			best[k] = seen{at, *c}
		}
	}
	incidents := map[vedette.AccountID]bool{}
	if *remove { // the teams are known to nobody but the maker; they are drawn already
		q, err := world.New(sc, seed)
		if err != nil {
			t.Fatal(err)
		}
		q.Play(func(*vedette.Event) bool { return true })
		for _, x := range q.Truth().Teams {
			for _, g := range x.Targets {
				incidents[g.By] = true
			}
		}
	}
	day := int64(0)
	began := time.Now()
	var findings []vedette.Finding
	w.Play(func(e *vedette.Event) bool {
		p.Take(0, e)
		if f := d.Findings(); f != nil {
			findings = append(findings, f...)
			for i := range f {
				if slices.ContainsFunc(f[i].Subjects, func(a vedette.AccountID) bool { return incidents[a] }) {
					_ = d.Judge(f[i].ID, rehearsal.Confirmed)
				}
			}
		}
		if n := e.At.Unix() / 86400; *remove && n != day && d.Budget().Set.IsZero() {
			day = n
			for a := range incidents {
				d.Incident(a)
			}
		}
		return true
	})
	p.End(w.Truth().End)
	tr := w.Truth()
	took := time.Since(began)
	// which team is a finding about?
	of := map[vedette.AccountID]*world.Team{}
	for i := range tr.Teams {
		for _, m := range tr.Teams[i].Members {
			if x := of[m]; x == nil || tr.Teams[i].Hostile {
				of[m] = &tr.Teams[i]
			}
		}
	}
	first := map[*world.Team]time.Time{}
	wrong, kinds := 0, map[string]int{}
	bySet := map[string]int{}
	for _, f := range findings {
		var team *world.Team
		kind := "nobody"
		for _, s := range f.Subjects {
			if x := of[s]; x != nil {
				kind = x.Kind
				if x.Hostile {
					team = x
					break
				}
			}
		}
		if *verbose {
			t.Logf("%s %v %s: %s", f.To.Format("01-02"), f.Score, kind, says(f))
			for _, a := range f.Subjects {
				if c, ok := bySender[a]; ok && team == nil {
					t.Logf("    %v %s", c.Score, bits(&c))
				}
			}
		}
		if team != nil {
			bySet["true"]++
			if _, ok := first[team]; !ok {
				first[team] = f.To
			}
			continue
		}
		wrong++
		kinds[kind]++
	}
	for i := range tr.Teams {
		x := &tr.Teams[i]
		if !x.Hostile || len(x.Targets) == 0 || x.Targets[0].At.Before(tr.Test) {
			continue
		}
		s := sum[x.Kind]
		if s == nil {
			s = &tally{}
			sum[x.Kind] = s
		}
		s.all++
		s.targets += len(x.Targets)
		at, ok := first[x]
		if ok {
			s.caught++
		}
		top := targeting.Contact{}
		for _, g := range x.Targets {
			if !ok || !g.At.After(at) {
				s.before++
			}
			k := g.Account
			for i := range k {
				k[i] ^= g.By[i]
			}
			if b := best[k]; b.score.Score > top.Score {
				top = b.score
			}
		}
		if *verbose {
			t.Logf("%s caught %v; enrolled %d of %d; best contact %v (%v) %s", x.Name, ok, enrolled(x), len(x.Targets), top.Score, top.Dominance, bits(&top))
		}
	}
	b := d.Budget()
	weeks := tr.End.Sub(b.Set).Hours() / 168
	rate = float64(wrong) / weeks
	return fmt.Sprintf("seed %d: %.1f false a week in %.1f weeks (promised %.1f) of %v, contacts %d, bounds %v set %s after %.1f weeks, %s; silent %q", seed, rate, weeks,
		b.Promised, sorted(kinds), contacts, b.Bounds, b.Set.Format("01-02"), b.Weeks, took.Round(time.Second), d.Silent()), rate
}

func enrolled(x *world.Team) (n int) {
	for _, g := range x.Targets {
		if g.Enrolled {
			n++
		}
	}
	return n
}

func sorted(m map[string]int) string {
	ks := slices.Collect(maps.Keys(m))
	slices.SortFunc(ks, func(a, b string) int { return cmp.Or(m[b]-m[a], strings.Compare(a, b)) })
	var out []string
	for _, k := range ks {
		out = append(out, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}

func bits(c *targeting.Contact) string {
	var out []string
	for s, b := range c.Bits {
		if b > 0 {
			out = append(out, fmt.Sprintf("%s %.1f", targeting.Signal(s), float64(b)/1000))
		}
	}
	return fmt.Sprintf("%s less %.1f missing %b way %d", strings.Join(out, " "), float64(c.Discount)/1000, c.Missing, c.Way)
}

func says(f vedette.Finding) string {
	var out []string
	for _, r := range f.Reasons {
		if r.Weight != 0 {
			out = append(out, fmt.Sprintf("%s %.1f", strings.TrimPrefix(string(r.Rule), "targeting/"), float64(r.Weight)/1000))
		}
	}
	return strings.Join(out, " ")
}
