package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/response"
	"vedette/inline/decision"
	"vedette/record/authority"
)

// armWindow is how far back arm looks.
const armWindow = 7 * 24 * time.Hour

// arming is the argument of arm: what to arm and how far, or only to show.
type arming struct {
	Target  string          `json:"target"` // rule:ID, list:SOURCE, or all
	Verdict vedette.Verdict `json:"verdict"`
	By      string          `json:"by"`
	Why     string          `json:"why"`
	Until   time.Time       `json:"until,omitzero"`
	Dry     bool            `json:"dry"`
	Now     time.Time       `json:"now"`
}

// armed tells what arming would have done, and what it did.
type armed struct {
	Target   string         `json:"target"`
	Verdict  string         `json:"verdict"`
	Was      string         `json:"was"`
	Asks     string         `json:"asks,omitempty"` // of a list or rule: what it asks for at most; arming further changes nothing
	From     time.Time      `json:"from"`
	Events   int            `json:"events"`   // in the window
	WithLink int            `json:"links"`    // of them with a link
	Spoke    int            `json:"spoke"`    // events that it speaks about
	Changed  map[string]int `json:"changed"`  // answers that would have been others, by the new answer
	Senders  int            `json:"senders"`  // distinct accounts behind them
	Sample   []string       `json:"sample"`   // events to look at: vedette decision show ID
	Done     bool           `json:"done"`     // armed now
	Revision uint64         `json:"revision"` // of the change
	Force    inForce        `json:"in_force"`
}

var opArm = operation[arming, armed]{"arm", armTarget}

func armTarget(ctx context.Context, h *house, in arming) (armed, error) {
	target, err := h.armTarget(ctx, in.Target)
	if err != nil {
		return armed{}, err
	}
	before := h.judging.Load().generation
	was := before.Armed()
	next := decision.Armed{Ceiling: was.Ceiling, Each: map[vedette.RuleID]vedette.Verdict{}}
	for k, v := range was.Each {
		next.Each[k] = v
	}
	out := armed{Target: in.Target, Verdict: in.Verdict.String(), From: in.Now.Add(-armWindow), Changed: map[string]int{}, Sample: []string{}}
	if target == authority.Ceiling {
		out.Was = was.Ceiling.String()
		next.Ceiling = in.Verdict
	} else {
		out.Was = was.For(target).String()
		next.Each[target] = in.Verdict
	}
	if v, ok := h.asks(target); ok {
		out.Asks = v.String()
	}
	after, err := before.Rearm(next)
	if err != nil {
		return out, err
	}
	if err := h.wouldHave(ctx, before, after, target, &out); err != nil {
		return out, err
	}
	out.Force = h.inForce()
	if in.Dry {
		return out, nil
	}
	c, err := h.arms.Change(ctx, authority.Change{Target: target, Verdict: in.Verdict, By: []string{in.By}, Why: in.Why, Until: in.Until}, nil, in.Now)
	if err != nil {
		return out, err
	}
	if err := h.rearm(ctx, time.Now()); err != nil {
		return out, err
	}
	out.Done, out.Revision, out.Force = true, c.Revision, h.inForce()
	return out, nil
}

// armTarget reads a target and makes sure that there is such a thing: a typing mistake must not look like protection.
func (h *house) armTarget(ctx context.Context, s string) (vedette.RuleID, error) {
	switch {
	case s == "all":
		return authority.Ceiling, nil
	case s == string(response.TargetBlocks), s == string(response.TargetRecalls), s == string(vedette.RuleWatch):
		return vedette.RuleID(s), nil // also before the first block, recall or watch entry
	case strings.HasPrefix(s, "rule:"):
		_, err := h.judging.Load().rules.Rule(vedette.RuleID(s))
		return vedette.RuleID(s), err
	case strings.HasPrefix(s, "list:"):
		bySource, err := h.known.Count(ctx)
		if err != nil {
			return "", err
		}
		if _, ok := bySource[strings.TrimPrefix(s, "list:")]; !ok {
			return "", fmt.Errorf("no indicators of %s; known lists: %s: %w", s, strings.Join(byCount(bySource), ", "), vedette.ErrUnknown)
		}
		return vedette.RuleID(s), nil
	}
	return "", fmt.Errorf("%q is neither rule:NAME, list:NAME, watch:cell, actuator:recall nor all: %w", s, vedette.ErrInvalid)
}

