package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/sim/score"
	"vedette/sim/world"
)

func (g *global) rangeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "range", Short: "Play made-up platforms with operators in them, and see what the watch makes of them",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.rangeGenerate(), g.rangeRun(), g.rangeScore(), g.rangeTrain(), g.rangeEvaluate(), g.rangeCost())
	return cmd
}

// scenarioFlags are what every command of the range asks.
type scenarioFlags struct {
	file string
	seed uint64
}

func (f *scenarioFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "scenario", "", "a scenario file (docs/formats/scenario.md); default: the standard range")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "the same scenario and seed give the same world")
}

func (f *scenarioFlags) read() (*world.Scenario, error) {
	if f.file == "" {
		return world.Default(), nil
	}
	r, err := os.Open(f.file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	defer func() { _ = r.Close() }()
	s, err := world.ReadScenario(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return s, nil
}

func (g *global) rangeGenerate() *cobra.Command {
	var f scenarioFlags
	var out, truth string
	cmd := &cobra.Command{
		Use: "generate --out FILE --truth FILE", Short: "Write a world's events as newline-delimited JSON, and the truth beside them",
		Long: `Writes what a made-up platform would send, in order of time, and beside it who was who. Names and hosts are made up, under reserved domains.
"vedette replay" plays the events, "vedette range score" holds findings against the truth.`,
		Example: "  vedette range generate --seed 1 --out events.ndjson --truth truth.json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" || truth == "" {
				return usage(cmd, "--out and --truth are needed")
			}
			s, err := f.read()
			if err != nil {
				return err
			}
			w, err := world.New(s, f.seed)
			if err != nil {
				return err
			}
			if err := toFile(out, func(to io.Writer) error { return w.WriteWire(until{cmd.Context(), to}) }); err != nil {
				return err
			}
			if err := toFile(truth, w.Truth().Write); err != nil {
				return err
			}
			t := w.Truth()
			if g.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"accounts": t.Accounts, "events": t.Events, "teams": len(t.Teams), "start": t.Start, "end": t.End})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s events of %s accounts, %s teams, %s to %s\n", count(t.Events), count(t.Accounts), count(len(t.Teams)),
				t.Start.Format(time.DateOnly), t.End.Format(time.DateOnly))
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "file of events")
	cmd.Flags().StringVar(&truth, "truth", "", "file of the truth")
	return cmd
}

// until writes as long as its context lasts: what writes for a minute must stop when it is told to.
type until struct {
	ctx context.Context
	w   io.Writer
}

func (u until) Write(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(b)
}

// toFile writes a file whole.
func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(write(w), w.Flush(), f.Close())
}

// rangeResult is what "range run" prints.
type rangeResult struct {
	Scenario string                 `json:"scenario"`
	Seed     uint64                 `json:"seed"`
	Accounts int                    `json:"accounts"`
	Events   uint64                 `json:"events"`
	Weeks    float64                `json:"weeks"` // that were judged
	Budget   float64                `json:"budget_per_week"`
	False    float64                `json:"false_alerts_per_week"` // of the rehearsal watch; below of both
	Queues   map[string]rangeQueue  `json:"queues"`
	Books    map[string]rangeResRow `json:"campaigns"`
	Kinds    map[string]int         `json:"by_confounder"` // false alerts of both queues, by whom they fell on
	Digest   vedette.Digest         `json:"findings_digest"`
	Seconds  float64                `json:"seconds"`
}

type rangeQueue struct {
	Alerts   int     `json:"alerts"`
	False    int     `json:"false"`
	PerWeek  float64 `json:"false_alerts_per_week"`
	Promised float64 `json:"promised_per_week"`
}

type rangeResRow struct {
	Count   int     `json:"count"`
	Caught  int     `json:"caught"`                     // by either queue
	Before  int     `json:"caught_before_first_target"` // by the rehearsal watch
	Contact int     `json:"caught_at_first_contact"`    // by the targeting watch
	Lead    float64 `json:"median_lead_hours"`          // from the alert about the cell to the first target, of those caught
	Targets float64 `json:"targets_per_campaign"`
	Reached float64 `json:"targets_reached_to_alert"`
	Quick   float64 `json:"targets_reached_before_stop_30_minutes"`
	Slow    float64 `json:"targets_reached_before_stop"` // by an analyst who needs eight hours
}

