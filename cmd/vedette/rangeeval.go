package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/sim/baseline"
	"vedette/sim/score"
	"vedette/sim/world"
	"vedette/watch/rehearsal"
)

// goals are what the watch is to reach at three false alerts a week for each queue in a world of 100,000: shares of campaigns, and numbers of targets and days.
var goals = []struct {
	playbook        string
	before, contact float64
	reached, lead   float64
}{
	{"L0", .99, .99, 1.0, 4},
	{"L1", .98, .98, 1.1, 4},
	{"L2", .90, .95, 1.8, 5},
	{"L3", .97, .95, 1.2, 8},
	{"L4", .50, .65, 3.2, 7},
	{"L5", 0, .40, 4.5, 0},
	// Mute clients: the rehearsal has no links. What is left of it is measured without link tokens (DETECTION 7.4), and those shares are the goals.
	{"L1m", .76, .95, 1.8, 4},
	{"L2m", .43, .90, 2.5, 4},
	{"L3m", .80, .90, 2.0, 5},
	{"L4m", .20, .60, 3.5, 0},
}

// mostL5 is the share of careful single shots above which a claim to have seen a rehearsal is leakage.
const mostL5 = .05

type evaluating struct {
	fewest     []uint64 // for what needs a run of its own
	scenario   *world.Scenario
	seeds      []uint64
	few        []uint64 // for what is measured on fewer worlds
	perWeek    float64
	tick       time.Duration
	models     map[string]*rehearsal.Model // that were made without a playbook, by its name
	opponents  bool
	enrolment  bool
	twins      bool
	told       func(string)
	plots, out string
}

func (g *global) rangeEvaluate() *cobra.Command {
	var f scenarioFlags
	var seeds, few, out, plots, left, commit, machine string
	var perWeek float64
	var quick bool
	var parts []string
	cmd := &cobra.Command{
		Use: "evaluate --seeds 1-20 --out FILE", Short: "Play many worlds, and write how well the watch does beside what else one could use",
		Long: `Plays worlds that no part of the watch was made on, two at a time, and writes tables with intervals: what was caught and when, whom it reached before, false
alerts by whom they fell on, opponents on the same events, and the same with playbooks left out of training (models of "range train --without").`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.read()
			if err != nil {
				return err
			}
			e := evaluating{scenario: s, perWeek: perWeek, tick: 12 * time.Hour, models: map[string]*rehearsal.Model{}, opponents: !quick && slices.Contains(parts, "opponents"), enrolment: !quick && slices.Contains(parts, "enrolment"), twins: !quick && slices.Contains(parts, "twins"), plots: plots, out: out}
			if e.seeds, err = parseSeeds(seeds); err != nil {
				return usage(cmd, "--seeds: %s", err)
			}
			if few == "" {
				e.few = e.seeds[:min(len(e.seeds), 6)]
			} else if e.few, err = parseSeeds(few); err != nil {
				return usage(cmd, "--few: %s", err)
			}
			e.fewest = e.few[:min(len(e.few), 4)]
			e.told = func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
			for _, part := range strings.FieldsFunc(left, func(r rune) bool { return r == ',' }) {
				book, file, ok := strings.Cut(part, "=")
				if !ok {
					return usage(cmd, "--left-out: %q is not PLAYBOOK=FILE", part)
				}
				b, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
				}
				if e.models[book], err = rehearsal.ReadModel(b); err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
			}
			r, err := e.run(cmd.Context())
			if err != nil {
				return err
			}
			if quick {
				if err := r.quick(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			if out == "" {
				return nil
			}
			head := fmt.Sprintf("%s, commit `%s`, %s. Test worlds: seeds %s; opponents on seeds %s; playbooks left out, and enrolment, on seeds %s.", time.Now().Format("2 January 2006"), commit, machine, seeds, fewText(e.few), fewText(e.fewest))
			return toFile(out, func(w io.Writer) error { return r.write(w, head) })
		},
	}
	f.add(cmd)
	_ = cmd.Flags().MarkHidden("seed")
	cmd.Flags().StringVar(&seeds, "seeds", "1-20", "worlds to judge on: 1-20, or 1,5,9")
	cmd.Flags().StringVar(&few, "few", "", "worlds for what is measured on fewer; default: the first six")
	cmd.Flags().StringVar(&out, "out", "", "page to write")
	cmd.Flags().StringVar(&plots, "plots", "", "folder for drawings")
	cmd.Flags().StringVar(&left, "left-out", "", "models made without a playbook: L2=FILE,L3=FILE")
	cmd.Flags().StringVar(&commit, "commit", "", "commit to name on the page")
	cmd.Flags().StringVar(&machine, "machine", "", "machine to name on the page")
	cmd.Flags().Float64Var(&perWeek, "per-week", 3, "false alerts a week that the team can carry, for each queue")
	cmd.Flags().StringSliceVar(&parts, "parts", []string{"opponents", "enrolment", "twins"}, "what is measured besides, on fewer worlds")
	cmd.Flags().BoolVar(&quick, "quick", false, "no opponents, and fail on a real loss of quality")
	return cmd
}