// asks returns the strongest verdict that a list's indicators or a rule ask for.
func (h *house) asks(target vedette.RuleID) (vedette.Verdict, bool) {
	if target == vedette.RuleWatch {
		return vedette.Warn, true
	}
	if v, ok := h.judging.Load().set.Asks()[target]; ok {
		return v, true
	}
	rule, err := h.judging.Load().rules.Rule(target)
	return rule.Verdict, err == nil
}

// missing is what a recorded decision was made without and a new one would be too: what the door or memory could not give. What the
// generation lacked then, today's may have.
func missing(d *vedette.Decision) vedette.Degraded {
	return d.Degraded & (vedette.DegradedOverload | vedette.DegradedMeasures | vedette.DegradedLinks)
}

// wouldHave judges the window's entries by both generations, from what the journal keeps.
func (h *house) wouldHave(ctx context.Context, before, after *decision.Generation, target vedette.RuleID, out *armed) error {
	senders := map[vedette.AccountID]bool{}
	for e, err := range h.journal.Read(ctx, h.journal.First()) {
		if err != nil {
			return fmt.Errorf("look back: %w", err)
		}
		if e.Event.Seen.Before(out.From) || e.Event.Source == vedette.SourceJournal {
			continue
		}
		out.Events++
		if len(e.Event.Links()) > 0 {
			out.WithLink++
		}
		in := decision.Input{Event: &e.Event, Measures: e.Measures, Missing: missing(&e.Decision), Hindsight: true}
		a, b := before.Decide(&in), after.Decide(&in)
		spoke := target == authority.Ceiling && len(b.Reasons) > 0
		for _, r := range b.Reasons {
			spoke = spoke || r.Rule == target && !r.Shadow
		}
		if spoke {
			out.Spoke++
		}
		if b.Verdict != a.Verdict {
			out.Changed[b.Verdict.String()]++
			senders[e.Event.Actor] = true
			if len(out.Sample) < 10 {
				out.Sample = append(out.Sample, e.Event.ID.String())
			}
		}
	}
	out.Senders = len(senders)
	return nil
}