func (p *played) result(perWeek float64) rangeResult {
	j := score.NewJudge(p.truth)
	b := score.Budget{PerWeek: perWeek}
	cells, contacts, both := j.Alerts(p.cells, b), j.Alerts(p.contacts, b), j.Alerts(p.both(), b)
	out := rangeResult{
		Scenario: p.truth.Scenario, Seed: p.truth.Seed, Accounts: p.truth.Accounts, Events: p.counts.Taken + p.counts.Silent, Weeks: cells.Weeks, Budget: perWeek,
		Queues: map[string]rangeQueue{}, Books: map[string]rangeResRow{}, Kinds: both.FalseBy, Digest: p.digest(), Seconds: p.seconds,
	}
	for name, x := range map[string]*score.Judged{"rehearsal": &cells, "targeting": &contacts} {
		out.Queues[name] = rangeQueue{x.Alerts, x.False, float64(x.False) / max(x.Weeks, 1e-9), perWeek}
	}
	out.False = out.Queues["rehearsal"].PerWeek
	leads := map[string][]float64{}
	for i := range both.Campaigns {
		c, first, at := &both.Campaigns[i], &cells.Campaigns[i], &contacts.Campaigns[i]
		r := out.Books[c.Playbook]
		r.Count++
		r.Caught += one(c.Caught)
		r.Before += one(first.Before)
		r.Contact += one(at.Contact)
		r.Targets += float64(c.Targets)
		r.Reached += float64(c.Reached)
		r.Quick += float64(c.Quick)
		r.Slow += float64(c.Slow)
		if first.Caught {
			leads[c.Playbook] = append(leads[c.Playbook], first.Lead.Hours())
		}
		out.Books[c.Playbook] = r
	}
	for k, r := range out.Books {
		n := float64(r.Count)
		r.Targets, r.Reached, r.Quick, r.Slow = r.Targets/n, r.Reached/n, r.Quick/n, r.Slow/n
		if l := leads[k]; len(l) > 0 {
			slices.Sort(l)
			r.Lead = (l[(len(l)-1)/2] + l[len(l)/2]) / 2
		}
		out.Books[k] = r
	}
	return out
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (g *global) rangeRun() *cobra.Command {
	var f scenarioFlags
	var perWeek float64
	var tick time.Duration
	cmd := &cobra.Command{
		Use: "run [--scenario FILE] [--seed N]", Short: "Play a world through the watch, and hold what it found against the truth",
		Long: `Plays a made-up platform straight into the watch: warm-up, learning weeks on which the bounds are set, test weeks that are judged. An analyst who judges
rightly answers each finding, and knows the attacks of the learning weeks once a target was written to. Everything is counted in the test weeks alone.`,
		Example: "  vedette range run --seed 1\n  vedette range run --scenario mine.yaml --seed 7 --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(perWeek > 0) || tick < time.Hour {
				return usage(cmd, "--per-week must be over 0, and --tick 1h at least")
			}
			s, err := f.read()
			if err != nil {
				return err
			}
			o := playing{tick: tick, perWeek: perWeek}
			p, err := o.play(cmd.Context(), s, f.seed)
			if err != nil {
				return err
			}
			r := p.result(perWeek)
			if g.json {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	f.add(cmd)
	cmd.Flags().Float64Var(&perWeek, "per-week", 3, "false alerts a week that the team can carry, for each queue")
	cmd.Flags().DurationVar(&tick, "tick", 12*time.Hour, "time between two looks at everything")
	return cmd
}

func (r *rangeResult) print(w io.Writer) error {
	fmt.Fprintf(w, "%s events of %s accounts, %.0f weeks judged\n", count(int(r.Events)), count(r.Accounts), r.Weeks)
	for _, q := range []string{"rehearsal", "targeting"} {
		x := r.Queues[q]
		fmt.Fprintf(w, "%s: %d alerts, %.1f false a week, %.1f promised\n", q, x.Alerts, x.PerWeek, x.Promised)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nplaybook\tcampaigns\tbefore the first target\tat first contact\tlead, median\ttargets\treached to the alert\tto the stop (30 min)\t(8 h)")
	for _, k := range sorted(r.Books) {
		x := r.Books[k]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%.0f h\t%.1f\t%.1f\t%.1f\t%.1f\n", k, x.Count, x.Before, x.Contact, x.Lead, x.Targets, x.Reached, x.Quick, x.Slow)
	}
	fmt.Fprintln(t, "\nfalse alerts on\tcount")
	for _, k := range sorted(r.Kinds) {
		fmt.Fprintf(t, "%s\t%d\n", k, r.Kinds[k])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nfindings %s\n", r.Digest)
	return err
}

// parseSeeds reads "1-20" or "1,5,9".
func parseSeeds(text string) ([]uint64, error) {
	var out []uint64
	for _, part := range strings.Split(text, ",") {
		a, b, span := strings.Cut(part, "-")
		from, err := strconv.ParseUint(a, 10, 32)
		to := from
		if err == nil && span {
			to, err = strconv.ParseUint(b, 10, 32)
		}
		if err != nil || to < from || to-from > 10_000 {
			return nil, fmt.Errorf("seeds %q: write them as 1-20 or 1,5,9: %w", text, vedette.ErrInvalid)
		}
		for s := from; s <= to; s++ {
			out = append(out, s)
		}
	}
	return out, nil
}

func (g *global) rangeScore() *cobra.Command {
	var findings, truth string
	cmd := &cobra.Command{
		Use: "score --findings FILE --truth FILE", Short: "Hold findings, of whatever detector, against a world's truth",
		Long: `Reads findings as newline-delimited JSON objects with "To", "Score", "Subjects" and "Links", as the watch writes them, and the truth that "range generate"
wrote, and counts what was caught in the test weeks, when, and on whom false alerts fell.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if findings == "" || truth == "" {
				return usage(cmd, "--findings and --truth are needed")
			}
			ft, err := os.Open(truth)
			if err != nil {
				return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
			}
			defer func() { _ = ft.Close() }()
			t, err := world.ReadTruth(bufio.NewReader(ft))
			if err != nil {
				return fmt.Errorf("%s: %w", truth, err)
			}
			ff, err := os.Open(findings)
			if err != nil {
				return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
			}
			defer func() { _ = ff.Close() }()
			var alerts []score.Alert
			dec := json.NewDecoder(bufio.NewReader(ff))
			for n := 1; ; n++ {
				var f vedette.Finding
				if err := dec.Decode(&f); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					return fmt.Errorf("%s: finding %d: %w: %w", findings, n, err, vedette.ErrInvalid)
				}
				alerts = append(alerts, score.FromFinding(&f, f.Detector))
			}
			j := score.NewJudge(t).Alerts(alerts, score.Budget{PerWeek: 3})
			if g.json {
				return printJSON(cmd.OutOrStdout(), j)
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "%d alerts in %.0f weeks, %d false\n", j.Alerts, j.Weeks, j.False)
			caught := map[string][3]int{}
			for i := range j.Campaigns {
				c := &j.Campaigns[i]
				x := caught[c.Playbook]
				caught[c.Playbook] = [3]int{x[0] + 1, x[1] + one(c.Caught), x[2] + one(c.Before)}
			}
			for _, k := range sorted(caught) {
				x := caught[k]
				fmt.Fprintf(w, "%s: %d of %d caught, %d before the first target\n", k, x[1], x[0], x[2])
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&findings, "findings", "", "file of findings")
	cmd.Flags().StringVar(&truth, "truth", "", "file of the truth")
	return cmd
}

func (g *global) rangeTrain() *cobra.Command {
	var f scenarioFlags
	var seeds, out, without string
	cmd := &cobra.Command{
		Use: "train --seeds 9101-9104 --out FILE", Short: "Make the rehearsal watch's scorecards from worlds",
		Long: `Plays worlds and makes a scorecard for each playbook in them and one for all (docs/decisions/0023-rehearsal.md). What is reported must be measured on
other worlds.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := parseSeeds(seeds)
			if err != nil {
				return usage(cmd, "--seeds: %s", err)
			}
			if out == "" {
				return usage(cmd, "--out is needed")
			}
			s, err := f.read()
			if err != nil {
				return err
			}
			ls, err := allLessons(cmd.Context(), s, list)
			if err != nil {
				return err
			}
			m := teach(ls)
			m.Made = fmt.Sprintf("by \"vedette range train --seeds %s\", from the scenario %q", seeds, s.Name)
			for _, book := range strings.FieldsFunc(without, func(r rune) bool { return r == ',' }) {
				file := strings.TrimSuffix(out, ".json") + "-without-" + book + ".json"
				if err := toFile(file, leaveOut(m, ls, book, book+"m").Write); err != nil {
					return err
				}
			}
			return toFile(out, m.Write)
		},
	}
	f.add(cmd)
	_ = cmd.Flags().MarkHidden("seed")
	cmd.Flags().StringVar(&seeds, "seeds", "", "worlds to learn from: 9101-9104, or 1,5,9")
	cmd.Flags().StringVar(&out, "out", "", "file of the model")
	cmd.Flags().StringVar(&without, "without", "", "playbooks, with commas: for each, a further model (FILE-without-L2.json) as if nobody had seen it or its mute form")
	return cmd
}
