package baseline_test

import (
	"flag"
	"testing"
	"time"

	"vedette"
	"vedette/sim/baseline"
	"vedette/sim/score"
	"vedette/sim/world"
)

var (
	people = flag.Int("accounts", 0, "play worlds of so many accounts with every method, and say what is caught")
	first  = flag.Uint64("seed", 8100, "of the first world")
	worlds = flag.Int("worlds", 1, "how many")
)

// TestWorlds plays made-up platforms with every method. It judges nothing.
func TestWorlds(t *testing.T) {
	if *people == 0 {
		t.Skip("-accounts says how many")
	}
	ms := baseline.All()
	trials := make([][]*score.Trial, len(ms))
	for i := range *worlds {
		sc := world.Default()
		sc.Accounts = *people
		w, err := world.New(sc, *first+uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		b := baseline.Together(baseline.Config{Enrolled: w.Enrolled}, ms...)
		began := time.Now()
		w.Play(func(e *vedette.Event) bool { b.Take(e); return true })
		truth := w.Truth()
		b.End(truth.End)
		t.Logf("world %d: %d events in %s", truth.Seed, truth.Events, time.Since(began))
		for k := range ms {
			trials[k] = append(trials[k], &score.Trial{Truth: truth, Identities: b.Of(k)})
		}
	}
	budget := score.Budget{PerWeek: 3, Per: 100_000}
	for k, m := range ms {
		bound := score.Hindsight(budget, trials[k]...)
		var learned, hindsight []score.Judged
		n := 0
		for _, x := range trials[k] {
			n += len(x.Identities)
			j := score.NewJudge(x.Truth)
			learned = append(learned, j.Told(x, j.Weekly(x, budget), budget))
			hindsight = append(hindsight, j.Trial(x, bound, budget))
		}
		for i, list := range [][]score.Judged{learned, hindsight} {
			r := score.Pool(m.Name, budget, list)
			line := ""
			for _, row := range r.Rows {
				s := row.Before
				if m.Targeting {
					s = row.Contact
				}
				line += "  " + row.Playbook + " " + itoa(s.K) + "/" + itoa(s.N)
			}
			t.Logf("%-18s %-9s %6d identities, %5.1f false a week%s  %v", m.Name, [...]string{"learned", "hindsight"}[i], n, r.FalseWeekly, line, r.False)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}