func fewText(seeds []uint64) string {
	var parts []string
	for _, s := range seeds {
		parts = append(parts, fmt.Sprint(s))
	}
	return strings.Join(parts, ", ")
}

// evaluated is what came of all worlds.
type evaluated struct {
	e         *evaluating
	worlds    []*played
	cells     []score.Judged // the rehearsal watch as it told, by world
	contacts  []score.Judged
	both      []score.Judged
	same      []score.Judged // the rehearsal watch under the rule that opponents are judged by, on their worlds
	aside     []score.Judged // the targeting watch on their worlds
	opponents []rival
	left      map[string][]score.Judged     // by playbook that was left out
	full      map[string][]score.Judged     // the same worlds with the standard model
	enrolled  map[float64][3][]score.Judged // by share of targets: cells, contacts, both
	twins     []twinned
}

type rival struct {
	method baseline.Method
	trials []*score.Trial
	judged []score.Judged // bound set on the learning weeks
	best   []score.Judged // bound chosen knowing the test
}

func (e *evaluating) each(n int, do func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	limit := make(chan struct{}, 2)
	for i := range n {
		wg.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			errs[i] = do(i)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (e *evaluating) run(ctx context.Context) (*evaluated, error) {
	r := &evaluated{e: e, worlds: make([]*played, len(e.seeds)), left: map[string][]score.Judged{}, full: map[string][]score.Judged{}, enrolled: map[float64][3][]score.Judged{}}
	b := score.Budget{PerWeek: e.perWeek}
	methods := baseline.All()
	trials := make([][]*score.Trial, len(e.seeds))
	if err := e.each(len(e.seeds), func(i int) error {
		o := playing{tick: e.tick, perWeek: e.perWeek}
		if e.opponents && slices.Contains(e.few, e.seeds[i]) {
			o.beside = func(w *world.World) (func(*vedette.Event), func(*world.Truth)) {
				bench := baseline.Together(baseline.Config{Enrolled: w.Enrolled}, methods...)
				return bench.Take, func(t *world.Truth) {
					bench.End(t.End)
					for k := range methods {
						trials[i] = append(trials[i], &score.Trial{Truth: t, Identities: bench.Of(k)})
					}
				}
			}
		}
		p, err := o.play(ctx, e.scenario, e.seeds[i])
		if err == nil {
			r.worlds[i] = p
			e.told(fmt.Sprintf("world %d: %.0f s, %d findings", e.seeds[i], p.seconds, len(p.findings)))
		}
		return err
	}); err != nil {
		return nil, err
	}
	for i, p := range r.worlds {
		j := score.NewJudge(p.truth)
		r.cells = append(r.cells, j.Alerts(p.cells, b))
		r.contacts = append(r.contacts, j.Alerts(p.contacts, b))
		r.both = append(r.both, j.Alerts(p.both(), score.Budget{PerWeek: 2 * e.perWeek}))
		if slices.Contains(e.few, e.seeds[i]) {
			r.same = append(r.same, j.Alerts(j.Weekly(&p.rehearsal, b), b))
			r.aside = append(r.aside, r.contacts[i])
		}
	}
	for k := range methods {
		if !e.opponents {
			break
		}
		x := rival{method: methods[k]}
		for i := range trials {
			if trials[i] != nil {
				x.trials = append(x.trials, trials[i][k])
			}
		}
		bound := score.Hindsight(b, x.trials...)
		for _, t := range x.trials {
			j := score.NewJudge(t.Truth)
			x.judged = append(x.judged, j.Alerts(j.Weekly(t, b), b))
			x.best = append(x.best, j.Trial(t, bound, b))
		}
		r.opponents = append(r.opponents, x)
	}
	for _, book := range sorted(e.models) {
		list := make([]score.Judged, len(e.fewest))
		if err := e.each(len(e.fewest), func(i int) error {
			o := playing{tick: e.tick, perWeek: e.perWeek, model: e.models[book]}
			p, err := o.play(ctx, e.scenario, e.fewest[i])
			if err == nil {
				list[i] = score.NewJudge(p.truth).Alerts(p.cells, b)
				e.told(fmt.Sprintf("without %s, world %d: %.0f s", book, e.fewest[i], p.seconds))
			}
			return err
		}); err != nil {
			return nil, err
		}
		r.left[book] = list
		for _, seed := range e.fewest {
			if at := slices.Index(e.seeds, seed); at >= 0 {
				r.full[book] = append(r.full[book], r.cells[at])
			}
		}
	}
	if e.enrolment {
		for _, share := range []float64{0, .1} {
			var lists [3][]score.Judged
			for k := range lists {
				lists[k] = make([]score.Judged, len(e.fewest))
			}
			if err := e.each(len(e.fewest), func(i int) error {
				s := *e.scenario
				s.Enrolled.Targets = share
				o := playing{tick: e.tick, perWeek: e.perWeek}
				p, err := o.play(ctx, &s, e.fewest[i])
				if err == nil {
					j := score.NewJudge(p.truth)
					lists[0][i], lists[1][i], lists[2][i] = j.Alerts(p.cells, b), j.Alerts(p.contacts, b), j.Alerts(p.both(), b)
					e.told(fmt.Sprintf("%.0f %% of targets enrolled, world %d: %.0f s", 100*share, e.fewest[i], p.seconds))
				}
				return err
			}); err != nil {
				return nil, err
			}
			r.enrolled[share] = lists
		}
	}
	if e.twins {
		var err error
		if r.twins, err = e.twinsOf(ctx, e.fewest); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func rowOf(x *score.Result, playbook string) *score.Row {
	for i := range x.Rows {
		if x.Rows[i].Playbook == playbook {
			return &x.Rows[i]
		}
	}
	return &score.Row{Playbook: playbook}
}

func percent(s score.Share) string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d, %.0f %% (%.0f to %.0f)", s.K, s.N, 100*s.Part(), 100*s.Low, 100*s.High)
}

func interval(x score.Interval, unit string) string {
	if x.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f%s (%.1f to %.1f)", x.Value, unit, x.Low, x.High)
}

func held(g score.Goal) string {
	if g.Holds {
		return "holds"
	}
	return "**missed**"
}

// quick fails where the watch has lost what it surely had: bounds far below what the page says.
func (r *evaluated) quick(w io.Writer) error {
	cells, contacts := score.Pool(rehearsal.Name, score.Budget{PerWeek: r.e.perWeek}, r.cells), score.Pool("targeting", score.Budget{PerWeek: r.e.perWeek}, r.contacts)
	var lost []error
	for _, x := range cells.Rows {
		fmt.Fprintf(w, "%s: before the first target %s; at first contact %s\n", x.Playbook, percent(x.Before), percent(rowOf(&contacts, x.Playbook).Contact))
		if x.Playbook <= "L3" && len(x.Playbook) == 2 {
			if g := score.Reaches(.80, x.Before.K, x.Before.N); !g.Holds {
				lost = append(lost, fmt.Errorf("%s: %s before the first target, which is not 80 %%", x.Playbook, percent(x.Before)))
			}
		}
		if x.Playbook == "L5" {
			if g := score.Reaches(1-mostL5, x.Before.N-x.Before.K, x.Before.N); !g.Holds {
				lost = append(lost, fmt.Errorf("L5: %s before the first target: more than anybody can know", percent(x.Before)))
			}
		}
	}
	fmt.Fprintf(w, "false alerts a week: rehearsal %.1f, targeting %.1f, promised %.1f each\n", cells.FalseWeekly, contacts.FalseWeekly, r.e.perWeek)
	if !cells.Promise.Kept {
		lost = append(lost, fmt.Errorf("rehearsal: %d false alerts where %.0f were promised", cells.Promise.False, cells.Promise.Expected))
	}
	return errors.Join(lost...)
}

func (r *evaluated) write(w io.Writer, head string) error {
	b := score.Budget{PerWeek: r.e.perWeek}
	cells, contacts, both := score.Pool(rehearsal.Name, b, r.cells), score.Pool("targeting", b, r.contacts), score.Pool("both", score.Budget{PerWeek: 2 * r.e.perWeek}, r.both)
	var p strings.Builder
	say := func(format string, a ...any) { fmt.Fprintf(&p, format+"\n", a...) }
	say("# How well the watch finds rehearsals and aimed first contacts\n\nMade by one command; do not edit. %s\n", head)
	accounts := 0
	for _, x := range r.worlds {
		accounts += x.truth.Accounts
	}
	s := r.e.scenario
	say("%d worlds of about %s,000 accounts (docs/formats/scenario.md): %d days to warm up, %d on which bounds are set, %d that are judged.", len(r.worlds),
		count(accounts/len(r.worlds)/1000), s.Warmup, s.Learning, s.Test)
	say("A campaign is judged if it begins and reaches its first target in the judged weeks. An analyst answers each finding rightly, and knows the attacks of the learning")
	say("weeks once a target was written to; before the bound is first set he goes through the strongest cells, %.0f honest ones and what stands among them. Telemetry tier %d; a look at everything each %.0f hours; %.0f false alerts a week promised by each of the two detectors.",
		2*r.e.perWeek*float64(s.Learning)/7, s.Tier, r.e.tick.Hours(), r.e.perWeek)
	say("Brackets are 95 %%: Wilson for shares, bootstrap over worlds for the rest. **These worlds, the playbooks and the detectors come from one house**: what they say of real")
	say("operators is what their playbooks have in common with them. Real platforms have far fewer operators, and far fewer teams that look like one.\n")
	say("## What was caught\n")
	say("| playbook | campaigns caught before the first target | goal | at a target's message | goal | targets reached to the alert, of | goal | to the stop, 30 min | to the stop, 8 h | median lead, h |")
	say("|---|---|---|---|---|---|---|---|---|---|")
	for _, g := range goals {
		x, c, y := rowOf(&cells, g.playbook), rowOf(&contacts, g.playbook), rowOf(&both, g.playbook)
		if x.Before.N == 0 {
			continue
		}
		before := fmt.Sprintf("%.0f %%: %s", 100*g.before, held(score.Reaches(g.before, x.Before.K, x.Before.N)))
		if g.playbook == "L5" {
			before = fmt.Sprintf("at most %.0f %%: %s", 100*mostL5, held(score.Reaches(1-mostL5, x.Before.N-x.Before.K, x.Before.N)))
		}
		reached := "**missed**"
		if y.Reached.Low <= g.reached {
			reached = "holds"
		}
		say("| %s | %s | %s | %s | %.0f %%: %s | %s of %.1f | %.1f: %s | %s | %s | %s |", g.playbook, percent(x.Before), before, percent(c.Contact), 100*g.contact,
			held(score.Reaches(g.contact, c.Contact.K, c.Contact.N)), interval(y.Reached, ""), y.Targets.Value, g.reached, reached, interval(y.Quick, ""), interval(y.Slow, ""), interval(x.Lead, ""))
	}
	say("\nA goal of a share is missed where so many misses would come in fewer than one of twenty trials of something that just reaches it; one of targets where the whole")
	say("interval lies over it. \"At a target's message\" counts what the targeting watch told when a target was written to; where people have found the cell to be an operator's,")
	say("its first link to somebody established outside of it is told whatever its score. Lead is from the alert about the cell to the first target, of those caught. Goals of the mute playbooks (L1m to L4m: the operator's own clients")
	say("tell nothing of links) are what a prototype reached without any link tokens.\n")
	if len(r.left) > 0 {
		say("## With a playbook left out of training\n")
		say("| left out | with it, the same worlds | without it | points lost | at most 15 |")
		say("|---|---|---|---|---|")
		for _, book := range sorted(r.left) {
			a, z := score.Pool("", b, r.full[book]), score.Pool("", b, r.left[book])
			x, y := rowOf(&a, book).Before, rowOf(&z, book).Before
			lost := 100 * (x.Part() - y.Part())
			verdict := "holds"
			if lost > 15 {
				verdict = "**missed**"
			}
			say("| %s | %s | %s | %.0f | %s |", book, percent(x), percent(y), lost, verdict)
		}
		say("\nThe mute form of a playbook is left out with it. This is the fair row for operators of a kind that nobody has seen.\n")
	}
	say("## False alerts\n")
	say("| | told | false | a week and world | promised | p |\n|---|---|---|---|---|---|")
	for _, x := range []struct {
		name string
		of   *score.Result
		in   []score.Judged
	}{{"rehearsal", &cells, r.cells}, {"targeting", &contacts, r.contacts}} {
		told := 0
		for i := range x.in {
			told += x.in[i].Alerts
		}
		kept := "kept"
		if !x.of.Promise.Kept {
			kept = "**broken**"
		}
		say("| %s | %d | %d | %.2f | %.1f | %.3f, %s |", x.name, told, x.of.Promise.False, x.of.FalseWeekly, r.e.perWeek, x.of.Promise.P, kept)
	}
	say("\nA promise is broken where so many would come in fewer than one of a hundred trials (Poisson).\n")
	say("On whom they fell, rehearsal:\n\n%s\nTargeting:\n\n%s", cells.Harmed(), contacts.Harmed())
	say("Disparity, rehearsal: at-risk teams were told of %s times as often as honest teams, and %s times as often as honest teams and everybody else together. Targeting: %s and %s. At most 1.5 is asked.\n",
		interval(cells.Disparity.Teams, ""), interval(cells.Disparity.All, ""), interval(contacts.Disparity.Teams, ""), interval(contacts.Disparity.All, ""))
	if len(r.twins) > 0 {
		say("Twins: the same worlds (%d), with one thing of all honest teams' members changed that says nothing about them. False alerts, and how many times as many as in the first row; 1.25 is to be within the interval.\n", len(r.e.fewest))
		say("| honest teams | rehearsal | times | targeting | times |\n|---|---|---|---|---|")
		for _, x := range r.twins {
			say("| %s | %d | %s | %d | %s |", x.name, x.cells, ratio(x.cells, r.twins[0].cells), x.aimed, ratio(x.aimed, r.twins[0].aimed))
		}
		say("")
	}
	if len(r.enrolled) > 0 {
		say("## By how many targets asked for protection\n")
		say("| targets enrolled | playbook | at a target's message | targets reached to the alert |\n|---|---|---|---|")
		lists := map[float64][3][]score.Judged{.4: {}}
		for k, v := range r.enrolled {
			lists[k] = v
		}
		var few [3][]score.Judged
		for _, seed := range r.e.fewest {
			if at := slices.Index(r.e.seeds, seed); at >= 0 {
				few[1], few[2] = append(few[1], r.contacts[at]), append(few[2], r.both[at])
			}
		}
		lists[.4] = few
		shares := make([]float64, 0, 3)
		for k := range lists {
			shares = append(shares, k)
		}
		slices.Sort(shares)
		for _, k := range shares {
			c, y := score.Pool("", b, lists[k][1]), score.Pool("", b, lists[k][2])
			for _, g := range goals {
				if x := rowOf(&c, g.playbook); x.Contact.N > 0 && len(g.playbook) == 2 {
					say("| %.0f %% | %s | %s | %s |", 100*k, g.playbook, percent(x.Contact), interval(rowOf(&y, g.playbook).Reached, ""))
				}
			}
		}
		say("")
	}
	if len(r.opponents) > 0 {
		r.beside(say, b)
	}
	r.million(say)
	if err := r.draw(say, &cells, b); err != nil {
		return err
	}
	say("## Not measured here\n")
	say("- The bootstrap is over %d worlds; disparity is asked of 60.", len(r.worlds))
	say("- Playbooks by an author who has not seen the detector, and an operator who changes against its score.")
	say("- Names: at tier 1 nothing can be read from a token, so that no name, registration or certificate counts here.")
	_, err := io.WriteString(w, p.String())
	return err
}

// beside holds opponents against the watch.
func (r *evaluated) beside(say func(string, ...any), b score.Budget) {
	say("## Beside what else one could use\n")
	say("On %d of the worlds, all on the same events, each with its own bound, set each week by one rule, the watch's own, without the campaigns that are known; or, where it says so, chosen knowing the test.", len(r.same))
	say("The first row is the rehearsal watch judged in the same way.\n")
	mine := score.Pool("vedette, rehearsal", b, r.same)
	rows, best, contact := []score.Result{mine}, []score.Result{mine}, []score.Result{score.Pool("vedette, targeting", b, r.aside)}
	var better []string
	for i := range r.opponents {
		x := &r.opponents[i]
		if x.method.Targeting {
			contact = append(contact, score.Pool(x.method.Name, b, x.judged))
			continue
		}
		rows = append(rows, score.Pool(x.method.Name, b, x.judged))
		h := score.Pool(x.method.Name, b, x.best)
		h.Hindsight = true
		best = append(best, h)
		for _, d := range score.Compare(r.same, x.best, score.Before) {
			if d.Better {
				better = append(better, fmt.Sprintf("%s on %s by %.2f (%.2f to %.2f)", x.method.Name, d.Playbook, d.By.Value, d.By.Low, d.By.High))
			}
		}
	}
	say("Campaigns caught before the first target:\n\n%s", score.Overview(rows, false))
	say("The same with each opponent's bound chosen in hindsight, at which its false alerts in the test weeks are exactly those allowed:\n\n%s", score.Overview(best, false))
	say("Campaigns caught at a target's message:\n\n%s", score.Overview(contact, true))
	if len(better) == 0 {
		say("No opponent is significantly better than the watch in any row, even with its bound chosen in hindsight (paired bootstrap over worlds).\n")
	} else {
		say("Significantly better than the watch, with the bound chosen in hindsight (paired bootstrap over worlds): %s.\n", strings.Join(better, "; "))
	}
	say("| opponent | what it does | after |\n|---|---|---|")
	for i := range r.opponents {
		m := &r.opponents[i].method
		say("| %s | %s | %s |", m.Name, m.About, m.Source)
	}
	say("")
}

// million judges all worlds together as one platform's regions, with one bound at three false alerts a week for each million accounts.
func (r *evaluated) million(say func(string, ...any)) {
	b := score.Budget{PerWeek: r.e.perWeek, Per: 1_000_000}
	var own []float64
	expected := 0.0
	for _, p := range r.worlds {
		j := score.NewJudge(p.truth)
		expected += b.In(p.truth) * p.truth.Test.Sub(p.truth.Learning).Hours() / 168
		for i := range p.rehearsal.Identities {
			rises := p.rehearsal.Identities[i].Rises
			for k := len(rises) - 1; k >= 0; k-- {
				if a := &rises[k]; !a.At.Before(p.truth.Learning) && a.At.Before(p.truth.Test) {
					if j.Operator(a) < 0 {
						own = append(own, a.Score)
					}
					break
				}
			}
		}
	}
	slices.SortFunc(own, func(x, y float64) int { return cmp.Compare(y, x) })
	k := score.Allowed(expected)
	if k < 0 || k >= len(own) {
		say("## At three false alerts a week for each million accounts\n\nToo few worlds to set such a bound.\n")
		return
	}
	var judged []score.Judged
	for _, p := range r.worlds {
		judged = append(judged, score.NewJudge(p.truth).Trial(&p.rehearsal, own[k], b))
	}
	x := score.Pool("", b, judged)
	say("## At three false alerts a week for each million accounts\n")
	say("All worlds as regions of one platform, with one bound, set on the learning weeks of all. False alerts: %d where %.1f were promised.\n", x.Promise.False, x.Promise.Expected)
	say("| playbook | caught before the first target |\n|---|---|")
	for _, g := range goals {
		if row := rowOf(&x, g.playbook); row.Before.N > 0 {
			say("| %s | %s |", g.playbook, percent(row.Before))
		}
	}
	say("")
}

// draw writes the drawings.
func (r *evaluated) draw(say func(string, ...any), cells *score.Result, b score.Budget) error {
	if r.e.plots == "" {
		return nil
	}
	if err := os.MkdirAll(r.e.plots, 0o755); err != nil {
		return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	var trials []*score.Trial
	for _, p := range r.worlds {
		trials = append(trials, &p.rehearsal)
	}
	curves := map[string]*score.Curve{}
	for _, per := range []float64{.3, 1, 3, 10} {
		bound := score.Hindsight(score.Budget{PerWeek: per}, trials...)
		var judged []score.Judged
		for _, t := range trials {
			judged = append(judged, score.NewJudge(t.Truth).Trial(t, bound, b))
		}
		x := score.Pool("", b, judged)
		for _, row := range x.Rows {
			if len(row.Playbook) != 2 {
				continue
			}
			c := curves[row.Playbook]
			if c == nil {
				c = &score.Curve{Name: row.Playbook}
				curves[row.Playbook] = c
			}
			c.X, c.Y = append(c.X, per), append(c.Y, row.Before.Part())
			c.Low, c.High = append(c.Low, row.Before.Low), append(c.High, row.Before.High)
		}
	}
	var list []score.Curve
	for _, k := range sorted(curves) {
		list = append(list, *curves[k])
	}
	base := filepath.Base(r.e.plots)
	for _, d := range []struct {
		name, about string
		svg         []byte
	}{
		{"recall.svg", "Campaigns caught before the first target, by budget (bounds chosen in hindsight)", score.RecallDrawing("Campaigns caught before the first target", "world", list)},
		{"lead.svg", "How long before the first target the cell was told of", score.LeadDrawing("Lead over the first target", r.cells, "L0", "L1", "L2", "L3", "L4")},
		{"false.svg", "On whom false alerts of the rehearsal watch fell", score.FalseDrawing("False alerts, a week and world", cells.False)},
	} {
		if err := os.WriteFile(filepath.Join(r.e.plots, d.name), d.svg, 0o644); err != nil {
			return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
		}
		say("![%s](%s/%s)\n", d.about, base, d.name)
	}
	return nil
}