func (g *global) arm() *cobra.Command {
	var verdict, why, until string
	var yes, dry bool
	cmd := &cobra.Command{
		Use:   "arm [TARGET]",
		Short: "Let one rule, one list, or all of them change answers, after seeing what it would have stopped",
		Long: `A fresh install observes: it judges and records, and answers allow. Arming lets one rule (rule:NAME), one indicator list (list:SOURCE),
what people themselves block (list:cases) or recall (actuator:recall), links of groups that look like a rehearsal (watch:cell, which asks for a warning
at most), or all of them (all) answer up to a verdict. It first shows what
would have been different in the last 7 days, then asks. Without a target it says what is armed. Lowering is "vedette disarm" and needs two people.`,
		Example: "  vedette arm list:amnesty --verdict block\n  vedette arm rule:first-contact-rare-link --verdict warn\n  vedette arm all --verdict warn",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return g.showArmed(cmd)
			}
			v, err := vedette.ParseVerdict(verdict)
			if err != nil || v == vedette.Allow {
				return usage(cmd, "--verdict: warn, hold or block")
			}
			in := arming{Target: args[0], Verdict: v, By: operator(), Why: why, Dry: true, Now: time.Now().UTC()}
			if until != "" {
				if in.Until, err = parseDay(until); err != nil {
					return usage(cmd, "--until: %s", err)
				}
			}
			out, err := opArm.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if !g.json {
				out.print(cmd.OutOrStdout(), g.paint(cmd))
			}
			if !dry && !yes {
				if !terminalIn(cmd.InOrStdin()) {
					return usage(cmd, "nothing is armed yet: look at the numbers above, then say --yes (or --dry-run to only look)")
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Arm %s up to %s? Type yes: ", args[0], v)
				var answer string
				if _, err := fmt.Fscanln(cmd.InOrStdin(), &answer); err != nil || answer != "yes" {
					return &exit{exitError, fmt.Errorf("nothing is armed")}
				}
			}
			if !dry {
				in.Dry = false
				if out, err = opArm.do(cmd.Context(), g, in); err != nil {
					return err
				}
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if out.Done {
				fmt.Fprintf(cmd.OutOrStdout(), "Armed. Generation %s is in force.\n", out.Force.Generation)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&verdict, "verdict", "", "the strongest answer it may cause: warn, hold or block (needed)")
	f.StringVar(&why, "why", "", "a note for those who come after you")
	f.StringVar(&until, "until", "", "day on which it ends by itself")
	f.BoolVar(&yes, "yes", false, "don't ask")
	f.BoolVar(&dry, "dry-run", false, "only show what would have been different")
	return cmd
}

func terminalIn(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	return terminal(f)
}

// operator is the name that the person at this machine goes by.
func operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

func (a *armed) print(w io.Writer, p paint) {
	v, _ := vedette.ParseVerdict(a.Verdict)
	fmt.Fprintf(w, "%s may answer up to %s today; you ask for %s.\n", p.bold(a.Target), a.Was, p.verdict(v))
	if asks, err := vedette.ParseVerdict(a.Asks); err == nil && asks < v {
		fmt.Fprintf(w, "It asks for %s at most: armed up to %s it will never answer more than that.", p.verdict(asks), v)
		if strings.HasPrefix(a.Target, "list:") {
			fmt.Fprint(w, " To let it stop, import it again with --verdict block.")
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "In the last 7 days: %s events, %s with links; it spoke about %s.\n", count(a.Events), count(a.WithLink), count(a.Spoke))
	if len(a.Changed) == 0 {
		fmt.Fprintln(w, "No answer would have been different.")
		return
	}
	for _, k := range byCount(a.Changed) {
		kv, _ := vedette.ParseVerdict(k)
		fmt.Fprintf(w, "  %s answers would have been %s\n", count(a.Changed[k]), p.verdict(kv))
	}
	fmt.Fprintf(w, "from %s accounts. Look at some: vedette decision show %s\n", count(a.Senders), strings.Join(a.Sample[:min(3, len(a.Sample))], ", "))
}

type armedNow struct {
	Ceiling string             `json:"all"`
	Each    map[string]string  `json:"each"`
	Next    time.Time          `json:"next_end,omitzero"`
	History []authority.Change `json:"history"`
}

var opArmed = operation[struct{}, armedNow]{"armed", func(ctx context.Context, h *house, _ struct{}) (armedNow, error) {
	now, err := h.arms.Armed(ctx, time.Now())
	if err != nil {
		return armedNow{}, err
	}
	out := armedNow{Ceiling: now.Ceiling.String(), Each: map[string]string{}, Next: now.Next}
	for k, v := range now.Each {
		out.Each[string(k)] = v.String()
	}
	out.History, err = h.arms.History(ctx)
	return out, err
}}

func (g *global) showArmed(cmd *cobra.Command) error {
	out, err := opArmed.do(cmd.Context(), g, struct{}{})
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), out)
	}
	w := cmd.OutOrStdout()
	if out.Ceiling == vedette.Allow.String() && len(out.Each) == 0 {
		fmt.Fprintln(w, "Nothing is armed: every event is judged and recorded, and every answer is allow.")
	} else {
		t := newTable(w, "target", "may answer up to")
		t.row("all", out.Ceiling)
		for _, k := range sorted(out.Each) {
			t.row(k, out.Each[k])
		}
		t.flush()
	}
	for _, c := range out.History {
		target := string(c.Target)
		if target == "" {
			target = "all"
		}
		until := ""
		if !c.Until.IsZero() {
			until = " until " + c.Until.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "  %s  %s up to %s%s, by %s\n", c.At.Format(time.RFC3339), target, c.Verdict, until, strings.TrimSpace(strings.Join(c.By, " and ")+" "+c.Why))
	}
	return nil
}

type disarming struct {
	Target    string          `json:"target"`
	Verdict   vedette.Verdict `json:"verdict"`
	Until     time.Time       `json:"until"`
	Why       string          `json:"why"`
	Approvals [][]byte        `json:"approvals"`
	Propose   bool            `json:"propose"`
}

type disarmed struct {
	Act   []byte  `json:"act,omitempty"`
	Force inForce `json:"in_force"`
}

var opDisarm = operation[disarming, disarmed]{"disarm", func(ctx context.Context, h *house, in disarming) (disarmed, error) {
	target, err := h.armTarget(ctx, in.Target)
	if err != nil {
		return disarmed{}, err
	}
	c := authority.Change{Target: target, Verdict: in.Verdict, Until: in.Until, Why: in.Why, By: []string{"two people"}}
	now, err := h.arms.Armed(ctx, time.Now())
	if err != nil {
		return disarmed{}, err
	}
	// What lowers nothing would need nobody's approval, and history must not say that two people gave it.
	has := now.Each[target]
	if target == authority.Ceiling {
		has = now.Ceiling
	}
	if in.Verdict >= has {
		more := ""
		if target != authority.Ceiling && now.Ceiling > in.Verdict {
			more = ", and answers as \"all\" does: up to " + now.Ceiling.String()
		}
		return disarmed{}, fmt.Errorf("%s is armed up to %s%s: there is nothing to lower: %w", in.Target, has, more, vedette.ErrInvalid)
	}
	if in.Propose {
		act, err := authority.LowerAct(c, now.Revision)
		return disarmed{Act: act.Canonical()}, err
	}
	if _, err := h.arms.Change(ctx, c, in.Approvals, time.Now().UTC()); err != nil {
		return disarmed{}, err
	}
	if err := h.rearm(ctx, time.Now()); err != nil {
		return disarmed{}, err
	}
	return disarmed{Force: h.inForce()}, nil
}}

func (g *global) disarm() *cobra.Command {
	var verdict, until, why, propose string
	var approvals []string
	cmd := &cobra.Command{
		Use:   "disarm TARGET --until DAY --why TEXT",
		Short: "Lower protection for a while, with two people's approval",
		Long: `Lowering protection can harm people, so it needs a reason, an end at most 90 days away, and two people: write the act with --propose, let
both sign it with "vedette approve", and disarm with both approvals. What was armed before holds again at the end.`,
		Args: exactly(1, "rule:NAME, list:NAME, watch:cell, actuator:recall or all"),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := vedette.ParseVerdict(verdict)
			if err != nil {
				return usage(cmd, "--verdict: %s", err)
			}
			if until == "" || why == "" {
				return usage(cmd, "--until and --why are needed: the day on which it ends, and why, so that a stranger understands")
			}
			end, err := parseDay(until)
			if err != nil {
				return usage(cmd, "--until: %s", err)
			}
			if end.After(time.Now().Add(authority.MaxLowered)) {
				return usage(cmd, "--until %s: at most %s away", until, days(authority.MaxLowered))
			}
			in := disarming{Target: args[0], Verdict: v, Until: end, Why: why, Propose: propose != ""}
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			out, err := opDisarm.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if propose != "" {
				return writeAct(cmd, propose, out.Act)
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s may answer up to %s until %s. Generation %s is in force.\n", args[0], v, end.Format(time.DateOnly), out.Force.Generation)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&verdict, "verdict", "allow", "the strongest answer it may still cause")
	f.StringVar(&until, "until", "", "day on which it ends, at most 90 days away (needed)")
	f.StringVar(&why, "why", "", "why, so that a stranger understands (needed)")
	f.StringVar(&propose, "propose", "", "only write the act to this file, for two people to approve")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")
	return cmd
}
